// SPDX-License-Identifier: BSL-1.0
#pragma once

// gzip with zlib: what a client needs to read answers that are compressed. Layer: public. RFC 1952, RFC 9110 §8.4.1.3
//
// Includes zlib: link weir::deflate.

#include <weir/error.hpp>
#include <weir/exceptions.hpp>
#include <weir/http/content_decoder.hpp>
#include <weir/http/grammar.hpp>

#include <zlib.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <limits>
#include <memory>
#include <new>
#include <string_view>

namespace weir {

/// Has a client ask for gzip, and inflates the answers that have it:
///
///     weir::sse_client client{executor, url, {.decoding = weir::gzip_content{}}};
///
/// An event is there as soon as the server has flushed it, which a server has to do with each (Z_SYNC_FLUSH). An answer
/// may be several gzip members in a row; it may end anywhere. What is no gzip, or fails its checksum, is
/// error::bad_deflate.
///
/// Memory. 56 KiB for each answer that is being read: zlib's window and tables, and the piece at hand.
struct gzip_content {
    /// Throws std::bad_alloc.
    operator std::shared_ptr<const http::content_decoding>() const;
};

namespace detail {

class gzip_decoder final : public http::content_decoder {
public:
    /// Throws std::bad_alloc.
    gzip_decoder() {
        constexpr int largest_window = 15, with_gzip_header = 16;
        // the settings are within zlib's bounds: if it fails, it is the memory
        if (inflateInit2(&stream_, largest_window + with_gzip_header) != Z_OK) raise(std::bad_alloc{});
    }
    ~gzip_decoder() override { inflateEnd(&stream_); }

    status next(std::string_view& in) override;
    std::string_view data() const noexcept override { return {output_.data(), size_}; }
    weir::error error() const noexcept override { return error_; }

private:
    int step(std::string_view& in);

    z_stream stream_{};
    std::size_t size_ = 0;
    weir::error error_ = weir::error::none;
    bool has_more_ = false;  // zlib may hold more of what it consumed: it filled the output
    bool member_ended_ = false;
    std::array<char, max_piece_bytes> output_;  // never initialised: an event touches little of it
};

class gzip_decoding final : public http::content_decoding {
public:
    std::string_view coding() const noexcept override { return "gzip"; }
    // "A recipient SHOULD consider "x-gzip" to be equivalent to "gzip"." RFC 9110 §8.4.1.3
    bool decodes(std::string_view coding_of_answer) const noexcept override {
        return content_decoding::decodes(coding_of_answer) || http::equal_ignoring_case(coding_of_answer, "x-gzip");
    }
    std::unique_ptr<http::content_decoder> make() const override { return std::make_unique<gzip_decoder>(); }
};

inline gzip_decoder::status gzip_decoder::next(std::string_view& in) {
    while (error_ == weir::error::none && (has_more_ || !in.empty())) {
        const int result = step(in);
        if (result == Z_MEM_ERROR) raise(std::bad_alloc{});
        const bool nothing_to_do = result == Z_BUF_ERROR;
        if (result != Z_OK && result != Z_STREAM_END && !nothing_to_do) error_ = weir::error::bad_deflate;
        // what came before the fault still counts, as it would had it come alone
        if (size_ != 0) return status::data;
    }
    return error_ == weir::error::none ? status::need_more : status::failed;
}

/// Inflates once: from the front of `in`, into the output.
inline int gzip_decoder::step(std::string_view& in) {
    // "A gzip file consists of a series of "members" [...]. The members simply appear one after another in the file".
    // RFC 1952 §2.2
    if (member_ended_) inflateReset(&stream_);
    const auto offered = std::min<std::size_t>(in.size(), std::numeric_limits<uInt>::max());
    stream_.next_in = const_cast<Bytef*>(reinterpret_cast<const Bytef*>(in.data()));  // zlib does not write there
    stream_.avail_in = static_cast<uInt>(offered);
    stream_.next_out = reinterpret_cast<Bytef*>(output_.data());
    stream_.avail_out = static_cast<uInt>(output_.size());

    const int result = ::inflate(&stream_, Z_SYNC_FLUSH);
    in.remove_prefix(offered - stream_.avail_in);
    size_ = output_.size() - stream_.avail_out;
    member_ended_ = result == Z_STREAM_END;
    has_more_ = stream_.avail_out == 0 && !member_ended_;
    return result;
}

}  // namespace detail

inline gzip_content::operator std::shared_ptr<const http::content_decoding>() const {
    return std::make_shared<const detail::gzip_decoding>();
}

}  // namespace weir

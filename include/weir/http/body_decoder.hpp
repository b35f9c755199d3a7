// SPDX-License-Identifier: BSL-1.0
#pragma once

// Decodes a request's body, whatever delimits it, within a limit. Layer: protocol. RFC 9112 §6, §7.1

#include <weir/error.hpp>
#include <weir/http/body_framing.hpp>
#include <weir/http/chunked_decoder.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace weir::http {

/// What a body may cost. Zero = off.
struct body_limits {
    std::uint64_t max_body_bytes = 1024 * 1024;
    chunk_limits chunks = {};
};

/// Yields a body piece by piece, without copying. A length beyond the limit fails at once, before a byte of it came,
/// and a chunk at its size line.
class body_decoder {
public:
    constexpr explicit body_decoder(body_framing framing, body_limits limits = {}) noexcept
        : kind_{framing.kind}, max_body_bytes_{limits.max_body_bytes}, length_{framing.length}, chunks_{limits.chunks} {
        if (kind_ == body_kind::length) check_limit(framing.length);
    }

    using status = chunked_decoder::status;

    /// Consumes from the front of `in`. `data`: data() is a piece of the body, call again; `complete`: the body is
    /// whole, and what is left in `in` follows it; `need_more`: `in` is empty; `failed`: see error().
    /// Call it once with an empty `in` before reading: a request without a body is `complete` then.
    constexpr status next(std::string_view& in) noexcept {
        if (error_ != weir::error::none) return status::failed;
        return kind_ == body_kind::chunked ? next_chunked(in) : next_counted(in);
    }

    /// Feeds all of `in`, calling `on_data(std::string_view)` for every piece. Returns the status that stopped it:
    /// need_more, complete or failed. `in` keeps what follows the body.
    template <class OnData>
    constexpr status feed(std::string_view& in, OnData&& on_data) {
        for (;;) {
            const auto result = next(in);
            if (result != status::data) return result;
            on_data(data());
        }
    }

    /// A piece of the body, within the `in` of the last call.
    constexpr std::string_view data() const noexcept { return data_; }
    /// How much of the body has come, in bytes of data.
    constexpr std::uint64_t received() const noexcept { return received_; }
    /// body_too_large, bad_body, or head_too_large and too_many_fields for what surrounds the chunks. The connection
    /// cannot be used any further.
    constexpr weir::error error() const noexcept { return error_; }

private:
    constexpr status next_counted(std::string_view& in) noexcept {
        if (received_ == length_) return status::complete;
        if (in.empty()) return status::need_more;
        const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(in.size(), length_ - received_));
        const auto piece = in.substr(0, size);
        in.remove_prefix(size);
        return deliver(piece);
    }

    constexpr status next_chunked(std::string_view& in) noexcept {
        const auto result = chunks_.next(in);
        if (result == status::data) deliver(chunks_.data());
        error_ = chunks_.error();
        if (error_ == weir::error::none) check_limit(chunks_.chunk_remaining());
        return error_ == weir::error::none ? result : status::failed;
    }

    constexpr status deliver(std::string_view piece) noexcept {
        data_ = piece;
        received_ += piece.size();
        return status::data;
    }

    // `announced`: what is known to follow what was received.
    constexpr void check_limit(std::uint64_t announced) noexcept {
        if (max_body_bytes_ == 0) return;
        const bool fits = received_ <= max_body_bytes_ && announced <= max_body_bytes_ - received_;
        if (!fits) error_ = weir::error::body_too_large;
    }

    body_kind kind_;
    std::uint64_t max_body_bytes_;
    std::uint64_t length_;
    std::uint64_t received_ = 0;
    chunked_decoder chunks_;
    std::string_view data_;
    weir::error error_ = weir::error::none;
};

}  // namespace weir::http

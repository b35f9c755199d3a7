// SPDX-License-Identifier: BSL-1.0
#pragma once

// One answer's bytes, as its head and the pieces of its content. Layer: session. RFC 9112 §6, RFC 9110 §8.4, §15.2

#include <weir/error.hpp>
#include <weir/http/body_decoder.hpp>
#include <weir/http/body_framing.hpp>
#include <weir/http/content_decoder.hpp>
#include <weir/http/head_scanner.hpp>
#include <weir/http/response_parser.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace weir::detail {

/// Takes one response apart: interim ones are passed over, and its content comes as the server meant it, without chunks
/// and decoded. A head is copied, content is not. Not thread-safe.
class sse_exchange {
public:
    enum class status : std::uint8_t {
        need_more,
        head,      ///< response() is there; begin_content(), or nothing more
        data,      ///< data() is a piece of the content; call again, with an empty input too
        complete,  ///< the content is whole; what is left of the input does not belong to it
        failed,    ///< see error()
    };

    explicit sse_exchange(http::head_limits limits = {}) : limits_(limits), parser_(limits) {}

    /// Ready for the answer to the next request.
    void restart();

    /// Consumes from the front of `in`. What data() refers to may lie behind the front: the memory of `in` has to stay
    /// as it is until need_more.
    status next(std::string_view& in);

    /// The answer; after `head`, until the next call that is not const.
    const http::response_view& response() const noexcept { return parser_.response(); }
    /// Has the content decoded that follows the head. Errors: those of response_body_framing(), unsupported_coding.
    weir::error begin_content(std::string_view request_method, const http::content_decoding* known);

    std::string_view data() const noexcept { return data_; }
    /// Those of response_parser, body_decoder and content_decoder; head_too_large for interim answers without end.
    weir::error error() const noexcept { return error_; }
    /// Whether a byte of the answer has come.
    bool has_begun() const noexcept { return begun_; }
    /// Whether the answer is whole if the connection ends now, in good order.
    bool complete_at_end() const noexcept { return phase_ == phase::content && body_.complete_at_end(); }

private:
    enum class phase : std::uint8_t { head, judged, content };

    status next_head(std::string_view& in);
    status next_content(std::string_view& in);
    status fail(weir::error why) noexcept {
        error_ = why;
        return status::failed;
    }

    http::head_limits limits_;
    http::response_parser parser_;
    std::string head_;
    http::body_decoder body_{{}};
    std::unique_ptr<http::content_decoder> decoder_;
    std::string_view encoded_, data_;
    weir::error error_ = weir::error::none;
    int interim_ = 0;
    phase phase_ = phase::head;
    bool begun_ = false;
};

inline void sse_exchange::restart() {
    parser_.reset();
    head_.clear();
    decoder_.reset();
    encoded_ = data_ = {};
    error_ = weir::error::none;
    interim_ = 0;
    phase_ = phase::head;
    begun_ = false;
}

inline sse_exchange::status sse_exchange::next(std::string_view& in) {
    if (error_ != weir::error::none) return status::failed;
    begun_ = begun_ || !in.empty();
    switch (phase_) {
        case phase::head: return next_head(in);
        case phase::content: return next_content(in);
        case phase::judged: break;
    }
    return status::complete;
}

inline sse_exchange::status sse_exchange::next_head(std::string_view& in) {
    constexpr auto unlimited = std::numeric_limits<std::size_t>::max();
    const auto limit = limits_.max_head_bytes != 0 ? limits_.max_head_bytes : unlimited;
    while (!in.empty()) {
        const auto before = head_.size();
        head_.append(in.substr(0, limit - before));  // more would not be looked at
        const auto parsed = parser_.parse(head_);
        if (parsed == http::response_parser::status::failed) return fail(parser_.error());
        const bool whole = parsed == http::response_parser::status::complete;
        in.remove_prefix((whole ? parser_.head_size() : head_.size()) - before);
        if (!whole) continue;
        // "A client MUST be able to parse one or more 1xx responses received prior to a final response". RFC 9110 §15.2
        if (!http::is_interim(response().status)) {
            phase_ = phase::judged;
            return status::head;
        }
        if (++interim_ > http::max_interim_responses) return fail(weir::error::head_too_large);
        parser_.reset();
        head_.clear();
    }
    return status::need_more;
}

inline error sse_exchange::begin_content(std::string_view request_method, const http::content_decoding* known) {
    const auto [why, framing] = http::response_body_framing(response(), request_method);
    auto chosen = http::choose_content_decoder(response().fields, known);
    if (why != weir::error::none || chosen.error != weir::error::none) {
        return why != weir::error::none ? why : chosen.error;
    }
    // A stream goes on for ever, and so do the extensions of its chunks, of which nothing is kept.
    body_ = http::body_decoder{framing, {.max_body_bytes = 0, .chunks = {.max_extension_bytes = 0}}};
    decoder_ = std::move(chosen.decoder);
    phase_ = phase::content;
    return weir::error::none;
}

inline sse_exchange::status sse_exchange::next_content(std::string_view& in) {
    for (;;) {
        if (decoder_) {
            const auto decoded = decoder_->next(encoded_);
            data_ = decoder_->data();
            if (decoded == http::content_decoder::status::data) return status::data;
            if (decoded == http::content_decoder::status::failed) return fail(decoder_->error());
        }
        switch (body_.next(in)) {
            case http::body_decoder::status::need_more: return status::need_more;
            case http::body_decoder::status::complete: return status::complete;
            case http::body_decoder::status::failed: return fail(body_.error());
            case http::body_decoder::status::data: encoded_ = body_.data(); break;
        }
        if (!decoder_) {
            data_ = encoded_;
            return status::data;
        }
    }
}

}  // namespace weir::detail

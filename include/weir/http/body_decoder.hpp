// SPDX-License-Identifier: BSL-1.0
#pragma once

// Decodes a body, whatever delimits it, within a limit. Layer: protocol. RFC 9112 §6, §7.1, §8

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
    std::uint64_t max_body_bytes = 1024 * 1024;  ///< off for a stream that may go on for ever
    chunk_limits chunks = {};                    ///< what chunked framing may cost beside the data
};

/// Yields a body piece by piece, without copying. A length beyond the limit fails at once, before a byte of it came,
/// and a chunk at its size line; a body up to the end of the connection, at the first byte that is too many.
class body_decoder {
public:
    /// Decodes one body, of the framing that its head has promised.
    constexpr explicit body_decoder(body_framing framing, body_limits limits = {}) noexcept
        : kind_{framing.kind}, max_body_bytes_{limits.max_body_bytes}, length_{framing.length}, chunks_{limits.chunks} {
        if (kind_ == body_kind::length) check_limit(framing.length);
    }

    /// As of chunked_decoder.
    using status = chunked_decoder::status;

    /// Consumes from the front of `in`. `data`: data() is a piece of the body, call again; `complete`: the body is
    /// whole, and what is left in `in` follows it; `need_more`: `in` is empty; `failed`: see error().
    /// Call it once with an empty `in` before reading: a message without a body is `complete` then. A body of kind
    /// until_close never is.
    constexpr status next(std::string_view& in) noexcept {
        if (error_ != weir::error::none) return status::failed;
        switch (kind_) {
            case body_kind::chunked: return next_chunked(in);
            case body_kind::until_close: return next_unbounded(in);
            case body_kind::none:
            case body_kind::length: break;
        }
        return next_counted(in);
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
    /// Whether the connection may end here, in good order, once everything that came was fed: the body is whole then.
    /// Otherwise it is cut off. A reset, or a TLS connection that ends without saying so, cuts off a body of kind
    /// until_close too, which the caller knows. RFC 9112 §8
    constexpr bool complete_at_end() const noexcept {
        if (error_ != weir::error::none) return false;
        switch (kind_) {
            // "A message body that uses the chunked transfer coding is incomplete if the zero-sized chunk that
            // terminates the encoding has not been received."
            case body_kind::chunked: return chunks_complete_;
            // "A response that has neither chunked transfer coding nor Content-Length is terminated by closure of the
            // connection and, if the header section was received intact, is considered complete unless an error was
            // indicated by the underlying connection"
            case body_kind::until_close: return true;
            // "A message that uses a valid Content-Length is incomplete if the size of the message body received (in
            // octets) is less than the value given by Content-Length."
            case body_kind::none:
            case body_kind::length: break;
        }
        return received_ == length_;
    }
    /// body_too_large, bad_body, or head_too_large and too_many_fields for what surrounds the chunks. The connection
    /// cannot be used any further.
    constexpr weir::error error() const noexcept { return error_; }

private:
    constexpr status next_counted(std::string_view& in) noexcept {
        if (received_ == length_) return status::complete;
        if (in.empty()) return status::need_more;
        return take(in, length_ - received_);
    }

    constexpr status take(std::string_view& in, std::uint64_t at_most) noexcept {
        const auto piece = in.substr(0, static_cast<std::size_t>(std::min<std::uint64_t>(in.size(), at_most)));
        in.remove_prefix(piece.size());
        return deliver(piece);
    }

    constexpr status next_unbounded(std::string_view& in) noexcept {
        if (in.empty()) return status::need_more;
        const auto room = max_body_bytes_ != 0 ? max_body_bytes_ - received_ : in.size();
        if (room == 0) {
            error_ = weir::error::body_too_large;
            return status::failed;
        }
        return take(in, room);
    }

    constexpr status next_chunked(std::string_view& in) noexcept {
        const auto result = chunks_.next(in);
        chunks_complete_ = result == status::complete;
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
    bool chunks_complete_ = false;
};

}  // namespace weir::http

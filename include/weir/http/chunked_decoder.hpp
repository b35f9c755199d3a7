// SPDX-License-Identifier: BSL-1.0
#pragma once

// Decodes the chunked transfer coding, strictly. Layer: protocol. RFC 9112 §7.1
//
// Not on llhttp: 8.1.0 skips any byte where a line feed or the CRLF after a chunk belongs unless built strict, and the
// bounding of chunk extensions is left to its users (CVE-2024-22019). Every byte of framing would have to be checked
// beside it, and then it would decide nothing. The fuzz target compares the two instead.

#include <weir/error.hpp>
#include <weir/http/field_scanner.hpp>
#include <weir/http/grammar.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace weir::http {

/// What chunked framing may cost beside the data. Zero = off.
struct chunk_limits {
    std::size_t max_extension_bytes = 4 * 1024;  ///< all chunk extensions of a body together
    std::size_t max_trailer_bytes = 8 * 1024;    ///< the trailer section, which is checked and dropped
    std::size_t max_trailer_fields = 100;        ///< the lines of the trailer section
};

/// A state machine over the bytes of a chunked body; they may come in any pieces. Data is not copied.
class chunked_decoder {
public:
    /// Decodes one body, from the first byte behind its head.
    constexpr explicit chunked_decoder(chunk_limits limits = {}) noexcept
        : limits_{limits}, trailer_{limits.max_trailer_fields} {}

    /// What next() returns.
    enum class status {
        need_more,  ///< the input is used up
        data,       ///< data() is the next piece
        complete,   ///< the body is whole
        failed,     ///< see error()
    };

    /// Consumes from the front of `in`. `data`: data() is a piece of the body, call again; `complete`: what is left in
    /// `in` follows the body; `need_more`: `in` is empty.
    constexpr status next(std::string_view& in) noexcept {
        while (!in.empty() && phase_ != phase::done && error_ == weir::error::none) {
            if (phase_ == phase::data) return take_data(in);
            in.remove_prefix(step(in));
        }
        if (error_ != weir::error::none) return status::failed;
        return phase_ == phase::done ? status::complete : status::need_more;
    }

    /// A piece of the body, within the `in` of the last call.
    constexpr std::string_view data() const noexcept { return data_; }
    /// bad_body, or head_too_large and too_many_fields for extensions and trailers beyond their limit.
    constexpr weir::error error() const noexcept { return error_; }
    /// What the chunk at hand has still to bring, in bytes: known once its size line is whole, so that a limit can be
    /// held before the data comes. 0 between chunks and within a size line.
    constexpr std::uint64_t chunk_remaining() const noexcept { return phase_ == phase::data ? remaining_ : 0; }

private:
    enum class phase : std::uint8_t {
        first_digit,
        size,
        extension_name,
        extension_value,
        extension_quoted,
        extension_escaped,
        extension_end,
        size_line_feed,
        data,
        data_carriage_return,
        data_line_feed,
        trailer,
        done
    };

    // One case per place in the grammar: chunk-size [ chunk-ext ] CRLF chunk-data CRLF ... trailer-section CRLF.
    constexpr std::size_t step(std::string_view in) noexcept {
        const char c = in.front();
        switch (phase_) {
            case phase::first_digit: return hex_value(c) < 0 ? fail() : add_digit(c);
            case phase::size: return hex_value(c) < 0 ? end_of_size(c) : add_digit(c);
            case phase::extension_name: return extension_name(c);
            case phase::extension_value: return extension_value(c);
            case phase::extension_quoted: return extension_quoted(c);
            case phase::extension_escaped: return is_field_value_char(c) ? extension(phase::extension_quoted) : fail();
            case phase::extension_end: return end_of_size(c);
            case phase::size_line_feed: return c != '\n' ? fail() : enter(begin_chunk());
            case phase::data_carriage_return: return c != '\r' ? fail() : enter(phase::data_line_feed);
            case phase::data_line_feed: return c != '\n' ? fail() : enter(phase::first_digit);
            case phase::trailer: return trailer(in);
            case phase::data:
            case phase::done: break;
        }
        return in.size();
    }

    // 16 digits, leading zeros included, are all that 64 bits hold: "anticipate potentially large hexadecimal
    // numerals".
    constexpr std::size_t add_digit(char c) noexcept {
        if (phase_ == phase::first_digit) remaining_ = digits_ = 0;
        if (++digits_ > 16) return fail();
        remaining_ = remaining_ * 16 + static_cast<std::uint64_t>(hex_value(c));
        return enter(phase::size);
    }

    constexpr std::size_t end_of_size(char c) noexcept {
        if (c == '\r') return enter(phase::size_line_feed);
        token_is_empty_ = true;
        return c == ';' ? extension(phase::extension_name) : fail();
    }

    // ";" name [ "=" ( token | quoted-string ) ], without the white space that the grammar calls bad.
    constexpr std::size_t extension_name(char c) noexcept {
        if (is_token_char(c)) return extension_token(phase::extension_name);
        if (token_is_empty_) return fail();
        if (c != '=') return end_of_size(c);
        token_is_empty_ = true;
        return extension(phase::extension_value);
    }

    constexpr std::size_t extension_value(char c) noexcept {
        if (is_token_char(c)) return extension_token(phase::extension_value);
        if (token_is_empty_) return c == '"' ? extension(phase::extension_quoted) : fail();
        return end_of_size(c);
    }

    constexpr std::size_t extension_quoted(char c) noexcept {
        if (c == '"') return extension(phase::extension_end);
        if (c == '\\') return extension(phase::extension_escaped);
        return is_field_value_char(c) ? extension(phase::extension_quoted) : fail();
    }

    constexpr std::size_t extension_token(phase next) noexcept {
        token_is_empty_ = false;
        return extension(next);
    }

    constexpr std::size_t extension(phase next) noexcept {
        if (limits_.max_extension_bytes != 0 && extension_bytes_ == limits_.max_extension_bytes) {
            return fail(weir::error::head_too_large);
        }
        ++extension_bytes_;
        return enter(next);
    }

    constexpr phase begin_chunk() const noexcept { return remaining_ == 0 ? phase::trailer : phase::data; }

    constexpr status take_data(std::string_view& in) noexcept {
        data_ = in.substr(0, static_cast<std::size_t>(std::min<std::uint64_t>(in.size(), remaining_)));
        in.remove_prefix(data_.size());
        remaining_ -= data_.size();
        if (remaining_ == 0) phase_ = phase::data_carriage_return;
        return status::data;
    }

    constexpr std::size_t trailer(std::string_view in) noexcept {
        const auto limit = limits_.max_trailer_bytes != 0 ? limits_.max_trailer_bytes : std::string_view::npos;
        const auto size = trailer_.scan(in.substr(0, std::min(in.size(), limit - trailer_bytes_)));
        trailer_bytes_ += size;
        if (trailer_.error() != weir::error::none) {
            return fail(trailer_.error() == weir::error::bad_field ? weir::error::bad_body : trailer_.error());
        }
        if (trailer_.complete())
            phase_ = phase::done;
        else if (trailer_bytes_ == limit)
            return fail(weir::error::head_too_large);
        return size;
    }

    constexpr std::size_t enter(phase next) noexcept {
        phase_ = next;
        return 1;
    }

    constexpr std::size_t fail(weir::error why = weir::error::bad_body) noexcept {
        error_ = why;
        return 0;
    }

    chunk_limits limits_;
    std::uint64_t remaining_ = 0;
    std::size_t digits_ = 0;
    std::size_t extension_bytes_ = 0;
    std::size_t trailer_bytes_ = 0;
    field_scanner trailer_;
    std::string_view data_;
    weir::error error_ = weir::error::none;
    phase phase_ = phase::first_digit;
    bool token_is_empty_ = true;
};

}  // namespace weir::http

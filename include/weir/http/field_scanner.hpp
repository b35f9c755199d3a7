// SPDX-License-Identifier: BSL-1.0
#pragma once

// Finds the end of a field section and refuses what other parsers let pass. Layer: protocol. RFC 9112 §5, §2.2
//
// Why not leave it to llhttp: 8.1.0, which Debian 12 has, takes a CR that no LF follows for the end of a field unless
// built strict (CVE-2023-30589), joins folded lines, which hides a Content-Length (CVE-2024-27982; fixed in 8.1.2 and
// 9.2.1), and lets bare line feeds end the request line. Whoever stands in front of this server may read such bytes
// differently, which is request smuggling. So every byte is checked here first, whatever llhttp is installed.

#include <weir/error.hpp>
#include <weir/http/grammar.hpp>

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace weir::http {

/// Scans field lines up to and including the empty line that ends them. Keeps no text: bytes may come in any pieces.
class field_scanner {
public:
    /// `max_fields`: how many lines are allowed; 0 = off.
    constexpr explicit field_scanner(std::size_t max_fields) noexcept : max_fields_{max_fields} {}

    /// Scans the front of `in` and returns how many bytes belong to the section: all of them until it has ended.
    constexpr std::size_t scan(std::string_view in) noexcept {
        std::size_t at = 0;
        while (at < in.size() && phase_ != phase::done && error_ == weir::error::none) at += step(in.substr(at));
        return at;
    }

    /// Whether the empty line that ends the fields has come.
    constexpr bool complete() const noexcept { return phase_ == phase::done; }
    /// bad_field or too_many_fields, once a byte was refused; nothing is scanned from then on.
    constexpr weir::error error() const noexcept { return error_; }
    /// How many field lines have begun.
    constexpr std::size_t count() const noexcept { return count_; }

private:
    enum class phase : std::uint8_t { line_start, name, value, line_feed, last_line_feed, done };

    constexpr std::size_t step(std::string_view in) noexcept {
        switch (phase_) {
            case phase::line_start: return line_start(in.front());
            case phase::name: return name(in);
            case phase::value: return value(in);
            case phase::line_feed: return expect_line_feed(in.front(), phase::line_start);
            case phase::last_line_feed: return expect_line_feed(in.front(), phase::done);
            case phase::done: break;
        }
        return in.size();
    }

    // A line may not begin with white space (a fold), nor with the colon (an empty name): neither is a token character.
    constexpr std::size_t line_start(char c) noexcept {
        if (c == '\r') return enter(phase::last_line_feed);
        if (!is_token_char(c)) return fail(weir::error::bad_field);
        if (max_fields_ != 0 && count_ == max_fields_) return fail(weir::error::too_many_fields);
        ++count_;
        return enter(phase::name);
    }

    // "No whitespace is allowed between the field name and colon": a space is no token character either.
    constexpr std::size_t name(std::string_view in) noexcept {
        std::size_t size = 0;
        while (size < in.size() && is_token_char(in[size])) ++size;
        if (size == in.size()) return size;
        if (in[size] != ':') return fail(weir::error::bad_field);
        return size + enter(phase::value);
    }

    constexpr std::size_t value(std::string_view in) noexcept {
        std::size_t size = 0;
        while (size < in.size() && is_field_value_char(in[size])) ++size;
        if (size == in.size()) return size;
        if (in[size] != '\r') return fail(weir::error::bad_field);
        return size + enter(phase::line_feed);
    }

    constexpr std::size_t expect_line_feed(char c, phase next) noexcept {
        return c == '\n' ? enter(next) : fail(weir::error::bad_field);
    }

    constexpr std::size_t enter(phase next) noexcept {
        phase_ = next;
        return 1;
    }

    constexpr std::size_t fail(weir::error why) noexcept {
        error_ = why;
        return 0;
    }

    std::size_t max_fields_;
    std::size_t count_ = 0;
    weir::error error_ = weir::error::none;
    phase phase_ = phase::line_start;
};

}  // namespace weir::http

// SPDX-License-Identifier: BSL-1.0
#pragma once

// Finds the end of a request head, strictly, in one pass over its bytes. Layer: protocol. RFC 9112 §2.2, §3, §5

#include <weir/error.hpp>
#include <weir/http/field_scanner.hpp>
#include <weir/http/grammar.hpp>
#include <weir/http/request_view.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace weir::http {

/// What a request head may cost. Zero = off.
struct head_limits {
    std::size_t max_head_bytes = 16 * 1024;   ///< request line and fields, with their line ends
    std::size_t max_fields = 100;             ///< field lines
    std::size_t max_target_bytes = 8 * 1024;  ///< the request target alone
};

/// Scans a request head as it arrives: each byte once, and each fault at the byte that makes it one. Bare CR, bare LF,
/// NUL and every other control character, folds and empty names are refused; so is a request line of any shape but
/// `token SP visible SP HTTP/d.d CRLF`.
class head_scanner {
public:
    /// Scans one head.
    constexpr explicit head_scanner(head_limits limits = {}) noexcept : limits_{limits}, fields_{limits.max_fields} {}

    /// What scan() returns.
    enum class status {
        need_more,  ///< the head goes on
        complete,   ///< the head is whole
        failed,     ///< see error()
    };

    /// `received`: everything since the first byte of the head; call again with more appended; it may have moved.
    constexpr status scan(std::string_view received) noexcept;

    /// Why scanning failed: bad_request_line, unsupported_version, target_too_long, head_too_large, too_many_fields,
    /// bad_field.
    constexpr weir::error error() const noexcept { return error_; }

    /// Size of the head with the empty line that ends it, and one that may stand before it.
    constexpr std::size_t head_size() const noexcept { return scanned_; }
    /// Where the method begins: 2 after a leading empty line.
    constexpr std::size_t method_offset() const noexcept { return method_offset_; }
    /// Where the target begins.
    constexpr std::size_t target_offset() const noexcept { return target_offset_; }
    /// Bytes of the target.
    constexpr std::size_t target_size() const noexcept { return target_size_; }
    /// Field lines so far.
    constexpr std::size_t field_count() const noexcept { return fields_.count(); }
    /// The version that the request line names.
    constexpr http::version version() const noexcept { return version_; }

private:
    enum class phase : std::uint8_t { start, empty_line_feed, method, target, protocol, line_feed, fields };

    constexpr std::size_t step(std::string_view in) noexcept {
        switch (phase_) {
            case phase::start: return start(in.front());
            case phase::empty_line_feed: return expect_line_feed(in.front(), phase::start);
            case phase::method: return method(in);
            case phase::target: return target(in);
            case phase::protocol: return protocol(in.front());
            case phase::line_feed: return expect_line_feed(in.front(), phase::fields);
            case phase::fields: return fields(in);
        }
        return in.size();
    }

    // "SHOULD ignore at least one empty line (CRLF) received prior to the request-line": one it is. RFC 9112 §2.2
    constexpr std::size_t start(char c) noexcept {
        if (c == '\r' && method_offset_ == 0) {
            method_offset_ = 2;
            return enter(phase::empty_line_feed);
        }
        if (!is_token_char(c)) return fail(weir::error::bad_request_line);
        return enter(phase::method);
    }

    constexpr std::size_t method(std::string_view in) noexcept {
        std::size_t size = 0;
        while (size < in.size() && is_token_char(in[size])) ++size;
        if (size == in.size()) return size;
        if (in[size] != ' ') return fail(weir::error::bad_request_line);
        target_offset_ = scanned_ + size + 1;
        return size + enter(phase::target);
    }

    constexpr std::size_t target(std::string_view in) noexcept {
        std::size_t size = 0;
        while (size < in.size() && is_visible_char(in[size]) && !target_is_full(size)) ++size;
        if (size < in.size() && is_visible_char(in[size])) return fail(weir::error::target_too_long);
        target_size_ += size;
        if (size == in.size()) return size;
        if (in[size] != ' ' || target_size_ == 0) return fail(weir::error::bad_request_line);
        return size + enter(phase::protocol);
    }

    constexpr bool target_is_full(std::size_t more) const noexcept {
        return limits_.max_target_bytes != 0 && target_size_ + more >= limits_.max_target_bytes;
    }

    // Compared byte by byte, so that "GET / x" fails at the x; in the pattern, 'd' is any digit.
    constexpr std::size_t protocol(char c) noexcept {
        constexpr std::string_view pattern = "HTTP/d.d\r";
        const char expected = pattern[protocol_size_];
        if (expected == 'd' ? !is_digit(c) : c != expected) return fail(weir::error::bad_request_line);
        if (protocol_size_ == 5) major_ = c;
        if (protocol_size_ == 7) minor_ = c;
        if (++protocol_size_ < pattern.size()) return 1;

        if (major_ != '1' || minor_ > '1') return fail(weir::error::unsupported_version);
        version_ = minor_ == '0' ? http::version::http_1_0 : http::version::http_1_1;
        return enter(phase::line_feed);
    }

    constexpr std::size_t fields(std::string_view in) noexcept {
        const auto size = fields_.scan(in);
        error_ = fields_.error();
        return size;
    }

    constexpr std::size_t expect_line_feed(char c, phase next) noexcept {
        return c == '\n' ? enter(next) : fail(weir::error::bad_request_line);
    }

    constexpr std::size_t enter(phase next) noexcept {
        phase_ = next;
        return 1;
    }

    constexpr std::size_t fail(weir::error why) noexcept {
        error_ = why;
        return 0;
    }

    head_limits limits_;
    std::size_t scanned_ = 0;
    std::size_t method_offset_ = 0;
    std::size_t target_offset_ = 0;
    std::size_t target_size_ = 0;
    std::size_t protocol_size_ = 0;
    field_scanner fields_;
    weir::error error_ = weir::error::none;
    http::version version_ = http::version::http_1_1;
    phase phase_ = phase::start;
    char major_ = 0;
    char minor_ = 0;
};

constexpr head_scanner::status head_scanner::scan(std::string_view received) noexcept {
    const auto limit = limits_.max_head_bytes != 0 ? limits_.max_head_bytes : std::string_view::npos;
    const auto visible = received.substr(0, std::min(received.size(), limit));
    while (scanned_ < visible.size() && error_ == weir::error::none && !fields_.complete()) {
        scanned_ += step(visible.substr(scanned_));
    }
    if (error_ != weir::error::none) return status::failed;
    if (fields_.complete()) return status::complete;
    if (scanned_ < limit) return status::need_more;
    // The limit was met within the target: say which of the two the client should shorten.
    error_ = phase_ == phase::target ? weir::error::target_too_long : weir::error::head_too_large;
    return status::failed;
}

}  // namespace weir::http

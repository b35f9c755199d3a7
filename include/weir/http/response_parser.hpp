// SPDX-License-Identifier: BSL-1.0
#pragma once

// Parses a response head, strictly, in one pass over its bytes. Layer: protocol. RFC 9112 §4, §5
//
// The scan leaves nothing for a grammar to decide, so that, unlike a request's, this head does not go through llhttp.

#include <weir/error.hpp>
#include <weir/http/field_scanner.hpp>
#include <weir/http/fields.hpp>
#include <weir/http/grammar.hpp>
#include <weir/http/head_scanner.hpp>
#include <weir/http/request_view.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace weir::http {

/// A response head by view, from this library's parser or from anyone else's. Owns nothing: valid as long as the text
/// and the field lines it refers to.
struct response_view {
    int status = 0;                                   ///< 100 to 999; what is meant by those beyond 599 is not defined
    std::string_view reason = {};                     ///< for humans; may be empty
    http::version version = http::version::http_1_1;  ///< of the status line
    fields_view fields = {};                          ///< the field lines, in order
};

/// Whether another response follows on the same request: 101 is final, since another protocol follows it. RFC 9110
/// §15.2
constexpr bool is_interim(int status) noexcept { return status / 100 == 1 && status != 101; }

/// More of them than any server means to send.
inline constexpr int max_interim_responses = 32;

/// Parses one response head out of a growing buffer, in time linear in its size. Move-only, since the response refers
/// to storage of the parser. Not thread-safe.
///
/// A head of status 1xx other than 101 is interim: the caller passes over it, resets, and parses the next.
/// Folded lines are refused, where RFC 9112 §5.2 would have them unfolded: whoever sends one is up to no good.
class response_parser {
public:
    /// Of the limits, the one on the target does not apply.
    explicit response_parser(head_limits limits = {}) noexcept : limits_{limits}, scanner_{limits.max_fields} {}
    response_parser(response_parser&&) noexcept = default;
    response_parser& operator=(response_parser&&) noexcept = default;

    /// What parse() returns.
    enum class status {
        need_more,  ///< the head goes on
        complete,   ///< the head is whole
        failed,     ///< see error()
    };

    /// `received`: everything since the first byte of the head; call again with more appended; it may have moved.
    /// After `complete` or `failed`, call reset() before the next head.
    status parse(std::string_view received);

    /// Why parsing failed: bad_status_line, unsupported_version, bad_field, too_many_fields, head_too_large. The
    /// connection cannot be used any further.
    weir::error error() const noexcept { return error_; }

    /// Size of the head, in bytes; what follows in `received` is prefetched: a body, frames, the next response.
    std::size_t head_size() const noexcept { return scanned_; }

    /// The response: views into the `received` of the completing call and into this parser, valid until either goes.
    const response_view& response() const noexcept { return response_; }

    /// Makes ready for the next head of the connection; memory is kept.
    void reset() noexcept {
        scanner_ = field_scanner{limits_.max_fields};
        fields_.clear();
        response_ = {};
        scanned_ = reason_end_ = 0;
        phase_ = phase::status_line;
        error_ = weir::error::none;
    }

private:
    enum class phase : std::uint8_t { status_line, reason, line_feed, fields };

    static constexpr std::string_view status_line_pattern = "HTTP/d.d ddd ";  // 'd' is any digit
    static constexpr std::size_t major_offset = 5, minor_offset = 7, status_offset = 9;

    std::size_t step(std::string_view received);
    std::size_t status_line(std::string_view received);
    std::size_t reason(std::string_view in);
    void finish(std::string_view head);

    std::size_t fail(weir::error why) noexcept {
        error_ = why;
        return 0;
    }

    head_limits limits_;
    field_scanner scanner_;
    std::vector<field_view> fields_;
    response_view response_;
    std::size_t scanned_ = 0;
    std::size_t reason_end_ = 0;
    phase phase_ = phase::status_line;
    weir::error error_ = weir::error::none;
};

inline response_parser::status response_parser::parse(std::string_view received) {
    const auto limit = limits_.max_head_bytes != 0 ? limits_.max_head_bytes : std::string_view::npos;
    const auto visible = received.substr(0, std::min(received.size(), limit));
    while (scanned_ < visible.size() && error_ == weir::error::none && !scanner_.complete()) {
        scanned_ += step(visible);
    }
    if (error_ != weir::error::none) return status::failed;
    if (scanner_.complete()) {
        finish(visible.substr(0, scanned_));
        return status::complete;
    }
    if (scanned_ < limit) return status::need_more;
    error_ = weir::error::head_too_large;
    return status::failed;
}

/// Scans on from where the last step ended; returns how far it came.
inline std::size_t response_parser::step(std::string_view received) {
    const auto in = received.substr(scanned_);
    switch (phase_) {
        case phase::status_line: return status_line(received);
        case phase::reason: return reason(in);
        case phase::line_feed: break;
        case phase::fields:
            const auto size = scanner_.scan(in);
            error_ = scanner_.error();
            return size;
    }
    if (in.front() != '\n') return fail(weir::error::bad_status_line);
    phase_ = phase::fields;
    return 1;
}

// "A server MUST send the space that separates the status-code from the reason-phrase even when the reason-phrase is
// absent": so it is part of the pattern. RFC 9112 §4
inline std::size_t response_parser::status_line(std::string_view received) {
    const char c = received[scanned_];
    const char expected = status_line_pattern[scanned_];
    if (expected == 'd' ? !is_digit(c) : c != expected) return fail(weir::error::bad_status_line);
    if (scanned_ == minor_offset && (received[major_offset] != '1' || c > '1')) {
        return fail(weir::error::unsupported_version);
    }
    if (scanned_ == status_offset && c == '0') return fail(weir::error::bad_status_line);
    if (scanned_ + 1 == status_line_pattern.size()) phase_ = phase::reason;
    return 1;
}

inline std::size_t response_parser::reason(std::string_view in) {
    std::size_t size = 0;
    while (size < in.size() && is_field_value_char(in[size])) ++size;
    if (size == in.size()) return size;
    if (in[size] != '\r') return fail(weir::error::bad_status_line);
    reason_end_ = scanned_ + size;
    phase_ = phase::line_feed;
    return size + 1;
}

// Every byte has been checked; what is left to do is to cut.
inline void response_parser::finish(std::string_view head) {
    const auto digit = [&](std::size_t at) { return head[at] - '0'; };
    response_.status = digit(status_offset) * 100 + digit(status_offset + 1) * 10 + digit(status_offset + 2);
    response_.version = head[minor_offset] == '0' ? http::version::http_1_0 : http::version::http_1_1;
    response_.reason = head.substr(status_line_pattern.size(), reason_end_ - status_line_pattern.size());

    fields_.clear();
    fields_.reserve(scanner_.count());
    for (auto lines = head.substr(reason_end_ + 2); lines.front() != '\r';) {
        const auto line = lines.substr(0, lines.find('\r'));
        const auto colon = line.find(':');
        fields_.push_back({line.substr(0, colon), trim_ows(line.substr(colon + 1))});
        lines.remove_prefix(line.size() + 2);
    }
    response_.fields = fields_view{fields_};
}

}  // namespace weir::http

// SPDX-License-Identifier: BSL-1.0
#pragma once

// How a request's body is delimited, and the refusal of every ambiguity about it. Layer: protocol. RFC 9112 §6

#include <weir/error.hpp>
#include <weir/http/fields.hpp>
#include <weir/http/grammar.hpp>
#include <weir/http/request_view.hpp>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string_view>

namespace weir::http {

enum class body_kind : std::uint8_t { none, length, chunked };

/// How a body is delimited.
struct body_framing {
    body_kind kind = body_kind::none;
    std::uint64_t length = 0;  ///< in bytes, of kind `length` only; never 0 there

    friend bool operator==(const body_framing&, const body_framing&) = default;
};

/// The framing of a request's body, or why it cannot be trusted.
struct body_framing_result {
    weir::error error = weir::error::none;
    body_framing framing = {};
};

/// Decides the framing of a request's body from its fields. RFC 9112 §6.3
/// Errors: bad_content_length (malformed, repeated even if equal, or beside Transfer-Encoding), bad_body
/// (Transfer-Encoding in HTTP/1.0, empty, or chunked twice or not last), unsupported_coding (any other coding).
constexpr body_framing_result request_body_framing(const request_view& request);

/// A Content-Length: digits only, and no more than fit. Empty optional: malformed.
constexpr std::optional<std::uint64_t> parse_content_length(std::string_view text) noexcept {
    constexpr auto max = std::numeric_limits<std::uint64_t>::max();
    if (text.empty()) return std::nullopt;
    std::uint64_t value = 0;
    for (const char c : text) {
        if (!is_digit(c)) return std::nullopt;
        const auto digit = static_cast<std::uint64_t>(c - '0');
        if (value > (max - digit) / 10) return std::nullopt;
        value = value * 10 + digit;
    }
    return value;
}

namespace detail {

constexpr body_framing_result chunked_framing(const request_view& request) {
    // "A server that receives an HTTP/1.0 message containing a Transfer-Encoding header field MUST treat the message as
    // if the framing is faulty." RFC 9112 §6.1
    if (request.version == version::http_1_0) return {weir::error::bad_body, {}};

    std::size_t codings = 0;
    std::size_t chunked = 0;
    bool chunked_last = false;
    request.fields.for_each_element("Transfer-Encoding", [&](std::string_view coding) {
        ++codings;
        chunked_last = equal_ignoring_case(coding, "chunked");
        chunked += chunked_last ? 1 : 0;
    });
    if (codings == 1 && chunked == 1) return {weir::error::none, {body_kind::chunked, 0}};
    const bool misapplied = codings == 0 || chunked > 1 || (chunked == 1 && !chunked_last);
    return {misapplied ? weir::error::bad_body : weir::error::unsupported_coding, {}};
}

}  // namespace detail

constexpr body_framing_result request_body_framing(const request_view& request) {
    const auto lengths = request.fields.count("Content-Length");
    if (request.fields.contains("Transfer-Encoding")) {
        // A server may let Transfer-Encoding win; one that has a proxy in front had better not. RFC 9112 §6.3, §11.2
        if (lengths != 0) return {weir::error::bad_content_length, {}};
        return detail::chunked_framing(request);
    }
    if (lengths == 0) return {};
    const auto length = parse_content_length(*request.fields.find("Content-Length"));
    if (lengths > 1 || !length) return {weir::error::bad_content_length, {}};
    if (*length == 0) return {};
    return {weir::error::none, {body_kind::length, *length}};
}

}  // namespace weir::http

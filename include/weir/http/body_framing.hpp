// SPDX-License-Identifier: BSL-1.0
#pragma once

// How a body is delimited, a request's or a response's, and the refusal of every ambiguity about it. Layer: protocol.
// RFC 9112 §6

#include <weir/error.hpp>
#include <weir/http/fields.hpp>
#include <weir/http/grammar.hpp>
#include <weir/http/request_view.hpp>
#include <weir/http/response.hpp>
#include <weir/http/response_parser.hpp>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string_view>

namespace weir::http {

/// By what a body's end is known.
enum class body_kind : std::uint8_t {
    none,         ///< there is no body
    length,       ///< by Content-Length
    chunked,      ///< by Transfer-Encoding
    until_close,  ///< of a response only: to the end of the connection
};

/// How a body is delimited.
struct body_framing {
    body_kind kind = body_kind::none;  ///< by what its end is known
    std::uint64_t length = 0;          ///< in bytes, of kind `length` only; never 0 there

    friend bool operator==(const body_framing&, const body_framing&) = default;
};

/// The framing of a body, or why it cannot be trusted.
struct body_framing_result {
    weir::error error = weir::error::none;  ///< none, or what is wrong
    body_framing framing = {};              ///< without meaning after an error
};

/// Decides the framing of a request's body from its fields. RFC 9112 §6.3
/// Errors: bad_content_length (malformed, repeated even if equal, or beside Transfer-Encoding), bad_body
/// (Transfer-Encoding in HTTP/1.0, empty, or chunked twice or not last), unsupported_coding (any other coding).
constexpr body_framing_result request_body_framing(const request_view& request);

/// Decides the framing of a response's body from the response, and from the method of the request that it answers.
/// RFC 9112 §6.3. Errors: as for a request. Stricter than RFC 9112 and than most clients on purpose: Content-Length
/// beside Transfer-Encoding, or repeated, is what response splitting looks like, and no server of today means it.
/// Kind none: what follows the head belongs to no body, even where the fields promise one; after a status that has none
/// it is the next response, after 101 and after 2xx to CONNECT another protocol.
constexpr body_framing_result response_body_framing(const response_view& response, std::string_view request_method);

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

constexpr body_framing_result chunked_framing(version of, const fields_view& fields) {
    // "A server or client that receives an HTTP/1.0 message containing a Transfer-Encoding header field MUST treat the
    // message as if the framing is faulty, even if a Content-Length is present". RFC 9112 §6.1
    if (of == version::http_1_0) return {weir::error::bad_body, {}};

    std::size_t codings = 0;
    std::size_t chunked = 0;
    bool chunked_last = false;
    fields.for_each_element("Transfer-Encoding", [&](std::string_view coding) {
        ++codings;
        chunked_last = equal_ignoring_case(coding, "chunked");
        chunked += chunked_last ? 1 : 0;
    });
    if (codings == 1 && chunked == 1) return {weir::error::none, {body_kind::chunked, 0}};
    const bool misapplied = codings == 0 || chunked > 1 || (chunked == 1 && !chunked_last);
    return {misapplied ? weir::error::bad_body : weir::error::unsupported_coding, {}};
}

/// `otherwise`: the kind where no field says anything.
constexpr body_framing_result framing_by_fields(version of, const fields_view& fields, body_kind otherwise) {
    const auto lengths = fields.count("Content-Length");
    if (fields.contains("Transfer-Encoding")) {
        // A recipient may let Transfer-Encoding win; one that has a proxy in front had better not. RFC 9112 §6.3, §11.2
        if (lengths != 0) return {weir::error::bad_content_length, {}};
        return chunked_framing(of, fields);
    }
    if (lengths == 0) return {weir::error::none, {otherwise, 0}};
    const auto length = parse_content_length(*fields.find("Content-Length"));
    if (lengths > 1 || !length) return {weir::error::bad_content_length, {}};
    if (*length == 0) return {};
    return {weir::error::none, {body_kind::length, *length}};
}

}  // namespace detail

constexpr body_framing_result request_body_framing(const request_view& request) {
    // "If this is a request message and none of the above are true, then the message body length is zero"
    return detail::framing_by_fields(request.version, request.fields, body_kind::none);
}

constexpr body_framing_result response_body_framing(const response_view& response, std::string_view request_method) {
    // "Any response to a HEAD request and any response with a 1xx (Informational), 204 (No Content), or 304 (Not
    // Modified) status code is always terminated by the first empty line after the header fields, regardless of the
    // header fields present in the message"
    if (request_method == "HEAD" || is_bodiless(response.status)) return {};
    // "Any 2xx (Successful) response to a CONNECT request implies that the connection will become a tunnel immediately
    // after the empty line that concludes the header fields."
    if (request_method == "CONNECT" && response.status >= 200 && response.status < 300) return {};
    // "Otherwise, this is a response message without a declared message body length, so the message body length is
    // determined by the number of octets received prior to the server closing the connection."
    return detail::framing_by_fields(response.version, response.fields, body_kind::until_close);
}

}  // namespace weir::http

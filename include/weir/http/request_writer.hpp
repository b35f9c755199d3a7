// SPDX-License-Identifier: BSL-1.0
#pragma once

// Writes a client's requests; what would inject a line or frame a second body is refused. Layer: protocol.
// RFC 9112 §3, §6

#include <weir/error.hpp>
#include <weir/http/authority.hpp>
#include <weir/http/fields.hpp>
#include <weir/http/grammar.hpp>
#include <weir/http/response.hpp>

#include <algorithm>
#include <array>
#include <string>
#include <string_view>

namespace weir::http {

/// What a client asks. Owns nothing.
struct client_request {
    std::string_view method = "GET";  ///< case-sensitive; not CONNECT, which is tunnel.hpp's
    std::string_view authority = {};  ///< host and port, as parse_url() yields them: the value of Host
    std::string_view target = "/";    ///< path and query
    fields_view fields = {};          ///< none of those that is_reserved_field() names
    std::string_view body = {};       ///< empty: none
};

/// A request as bytes.
struct request_text_result {
    weir::error error = weir::error::none;  ///< none, or what is wrong
    std::string text = {};                  ///< empty after an error
};

/// Writes head and body. Host comes first, then the fields, in order; Content-Length is there when there is a body, or
/// when the method is one that has a body by its meaning. Nothing else is added.
/// Errors: bad_argument for what cannot be sent: a method that is no token, a malformed authority or target, a field
/// that is not is_sendable() or that is reserved.
inline request_text_result serialize_request(const client_request& request);

/// Whether a field is not the application's to give: Host, what frames the body, what governs the connection, and
/// Expect, since nobody waits for the 100.
constexpr bool is_reserved_field(std::string_view name) noexcept {
    constexpr auto names =
        std::to_array<std::string_view>({"Host", "Content-Length", "Transfer-Encoding", "Trailer", "TE", "Connection",
                                         "Keep-Alive", "Proxy-Connection", "Upgrade", "Expect"});
    return std::ranges::any_of(names, [&](auto known) { return equal_ignoring_case(known, name); });
}

namespace detail {

/// A path and query as a request line can carry them: the origin-form. RFC 9112 §3.2.1
constexpr bool is_origin_form(std::string_view target) noexcept {
    return target.starts_with('/') && target.find('#') == std::string_view::npos && all_in_class(target, visible_class);
}

/// "A user agent SHOULD send Content-Length in a request when the method defines a meaning for enclosed content and it
/// is not sending Transfer-Encoding. For example, a user agent normally sends Content-Length in a POST request even
/// when the value is 0". RFC 9110 §8.6
constexpr bool expects_body(std::string_view method) noexcept {
    return method == "POST" || method == "PUT" || method == "PATCH";
}

/// Request line, Host and fields; the rest is the caller's.
inline error append_request_head(std::string& out, std::string_view method, std::string_view target,
                                 std::string_view authority, const fields_view& fields) {
    // "A client MUST send a Host header field [...] in all HTTP/1.1 request messages"; first, so that it is found soon:
    // "A user agent that sends Host SHOULD send it as the first field in the header section". RFC 9112 §3.2, RFC 9110
    // §7.2
    out.append(method).append(1, ' ').append(target).append(" HTTP/1.1\r\nHost: ").append(authority).append("\r\n");
    for (const auto& [name, value] : fields) {
        if (is_reserved_field(name)) return error::bad_argument;
        if (const auto why = append_field(out, name, value); why != error::none) return why;
    }
    return error::none;
}

}  // namespace detail

inline request_text_result serialize_request(const client_request& request) {
    const bool sendable = is_token(request.method) && request.method != "CONNECT" &&
                          parse_authority(request.authority) && detail::is_origin_form(request.target);
    std::string text;
    if (!sendable || detail::append_request_head(text, request.method, request.target, request.authority,
                                                 request.fields) != error::none) {
        return {.error = error::bad_argument};
    }
    if (!request.body.empty() || detail::expects_body(request.method)) {
        text.append("Content-Length: ").append(std::to_string(request.body.size())).append("\r\n");
    }
    return {error::none, text.append("\r\n").append(request.body)};
}

}  // namespace weir::http

// SPDX-License-Identifier: BSL-1.0
#pragma once

// Writes response heads, and whole responses for refusals; what would inject a line is refused. Layer: protocol.
// RFC 9112 §4, RFC 9110 §15

#include <weir/error.hpp>
#include <weir/http/fields.hpp>
#include <weir/http/grammar.hpp>

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace weir::http {

/// The phrase that goes with a status; "Unknown" for one not listed. RFC 9110 §15.1
constexpr std::string_view reason_phrase(int status) noexcept {
    using entry = std::pair<int, std::string_view>;
    constexpr auto table = std::to_array<entry>({
        {100, "Continue"},
        {101, "Switching Protocols"},
        {200, "OK"},
        {201, "Created"},
        {202, "Accepted"},
        {204, "No Content"},
        {206, "Partial Content"},
        {301, "Moved Permanently"},
        {302, "Found"},
        {303, "See Other"},
        {304, "Not Modified"},
        {307, "Temporary Redirect"},
        {308, "Permanent Redirect"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {406, "Not Acceptable"},
        {408, "Request Timeout"},
        {409, "Conflict"},
        {410, "Gone"},
        {411, "Length Required"},
        {412, "Precondition Failed"},
        {413, "Content Too Large"},
        {414, "URI Too Long"},
        {415, "Unsupported Media Type"},
        {416, "Range Not Satisfiable"},
        {417, "Expectation Failed"},
        {421, "Misdirected Request"},
        {422, "Unprocessable Content"},
        {426, "Upgrade Required"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {502, "Bad Gateway"},
        {503, "Service Unavailable"},
        {504, "Gateway Timeout"},
        {505, "HTTP Version Not Supported"},
    });
    for (const auto& [known, phrase] : table) {
        if (known == status) return phrase;
    }
    return "Unknown";
}

/// Whether a response of that status never has a body, nor a Content-Length that describes one. RFC 9112 §6.3
constexpr bool is_bodiless(int status) noexcept { return status < 200 || status == 204 || status == 304; }

/// Whether a field can be sent: its name a token, its value free of CR, LF, NUL and other control characters.
constexpr bool is_sendable(const field_view& field) noexcept {
    return is_token(field.name) && is_field_value(field.value);
}

/// Appends `name: value` and the line's end. error::bad_argument, and `out` untouched: the field cannot be sent.
[[nodiscard]] inline error append_field(std::string& out, std::string_view name, std::string_view value) {
    if (!is_sendable({name, value})) return error::bad_argument;
    out.append(name).append(": ").append(value).append("\r\n");
    return error::none;
}

/// Appends the status line. A server names its own version, HTTP/1.1, to an HTTP/1.0 client too. RFC 9110 §2.5
/// error::bad_argument, and `out` untouched: `status` has not three digits.
[[nodiscard]] inline error append_status_line(std::string& out, int status) {
    if (status < 100 || status > 999) return error::bad_argument;
    out.append("HTTP/1.1 ").append(std::to_string(status)).append(1, ' ').append(reason_phrase(status)).append("\r\n");
    return error::none;
}

/// Appends a whole head: status line, fields, empty line. Nothing is added to `fields`: no length, no date.
/// error::bad_argument, and `out` untouched: the status or a field cannot be sent.
[[nodiscard]] inline error append_head(std::string& out, int status, const fields_view& fields) {
    const auto start = out.size();
    auto result = append_status_line(out, status);
    for (const auto& [name, value] : fields) {
        if (result == error::none) result = append_field(out, name, value);
    }
    if (result != error::none) {
        out.resize(start);
        return result;
    }
    out.append("\r\n");
    return error::none;
}

/// How a response ends.
struct response_options {
    bool keep_alive = false;  ///< false: `Connection: close` is sent, and the caller closes after it
    bool head_only = false;   ///< the answer to HEAD: the same head, no body. RFC 9110 §9.3.2
};

/// A whole response: head with Content-Length (and Content-Type unless empty), then the body. A status that never has a
/// body gets none, and no Content-Length. An extra field that cannot be sent yields the response of status 500 instead,
/// since what it would have become is another response.
inline std::string make_response(int status, std::string_view content_type, std::string_view body,
                                 std::span<const field_view> extra_fields = {}, response_options options = {});

/// The whole response that refuses a request: `status` and its phrase, as text.
inline std::string error_response(int status, std::span<const field_view> extra_fields = {},
                                  response_options options = {}) {
    const auto text = std::to_string(status).append(1, ' ').append(reason_phrase(status)).append(1, '\n');
    return make_response(status, "text/plain; charset=utf-8", text, extra_fields, options);
}

/// The whole response that tells the peer of an error: the parser's, the router's, a limit's. The connection is to be
/// closed, unless the caller knows that the request's body was read.
inline std::string error_response(error why, std::span<const field_view> extra_fields = {},
                                  response_options options = {}) {
    return error_response(http_status_for(why), extra_fields, options);
}

inline std::string make_response(int status, std::string_view content_type, std::string_view body,
                                 std::span<const field_view> extra_fields, response_options options) {
    std::string out;
    auto result = append_status_line(out, status);
    const auto add = [&](std::string_view name, std::string_view value) {
        if (result == error::none) result = append_field(out, name, value);
    };
    if (!is_bodiless(status)) {
        if (!content_type.empty()) add("Content-Type", content_type);
        add("Content-Length", std::to_string(body.size()));
    }
    if (!options.keep_alive) add("Connection", "close");
    for (const auto& [name, value] : extra_fields) add(name, value);
    if (result != error::none) return error_response(500, {}, options);

    out.append("\r\n");
    if (!options.head_only && !is_bodiless(status)) out.append(body);
    return out;
}

}  // namespace weir::http

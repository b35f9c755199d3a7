// SPDX-License-Identifier: BSL-1.0
#pragma once

// The bodies of client_handshake.hpp.

#include <weir/http/authority.hpp>
#include <weir/http/grammar.hpp>
#include <weir/http/response.hpp>
#include <weir/ws/client_handshake.hpp>
#include <weir/ws/handshake_fields.hpp>

#include <algorithm>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace weir::ws {
namespace detail {

/// A path and query as a request line can carry them. RFC 9112 §3.2.1
constexpr bool is_sendable_target(std::string_view target) noexcept {
    return target.starts_with('/') && target.find('#') == std::string_view::npos &&
           std::all_of(target.begin(), target.end(), http::is_visible_char);
}

/// "The elements that comprise this value MUST be non-empty strings with characters in the range U+0021 to U+007E not
/// including separator characters as defined in [RFC2616] and MUST all be unique strings." RFC 6455 §4.1
constexpr bool are_sendable_subprotocols(std::span<const std::string_view> list) noexcept {
    for (auto rest = list; !rest.empty(); rest = rest.subspan(1)) {
        if (!http::is_token(rest.front())) return false;
        if (std::find(rest.begin() + 1, rest.end(), rest.front()) != rest.end()) return false;
    }
    return true;
}

WEIR_INLINE bool are_sendable_extras(std::span<const http::field_view> fields) noexcept {
    return std::all_of(fields.begin(), fields.end(), [](const auto& field) {
        const bool ours = is_handshake_field(field.name) || http::equal_ignoring_case(field.name, "Host");
        return http::is_sendable(field) && !ours;
    });
}

WEIR_INLINE std::string comma_separated(std::span<const std::string_view> list) {
    std::string text;
    for (const auto& item : list) text.append(text.empty() ? "" : ", ").append(item);
    return text;
}

/// The rules for a 101's own fields, in the order of RFC 6455 §4.1.
WEIR_INLINE bool is_upgrade_response(const http::response_view& response, std::string_view key) {
    const auto& fields = response.fields;
    if (response.version != http::version::http_1_1) return false;
    if (fields.count("Upgrade") != 1 || !http::equal_ignoring_case(*fields.find("Upgrade"), "websocket")) return false;
    if (!fields.has_token("Connection", "upgrade")) return false;
    return fields.count("Sec-WebSocket-Accept") == 1 && *fields.find("Sec-WebSocket-Accept") == accept_value(key);
}

/// Empty optional: a subprotocol that was not offered, or a repeated or empty field; empty text: none.
WEIR_INLINE std::optional<std::string_view> chosen_subprotocol(const http::fields_view& fields,
                                                               std::span<const std::string_view> offered) {
    const auto count = fields.count("Sec-WebSocket-Protocol");
    if (count == 0) return std::string_view{};
    const auto chosen = std::find(offered.begin(), offered.end(), *fields.find("Sec-WebSocket-Protocol"));
    return count == 1 && chosen != offered.end() ? std::optional{*chosen} : std::nullopt;
}

}  // namespace detail

WEIR_INLINE upgrade_request_result upgrade_request(std::string_view authority, std::string_view target,
                                                   std::string_view key, const connect_options& options) {
    const bool sendable = http::parse_authority(authority) && detail::is_sendable_target(target) && is_key(key) &&
                          detail::are_sendable_subprotocols(options.subprotocols) &&
                          detail::are_sendable_extras(options.extra_fields);
    if (!sendable) return {error::bad_argument, {}};

    const auto subprotocols = detail::comma_separated(options.subprotocols);
    const auto extension = options.deflate != nullptr ? deflate_offer(*options.deflate) : std::string{};
    std::string text = "GET ";
    text.append(target).append(" HTTP/1.1\r\n");
    const auto add = [&](std::string_view name, std::string_view value) {
        text.append(name).append(": ").append(value).append("\r\n");
    };
    add("Host", authority);
    add("Upgrade", "websocket");
    add("Connection", "Upgrade");
    add("Sec-WebSocket-Key", key);
    add("Sec-WebSocket-Version", protocol_version);
    if (!subprotocols.empty()) add("Sec-WebSocket-Protocol", subprotocols);
    if (!extension.empty()) add("Sec-WebSocket-Extensions", extension);
    for (const auto& field : options.extra_fields) add(field.name, field.value);
    return {error::none, text.append("\r\n")};
}

WEIR_INLINE connect_result check_response(const http::response_view& response, std::string_view key,
                                          const connect_options& options) {
    connect_result result{.error = error::none, .status = response.status, .subprotocol = {}, .deflate = {}};
    const auto fail = [&](weir::error why) {
        result.error = why;
        return result;
    };
    if (response.status != 101) return fail(error::handshake_rejected);
    if (!detail::is_upgrade_response(response, key)) return fail(error::bad_upgrade_response);
    const auto subprotocol = detail::chosen_subprotocol(response.fields, options.subprotocols);
    if (!subprotocol) return fail(error::bad_subprotocol);
    const auto deflate = check_deflate_answer(response.fields, options.deflate);
    if (deflate.error != error::none) return fail(deflate.error);
    result.subprotocol = *subprotocol;
    result.deflate = deflate.agreement;
    return result;
}

}  // namespace weir::ws

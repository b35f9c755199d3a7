// SPDX-License-Identifier: BSL-1.0
#pragma once

// What both sides of the opening handshake share: the key and its answer, the version, the names of the fields.
// Layer: protocol. RFC 6455 §1.3, §4, §11.3

#include <weir/base64.hpp>
#include <weir/http/grammar.hpp>
#include <weir/ws/sha1.hpp>

#include <algorithm>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace weir::ws {

/// The one version of the protocol there is, as Sec-WebSocket-Version says it. RFC 6455 §4.1
inline constexpr std::string_view protocol_version = "13";

/// A Sec-WebSocket-Key of 16 bytes that the caller chose at random, new for each attempt: "The nonce MUST be selected
/// randomly for each connection." RFC 6455 §4.1
inline std::string make_key(std::span<const std::byte, 16> random) { return base64(random); }

/// Whether `key` is 16 bytes in base64: 22 digits and two signs of padding. What bits are left over in the last digit
/// does not matter, for the text is never decoded. RFC 6455 §4.2.1
constexpr bool is_key(std::string_view key) noexcept;

/// The Sec-WebSocket-Accept that answers a key. RFC 6455 §4.2.2
inline std::string accept_value(std::string_view key) {
    return base64(sha1(std::string{key}.append("258EAFA5-E914-47DA-95CA-C5AB0DC85B11")));
}

/// Whether a field is the handshake's own, or would frame a body where none can be: an application may not add it.
constexpr bool is_handshake_field(std::string_view name) noexcept;

constexpr bool is_key(std::string_view key) noexcept {
    constexpr std::size_t digits = 22;
    if (key.size() != digits + 2 || !key.ends_with("==")) return false;
    const auto is_digit = [](char c) { return weir::detail::base64_value(c) != weir::detail::not_base64; };
    return std::all_of(key.begin(), key.begin() + digits, is_digit);
}

constexpr bool is_handshake_field(std::string_view name) noexcept {
    for (const std::string_view ours : {"Upgrade", "Connection", "Content-Length", "Transfer-Encoding"}) {
        if (http::equal_ignoring_case(name, ours)) return true;
    }
    constexpr std::string_view prefix = "Sec-WebSocket-";
    return http::equal_ignoring_case(name.substr(0, prefix.size()), prefix);
}

}  // namespace weir::ws

// SPDX-License-Identifier: BSL-1.0
#pragma once

// Why a connection is closed: the codes, and the payload of the close frame that carries one. Layer: protocol.
// RFC 6455 §5.5.1, §7.4; IANA "WebSocket Close Code Number Registry"

#include <weir/bytes.hpp>
#include <weir/error.hpp>
#include <weir/utf8_validator.hpp>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

namespace weir::ws {

/// Why a connection is closed. Libraries and frameworks have 3000 to 3999 for their own codes, applications 4000 to
/// 4999: `close_code{4000}`. RFC 6455 §7.4.2
enum class close_code : std::uint16_t {
    normal = 1000,               ///< the purpose is fulfilled
    going_away = 1001,           ///< a server shuts down, a browser leaves the page
    protocol_error = 1002,       ///< the peer broke the protocol
    unsupported_data = 1003,     ///< a kind of data that cannot be accepted
    no_status = 1005,            ///< the close frame has no code; never on the wire
    abnormal = 1006,             ///< the connection ended without a close frame; never on the wire
    invalid_payload = 1007,      ///< text that is not UTF-8, compressed data that cannot be inflated
    policy_violation = 1008,     ///< whatever has no better code
    message_too_big = 1009,      ///< more than can be processed
    mandatory_extension = 1010,  ///< a client misses an extension in the server's handshake
    internal_error = 1011,       ///< a server met a condition that it did not expect
    service_restart = 1012,      ///< a server restarts: come back after a while
    try_again_later = 1013,      ///< a server is overloaded
    bad_gateway = 1014,          ///< a gateway got an invalid response upstream
    tls_handshake = 1015,        ///< the TLS handshake failed; never on the wire
};

/// Whether a close frame may carry the code, in either direction: those above that are not marked "never on the wire",
/// and 3000 to 4999. RFC 6455 §7.4
constexpr bool may_be_sent(close_code code) noexcept {
    const auto number = static_cast<std::uint16_t>(code);
    if (number >= 3000) return number <= 4999;
    return (number >= 1000 && number <= 1003) || (number >= 1007 && number <= 1014);
}

/// What a close frame says.
struct close_reason {
    close_code code = close_code::no_status;  ///< no_status: the frame has none
    std::string_view text{};  ///< for whoever looks for a fault: "not necessarily human readable". RFC 6455 §5.5.1
};

/// What was in a close frame, or what is wrong with it.
struct close_result {
    close_reason reason;                    ///< only without an error
    weir::error error = weir::error::none;  ///< none, or what is wrong
};

/// Decodes the payload of a close frame; empty, it means no_status. The text is a view of the payload.
/// Errors: bad_close (one byte, or a code that may not be sent), bad_utf8.
inline close_result decode_close(bytes_view payload) noexcept;

/// A close frame is a control frame: 125 bytes at most, two of them the code. RFC 6455 §5.5
inline constexpr std::size_t max_close_size = 125;

/// Encodes the payload of a close frame into `out`, and returns the part of it that was written. Of `text`, which is to
/// be UTF-8, as many whole characters as fit are taken. A code that may not be sent, as no_status, yields an empty
/// payload.
inline bytes_view encode_close(close_reason reason, std::span<std::byte, max_close_size> out) noexcept;

namespace detail {

/// The longest front of the text with whole characters only that is no longer than `max_size`.
constexpr std::string_view cut_utf8(std::string_view text, std::size_t max_size) noexcept {
    if (text.size() <= max_size) return text;
    const auto continues = [&](std::size_t at) { return (static_cast<unsigned char>(text[at]) & 0xc0) == 0x80; };
    while (max_size > 0 && continues(max_size)) --max_size;
    return text.substr(0, max_size);
}

}  // namespace detail

inline close_result decode_close(bytes_view payload) noexcept {
    // "If there is a body, the first two bytes of the body MUST be a 2-byte unsigned integer (in network byte order)
    // representing a status code" §5.5.1
    if (payload.empty()) return {};
    if (payload.size() == 1) return {.reason = {}, .error = error::bad_close};
    const auto high = std::to_integer<unsigned>(payload[0]), low = std::to_integer<unsigned>(payload[1]);
    const auto code = static_cast<close_code>(high << 8 | low);
    if (!may_be_sent(code)) return {.reason = {}, .error = error::bad_close};
    const std::string_view text = as_text(payload.subspan(2));
    if (!is_utf8(text)) return {.reason = {}, .error = error::bad_utf8};
    return {.reason = {code, text}, .error = error::none};
}

inline bytes_view encode_close(close_reason reason, std::span<std::byte, max_close_size> out) noexcept {
    if (!may_be_sent(reason.code)) return {};
    const auto number = static_cast<std::uint16_t>(reason.code);
    out[0] = static_cast<std::byte>(number >> 8);
    out[1] = static_cast<std::byte>(number & 0xff);
    const std::string_view text = detail::cut_utf8(reason.text, max_close_size - 2);
    if (!text.empty()) std::memcpy(&out[2], text.data(), text.size());
    return out.first(2 + text.size());
}

}  // namespace weir::ws

namespace weir {

/// See ws::close_code.
using ws_close_code = ws::close_code;

/// The code that tells a peer of an error; total. RFC 6455 §7.4.1
constexpr ws::close_code close_code_for(error e) noexcept {
    using ws::close_code;
    switch (e) {
        case error::none: return close_code::normal;
        case error::draining:
        case error::expired: return close_code::going_away;
        case error::bad_utf8:
        case error::bad_deflate: return close_code::invalid_payload;
        case error::slow_reader: return close_code::policy_violation;
        default: break;
    }
    switch (condition_of(e)) {
        case condition::closed: return close_code::normal;
        case condition::protocol_violation: return close_code::protocol_error;
        case condition::refused: return close_code::policy_violation;
        case condition::limit_exceeded: return close_code::message_too_big;
        case condition::timed_out: return close_code::policy_violation;
        case condition::misuse: return close_code::internal_error;
    }
    return close_code::internal_error;
}

}  // namespace weir

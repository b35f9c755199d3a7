// SPDX-License-Identifier: BSL-1.0
#pragma once

// A WebSocket message, by view. Layer: protocol. RFC 6455 §5.6

#include <weir/bytes.hpp>

#include <concepts>
#include <cstddef>
#include <string>
#include <string_view>

namespace weir::ws {

/// A message or a piece of one: text, which is UTF-8, or binary data. Owns nothing. Text converts implicitly to a text
/// message, bytes to a binary one.
class message_view {
public:
    constexpr message_view() noexcept = default;
    /// A text message, whole. One constructor for each kind of string, since two conversions are not implicit.
    constexpr message_view(std::string_view text) noexcept : payload_(text) {}
    /// Likewise.
    constexpr message_view(const char* text) noexcept : payload_(text) {}
    /// Likewise.
    message_view(const std::string& text) noexcept : payload_(text) {}
    message_view(std::nullptr_t) = delete;
    /// A binary message, whole.
    template <std::convertible_to<bytes_view> Bytes>  // spans, arrays and vectors of std::byte
    message_view(const Bytes& bytes) noexcept : payload_(as_text(bytes)), binary_(true) {}
    /// A message, or a piece of one: the last, or not.
    constexpr message_view(std::string_view payload, bool binary, bool last = true) noexcept
        : payload_(payload), binary_(binary), last_(last) {}

    /// The same bytes as a binary message.
    static constexpr message_view binary(std::string_view payload) noexcept { return {payload, true}; }

    /// Whether it is binary.
    constexpr bool is_binary() const noexcept { return binary_; }
    /// Whether it is text.
    constexpr bool is_text() const noexcept { return !binary_; }
    /// The payload. What has been received as text is valid UTF-8; a piece of it may end within a character.
    constexpr std::string_view text() const noexcept { return payload_; }
    /// The payload as bytes.
    bytes_view bytes() const noexcept { return as_bytes(payload_); }
    /// Bytes of the payload.
    constexpr std::size_t size() const noexcept { return payload_.size(); }
    /// Whether there is no payload, which is legal.
    constexpr bool empty() const noexcept { return payload_.empty(); }
    /// Of a piece: whether the message ends with it. True of a whole message.
    constexpr bool last() const noexcept { return last_; }

    friend constexpr bool operator==(const message_view&, const message_view&) = default;

private:
    std::string_view payload_;
    bool binary_ = false;
    bool last_ = true;
};

}  // namespace weir::ws

namespace weir {
/// See ws::message_view.
using ws_message = ws::message_view;
}  // namespace weir

// SPDX-License-Identifier: BSL-1.0
#pragma once

// Frames: their headers decoded and encoded, and whole frames encoded. Layer: protocol. RFC 6455 §5.2

#include <weir/bytes.hpp>
#include <weir/error.hpp>
#include <weir/ws/mask.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>

namespace weir::ws {

/// What a frame is. RFC 6455 §5.2.
enum class opcode : std::uint8_t {
    continuation = 0x0,  ///< of the message that an earlier frame began
    text = 0x1,          ///< begins a message of text
    binary = 0x2,        ///< begins a message of any bytes
    close = 0x8,         ///< the last frame
    ping = 0x9,          ///< to be answered with a pong
    pong = 0xa,          ///< an answer, or a sign of life
};

/// Whether the opcode is one of a control frame: "the most significant bit of the opcode is 1". RFC 6455 §5.5
constexpr bool is_control(opcode code) noexcept { return (static_cast<std::uint8_t>(code) & 0x8) != 0; }

/// RSV1 among the reserved bits. RFC 7692 §6
inline constexpr std::uint8_t reserved_1 = 4;

/// What stands before a frame's payload.
struct frame_header {
    bool fin = true;                 ///< the message ends with this frame
    std::uint8_t reserved = 0;       ///< RSV1, RSV2, RSV3: 4, 2, 1
    opcode code = opcode::text;      ///< what the payload is
    bool masked = false;             ///< the payload is masked with `key`
    masking_key key{};               ///< if masked
    std::uint64_t payload_size = 0;  ///< below 2^63
};

/// What a frame must be because of the connection that it comes on.
struct frame_rules {
    bool masked = true;                 ///< frames are masked: they come from a client. RFC 6455 §5.1
    std::uint8_t allowed_reserved = 0;  ///< bits that an extension has given a meaning, on the first frame of a message
};

/// What decode_header() has found.
struct header_result {
    std::size_t consumed = 0;               ///< bytes of the header; 0 without an error: too short
    frame_header header;                    ///< only if `consumed` is not 0
    weir::error error = weir::error::none;  ///< none, or what is wrong
};

/// Decodes one frame header from the front of `in`. Whether it may come after the frames before it is the caller's to
/// say, and whether the payload is too large.
/// Errors: bad_opcode, reserved_bits, bad_mask, length_not_minimal, bad_length, control_fragmented, control_too_long;
/// each as soon as the bytes that show it are there. RFC 6455 §5.2
constexpr header_result decode_header(bytes_view in, frame_rules rules) noexcept;

inline constexpr std::size_t max_header_size = 14;       ///< 2 bytes, a length of 8 and a masking key. RFC 6455 §5.2
inline constexpr std::size_t max_control_payload = 125;  ///< RFC 6455 §5.5

/// Bytes that write_header() writes.
constexpr std::size_t encoded_header_size(std::uint64_t payload_size, bool masked) noexcept;

/// Writes the header, with the length in its shortest form, and returns the end.
constexpr char* write_header(char* out, const frame_header& header) noexcept;

/// Encodes one frame. Holds a view of the payload, which must outlive it.
struct frame_encoder {
    opcode code = opcode::text;        ///< what the payload is
    bytes_view payload{};              ///< not masked yet
    bool fin = true;                   ///< the message ends with this frame
    std::uint8_t reserved = 0;         ///< RSV1, RSV2, RSV3: 4, 2, 1
    std::optional<masking_key> key{};  ///< masks the payload: as a client must, and a server must not. RFC 6455 §5.1

    /// Bytes on the wire, exactly.
    constexpr std::size_t size() const noexcept;
    /// Writes size() bytes, and returns the end.
    char* write(char* out) const noexcept;
};

namespace detail {

/// Bytes of the length behind the header's first two, in its shortest form.
constexpr std::size_t extended_length_size(std::uint64_t payload_size) noexcept {
    if (payload_size <= 125) return 0;
    return payload_size <= 0xffff ? 2 : 8;
}

constexpr error decode_first_byte(unsigned byte, frame_rules rules, frame_header& header) noexcept {
    header.fin = (byte & 0x80) != 0;
    header.reserved = byte >> 4 & 0x7;
    header.code = static_cast<opcode>(byte & 0xf);
    // "If an unknown opcode is received, the receiving endpoint MUST _Fail the WebSocket Connection_." 0x3 to 0x7 and
    // 0xb to 0xf are reserved. §5.2
    if ((byte & 0x7) > 2) return error::bad_opcode;
    // "MUST be 0 unless an extension is negotiated that defines meanings for non-zero values." §5.2. RFC 7692 §6.1
    // defines one for RSV1 of a message's first frame.
    const bool begins_message = header.code == opcode::text || header.code == opcode::binary;
    const unsigned allowed = begins_message ? rules.allowed_reserved : 0U;
    if ((header.reserved & ~allowed) != 0) return error::reserved_bits;
    // "All control frames MUST have a payload length of 125 bytes or less and MUST NOT be fragmented." §5.5
    if (is_control(header.code) && !header.fin) return error::control_fragmented;
    return error::none;
}

constexpr error decode_second_byte(unsigned byte, frame_rules rules, frame_header& header) noexcept {
    header.masked = (byte & 0x80) != 0;
    header.payload_size = byte & 0x7f;
    // "The server MUST close the connection upon receiving a frame that is not masked." "A client MUST close a
    // connection if it detects a masked frame." §5.1
    if (header.masked != rules.masked) return error::bad_mask;
    if (is_control(header.code) && header.payload_size > max_control_payload) return error::control_too_long;
    return error::none;
}

/// `length` is what has come of the `size` bytes.
constexpr error decode_extended_length(bytes_view length, std::size_t size, frame_header& header) noexcept {
    // "the most significant bit MUST be 0" §5.2
    if (size == 8 && !length.empty() && (length[0] & std::byte{0x80}) != std::byte{}) return error::bad_length;
    if (length.size() < size) return error::none;
    header.payload_size = 0;
    for (const std::byte byte : length)
        header.payload_size = header.payload_size << 8 | std::to_integer<unsigned>(byte);
    // "the minimal number of bytes MUST be used to encode the length" §5.2
    return extended_length_size(header.payload_size) == size ? error::none : error::length_not_minimal;
}

}  // namespace detail

constexpr header_result decode_header(bytes_view in, frame_rules rules) noexcept {
    header_result result;
    if (in.empty()) return result;
    result.error = detail::decode_first_byte(std::to_integer<unsigned>(in[0]), rules, result.header);
    if (result.error != error::none || in.size() == 1) return result;
    result.error = detail::decode_second_byte(std::to_integer<unsigned>(in[1]), rules, result.header);
    if (result.error != error::none) return result;

    // 126 and 127 stand for a length of 2 and of 8 bytes that follows.
    const std::uint64_t form = result.header.payload_size;
    const std::size_t length_size = form == 127 ? 8 : form == 126 ? 2 : 0;
    if (length_size != 0) {
        const bytes_view length = in.subspan(2, std::min(length_size, in.size() - 2));
        result.error = detail::decode_extended_length(length, length_size, result.header);
        if (result.error != error::none) return result;
    }

    const std::size_t key_at = 2 + length_size;
    const std::size_t size = key_at + (result.header.masked ? 4 : 0);
    if (in.size() < size) return result;
    if (result.header.masked) result.header.key = {in[key_at], in[key_at + 1], in[key_at + 2], in[key_at + 3]};
    result.consumed = size;
    return result;
}

constexpr std::size_t encoded_header_size(std::uint64_t payload_size, bool masked) noexcept {
    return 2 + detail::extended_length_size(payload_size) + (masked ? 4 : 0);
}

constexpr char* write_header(char* out, const frame_header& header) noexcept {
    const std::size_t length_size = detail::extended_length_size(header.payload_size);
    const unsigned code = static_cast<std::uint8_t>(header.code);
    const std::uint64_t form = length_size == 8 ? 127 : length_size == 2 ? 126 : header.payload_size;
    *out++ = static_cast<char>((header.fin ? 0x80U : 0U) | static_cast<unsigned>(header.reserved) << 4 | code);
    *out++ = static_cast<char>((header.masked ? 0x80U : 0U) | form);
    for (std::size_t left = length_size; left-- > 0;) *out++ = static_cast<char>(header.payload_size >> 8 * left);
    if (!header.masked) return out;
    for (const std::byte octet : header.key) *out++ = static_cast<char>(octet);
    return out;
}

constexpr std::size_t frame_encoder::size() const noexcept {
    return encoded_header_size(payload.size(), key.has_value()) + payload.size();
}

inline char* frame_encoder::write(char* out) const noexcept {
    out = write_header(out, {.fin = fin,
                             .reserved = reserved,
                             .code = code,
                             .masked = key.has_value(),
                             .key = key.value_or(masking_key{}),
                             .payload_size = payload.size()});
    if (key) {
        copy_masked(payload, out, *key);
    } else if (!payload.empty()) {
        std::memcpy(out, payload.data(), payload.size());
    }
    return out + payload.size();
}

}  // namespace weir::ws

// SPDX-License-Identifier: BSL-1.0
#pragma once

// Binary data as text, for event streams and handshakes carry text only. Layer: ground. RFC 4648 §4

#include <weir/bytes.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace weir {

/// The bytes as base64 with padding. Cost: 4 characters per 3 bytes (a third more on the wire), one allocation, and
/// about one table look-up per character here and again at the client.
std::string base64(bytes_view bytes);

/// The bytes of base64 text. Empty result: not canonical base64 with padding (wrong length, another character, white
/// space, bits left over). Cost: one allocation.
std::optional<std::vector<std::byte>> from_base64(std::string_view text);

namespace detail {

inline constexpr std::string_view base64_alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
inline constexpr std::uint32_t not_base64 = 0x80000000;  // survives every shift below that puts digits together

inline constexpr auto base64_values = [] {
    std::array<std::uint32_t, 256> values{};
    values.fill(not_base64);
    for (std::uint32_t i = 0; i < base64_alphabet.size(); ++i) {
        values[static_cast<unsigned char>(base64_alphabet[i])] = i;
    }
    return values;
}();

constexpr char base64_digit(std::uint32_t bits, unsigned shift) noexcept {
    return base64_alphabet[(bits >> shift) & 63];
}

constexpr std::uint32_t base64_value(char digit) noexcept { return base64_values[static_cast<unsigned char>(digit)]; }

/// Up to three bytes, the first one highest.
inline std::uint32_t join_bytes(bytes_view bytes) noexcept {
    std::uint32_t bits = 0;
    for (std::size_t i = 0; i < 3; ++i) {
        bits = (bits << 8) | (i < bytes.size() ? std::to_integer<std::uint32_t>(bytes[i]) : 0);
    }
    return bits;
}

/// Four digits as 24 bits. The highest bit is set if one of them is none.
constexpr std::uint32_t join_digits(char a, char b, char c, char d) noexcept {
    const std::uint32_t first = base64_value(a), second = base64_value(b), third = base64_value(c),
                        fourth = base64_value(d);
    const std::uint32_t wrong = (first | second | third | fourth) & not_base64;
    return wrong | (first << 18 | second << 12 | third << 6 | fourth);
}

inline std::byte* split_bits(std::uint32_t bits, std::size_t count, std::byte* out) noexcept {
    for (std::size_t i = 0; i < count; ++i) *out++ = static_cast<std::byte>(bits >> (16 - 8 * i));
    return out;
}

}  // namespace detail

inline std::string base64(bytes_view bytes) {
    std::string text((bytes.size() + 2) / 3 * 4, '=');
    char* out = text.data();
    for (; bytes.size() >= 3; bytes = bytes.subspan(3)) {
        const std::uint32_t bits = detail::join_bytes(bytes.first(3));
        for (const unsigned shift : {18U, 12U, 6U, 0U}) *out++ = detail::base64_digit(bits, shift);
    }
    if (bytes.empty()) return text;
    const std::uint32_t bits = detail::join_bytes(bytes);
    *out++ = detail::base64_digit(bits, 18);
    *out++ = detail::base64_digit(bits, 12);
    if (bytes.size() == 2) *out = detail::base64_digit(bits, 6);
    return text;
}

inline std::optional<std::vector<std::byte>> from_base64(std::string_view text) {
    if (text.size() % 4 != 0) return std::nullopt;
    const std::size_t padding = text.ends_with("==") ? 2 : text.ends_with('=') ? 1 : 0;
    std::vector<std::byte> bytes(text.size() / 4 * 3 - padding);
    std::byte* out = bytes.data();
    std::uint32_t wrong = 0;
    const std::size_t whole = padding == 0 ? text.size() : text.size() - 4;
    for (std::size_t i = 0; i < whole; i += 4) {
        const std::uint32_t bits = detail::join_digits(text[i], text[i + 1], text[i + 2], text[i + 3]);
        wrong |= bits & detail::not_base64;
        out = detail::split_bits(bits, 3, out);
    }
    if (padding != 0) {
        const std::string_view end = text.substr(whole);
        const std::uint32_t bits = detail::join_digits(end[0], end[1], padding == 2 ? 'A' : end[2], 'A');
        // "the pad bits MUST be set to zero by conforming encoders", so that each value has one text
        const std::uint32_t left_over = padding == 2 ? 0xffff : 0xff;
        wrong |= bits & (detail::not_base64 | left_over);
        detail::split_bits(bits, 3 - padding, out);
    }
    if (wrong != 0) return std::nullopt;
    return bytes;
}

}  // namespace weir

// SPDX-License-Identifier: BSL-1.0
#pragma once

// The digest that Sec-WebSocket-Accept is made of, and for nothing else. Layer: protocol. FIPS 180-4 §6.1
//
// SHA-1 is broken as a signature. Here it signs nothing and hides nothing: it only shows that whoever answers has read
// the key and knows this protocol, so that no other kind of server is taken for a WebSocket. RFC 6455 §10.8

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace weir::ws {

/// What SHA-1 makes of a text.
using sha1_digest = std::array<std::byte, 20>;

/// The SHA-1 of a text. Written to be short: about as fast as the handshake needs it, no faster.
constexpr sha1_digest sha1(std::string_view text) noexcept;

namespace detail {

using sha1_state = std::array<std::uint32_t, 5>;

/// The message as it is hashed, byte by byte: the text, a bit, zeros, and the text's length in bits. §5.1.1
constexpr std::uint8_t sha1_padded(std::string_view text, std::size_t at, std::size_t padded_size) noexcept {
    if (at < text.size()) return static_cast<std::uint8_t>(text[at]);
    if (at == text.size()) return 0x80;
    if (at + 8 < padded_size) return 0;
    return static_cast<std::uint8_t>(std::uint64_t{text.size()} * 8 >> (8 * (padded_size - 1 - at)));
}

/// The function and the constant of a round. §4.1.1, §4.2.1
constexpr std::uint32_t sha1_round(std::size_t round, std::uint32_t b, std::uint32_t c, std::uint32_t d) noexcept {
    if (round < 20) return ((b & c) | (~b & d)) + 0x5a827999;
    if (round < 40) return (b ^ c ^ d) + 0x6ed9eba1;
    if (round < 60) return ((b & c) | (b & d) | (c & d)) + 0x8f1bbcdc;
    return (b ^ c ^ d) + 0xca62c1d6;
}

/// Mixes one block of 16 words, the first of the schedule, into the state. §6.1.2
constexpr void sha1_mix(sha1_state& state, std::array<std::uint32_t, 80>& schedule) noexcept {
    for (std::size_t i = 16; i < schedule.size(); ++i) {
        schedule[i] = std::rotl(schedule[i - 3] ^ schedule[i - 8] ^ schedule[i - 14] ^ schedule[i - 16], 1);
    }
    auto [a, b, c, d, e] = state;
    for (std::size_t i = 0; i < schedule.size(); ++i) {
        const std::uint32_t next = std::rotl(a, 5) + sha1_round(i, b, c, d) + e + schedule[i];
        e = d;
        d = c;
        c = std::rotl(b, 30);
        b = a;
        a = next;
    }
    const sha1_state mixed{a, b, c, d, e};
    for (std::size_t i = 0; i < state.size(); ++i) state[i] += mixed[i];
}

}  // namespace detail

constexpr sha1_digest sha1(std::string_view text) noexcept {
    constexpr std::size_t block = 64;
    const std::size_t padded_size = (text.size() + 8) / block * block + block;
    detail::sha1_state state{0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};
    for (std::size_t start = 0; start < padded_size; start += block) {
        std::array<std::uint32_t, 80> schedule{};
        for (std::size_t i = 0; i < block; ++i) {
            schedule[i / 4] = schedule[i / 4] << 8 | detail::sha1_padded(text, start + i, padded_size);
        }
        detail::sha1_mix(state, schedule);
    }
    sha1_digest digest{};
    for (std::size_t i = 0; i < digest.size(); ++i) {
        digest[i] = static_cast<std::byte>(state[i / 4] >> (24 - 8 * (i % 4)));
    }
    return digest;
}

}  // namespace weir::ws

// SPDX-License-Identifier: BSL-1.0
#pragma once

// Masking of payloads: in place or while copying, in pieces of any size, at any alignment. Layer: protocol.
// RFC 6455 §5.3

#include <weir/bytes.hpp>
#include <weir/config.hpp>

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace weir::ws {

/// In the order of the wire. Unpredictable, and a new one for every frame: RFC 6455 §5.3, §10.3
using masking_key = std::array<std::byte, 4>;

/// The key as it goes on after `count` bytes of payload.
constexpr masking_key rotated(masking_key key, std::size_t count) noexcept;

/// Masks the bytes in place, or unmasks them: it is the same. At memory speed. Returns the key for the bytes that
/// follow, so that a payload may come in pieces of any size.
masking_key apply_mask(mutable_bytes_view bytes, masking_key key) noexcept;

/// The same on the way from `in` to `out`, which has room for as many bytes and does not overlap.
masking_key copy_masked(bytes_view in, char* out, masking_key key) noexcept;

namespace detail {

/// The key as the word that four bytes of payload are combined with, whatever the processor's byte order.
constexpr std::uint32_t key_word(masking_key key) noexcept { return std::bit_cast<std::uint32_t>(key); }

constexpr std::uint32_t rotated(std::uint32_t key, std::size_t count) noexcept {
    const int bits = static_cast<int>(count % 4) * 8;
    return std::endian::native == std::endian::little ? std::rotr(key, bits) : std::rotl(key, bits);
}

// What the compiler computes with at once, four bytes of payload in each element. Never parameters: how the larger ones
// are passed depends on the processor.
using mask_block_8 [[gnu::vector_size(8)]] = std::uint32_t;
using mask_block_16 [[gnu::vector_size(16)]] = std::uint32_t;
using mask_block_32 [[gnu::vector_size(32)]] = std::uint32_t;
using mask_block_128 [[gnu::vector_size(128)]] = std::uint32_t;

/// One block to two blocks of bytes: the one at the front and the one at the back, wherever they meet. Both are read
/// before they are written, so that what they share comes out the same twice, even in place.
template <class Block>
void mask_ends(const char* in, char* out, std::size_t size, std::uint32_t key) noexcept {
    const std::size_t last = size - sizeof(Block);
    Block front, back;
    std::memcpy(&front, in, sizeof front);
    std::memcpy(&back, in + last, sizeof back);
    front ^= key;
    back ^= rotated(key, last);
    std::memcpy(out, &front, sizeof front);
    std::memcpy(out + last, &back, sizeof back);
}

WEIR_AVX2_FUNCTION inline void mask_32(const char* in, char* out, std::uint32_t key) noexcept {
    mask_block_32 block;
    std::memcpy(&block, in, sizeof block);
    block ^= key;
    std::memcpy(out, &block, sizeof block);
}

/// At least 128 bytes. As with mask_ends(), both ends are read before anything is written. Between them all is written
/// at multiples of 32: a write across two cache lines costs twice.
WEIR_AVX2_FUNCTION inline void mask_avx2(const char* in, char* out, std::size_t size, std::uint32_t key) noexcept {
    const std::size_t last = size - sizeof(mask_block_128);
    mask_block_32 front;
    mask_block_128 back;
    std::memcpy(&front, in, sizeof front);
    std::memcpy(&back, in + last, sizeof back);

    std::size_t at = sizeof front - reinterpret_cast<std::uintptr_t>(out) % sizeof front;
    const std::uint32_t inner_key = rotated(key, at);
    for (; at < last; at += sizeof back) {
        mask_32(in + at, out + at, inner_key);
        mask_32(in + at + 32, out + at + 32, inner_key);
        mask_32(in + at + 64, out + at + 64, inner_key);
        mask_32(in + at + 96, out + at + 96, inner_key);
    }

    front ^= key;
    back ^= rotated(key, last);
    std::memcpy(out, &front, sizeof front);
    std::memcpy(out + last, &back, sizeof back);
}

/// On any processor.
inline void mask_portable(const char* in, char* out, std::size_t size, std::uint32_t key) noexcept {
    if constexpr (sizeof(mask_block_8) == 8) {  // else the compiler has no such vectors, and has ignored what they are
        for (; size > 64; size -= 32, in += 32, out += 32) mask_ends<mask_block_16>(in, out, 32, key);
        if (size >= 32) return mask_ends<mask_block_32>(in, out, size, key);
        if (size >= 16) return mask_ends<mask_block_16>(in, out, size, key);
        if (size >= 8) return mask_ends<mask_block_8>(in, out, size, key);
        if (size >= 4) return mask_ends<std::uint32_t>(in, out, size, key);
    }
    // "Octet i of the transformed data is the XOR of octet i of the original data with octet at index i modulo 4 of the
    // masking key." §5.3
    const auto octets = std::bit_cast<std::array<char, 4>>(key);
    for (std::size_t i = 0; i < size; ++i) out[i] = static_cast<char>(in[i] ^ octets[i % 4]);
}

/// `out` is `in`, or does not overlap it.
inline void mask(const char* in, char* out, std::size_t size, std::uint32_t key) noexcept {
    if (size >= 128 && WEIR_CPU_HAS_AVX2()) return mask_avx2(in, out, size, key);
    mask_portable(in, out, size, key);
}

}  // namespace detail

constexpr masking_key rotated(masking_key key, std::size_t count) noexcept {
    return std::bit_cast<masking_key>(detail::rotated(detail::key_word(key), count));
}

inline masking_key apply_mask(mutable_bytes_view bytes, masking_key key) noexcept {
    char* const in_place = reinterpret_cast<char*>(bytes.data());
    detail::mask(in_place, in_place, bytes.size(), detail::key_word(key));
    return rotated(key, bytes.size());
}

inline masking_key copy_masked(bytes_view in, char* out, masking_key key) noexcept {
    detail::mask(reinterpret_cast<const char*>(in.data()), out, in.size(), detail::key_word(key));
    return rotated(key, in.size());
}

}  // namespace weir::ws

// SPDX-License-Identifier: BSL-1.0
#pragma once

// Where a client's masking keys come from. Layer: protocol. RFC 6455 §5.3, §10.3

#include <weir/ws/mask.hpp>

#include <array>
#include <cstddef>
#include <cstdio>
#include <cstring>
#include <memory>
#include <random>
#include <span>

namespace weir::ws {

/// Makes one masking key. "The masking key needs to be unpredictable; thus, the masking key MUST be derived from a
/// strong source of entropy", RFC 6455 §5.3.
using masking_key_source = masking_key (*)();

/// Sixteen bytes from the system's source of entropy: what a handshake's key is made of. Throws what
/// std::random_device throws where there is no such source.
inline std::array<std::byte, 16> random_nonce();

/// A key from the system's source of entropy. Throws as random_nonce().
inline masking_key random_masking_key();

namespace detail {

// The kernel's generator, a buffer's worth at a time. std::random_device is there for systems without it: libstdc++'s
// takes the processor's RDSEED, which takes 20 us a word and more when it is in demand, and which on some processors
// repeats itself.
inline void fill_randomly(std::span<std::byte> out) {
    struct closer {
        void operator()(std::FILE* file) const noexcept { std::fclose(file); }
    };
    thread_local const std::unique_ptr<std::FILE, closer> kernel{std::fopen("/dev/urandom", "rb")};
    if (kernel && std::fread(out.data(), 1, out.size(), kernel.get()) == out.size()) return;

    thread_local std::random_device device;
    for (; !out.empty(); out = out.subspan(4)) {
        const auto word = device();
        std::memcpy(out.data(), &word, 4);
    }
}

}  // namespace detail

inline std::array<std::byte, 16> random_nonce() {
    std::array<std::byte, 16> nonce;
    detail::fill_randomly(nonce);
    return nonce;
}

inline masking_key random_masking_key() {
    masking_key key;
    detail::fill_randomly(key);
    return key;
}

}  // namespace weir::ws

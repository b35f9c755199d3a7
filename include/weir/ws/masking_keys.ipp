// SPDX-License-Identifier: BSL-1.0
#pragma once

// The bodies of masking_keys.hpp.

#include <weir/ws/masking_keys.hpp>

#include <array>
#include <cstddef>
#include <cstdio>
#include <cstring>
#include <memory>
#include <random>
#include <span>

namespace weir::ws {
namespace detail {

// The kernel's generator, a buffer's worth at a time. std::random_device is there for systems without it: libstdc++'s
// takes the processor's RDSEED, which takes 20 us a word and more when it is in demand, and which on some processors
// repeats itself.
WEIR_INLINE void fill_randomly(std::span<std::byte> out) {
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

WEIR_INLINE std::array<std::byte, 16> random_nonce() {
    std::array<std::byte, 16> nonce;
    detail::fill_randomly(nonce);
    return nonce;
}

WEIR_INLINE masking_key random_masking_key() {
    masking_key key;
    detail::fill_randomly(key);
    return key;
}

}  // namespace weir::ws

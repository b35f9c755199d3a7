// SPDX-License-Identifier: BSL-1.0

#include <weir/ws/masking_keys.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <set>
#include <thread>

#include "catch.hpp"

using weir::ws::masking_key;
using weir::ws::random_masking_key;
using weir::ws::random_nonce;

TEST_CASE("RFC 6455 5.3: masking keys differ, and every bit of them", "[ws][masking_keys][rfc6455-5.3]") {
    constexpr std::size_t count = 1000;
    std::set<masking_key> keys;
    masking_key ones{}, zeros{};
    for (std::size_t i = 0; i < count; ++i) {
        const masking_key key = random_masking_key();
        keys.insert(key);
        for (std::size_t k = 0; k < key.size(); ++k) {
            ones[k] |= key[k];
            zeros[k] |= ~key[k];
        }
    }
    // Two of a thousand are the same once in 8,600 runs, four pairs practically never.
    CHECK(keys.size() > count - 4);
    const masking_key all{std::byte{0xff}, std::byte{0xff}, std::byte{0xff}, std::byte{0xff}};
    CHECK(ones == all);
    CHECK(zeros == all);
}

TEST_CASE("RFC 6455 4.1: a nonce is 16 bytes, each time others", "[ws][masking_keys][rfc6455-4.1]") {
    const auto first = random_nonce(), second = random_nonce();
    CHECK(first.size() == 16);
    CHECK(first != second);
    // No part of it repeats the part before.
    std::array<std::byte, 8> front, back;
    std::copy_n(first.begin(), 8, front.begin());
    std::copy_n(first.begin() + 8, 8, back.begin());
    CHECK(front != back);
}

TEST_CASE("random_masking_key: threads share nothing", "[ws][masking_keys]") {
    std::array<masking_key, 4> here, there;
    std::thread other{[&] { std::ranges::generate(there, random_masking_key); }};
    std::ranges::generate(here, random_masking_key);
    other.join();
    CHECK(here != there);
}

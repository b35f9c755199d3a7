// SPDX-License-Identifier: BSL-1.0
#include <weir/ws/sha1.hpp>

#include <cstddef>
#include <string>
#include <string_view>

#include "catch.hpp"

namespace ws = weir::ws;

namespace {

std::string hex(std::string_view text) {
    std::string out;
    for (const auto byte : ws::sha1(text)) {
        for (const unsigned shift : {4U, 0U}) out += "0123456789abcdef"[std::to_integer<unsigned>(byte) >> shift & 15];
    }
    return out;
}

}  // namespace

TEST_CASE("FIPS 180-4: the digests of the standard's examples", "[ws][sha1]") {
    CHECK(hex("abc") == "a9993e364706816aba3e25717850c26c9cd0d89d");
    CHECK(hex("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq") ==
          "84983e441c3bd26ebaae4aa1f95129e5e54670f1");
    CHECK(hex(std::string(1'000'000, 'a')) == "34aa973cd4c4daa4f61eeb2bdbad27316534016f");
}

TEST_CASE("FIPS 180-4 5.1.1: texts that end around a block's end, and none at all", "[ws][sha1]") {
    CHECK(hex("") == "da39a3ee5e6b4b0d3255bfef95601890afd80709");
    CHECK(hex(std::string(55, 'a')) == "c1c8bbdc22796e28c0e15163d20899b65621d65a");
    CHECK(hex(std::string(56, 'a')) == "c2db330f6083854c99d4b5bfb6e8f29f201be699");
    CHECK(hex(std::string(63, 'a')) == "03f09f5b158a7a8cdad920bddc29b81c18a551f5");
    CHECK(hex(std::string(64, 'a')) == "0098ba824b5c16427bd7a1122a5a442a25ec644d");
    CHECK(hex(std::string(65, 'a')) == "11655326c708d70319be2610e8a57d9a5b959d3b");
}

TEST_CASE("FIPS 180-4: bytes beyond ASCII are bytes", "[ws][sha1]") {
    CHECK(hex(std::string(64, '\xff')) == "ffc6261e487efa8c7442069f71acfc4aa826993d");
    CHECK(hex(std::string(3, '\0')) == "29e2dcfbb16f63bb0254df7585a15bb6fb5e927d");
}

TEST_CASE("the digest is known at compile time as well", "[ws][sha1]") {
    STATIC_REQUIRE(ws::sha1("abc")[0] == std::byte{0xa9});
}

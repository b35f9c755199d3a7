// SPDX-License-Identifier: BSL-1.0

#include <weir/base64.hpp>

#include <cstddef>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "catch.hpp"

using weir::base64;
using weir::from_base64;

namespace {

std::string encoded(std::string_view text) { return base64(weir::as_bytes(text)); }

std::string decoded(std::string_view text) {
    const auto bytes = from_base64(text);
    return bytes ? std::string{weir::as_text(*bytes)} : "refused";
}

}  // namespace

TEST_CASE("RFC 4648 10: the test vectors, both ways", "[base64][rfc4648-10]") {
    const auto [text, expected] = GENERATE(table<std::string, std::string>({{"", ""},
                                                                            {"f", "Zg=="},
                                                                            {"fo", "Zm8="},
                                                                            {"foo", "Zm9v"},
                                                                            {"foob", "Zm9vYg=="},
                                                                            {"fooba", "Zm9vYmE="},
                                                                            {"foobar", "Zm9vYmFy"}}));
    CHECK(encoded(text) == expected);
    CHECK(decoded(expected) == text);
}

TEST_CASE("RFC 4648 4: the whole alphabet", "[base64][rfc4648-4]") {
    const std::string alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const auto bytes = from_base64(alphabet);
    REQUIRE(bytes);
    CHECK(bytes->size() == 48);
    CHECK(base64(*bytes) == alphabet);
}

TEST_CASE("RFC 4648 3: what is not canonical is refused", "[base64][rfc4648-3]") {
    const auto* const text =
        GENERATE("Z", "Zg", "Zg=", "Zg===", "Zm9vZ", "=", "==", "====", "Z===", "Zg==Zg==", "Z=g=", "Zm9\n", "Zm9 ",
                 "Zm9-", "Zm9_", "Zm9\x80", "Zh==", "Zm9=", "Zm8=Zm8=");
    CAPTURE(text);
    CHECK_FALSE(from_base64(text));
}

TEST_CASE("base64: any bytes come back, on one line", "[base64]") {
    std::mt19937 random{4648};
    for (std::size_t size = 0; size < 300; ++size) {
        std::vector<std::byte> bytes(size);
        for (auto& byte : bytes) byte = static_cast<std::byte>(random());
        const std::string text = base64(bytes);
        CHECK(text.size() == (size + 2) / 3 * 4);
        CHECK(text.find_first_of("\r\n") == std::string::npos);
        CHECK(from_base64(text) == bytes);
    }
}

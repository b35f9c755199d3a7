// SPDX-License-Identifier: BSL-1.0

#include <weir/ws/mask.hpp>

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "catch.hpp"

using namespace std::literals;
using weir::ws::apply_mask;
using weir::ws::copy_masked;
using weir::ws::masking_key;
using weir::ws::rotated;

namespace {

constexpr masking_key key{std::byte{0x37}, std::byte{0xfa}, std::byte{0x21}, std::byte{0x3d}};

std::string sample_of(std::size_t size) {
    std::string bytes(size, '\0');
    for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<char>(i * 151 + (i >> 8) + 7);
    return bytes;
}

/// RFC 6455 §5.3 to the letter; `offset` bytes of payload went before.
std::string masked_plainly(std::string_view bytes, std::size_t offset) {
    std::string out;
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        const auto octet = static_cast<unsigned char>(key[(offset + i) % 4]);
        out += static_cast<char>(static_cast<unsigned char>(bytes[i]) ^ octet);
    }
    return out;
}

weir::mutable_bytes_view writable(char* first, std::size_t size) {
    return std::as_writable_bytes(std::span{first, size});
}

/// In place and copying, among bytes that must stay as they are.
void check(std::size_t alignment, std::size_t offset, std::size_t size) {
    const std::string sample = sample_of(size), expected = masked_plainly(sample, offset);
    const std::string margin(alignment, '-');
    const masking_key its_key = rotated(key, offset);

    std::string buffer = margin + sample + "-----";
    REQUIRE(apply_mask(writable(buffer.data() + alignment, size), its_key) == rotated(key, offset + size));
    REQUIRE(buffer == margin + expected + "-----");

    std::string copy = margin + std::string(size, '?') + "-----";
    REQUIRE(copy_masked(weir::as_bytes(sample), copy.data() + alignment, its_key) == rotated(key, offset + size));
    REQUIRE(copy == margin + expected + "-----");

    copy = sample;
    weir::ws::detail::mask_portable(copy.data(), copy.data(), size, weir::ws::detail::key_word(its_key));
    REQUIRE(copy == expected);
}

}  // namespace

TEST_CASE("RFC 6455 5.3: octet i is combined with octet i modulo 4 of the key", "[ws][mask][rfc6455-5.3]") {
    std::string payload = "\x7f\x9f\x4d\x51\x58";  // RFC 6455 §5.7
    apply_mask(writable(payload.data(), payload.size()), key);
    CHECK(payload == "Hello");
    apply_mask(writable(payload.data(), payload.size()), key);
    CHECK(payload == "\x7f\x9f\x4d\x51\x58");
}

TEST_CASE("RFC 6455 5.3: every alignment, offset and size as the RFC's formula has it", "[ws][mask][rfc6455-5.3]") {
    for (std::size_t alignment = 0; alignment < 64; ++alignment) {
        for (std::size_t offset = 0; offset < 4; ++offset) {
            for (std::size_t size = 0; size <= 200; ++size) check(alignment, offset, size);
        }
    }
}

TEST_CASE("RFC 6455 5.3: large payloads", "[ws][mask][rfc6455-5.3]") {
    const std::size_t size =
        GENERATE(range<std::size_t>(250, 600), values<std::size_t>({1000, 1024, 4095, 65535, 65536, 1 << 20}));
    for (const std::size_t alignment : {0U, 1U, 8U, 14U, 31U}) check(alignment, size % 4, size);
}

TEST_CASE("RFC 6455 5.3: a payload in any two or three pieces", "[ws][mask][rfc6455-5.3]") {
    const std::string sample = sample_of(150), expected = masked_plainly(sample, 0);
    for (std::size_t first = 0; first <= sample.size(); ++first) {
        for (std::size_t second = first; second <= sample.size(); second += 1 + second % 7) {
            std::string bytes = sample;
            masking_key next = apply_mask(writable(bytes.data(), first), key);
            next = apply_mask(writable(bytes.data() + first, second - first), next);
            apply_mask(writable(bytes.data() + second, bytes.size() - second), next);
            REQUIRE(bytes == expected);
        }
    }
}

TEST_CASE("mask: nothing, at no address", "[ws][mask]") {
    CHECK(apply_mask({}, key) == key);
    CHECK(copy_masked({}, nullptr, key) == key);
}

TEST_CASE("mask: memory of exactly the payload's size is enough", "[ws][mask]") {
    for (std::size_t size = 0; size <= 300; ++size) {
        const std::string sample = sample_of(size);
        std::vector<char> in(sample.begin(), sample.end()), out(size);
        copy_masked(weir::as_bytes({in.data(), size}), out.data(), key);
        apply_mask(writable(in.data(), size), key);
        REQUIRE(in == out);
    }
}

TEST_CASE("mask: the key goes round", "[ws][mask]") {
    STATIC_REQUIRE(rotated(key, 0) == key);
    STATIC_REQUIRE(rotated(key, 1) == masking_key{key[1], key[2], key[3], key[0]});
    STATIC_REQUIRE(rotated(key, 2) == masking_key{key[2], key[3], key[0], key[1]});
    STATIC_REQUIRE(rotated(key, 7) == masking_key{key[3], key[0], key[1], key[2]});
    STATIC_REQUIRE(rotated(key, 4096) == key);
}

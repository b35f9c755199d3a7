// SPDX-License-Identifier: BSL-1.0

#include <weir/ws/frame.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "catch.hpp"

using namespace std::literals;
using weir::error;
using weir::ws::decode_header;
using weir::ws::frame_encoder;
using weir::ws::frame_header;
using weir::ws::frame_rules;
using weir::ws::header_result;
using weir::ws::masking_key;
using weir::ws::opcode;

namespace {

constexpr frame_rules from_client{.masked = true}, from_server{.masked = false};
constexpr masking_key key{std::byte{0x37}, std::byte{0xfa}, std::byte{0x21}, std::byte{0x3d}};

header_result decode(std::string_view bytes, frame_rules rules = from_server) {
    return decode_header(weir::as_bytes(bytes), rules);
}

std::string encode(const frame_encoder& frame) {
    // Memory of exactly the size that was announced.
    std::vector<char> memory(frame.size());
    REQUIRE(frame.write(memory.data()) == memory.data() + memory.size());
    return {memory.begin(), memory.end()};
}

/// `bytes` is a whole header; each shorter front of it asks for more.
header_result decode_at_each_length(std::string_view bytes, frame_rules rules) {
    for (std::size_t size = 0; size < bytes.size(); ++size) {
        const header_result result = decode(bytes.substr(0, size), rules);
        CAPTURE(size);
        REQUIRE(result.consumed == 0);
        REQUIRE(result.error == error::none);
    }
    const std::string with_payload = std::string{bytes} + "payload";
    CHECK(decode(with_payload, rules).consumed == bytes.size());
    const header_result result = decode(bytes, rules);
    CHECK(result.error == error::none);
    CHECK(result.consumed == bytes.size());
    return result;
}

/// The error comes with byte number `at` (from 1), not before, and whatever follows.
void check_error(std::string_view bytes, std::size_t at, error expected, frame_rules rules) {
    CAPTURE(at);
    for (std::size_t size = 0; size < at; ++size) {
        REQUIRE(decode(bytes.substr(0, size), rules).error == error::none);
        REQUIRE(decode(bytes.substr(0, size), rules).consumed == 0);
    }
    for (std::size_t size = at; size <= bytes.size(); ++size) {
        REQUIRE(decode(bytes.substr(0, size), rules).error == expected);
        REQUIRE(decode(bytes.substr(0, size), rules).consumed == 0);
    }
}

std::string first_byte(unsigned fin, unsigned reserved, unsigned code) {
    return {static_cast<char>(fin << 7 | reserved << 4 | code)};
}

}  // namespace

TEST_CASE("RFC 6455 5.7: a single-frame unmasked text message", "[ws][frame][rfc6455-5.7]") {
    const auto bytes = "\x81\x05\x48\x65\x6c\x6c\x6f"sv;
    const header_result result = decode(bytes);
    REQUIRE(result.consumed == 2);
    CHECK(result.header.fin);
    CHECK(result.header.reserved == 0);
    CHECK(result.header.code == opcode::text);
    CHECK_FALSE(result.header.masked);
    CHECK(result.header.payload_size == 5);
    CHECK(bytes.substr(2) == "Hello");
    CHECK(encode({.code = opcode::text, .payload = weir::as_bytes("Hello"sv)}) == bytes);
}

TEST_CASE("RFC 6455 5.7: a single-frame masked text message", "[ws][frame][rfc6455-5.7]") {
    const auto bytes = "\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"sv;
    const header_result result = decode(bytes, from_client);
    REQUIRE(result.consumed == 6);
    CHECK(result.header.fin);
    CHECK(result.header.masked);
    CHECK(result.header.key == key);
    CHECK(result.header.payload_size == 5);
    CHECK(encode({.code = opcode::text, .payload = weir::as_bytes("Hello"sv), .key = key}) == bytes);
}

TEST_CASE("RFC 6455 5.7: a fragmented unmasked text message", "[ws][frame][rfc6455-5.7]") {
    const auto first = "\x01\x03\x48\x65\x6c"sv, second = "\x80\x02\x6c\x6f"sv;
    CHECK_FALSE(decode(first).header.fin);
    CHECK(decode(first).header.code == opcode::text);
    CHECK(decode(first).header.payload_size == 3);
    CHECK(decode(second).header.fin);
    CHECK(decode(second).header.code == opcode::continuation);
    CHECK(decode(second).header.payload_size == 2);
    CHECK(encode({.code = opcode::text, .payload = weir::as_bytes("Hel"sv), .fin = false}) == first);
    CHECK(encode({.code = opcode::continuation, .payload = weir::as_bytes("lo"sv)}) == second);
}

TEST_CASE("RFC 6455 5.7: an unmasked ping and a masked pong", "[ws][frame][rfc6455-5.7]") {
    const auto ping = "\x89\x05\x48\x65\x6c\x6c\x6f"sv, pong = "\x8a\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"sv;
    CHECK(decode(ping).header.code == opcode::ping);
    CHECK(decode(ping).header.payload_size == 5);
    CHECK(decode(pong, from_client).header.code == opcode::pong);
    CHECK(decode(pong, from_client).header.key == key);
    CHECK(encode({.code = opcode::ping, .payload = weir::as_bytes("Hello"sv)}) == ping);
    CHECK(encode({.code = opcode::pong, .payload = weir::as_bytes("Hello"sv), .key = key}) == pong);
}

TEST_CASE("RFC 6455 5.7: 256 bytes, and 64 KiB, of binary data in a single unmasked frame",
          "[ws][frame][rfc6455-5.7]") {
    const auto small = "\x82\x7e\x01\x00"sv, large = "\x82\x7f\x00\x00\x00\x00\x00\x01\x00\x00"sv;
    CHECK(decode(small).header.code == opcode::binary);
    CHECK(decode(small).header.payload_size == 256);
    CHECK(decode(small).consumed == 4);
    CHECK(decode(large).header.payload_size == 65536);
    CHECK(decode(large).consumed == 10);
    const std::string payload(65536, '*');
    const weir::bytes_view bytes = weir::as_bytes(payload);
    CHECK(encode({.code = opcode::binary, .payload = bytes.first(256)}) == std::string{small} + payload.substr(0, 256));
    CHECK(encode({.code = opcode::binary, .payload = bytes}) == std::string{large} + payload);
}

TEST_CASE("RFC 6455 5.2: every length at the edge of its form, cut at every byte", "[ws][frame][rfc6455-5.2]") {
    struct form {
        std::uint64_t payload_size;
        std::string_view length;
    };
    const auto [payload_size, length] =
        GENERATE(values<form>({{0, "\x00"sv},
                               {1, "\x01"sv},
                               {125, "\x7d"sv},
                               {126, "\x7e\x00\x7e"sv},
                               {127, "\x7e\x00\x7f"sv},
                               {255, "\x7e\x00\xff"sv},
                               {65535, "\x7e\xff\xff"sv},
                               {65536, "\x7f\x00\x00\x00\x00\x00\x01\x00\x00"sv},
                               {0x1234'5678'9abc'def0, "\x7f\x12\x34\x56\x78\x9a\xbc\xde\xf0"sv},
                               {0x7fff'ffff'ffff'ffff, "\x7f\x7f\xff\xff\xff\xff\xff\xff\xff"sv}}));
    CAPTURE(payload_size);

    const std::string bytes = "\x82" + std::string{length};
    CHECK(decode_at_each_length(bytes, from_server).header.payload_size == payload_size);

    std::string masked = bytes + "\x37\xfa\x21\x3d";
    masked[1] = static_cast<char>(masked[1] | 0x80);
    const header_result result = decode_at_each_length(masked, from_client);
    CHECK(result.header.payload_size == payload_size);
    CHECK(result.header.key == key);

    for (const auto& [wire, is_masked] : {std::pair{bytes, false}, std::pair{masked, true}}) {
        const frame_header header{
            .code = opcode::binary, .masked = is_masked, .key = key, .payload_size = payload_size};
        std::string written(weir::ws::encoded_header_size(payload_size, is_masked), '\0');
        CHECK(weir::ws::write_header(written.data(), header) == written.data() + written.size());
        CHECK(written == wire);
        CHECK(written.size() <= weir::ws::max_header_size);
    }
}

TEST_CASE("RFC 6455 5.2: the minimal number of bytes encodes the length", "[ws][frame][rfc6455-5.2]") {
    for (const auto length : {"\x00\x00"sv, "\x00\x01"sv, "\x00\x7d"sv}) {
        check_error("\x82\x7e" + std::string{length}, 4, error::length_not_minimal, from_server);
        check_error("\x82\xfe" + std::string{length} + "mask", 4, error::length_not_minimal, from_client);
    }
    for (const auto length :
         {"\0\0\0\0\0\0\0\0"sv, "\0\0\0\0\0\0\0\x7d"sv, "\0\0\0\0\0\0\0\x7e"sv, "\0\0\0\0\0\0\xff\xff"sv}) {
        check_error("\x82\x7f" + std::string{length}, 10, error::length_not_minimal, from_server);
        check_error("\x82\xff" + std::string{length} + "mask", 10, error::length_not_minimal, from_client);
    }
}

TEST_CASE("RFC 6455 5.2: the most significant bit of a 64-bit length is 0", "[ws][frame][rfc6455-5.2]") {
    check_error("\x82\x7f\x80\0\0\0\0\0\0\0"sv, 3, error::bad_length, from_server);
    check_error("\x82\x7f\xff\xff\xff\xff\xff\xff\xff\xff"sv, 3, error::bad_length, from_server);
    check_error("\x81\xff\x80\0\0\0\0\x01\0\0mask"sv, 3, error::bad_length, from_client);
}

TEST_CASE("RFC 6455 5.2: every opcode is known or refused with the first byte", "[ws][frame][rfc6455-5.2]") {
    for (unsigned code = 0; code < 16; ++code) {
        const std::string bytes = first_byte(1, 0, code) + "\x05";
        const bool reserved = (code >= 3 && code <= 7) || code >= 11;
        CAPTURE(code);
        if (reserved) {
            check_error(bytes, 1, error::bad_opcode, from_server);
        } else {
            CHECK(static_cast<unsigned>(decode_at_each_length(bytes, from_server).header.code) == code);
        }
    }
}

TEST_CASE("RFC 6455 5.2: reserved bits are refused with the first byte", "[ws][frame][rfc6455-5.2]") {
    for (const unsigned code : {0U, 1U, 2U, 8U, 9U, 10U}) {
        for (unsigned reserved = 1; reserved < 8; ++reserved) {
            CAPTURE(code, reserved);
            check_error(first_byte(1, reserved, code) + "\x05", 1, error::reserved_bits, from_server);
        }
    }
}

TEST_CASE("RFC 7692 6.1: RSV1 has a meaning on the first frame of a message only", "[ws][frame][rfc7692-6.1]") {
    const frame_rules compressed{.masked = false, .allowed_reserved = weir::ws::reserved_1};
    for (const unsigned code : {1U, 2U}) {
        CHECK(decode_at_each_length(first_byte(1, 4, code) + "\x05", compressed).header.reserved == 4);
        CHECK(decode_at_each_length(first_byte(0, 4, code) + "\x05", compressed).header.reserved == 4);
        CHECK(decode_at_each_length(first_byte(1, 0, code) + "\x05", compressed).header.reserved == 0);
        for (const unsigned reserved : {1U, 2U, 3U, 5U, 6U, 7U}) {
            check_error(first_byte(1, reserved, code) + "\x05", 1, error::reserved_bits, compressed);
        }
    }
    for (const unsigned code : {0U, 8U, 9U, 10U}) {
        check_error(first_byte(1, 4, code) + "\x05", 1, error::reserved_bits, compressed);
        CHECK(decode(first_byte(1, 0, code) + "\x05", compressed).consumed == 2);
    }
    CHECK(encode({.code = opcode::text, .payload = weir::as_bytes("*"sv), .reserved = weir::ws::reserved_1}) ==
          "\xc1\x01*");
}

TEST_CASE("RFC 6455 5.1: a client masks every frame, a server none; told with the second byte",
          "[ws][frame][rfc6455-5.1]") {
    for (const unsigned code : {0U, 1U, 2U, 8U, 9U, 10U}) {
        check_error(first_byte(1, 0, code) + "\x05hello"s, 2, error::bad_mask, from_client);
        check_error(first_byte(1, 0, code) + "\x85mask"s, 2, error::bad_mask, from_server);
    }
    check_error("\x82\x7e\x01\x00"sv, 2, error::bad_mask, from_client);
}

TEST_CASE("RFC 6455 5.5: a control frame is not fragmented; told with the first byte", "[ws][frame][rfc6455-5.5]") {
    for (const unsigned code : {8U, 9U, 10U}) {
        check_error(first_byte(0, 0, code) + "\x05", 1, error::control_fragmented, from_server);
    }
    for (const unsigned code : {0U, 1U, 2U}) {
        CHECK_FALSE(decode_at_each_length(first_byte(0, 0, code) + "\x05", from_server).header.fin);
    }
}

TEST_CASE("RFC 6455 5.5: a control frame has 125 bytes at most; told with the second byte",
          "[ws][frame][rfc6455-5.5]") {
    for (const unsigned code : {8U, 9U, 10U}) {
        CHECK(decode_at_each_length(first_byte(1, 0, code) + "\x7d", from_server).header.payload_size == 125);
        check_error(first_byte(1, 0, code) + "\x7e\x00\x7e"s, 2, error::control_too_long, from_server);
        check_error(first_byte(1, 0, code) + "\x7f\0\0\0\0\0\x01\0\0"s, 2, error::control_too_long, from_server);
        check_error(first_byte(1, 0, code) + "\xfe\x00\x7emask"s, 2, error::control_too_long, from_client);
    }
    STATIC_REQUIRE(is_control(opcode::close));
    STATIC_REQUIRE(is_control(opcode::ping));
    STATIC_REQUIRE(is_control(opcode::pong));
    STATIC_REQUIRE_FALSE(is_control(opcode::continuation));
    STATIC_REQUIRE_FALSE(is_control(opcode::text));
    STATIC_REQUIRE_FALSE(is_control(opcode::binary));
}

TEST_CASE("frame_encoder: what it writes decodes to what it was given", "[ws][frame]") {
    const opcode code = GENERATE(opcode::continuation, opcode::text, opcode::binary);
    const bool fin = GENERATE(true, false);
    const auto mask = GENERATE(std::optional<masking_key>{}, std::optional{key});
    for (const std::size_t size :
         {0U, 1U, 2U, 3U, 4U, 7U, 8U, 15U, 16U, 33U, 63U, 64U, 125U, 126U, 127U, 128U, 200U, 4000U, 65535U, 65536U}) {
        const std::string payload(size, 'p');
        const std::string bytes = encode({.code = code, .payload = weir::as_bytes(payload), .fin = fin, .key = mask});
        const header_result result = decode(bytes, {.masked = mask.has_value()});
        REQUIRE(result.consumed == weir::ws::encoded_header_size(size, mask.has_value()));
        REQUIRE(result.header.code == code);
        REQUIRE(result.header.fin == fin);
        REQUIRE(result.header.payload_size == size);
        std::string unmasked = bytes.substr(result.consumed);
        if (mask) weir::ws::apply_mask(std::as_writable_bytes(std::span{unmasked}), result.header.key);
        REQUIRE(unmasked == payload);
    }
}

TEST_CASE("frame_encoder: no payload, at no address", "[ws][frame]") {
    CHECK(encode({.code = opcode::ping}) == "\x89\x00"sv);
    CHECK(encode({.code = opcode::close, .key = masking_key{}}) == "\x88\x80\0\0\0\0"sv);
}

TEST_CASE("decode_header: known at compile time", "[ws][frame]") {
    static constexpr std::byte bytes[] = {std::byte{0x82}, std::byte{0x7e}, std::byte{0x01}, std::byte{0x00}};
    STATIC_REQUIRE(decode_header(bytes, from_server).header.payload_size == 256);
    STATIC_REQUIRE(weir::ws::encoded_header_size(65536, true) == weir::ws::max_header_size);
}

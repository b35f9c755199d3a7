// SPDX-License-Identifier: BSL-1.0

#include <weir/ws/message.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "catch.hpp"

using namespace std::literals;
using weir::ws_message;
using weir::ws::message_view;

namespace {

/// As an argument is passed.
message_view passed(message_view message) { return message; }

}  // namespace

TEST_CASE("RFC 6455 5.6: text makes a text message", "[ws][message][rfc6455-5.6]") {
    const std::string string = "text";
    for (const message_view m : {passed("text"), passed("text"sv), passed(string)}) {
        CHECK(m.is_text());
        CHECK_FALSE(m.is_binary());
        CHECK(m.text() == "text");
        CHECK(m.size() == 4);
        CHECK(m.last());
    }
    CHECK(passed("with\0NUL"sv).size() == 8);
    CHECK(passed(string).text().data() == string.data());
    CHECK(passed({}).empty());
}

TEST_CASE("RFC 6455 5.6: bytes, however they are kept, make a binary message", "[ws][message][rfc6455-5.6]") {
    std::array<std::byte, 2> array{std::byte{0}, std::byte{0xff}};
    const std::vector<std::byte> constant(array.begin(), array.end());
    std::vector<std::byte> vector = constant;
    const std::byte raw[]{std::byte{0}, std::byte{0xff}};
    for (const message_view m :
         {passed(array), passed(constant), passed(vector), passed(raw), passed(weir::bytes_view{vector}),
          passed(weir::mutable_bytes_view{vector}), passed(std::span<std::byte, 2>{array})}) {
        CHECK(m.is_binary());
        CHECK(m.text() == "\0\xff"sv);
        CHECK(m.bytes().size() == 2);
    }
    CHECK(passed(vector).bytes().data() == vector.data());
    STATIC_REQUIRE_FALSE(std::is_convertible_v<std::vector<char>, message_view>);
    STATIC_REQUIRE_FALSE(std::is_convertible_v<std::span<const std::uint8_t>, message_view>);
    STATIC_REQUIRE_FALSE(std::is_convertible_v<std::nullptr_t, message_view>);
}

TEST_CASE("message_view: the same bytes as a binary message, and as a piece", "[ws][message]") {
    CHECK(message_view::binary("x").is_binary());
    CHECK(message_view::binary("x") != message_view{"x"});
    CHECK(message_view::binary("x") == message_view{"x", true});
    const message_view first{"x", false, false};
    CHECK_FALSE(first.last());
    CHECK(first != message_view{"x"});
    STATIC_REQUIRE(message_view{"x"sv}.is_text());
    STATIC_REQUIRE(std::is_same_v<ws_message, message_view>);
}

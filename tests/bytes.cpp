// SPDX-License-Identifier: BSL-1.0

#include <weir/bytes.hpp>

#include "catch.hpp"

#include <array>
#include <string>
#include <type_traits>

using namespace std::string_view_literals;

TEST_CASE("bytes: text and bytes are two views of the same memory", "[bytes]") {
    const std::string text{"a\0\xff", 3};

    const weir::bytes_view bytes = weir::as_bytes(text);
    REQUIRE(bytes.size() == 3);
    CHECK(bytes[0] == std::byte{'a'});
    CHECK(bytes[1] == std::byte{0});
    CHECK(bytes[2] == std::byte{0xff});
    CHECK(static_cast<const void*>(bytes.data()) == text.data());

    const std::string_view back = weir::as_text(bytes);
    CHECK(back == text);
    CHECK(back.data() == text.data());
}

TEST_CASE("bytes: an empty view stays empty, with or without memory behind it", "[bytes]") {
    CHECK(weir::as_bytes({}).empty());
    CHECK(weir::as_bytes(""sv).empty());
    CHECK(weir::as_text({}).empty());
    CHECK(weir::as_text(weir::as_bytes("abc"sv).subspan(3)).empty());
}

TEST_CASE("bytes: what may be written may be read, not the other way round", "[bytes]") {
    STATIC_REQUIRE(std::is_convertible_v<weir::mutable_bytes_view, weir::bytes_view>);
    STATIC_REQUIRE_FALSE(std::is_convertible_v<weir::bytes_view, weir::mutable_bytes_view>);

    std::array memory{std::byte{'a'}, std::byte{'b'}};
    const weir::mutable_bytes_view writable{memory};
    writable[1] = std::byte{'c'};
    CHECK(weir::as_text(writable) == "ac");
}

// SPDX-License-Identifier: BSL-1.0

#include <weir/sse/event.hpp>

#include <concepts>
#include <cstddef>
#include <limits>
#include <string>
#include <string_view>
#include <type_traits>

#include "catch.hpp"

using namespace std::literals;
using weir::event_id;
using weir::event_name;

namespace {

template <std::size_t N>
struct literal {
    char text[N];
    consteval literal(const char (&from)[N]) {
        for (std::size_t i = 0; i < N; ++i) text[i] = from[i];
    }
};

/// Whether `T{"..."}` compiles.
template <class T, literal Text>
concept makes = requires { typename std::integral_constant<bool, (T(Text.text), true)>; };

static_assert(makes<event_name, "tick"> && makes<event_id, "7">);
static_assert(makes<event_name, ""> && makes<event_id, "">);
static_assert(!makes<event_name, "a\nb"> && !makes<event_id, "a\nb">);
static_assert(!makes<event_name, "a\rb"> && !makes<event_id, "a\rb">);
static_assert(!makes<event_name, "a\0b"> && !makes<event_id, "a\0b">);

// Text that is only known at run time has to go through parse(), which can refuse it.
static_assert(!std::convertible_to<std::string_view, event_name> && !std::constructible_from<event_name, std::string>);
static_assert(!std::convertible_to<std::string_view, event_id> && !std::constructible_from<event_id, const char*>);
static_assert(!std::constructible_from<event_name, const char*>);

}  // namespace

TEST_CASE("event stream, event field: a name cannot hold CR, LF or NUL", "[sse][event]") {
    CHECK(event_name::parse("price")->text() == "price");
    CHECK(event_name::parse("")->empty());
    CHECK(event_name::parse("\xef\xbb\xbf :\xff")->text() == "\xef\xbb\xbf :\xff");
    CHECK_FALSE(event_name::parse("price\ndata: forged"));
    CHECK_FALSE(event_name::parse("price\r"));
    CHECK_FALSE(event_name::parse("\0"sv));
}

TEST_CASE("event stream, id field: an id cannot hold CR, LF or NUL", "[sse][event]") {
    CHECK(event_id::parse("12-34")->str() == "12-34");
    CHECK_FALSE(event_id::parse("1\n"));
    CHECK_FALSE(event_id::parse("1\rid: 2"));
    CHECK_FALSE(event_id::parse("1\0"sv));
}

TEST_CASE("event stream, id field: absent and empty ids are different", "[sse][event]") {
    CHECK_FALSE(event_id{}.has_value());
    CHECK(event_id{}.str().empty());
    CHECK(event_id{""}.has_value());
    CHECK(event_id{""}.str().empty());
    CHECK(event_id::parse("")->has_value());
}

TEST_CASE("event_id: a number is held inside and written in decimal", "[sse][event]") {
    const auto number = GENERATE(std::uint64_t{0}, std::uint64_t{9}, std::uint64_t{10}, std::uint64_t{99},
                                 std::uint64_t{100}, std::numeric_limits<std::uint64_t>::max());
    const event_id id{number};
    CHECK(id.has_value());
    CHECK(id.str() == std::to_string(number));
    CHECK(id.number() == number);
    CHECK(event_id::parse(id.str())->number() == number);
}

TEST_CASE("event_id: only whole decimal texts that fit are numbers", "[sse][event]") {
    CHECK(event_id{"007"}.number() == 7);
    CHECK(event_id{"18446744073709551615"}.number() == std::numeric_limits<std::uint64_t>::max());
    CHECK_FALSE(event_id{"18446744073709551616"}.number());
    const auto text = GENERATE("", "-1", "+1", " 1", "1 ", "1x", "0x1", "1.5");
    CHECK_FALSE(event_id::parse(text)->number());
    CHECK_FALSE(event_id{}.number());
}

TEST_CASE("sse_event: an aggregate with designated initialisers", "[sse][event]") {
    using namespace std::chrono_literals;
    constexpr weir::sse_event event{.event = "tick", .id = event_id(7), .data = "x", .retry = 2s, .key = "k"};
    CHECK(event.event.text() == "tick");
    CHECK(event.id.number() == 7);
    CHECK(event.retry == weir::milliseconds{2000});
}

TEST_CASE("event types: text that is no literal must be parsed", "[sse][event]") {
    STATIC_REQUIRE_FALSE(std::is_constructible_v<weir::event_name, std::string>);
    STATIC_REQUIRE_FALSE(std::is_constructible_v<weir::event_name, std::string_view>);
    STATIC_REQUIRE_FALSE(std::is_constructible_v<weir::event_name, const char*>);
    STATIC_REQUIRE_FALSE(std::is_constructible_v<weir::event_id, std::string>);
    STATIC_REQUIRE_FALSE(std::is_constructible_v<weir::event_id, std::string_view>);
}

TEST_CASE("event ids: equal by their text", "[sse][event]") {
    CHECK(weir::event_id{7} == weir::event_id{"7"});
    CHECK(weir::event_id{} == weir::event_id{});
    CHECK_FALSE(weir::event_id{} == weir::event_id{""});
    CHECK_FALSE(weir::event_id{7} == weir::event_id{8});
}

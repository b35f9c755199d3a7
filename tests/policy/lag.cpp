// SPDX-License-Identifier: BSL-1.0

#include <weir/policy/lag.hpp>

#include <chrono>
#include <cstddef>
#include <limits>

#include "catch.hpp"

using namespace std::literals;
using weir::close_lagging;
using weir::lag_decision;
using weir::lag_facts;
using weir::milliseconds;
using weir::priority;
using weir::skip_oldest;
using weir::skip_to_latest;
using weir::skip_to_newest;

namespace {

constexpr std::size_t huge = std::numeric_limits<std::size_t>::max();
constexpr auto keep = lag_decision::keep;

template <class Policy>
constexpr Policy bounded = {.max_messages = 10, .max_bytes = 100, .max_age = milliseconds{1000}};

/// What every stock policy has in common. `beyond` is its answer to a message beyond the bounds, `beyond_low` to one of
/// low priority beyond half of them. All messages are superseded, and there are two of them at least.
template <class Policy>
void check_bounds(lag_decision beyond, lag_decision beyond_low) {
    constexpr Policy policy = bounded<Policy>;

    SECTION("within the bounds") {
        CHECK(policy({.messages = 2, .bytes = 2, .superseded = true}) == keep);
        CHECK(policy({.messages = 10, .bytes = 100, .age = 1s, .superseded = true}) == keep);
    }
    SECTION("beyond each bound alone") {
        CHECK(policy({.messages = 11, .superseded = true}) == beyond);
        CHECK(policy({.messages = 2, .bytes = 101, .superseded = true}) == beyond);
        CHECK(policy({.messages = 2, .age = 1s + 1ns, .superseded = true}) == beyond);
    }
    SECTION("zero is off, for each bound alone") {
        constexpr lag_facts flood{.messages = huge, .bytes = huge, .age = 100h, .superseded = true};
        CHECK(Policy{.max_messages = 0, .max_bytes = 0, .max_age = 0ms}(flood) == keep);
        CHECK(Policy{.max_messages = 1, .max_bytes = 0, .max_age = 0ms}(flood) == beyond);
        CHECK(Policy{.max_messages = 0, .max_bytes = 1, .max_age = 0ms}(flood) == beyond);
        CHECK(Policy{.max_messages = 0, .max_bytes = 0, .max_age = 1ms}(flood) == beyond);
        CHECK(Policy{.max_messages = 0, .max_bytes = 0, .max_age = -1ms}(flood) == keep);
    }
    SECTION("bounds as large as can be") {
        constexpr Policy widest{.max_messages = huge, .max_bytes = huge, .max_age = milliseconds::max()};
        constexpr lag_facts flood{.messages = huge, .bytes = huge, .age = weir::duration::max(), .superseded = true};
        CHECK(widest(flood) == keep);
    }
    SECTION("a lone message is never too much") {
        CHECK(policy({.messages = 1, .bytes = huge, .age = 1s, .superseded = true}) == keep);
        CHECK(policy({.messages = 1, .bytes = huge, .superseded = true, .priority = priority::low}) == keep);
        CHECK(Policy{.max_messages = 1}({.messages = 1, .superseded = true, .priority = priority::low}) == keep);
    }
    SECTION("low priority: half of the bounds") {
        constexpr auto low = priority::low;
        CHECK(policy({.messages = 5, .bytes = 50, .age = 500ms, .superseded = true, .priority = low}) == keep);
        CHECK(policy({.messages = 6, .superseded = true, .priority = low}) == beyond_low);
        CHECK(policy({.messages = 2, .bytes = 51, .superseded = true, .priority = low}) == beyond_low);
        CHECK(policy({.messages = 2, .age = 500ms + 1ns, .superseded = true, .priority = low}) == beyond_low);
        CHECK(policy({.messages = 11, .superseded = true, .priority = low}) == beyond);
    }
    SECTION("low priority: half of a bound is rounded up, half of none is none") {
        constexpr auto low = priority::low;
        CHECK(Policy{.max_messages = 3}({.messages = 2, .superseded = true, .priority = low}) == keep);
        CHECK(Policy{.max_messages = 3}({.messages = 3, .superseded = true, .priority = low}) == beyond_low);
        constexpr Policy least{.max_messages = 1, .max_bytes = 1, .max_age = 1ms};
        CHECK(least({.messages = 2, .superseded = true, .priority = low}) == beyond);
        CHECK(Policy{.max_messages = 0,
                     .max_bytes = 1}({.messages = 2, .bytes = 2, .superseded = true, .priority = low}) == beyond);
        CHECK(Policy{.max_age = 1ms}({.messages = 2, .age = 1ms, .superseded = true, .priority = low}) == keep);
        CHECK(Policy{.max_age = 1ms}({.messages = 2, .age = 2ms, .superseded = true, .priority = low}) == beyond);
        CHECK(Policy{.max_messages = 0, .max_bytes = 0, .max_age = 0ms}(
                  {.messages = huge, .bytes = huge, .age = 100h, .superseded = true, .priority = low}) == keep);
    }
    SECTION("defaults: 1000 messages, 1 MiB, any age") {
        CHECK(Policy{}({.messages = 1000, .bytes = 1024 * 1024, .age = 1000h, .superseded = true}) == keep);
        CHECK(Policy{}({.messages = 1001, .superseded = true}) == beyond);
        CHECK(Policy{}({.messages = 2, .bytes = 1024 * 1024 + 1, .superseded = true}) == beyond);
    }
}

constexpr lag_facts far_behind(priority of) {
    return {.messages = 1000, .bytes = 1000, .age = 1000s, .superseded = true, .priority = of};
}
constexpr lag_facts lone_and_old{.messages = 1, .bytes = 1, .age = 2s, .superseded = true};

struct may_throw {
    lag_decision operator()(const lag_facts&) const { return keep; }
};
struct changes_itself {
    lag_decision operator()(const lag_facts&) noexcept { return keep; }
};
struct answers_something_else {
    bool operator()(const lag_facts&) const noexcept { return true; }
};
struct own {
    lag_decision operator()(const lag_facts& f) const noexcept { return f.messages > 5 ? lag_decision::skip : keep; }
};

}  // namespace

TEST_CASE("lag: the concept", "[policy][lag]") {
    STATIC_REQUIRE(weir::lag_policy<own>);
    STATIC_REQUIRE_FALSE(weir::lag_policy<may_throw>);
    STATIC_REQUIRE_FALSE(weir::lag_policy<changes_itself>);
    STATIC_REQUIRE_FALSE(weir::lag_policy<answers_something_else>);
    STATIC_REQUIRE(skip_oldest{}({.messages = 1}) == keep);  // decides at compile time too
}

TEST_CASE("lag: skip_oldest skips one at a time", "[policy][lag]") {
    check_bounds<skip_oldest>(lag_decision::skip, lag_decision::skip);
    constexpr auto policy = bounded<skip_oldest>;
    CHECK(policy({.messages = 11}) == lag_decision::skip);  // superseded or not
    CHECK(policy(far_behind(priority::high)) == keep);
    CHECK(policy(lone_and_old) == lag_decision::skip);
}

TEST_CASE("lag: skip_oldest asked until it keeps leaves as many as are allowed", "[policy][lag]") {
    constexpr skip_oldest policy{.max_messages = 10};
    std::size_t waiting = 25;
    while (policy({.messages = waiting}) == lag_decision::skip) --waiting;
    CHECK(waiting == 10);
}

TEST_CASE("lag: skip_to_newest skips all but the newest", "[policy][lag]") {
    // One of low priority takes no others with it as long as they are within the bounds.
    constexpr auto policy = bounded<skip_to_newest>;
    SECTION("the newest, however old, is kept") { CHECK(policy(lone_and_old) == keep); }
    SECTION("high priority is kept") { CHECK(policy(far_behind(priority::high)) == keep); }
    SECTION("superseded or not") { CHECK(policy({.messages = 11}) == lag_decision::skip_to_newest); }
    SECTION("low priority beyond half of the bounds goes alone") {
        CHECK(policy({.messages = 6, .priority = priority::low}) == lag_decision::skip);
        CHECK(policy({.messages = 11, .priority = priority::low}) == lag_decision::skip_to_newest);
    }
}

TEST_CASE("lag: the bounds of skip_to_newest", "[policy][lag]") {
    check_bounds<skip_to_newest>(lag_decision::skip_to_newest, lag_decision::skip);
}

TEST_CASE("lag: skip_to_latest skips what a newer message with its key supersedes", "[policy][lag]") {
    check_bounds<skip_to_latest>(lag_decision::skip, lag_decision::skip);
    constexpr auto policy = bounded<skip_to_latest>;
    CHECK(policy({.messages = 1000, .bytes = 1000, .age = 1000s}) == keep);
    CHECK(policy({.messages = 1000, .priority = priority::low}) == keep);
    CHECK(policy(far_behind(priority::high)) == keep);
    CHECK(policy(lone_and_old) == lag_decision::skip);
}

TEST_CASE("lag: close_lagging closes, whatever the priority", "[policy][lag]") {
    check_bounds<close_lagging>(lag_decision::close, keep);
    constexpr auto policy = bounded<close_lagging>;
    CHECK(policy({.messages = 11}) == lag_decision::close);  // superseded or not
    CHECK(policy(far_behind(priority::high)) == lag_decision::close);
    CHECK(policy({.messages = 6, .priority = priority::high}) == keep);
    CHECK(policy(lone_and_old) == lag_decision::close);
}

// SPDX-License-Identifier: BSL-1.0

#include <weir/policy/reconnect.hpp>

#include <weir/error.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <limits>
#include <random>
#include <type_traits>
#include <variant>

#include "catch.hpp"

using namespace std::literals;
using weir::any_reconnect;
using weir::exponential_backoff;
using weir::reconnect_decision;
using weir::reconnect_facts;

namespace {

constexpr std::uint64_t most_random = std::numeric_limits<std::uint64_t>::max();
constexpr std::uint64_t half_random = std::uint64_t{1} << 63;
constexpr weir::milliseconds longest = weir::milliseconds::max();

const weir::error_code cut_off = make_error_code(weir::error::truncated);

/// A connection that was open for an hour.
reconnect_facts lost(weir::milliseconds floor = {}, std::uint64_t random = 0) {
    return {.reason = cut_off, .lived = 1h, .floor = floor, .random = random};
}
/// The attempt that failed when the client had been trying for so long.
reconnect_facts failed(weir::duration trying, std::uint64_t random = 0, weir::milliseconds floor = {}) {
    return {.reason = cut_off, .failures = 2, .trying = trying, .floor = floor, .random = random};
}

bool gives_up(const reconnect_decision& decision) { return std::holds_alternative<weir::give_up>(decision); }
weir::duration delay_of(const reconnect_decision& decision) {
    REQUIRE_FALSE(gives_up(decision));
    return std::get<weir::retry_in>(decision).delay;
}
bool starts_over(const reconnect_decision& decision) {
    REQUIRE_FALSE(gives_up(decision));
    return std::get<weir::retry_in>(decision).starts_over;
}

struct may_throw {
    weir::give_up operator()(const reconnect_facts&) const { return {}; }
};

}  // namespace

TEST_CASE("reconnect: full jitter reaches from the floor to the end of the window", "[policy][reconnect]") {
    constexpr exponential_backoff policy{.base = 8s, .cap = 60s};
    CHECK(delay_of(policy(lost(5s, 0))) == 5s);
    CHECK(delay_of(policy(lost(5s, half_random))) == 9s);
    CHECK(delay_of(policy(lost(5s, most_random))) == 13s - 1ns);
    CHECK(delay_of(policy(lost(0s, 0))) == 0s);
    CHECK(delay_of(policy(lost(0s, most_random))) == 8s - 1ns);
}

TEST_CASE("reconnect: full jitter is uniform", "[policy][reconnect]") {
    constexpr exponential_backoff policy{.base = 10s};
    std::mt19937_64 random{1};
    std::array<int, 100> counts{};
    for (int i = 0; i != 100'000; ++i) ++counts[static_cast<std::size_t>(delay_of(policy(lost(0s, random()))) / 100ms)];
    // A thousand in each, give or take 32 by chance.
    const auto [least, most] = std::minmax_element(counts.begin(), counts.end());
    CHECK(*least > 840);
    CHECK(*most < 1160);
}

TEST_CASE("reconnect: more of random is more of the delay", "[policy][reconnect]") {
    for (const weir::milliseconds base : {1ms, 3000ms, 1'000'000'000'000ms}) {
        const exponential_backoff policy{.base = base, .cap = base};
        weir::duration previous = -1ns;
        for (std::uint64_t part = 0; part != 1000; ++part) {
            const weir::duration delay = delay_of(policy(lost(0s, part * (most_random / 1000))));
            CHECK(delay > previous);
            const weir::duration expected = weir::duration{base} / 1000 * static_cast<int>(part);
            CHECK(delay >= expected - 1000ns);
            CHECK(delay <= expected + 1000ns);
            previous = delay;
        }
    }
}

TEST_CASE("reconnect: a part is exact to the nanosecond", "[policy][reconnect]") {
    using weir::detail::part_of;
    STATIC_REQUIRE(part_of(0ns, most_random) == 0ns);
    STATIC_REQUIRE(part_of(1ns, most_random) == 0ns);
    STATIC_REQUIRE(part_of(weir::duration::max(), 0) == 0ns);
    STATIC_REQUIRE(part_of(weir::duration::max(), half_random) == weir::duration::max() / 2);
    STATIC_REQUIRE(part_of(weir::duration::max(), most_random) == weir::duration::max() - 1ns);
    // The upper 64 bits of 0x0123456789abcdef * 0xfedcba9876543210, and of a product whose halves carry.
    STATIC_REQUIRE(part_of(weir::duration{0x0123'4567'89ab'cdef}, 0xfedc'ba98'7654'3210u).count() ==
                   0x0121'fa00'ad77'd742);
    STATIC_REQUIRE(part_of(weir::duration{0xffff'ffff}, 0xffff'ffff'0000'0001u).count() == 0xffff'fffe);
}

TEST_CASE("reconnect: the first window is the base, or the floor if that is wider", "[policy][reconnect]") {
    constexpr exponential_backoff policy{.base = 4s, .cap = 60s};
    CHECK(delay_of(policy(lost(2s, half_random))) == 4s);
    CHECK(delay_of(policy(lost(6s, half_random))) == 9s);
    CHECK(delay_of(exponential_backoff{}(lost(0s, half_random))) == 1500ms);
}

TEST_CASE("reconnect: after a failed attempt the delay is a quarter of the time spent trying, and up to an eighth more",
          "[policy][reconnect]") {
    constexpr exponential_backoff policy{.base = 1s, .cap = 1min};
    CHECK(delay_of(policy(failed(0s))) == 1s);
    CHECK(delay_of(policy(failed(4s))) == 1s);
    CHECK(delay_of(policy(failed(5s))) == 1250ms);
    CHECK(delay_of(policy(failed(80s))) == 20s);
    CHECK(delay_of(policy(failed(80s, half_random))) == 21'250ms);
    CHECK(delay_of(policy(failed(80s, most_random))) == 22'500ms - 1ns);
}

TEST_CASE("reconnect: delays grow exponentially", "[policy][reconnect]") {
    constexpr exponential_backoff policy{.base = 1s, .cap = 100h};
    std::mt19937_64 random{1};
    reconnect_facts facts = lost();
    weir::duration previous{};
    for (int attempt = 0; attempt != 60; ++attempt) {
        facts.random = random();
        const weir::duration delay = delay_of(policy(facts));
        if (facts.trying > 6s) {  // longer than four windows of one second, before this delay and the last
            CHECK(delay >= previous);
            CHECK(delay >= facts.trying / 4);
            CHECK(delay <= facts.trying / 32 * 9);
        }
        previous = delay;
        facts = {.failures = facts.failures + 1, .trying = facts.trying + delay};
    }
    CHECK(facts.trying > 24h);
}

TEST_CASE("reconnect: the cap bounds every window", "[policy][reconnect]") {
    constexpr exponential_backoff policy{.base = 3s, .cap = 30s};
    CHECK(delay_of(policy(failed(100h))) == 30s);
    CHECK(delay_of(policy(failed(100h, most_random))) < 30s + 3750ms);
    CHECK(delay_of(policy(failed(119s))) == 29'750ms);
    CHECK(delay_of(exponential_backoff{.base = 100s, .cap = 10s}(lost(0s, half_random))) == 5s);
    CHECK(delay_of(exponential_backoff{}(failed(100h))) == 30s);
}

TEST_CASE("reconnect: no delay is shorter than the floor", "[policy][reconnect]") {
    for (const weir::milliseconds floor : {-1ms, 0ms, 1ms, 3000ms, 29'999ms, 30'000ms, 3'600'000ms}) {
        for (const weir::duration trying : {0s, 3s, 20s, 100s, 100'000s}) {
            for (const std::uint64_t random : {std::uint64_t{0}, half_random, most_random}) {
                for (const weir::duration lived : {0s, 1s, 1000s}) {
                    for (const unsigned failures : {0u, 1u, 2u, 1000u}) {
                        const reconnect_facts facts{
                            .failures = failures, .lived = lived, .trying = trying, .floor = floor, .random = random};
                        const weir::duration least = std::max<weir::duration>(floor, 0ns);
                        const weir::duration delay = delay_of(exponential_backoff{}(facts));
                        CHECK(delay >= least);
                        CHECK(delay <= 30s + std::max<weir::duration>(least, 3750ms));
                        CHECK(delay_of(weir::fixed_delay{1s}(facts)) == std::max<weir::duration>(least, 1s));
                    }
                }
            }
        }
    }
}

TEST_CASE("reconnect: a floor above the cap is waited for, and jitter added", "[policy][reconnect]") {
    constexpr exponential_backoff policy{.base = 1s, .cap = 8s};
    CHECK(delay_of(policy(lost(1h, half_random))) == 1h + 4s);
    CHECK(delay_of(policy(failed(2h, half_random, 1h))) == 1h + 500ms);
}

TEST_CASE("reconnect: a connection that was open draws from the whole window", "[policy][reconnect]") {
    // What ended it may have ended all others at that moment, when all had been trying for the same time.
    constexpr exponential_backoff policy{.base = 1s, .cap = 30s};
    reconnect_facts facts = failed(80s, 0, 3s);
    facts.lived = 9s;
    CHECK(delay_of(policy(facts)) == 3s);
    CHECK_FALSE(starts_over(policy(facts)));
    facts.random = half_random;
    CHECK(delay_of(policy(facts)) == 13s);
    facts.random = most_random;
    CHECK(delay_of(policy(facts)) == 23s - 1ns);
}

TEST_CASE("reconnect: a connection that lived long enough starts over", "[policy][reconnect]") {
    constexpr exponential_backoff policy{.base = 4s, .cap = 30s, .reset_after = 10s};
    reconnect_facts facts = failed(80s, half_random);
    facts.failures = 1000;
    facts.lived = 10s - 1ns;
    CHECK(delay_of(policy(facts)) == 10s);
    CHECK_FALSE(starts_over(policy(facts)));
    facts.lived = 10s;
    CHECK(delay_of(policy(facts)) == 2s);
    CHECK(starts_over(policy(facts)));
    CHECK(starts_over(exponential_backoff{}(facts)));
}

TEST_CASE("reconnect: a connection that the server ended in good order starts over", "[policy][reconnect]") {
    constexpr exponential_backoff policy{.base = 4s, .cap = 30s, .max_attempts = 3};
    reconnect_facts facts = failed(80s, half_random, 3s);
    facts.failures = 1000;
    facts.reason = {};
    facts.lived = 1ns;
    CHECK(delay_of(policy(facts)) == 5s);
    CHECK(starts_over(policy(facts)));
}

TEST_CASE("reconnect: where any connection starts over, one that never opened does not", "[policy][reconnect]") {
    for (const weir::milliseconds reset_after : {0ms, -1ms}) {
        const exponential_backoff policy{.reset_after = reset_after};
        reconnect_facts facts = failed(80s);
        CHECK_FALSE(starts_over(policy(facts)));
        facts.lived = 1ns;
        CHECK(starts_over(policy(facts)));
    }
}

TEST_CASE("reconnect: what is permanent is not tried again", "[policy][reconnect]") {
    reconnect_facts facts = lost();
    facts.permanent = true;
    CHECK(gives_up(exponential_backoff{}(facts)));
    CHECK(gives_up(weir::fixed_delay{}(facts)));
}

TEST_CASE("reconnect: a budget of attempts", "[policy][reconnect]") {
    constexpr exponential_backoff policy{.max_attempts = 3};
    reconnect_facts facts{.reason = cut_off};
    for (facts.failures = 1; facts.failures <= 3; ++facts.failures) CHECK_FALSE(gives_up(policy(facts)));
    CHECK(gives_up(policy(facts)));
    facts.lived = 9s;
    CHECK(gives_up(policy(facts)));
    facts.lived = 10s;  // starts over, and so does the budget
    CHECK_FALSE(gives_up(policy(facts)));
    facts = failed(1h);
    facts.failures = std::numeric_limits<unsigned>::max();
    CHECK(gives_up(policy(facts)));
    CHECK_FALSE(gives_up(exponential_backoff{}(facts)));
}

TEST_CASE("reconnect: a budget of time is up before the attempt that would be too late", "[policy][reconnect]") {
    constexpr exponential_backoff policy{.base = 4s, .cap = 4s, .max_time = 1min};
    CHECK_FALSE(gives_up(policy(failed(56s))));
    CHECK(gives_up(policy(failed(56s + 1ns))));
    CHECK(gives_up(policy(failed(56s, most_random))));
    CHECK(gives_up(policy(failed(100h))));
    CHECK_FALSE(gives_up(policy(lost(1min))));
    CHECK(gives_up(policy(lost(1min, most_random))));
    reconnect_facts facts = failed(100h);
    facts.lived = 10s;
    CHECK_FALSE(gives_up(policy(facts)));
    for (const weir::milliseconds none : {0ms, -1ms}) {
        CHECK_FALSE(gives_up(exponential_backoff{.max_time = none}(failed(100h))));
    }
}

TEST_CASE("reconnect: nothing overflows", "[policy][reconnect]") {
    constexpr exponential_backoff endless{.base = longest, .cap = longest, .max_time = longest, .reset_after = longest};
    for (const std::uint64_t random : {std::uint64_t{0}, half_random, most_random}) {
        for (const weir::duration trying : {weir::duration{}, weir::duration::max()}) {
            for (const weir::milliseconds floor : {longest, longest - 1ms, weir::milliseconds::min()}) {
                reconnect_facts facts = failed(trying, random, floor);
                const weir::duration least = floor > 0ms ? weir::duration::max() : 0ns;
                CHECK(delay_of(exponential_backoff{}(facts)) >= least);
                CHECK(delay_of(endless(facts)) >= least);
                facts.lived = weir::duration::max();
                CHECK(delay_of(exponential_backoff{}(facts)) >= least);
                CHECK(delay_of(endless(facts)) >= least);
                CHECK(delay_of(weir::fixed_delay{}(facts)) >= least);
            }
        }
    }
    CHECK(delay_of(endless(failed(0s))) == weir::duration::max());
    CHECK(delay_of(weir::fixed_delay{longest}(lost())) == weir::duration::max());
    CHECK(gives_up(exponential_backoff{.max_time = 1h}(lost(longest))));
}

TEST_CASE("reconnect: no base and no floor is at once", "[policy][reconnect]") {
    for (const weir::milliseconds base : {0ms, -1ms}) {
        const exponential_backoff policy{.base = base};
        CHECK(delay_of(policy(lost(0s, most_random))) == 0s);
        CHECK(delay_of(policy(failed(0s, most_random))) == 0s);
        CHECK(delay_of(policy(failed(8s))) == 2s);
        CHECK(delay_of(policy(lost(3s))) == 3s);
    }
    CHECK(delay_of(exponential_backoff{.cap = -1ms}(failed(8s, most_random, 3s))) == 3s);
}

TEST_CASE("reconnect: a fixed delay is always the same, and never under the floor", "[policy][reconnect]") {
    constexpr weir::fixed_delay policy{};
    CHECK(delay_of(policy(lost())) == 3s);
    CHECK(delay_of(policy(failed(1h, most_random))) == 3s);
    CHECK(delay_of(policy(lost(5s))) == 5s);
    CHECK(delay_of(weir::fixed_delay{-1ms}(lost())) == 0s);
    CHECK_FALSE(starts_over(policy(lost())));
}

TEST_CASE("reconnect: never is never", "[policy][reconnect]") {
    CHECK(gives_up(weir::never_reconnect{}(lost())));
    CHECK(gives_up(weir::never_reconnect{}({})));
}

TEST_CASE("reconnect: policies are plain aggregates", "[policy][reconnect]") {
    STATIC_REQUIRE(std::is_aggregate_v<exponential_backoff>);
    STATIC_REQUIRE(std::is_aggregate_v<weir::fixed_delay>);
    STATIC_REQUIRE(std::is_aggregate_v<weir::never_reconnect>);
    STATIC_REQUIRE(std::is_trivially_copyable_v<exponential_backoff>);
}

TEST_CASE("reconnect: a policy of one's own may return any of the decisions", "[policy][reconnect]") {
    const auto waits = [](const reconnect_facts& f) noexcept { return weir::retry_in{f.floor}; };
    const auto leaves = [](const reconnect_facts&) noexcept { return weir::give_up{}; };
    const auto either = [](const reconnect_facts&) noexcept -> reconnect_decision { return weir::give_up{}; };
    STATIC_REQUIRE(weir::reconnect_policy<decltype(waits)>);
    STATIC_REQUIRE(weir::reconnect_policy<decltype(leaves)>);
    STATIC_REQUIRE(weir::reconnect_policy<decltype(either)>);
    STATIC_REQUIRE(weir::reconnect_policy<any_reconnect>);
    STATIC_REQUIRE_FALSE(weir::reconnect_policy<may_throw>);
    STATIC_REQUIRE_FALSE(weir::reconnect_policy<int>);
    CHECK(delay_of(any_reconnect{waits}(lost(7s))) == 7s);
    CHECK(gives_up(any_reconnect{leaves}({})));
    CHECK(gives_up(any_reconnect{either}({})));
}

TEST_CASE("reconnect: any policy decides as the one inside, and is a value", "[policy][reconnect]") {
    any_reconnect policy = exponential_backoff{.base = 8s};
    CHECK(delay_of(policy(lost(0s, half_random))) == 4s);
    const any_reconnect copy = policy;
    policy = weir::never_reconnect{};
    CHECK(gives_up(policy(lost())));
    CHECK(delay_of(copy(lost(0s, half_random))) == 4s);
    CHECK(delay_of(any_reconnect{weir::fixed_delay{7s}}(lost())) == 7s);
}

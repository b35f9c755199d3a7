// SPDX-License-Identifier: BSL-1.0

#include <weir/policy/heartbeat.hpp>

#include <chrono>
#include <cstdint>
#include <variant>

#include "catch.hpp"

using namespace std::literals;
using weir::comment_every;
using weir::liveness;
using weir::time_point;

namespace {

constexpr time_point t0{1000h};

/// A connection on which nothing has been said since t0.
constexpr liveness silent_for(weir::duration silence, std::uint8_t salt = 0) {
    return {.now = t0 + silence, .last_sent = t0, .last_received = t0, .bytes_unsent = 0, .salt = salt};
}

time_point asked_again_at(const weir::heartbeat_decision& decision) {
    REQUIRE(std::holds_alternative<weir::wait_until>(decision));
    return std::get<weir::wait_until>(decision).at;
}
bool beats(const weir::heartbeat_decision& decision) { return std::holds_alternative<weir::beat>(decision); }

struct may_throw {
    weir::beat operator()(const liveness&) const { return {}; }
};

}  // namespace

TEST_CASE("heartbeat: comment_every waits for its interval and then beats", "[policy][heartbeat]") {
    constexpr comment_every policy{15s};
    CHECK(asked_again_at(policy(silent_for(0s))) == t0 + 15s);
    CHECK(asked_again_at(policy(silent_for(15s - 1ns))) == t0 + 15s);
    CHECK(beats(policy(silent_for(15s))));
    CHECK(beats(policy(silent_for(100h))));
}

TEST_CASE("heartbeat: the default is 15 s", "[policy][heartbeat]") {
    CHECK(asked_again_at(comment_every{}(silent_for(0s))) == t0 + 15s);
}

TEST_CASE("heartbeat: what was received does not count as speaking", "[policy][heartbeat]") {
    liveness facts = silent_for(15s);
    facts.last_received = facts.now;
    CHECK(beats(comment_every{15s}(facts)));
}

TEST_CASE("heartbeat: jitter is up to a tenth of the interval, and never makes it longer", "[policy][heartbeat]") {
    for (const weir::milliseconds interval : {10ms, 15'000ms, 3'600'000ms, 20'000'000'000ms}) {
        const comment_every policy{interval};
        time_point previous = t0 + interval + 1ns;
        for (int salt = 0; salt != 256; ++salt) {
            const time_point due = asked_again_at(policy(silent_for(0s, static_cast<std::uint8_t>(salt))));
            CHECK(due <= t0 + interval);
            CHECK(due > t0 + interval - interval / 10 - 1us);
            CHECK(due < previous);  // each salt has a moment of its own
            previous = due;
        }
        CHECK(previous < t0 + interval - interval / 11);  // and the tenth is made use of
    }
}

TEST_CASE("heartbeat: a beat is due at the very moment that was named", "[policy][heartbeat]") {
    constexpr comment_every policy{7s};
    for (int salt = 0; salt != 256; ++salt) {
        liveness facts = silent_for(0s, static_cast<std::uint8_t>(salt));
        facts.now = asked_again_at(policy(facts));
        CHECK(beats(policy(facts)));
        facts.now -= 1ns;
        CHECK_FALSE(beats(policy(facts)));
    }
}

TEST_CASE("heartbeat: none while bytes are unsent", "[policy][heartbeat]") {
    constexpr comment_every policy{15s};
    liveness facts = silent_for(20s);
    facts.bytes_unsent = 1;
    CHECK(asked_again_at(policy(facts)) == t0 + 35s);
}

TEST_CASE("heartbeat: zero is never", "[policy][heartbeat]") {
    CHECK(asked_again_at(comment_every{0s}(silent_for(100h))) == weir::never);
    CHECK(asked_again_at(comment_every{-1s}(silent_for(100h))) == weir::never);
    CHECK(asked_again_at(weir::no_heartbeat{}(silent_for(100h))) == weir::never);
}

TEST_CASE("heartbeat: a very long interval does not wrap around", "[policy][heartbeat]") {
    constexpr comment_every policy{std::chrono::hours{24 * 365 * 290}};
    const liveness late{.now = weir::never - 24h, .last_sent = weir::never - 48h, .last_received = t0, .salt = 0};
    CHECK(asked_again_at(policy(late)) == weir::never);
    CHECK(asked_again_at(policy(silent_for(24h, 255))) > t0 + std::chrono::hours{24 * 365 * 260});
}

TEST_CASE("heartbeat: a policy of one's own may return any of the three decisions", "[policy][heartbeat]") {
    const auto waits = [](const liveness& s) noexcept { return weir::wait_until{s.now}; };
    const auto speaks = [](const liveness&) noexcept { return weir::beat{}; };
    const auto leaves = [](const liveness&) noexcept -> weir::heartbeat_decision { return weir::give_up{}; };
    STATIC_REQUIRE(weir::heartbeat_policy<decltype(waits)>);
    STATIC_REQUIRE(weir::heartbeat_policy<decltype(speaks)>);
    STATIC_REQUIRE(weir::heartbeat_policy<decltype(leaves)>);
    STATIC_REQUIRE_FALSE(weir::heartbeat_policy<may_throw>);
    STATIC_REQUIRE_FALSE(weir::heartbeat_policy<int>);
}

// SPDX-License-Identifier: BSL-1.0

#include <weir/policy/heartbeat.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <variant>

#include "catch.hpp"

using namespace std::literals;
using weir::comment_every;
using weir::liveness;
using weir::ping_every;
using weir::time_point;

namespace {

constexpr time_point t0{1000h};

/// A connection on which nothing has been said since t0.
constexpr liveness silent_for(weir::duration silence, std::uint8_t salt = 0) {
    return {.now = t0 + silence, .last_sent = t0, .last_received = t0, .bytes_unsent = 0, .salt = salt};
}
/// One on which the last thing said is a ping, at t0 + 30 s, and nothing since.
constexpr liveness asked_for(weir::duration wait) {
    liveness facts = silent_for(30s + wait);
    facts.last_sent = facts.last_asked = t0 + 30s;
    return facts;
}

time_point asked_again_at(const weir::heartbeat_decision& decision) {
    REQUIRE(std::holds_alternative<weir::wait_until>(decision));
    return std::get<weir::wait_until>(decision).at;
}
bool gives_up(const weir::heartbeat_decision& decision) { return std::holds_alternative<weir::give_up>(decision); }
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

TEST_CASE("heartbeat: ping_every pings when both sides are silent", "[policy][heartbeat]") {
    constexpr ping_every policy{30s, 10s};
    CHECK(asked_again_at(policy(silent_for(0s))) == t0 + 30s);
    CHECK(asked_again_at(policy(silent_for(30s - 1ns))) == t0 + 30s);
    CHECK(beats(policy(silent_for(30s))));
    CHECK(beats(policy(silent_for(100h))));
    CHECK(asked_again_at(ping_every{}(silent_for(0s))) == t0 + 30s);
}

TEST_CASE("heartbeat: ping_every pings when one side is silent", "[policy][heartbeat]") {
    constexpr ping_every policy{30s, 10s};
    liveness facts = silent_for(20s);
    SECTION("this one: what lies between counts on bytes in both directions") { facts.last_received = facts.now; }
    SECTION("the peer: it may be gone") { facts.last_sent = facts.now; }
    CHECK(asked_again_at(policy(facts)) == t0 + 30s);
    facts.now = t0 + 30s;
    CHECK(beats(policy(facts)));
}

TEST_CASE("heartbeat: ping_every gives up when a ping is not answered in time", "[policy][heartbeat]") {
    constexpr ping_every policy{30s, 10s};
    CHECK(asked_again_at(policy(asked_for(0s))) == t0 + 40s);
    CHECK(asked_again_at(policy(asked_for(10s - 1ns))) == t0 + 40s);
    CHECK(gives_up(policy(asked_for(10s))));
    CHECK(gives_up(policy(asked_for(100h))));
    CHECK(gives_up(ping_every{}(asked_for(10s))));
}

TEST_CASE("heartbeat: any byte answers a ping", "[policy][heartbeat]") {
    constexpr ping_every policy{30s, 10s};
    liveness facts = asked_for(20s);
    facts.last_received = t0 + 30s + 1ns;
    CHECK(asked_again_at(policy(facts)) == t0 + 60s);  // when this side has been silent for too long
    facts.last_sent = t0 + 45s;
    CHECK(asked_again_at(policy(facts)) == t0 + 60s + 1ns);
}

TEST_CASE("heartbeat: a peer that talks is never given up", "[policy][heartbeat]") {
    constexpr ping_every policy{30s, 10s};
    liveness facts = silent_for(0s);
    int pings = 0;
    for (int i = 0; i != 1000; ++i) {
        facts.now += 1s;
        if (i % 9 == 0) facts.last_received = facts.now;  // no pong among it
        const weir::heartbeat_decision decision = policy(facts);
        REQUIRE_FALSE(gives_up(decision));
        if (!beats(decision)) continue;
        ++pings;
        facts.last_sent = facts.last_asked = facts.now;
    }
    CHECK(pings == 33);
}

TEST_CASE("heartbeat: ping_every neither pings nor gives up while bytes are unsent", "[policy][heartbeat]") {
    constexpr ping_every policy{30s, 10s};
    liveness silent = silent_for(31s), asked = asked_for(12s);
    silent.bytes_unsent = asked.bytes_unsent = 1;
    CHECK(asked_again_at(policy(silent)) == t0 + 61s);
    CHECK(asked_again_at(policy(asked)) == t0 + 52s);
    asked.bytes_unsent = 0;
    CHECK(gives_up(policy(asked)));
}

TEST_CASE("heartbeat: ping_every without patience only pings", "[policy][heartbeat]") {
    for (const weir::milliseconds patience : {0ms, -1ms}) {
        const ping_every policy{30s, patience};
        CHECK(asked_again_at(policy(asked_for(29s))) == t0 + 60s);
        CHECK(beats(policy(asked_for(30s))));
        CHECK(beats(policy(asked_for(100h))));
    }
}

TEST_CASE("heartbeat: the jitter of ping_every is up to a tenth of the interval, of the patience there is none",
          "[policy][heartbeat]") {
    constexpr ping_every policy{30s, 10s};
    time_point previous = t0 + 30s + 1ns;
    for (int salt = 0; salt != 256; ++salt) {
        liveness facts = silent_for(0s, static_cast<std::uint8_t>(salt));
        const time_point due = asked_again_at(policy(facts));
        CHECK(due < previous);
        CHECK(due > t0 + 27s);
        previous = due;
        facts.now = due;
        CHECK(beats(policy(facts)));
        facts = asked_for(1s);
        facts.salt = static_cast<std::uint8_t>(salt);
        CHECK(asked_again_at(policy(facts)) == t0 + 40s);
    }
    CHECK(previous < t0 + 28s);
}

TEST_CASE("heartbeat: where peers only listen, ping_every is comment_every", "[policy][heartbeat]") {
    // Nothing is asked there, and what was sent counts as heard.
    for (int salt = 0; salt < 256; salt += 51) {
        for (const weir::duration silence : {0ms, 13'000ms, 14'000ms, 15'000ms, 500'000ms}) {
            for (const std::size_t unsent : {0u, 1u}) {
                liveness facts = silent_for(silence, static_cast<std::uint8_t>(salt));
                facts.bytes_unsent = unsent;
                const weir::heartbeat_decision comment = comment_every{15s}(facts), ping = ping_every{15s, 1s}(facts);
                REQUIRE(beats(ping) == beats(comment));
                if (!beats(ping)) CHECK(asked_again_at(ping) == asked_again_at(comment));
            }
        }
    }
}

TEST_CASE("heartbeat: zero is never", "[policy][heartbeat]") {
    CHECK(asked_again_at(comment_every{0s}(silent_for(100h))) == weir::never);
    CHECK(asked_again_at(comment_every{-1s}(silent_for(100h))) == weir::never);
    CHECK(asked_again_at(ping_every{0s, 10s}(silent_for(100h))) == weir::never);
    CHECK(asked_again_at(ping_every{0s, 10s}(asked_for(100h))) == weir::never);
    CHECK(asked_again_at(ping_every{-1s, 10s}(silent_for(100h))) == weir::never);
    CHECK(asked_again_at(weir::no_heartbeat{}(silent_for(100h))) == weir::never);
}

TEST_CASE("heartbeat: a very long interval does not wrap around", "[policy][heartbeat]") {
    constexpr comment_every policy{std::chrono::hours{24 * 365 * 290}};
    const liveness late{.now = weir::never - 24h, .last_sent = weir::never - 48h, .last_received = t0, .salt = 0};
    CHECK(asked_again_at(policy(late)) == weir::never);
    CHECK(asked_again_at(policy(silent_for(24h, 255))) > t0 + std::chrono::hours{24 * 365 * 260});
    constexpr std::chrono::hours ages{24 * 365 * 290};
    constexpr ping_every patient{ages, ages};
    CHECK(asked_again_at(patient(asked_for(24h))) > t0 + std::chrono::hours{24 * 365 * 200});
}

TEST_CASE("heartbeat: ping_every with more patience than interval looks again after the interval",
          "[policy][heartbeat]") {
    constexpr ping_every policy{10s, 60s};
    const liveness asked = asked_for(1s);
    CHECK(asked_again_at(policy(asked)) <= asked.now + 10s);
    liveness answered = asked;
    answered.last_received = asked.last_asked + 1ms;
    answered.now = asked.now + 20s;
    CHECK(beats(policy(answered)));
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

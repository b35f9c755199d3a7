// SPDX-License-Identifier: BSL-1.0

#include <weir/policy/stall.hpp>

#include <chrono>
#include <variant>

#include "catch.hpp"

using namespace std::literals;
using weir::progress;
using weir::stall_after;
using weir::time_point;

namespace {

constexpr time_point t0{1000h};

constexpr progress none_for(weir::duration time) { return {.now = t0 + time, .last_progress = t0, .bytes_unsent = 1}; }
time_point asked_again_at(const weir::stall_decision& decision) {
    REQUIRE(std::holds_alternative<weir::wait_until>(decision));
    return std::get<weir::wait_until>(decision).at;
}
bool gives_up(const weir::stall_decision& decision) { return std::holds_alternative<weir::give_up>(decision); }

struct may_throw {
    weir::give_up operator()(const progress&) const { return {}; }
};

}  // namespace

TEST_CASE("stall: gives up once nothing was accepted for the whole patience", "[policy][stall]") {
    constexpr stall_after policy{10s};
    CHECK(asked_again_at(policy(none_for(0s))) == t0 + 10s);
    CHECK(asked_again_at(policy(none_for(10s - 1ns))) == t0 + 10s);
    CHECK(gives_up(policy(none_for(10s))));
    CHECK(gives_up(policy(none_for(1000h))));
}

TEST_CASE("stall: one accepted byte starts the patience anew, however much waits", "[policy][stall]") {
    constexpr stall_after policy{10s};
    const progress trickle{.now = t0 + 100h, .last_progress = t0 + 100h - 9s, .bytes_unsent = 1'000'000};
    CHECK(asked_again_at(policy(trickle)) == t0 + 100h + 1s);
}

TEST_CASE("stall: the default is 30 s", "[policy][stall]") {
    CHECK(asked_again_at(stall_after{}(none_for(0s))) == t0 + 30s);
}

TEST_CASE("stall: zero is never", "[policy][stall]") {
    CHECK(asked_again_at(stall_after{0s}(none_for(1000h))) == weir::never);
    CHECK(asked_again_at(stall_after{-1s}(none_for(1000h))) == weir::never);
}

TEST_CASE("stall: a patience beyond the end of time does not wrap around", "[policy][stall]") {
    const progress late{.now = weir::never - 1h, .last_progress = weir::never - 2h, .bytes_unsent = 1};
    CHECK(asked_again_at(stall_after{3h}(late)) == weir::never);
}

TEST_CASE("stall: a policy of one's own is a noexcept function of the progress", "[policy][stall]") {
    const auto strict = [](const progress& p) noexcept -> weir::stall_decision {
        if (p.bytes_unsent > 10) return weir::give_up{};
        return weir::wait_until{p.now + 1s};
    };
    STATIC_REQUIRE(weir::stall_policy<decltype(strict)>);
    STATIC_REQUIRE_FALSE(weir::stall_policy<may_throw>);
    STATIC_REQUIRE_FALSE(weir::stall_policy<weir::comment_every>);
    STATIC_REQUIRE_FALSE(weir::heartbeat_policy<stall_after>);
}

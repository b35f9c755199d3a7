// SPDX-License-Identifier: BSL-1.0

#include <weir/policy/policy_set.hpp>

#include <weir/policy/any_policy.hpp>

#include <chrono>
#include <concepts>
#include <cstddef>
#include <type_traits>
#include <utility>
#include <variant>

#include "catch.hpp"

using namespace std::literals;
using weir::admission;
using weir::outbox_facts;
using weir::policy_set;

namespace {

constexpr outbox_facts full{.bytes = 1, .messages = 1, .incoming_bytes = 1};
const weir::liveness silent{.now = weir::time_point{9s}, .last_sent = {}, .last_received = {}};
const weir::progress stuck{.now = weir::time_point{9s}, .last_progress = {}, .bytes_unsent = 1};

struct counting_observer {
    int seen = 0;
    template <class Observation>
    void operator()(const Observation&) noexcept {
        ++seen;
    }
};

/// One type that decides three questions.
struct all_in_one {
    admission answer;
    bool keys;

    bool by_key() const noexcept { return keys; }
    admission operator()(const outbox_facts&) const noexcept { return answer; }
    weir::heartbeat_decision operator()(const weir::liveness&) const noexcept { return weir::beat{}; }
    weir::stall_decision operator()(const weir::progress&) const noexcept { return weir::give_up{}; }
};

template <class Set>
void check_picked(Set set) {
    CHECK(set.backpressure()(full) == admission::drop_newest);
    CHECK(std::holds_alternative<weir::beat>(weir::heartbeat_decision{set.heartbeat()(silent)}));
    CHECK(std::holds_alternative<weir::give_up>(weir::stall_decision{set.stall()(stuck)}));
    CHECK(set.framing()({}) == weir::sse::framing::plain);
    set.observer()(weir::session_opened{});
    set.observer()(weir::heartbeat_sent{});
    CHECK(set.observer().seen == 2);
}

}  // namespace

TEST_CASE("policy set: nothing given, the defaults decide", "[policy][policy_set]") {
    policy_set<> set;
    STATIC_REQUIRE(std::same_as<decltype(set.backpressure()), weir::wait>);
    STATIC_REQUIRE(std::same_as<decltype(set.heartbeat()), weir::comment_every>);
    STATIC_REQUIRE(std::same_as<decltype(set.stall()), weir::stall_after>);
    STATIC_REQUIRE(std::same_as<decltype(set.framing()), weir::chunk_framing>);
    STATIC_REQUIRE(std::same_as<decltype(set.message_framing()), weir::plain_frames>);
    STATIC_REQUIRE(std::same_as<decltype(set.observer()), weir::no_observer>);
    CHECK_FALSE(set.by_key());
    CHECK(set.backpressure()({.bytes = 1, .messages = 1000, .incoming_bytes = 1}) == admission::wait);
}

TEST_CASE("policy set: policies are recognised in any order", "[policy][policy_set]") {
    const weir::drop_newest backpressure{.max_messages = 1};
    const weir::comment_every heartbeat{5s};
    const weir::stall_after stall{5s};
    const weir::close_delimited framing;
    check_picked(policy_set{backpressure, heartbeat, stall, framing, counting_observer{}});
    check_picked(policy_set{counting_observer{}, framing, stall, heartbeat, backpressure});
    check_picked(policy_set{stall, counting_observer{}, backpressure, framing, heartbeat});
}

TEST_CASE("policy set: what is not given keeps its default", "[policy][policy_set]") {
    policy_set set{weir::stall_after{5s}};
    CHECK(std::holds_alternative<weir::give_up>(set.stall()(stuck)));
    CHECK(std::get<weir::wait_until>(set.heartbeat()(silent)).at == weir::time_point{15s});
    CHECK(set.framing()({}) == weir::sse::framing::chunked);
}

TEST_CASE("policy set: each protocol has a heartbeat of its own where none was given", "[policy][policy_set]") {
    policy_set<> none;
    STATIC_REQUIRE(std::same_as<decltype(none.heartbeat<weir::ping_every>()), weir::ping_every>);
    policy_set given{weir::comment_every{5s}};
    STATIC_REQUIRE(std::same_as<decltype(given.heartbeat<weir::ping_every>()), const weir::comment_every&>);
}

TEST_CASE("policy set: one type may be several policies", "[policy][policy_set]") {
    policy_set set{all_in_one{admission::refuse, false}};
    CHECK(set.backpressure()(full) == admission::refuse);
    CHECK(std::holds_alternative<weir::beat>(set.heartbeat()(silent)));
    CHECK(std::holds_alternative<weir::give_up>(set.stall()(stuck)));
    STATIC_REQUIRE(std::same_as<decltype(set.framing()), weir::chunk_framing>);
}

TEST_CASE("policy set: keys are remembered for policies that ask for it", "[policy][policy_set]") {
    CHECK(policy_set{weir::keep_latest{}}.by_key());
    CHECK_FALSE(policy_set{weir::drop_oldest{}}.by_key());
    CHECK(policy_set{all_in_one{admission::accept, true}}.by_key());
    CHECK_FALSE(policy_set{all_in_one{admission::accept, false}}.by_key());
    CHECK(policy_set{weir::any_backpressure{weir::keep_latest{}}}.by_key());
    CHECK_FALSE(policy_set{weir::any_backpressure{weir::refuse{}}}.by_key());
}

TEST_CASE("policy set: the policies are the set's own copies, not copied again", "[policy][policy_set]") {
    policy_set set{weir::refuse{}, counting_observer{}};
    STATIC_REQUIRE(std::is_lvalue_reference_v<decltype(set.backpressure())>);
    STATIC_REQUIRE(std::is_lvalue_reference_v<decltype(set.observer())>);
    CHECK(&set.backpressure() == &set.backpressure());
    policy_set copy = set;
    copy.observer()(weir::session_opened{});
    CHECK(copy.observer().seen == 1);
    CHECK(set.observer().seen == 0);
}

TEST_CASE("policy set: lambdas are policies", "[policy][policy_set]") {
    policy_set set{[](const weir::liveness&) noexcept { return weir::give_up{}; },
                   [](const outbox_facts&) noexcept { return admission::close; }, [](const auto&) noexcept {}};
    CHECK(set.backpressure()(full) == admission::close);
    CHECK(std::holds_alternative<weir::give_up>(weir::heartbeat_decision{set.heartbeat()(silent)}));
    set.observer()(weir::session_opened{});
}

TEST_CASE("policy set: policies without data cost nothing", "[policy][policy_set]") {
    using set = policy_set<weir::no_heartbeat, weir::chunk_framing, weir::no_observer>;
    STATIC_REQUIRE(std::is_empty_v<set>);
    STATIC_REQUIRE_FALSE(weir::session_policy<int>);
    STATIC_REQUIRE(weir::session_policy<weir::no_observer>);
}

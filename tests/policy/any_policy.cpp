// SPDX-License-Identifier: BSL-1.0

#include <weir/policy/any_policy.hpp>

#include <chrono>
#include <cstddef>
#include <utility>
#include <variant>
#include <vector>

#include "catch.hpp"

using namespace std::literals;
using weir::admission;
using weir::any_backpressure;
using weir::any_heartbeat;
using weir::any_lag;
using weir::outbox_facts;

namespace {

constexpr outbox_facts full{.bytes = 1, .messages = 1, .incoming_bytes = 1};

struct keys_by_option {
    bool keys;
    bool by_key() const noexcept { return keys; }
    admission operator()(const outbox_facts&) const noexcept { return admission::replace; }
};

/// Remembers its number of the observation, in hundreds, and what was observed.
struct counting {
    std::vector<std::size_t>* seen;
    std::size_t own = 0;  // it may change, although what holds it does not
    void operator()(const weir::messages_written& w) noexcept { note(w.messages); }
    void operator()(const weir::messages_received& r) noexcept { note(r.bytes); }
    void operator()(const auto&) noexcept { note(0); }
    void note(std::size_t n) { seen->push_back(++own * 100 + n); }
};

}  // namespace

TEST_CASE("any policy: decides as the policy inside", "[policy][any_policy]") {
    CHECK(any_backpressure{weir::refuse{.max_messages = 1}}(full) == admission::refuse);
    CHECK(any_backpressure{weir::wait{.max_messages = 1}}(full) == admission::wait);
    CHECK(any_backpressure{weir::drop_oldest{.max_messages = 1}}(full) == admission::drop_oldest);
    CHECK(any_backpressure{weir::drop_newest{.max_messages = 1}}(full) == admission::drop_newest);
    CHECK(any_backpressure{weir::keep_latest{.max_messages = 1}}(full) == admission::drop_oldest);
    CHECK(any_backpressure{weir::close_slow{.max_messages = 1}}(full) == admission::close);
    CHECK(any_backpressure{weir::refuse{.max_messages = 2}}(full) == admission::accept);
}

TEST_CASE("any policy: knows whether the policy inside wants keys", "[policy][any_policy]") {
    CHECK(any_backpressure{weir::keep_latest{}}.by_key());
    CHECK_FALSE(any_backpressure{weir::drop_oldest{}}.by_key());
    CHECK(any_backpressure{keys_by_option{true}}.by_key());
    CHECK_FALSE(any_backpressure{keys_by_option{false}}.by_key());
}

TEST_CASE("any policy: is a policy itself, and a value", "[policy][any_policy]") {
    STATIC_REQUIRE(weir::backpressure_policy<any_backpressure>);
    STATIC_REQUIRE(weir::heartbeat_policy<any_heartbeat>);

    any_backpressure one = weir::keep_latest{.max_messages = 1};
    const any_backpressure copy = one;
    one = weir::refuse{.max_messages = 1};
    CHECK(one(full) == admission::refuse);
    CHECK_FALSE(one.by_key());
    CHECK(copy(full) == admission::drop_oldest);
    CHECK(copy.by_key());

    std::vector<any_backpressure> many(3, copy);
    many.push_back(std::move(one));
    CHECK(many[0].by_key());
    CHECK(many[3](full) == admission::refuse);
}

TEST_CASE("any policy: takes a lambda", "[policy][any_policy]") {
    const any_backpressure policy = [limit = 7u](const outbox_facts& f) noexcept {
        return f.messages > limit ? admission::refuse : admission::accept;
    };
    CHECK(policy({.messages = 7}) == admission::accept);
    CHECK(policy({.messages = 8}) == admission::refuse);
}

TEST_CASE("any policy: heartbeats of any kind", "[policy][any_policy]") {
    const weir::liveness silent{.now = weir::time_point{1h}, .last_sent = {}, .last_received = {}};
    any_heartbeat policy = weir::comment_every{15s};
    CHECK(std::holds_alternative<weir::beat>(policy(silent)));
    policy = weir::no_heartbeat{};
    CHECK(std::get<weir::wait_until>(policy(silent)).at == weir::never);
    policy = [](const weir::liveness&) noexcept { return weir::give_up{}; };
    const any_heartbeat copy = policy;
    CHECK(std::holds_alternative<weir::give_up>(copy(silent)));
}

TEST_CASE("any policy: lag of any kind, and a value", "[policy][any_policy]") {
    STATIC_REQUIRE(weir::lag_policy<any_lag>);
    constexpr weir::lag_facts behind{.messages = 2, .superseded = true};
    any_lag policy = weir::skip_oldest{.max_messages = 1};
    CHECK(policy(behind) == weir::lag_decision::skip);
    const any_lag copy = policy;
    policy = weir::skip_to_newest{.max_messages = 1};
    CHECK(policy(behind) == weir::lag_decision::skip_to_newest);
    policy = weir::close_lagging{.max_messages = 1};
    CHECK(policy(behind) == weir::lag_decision::close);
    policy = [](const weir::lag_facts&) noexcept { return weir::lag_decision::keep; };
    CHECK(policy(behind) == weir::lag_decision::keep);
    CHECK(copy(behind) == weir::lag_decision::skip);
}

TEST_CASE("any policy: an observer is told of everything, and its copies tell the same one", "[policy][any_policy]") {
    STATIC_REQUIRE(weir::observer_policy<weir::any_observer>);
    std::vector<std::size_t> seen;
    const weir::any_observer observer = counting{&seen};
    const weir::any_observer copy = observer;
    CHECK(observer);
    observer(weir::messages_written{7, 70});
    copy(weir::messages_received{8, 80});
    copy(weir::session_opened{});
    copy(weir::session_blocked{});
    copy(weir::subscriber_lagged{});
    copy(weir::messages_dropped{});
    copy(weir::message_refused{});
    copy(weir::heartbeat_sent{});
    copy(weir::session_closed{});
    CHECK(seen == std::vector<std::size_t>{107, 280, 300, 400, 500, 600, 700, 800, 900});
}

TEST_CASE("any policy: where nobody watches, nothing happens", "[policy][any_policy]") {
    const weir::any_observer nobody;
    CHECK_FALSE(nobody);
    nobody(weir::session_opened{});
}

// SPDX-License-Identifier: BSL-1.0

#include <weir/policy/backpressure.hpp>

#include <chrono>
#include <cstddef>
#include <limits>

#include "catch.hpp"

using namespace std::literals;
using weir::admission;
using weir::milliseconds;
using weir::outbox_facts;

namespace {

constexpr std::size_t huge = std::numeric_limits<std::size_t>::max() / 4;

template <class Policy>
constexpr Policy bounded = {.max_bytes = 100, .max_messages = 3, .max_age = milliseconds{1000}};

/// What every stock policy has in common: `full` is its answer to a message that does not fit, `outdated` the one to a
/// review of messages that are too old.
template <class Policy>
void check_bounds(admission full, admission outdated) {
    constexpr Policy policy = bounded<Policy>;
    const auto accept = admission::accept;

    SECTION("fits") {
        CHECK(policy({.incoming_bytes = 1}) == accept);
        CHECK(policy({.bytes = 60, .messages = 1, .incoming_bytes = 40}) == accept);
        CHECK(policy({.bytes = 3, .messages = 2, .incoming_bytes = 1}) == accept);
        CHECK(policy({.bytes = 3, .messages = 2, .oldest_age = 1s, .incoming_bytes = 1}) == accept);
    }
    SECTION("does not fit") {
        CHECK(policy({.bytes = 60, .messages = 1, .incoming_bytes = 41}) == full);
        CHECK(policy({.bytes = 3, .messages = 3, .incoming_bytes = 1}) == full);
        CHECK(policy({.bytes = 3, .messages = 1, .oldest_age = 1s + 1ns, .incoming_bytes = 1}) == full);
        CHECK(policy({.bytes = 60, .messages = 1, .incoming_bytes = 41, .blocked = true}) == full);
    }
    SECTION("an empty outbox takes one message of any size") {
        CHECK(policy({.incoming_bytes = huge}) == accept);
        CHECK(policy({.bytes = 5000, .messages = 0, .incoming_bytes = 1}) ==
              accept);                                                               // a response head, bytes in flight
        CHECK(policy({.bytes = huge, .messages = 1, .incoming_bytes = 1}) == full);  // and then no more
    }
    SECTION("zero is off, for each bound alone") {
        constexpr outbox_facts flood{.bytes = huge, .messages = huge, .oldest_age = 100h, .incoming_bytes = huge};
        CHECK(Policy{.max_bytes = 0, .max_messages = 0, .max_age = 0ms}(flood) == accept);
        CHECK(Policy{.max_bytes = 1, .max_messages = 0, .max_age = 0ms}(flood) == full);
        CHECK(Policy{.max_bytes = 0, .max_messages = 1, .max_age = 0ms}(flood) == full);
        CHECK(Policy{.max_bytes = 0, .max_messages = 0, .max_age = 1ms}(flood) == full);
        CHECK(Policy{.max_bytes = 0, .max_messages = 0, .max_age = -1ms}(flood) == accept);
        CHECK(Policy{.max_bytes = 0, .max_messages = 0, .max_age = milliseconds::max()}(flood) == accept);
    }
    SECTION("review: only age counts, and only of messages") {
        CHECK(policy({}) == accept);
        CHECK(policy({.bytes = huge, .messages = huge, .blocked = true}) == accept);
        CHECK(policy({.bytes = 3, .messages = 1, .oldest_age = 1s, .blocked = true}) == accept);
        CHECK(policy({.bytes = 3, .messages = 1, .oldest_age = 1s + 1ns, .blocked = true}) == outdated);
        CHECK(policy({.bytes = 3, .messages = 0, .oldest_age = 2s, .blocked = true}) == accept);
        CHECK(Policy{}({.bytes = 3, .messages = 1, .oldest_age = 1000h, .blocked = true}) == accept);
    }
    SECTION("defaults: 1 MiB, 1000 messages, any age") {
        CHECK(Policy{}({.bytes = 1024 * 1024 - 1, .messages = 999, .oldest_age = 9h, .incoming_bytes = 1}) == accept);
        CHECK(Policy{}({.bytes = 1024 * 1024, .messages = 1, .incoming_bytes = 1}) == full);
        CHECK(Policy{}({.bytes = 1000, .messages = 1000, .incoming_bytes = 1}) == full);
    }
}

struct remembers_keys {
    static constexpr bool by_key = true;
    admission operator()(const outbox_facts&) const noexcept { return admission::accept; }
};
struct denies_keys {
    static constexpr bool by_key = false;
    admission operator()(const outbox_facts&) const noexcept { return admission::accept; }
};
struct may_throw {
    admission operator()(const outbox_facts&) const { return admission::accept; }
};
struct answers_bool {
    bool operator()(const outbox_facts&) const noexcept { return true; }
};
struct not_const {
    admission operator()(const outbox_facts&) noexcept { return admission::accept; }
};

}  // namespace

TEST_CASE("backpressure: refuse says no", "[policy][backpressure]") {
    check_bounds<weir::refuse>(admission::refuse, admission::accept);
}

TEST_CASE("backpressure: wait waits", "[policy][backpressure]") {
    check_bounds<weir::wait>(admission::wait, admission::accept);
}

TEST_CASE("backpressure: drop_oldest makes room, and drops what is too old", "[policy][backpressure]") {
    check_bounds<weir::drop_oldest>(admission::drop_oldest, admission::drop_oldest);
}

TEST_CASE("backpressure: drop_newest keeps what waits", "[policy][backpressure]") {
    check_bounds<weir::drop_newest>(admission::drop_newest, admission::accept);
}

TEST_CASE("backpressure: keep_latest without a common key is drop_oldest", "[policy][backpressure]") {
    check_bounds<weir::keep_latest>(admission::drop_oldest, admission::drop_oldest);
}

TEST_CASE("backpressure: close_slow closes", "[policy][backpressure]") {
    check_bounds<weir::close_slow>(admission::close, admission::close);
}

TEST_CASE("backpressure: keep_latest replaces by key only once the reader is behind", "[policy][backpressure]") {
    constexpr auto policy = bounded<weir::keep_latest>;
    const auto decide = [&](std::size_t bytes, bool same_key, bool blocked) {
        return policy(
            {.bytes = bytes, .messages = 1, .incoming_bytes = 10, .same_key_waiting = same_key, .blocked = blocked});
    };
    // room, and the same key waits
    CHECK(decide(50, true, false) == admission::accept);
    CHECK(decide(50, true, true) == admission::replace);
    // no room
    CHECK(decide(95, true, false) == admission::replace);
    CHECK(decide(95, true, true) == admission::replace);
    // another key
    CHECK(decide(50, false, true) == admission::accept);
    CHECK(decide(95, false, true) == admission::drop_oldest);
    // nothing is offered: there is no key to compare with
    CHECK(policy({.bytes = 50, .messages = 1, .same_key_waiting = true, .blocked = true}) == admission::accept);
}

TEST_CASE("backpressure: facts know whether something is offered", "[policy][backpressure]") {
    STATIC_REQUIRE(outbox_facts{}.reviewing());
    STATIC_REQUIRE(outbox_facts{.bytes = 1, .messages = 1}.reviewing());
    STATIC_REQUIRE_FALSE(outbox_facts{.incoming_bytes = 1}.reviewing());
}

TEST_CASE("backpressure: only policies that may replace remember keys", "[policy][backpressure]") {
    STATIC_REQUIRE(weir::conflates_by_key(weir::keep_latest{}));
    STATIC_REQUIRE(weir::conflates_by_key(remembers_keys{}));
    STATIC_REQUIRE_FALSE(weir::conflates_by_key(denies_keys{}));
    STATIC_REQUIRE_FALSE(weir::conflates_by_key(weir::refuse{}));
    STATIC_REQUIRE_FALSE(weir::conflates_by_key(weir::wait{}));
    STATIC_REQUIRE_FALSE(weir::conflates_by_key(weir::drop_oldest{}));
    STATIC_REQUIRE_FALSE(weir::conflates_by_key(weir::drop_newest{}));
    STATIC_REQUIRE_FALSE(weir::conflates_by_key(weir::close_slow{}));
}

TEST_CASE("backpressure: a policy of one's own is a noexcept function of the facts", "[policy][backpressure]") {
    const auto lambda = [](const outbox_facts& f) noexcept {
        return f.blocked ? admission::refuse : admission::accept;
    };
    STATIC_REQUIRE(weir::backpressure_policy<decltype(lambda)>);
    STATIC_REQUIRE(weir::backpressure_policy<remembers_keys>);
    STATIC_REQUIRE_FALSE(weir::backpressure_policy<may_throw>);
    STATIC_REQUIRE_FALSE(weir::backpressure_policy<answers_bool>);
    STATIC_REQUIRE_FALSE(weir::backpressure_policy<not_const>);
    STATIC_REQUIRE_FALSE(weir::backpressure_policy<int>);
}

// SPDX-License-Identifier: BSL-1.0

#include <weir/policy/observer.hpp>

#include <cstddef>
#include <cstdint>
#include <limits>

#include "catch.hpp"

using weir::drop_counts;
using weir::drop_reason;

namespace {

struct counts_everything {
    std::size_t seen = 0;
    template <class Observation>
    void operator()(const Observation&) noexcept {
        ++seen;
    }
};
struct only_drops {
    void operator()(const weir::messages_dropped&) noexcept {}
};
struct drops_and_the_rest {
    std::size_t drops = 0;
    void operator()(const weir::messages_dropped&) noexcept { ++drops; }
    void operator()(const auto&) const noexcept {}
};
struct may_throw {
    template <class Observation>
    void operator()(const Observation&) {}
};

}  // namespace

TEST_CASE("observer: each reason for a drop has a count of its own", "[policy][observer]") {
    drop_counts counts;
    CHECK(counts.total() == 0);
    counts.add(drop_reason::oldest, 1);
    counts.add(drop_reason::newest, 20);
    counts.add(drop_reason::replaced, 300);
    counts.add(drop_reason::outdated, 4000);
    counts.add(drop_reason::unsent, 50000);
    counts.add(drop_reason::unsent, 1);
    counts.add(drop_reason::lagging, 600000);
    counts.add(drop_reason::expired, 7000000);
    CHECK(counts.oldest == 1);
    CHECK(counts.newest == 20);
    CHECK(counts.replaced == 300);
    CHECK(counts.outdated == 4000);
    CHECK(counts.unsent == 50001);
    CHECK(counts.lagging == 600000);
    CHECK(counts.expired == 7000000);
    CHECK(counts.total() == 7654322);
}

TEST_CASE("observer: the total of full counts does not wrap around", "[policy][observer]") {
    constexpr auto full = std::numeric_limits<std::uint32_t>::max();
    STATIC_REQUIRE(drop_counts{full, full, full, full, full, full, full}.total() == std::uint64_t{7} * full);
}

TEST_CASE("observer: hears every observation, without throwing", "[policy][observer]") {
    STATIC_REQUIRE(weir::observer_policy<weir::no_observer>);
    STATIC_REQUIRE(weir::observer_policy<counts_everything>);
    STATIC_REQUIRE(weir::observer_policy<drops_and_the_rest>);
    STATIC_REQUIRE_FALSE(weir::observer_policy<only_drops>);
    STATIC_REQUIRE_FALSE(weir::observer_policy<may_throw>);
    STATIC_REQUIRE_FALSE(weir::observer_policy<int>);
}

TEST_CASE("observer: the rest may be taken by one function, and does not take the others' place",
          "[policy][observer]") {
    drops_and_the_rest observer;
    observer(weir::messages_dropped{});
    observer(weir::session_blocked{});
    CHECK(observer.drops == 1);
}

TEST_CASE("observer: what is observed is a list of its own, and no decision's facts are on it", "[policy][observer]") {
    STATIC_REQUIRE(weir::observation<weir::session_opened>);
    STATIC_REQUIRE(weir::observation<weir::subscriber_lagged>);
    STATIC_REQUIRE_FALSE(weir::observation<drop_counts>);
    STATIC_REQUIRE_FALSE(weir::observation<int>);
}

// SPDX-License-Identifier: BSL-1.0

#include <weir/time.hpp>

#include "catch.hpp"

using namespace std::chrono_literals;
using weir::duration;
using weir::later;
using weir::never;
using weir::time_point;

TEST_CASE("time: the clock cannot be set back", "[time]") { STATIC_REQUIRE(weir::clock::is_steady); }

TEST_CASE("time: later adds, as long as there is time", "[time]") {
    constexpr time_point start{100s};
    CHECK(later(start, 15s) == time_point{115s});
    CHECK(later(start, 0s) == start);
    CHECK(later(start, -40s) == time_point{60s});
    CHECK(later(never - 2ns, 1ns) == never - 1ns);
}

TEST_CASE("time: later stops at never instead of wrapping", "[time]") {
    constexpr time_point start{100s};
    CHECK(later(start, duration::max()) == never);
    CHECK(later(never - 1ns, 1ns) == never);
    CHECK(later(never - 1ns, 2ns) == never);
    CHECK(later(never, 1s) == never);
    CHECK(later(never, 0s) == never);
    STATIC_REQUIRE(later(time_point{}, duration::max()) == never);
    CHECK(later(start, std::chrono::milliseconds::max()) == never);
    CHECK(later(start, std::chrono::hours::max()) == never);
}

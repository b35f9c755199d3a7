// SPDX-License-Identifier: BSL-1.0
#include <weir/session/reconnect_row.hpp>

#include <chrono>
#include <vector>

#include "catch.hpp"

using namespace std::literals;
using weir::detail::reconnect_row;

TEST_CASE("reconnect_row: counts failures, and for how long there have been any", "[session][reconnect_row]") {
    static std::vector<weir::reconnect_facts> told;
    struct listener {
        weir::reconnect_decision operator()(const weir::reconnect_facts& facts) const noexcept {
            told.push_back(facts);
            if (facts.permanent) return weir::give_up{};
            return weir::retry_in{facts.lived >= 10s ? -1s : 2s, facts.lived >= 10s};
        }
    };
    told.clear();
    reconnect_row row{listener{}, 1};
    const weir::time_point start{1h};
    CHECK(row.failures() == 0);
    CHECK(row.failed({.status = 500}, start) == 2s);
    CHECK(row.failed({}, start + 5s) == 2s);
    CHECK(row.failures() == 2);
    CHECK(row.failed({.lived = 10s}, start + 9s) == 0s);  // never in the past
    CHECK(row.failures() == 1);
    CHECK(row.failed({}, start + 10s) == 2s);
    CHECK_FALSE(row.failed({.permanent = true}, start + 11s));

    REQUIRE(told.size() == 5);
    CHECK(told[0].status == 500);
    CHECK(told[0].failures == 1);
    CHECK(told[0].trying == 0s);
    CHECK(told[1].failures == 2);
    CHECK(told[1].trying == 5s);
    CHECK(told[2].failures == 3);
    CHECK(told[3].failures == 2);
    CHECK(told[3].trying == 1s);
    CHECK(told[4].failures == 3);
}

TEST_CASE("reconnect_row: chance follows from the seed, and is new each time", "[session][reconnect_row]") {
    static std::vector<std::uint64_t> drawn;
    struct listener {
        weir::reconnect_decision operator()(const weir::reconnect_facts& facts) const noexcept {
            drawn.push_back(facts.random);
            return weir::give_up{};
        }
    };
    drawn.clear();
    for (const std::uint64_t seed : {0U, 0U, 1U}) {
        reconnect_row row{listener{}, seed};
        row.failed({}, {});
        row.failed({}, {});
    }
    REQUIRE(drawn.size() == 6);
    CHECK(drawn[0] == 0xe220a8397b1dcdaf);  // SplitMix64's first value after 0
    CHECK(drawn[0] != drawn[1]);
    CHECK(drawn[0] == drawn[2]);
    CHECK(drawn[1] == drawn[3]);
    CHECK(drawn[0] != drawn[4]);
}

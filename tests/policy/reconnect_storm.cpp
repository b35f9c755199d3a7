// SPDX-License-Identifier: BSL-1.0

#include <weir/policy/reconnect.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <vector>

#include "../../examples/reconnect_storm.hpp"
#include "catch.hpp"

using namespace std::literals;
using reconnect_storm::arrivals;
using reconnect_storm::histogram;
using reconnect_storm::restart;

namespace {

constexpr weir::milliseconds floors[] = {3s, 0s};  // of event streams, and of WebSocket

/// The fullest of 40 bins, to the mean.
template <class Policy>
double ratio_of(const Policy& policy, const restart& r) {
    return histogram{arrivals(policy, r)}.peak_to_mean();
}

/// The custom: every delay is drawn anew, from a window twice as wide as the last.
struct drawn_anew {
    weir::milliseconds base{1000}, cap{30'000};

    weir::reconnect_decision operator()(const weir::reconnect_facts& f) const noexcept {
        const weir::milliseconds window = std::min(cap, base * (1 << std::min(f.failures - 1, 20u)));
        return weir::retry_in{weir::duration{f.floor} + weir::detail::part_of(window, f.random)};
    }
};

}  // namespace

TEST_CASE("reconnect storm: 50,000 clients come back evenly, however long the server was away",
          "[policy][reconnect_storm]") {
    for (const weir::milliseconds floor : floors) {
        for (const weir::duration away : {0s, 2s, 10s, 60s}) {
            for (const std::uint64_t seed : {1u, 2u, 3u}) {
                const restart r{.away = away, .floor = floor, .seed = seed};
                CAPTURE(floor.count(), away.count(), seed);
                CHECK(ratio_of(weir::exponential_backoff{}, r) <= 1.5);
            }
        }
    }
}

TEST_CASE("reconnect storm: there is no unlucky time to be away for", "[policy][reconnect_storm]") {
    for (const weir::milliseconds floor : {0s, 1s, 3s, 10s, 30s}) {
        for (weir::milliseconds away = 0ms; away < 10min; away += std::max(250ms, away / 8)) {
            CAPTURE(floor.count(), away.count());
            CHECK(ratio_of(weir::exponential_backoff{}, {.away = away, .floor = floor}) <= 1.5);
        }
    }
}

TEST_CASE("reconnect storm: the last client is back after little more than a window", "[policy][reconnect_storm]") {
    for (const weir::milliseconds floor : floors) {
        for (const weir::duration away : {0s, 2s, 10s, 60s, 600s}) {
            const weir::duration last = arrivals(weir::exponential_backoff{}, {.away = away, .floor = floor}).back();
            const weir::duration window = std::clamp<weir::duration>(away / 4, 3s, 30s);
            CAPTURE(floor.count(), away.count(), last.count());
            CHECK(last <= away + std::max<weir::duration>(window + window / 8, floor + window));
        }
    }
}

TEST_CASE("reconnect storm: with a fixed delay all come at one moment", "[policy][reconnect_storm]") {
    const std::vector<weir::duration> moments = arrivals(weir::fixed_delay{}, {.away = 10s});
    CHECK(moments.size() == 50'000);
    CHECK(moments.front() == 12s);
    CHECK(moments.back() == 12s);
    const histogram together{moments, arrivals(weir::exponential_backoff{}, {.away = 10s})};
    CHECK(together.peak() == 50'000);
    CHECK(together.peak_to_mean() == histogram::bins);
}

TEST_CASE("reconnect storm: drawing every delay anew makes a crowd of those whose attempts failed",
          "[policy][reconnect_storm]") {
    CHECK(ratio_of(drawn_anew{}, {.away = 0s, .floor = 3s}) < 1.2);
    CHECK(ratio_of(drawn_anew{}, {.away = 2s, .floor = 0s}) > 8);
    for (const weir::milliseconds floor : floors) {
        CHECK(ratio_of(drawn_anew{}, {.away = 10s, .floor = floor}) > 2.5);
        CHECK(ratio_of(drawn_anew{}, {.away = 60s, .floor = floor}) > 1.75);
        CHECK(ratio_of(drawn_anew{}, {.away = 600s, .floor = floor}) > 1.75);
    }
}

TEST_CASE("reconnect storm: chance alone makes no crowd", "[policy][reconnect_storm]") {
    for (std::uint64_t seed = 0; seed != 20; ++seed) {
        CHECK(ratio_of(weir::exponential_backoff{}, {.seed = seed}) < 1.13);
    }
}

TEST_CASE("reconnect storm: the same seed is the same storm", "[policy][reconnect_storm]") {
    const restart r{.clients = 1000, .away = 10s, .floor = 3s, .seed = 7};
    restart other = r;
    other.seed = 8;
    CHECK(arrivals(weir::exponential_backoff{}, r) == arrivals(weir::exponential_backoff{}, r));
    CHECK(arrivals(weir::exponential_backoff{}, r) != arrivals(weir::exponential_backoff{}, other));
}

TEST_CASE("reconnect storm: who gives up does not come back", "[policy][reconnect_storm]") {
    CHECK(arrivals(weir::never_reconnect{}, {.clients = 1}).front() == weir::duration::max());
    CHECK(arrivals(weir::exponential_backoff{.max_attempts = 3}, {.clients = 1, .away = 60s}).front() ==
          weir::duration::max());
}

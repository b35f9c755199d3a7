// SPDX-License-Identifier: BSL-1.0

#include <weir/session/wheel.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <vector>

#include "catch.hpp"

using namespace std::literals;
using weir::duration;
using weir::time_point;
using weir::wheel;
using weir::wheel_entry;

namespace {

constexpr time_point t0{12345678901ns};

}  // namespace

TEST_CASE("wheel: an entry is due at the first millisecond not before its deadline", "[session][wheel]") {
    wheel timers{t0};
    wheel_entry entry;
    CHECK_FALSE(entry.scheduled());
    timers.schedule(entry, t0 + 5ms + 1ns);
    CHECK(entry.scheduled());
    CHECK(timers.pop_due(t0 + 5ms + 1ns) == nullptr);
    CHECK(timers.pop_due(t0 + 6ms - 1ns) == nullptr);
    CHECK(timers.pop_due(t0 + 6ms) == &entry);
    CHECK_FALSE(entry.scheduled());
    CHECK(timers.pop_due(t0 + 7ms) == nullptr);
    CHECK(timers.next_due() == weir::never);
}

TEST_CASE("wheel: the past is due at once", "[session][wheel]") {
    wheel timers{t0};
    wheel_entry before, start, late;
    timers.schedule(before, t0 - 1h);
    timers.schedule(start, t0);
    CHECK(timers.next_due() <= t0);
    CHECK(timers.pop_due(t0) == &before);
    CHECK(timers.pop_due(t0) == &start);
    CHECK(timers.pop_due(t0 + 10s) == nullptr);
    timers.schedule(late, t0 + 3s);
    CHECK(timers.next_due() <= t0 + 3s);
    CHECK(timers.pop_due(t0 + 10s) == &late);
}

TEST_CASE("wheel: never only cancels", "[session][wheel]") {
    wheel timers{t0};
    wheel_entry entry;
    timers.schedule(entry, weir::never);
    CHECK_FALSE(entry.scheduled());
    timers.schedule(entry, t0 + 1s);
    timers.schedule(entry, weir::never);
    CHECK_FALSE(entry.scheduled());
    CHECK(timers.next_due() == weir::never);
    CHECK(timers.pop_due(t0 + 1h) == nullptr);
}

TEST_CASE("wheel: scheduling again replaces the deadline", "[session][wheel]") {
    wheel timers{t0};
    wheel_entry entry;
    timers.schedule(entry, t0 + 1s);
    timers.schedule(entry, t0 + 1h);
    CHECK(timers.pop_due(t0 + 30min) == nullptr);
    timers.schedule(entry, t0 + 31min);
    CHECK(timers.pop_due(t0 + 31min) == &entry);
    CHECK(timers.pop_due(t0 + 2h) == nullptr);
}

TEST_CASE("wheel: an entry may be cancelled or moved while it is due", "[session][wheel]") {
    wheel timers{t0};
    std::array<wheel_entry, 4> entries;
    for (auto& entry : entries) timers.schedule(entry, t0 + 1s);
    CHECK(timers.pop_due(t0 + 1s) == &entries[0]);
    timers.cancel(entries[1]);
    CHECK_FALSE(entries[1].scheduled());
    timers.schedule(entries[2], t0 + 2s);
    CHECK(timers.pop_due(t0 + 1s) == &entries[3]);
    CHECK(timers.pop_due(t0 + 1s) == nullptr);
    CHECK(timers.pop_due(t0 + 2s) == &entries[2]);
    timers.cancel(entries[2]);  // twice is no harm
    CHECK(timers.next_due() == weir::never);
}

TEST_CASE("wheel: an entry scheduled anew whenever it is due comes once each time", "[session][wheel]") {
    wheel timers{t0};
    wheel_entry entry;
    timers.schedule(entry, t0 + 15s);
    for (int round = 1; round != 2000; ++round) {
        CHECK(timers.pop_due(t0 + round * 15s - 1ms) == nullptr);
        REQUIRE(timers.pop_due(t0 + round * 15s) == &entry);
        timers.schedule(entry, t0 + (round + 1) * 15s);
    }
    timers.cancel(entry);
}

TEST_CASE("wheel: deadlines that come together keep their order", "[session][wheel]") {
    wheel timers{t0};
    std::array<wheel_entry, 100> entries;
    for (std::size_t i = 0; i != entries.size(); ++i) {
        timers.schedule(entries[i * 37 % 100], t0 + std::chrono::milliseconds{i * 37 % 100 * 100});
    }
    for (auto& entry : entries) CHECK(timers.pop_due(t0 + 1h) == &entry);
}

TEST_CASE("wheel: beyond 139 years is due then", "[session][wheel]") {
    constexpr auto year = std::chrono::hours{24 * 365};
    wheel timers{t0};
    wheel_entry entry;
    timers.schedule(entry, weir::never - 1ns);
    CHECK(timers.pop_due(t0 + 139 * year) == nullptr);
    CHECK(timers.pop_due(t0 + 140 * year) == &entry);
    timers.schedule(entry, t0 + 141 * year);
    CHECK(timers.pop_due(t0 + 140 * year) == &entry);  // from then on everything is
}

TEST_CASE("wheel: an empty wheel may be asked at any distance", "[session][wheel]") {
    wheel timers{t0};
    CHECK(timers.next_due() == weir::never);
    CHECK(timers.pop_due(t0 - 1h) == nullptr);
    CHECK(timers.pop_due(t0 + 1000h) == nullptr);
    wheel_entry entry;
    timers.schedule(entry, t0 + 1000h + 1ms);
    CHECK(timers.pop_due(t0 + 1000h) == nullptr);
    CHECK(timers.pop_due(t0 + 1000h + 1ms) == &entry);
}

// ---- against a model ----

namespace {

/// Entries in a wheel and, by deadline, in a multimap.
struct random_wheel {
    explicit random_wheel(unsigned seed) : random(seed) {
        for (auto& entry : entries) entry = std::make_unique<wheel_entry>();
    }
    ~random_wheel() {
        for (auto& entry : entries) timers.cancel(*entry);
    }

    std::mt19937_64 random;
    time_point now = t0;
    wheel timers{t0};
    std::vector<std::unique_ptr<wheel_entry>> entries = std::vector<std::unique_ptr<wheel_entry>>(200);
    std::multimap<time_point, wheel_entry*> expected{};
    std::set<const wheel_entry*> late{};  // scheduled when their deadline had passed: their order is free

    std::uint64_t below(std::uint64_t n) { return random() % n; }
    /// From nothing to three years, every order of magnitude as likely as the others.
    duration some_time() { return duration{static_cast<std::int64_t>(below(std::uint64_t{1} << below(57)))}; }
    wheel_entry& some_entry() { return *entries[below(entries.size())]; }

    auto find(const wheel_entry& entry) {
        return std::find_if(expected.begin(), expected.end(), [&](const auto& e) { return e.second == &entry; });
    }
    void forget(const wheel_entry& entry) {
        if (const auto at = find(entry); at != expected.end()) expected.erase(at);
    }

    void schedule() {
        wheel_entry& entry = some_entry();
        const time_point at = below(10) == 0 ? now - some_time() : now + some_time();
        forget(entry);
        expected.emplace(at, &entry);
        if (at <= now) {
            late.insert(&entry);
        } else {
            late.erase(&entry);
        }
        timers.schedule(entry, at);
    }
    void cancel() {
        wheel_entry& entry = some_entry();
        REQUIRE(entry.scheduled() == (find(entry) != expected.end()));
        forget(entry);
        timers.cancel(entry);
    }
    void advance() {
        const time_point next = timers.next_due();
        REQUIRE((expected.empty() || next <= std::max(now, expected.begin()->first + 1ms)));
        // Either somewhere, or as a driver does it: to the time that was named.
        now = below(2) == 0 || next == weir::never ? now + some_time() : std::max(now, next);
        time_point latest_ahead{};
        while (wheel_entry* entry = timers.pop_due(now)) {
            REQUIRE_FALSE(entry->scheduled());
            const auto at = find(*entry);
            REQUIRE(at != expected.end());
            REQUIRE(at->first <= now);  // never early
            if (!late.contains(entry)) {
                REQUIRE(at->first > latest_ahead - 1ms);
                latest_ahead = std::max(latest_ahead, at->first);
            }
            expected.erase(at);
            if (below(8) == 0) cancel();  // due or not
            if (below(8) == 0) schedule();
        }
        // at most a millisecond late
        REQUIRE((expected.empty() || expected.begin()->first > now - 1ms));
    }
};

}  // namespace

TEST_CASE("wheel: behaves as a sorted list does, from milliseconds to years", "[session][wheel]") {
    const auto seed = GENERATE(range(1u, 41u));
    CAPTURE(seed);
    random_wheel run{seed};
    const unsigned advances = 1 + seed % 5;  // how often time moves on, against how often deadlines change
    for (int i = 0; i != 4000 && run.now < t0 + std::chrono::hours{24 * 365 * 100}; ++i) {
        const auto what = run.below(10);
        if (what < advances) {
            run.advance();
        } else if (what < 8) {
            run.schedule();
        } else {
            run.cancel();
        }
    }
}

TEST_CASE("wheel: a driver that only sleeps until next_due() needs few wake-ups", "[session][wheel]") {
    wheel timers{t0};
    wheel_entry entry;
    time_point now = t0;
    for (const duration ahead : {duration{1ms}, duration{15s}, duration{1h}, duration{24h * 365}, duration{1s}}) {
        now += 1234567890123us;
        CHECK(timers.pop_due(now) == nullptr);
        const time_point deadline = now + ahead;
        timers.schedule(entry, deadline);
        int wakes = 0;
        while (entry.scheduled()) {
            now = std::max(now, timers.next_due());
            ++wakes;
            static_cast<void>(timers.pop_due(now));
        }
        CHECK(now >= deadline);
        CHECK(now < deadline + 1ms);
        CHECK(wakes <= 7);
    }
}

// SPDX-License-Identifier: BSL-1.0
#include <weir/server/connection_count.hpp>

#include "catch.hpp"

#include <cstddef>
#include <thread>
#include <utility>
#include <vector>

using weir::detail::connection_count;

TEST_CASE("connection count: a place is taken until its slot is destroyed", "[server][connection_count]") {
    int emptied = 0;
    connection_count count{2, [&] { ++emptied; }};
    CHECK(count.value() == 0);
    {
        const auto first = count.enter();
        CHECK(first);
        CHECK(count.value() == 1);
        {
            const auto second = count.enter();
            CHECK(second);
            CHECK(count.value() == 2);
            CHECK_FALSE(count.enter());
            CHECK(count.value() == 2);
        }
        CHECK(count.enter());
        CHECK(emptied == 0);
    }
    CHECK(count.value() == 0);
    CHECK(emptied == 1);
}

TEST_CASE("connection count: zero is no limit", "[server][connection_count]") {
    connection_count count{0, [] {}};
    std::vector<connection_count::slot> slots;
    for (int i = 0; i < 1000; ++i) slots.push_back(count.enter());
    CHECK(slots.back());
    CHECK(count.value() == 1000);
    slots.clear();
    CHECK(count.value() == 0);
}

TEST_CASE("connection count: a slot moves with its place", "[server][connection_count]") {
    int emptied = 0;
    connection_count count{0, [&] { ++emptied; }};
    connection_count::slot a = count.enter();
    connection_count::slot b{std::move(a)};
    CHECK_FALSE(a);
    CHECK(b);
    CHECK(count.value() == 1);

    connection_count::slot c;
    CHECK_FALSE(c);
    c = std::move(b);
    CHECK(c);
    CHECK(count.value() == 1);
    CHECK(emptied == 0);

    c = {};
    CHECK_FALSE(c);
    CHECK(count.value() == 0);
    CHECK(emptied == 1);
}

TEST_CASE("connection count: a slot that takes another's place gives its own back in the end",
          "[server][connection_count]") {
    connection_count count{0, [] {}};
    {
        auto a = count.enter();
        auto b = count.enter();
        a = std::move(b);
        CHECK(a);
    }
    CHECK(count.value() == 0);
}

TEST_CASE("connection count: no more than the limit are in at a time, from any thread", "[server][connection_count]") {
    constexpr std::size_t limit = 3;
    connection_count count{limit, [] {}};
    std::vector<std::size_t> entered(4);
    std::vector<std::thread> threads;
    for (auto& mine : entered) {
        threads.emplace_back([&] {
            for (int i = 0; i < 1000; ++i) {
                if (const auto place = count.enter()) ++mine;
            }
        });
    }
    for (auto& t : threads) t.join();
    CHECK(count.value() == 0);
    for (const auto mine : entered) CHECK(mine > 0);
}

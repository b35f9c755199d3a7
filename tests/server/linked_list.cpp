// SPDX-License-Identifier: BSL-1.0
#include <weir/server/linked_list.hpp>

#include "catch.hpp"

#include <vector>

namespace {

struct item : weir::detail::linked_list<item>::hook {
    explicit item(int n) : number(n) {}

    int number;
};
using list = weir::detail::linked_list<item>;

std::vector<int> numbers(list& l) {
    std::vector<int> out;
    l.for_each([&](const item& i) { out.push_back(i.number); });
    return out;
}

}  // namespace

TEST_CASE("linked list: every item is visited once, in order", "[server][linked_list]") {
    list l;
    CHECK(numbers(l).empty());
    item a{1}, b{2}, c{3};
    l.add(a);
    l.add(b);
    l.add(c);
    CHECK(numbers(l) == std::vector{1, 2, 3});
}

TEST_CASE("linked list: an item is removed from anywhere, without its list", "[server][linked_list]") {
    list l;
    item a{1}, b{2}, c{3}, d{4};
    for (item* i : {&a, &b, &c, &d}) l.add(*i);
    list::remove(c);
    CHECK(numbers(l) == std::vector{1, 2, 4});
    list::remove(d);
    CHECK(numbers(l) == std::vector{1, 2});
    list::remove(a);
    CHECK(numbers(l) == std::vector{2});
    list::remove(b);
    CHECK(numbers(l).empty());
}

TEST_CASE("linked list: an item that is on no list may be removed", "[server][linked_list]") {
    list l;
    item a{1}, b{2};
    list::remove(a);
    l.add(a);
    l.add(b);
    list::remove(a);
    list::remove(a);
    CHECK(numbers(l) == std::vector{2});
}

TEST_CASE("linked list: an item that was removed comes back behind the others", "[server][linked_list]") {
    list l;
    item a{1}, b{2};
    l.add(a);
    l.add(b);
    list::remove(a);
    l.add(a);
    CHECK(numbers(l) == std::vector{2, 1});
}

TEST_CASE("linked list: the first item becomes the last", "[server][linked_list]") {
    list l;
    CHECK(l.rotate() == nullptr);
    item a{1}, b{2}, c{3};
    l.add(a);
    CHECK(l.rotate() == &a);
    CHECK(numbers(l) == std::vector{1});
    l.add(b);
    l.add(c);
    CHECK(l.rotate() == &a);
    CHECK(numbers(l) == std::vector{2, 3, 1});
    list::remove(b);
    CHECK(l.rotate() == &c);
    CHECK(numbers(l) == std::vector{1, 3});
}

TEST_CASE("linked list: a visit may remove the item it is given", "[server][linked_list]") {
    list l;
    item a{1}, b{2}, c{3};
    for (item* i : {&a, &b, &c}) l.add(*i);
    std::vector<int> visited;
    l.for_each([&](item& i) {
        visited.push_back(i.number);
        if (i.number != 2) list::remove(i);
    });
    CHECK(visited == std::vector{1, 2, 3});
    CHECK(numbers(l) == std::vector{2});
}

// SPDX-License-Identifier: BSL-1.0

#include <weir/session/waiter.hpp>

#include <chrono>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "catch.hpp"

using namespace std::literals;
using weir::detail::waiter;
using weir::detail::waiter_list;
using kind = waiter::kind;

namespace {

struct fates {
    std::vector<int> completed, destroyed;
};

class numbered final : public waiter {
public:
    numbered(kind k, int number, fates& log) : waiter(k), number_(number), log_(log) {}
    void complete(weir::error_code, weir::error_code) noexcept override {
        log_.completed.push_back(number_);
        delete this;
    }
    void destroy() noexcept override {
        log_.destroyed.push_back(number_);
        delete this;
    }

private:
    int number_;
    fates& log_;
};

struct fixture {
    fates log{};
    waiter_list list{};

    waiter& push(kind k, int number, weir::time_point deadline = weir::never) {
        auto* w = new numbered{k, number, log};
        w->deadline = deadline;
        list.push(*w);
        return *w;
    }
    void complete(waiter* w) {
        REQUIRE(w != nullptr);
        CHECK(w->next == nullptr);
        w->complete({}, {});
    }
};

}  // namespace

TEST_CASE("waiter list: first come, first out", "[session][waiter]") {
    fixture f;
    CHECK(f.list.empty());
    CHECK(f.list.pop() == nullptr);
    for (int i = 0; i != 3; ++i) f.push(kind::send, i);
    CHECK_FALSE(f.list.empty());
    for (int i = 0; i != 3; ++i) f.complete(f.list.pop());
    CHECK(f.log.completed == std::vector{0, 1, 2});
    CHECK(f.list.empty());
    f.push(kind::send, 3);
    f.complete(f.list.pop());
    CHECK(f.log.completed.back() == 3);
}

TEST_CASE("waiter list: takes out of the middle, and keeps the others in order", "[session][waiter]") {
    fixture f;
    f.push(kind::send, 0);
    f.push(kind::drained, 1);
    f.push(kind::send, 2);
    waiter& last = f.push(kind::closed, 3);
    f.complete(f.list.take([](const waiter& w) { return w.what == kind::drained; }));
    f.complete(f.list.take([&](const waiter& w) { return &w == &last; }));
    CHECK(f.list.take([](const waiter& w) { return w.what == kind::sleep; }) == nullptr);
    f.push(kind::sleep, 4);
    while (waiter* w = f.list.pop()) f.complete(w);
    CHECK(f.log.completed == std::vector{1, 3, 0, 2, 4});
    CHECK(f.log.destroyed.empty());
}

TEST_CASE("waiter list: finds the first of a kind and leaves it in place", "[session][waiter]") {
    fixture f;
    CHECK(f.list.find(kind::send) == nullptr);
    f.push(kind::drained, 0);
    waiter& first = f.push(kind::send, 1);
    f.push(kind::send, 2);
    CHECK(f.list.find(kind::send) == &first);
    CHECK(f.list.find(kind::send) == &first);
    CHECK(f.list.find(kind::closed) == nullptr);
}

TEST_CASE("waiter list: finds the first that is wanted and leaves it in place", "[session][waiter]") {
    fixture f;
    const auto late = [](const waiter& w) { return w.deadline > weir::time_point{2s}; };
    CHECK(f.list.find_if(late) == nullptr);
    f.push(kind::send, 0, weir::time_point{1s});
    CHECK(f.list.find_if(late) == nullptr);
    const waiter& first = f.push(kind::receive, 1, weir::time_point{3s});
    f.push(kind::ended, 2);
    CHECK(f.list.find_if(late) == &first);
    CHECK(f.list.find_if(late) == &first);
    CHECK(f.list.find(kind::receive) == &first);
}

TEST_CASE("waiter list: knows the earliest deadline", "[session][waiter]") {
    fixture f;
    CHECK(f.list.earliest_deadline() == weir::never);
    f.push(kind::send, 0);
    CHECK(f.list.earliest_deadline() == weir::never);
    f.push(kind::sleep, 1, weir::time_point{3s});
    f.push(kind::sleep, 2, weir::time_point{1s});
    f.push(kind::sleep, 3, weir::time_point{2s});
    CHECK(f.list.earliest_deadline() == weir::time_point{1s});
}

TEST_CASE("waiter list: those left over are destroyed, once, in order", "[session][waiter]") {
    fates log;
    {
        fixture f;
        waiter_list other = [&] {
            for (int i = 0; i != 3; ++i) f.list.push(*new numbered{kind::send, i, log});
            return std::move(f.list);
        }();
        CHECK(f.list.empty());
        CHECK_FALSE(other.empty());
        CHECK(log.destroyed.empty());
    }
    CHECK(log.destroyed == std::vector{0, 1, 2});
    CHECK(log.completed.empty());
}

TEST_CASE("pending message: is its own encoder", "[session][waiter]") {
    const weir::detail::pending_message message{.encoded = "data: x\n\n", .key = "k"};
    std::string out(message.size() + 1, '#');
    CHECK(message.write(out.data()) == out.data() + message.size());
    CHECK(out == "data: x\n\n#");
    CHECK(message.wire_size() == 9);
}

TEST_CASE("pending message: on the wire it is as large as it will be", "[session][waiter]") {
    const weir::detail::pending_message message{.encoded = "x", .key = {}, .framing = 6};
    CHECK(message.size() == 1);
    CHECK(message.wire_size() == 7);
    CHECK(message.ends);
}

// SPDX-License-Identifier: BSL-1.0

#include <weir/io/loop.hpp>

#include WEIR_ASIO(any_io_executor.hpp)
#include WEIR_ASIO(io_context.hpp)
#include WEIR_ASIO(strand.hpp)

#include <array>
#include <chrono>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "support/virtual_context.hpp"

namespace {

using namespace std::chrono_literals;
namespace net = weir::net;
using weir::detail::loop;

/// A deadline that says when it passed.
struct probe final : weir::detail::timed {
    explicit probe(net::io_context& context) : on(loop::of(context.get_executor())) {}
    ~probe() { on.cancel(*this); }

    bool retain() noexcept override { return alive; }
    void expire() noexcept override {
        ++expired;
        if (then) then();
    }

    loop& on;
    bool alive = true;
    int expired = 0;
    std::function<void()> then;
};

/// Keeps a handler that refers to something else, as a session does.
struct keeper final : weir::detail::resident {
    explicit keeper(net::io_context& context) : on(loop::of(context.get_executor())) { on.enter(*this); }
    ~keeper() {
        if (abandoned == 0) on.leave(*this);
    }

    bool retain() noexcept override { return true; }
    void expire() noexcept override {}
    void abandon() noexcept override {
        ++abandoned;
        if (handler) std::exchange(handler, {})();
    }

    loop& on;
    int abandoned = 0;
    std::function<void()> handler;
};

}  // namespace

TEST_CASE("loop: a context has one, whatever executor asks for it", "[io][loop]") {
    net::io_context one, two;
    loop& of_one = loop::of(one.get_executor());
    CHECK(&loop::of(net::make_strand(one)) == &of_one);
    CHECK(&loop::of(net::any_io_executor{one.get_executor()}) == &of_one);
    CHECK(&loop::of(net::any_io_executor{net::make_strand(one)}) == &of_one);
    CHECK(&loop::of(two.get_executor()) != &of_one);
}

TEST_CASE("loop: virtual time stands still until it is moved", "[io][loop]") {
    test::virtual_context context;
    CHECK(context.now() == 0s);
    context.pass(1h);
    CHECK(context.now() == 1h);
}

TEST_CASE("loop: a deadline passes once, at its time", "[io][loop]") {
    test::virtual_context context;
    probe p{context};
    context.loop().schedule(p, context.loop().now() + 10s, context.context().get_executor());
    context.pass(10s - 1ms);
    CHECK(p.expired == 0);
    context.pass(2ms);
    CHECK(p.expired == 1);
    context.pass(1h);
    CHECK(p.expired == 1);
}

TEST_CASE("loop: a later deadline replaces the one before, never cancels", "[io][loop]") {
    test::virtual_context context;
    probe p{context};
    const auto executor = context.context().get_executor();
    const auto start = context.loop().now();
    context.loop().schedule(p, start + 10s, executor);
    context.loop().schedule(p, start + 20s, executor);
    context.pass(15s);
    CHECK(p.expired == 0);
    context.pass(6s);
    CHECK(p.expired == 1);

    context.loop().schedule(p, start + 30s, executor);
    context.loop().schedule(p, weir::never, executor);
    CHECK(context.loop().next_due() == weir::never);
    context.loop().schedule(p, start + 30s, executor);
    context.loop().cancel(p);
    context.loop().cancel(p);
    CHECK(context.loop().next_due() == weir::never);
    context.pass(1h);
    CHECK(p.expired == 1);
}

TEST_CASE("loop: deadlines pass in order, and may make others", "[io][loop]") {
    test::virtual_context context;
    const auto executor = context.context().get_executor();
    const auto start = context.loop().now();
    std::vector<int> order;
    probe a{context}, b{context}, c{context};
    a.then = [&] {
        order.push_back(1);
        context.loop().schedule(c, start + 2s, executor);
    };
    b.then = [&] { order.push_back(3); };
    c.then = [&] { order.push_back(2); };
    context.loop().schedule(b, start + 3s, executor);
    context.loop().schedule(a, start + 1s, executor);
    context.pass(10s);
    CHECK(order == std::vector{1, 2, 3});
}

TEST_CASE("loop: a deadline may cancel another that is due as well", "[io][loop]") {
    test::virtual_context context;
    const auto executor = context.context().get_executor();
    const auto at = context.loop().now() + 1s;
    probe a{context}, b{context};
    a.then = [&] { context.loop().cancel(b); };
    b.then = [&] { context.loop().cancel(a); };
    context.loop().schedule(a, at, executor);
    context.loop().schedule(b, at, executor);
    context.pass(2s);
    CHECK(a.expired + b.expired == 1);
}

TEST_CASE("loop: what is being destroyed is passed over", "[io][loop]") {
    test::virtual_context context;
    const auto executor = context.context().get_executor();
    probe dying{context}, living{context};
    dying.alive = false;
    context.loop().schedule(dying, context.loop().now() + 1s, executor);
    context.loop().schedule(living, context.loop().now() + 1s, executor);
    context.pass(2s);
    CHECK(dying.expired == 0);
    CHECK(living.expired == 1);
}

TEST_CASE("loop: one timer serves any number of deadlines", "[io][loop]") {
    net::io_context context;
    std::vector<std::unique_ptr<probe>> probes;
    for (int i = 0; i != 1000; ++i) {
        probes.push_back(std::make_unique<probe>(context));
        probes.back()->on.schedule(*probes.back(), weir::clock::now() - 1s, context.get_executor());
    }
    const auto handlers = context.run();
    int expired = 0;
    for (const auto& p : probes) expired += p->expired;
    CHECK(expired == 1000);
    CHECK(handlers <= 3);
}

TEST_CASE("loop: the timer starts anew for what comes later, and for what comes earlier", "[io][loop]") {
    net::io_context context;
    probe far{context}, near{context};
    far.on.schedule(far, weir::clock::now() + 24h, context.get_executor());
    near.then = [&] { far.on.cancel(far); };
    near.on.schedule(near, weir::clock::now() + 1ms, context.get_executor());
    context.run();
    CHECK(near.expired == 1);
    near.on.schedule(near, weir::clock::now() + 1ms, context.get_executor());
    context.restart();
    context.run();
    CHECK(near.expired == 2);
    CHECK(far.expired == 0);
}

TEST_CASE("loop: a context with no deadline left has nothing to wait for", "[io][loop]") {
    net::io_context context;
    probe p{context}, q{context};
    loop& on = p.on;
    on.schedule(p, weir::clock::now() + 1h, context.get_executor());
    on.schedule(q, weir::clock::now() + 1h, context.get_executor());
    context.poll();
    CHECK_FALSE(context.stopped());

    on.cancel(p);
    context.poll();
    CHECK_FALSE(context.stopped());

    SECTION("cancelled") { on.cancel(q); }
    SECTION("scheduled for never") { on.schedule(q, weir::never, context.get_executor()); }
    context.poll();
    CHECK(context.stopped());

    on.schedule(p, weir::clock::now() - 1s, context.get_executor());
    context.restart();
    context.run();
    CHECK(p.expired == 1);
}

TEST_CASE("loop: a context that is destroyed abandons what lives on it, once", "[io][loop]") {
    auto context = std::make_unique<net::io_context>();
    std::array<std::unique_ptr<keeper>, 4> all;
    for (auto& k : all) k = std::make_unique<keeper>(*context);
    all[3]->on.schedule(*all[3], weir::clock::now() + 1h, context->get_executor());
    all[3]->on.cancel(*all[3]);
    all[0].reset();
    // The last to enter is the first to go here: it takes one with it that has not been asked yet.
    all[3]->handler = [&] { all[1].reset(); };
    context.reset();
    CHECK(all[1] == nullptr);
    CHECK(all[2]->abandoned == 1);
    CHECK(all[3]->abandoned == 1);
}

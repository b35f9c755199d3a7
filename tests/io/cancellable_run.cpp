// SPDX-License-Identifier: BSL-1.0
#include <weir/io/cancellable_run.hpp>

#include <weir/io/sleep.hpp>

#include "catch.hpp"

#include WEIR_CANCELLATION(bind_cancellation_slot.hpp)
#include WEIR_ASIO(io_context.hpp)
#include WEIR_ASIO(redirect_error.hpp)
#include WEIR_ASIO(use_awaitable.hpp)

#include <chrono>
#include <memory>
#include <new>
#include <optional>
#include <utility>

#include "support/virtual_context.hpp"

namespace {

using namespace std::chrono_literals;
using weir::error;
using weir::error_code;
using weir::detail::async_sleep_until;
using weir::detail::cancellable_run;
using weir::detail::interruption;
namespace cancellation = weir::detail::cancellation;
namespace net = weir::net;

struct fixture {
    cancellation::cancellation_signal signal;  // outlives what may be cancelled
    test::virtual_context context;
    net::any_io_executor executor = context.context().get_executor();
    cancellable_run runner;
    std::optional<error_code> outcome;
    int begun = 0;

    // Sleeps again and again, and returns `result`.
    net::awaitable<error_code> sleep(interruption stop, int seconds, error_code result) {
        ++begun;
        for (; seconds > 0; --seconds) {
            const weir::time_point until = weir::detail::loop::of(executor).now() + 1s;
            error_code ignored;
            auto token = stop.step(net::redirect_error(net::use_awaitable, ignored));
            co_await async_sleep_until(executor, until, token);
        }
        co_return result;
    }
    auto work(int seconds, error_code result = {}) {
        return [this, seconds, result](interruption stop) { return sleep(stop, seconds, result); };
    }
    template <class Exception>
    net::awaitable<error_code> sleep_and_throw(interruption stop, Exception thrown) {
        co_await sleep(stop, 1, {});
        throw Exception(thrown);
    }
    template <class Exception>
    auto throwing(Exception thrown) {
        return [this, thrown](interruption stop) { return sleep_and_throw(stop, thrown); };
    }

    template <class Work>
    void run(Work what, weir::milliseconds limit = 0ms) {
        outcome.reset();
        runner.async_run(executor, what, limit, error::connect_timed_out,
                         cancellation::bind_cancellation_slot(signal.slot(), [this](error_code ec) { outcome = ec; }));
    }
};

}  // namespace

TEST_CASE_METHOD(fixture, "cancellable run: it completes with what the coroutine returns", "[io][cancellable_run]") {
    run(work(0));
    CHECK_FALSE(outcome);  // never within the call
    context.settle();
    CHECK(outcome == error_code{});
    run(work(3, error::bad_redirect), 10s);
    context.pass(2s);
    CHECK_FALSE(outcome);
    context.pass(2s);
    CHECK(outcome == make_error_code(error::bad_redirect));
    CHECK(context.idle());
}

TEST_CASE_METHOD(fixture, "cancellable run: the time limit ends it, however many steps it has to go",
                 "[io][cancellable_run]") {
    run(work(1'000), 5s);
    context.pass(4900ms);
    CHECK_FALSE(outcome);
    context.pass(200ms);
    CHECK(outcome == make_error_code(error::connect_timed_out));
    CHECK(context.idle());
}

TEST_CASE_METHOD(fixture, "cancellable run: it is stopped from outside, at any time", "[io][cancellable_run]") {
    error_code expected = net::error::operation_aborted;
    run(work(1'000), 1h);
    SECTION("before it has begun") { runner.cancel(); }
    SECTION("under way") {
        context.pass(10s);
        runner.cancel();
    }
    SECTION("by the handler's slot") {
        context.pass(10s);
        signal.emit(cancellation::cancellation_type::terminal);
    }
    SECTION("for a reason") {
        context.pass(10s);
        runner.cancel(expected = error::closed);
        runner.cancel();  // the first counts
    }
    SECTION("when the limit has passed, and nobody knows yet") {
        context.settle();
        context.loop().advance_to(context.loop().now() + 2h);
        runner.cancel();
    }
    CHECK_FALSE(outcome);
    context.settle();
    CHECK(outcome == expected);
    CHECK(context.idle());
    CHECK(begun <= 1);
}

TEST_CASE_METHOD(fixture, "cancellable run: a cancellation counts even if the coroutine is done already",
                 "[io][cancellable_run]") {
    CHECK_FALSE(runner.is_running());
    run(work(1));
    CHECK(runner.is_running());
    context.settle();
    context.loop().advance_to(context.loop().now() + 2s);
    runner.cancel();
    context.settle();
    REQUIRE(outcome);
    CHECK(*outcome == net::error::operation_aborted);
    CHECK_FALSE(runner.is_running());
    runner.cancel();  // of nothing
    context.settle();

    run(work(1));  // and the next is not concerned
    context.pass(2s);
    CHECK(outcome == error_code{});
}

TEST_CASE_METHOD(fixture, "cancellable run: what the coroutine throws is its result", "[io][cancellable_run]") {
    run(throwing(weir::system_error{make_error_code(error::bad_argument)}));
    context.pass(2s);
    CHECK(outcome == make_error_code(error::bad_argument));
    run(throwing(std::bad_alloc{}));
    context.pass(2s);
    CHECK(outcome == make_error_code(net::error::no_memory));
}

TEST_CASE("cancellable run: within a coroutine it is awaited, and stopped with it", "[io][cancellable_run]") {
    fixture f;
    cancellable_run inner;
    const auto outer = [&](interruption stop) -> net::awaitable<error_code> {
        error_code ec;
        const auto what = f.work(1'000);
        auto token = stop.step(net::redirect_error(net::use_awaitable, ec));
        co_await inner.async_run(f.executor, what, 1h, error::connect_timed_out, token);
        co_return ec;
    };
    f.run([&](interruption stop) { return outer(stop); });
    f.context.pass(10s);
    SECTION("the outer one is stopped") { f.runner.cancel(); }
    SECTION("the inner one is stopped") { inner.cancel(); }
    f.context.settle();
    REQUIRE(f.outcome);
    CHECK(*f.outcome == net::error::operation_aborted);
    CHECK(f.context.idle());
}

TEST_CASE("cancellable run: it goes with its context, uncalled, and the runner may outlive both",
          "[io][cancellable_run]") {
    cancellable_run runner;
    auto life = std::make_shared<int>();
    const std::weak_ptr<int> watch = life;
    bool called = false;
    const int steps = GENERATE(0, 1, 2);
    {
        fixture f;
        runner.async_run(f.executor, f.work(2), 1h, error::connect_timed_out,
                         [&called, life = std::move(life)](error_code) { called = true; });
        if (steps > 0) f.context.settle();
        if (steps > 1) f.context.pass(1500ms);
    }
    CHECK(watch.expired());
    CHECK_FALSE(called);
    runner.cancel();
}

TEST_CASE("cancellable run: a coroutine that owns its runner goes with the context", "[io][cancellable_run]") {
    auto life = std::make_shared<int>();
    const std::weak_ptr<int> watch = life;
    {
        fixture f;
        const auto outer = [&f](std::shared_ptr<int>) -> net::awaitable<error_code> {
            cancellable_run mine;
            const auto what = f.work(1'000);
            co_await mine.async_run(f.executor, what, 1h, error::connect_timed_out, net::use_awaitable);
            co_return error_code{};
        };
        f.run([&](interruption) { return outer(std::move(life)); });
        f.context.pass(10s);
        CHECK_FALSE(watch.expired());
    }
    CHECK(watch.expired());
}

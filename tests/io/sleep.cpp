// SPDX-License-Identifier: BSL-1.0
#include <weir/io/sleep.hpp>

#include "catch.hpp"

#include WEIR_CANCELLATION(bind_cancellation_slot.hpp)
#include WEIR_CANCELLATION(cancellation_signal.hpp)
#include WEIR_ASIO(io_context.hpp)

#include <chrono>
#include <memory>
#include <optional>
#include <utility>

#include "support/virtual_context.hpp"

namespace {

using namespace std::chrono_literals;
using weir::error_code;
using weir::detail::async_sleep_until;
namespace cancellation = weir::detail::cancellation;
namespace net = weir::net;

struct fixture {
    cancellation::cancellation_signal signal;  // outlives what may be cancelled
    test::virtual_context context;
    std::optional<error_code> outcome;

    void sleep(weir::time_point until) {
        outcome.reset();
        async_sleep_until(context.context().get_executor(), until,
                          cancellation::bind_cancellation_slot(signal.slot(), [this](error_code ec) { outcome = ec; }));
    }
    weir::time_point in(weir::duration time) { return context.loop().now() + time; }
};

}  // namespace

TEST_CASE_METHOD(fixture, "sleep: it lasts as long as it is told, on the loop's clock", "[io][sleep]") {
    sleep(in(10s));
    context.pass(9'999ms);
    CHECK_FALSE(outcome);
    context.pass(2ms);
    REQUIRE(outcome);
    CHECK_FALSE(*outcome);
    CHECK(context.idle());
}

TEST_CASE_METHOD(fixture, "sleep: a time that has passed is awaited no longer, and never within the call",
                 "[io][sleep]") {
    sleep(in(0s));
    CHECK_FALSE(outcome);
    context.pass(1ms);
    CHECK(outcome == error_code{});
    sleep(in(-1s));
    context.pass(2ms);
    CHECK(outcome == error_code{});
}

TEST_CASE_METHOD(fixture, "sleep: a cancelled sleep ends at once, and once", "[io][sleep]") {
    const auto until = GENERATE(false, true) ? weir::never : in(1s);
    sleep(until);
    context.settle();
    signal.emit(cancellation::cancellation_type::terminal);
    CHECK_FALSE(outcome);
    context.settle();
    REQUIRE(outcome);
    CHECK(*outcome == net::error::operation_aborted);
    CHECK(context.idle());
    outcome.reset();
    signal.emit(cancellation::cancellation_type::terminal);
    context.pass(2s);
    CHECK_FALSE(outcome);
}

TEST_CASE_METHOD(fixture, "sleep: a cancellation comes first if the time has passed in the same turn", "[io][sleep]") {
    sleep(in(1s));
    context.loop().advance_to(in(1001ms));  // the end waits for its turn
    signal.emit(cancellation::cancellation_type::terminal);
    context.settle();
    REQUIRE(outcome);
    CHECK(*outcome == net::error::operation_aborted);
}

TEST_CASE("sleep: a sleep goes with its context, uncalled", "[io][sleep]") {
    auto life = std::make_shared<int>();
    const std::weak_ptr<int> watch = life;
    bool called = false;
    {
        test::virtual_context context;
        const auto now = context.loop().now();
        async_sleep_until(context.context().get_executor(), now + 1s,
                          [&called, life = std::move(life)](error_code) { called = true; });
        const bool due = GENERATE(false, true);
        if (due) context.loop().advance_to(now + 1001ms);
        CHECK_FALSE(watch.expired());
    }
    CHECK(watch.expired());
    CHECK_FALSE(called);
}

TEST_CASE("sleep: it keeps a real context running, and ends by its own timer", "[io][sleep]") {
    net::io_context context;
    std::optional<error_code> outcome;
    async_sleep_until(context.get_executor(), weir::clock::now() + 1ms, [&](error_code ec) { outcome = ec; });
    context.run();
    CHECK(outcome == error_code{});
}

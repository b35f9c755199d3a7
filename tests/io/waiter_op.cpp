// SPDX-License-Identifier: BSL-1.0

#include <weir/io/waiter_op.hpp>

#include <weir/error.hpp>

#include WEIR_CANCELLATION(bind_cancellation_slot.hpp)
#include WEIR_ASIO(bind_executor.hpp)
#include WEIR_CANCELLATION(cancellation_signal.hpp)
#include WEIR_ASIO(io_context.hpp)

#include <cstddef>
#include <memory>
#include <optional>
#include <utility>

#include "catch.hpp"
#include "support/counting_allocator.hpp"

namespace {

namespace cancellation = weir::detail::cancellation;
namespace net = weir::net;
using weir::error_code;
using weir::detail::waiter;
using executor = net::io_context::executor_type;

/// As much of a session as a waiter needs.
struct fake_session {
    waiter* cancelled = nullptr;

    void cancel(waiter& w, error_code ec) {
        cancelled = &w;
        w.complete(ec, {});
    }
};

struct fixture {
    net::io_context context;
    fake_session session;

    template <waiter::kind What = waiter::kind::drained, class Handler>
    waiter& make(Handler handler) {
        return weir::detail::waiter_op<What, Handler, executor>::create(std::move(handler), context.get_executor(),
                                                                        session);
    }
};

const error_code refused = make_error_code(weir::error::refused);
const error_code closed = make_error_code(weir::error::closed);

}  // namespace

TEST_CASE_METHOD(fixture, "waiter_op: the handler is posted, never called from within", "[io][waiter]") {
    std::optional<error_code> outcome;
    waiter& w = make([&](error_code ec) { outcome = ec; });
    CHECK(w.what == waiter::kind::drained);
    w.complete(refused, closed);
    CHECK_FALSE(outcome);
    context.poll();
    REQUIRE(outcome);
    CHECK(*outcome == refused);
}

TEST_CASE_METHOD(fixture, "waiter_op: who waits for the end is told the reason", "[io][waiter]") {
    std::optional<std::pair<error_code, error_code>> outcome;
    make<waiter::kind::closed>([&](error_code ec, error_code reason) {
        outcome.emplace(ec, reason);
    }).complete({}, closed);
    context.poll();
    REQUIRE(outcome);
    CHECK_FALSE(outcome->first);
    CHECK(outcome->second == closed);
}

TEST_CASE_METHOD(fixture, "waiter_op: a handler that would take anything gets what the signature says",
                 "[io][waiter]") {
    std::size_t arguments = 0;
    const auto count = [&](auto... all) { arguments = sizeof...(all); };
    make<waiter::kind::send>(count).complete({}, closed);
    context.poll();
    CHECK(arguments == 1);
    context.restart();
    make<waiter::kind::closed>(count).complete({}, closed);
    context.poll();
    CHECK(arguments == 2);
}

TEST_CASE_METHOD(fixture, "waiter_op: a handler may be moved only, and is destroyed uncalled", "[io][waiter]") {
    auto life = std::make_shared<int>();
    const std::weak_ptr<int> watch = life;
    bool called = false;
    waiter& w =
        make([&called, life = std::make_unique<std::shared_ptr<int>>(std::move(life))](error_code) { called = true; });
    CHECK_FALSE(watch.expired());
    w.destroy();
    CHECK(watch.expired());
    context.poll();
    CHECK_FALSE(called);
}

TEST_CASE_METHOD(fixture, "waiter_op: a pending operation is work for the handler's executor", "[io][waiter]") {
    net::io_context other;
    bool called = false;
    waiter& w = make(net::bind_executor(other.get_executor(), [&](error_code) { called = true; }));
    other.poll();
    CHECK_FALSE(other.stopped());
    w.complete({}, {});
    context.poll();
    CHECK_FALSE(called);
    other.poll();
    CHECK(called);
    CHECK(other.stopped());
}

TEST_CASE_METHOD(fixture, "waiter_op: the handler's allocator is used, its memory given back before the call",
                 "[io][waiter]") {
    test::allocation_count count;
    std::optional<std::size_t> during;
    waiter& w = make(test::with_allocator(count, [&](error_code) { during = count.live.load(); }));
    CHECK(count.total == 1);
    CHECK(count.live == 1);
    w.complete({}, {});
    CHECK(count.total == 2);  // what was posted
    context.poll();
    CHECK(during == 0u);

    make(test::with_allocator(count, [&](error_code) {})).destroy();
    CHECK(count.live == 0);
}

TEST_CASE_METHOD(fixture, "waiter_op: a cancellation signal reaches the session", "[io][waiter]") {
    cancellation::cancellation_signal signal;
    std::optional<error_code> outcome;
    waiter& w = make(cancellation::bind_cancellation_slot(signal.slot(), [&](error_code ec) { outcome = ec; }));
    signal.emit(cancellation::cancellation_type::none);
    CHECK(session.cancelled == nullptr);

    const auto type = GENERATE(cancellation::cancellation_type::terminal, cancellation::cancellation_type::partial,
                               cancellation::cancellation_type::total, cancellation::cancellation_type::all);
    signal.emit(type);
    CHECK(session.cancelled == &w);
    CHECK_FALSE(outcome);
    context.poll();
    REQUIRE(outcome);
    CHECK(*outcome == net::error::operation_aborted);
    signal.emit(type);  // comes too late: the slot is empty
}

TEST_CASE_METHOD(fixture, "waiter_op: completed or destroyed, it leaves the cancellation slot", "[io][waiter]") {
    cancellation::cancellation_signal signal;
    const auto handler = cancellation::bind_cancellation_slot(signal.slot(), [](error_code) {});
    SECTION("completed") { make(handler).complete({}, {}); }
    SECTION("destroyed") { make(handler).destroy(); }
    CHECK_FALSE(signal.slot().has_handler());
    signal.emit(cancellation::cancellation_type::all);
    CHECK(session.cancelled == nullptr);
}

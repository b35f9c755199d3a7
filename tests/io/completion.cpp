// SPDX-License-Identifier: BSL-1.0

#include <weir/io/completion.hpp>

#include <weir/error.hpp>

#include WEIR_CANCELLATION(bind_cancellation_slot.hpp)
#include WEIR_ASIO(bind_executor.hpp)
#include WEIR_CANCELLATION(cancellation_signal.hpp)
#include WEIR_ASIO(error.hpp)
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
using weir::detail::completion_ptr;

/// As much of a client as a completion needs.
struct fixture {
    net::io_context context;
    completion_ptr<error_code, int> waiting;
    int cancelled = 0;

    template <class Handler>
    void keep(Handler handler) {
        waiting = weir::detail::keep_handler<error_code, int>(std::move(handler), context.get_executor(), [this] {
            ++cancelled;
            complete(waiting, net::error::operation_aborted, 0);
        });
    }
};

}  // namespace

TEST_CASE_METHOD(fixture, "completion: the handler is posted, never called from within", "[io][completion]") {
    std::optional<int> outcome;
    keep([&](error_code ec, int value) {
        CHECK_FALSE(ec);
        CHECK_FALSE(waiting);
        outcome = value;
    });
    complete(waiting, error_code{}, 7);
    CHECK_FALSE(waiting);
    CHECK_FALSE(outcome);
    context.poll();
    CHECK(outcome == 7);
    complete(waiting, error_code{}, 8);  // nothing waits: nothing happens
    context.restart();
    CHECK(context.poll() == 0);
}

TEST_CASE_METHOD(fixture, "completion: a handler may be moved only, and is destroyed uncalled", "[io][completion]") {
    auto life = std::make_shared<int>();
    const std::weak_ptr<int> watch = life;
    bool called = false;
    keep([&called, life = std::make_unique<std::shared_ptr<int>>(std::move(life))](error_code, int) { called = true; });
    CHECK_FALSE(watch.expired());
    waiting.reset();
    CHECK(watch.expired());
    context.poll();
    CHECK_FALSE(called);
}

TEST_CASE_METHOD(fixture, "completion: a kept handler is work for its own executor", "[io][completion]") {
    net::io_context other;
    bool called = false;
    keep(net::bind_executor(other.get_executor(), [&](error_code, int) { called = true; }));
    other.poll();
    CHECK_FALSE(other.stopped());
    complete(waiting, error_code{}, 0);
    context.poll();
    CHECK_FALSE(called);
    other.poll();
    CHECK(called);
    CHECK(other.stopped());
}

TEST_CASE_METHOD(fixture, "completion: the handler's allocator is used, its memory given back before the call",
                 "[io][completion]") {
    test::allocation_count count;
    std::optional<std::size_t> during;
    keep(test::with_allocator(count, [&](error_code, int) { during = count.live.load(); }));
    CHECK(count.total == 1);
    CHECK(count.live == 1);
    complete(waiting, error_code{}, 0);
    context.poll();
    CHECK(during == 0u);
}

TEST_CASE_METHOD(fixture, "completion: a cancellation signal reaches the owner, once", "[io][completion]") {
    cancellation::cancellation_signal signal;
    std::optional<error_code> outcome;
    keep(cancellation::bind_cancellation_slot(signal.slot(), [&](error_code ec, int) { outcome = ec; }));
    signal.emit(cancellation::cancellation_type::none);
    CHECK(cancelled == 0);
    signal.emit(cancellation::cancellation_type::total);
    CHECK(cancelled == 1);
    signal.emit(cancellation::cancellation_type::total);  // comes too late: the slot is empty
    CHECK(cancelled == 1);
    context.poll();
    REQUIRE(outcome);
    CHECK(*outcome == net::error::operation_aborted);
}

TEST_CASE_METHOD(fixture, "completion: completed or destroyed, it leaves the cancellation slot", "[io][completion]") {
    cancellation::cancellation_signal signal;
    keep(cancellation::bind_cancellation_slot(signal.slot(), [](error_code, int) {}));
    SECTION("completed") { complete(waiting, error_code{}, 0); }
    SECTION("destroyed") { waiting.reset(); }
    CHECK_FALSE(signal.slot().has_handler());
    signal.emit(cancellation::cancellation_type::all);
    CHECK(cancelled == 0);
}

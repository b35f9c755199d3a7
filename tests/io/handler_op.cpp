// SPDX-License-Identifier: BSL-1.0

#include <weir/io/handler_op.hpp>

#include WEIR_CANCELLATION(bind_cancellation_slot.hpp)
#include WEIR_CANCELLATION(cancellation_signal.hpp)
#include WEIR_ASIO(io_context.hpp)

#include <memory>
#include <utility>

#include "catch.hpp"
#include "support/counting_allocator.hpp"

// What operations make of it is in completion.cpp and waiter_op.cpp.

namespace {

namespace cancellation = weir::detail::cancellation;
namespace net = weir::net;
using executor = net::io_context::executor_type;

/// The smallest operation there is.
template <class Handler>
class operation : private weir::detail::handler_op<operation<Handler>, Handler, executor> {
    using base = weir::detail::handler_op<operation, Handler, executor>;

public:
    static operation& create(Handler handler, const executor& on, int& cancelled) {
        operation& op = base::make(std::move(handler), on);
        op.cancel_by([&cancelled] { ++cancelled; });
        return op;
    }
    Handler take() { return this->release().handler; }

private:
    friend base;
    using base::base;
    ~operation() = default;
};

template <class Handler>
operation<Handler>& start(Handler handler, net::io_context& context, int& cancelled) {
    return operation<Handler>::create(std::move(handler), context.get_executor(), cancelled);
}

}  // namespace

TEST_CASE("handler_op: the handler comes out as it went in, its memory given back, and its work ended",
          "[io][handler_op]") {
    net::io_context context;
    test::allocation_count count;
    int cancelled = 0;
    bool called = false;
    auto& op = start(test::with_allocator(count, [&] { called = true; }), context, cancelled);
    CHECK(count.live == 1);
    context.poll();
    CHECK_FALSE(context.stopped());
    auto handler = op.take();
    CHECK(count.live == 0);
    context.poll();
    CHECK(context.stopped());
    CHECK_FALSE(called);
    handler();
    CHECK(called);
}

TEST_CASE("handler_op: cancellation reaches the operation until it is released", "[io][handler_op]") {
    net::io_context context;
    cancellation::cancellation_signal signal;
    int cancelled = 0;
    auto& op = start(cancellation::bind_cancellation_slot(signal.slot(), [] {}), context, cancelled);
    signal.emit(cancellation::cancellation_type::none);
    CHECK(cancelled == 0);
    signal.emit(cancellation::cancellation_type::partial);
    CHECK(cancelled == 1);
    static_cast<void>(op.take());
    CHECK_FALSE(signal.slot().has_handler());
    signal.emit(cancellation::cancellation_type::all);
    CHECK(cancelled == 1);
}

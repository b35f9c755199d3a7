// SPDX-License-Identifier: BSL-1.0
#pragma once

// What operations have in common that keep a completion handler until they complete it. Layer: io.

#include <weir/config.hpp>

#include WEIR_ASIO(associated_allocator.hpp)
#include WEIR_CANCELLATION(associated_cancellation_slot.hpp)
#include WEIR_ASIO(associated_executor.hpp)
#include WEIR_CANCELLATION(cancellation_type.hpp)
#include WEIR_ASIO(executor_work_guard.hpp)

#include <memory>
#include <new>
#include <utility>

namespace weir::detail {

/// The base of `Op`, which lives in memory from the handler's allocator, counts as work of the handler's executor, and
/// is made by make() and ended by release(), by nothing else.
template <class Op, class Handler, class Executor>
class handler_op {
    using allocator = typename std::allocator_traits<net::associated_allocator_t<Handler>>::template rebind_alloc<Op>;
    using work = net::executor_work_guard<net::associated_executor_t<Handler, Executor>>;

protected:
    /// What is left of an operation: the handler, which has left its cancellation slot, and the work.
    struct released {
        Handler handler;
        Executor executor;
        work kept;
    };

    handler_op(Handler&& handler, const Executor& executor)
        : executor_(executor), work_(net::get_associated_executor(handler, executor)), handler_(std::move(handler)) {}
    ~handler_op() = default;

    static Op& make(Handler handler, const Executor& executor) {
        allocator memory{net::get_associated_allocator(handler)};
        Op* const place = std::allocator_traits<allocator>::allocate(memory, 1);
        return *::new (static_cast<void*>(place)) Op(std::move(handler), executor);
    }

    /// Has `cancel()` called when the handler's cancellation slot fires; it releases the operation, or leaves it.
    template <class Cancel>
    void cancel_by(Cancel cancel) {
        auto slot = cancellation::get_associated_cancellation_slot(handler_);
        if (!slot.is_connected()) return;
        slot.assign([cancel = std::move(cancel)](cancellation::cancellation_type type) mutable {
            if (type != cancellation::cancellation_type::none) cancel();
        });
    }

    /// Frees the memory before the handler is called, so that the handler's next operation can use it again.
    released release() noexcept {
        auto slot = cancellation::get_associated_cancellation_slot(handler_);
        if (slot.is_connected()) slot.clear();
        released left{std::move(handler_), executor_, std::move(work_)};
        allocator memory{net::get_associated_allocator(left.handler)};
        Op* const place = static_cast<Op*>(this);
        place->~Op();
        std::allocator_traits<allocator>::deallocate(memory, place, 1);
        return left;
    }

private:
    Executor executor_;
    work work_;
    Handler handler_;
};

}  // namespace weir::detail

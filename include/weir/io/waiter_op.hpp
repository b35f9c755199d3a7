// SPDX-License-Identifier: BSL-1.0
#pragma once

// Completion handlers: kept until a session completes them, posted with their own executor and allocator. Layer: io.

#include <weir/config.hpp>
#include <weir/session/inbox.hpp>
#include <weir/session/waiter.hpp>

#include WEIR_ASIO(associated_allocator.hpp)
#include WEIR_ASIO(associated_cancellation_slot.hpp)
#include WEIR_ASIO(associated_executor.hpp)
#include WEIR_ASIO(error.hpp)
#include WEIR_ASIO(executor_work_guard.hpp)
#include WEIR_ASIO(post.hpp)

#include <memory>
#include <tuple>
#include <type_traits>
#include <utility>

namespace weir::detail {

/// A handler with its arguments, as Asio wants to post it.
template <class Handler, class Executor, class... Args>
struct bound_completion {
    using allocator_type = net::associated_allocator_t<Handler>;
    using executor_type = net::associated_executor_t<Handler, Executor>;

    Handler handler;
    Executor executor;
    std::tuple<Args...> args;

    allocator_type get_allocator() const noexcept { return net::get_associated_allocator(handler); }
    executor_type get_executor() const noexcept { return net::get_associated_executor(handler, executor); }

    void operator()() { std::apply(std::move(handler), std::move(args)); }
};

/// Calls the handler soon, on its own executor, never from within. `executor`: the session's.
template <class Handler, class Executor, class... Args>
void post_completion(Handler handler, const Executor& executor, Args... args) {
    auto on = net::get_associated_executor(handler, executor);
    net::post(on, bound_completion<Handler, Executor, Args...>{std::move(handler), executor, {std::move(args)...}});
}

template <waiter::kind What>
using waiter_base = std::conditional_t<What == waiter::kind::receive, receive_waiter, waiter>;

/// A waiter made from a completion handler of signature void(error_code); void(error_code, error_code reason) for those
/// that wait for the end; void(error_code, std::optional<ws::message_view>) for those that wait for a message. Lives in
/// memory from the handler's allocator.
template <waiter::kind What, class Handler, class Executor>
class waiter_op final : public waiter_base<What> {
    using kind = waiter::kind;

public:
    /// `session`: what cancel() is called on, when the handler's cancellation slot fires.
    template <class Session>
    static waiter_op& create(Handler handler, const Executor& executor, Session& session) {
        auto slot = net::get_associated_cancellation_slot(handler);
        allocator memory{net::get_associated_allocator(handler)};
        waiter_op* op = std::allocator_traits<allocator>::allocate(memory, 1);
        op = ::new (static_cast<void*>(op)) waiter_op(std::move(handler), executor);
        if (slot.is_connected()) {
            slot.assign([&session, op](net::cancellation_type type) {
                if (type != net::cancellation_type::none) session.cancel(*op, net::error::operation_aborted);
            });
        }
        return *op;
    }

    void complete(error_code ec, error_code reason) noexcept override {
        Handler handler = take_handler();
        work work_kept = std::move(work_);
        const Executor executor = executor_;
        if constexpr (What == kind::receive) {
            const auto outcome = this->received;
            release(handler);
            post_completion(std::move(handler), executor, ec, outcome);
        } else if constexpr (What == kind::closed) {
            release(handler);
            post_completion(std::move(handler), executor, ec, reason);
        } else {
            release(handler);
            post_completion(std::move(handler), executor, ec);
        }
    }

    void destroy() noexcept override {
        Handler handler = take_handler();
        release(handler);
    }

private:
    using allocator =
        typename std::allocator_traits<net::associated_allocator_t<Handler>>::template rebind_alloc<waiter_op>;
    using work = net::executor_work_guard<net::associated_executor_t<Handler, Executor>>;

    waiter_op(Handler&& handler, const Executor& executor)
        : waiter_base<What>(What),
          executor_(executor),
          work_(net::get_associated_executor(handler, executor)),
          handler_(std::move(handler)) {}
    ~waiter_op() = default;

    Handler take_handler() noexcept {
        auto slot = net::get_associated_cancellation_slot(handler_);
        if (slot.is_connected()) slot.clear();
        return std::move(handler_);
    }

    // Frees this object before the handler runs, so that the handler's next operation can use the memory again.
    void release(Handler& handler) noexcept {
        allocator memory{net::get_associated_allocator(handler)};
        this->~waiter_op();
        std::allocator_traits<allocator>::deallocate(memory, this, 1);
    }

    Executor executor_;
    work work_;
    Handler handler_;
};

}  // namespace weir::detail

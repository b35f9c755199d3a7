// SPDX-License-Identifier: BSL-1.0
#pragma once

// Completion handlers: kept until a session completes them, posted with their own executor and allocator. Layer: io.

#include <weir/config.hpp>
#include <weir/io/handler_op.hpp>
#include <weir/session/inbox.hpp>
#include <weir/session/waiter.hpp>

#include WEIR_ASIO(associated_allocator.hpp)
#include WEIR_ASIO(associated_executor.hpp)
#include WEIR_ASIO(error.hpp)
#include WEIR_ASIO(post.hpp)

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
class waiter_op final : public waiter_base<What>,
                        private handler_op<waiter_op<What, Handler, Executor>, Handler, Executor> {
    using base = handler_op<waiter_op, Handler, Executor>;
    using kind = waiter::kind;

public:
    /// `session`: what cancel() is called on, when the handler's cancellation slot fires.
    template <class Session>
    static waiter_op& create(Handler handler, const Executor& executor, Session& session) {
        waiter_op& op = base::make(std::move(handler), executor);
        op.cancel_by([&session, &op] { session.cancel(op, net::error::operation_aborted); });
        return op;
    }

    void complete(error_code ec, error_code reason) noexcept override;
    void destroy() noexcept override;

private:
    friend base;

    waiter_op(Handler&& handler, const Executor& executor)
        : waiter_base<What>(What), base(std::move(handler), executor) {}
    ~waiter_op() = default;
};

template <waiter::kind What, class Handler, class Executor>
void waiter_op<What, Handler, Executor>::complete(error_code ec, error_code reason) noexcept {
    if constexpr (What == kind::receive) {
        const auto outcome = this->received;
        auto left = this->release();
        post_completion(std::move(left.handler), left.executor, ec, outcome);
    } else if constexpr (What == kind::closed) {
        auto left = this->release();
        post_completion(std::move(left.handler), left.executor, ec, reason);
    } else {
        auto left = this->release();
        post_completion(std::move(left.handler), left.executor, ec);
    }
}

template <waiter::kind What, class Handler, class Executor>
void waiter_op<What, Handler, Executor>::destroy() noexcept {
    static_cast<void>(this->release());
}

}  // namespace weir::detail

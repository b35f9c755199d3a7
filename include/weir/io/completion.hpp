// SPDX-License-Identifier: BSL-1.0
#pragma once

// A completion handler without its type, kept by a client until there is something to complete it with. Layer: io.

#include <weir/config.hpp>
#include <weir/io/waiter_op.hpp>

#include WEIR_ASIO(associated_allocator.hpp)
#include WEIR_ASIO(associated_cancellation_slot.hpp)
#include WEIR_ASIO(associated_executor.hpp)
#include WEIR_ASIO(cancellation_type.hpp)
#include WEIR_ASIO(executor_work_guard.hpp)

#include <memory>
#include <new>
#include <utility>

namespace weir::detail {

/// A handler of signature void(Args...). Owned by a completion_ptr.
template <class... Args>
class completion {
public:
    completion() = default;
    completion(const completion&) = delete;
    completion& operator=(const completion&) = delete;

    /// Posts the handler, never calls it from within, and ends this object's life.
    virtual void complete(Args... args) = 0;
    /// Ends this object's life without calling the handler.
    virtual void destroy() noexcept = 0;

protected:
    ~completion() = default;
};

struct destroy_completion {
    template <class... Args>
    void operator()(completion<Args...>* waiting) const noexcept {
        waiting->destroy();
    }
};

/// Destroys the handler, uncalled, unless it is completed before.
template <class... Args>
using completion_ptr = std::unique_ptr<completion<Args...>, destroy_completion>;

/// Completes what is waiting, if anything is: it is gone before the handler runs.
template <class... Args, class... Given>
void complete(completion_ptr<Args...>& waiting, Given&&... args) {
    if (waiting) waiting.release()->complete(std::forward<Given>(args)...);
}

/// Lives in memory from the handler's allocator, and counts as work of its executor.
template <class Handler, class Executor, class... Args>
class completion_op final : public completion<Args...> {
public:
    /// `on_cancel()` is called when the handler's cancellation slot fires; it completes the handler, or leaves it.
    template <class OnCancel>
    static completion_ptr<Args...> create(Handler handler, const Executor& executor, OnCancel on_cancel) {
        auto slot = net::get_associated_cancellation_slot(handler);
        allocator memory{net::get_associated_allocator(handler)};
        completion_op* op = std::allocator_traits<allocator>::allocate(memory, 1);
        op = ::new (static_cast<void*>(op)) completion_op(std::move(handler), executor);
        completion_ptr<Args...> made{op};
        if (slot.is_connected()) {
            slot.assign([cancel = std::move(on_cancel)](net::cancellation_type type) mutable {
                if (type != net::cancellation_type::none) cancel();
            });
        }
        return made;
    }

    void complete(Args... args) override {
        Handler handler = take_handler();
        work kept = std::move(work_);
        const Executor executor = executor_;
        release(handler);
        post_completion(std::move(handler), executor, std::move(args)...);
    }

    void destroy() noexcept override {
        Handler handler = take_handler();
        release(handler);
    }

private:
    using allocator =
        typename std::allocator_traits<net::associated_allocator_t<Handler>>::template rebind_alloc<completion_op>;
    using work = net::executor_work_guard<net::associated_executor_t<Handler, Executor>>;

    completion_op(Handler&& handler, const Executor& executor)
        : executor_(executor), work_(net::get_associated_executor(handler, executor)), handler_(std::move(handler)) {}
    ~completion_op() = default;

    Handler take_handler() noexcept {
        auto slot = net::get_associated_cancellation_slot(handler_);
        if (slot.is_connected()) slot.clear();
        return std::move(handler_);
    }

    // Frees this object before the handler runs, so that the handler's next operation can use the memory again.
    void release(Handler& handler) noexcept {
        allocator memory{net::get_associated_allocator(handler)};
        this->~completion_op();
        std::allocator_traits<allocator>::deallocate(memory, this, 1);
    }

    Executor executor_;
    work work_;
    Handler handler_;
};

/// Keeps a handler of signature void(Args...) for later.
template <class... Args, class Handler, class Executor, class OnCancel>
completion_ptr<Args...> keep_handler(Handler handler, const Executor& executor, OnCancel on_cancel) {
    return completion_op<Handler, Executor, Args...>::create(std::move(handler), executor, std::move(on_cancel));
}

}  // namespace weir::detail

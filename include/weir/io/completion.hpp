// SPDX-License-Identifier: BSL-1.0
#pragma once

// A completion handler without its type, kept by a client until there is something to complete it with. Layer: io.

#include <weir/config.hpp>
#include <weir/io/handler_op.hpp>
#include <weir/io/waiter_op.hpp>

#include <memory>
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

template <class Handler, class Executor, class... Args>
class completion_op final : public completion<Args...>,
                            private handler_op<completion_op<Handler, Executor, Args...>, Handler, Executor> {
    using base = handler_op<completion_op, Handler, Executor>;

public:
    /// `on_cancel()` is called when the handler's cancellation slot fires; it completes the handler, or leaves it.
    template <class OnCancel>
    static completion_ptr<Args...> create(Handler handler, const Executor& executor, OnCancel on_cancel) {
        completion_op& op = base::make(std::move(handler), executor);
        completion_ptr<Args...> made{&op};
        op.cancel_by(std::move(on_cancel));
        return made;
    }

    void complete(Args... args) override {
        auto left = this->release();
        post_completion(std::move(left.handler), left.executor, std::move(args)...);
    }
    void destroy() noexcept override { static_cast<void>(this->release()); }

private:
    friend base;

    completion_op(Handler&& handler, const Executor& executor) : base(std::move(handler), executor) {}
    ~completion_op() = default;
};

/// Keeps a handler of signature void(Args...) for later.
template <class... Args, class Handler, class Executor, class OnCancel>
completion_ptr<Args...> keep_handler(Handler handler, const Executor& executor, OnCancel on_cancel) {
    return completion_op<Handler, Executor, Args...>::create(std::move(handler), executor, std::move(on_cancel));
}

}  // namespace weir::detail

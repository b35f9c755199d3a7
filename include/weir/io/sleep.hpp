// SPDX-License-Identifier: BSL-1.0
#pragma once

// Waits for a point in time, on the loop's wheel. Layer: io.

#include <weir/config.hpp>
#include <weir/io/completion.hpp>
#include <weir/io/counted_ptr.hpp>
#include <weir/io/loop.hpp>
#include <weir/time.hpp>

#include WEIR_ASIO(any_io_executor.hpp)
#include WEIR_ASIO(async_result.hpp)
#include WEIR_ASIO(dispatch.hpp)
#include WEIR_ASIO(error.hpp)

#include <utility>

namespace weir::detail {

/// One wait. It keeps itself alive until it completes: the wheel does not own what is on it.
class sleeper final : public resident {
public:
    template <class Handler>
    static void start(Handler handler, const net::any_io_executor& executor, time_point until) {
        const counted_ptr<sleeper> self{new sleeper{executor}};
        self->waiting_ =
            keep_handler<error_code>(std::move(handler), executor, [sleeping = self.get()] { sleeping->cancel(); });
        self->add_reference();  // dropped by finish() or abandon()
        self->loop_.enter(*self);
        self->loop_.schedule(*self, until, executor);
    }

    void add_reference() noexcept { references_.add(); }
    void drop_reference() noexcept {
        if (references_.drop()) delete this;
    }

private:
    explicit sleeper(const net::any_io_executor& executor) : executor_(executor), loop_(loop::of(executor)) {}
    ~sleeper() override = default;

    bool retain() noexcept override { return references_.add_if_any(); }
    void expire() noexcept override {
        net::dispatch(executor_, [self = counted_ptr<sleeper>::adopt(this)] { self->finish({}); });
    }
    // The context is being destroyed.
    void abandon() noexcept override {
        const auto self = counted_ptr<sleeper>::adopt(this);
        loop_.cancel(*this);
        waiting_.reset();
    }

    void cancel() {
        loop_.cancel(*this);
        finish(net::error::operation_aborted);
    }

    // It may come to both an end and a cancellation.
    void finish(error_code ec) {
        if (!waiting_) return;
        const auto self = counted_ptr<sleeper>::adopt(this);
        loop_.leave(*this);
        complete(waiting_, ec);
    }

    net::any_io_executor executor_;
    loop& loop_;
    reference_count references_;
    completion_ptr<error_code> waiting_;
};

/// Waits until it is `until`; `never`: until it is cancelled.
/// Signature     void(error_code)
/// Completes     when the loop's clock has reached that time, at once if it has
/// Errors        net::error::operation_aborted
/// Cancellation  total, and on the executor, which may be a strand
template <class Token>
auto async_sleep_until(const net::any_io_executor& executor, time_point until, Token&& token) {
    return net::async_initiate<Token, void(error_code)>(
        [](auto handler, const net::any_io_executor& on, time_point at) { sleeper::start(std::move(handler), on, at); },
        token, executor, until);
}

}  // namespace weir::detail

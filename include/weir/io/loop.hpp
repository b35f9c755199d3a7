// SPDX-License-Identifier: BSL-1.0
#pragma once

// One timer wheel per execution context, driven by one Asio timer. Layer: io.

#include <weir/config.hpp>
#include <weir/session/wheel.hpp>
#include <weir/time.hpp>

#include WEIR_ASIO(any_io_executor.hpp)
#include WEIR_ASIO(basic_waitable_timer.hpp)
#include WEIR_ASIO(execution_context.hpp)
#include WEIR_ASIO(query.hpp)

#include <mutex>
#include <optional>

namespace weir::detail {

/// Something with a deadline that may be destroyed by another thread while the deadline passes.
class timed : public wheel_entry {
public:
    /// Takes a reference, so that expire() finds the object alive. False: it is being destroyed.
    virtual bool retain() noexcept = 0;
    /// The deadline has passed. Gives the reference back. Called on any thread that runs the context.
    virtual void expire() noexcept = 0;

protected:
    ~timed() = default;
};

/// The deadlines of an execution context. Thread-safe: a context may be run by several threads.
class loop final : public net::execution_context::service {
public:
    using key_type = loop;
    inline static net::execution_context::id id;

    explicit loop(net::execution_context& context)
        : net::execution_context::service(context), wheel_(clock::now()) {}

    /// The loop of the context that an executor runs on.
    template <class Executor>
    static loop& of(const Executor& executor) {
        if constexpr (net::can_query_v<const Executor&, net::execution::context_t>) {
            return net::use_service<loop>(net::query(executor, net::execution::context));
        } else {
            return net::use_service<loop>(executor.context());
        }
    }

    time_point now() const noexcept { return manual_now_ ? *manual_now_ : clock::now(); }

    /// Sets the entry's deadline, replacing the one it had; `never` cancels. The first caller's executor runs the timer.
    template <class Executor>
    void schedule(timed& entry, time_point at, const Executor& executor) {
        const std::lock_guard lock{mutex_};
        wheel_.schedule(entry, at);
        if (at >= armed_ || manual_now_ || stopped_) return;
        if (!timer_) timer_.emplace(net::any_io_executor{executor});
        arm(at);
    }

    void cancel(timed& entry) noexcept {
        const std::lock_guard lock{mutex_};
        wheel_.cancel(entry);
    }

    /// Virtual time, for tests and simulations: from now on the clock stands at `at` until it is moved on by
    /// advance_to(). Call before anything is scheduled.
    void stop_clock(time_point at) { manual_now_ = at; }

    /// Moves virtual time on, deadline by deadline.
    void advance_to(time_point to) {
        while (true) {
            const time_point next = next_due();
            if (next > to) break;
            if (next > *manual_now_) manual_now_ = next;
            expire_due();
        }
        manual_now_ = to;
    }

    /// The next deadline, or a little before it; `never` if there is none.
    time_point next_due() noexcept {
        const std::lock_guard lock{mutex_};
        return wheel_.next_due();
    }

private:
    using timer = net::basic_waitable_timer<clock, net::wait_traits<clock>, net::any_io_executor>;

    void shutdown() noexcept override {
        const std::lock_guard lock{mutex_};
        stopped_ = true;
        timer_.reset();
    }

    // With the mutex held.
    void arm(time_point at) {
        armed_ = at;
        timer_->expires_at(at);
        timer_->async_wait([this](error_code ec) {
            if (!ec) on_timer();
        });
    }

    void on_timer() {
        expire_due();
        const std::lock_guard lock{mutex_};
        armed_ = wheel_.next_due();
        if (armed_ != never && !stopped_) arm(armed_);
    }

    void expire_due() {
        const time_point until = now();
        while (timed* entry = take_due(until)) entry->expire();
    }

    timed* take_due(time_point until) noexcept {
        const std::lock_guard lock{mutex_};
        while (wheel_entry* entry = wheel_.pop_due(until)) {
            auto* due = static_cast<timed*>(entry);
            if (due->retain()) return due;
        }
        return nullptr;
    }

    std::mutex mutex_;
    wheel wheel_;
    std::optional<timer> timer_;
    std::optional<time_point> manual_now_;
    time_point armed_ = never;
    bool stopped_ = false;
};

}  // namespace weir::detail

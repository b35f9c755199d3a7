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

#include <cstddef>
#include <mutex>
#include <optional>
#include <utility>

namespace weir::detail {

/// Something with a deadline that may be destroyed by another thread while the deadline passes.
class timed : public wheel_entry {
public:
    /// Takes a reference, so that expire() finds the object alive. False: it is being destroyed.
    virtual bool retain() noexcept = 0;
    /// The deadline has passed. Gives the reference back. Called on any thread that runs the context.
    virtual void expire() noexcept = 0;

protected:
    virtual ~timed() = default;
};

/// Something that keeps completion handlers, which may own what keeps it alive: a coroutine that waits for its own
/// session. The context breaks that circle when it is destroyed, as it does for operations of its own.
class resident : public timed {
public:
    /// The context is being destroyed: destroys the handlers uncalled.
    virtual void abandon() noexcept = 0;

protected:
    ~resident() override = default;

private:
    friend class loop;

    resident* next_ = nullptr;
    resident* previous_ = nullptr;
};

/// The deadlines of an execution context. Thread-safe: a context may be run by several threads.
class loop final : public net::execution_context::service {
public:
    using key_type = loop;
    inline static net::execution_context::id id;

    explicit loop(net::execution_context& context) : net::execution_context::service(context), wheel_(clock::now()) {}

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

    /// Sets the entry's deadline, replacing the one it had; `never` cancels. The first caller's executor runs the
    /// timer.
    template <class Executor>
    void schedule(timed& entry, time_point at, const Executor& executor) {
        const std::lock_guard lock{mutex_};
        remove(entry);
        if (at != never) ++scheduled_;
        wheel_.schedule(entry, at);
        if (at >= armed_ || manual_now_ || stopped_) return disarm_if_empty();
        if (!timer_) timer_.emplace(net::any_io_executor{executor});
        arm(at);
    }

    void cancel(timed& entry) noexcept {
        const std::lock_guard lock{mutex_};
        remove(entry);
        disarm_if_empty();
    }

    void enter(resident& entry) noexcept {
        const std::lock_guard lock{mutex_};
        entry.next_ = residents_;
        if (residents_ != nullptr) residents_->previous_ = &entry;
        residents_ = &entry;
    }

    void leave(resident& entry) noexcept {
        const std::lock_guard lock{mutex_};
        unlink(entry);
    }

    /// Virtual time, for tests and simulations: from now on the clock stands at `at`, which is not before this loop was
    /// made, until it is moved on by advance_to(). Call before anything is scheduled.
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
        std::unique_lock lock{mutex_};
        stopped_ = true;
        timer_.reset();
        while (resident* const entry = residents_) {
            unlink(*entry);
            lock.unlock();
            entry->abandon();
            lock.lock();
        }
    }

    // The functions from here to on_timer() are called with the mutex held.

    void unlink(resident& entry) noexcept {
        if (entry.next_ != nullptr) entry.next_->previous_ = entry.previous_;
        if (entry.previous_ != nullptr) entry.previous_->next_ = entry.next_;
        if (residents_ == &entry) residents_ = entry.next_;
        entry.next_ = entry.previous_ = nullptr;
    }

    void remove(timed& entry) noexcept {
        if (!entry.scheduled()) return;
        wheel_.cancel(entry);
        --scheduled_;
    }

    // A timer that waits for nothing would keep the context's run() from returning.
    void disarm_if_empty() noexcept {
        if (scheduled_ != 0 || std::exchange(armed_, never) == never) return;
        if (timer_) timer_->cancel();
    }

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
            --scheduled_;
            auto* due = static_cast<timed*>(entry);
            if (due->retain()) return due;
        }
        return nullptr;
    }

    std::mutex mutex_;
    wheel wheel_;
    std::optional<timer> timer_;
    std::optional<time_point> manual_now_;
    resident* residents_ = nullptr;
    std::size_t scheduled_ = 0;  // entries in the wheel
    time_point armed_ = never;   // what the timer waits for
    bool stopped_ = false;
};

}  // namespace weir::detail

// SPDX-License-Identifier: BSL-1.0
#pragma once

// One timer wheel per execution context, driven by one Asio timer. Layer: io.

#include <weir/config.hpp>
#include <weir/session/wheel.hpp>
#include <weir/time.hpp>

#include WEIR_ASIO(any_io_executor.hpp)
#include WEIR_ASIO(execution_context.hpp)
#include WEIR_ASIO(query.hpp)

#include <cstddef>
#include <memory>
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

    explicit loop(net::execution_context& context);
    ~loop();

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
        if (!put(entry, at)) return;
        if (!timer_) make_timer(net::any_io_executor{executor});
        arm(at);
    }

    void cancel(timed& entry) noexcept;
    void enter(resident& entry) noexcept;
    void leave(resident& entry) noexcept;

    /// Virtual time, for tests and simulations: from now on the clock stands at `at`, which is not before this loop was
    /// made, until it is moved on by advance_to(). Call before anything is scheduled.
    void stop_clock(time_point at) { manual_now_ = at; }

    /// Moves virtual time on, deadline by deadline.
    void advance_to(time_point to);

    /// The next deadline, or a little before it; `never` if there is none.
    time_point next_due() noexcept;

private:
    struct timer;

    void shutdown() noexcept override;

    // The functions from here to arm() are called with the mutex held.

    bool put(timed& entry, time_point at);  // true: the timer has to be set
    void unlink(resident& entry) noexcept;
    void remove(timed& entry) noexcept;
    void disarm_if_empty() noexcept;
    void make_timer(const net::any_io_executor& executor);
    void arm(time_point at);

    void on_timer();
    void expire_due();
    timed* take_due(time_point until) noexcept;

    std::mutex mutex_;
    wheel wheel_;
    std::unique_ptr<timer> timer_;
    std::optional<time_point> manual_now_;
    resident* residents_ = nullptr;
    std::size_t scheduled_ = 0;  // entries in the wheel
    time_point armed_ = never;   // what the timer waits for
    bool stopped_ = false;
};

}  // namespace weir::detail

#include WEIR_BODIES(weir/io/loop.ipp)

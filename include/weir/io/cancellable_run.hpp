// SPDX-License-Identifier: BSL-1.0
#pragma once

// Runs a coroutine that can be stopped: from outside, and when its time is up. Layer: io.

#include <weir/config.hpp>
#include <weir/error.hpp>
#include <weir/exceptions.hpp>
#include <weir/io/completion.hpp>
#include <weir/io/counted_ptr.hpp>
#include <weir/io/loop.hpp>
#include <weir/io/transport.hpp>
#include <weir/time.hpp>

#include WEIR_ASIO(any_io_executor.hpp)
#include WEIR_ASIO(async_result.hpp)
#include WEIR_ASIO(awaitable.hpp)
#include WEIR_CANCELLATION(bind_cancellation_slot.hpp)
#include WEIR_CANCELLATION(cancellation_signal.hpp)
#include WEIR_CANCELLATION(cancellation_type.hpp)
#include WEIR_ASIO(co_spawn.hpp)
#include WEIR_ASIO(dispatch.hpp)
#include WEIR_ASIO(error.hpp)
#include WEIR_ASIO(this_coro.hpp)

#include <exception>
#include <utility>

namespace weir::detail {

/// What an exception that left an operation means: nothing but a system_error tells.
inline error_code code_of(const std::exception_ptr& thrown) noexcept {
    if (!thrown) return {};
    error_code ec = net::error::no_memory;  // or threads, to resolve with
    look_at<system_error>(thrown, [&](const system_error& failure) { ec = failure.code(); });
    return ec;
}

/// Lets a coroutine be stopped. With Asio's cancellation slots that happens by itself; without them the coroutine
/// announces each wait by step(), and a stream that it waits for by by_closing(): nothing else is interrupted. Valid as
/// long as the coroutine.
class interruption {
public:
    interruption() noexcept = default;  ///< by nobody
    interruption(cancellation::cancellation_slot slot, const error_code& reason) noexcept
        : slot_(slot), reason_(&reason) {}

    /// The token for an operation of this library's that is to be awaited. Throws if the coroutine has been stopped
    /// before, as Asio does where it waits.
    template <class Token>
    auto step(Token token) {
        if constexpr (has_cancellation) {
            return token;
        } else {
            check();
            return cancellation::bind_cancellation_slot(slot_, std::move(token));
        }
    }

    /// From here on, stopping closes `stream`; with cancellation slots it has no need to.
    template <class Stream>
    void by_closing(Stream& stream) {
        if constexpr (!has_cancellation) {
            check();
            if (slot_.is_connected()) slot_.assign([&stream](auto) { close_stream(stream); });
        }
    }

private:
    void check() const {
        if (reason_ != nullptr && *reason_) raise(system_error{*reason_});
    }

    cancellation::cancellation_slot slot_;
    const error_code* reason_ = nullptr;
};

/// One coroutine at a time. Everything happens on one executor, which may be a strand. A run that has begun goes on
/// when this object is destroyed, and cannot be stopped any more.
class cancellable_run {
public:
    cancellable_run() = default;
    cancellable_run(const cancellable_run&) = delete;
    cancellable_run& operator=(const cancellable_run&) = delete;

    /// Runs `work(interruption)`, a net::awaitable<error_code>; not while another runs. `limit`: zero means none.
    /// Signature     void(error_code)
    /// Completes     when the coroutine has come to its end, whatever ended it
    /// Errors        what the coroutine returned; `too_late` if the limit has passed; what cancel() was given; the code
    ///               of a system_error that it threw, and no_memory for anything else
    /// Cancellation  as cancel()
    template <class Work, class Token>
    auto async_run(const net::any_io_executor& executor, Work work, milliseconds limit, error too_late, Token&& token) {
        return net::async_initiate<Token, void(error_code)>(
            [](auto handler, cancellable_run* self, net::any_io_executor on, Work what, milliseconds within,
               error otherwise) {
                self->current_ = counted_ptr<run>{new run{on, otherwise}};
                auto* const started = self->current_.get();
                auto done = keep_handler<error_code>(std::move(handler), on,
                                                     [started] { started->stop(net::error::operation_aborted); });
                run_end end{counted_ptr<run>{started}, std::move(done)};
                started->wait(within);
                auto steps = what(interruption{started->signal.slot(), started->reason});
                net::co_spawn(on, perform(*started, std::move(steps)), std::move(end));
            },
            token, this, executor, std::move(work), limit, too_late);
    }

    /// Until the coroutine has come to its end; the handler is told after that.
    bool is_running() const noexcept { return current_ && !current_->over; }

    /// Stops what is running: it completes with `why`, whatever it comes to.
    void cancel(error_code why = net::error::operation_aborted) {
        if (const auto running = current_) running->stop(why);
    }

private:
    struct run final : timed {
        run(net::any_io_executor on, error otherwise)
            : executor(std::move(on)), loop(detail::loop::of(executor)), too_late(otherwise) {}

        void add_reference() noexcept { references.add(); }
        void drop_reference() noexcept {
            if (references.drop()) delete this;
        }
        bool retain() noexcept override { return references.add_if_any(); }
        void expire() noexcept override {
            net::dispatch(executor, [self = counted_ptr<run>::adopt(this)] { self->stop(self->too_late); });
        }

        void wait(milliseconds limit) {
            if (limit != limit.zero()) loop.schedule(*this, later(loop.now(), limit), executor);
        }
        void stop(error_code why) {
            if (over || reason) return;
            reason = why;
            loop.cancel(*this);
            if (at_work) signal.emit(cancellation::cancellation_type::terminal);
        }
        void end() noexcept {
            if (!std::exchange(over, true)) loop.cancel(*this);
        }

        net::any_io_executor executor;
        detail::loop& loop;
        const error too_late;
        reference_count references;
        cancellation::cancellation_signal signal;
        error_code reason;     // why it was stopped
        bool at_work = false;  // the coroutine has begun, and has not come to its end
        bool over = false;
    };

    // What co_spawn() does before and after the work is not to be cancelled: until Asio 1.30 that would throw out of
    // the context's run(), and the handler would never be called.
    static net::awaitable<error_code> perform(run& started, net::awaitable<error_code> work) {
        if (started.reason) co_return started.reason;
        error_code ec;
        started.at_work = true;
        WEIR_TRY { ec = co_await std::move(work); }
        WEIR_CATCH_ALL { ec = code_of(std::current_exception()); }
        started.at_work = false;
        co_await cancellation::this_coro::throw_if_cancelled(false);
        co_return ec;
    }

    // What the coroutine completes; destroyed with it if its context is. Nothing but the coroutine owns the handler.
    struct run_end {
        using cancellation_slot_type = cancellation::cancellation_slot;

        run_end(counted_ptr<run> of, completion_ptr<error_code> whom) : ended(std::move(of)), done(std::move(whom)) {}
        run_end(run_end&&) noexcept = default;
        ~run_end() {
            if (ended) ended->end();
        }

        cancellation_slot_type get_cancellation_slot() const noexcept { return ended->signal.slot(); }

        void operator()(const std::exception_ptr& thrown, error_code ec) {
            ended->end();
            if (thrown) ec = code_of(thrown);
            if (ended->reason) ec = ended->reason;
            complete(done, ec);
        }

        counted_ptr<run> ended;
        completion_ptr<error_code> done;
    };

    counted_ptr<run> current_;
};

}  // namespace weir::detail

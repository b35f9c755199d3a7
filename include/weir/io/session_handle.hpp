// SPDX-License-Identifier: BSL-1.0
#pragma once

// What the handles of all sessions have in common: waiting for one, ending it, looking at it. Layer: io.

#include <weir/config.hpp>
#include <weir/error.hpp>
#include <weir/io/counted_ptr.hpp>
#include <weir/io/default_token.hpp>
#include <weir/io/waiter_op.hpp>
#include <weir/session/session_host.hpp>
#include <weir/session/session_writer.hpp>
#include <weir/session/waiter.hpp>
#include <weir/time.hpp>
#include <weir/ws/message.hpp>

#include WEIR_ASIO(any_io_executor.hpp)
#include WEIR_ASIO(async_result.hpp)
#include WEIR_ASIO(use_awaitable.hpp)

#include <optional>
#include <utility>

namespace weir::detail {

/// The base of sse_stream and ws_stream. `Core` is a stream_session.
template <class Core>
class session_handle {
public:
    /// For those who build on this library.
    using core_type = Core;
    /// The stream's executor: every call comes from it, and handlers run on it unless they have one of their own.
    using executor_type = typename Core::executor_type;
    /// What operations complete with if no token is given: a coroutine waits.
    using default_token = detail::default_token<executor_type>;

    /// Where handlers are called.
    executor_type get_executor() const noexcept { return core_->get_executor(); }
    /// The stream underneath, for its addresses and options. Reading, writing or closing it breaks the session.
    auto& stream() const noexcept { return core_->stream(); }

    /// Waits until nothing is left to write.
    /// Signature     void(error_code)
    /// Completes     when the transport has taken everything sent so far, async_send included
    /// Errors        the reason why the session ended before that
    /// Cancellation  total
    template <class Token = default_token>
    auto async_drained(Token&& token = {}) {
        return net::async_initiate<Token, void(error_code)>(
            [](auto handler, core_ptr core) {
                core->start_drained(core->template make_waiter<waiter::kind::drained>(std::move(handler)));
            },
            token, core_);
    }

    /// Waits for the end of the session. A peer that goes away is noticed at once, not at the next write.
    /// Signature     void(error_code, error_code reason)
    /// Completes     when the connection is closed. `reason`: none after close(), and after a WebSocket's close frames
    ///               whoever began; error::closed after abort(); error::peer_closed; error::stalled,
    ///               error::unresponsive, error::slow_reader, error::expired, error::draining; a fault of the peer's;
    ///               error::close_timed_out; the refusal; or what the stream reported
    /// Errors        operation_aborted only
    /// Cancellation  total
    template <class Token = default_token>
    auto async_closed(Token&& token = {}) {
        return net::async_initiate<Token, void(error_code, error_code)>(
            [](auto handler, core_ptr core) {
                core->start_closed(core->template make_waiter<waiter::kind::closed>(std::move(handler)));
            },
            token, core_);
    }

    /// Pauses the caller, for as long as there is somebody to send to. Needs no timer.
    /// Signature     void(error_code)
    /// Completes     after `time`
    /// Errors        the reason why the session ended before that
    /// Cancellation  total
    template <class Token = default_token>
    auto async_sleep(duration time, Token&& token = {}) {
        return net::async_initiate<Token, void(error_code)>(
            [time](auto handler, core_ptr core) {
                auto& sleeper = core->template make_waiter<waiter::kind::sleep>(std::move(handler));
                sleeper.deadline = later(core->now(), time);
                core->start_sleep(sleeper);
            },
            token, core_);
    }

    /// Ends the connection now; what waits is lost.
    void abort() noexcept { core_->terminate(error::closed); }

    /// Ends the session as close() does when `life` has passed, a WebSocket with 1001 (going away): for tokens that
    /// expire, and so that connections spread over new servers. Replaces the time given before.
    void expires_after(duration life) { core_->expire_at(later(core_->now(), life)); }

    /// Whether anything may be sent.
    bool is_open() const noexcept { return core_ && core_->state() == phase::open; }
    /// What it has done so far, and what waits.
    session_stats stats() const noexcept { return core_->stats(); }

protected:
    using core_ptr = counted_ptr<Core>;

    explicit session_handle(core_ptr core) noexcept : core_(std::move(core)) {}
    session_handle(session_handle&&) noexcept = default;
    session_handle& operator=(session_handle&&) noexcept = default;
    ~session_handle() = default;

    /// Waits until the answer to a handshake is written, or tells of the refusal.
    template <class Token>
    auto async_answered(error refusal, Token& token) {
        return net::async_initiate<Token, void(error_code)>(
            [refusal](auto handler, core_ptr core) {
                if (refusal != error::none) {
                    return post_completion(std::move(handler), core->get_executor(), make_error_code(refusal));
                }
                core->start_drained(core->template make_waiter<waiter::kind::drained>(std::move(handler)));
            },
            token, core_);
    }

    core_ptr core_;

private:
    template <class Any>
    friend Any* core_of(const session_handle<Any>& handle) noexcept;
    template <class Any>
    friend void release(session_handle<Any>& handle) noexcept;
};

/// For what works on sessions of any kind. Null for a handle that was moved from.
template <class Core>
Core* core_of(const session_handle<Core>& handle) noexcept {
    return handle.core_.get();
}
/// Leaves the handle as one that was moved from, and its reference to whoever has taken it over.
template <class Core>
void release(session_handle<Core>& handle) noexcept {
    static_cast<void>(handle.core_.release());
}

/// The handler with which a coroutine waits for an operation that completes with these.
template <class... Args>
using coroutine_handler = typename net::async_result<net::use_awaitable_t<>, void(Args...)>::handler_type;

WEIR_COMPILED_ONCE(class waiter_op<waiter::kind::send, coroutine_handler<error_code>, net::any_io_executor>);
WEIR_COMPILED_ONCE(class waiter_op<waiter::kind::drained, coroutine_handler<error_code>, net::any_io_executor>);
WEIR_COMPILED_ONCE(class waiter_op<waiter::kind::sleep, coroutine_handler<error_code>, net::any_io_executor>);
WEIR_COMPILED_ONCE(class waiter_op<waiter::kind::ended, coroutine_handler<error_code>, net::any_io_executor>);
WEIR_COMPILED_ONCE(
    class waiter_op<waiter::kind::closed, coroutine_handler<error_code, error_code>, net::any_io_executor>);
WEIR_COMPILED_ONCE(
    class waiter_op<waiter::kind::receive, coroutine_handler<error_code, std::optional<ws::message_view>>,
                    net::any_io_executor>);

}  // namespace weir::detail

#include WEIR_BODIES(weir/io/session_handle.ipp)

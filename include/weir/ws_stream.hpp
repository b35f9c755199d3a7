// SPDX-License-Identifier: BSL-1.0
#pragma once

// WebSocket on a stream of your own, as server or as client. Layer: public. RFC 6455, RFC 7692

#include <weir/config.hpp>
#include <weir/error.hpp>
#include <weir/http/request_view.hpp>
#include <weir/io/session_handle.hpp>
#include <weir/io/waiter_op.hpp>
#include <weir/io/ws_core.hpp>
#include <weir/io/ws_opening.hpp>
#include <weir/policy/policy_set.hpp>
#include <weir/ws/close_code.hpp>
#include <weir/ws/handshake.hpp>
#include <weir/ws/message.hpp>
#include <weir/ws/prepared_message.hpp>

#include WEIR_WS_REQUEST_READER

#include WEIR_ASIO(async_result.hpp)

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace weir {

/// See ws::accept_options.
using ws_accept_options = ws::accept_options;
/// See ws::prepared_message.
using ws_prepared_message = ws::prepared_message;
/// What a session calls by itself: on_message(ws_message) for every message, on_pong(std::string_view payload), and
/// on_drained() whenever everything sent has been written. Each may be empty. They run on the session's executor, may
/// call anything, and are destroyed when the session has ended or its handle is destroyed; after that none is called.
/// An exception that leaves one ends the session and goes to whoever runs the executor.
using ws_handlers = detail::ws_handlers;

/// One WebSocket on `Stream`: any Asio stream, with the fast path of direct_stream where it has one.
///
///     weir::ws_stream ws{std::move(socket), weir::keep_latest{}, weir::ping_every{20s, 10s}};
///     if (ws.accept(request) != weir::error::none) co_return;      // the refusal is already on its way
///     while (auto message = co_await ws.async_receive())           // empty once the peer closed in good order
///         co_await ws.async_send(*message);
///
/// Policies are recognised by the concept they satisfy, in any order; the defaults are wait, ping_every, stall_after,
/// plain_frames and no_observer. Sending is always legal: nothing has to complete first, and a full outbox is the
/// backpressure policy's decision. What is sent within one turn of the event loop leaves in one write.
///
/// Pings are answered, pongs awaited and close frames exchanged whether or not the application receives. What it does
/// not take makes the peer wait once 64 KiB or 256 messages are there; the peer's control frames behind them wait, too.
/// What the peer sent before its close frame can be received, and answered, before the session ends.
///
/// A movable handle. Destroying it closes the connection as close() does, in the background. A stream that was moved
/// from refuses to send and may be assigned to or destroyed, no more. Not thread-safe: every call comes from the
/// stream's executor (post to it from elsewhere); different sessions are independent. Handlers are never called from
/// within a member function. As with all I/O objects, no handle may outlive its execution context; a handler that still
/// waits when the context is destroyed, a suspended coroutine included, is destroyed uncalled.
template <class Stream, class... Policies>
class ws_stream : public detail::session_handle<detail::ws_core<Stream, Policies...>> {
    using base = detail::session_handle<detail::ws_core<Stream, Policies...>>;
    using base::core_;
    using typename base::core_ptr;

public:
    using typename base::core_type;
    using typename base::default_token;
    using typename base::executor_type;

    /// Takes over a stream: connected, unless async_connect() is to do that.
    explicit ws_stream(Stream stream, Policies... policies)
        : base(core_ptr{new owned_core(std::move(stream), policy_set<Policies...>{std::move(policies)...})}) {}
    /// Takes over a session that lives already; for servers built on this library.
    explicit ws_stream(detail::counted_ptr<core_type> core) noexcept : base(std::move(core)) {}

    ws_stream(ws_stream&&) noexcept = default;
    /// Ends what this handle has, and takes over what the other has.
    ws_stream& operator=(ws_stream&& other) noexcept {
        if (this == &other) return *this;
        leave();
        core_ = std::move(other.core_);
        return *this;
    }
    /// As close(); no handler is called any more.
    ~ws_stream() { leave(); }

    // ---- beginning ----

    /// Sets what is not the default. Before the session begins.
    void limits(const ws_limits& limits) { core_->limits(limits); }

    /// Answers the request: with a 101, after which messages may be sent, or with a refusal, after which the connection
    /// is ended in the background and the reason returned. `received`: what was read behind the request's head.
    /// Errors    those of ws::handshake; error::closed if the session has begun already
    /// Lifetime  everything is read before this returns
    [[nodiscard]] error accept(const request_view& request, const ws_accept_options& options = {},
                               std::string_view received = {}) {
        return core_->accept(request, options, received);
    }

    /// As accept(), and waits until the answer is written.
    /// Signature     void(error_code)
    /// Completes     when the transport has taken the answer
    /// Errors        those of accept() and of the stream
    /// Cancellation  total: only the waiting ends, the answer stays
    template <class Token = default_token>
    auto async_accept(const request_view& request, const ws_accept_options& options = {},
                      std::string_view received = {}, Token&& token = {}) {
        return this->template async_answered<Token>(core_->accept(request, options, received), token);
    }

    /// Reads the request's head from the stream, and answers it.
    /// Signature     void(error_code)
    /// Completes     when the session has begun
    /// Errors        those of http::request_parser and of ws::handshake, and error::request_timed_out after `timeout`
    ///               (zero: none), which the client is told of; those of the stream; error::closed
    /// Cancellation  terminal: the connection is closed
    /// Lifetime      what `options` refer to is needed until the end
    template <class Token = default_token>
    auto async_accept(const ws_accept_options& options = {}, milliseconds timeout = milliseconds{10'000},
                      Token&& token = {}) {
        return net::async_initiate<Token, void(error_code)>(
            [](auto handler, core_ptr core, ws_accept_options how, milliseconds limit) {
                detail::run_opening(std::move(handler), core, detail::open_as_server(core, how, limit));
            },
            token, core_, options, timeout);
    }

    /// Asks the server at the other end of the stream for a WebSocket. `authority`: host and port, for the Host field;
    /// `target`: path and query.
    /// Signature     void(error_code)
    /// Completes     when the session has begun
    /// Errors        error::bad_argument; those of http::response_parser, of ws::check_response and of the stream;
    ///               error::handshake_timed_out; error::closed. The connection is closed then.
    /// Cancellation  terminal: the connection is closed
    template <class Token = default_token>
    auto async_handshake(std::string authority, std::string target, ws_connect_options options = {},
                         Token&& token = {}) {
        return net::async_initiate<Token, void(error_code)>(
            [](auto handler, core_ptr core, std::string host, std::string path, ws_connect_options how) {
                detail::run_opening(std::move(handler), core,
                                    detail::open_as_client(core, std::move(host), std::move(path), std::move(how)));
            },
            token, core_, std::move(authority), std::move(target), std::move(options));
    }

    /// Resolves the host of a ws:// or wss:// URL, connects, does the TLS handshake if the stream has one, and asks for
    /// a WebSocket. What TLS needs to know beforehand, the server's name above all, is set on the stream.
    /// As async_handshake(), and the errors of resolving and connecting; error::bad_argument also for a wss:// URL on a
    /// stream without TLS.
    template <class Token = default_token>
    auto async_connect(std::string url, ws_connect_options options = {}, Token&& token = {}) {
        return net::async_initiate<Token, void(error_code)>(
            [](auto handler, core_ptr core, std::string address, ws_connect_options how) {
                detail::run_opening(std::move(handler), core,
                                    detail::connect_as_client(core, std::move(address), std::move(how)));
            },
            token, core_, std::move(url), std::move(options));
    }

    /// Begins without a handshake, where somebody else has done it. `received`: what came behind it.
    /// Errors: error::closed if the session has begun already.
    error begin(ws::role self, std::string_view received = {},
                const std::optional<ws::deflate_agreement>& deflate = std::nullopt) {
        return core_->begin(self, deflate, {}, received);
    }

    // ---- receiving ----

    /// Waits for the next message.
    /// Signature     void(error_code, std::optional<ws_message>)
    /// Completes     with a message; empty: the connection was closed in good order
    /// Errors        the reason why the session ended: a fault of the peer's (error::bad_utf8, ...), error::peer_closed
    ///               without a close frame, error::unresponsive, ...; error::already_receiving, error::not_accepted
    /// Cancellation  total: no message is lost
    /// Lifetime      the message is valid until the next receive, handle_with(), or the end of this handle
    template <class Token = default_token>
    auto async_receive(Token&& token = {}) {
        return receive(false, std::forward<Token>(token));
    }

    /// As async_receive(), for messages of any size: completes with the next piece as it comes, `last()` with the
    /// message. From here on, until async_receive() is called, messages are read in pieces; what has come whole before
    /// is one piece. What is left of a message that async_receive() finds begun is skipped. Behind the end of a message
    /// that was read in pieces nothing is read, no ping either, until the next receive.
    template <class Token = default_token>
    auto async_receive_some(Token&& token = {}) {
        return receive(true, std::forward<Token>(token));
    }

    /// Has messages delivered by calls instead; see ws_handlers. What was received before is delivered soon.
    void handle_with(ws_handlers handlers) { core_->handle_with(std::move(handlers)); }
    /// As handle_with(), for messages alone.
    void on_message(std::function<void(ws_message)> handler) { handle_with({.on_message = std::move(handler)}); }
    /// Has the end told by a call: `handler(error_code reason)`, as async_closed() would complete.
    template <class Handler>
    void on_close(Handler handler) {
        this->async_closed([h = std::move(handler)](error_code ec, error_code reason) mutable {
            if (!ec) h(reason);
        });
    }

    /// Takes no more messages for the moment: the peer has to wait. Its pings do, too.
    void pause() { core_->pause(true); }
    /// Takes messages again.
    void resume() { core_->pause(false); }

    // ---- sending ----

    /// Sends one message. `key`: what a policy by key goes by.
    /// Errors    error::refused or error::dropped (the backpressure policy; refused also while a message is being sent
    ///           in pieces), error::slow_reader (the policy ended the session), error::not_accepted, error::closed
    /// Lifetime  the message is encoded, or written, before this returns. Text is to be UTF-8, which is not checked.
    error send(ws_message message, std::string_view key = {}) {
        return core_ ? core_->send(message, key) : error::closed;
    }
    /// As above: one frame, encoded once for many sessions.
    error send(const ws_prepared_message& message, std::string_view key = {}) {
        return core_ ? core_->send(message, key) : error::closed;
    }

    /// Sends one message, waiting for room if the policy says so.
    /// Signature     void(error_code)
    /// Completes     when the outbox has taken the message; waits while it is full
    /// Errors        as for send(), and the reason why the session ended
    /// Cancellation  total: a cancelled send has not been queued
    /// Lifetime      the message is encoded before this returns
    template <class Token = default_token>
    auto async_send(ws_message message, Token&& token = {}) {
        pending_ptr waiting;
        const error e = core_->send_or_wait(message, {}, waiting);
        const bool ended = e == error::closed && core_->end_reason();
        return start_send<Token>(token, ended ? core_->end_reason() : make_error_code(e), std::move(waiting));
    }

    /// Sends the next piece of a message: the first one begins it and says whether it is binary, one with last() ends
    /// it, as in `ws_message{text, false, last}`. Meanwhile other messages wait; pings do not. RFC 6455 §5.4
    /// As async_send(); error::already_sending if the piece before is still waiting.
    template <class Token = default_token>
    auto async_send_some(ws_message piece, Token&& token = {}) {
        pending_ptr waiting = core_->piece(piece);
        const error e = waiting ? error::none : error::already_sending;
        return start_send<Token>(token, make_error_code(e), std::move(waiting));
    }

    /// Sends a ping, before the messages that wait. Errors: error::bad_argument for more than 125 bytes, error::refused
    /// while too many wait to be written, error::not_accepted, error::closed. RFC 6455 §5.5.2
    error ping(std::string_view payload = {}) { return core_ ? core_->ping(payload) : error::closed; }

    // ---- ending ----

    /// Closes in good order: what was sent is written, then a close frame; the peer has 5 s to answer it. Does nothing
    /// if the session has ended. Errors: error::bad_argument for a code that may not be sent (RFC 6455 §7.4),
    /// error::not_accepted, error::closed. The reason is cut at 123 bytes.
    error close(ws_close_code code, std::string_view reason = {}) {
        return core_ ? core_->start_close(code, reason) : error::closed;
    }
    /// As above, with 1000 (normal).
    void close() noexcept {
        if (core_) core_->close(error::none);
    }

    /// As close(), and waits for the end.
    /// Signature     void(error_code)
    /// Completes     when the connection is closed: none, if the peer answered
    /// Errors        those of close(); error::close_timed_out; what else ended the session
    /// Cancellation  total: only the waiting ends
    template <class Token = default_token>
    auto async_close(ws_close_code code = ws_close_code::normal, std::string_view reason = {}, Token&& token = {}) {
        const error e = close(code, reason);
        return net::async_initiate<Token, void(error_code)>(
            [e](auto handler, core_ptr core) {
                const auto executor = core->get_executor();
                if (e != error::none) {
                    return detail::post_completion(std::move(handler), executor, make_error_code(e));
                }
                core->start_closed(core->template make_waiter<detail::waiter::kind::ended>(std::move(handler)));
            },
            token, core_);
    }

    // ---- looking ----

    /// The one that was chosen; empty: none.
    std::string_view subprotocol() const noexcept { return core_->subprotocol(); }
    /// Whether compression was agreed on.
    bool compresses() const noexcept { return core_->protocol().compresses(); }
    /// What the peer's close frame said; ws_close_code::abnormal: none has come.
    ws::close_reason close_reason() const noexcept { return core_->peer_reason(); }

private:
    using pending_ptr = std::unique_ptr<detail::pending_message>;

    struct owned_core final : core_type {
        using core_type::core_type;
    };

    void leave() noexcept {
        if (!core_) return;
        core_->forget_handlers();
        close();
    }

    template <class Token>
    auto receive(bool pieces, Token&& token) {
        return net::async_initiate<Token, void(error_code, std::optional<ws_message>)>(
            [pieces](auto handler, core_ptr core) {
                auto& waiter = core->template make_waiter<detail::waiter::kind::receive>(std::move(handler));
                waiter.pieces = pieces;
                core->start_receive(waiter);
            },
            token, core_);
    }

    template <class Token>
    auto start_send(std::remove_reference_t<Token>& token, error_code ec, pending_ptr waiting) {
        return net::async_initiate<Token, void(error_code)>(
            [ec](auto handler, core_ptr core, pending_ptr pending) {
                const auto executor = core->get_executor();
                if (!pending) return detail::post_completion(std::move(handler), executor, ec);
                auto& waiter = core->template make_waiter<detail::waiter::kind::send>(std::move(handler));
                waiter.message = std::move(pending);
                core->start_send(waiter);
            },
            token, core_, std::move(waiting));
    }
};

template <class Stream, class... Policies>
ws_stream(Stream, Policies...) -> ws_stream<Stream, Policies...>;  ///< Policies are deduced from the arguments.

}  // namespace weir

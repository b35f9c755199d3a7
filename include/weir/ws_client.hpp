// SPDX-License-Identifier: BSL-1.0
#pragma once

// A WebSocket that comes back: a client that connects, and connects again, and says what becomes of what it had still
// to send. Layer: public. RFC 6455

#include <weir/config.hpp>
#include <weir/error.hpp>
#include <weir/io/attempt_hook.hpp>
#include <weir/io/client_connection.hpp>
#include <weir/io/completion.hpp>
#include <weir/io/counted_ptr.hpp>
#include <weir/io/default_token.hpp>
#include <weir/io/ws_client_core.hpp>
#include <weir/io/ws_client_handlers.hpp>
#include <weir/io/ws_client_receiver.hpp>
#include <weir/policy/any_policy.hpp>
#include <weir/policy/reconnect.hpp>
#include <weir/session/unsent_queue.hpp>
#include <weir/time.hpp>
#include <weir/ws/close_code.hpp>
#include <weir/ws/masking_keys.hpp>
#include <weir/ws/message.hpp>

#include WEIR_ASIO(any_io_executor.hpp)
#include WEIR_ASIO(async_result.hpp)

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace weir {

/// What a client asks for, and how it goes about it.
struct ws_client_options {
    std::vector<std::string> subprotocols{};                    ///< the preferred one first
    std::vector<std::pair<std::string, std::string>> fields{};  ///< added to the request: Authorization, Cookie, Origin

    /// For wss: `weir::tls_client_options{}` of <weir/tls.hpp>.
    std::shared_ptr<const detail::client_layer_factory> tls{};
    std::optional<http_proxy> proxy{};  ///< whose tunnel is used; absent: none

    /// When to try again. never_reconnect{}: one connection.
    any_reconnect reconnect = exponential_backoff{};
    /// For each attempt, from name resolution to the end of the handshake; 0: no limit.
    milliseconds connect_timeout{10'000};
    /// Called before each attempt: `void(ws_attempt&)`, or a coroutine.
    attempt_hook<ws_attempt> before_attempt{};
    /// Whether to come back after the server has closed with that code and reason; empty: the codes decide. Then 1000
    /// ends the client in good order, and those that blame it end it, too, 1002, 1003, 1007, 1008, 1009 and 1010; after
    /// any other it comes back, one of the application's own included. RFC 6455 §7.4
    std::function<bool(ws::close_code, std::string_view)> comes_back{};

    /// What becomes of messages that a connection took with it.
    weir::unsent unsent = unsent::keep_unbegun;
    std::size_t max_queued_bytes = 1024 * 1024;  ///< of messages not wholly written; 0: no limit
    std::size_t max_queued_messages = 1000;      ///< 0: no limit

    ws_limits limits{};                            ///< on what is received
    any_heartbeat heartbeat = ping_every{};        ///< what silence means
    any_message_framing framing = plain_frames{};  ///< or deflate_frames{}, of <weir/deflate.hpp>
    /// How long bytes may wait on a connection that takes none; 0: for ever.
    milliseconds stall_timeout{30'000};
};

/// What a client has done so far, and what waits.
struct ws_client_stats {
    std::uint64_t connections = 0;    ///< that have begun
    std::uint64_t messages_sent = 0;  ///< wholly written; one that was written twice counts twice
    std::uint64_t messages_lost = 0;  ///< taken by send(), and never wholly written
    std::size_t queued_messages = 0;  ///< not wholly written
    std::size_t queued_bytes = 0;     ///< of those
    /// Attempts that have failed and connections that have ended, since the reconnect policy has last started over: at
    /// the end of a connection that it finds has lived long enough, which is the first of the next row.
    unsigned failures = 0;
};

/// A client of one WebSocket server, which comes back by itself.
///
///     weir::ws_client ws{context, "ws://localhost:8080/chat"};
///     ws.handle_with({.on_open = [](auto& connection) { connection.send("join #general"); }});
///     ws.send("hello");                                        // legal at any time
///     while (auto message = co_await ws.async_receive()) use(message->text());
///
/// It connects at once, and again when a connection ends, after a time that the reconnect policy decides; it is over
/// for good after close(), after the server's 1000, and after failures that the next attempt would meet again: an
/// answer to the handshake that is not 101 and not 408, 425, 429 or 5xx (redirects are not followed), one that is no
/// proper answer, a certificate that is not trusted, a fault of the server's or a limit of ours for which a connection
/// was failed.
///
/// What is sent waits until there is a connection that takes it, and is the next one's if a connection breaks; see
/// `unsent`. Messages are received on demand. Meanwhile pings are answered and the end of the connection is noticed,
/// until 64 KiB or 256 messages wait; then the server waits. Those of connections that have ended can still be
/// received, and while there are as many of them, the next one's server waits.
///
/// A movable handle; destroying it closes the client, as close() does, in the background. Not thread-safe: every call
/// comes from the executor, a strand where several threads run the context. Handlers are never called from within a
/// member function. No handle may outlive the execution context; a handler that still waits when that is destroyed, a
/// suspended coroutine included, is destroyed uncalled. One that was moved from may be assigned to or destroyed;
/// send(), ping() and close() refuse, is_open() and is_closed() answer, and nothing else may be called.
class ws_client {
public:
    /// The executor that every call comes from, and on which handlers run unless they have one of their own.
    using executor_type = net::any_io_executor;
    /// What operations complete with if no token is given: a coroutine waits.
    using default_token = detail::default_token<executor_type>;

    /// Begins to connect, soon. What cannot be used, of the URL or of the options, ends the client with
    /// error::bad_argument or error::no_tls.
    ws_client(executor_type executor, std::string url, ws_client_options options = {})
        : core_(
              new detail::ws_client_core(std::move(executor), settings_of(options), plan_of(std::move(url), options))) {
        core_->start();
    }
    /// On a context's own executor.
    template <class Context>
        requires requires(Context& context) { executor_type{context.get_executor()}; }
    ws_client(Context& context, std::string url, ws_client_options options = {})
        : ws_client(executor_type{context.get_executor()}, std::move(url), std::move(options)) {}

    ws_client(ws_client&&) noexcept = default;
    /// Ends what this handle has, and takes over what the other has.
    ws_client& operator=(ws_client&& other) noexcept {
        if (this == &other) return *this;
        leave();
        core_ = std::move(other.core_);
        return *this;
    }
    /// As close(); no handler is called any more.
    ~ws_client() { leave(); }

    /// Where handlers are called.
    executor_type get_executor() const noexcept { return core_->get_executor(); }

    // ---- receiving ----

    /// Waits for the next message, for as long as it takes, and through any number of connections.
    /// Signature     void(error_code, std::optional<ws_message>)
    /// Completes     with a message; empty: close() was called, or the server has closed with 1000
    /// Errors        why there will be no more: error::handshake_rejected, error::bad_upgrade_response,
    ///               error::bad_subprotocol, error::bad_extension, error::untrusted_server, error::bad_argument,
    ///               error::no_tls; error::not_connected after a close() by which messages were lost; a fault of the
    ///               server's (error::bad_utf8, ...), error::message_too_large; error::peer_closed after a close frame,
    ///               see close_reason(); what the last attempt or connection ended with, if the reconnect policy has
    ///               given up; error::already_receiving
    /// Cancellation  total: no message is lost
    /// Lifetime      the message is valid until the next async_receive(), or the end of this handle, and in any case
    ///               while the handler runs
    template <class Token = default_token>
    auto async_receive(Token&& token = {}) {
        return net::async_initiate<Token, void(error_code, std::optional<ws_message>)>(
            [](auto handler, core_ptr core) {
                core->receive(detail::keep_message_handler(std::move(handler), core->get_executor(),
                                                           [to = core.get()] { to->cancel_receive(); }));
            },
            token, core_);
    }

    /// Has messages and what else happens told by calls. Replaces the handlers given before. Messages received before
    /// are delivered soon, after the end of the client, too; on_close is called then unless one has been.
    void handle_with(ws_client_handlers handlers) { core_->handle_with(std::move(handlers)); }
    /// As handle_with(), for messages alone.
    void on_message(std::function<void(ws_message)> handler) { handle_with({.on_message = std::move(handler)}); }

    // ---- sending ----

    /// Sends one message, now or on the next connection.
    /// Errors    error::refused (it does not fit into what may wait), error::not_connected (with unsent::drop),
    ///           error::closed
    /// Lifetime  the message is copied before this returns. Text is to be UTF-8, which is not checked.
    error send(ws_message message) { return core_ ? core_->send(message) : error::closed; }

    /// Sends one message, waiting for room.
    /// Signature     void(error_code)
    /// Completes     when the message has room among those that wait to be written
    /// Errors        error::not_connected (with unsent::drop, also while the server's close is being dealt with),
    ///               error::closed, or why the client is over
    /// Cancellation  total: a cancelled send has not been queued
    /// Lifetime      the message is copied before this returns
    template <class Token = default_token>
    auto async_send(ws_message message, Token&& token = {}) {
        return net::async_initiate<Token, void(error_code)>(
            [](auto handler, core_ptr core, const std::string& payload, bool binary) {
                const std::uint64_t number = core->next_number();
                core->send({payload, binary}, number, keep(std::move(handler), core, number));
            },
            token, core_, std::string{message.text()}, message.is_binary());
    }

    /// Sends a ping on the present connection, before the messages that wait. Errors: error::bad_argument for more than
    /// 125 bytes, error::refused while too many wait to be written, error::not_connected, error::closed.
    error ping(std::string_view payload = {}) { return core_ ? core_->ping(payload) : error::closed; }

    // ---- connecting and ending ----

    /// The network is back, or something else makes it worth while: does not wait for the time of the next attempt.
    void retry_now() { core_->retry_now(); }

    /// Ends the client. If it is connected, what was sent is written, then a close frame, and the server has 5 s to
    /// answer that. Else what waits to be sent is lost, and if there was anything, the client is over because of
    /// error::not_connected: wait for on_open where it matters. Errors: error::bad_argument for a code that may not be
    /// sent (RFC 6455 §7.4), error::closed. The reason is cut at 123 bytes.
    error close(ws::close_code code = ws::close_code::normal, std::string_view reason = {}) {
        return core_ ? core_->close(code, reason) : error::closed;
    }

    /// As close(), and waits for the end.
    /// Signature     void(error_code)
    /// Completes     when the client is over: none, if it was not connected and had nothing to send, or the server has
    ///               answered
    /// Errors        error::not_connected, and what was sent is lost; error::bad_argument; error::close_timed_out, or
    /// what else ended the connection; why the client is
    ///               over, if it was already
    /// Cancellation  total: only the waiting ends
    template <class Token = default_token>
    auto async_close(ws::close_code code = ws::close_code::normal, std::string_view reason = {}, Token&& token = {}) {
        const error e = close(code, reason);
        return net::async_initiate<Token, void(error_code)>(
            [](auto handler, core_ptr core, error refused) {
                const std::uint64_t number = core->next_number();
                auto done = keep(std::move(handler), core, number);
                if (refused == error::bad_argument) return complete(done, make_error_code(refused));
                core->wait_for_end(number, std::move(done));
            },
            token, core_, e);
    }

    // ---- looking ----

    /// Whether there is a connection, as far as is known, and neither side has begun to close it.
    bool is_open() const noexcept { return core_ && core_->is_open(); }
    /// Whether it is over for good.
    bool is_closed() const noexcept { return !core_ || core_->session().is_closed(); }
    /// Why it is over, or why there is no connection at the moment; none: in good order.
    error_code reason() const noexcept { return core_->session().reason(); }
    /// HTTP status of the answer, if the last attempt has ended with error::handshake_rejected; else 0.
    int status() const noexcept { return core_->session().status(); }
    /// What the server's close frame on the last connection that has ended said; ws_close_code::abnormal: none has
    /// come.
    ws::close_reason close_reason() const noexcept { return core_->session().close_reason(); }
    /// The one that the server has chosen on this connection; empty: none.
    std::string_view subprotocol() const noexcept {
        return core_->connection() != nullptr ? core_->connection()->subprotocol() : std::string_view{};
    }
    /// Whether compression was agreed on, on this connection.
    bool compresses() const noexcept {
        return core_->connection() != nullptr && core_->connection()->protocol().compresses();
    }
    /// What it has done and what waits, at this moment.
    ws_client_stats stats() const noexcept {
        const session& s = core_->session();
        return {.connections = s.connections(),
                .messages_sent = core_->written(),
                .messages_lost = s.queue().lost(),
                .queued_messages = s.queue().messages(),
                .queued_bytes = s.queue().bytes(),
                .failures = s.failures()};
    }

private:
    using session = detail::ws_client_session;
    using core_ptr = detail::counted_ptr<detail::ws_client_core>;

    static detail::ws_client_settings settings_of(ws_client_options& options) {
        detail::ws_client_settings settings{.reconnect = std::move(options.reconnect),
                                            .unsent = options.unsent,
                                            .max_queued_bytes = options.max_queued_bytes,
                                            .max_queued_messages = options.max_queued_messages,
                                            .comes_back = std::move(options.comes_back)};
        const auto nonce = ws::random_nonce();
        std::memcpy(&settings.seed, nonce.data(), sizeof settings.seed);
        return settings;
    }
    static detail::ws_client_plan plan_of(std::string url, ws_client_options& options) {
        return {.attempt = {.url = std::move(url),
                            .fields = std::move(options.fields),
                            .subprotocols = std::move(options.subprotocols)},
                .before_attempt = std::move(options.before_attempt),
                .connection = {.tls = std::move(options.tls), .proxy = std::move(options.proxy)},
                .connect_timeout = options.connect_timeout,
                .limits = options.limits,
                .heartbeat = std::move(options.heartbeat),
                .framing = std::move(options.framing),
                .stall = {options.stall_timeout}};
    }

    template <class Handler>
    static detail::completion_ptr<error_code> keep(Handler handler, const core_ptr& core, std::uint64_t number) {
        return detail::keep_handler<error_code>(std::move(handler), core->get_executor(),
                                                [from = core.get(), number] { from->cancel(number); });
    }

    void leave() noexcept {
        if (!core_) return;
        core_->forget_handlers();
        core_->close(ws::close_code::normal, {});
    }

    core_ptr core_;
};

}  // namespace weir

// SPDX-License-Identifier: BSL-1.0
#pragma once

// An event stream's other end: what a browser's EventSource does, for C++ programs, and what people need beyond it.
// Layer: public. WHATWG HTML, server-sent events

#include <weir/config.hpp>
#include <weir/error.hpp>
#include <weir/http/content_decoder.hpp>
#include <weir/io/attempt_hook.hpp>
#include <weir/io/client_connection.hpp>
#include <weir/io/completion.hpp>
#include <weir/io/counted_ptr.hpp>
#include <weir/io/default_token.hpp>
#include <weir/io/sse_client_core.hpp>
#include <weir/policy/reconnect.hpp>
#include <weir/session/sse_attempt.hpp>
#include <weir/session/sse_client_session.hpp>
#include <weir/session/sse_client_settings.hpp>
#include <weir/time.hpp>

#include WEIR_ASIO(any_io_executor.hpp)
#include WEIR_ASIO(async_result.hpp)

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace weir {

/// One event as it came: its type, "message" where the stream names none, its data, and the last event id at this
/// event. Views of the client's memory. The bytes are the server's: replace_malformed() of utf8.hpp makes them UTF-8.
using sse_message = sse::decoded_event;

/// What a client asks for, and how it goes about it.
struct sse_client_options {
    std::string method{};                                       ///< empty: GET, or POST where there is a body
    std::vector<std::pair<std::string, std::string>> fields{};  ///< added to each request, or instead of our Accept
    std::string body{};                                         ///< sent with each request, after a reconnect too
    std::string last_event_id{};                                ///< where the first stream is to begin

    /// For https: `weir::tls_client_options{}` of <weir/tls.hpp>.
    std::shared_ptr<const detail::client_layer_factory> tls{};
    std::optional<http_proxy> proxy{};  ///< whose tunnel is used; absent: none
    /// For compressed streams: `weir::gzip_content{}` of <weir/gzip.hpp>. None: the server is not offered any.
    std::shared_ptr<const http::content_decoding> decoding{};

    /// When to try again. never_reconnect{}: one connection, one stream.
    any_reconnect reconnect = exponential_backoff{};
    /// The shortest time before another attempt, until the server says otherwise by `retry:`.
    milliseconds retry{3000};
    /// For each attempt, from name resolution to the end of the answer's head, through all redirects; of an answer that
    /// is a refusal the body counts, too. 0: no limit.
    milliseconds connect_timeout{10'000};
    /// A stream on which nothing comes for so long is given up, and tried again. Has to be longer than the server's
    /// heartbeat, 15 s in weir. The time counts only while an event is waited for. 0: no limit.
    milliseconds read_timeout{0};

    /// Data that ends the stream for good, as `[DONE]` does those of AI services; it is no event. Where a stream ends
    /// without it and there is no other attempt, that is error::truncated. Empty: none.
    std::string end_marker{};
    /// The type of event by which the server reports an error: it ends the stream for good with
    /// error::reported_by_server, and failure() has its data. Empty: none.
    std::string error_event{};

    /// Where to connect again after a redirect. The standard leaves it open, and browsers differ.
    sse_reconnect_to reconnect_to = sse_reconnect_to::original_url;
    unsigned max_redirects = 20;  ///< for one attempt
    /// Whether 429, 500, 502, 503 and 504 are tried again, no sooner than Retry-After says if that is a number of
    /// seconds. The standard has any answer but 200 end it for good.
    bool retry_server_errors = false;

    sse::decoder_limits limits{};     ///< on lines and events
    http::head_limits head_limits{};  ///< on the answer's head

    /// Called before each attempt: `void(sse_attempt&)`, or a coroutine. With sse_reconnect_to::final_url the attempt's
    /// URL may be of another origin: look at it before you add a secret. Let go at the end of the client.
    attempt_hook<sse_attempt> before_attempt{};
};

/// A client of one event stream, which comes back by itself.
///
///     weir::sse_client prices{context, "http://localhost:8080/prices"};
///     while (auto event = co_await prices.async_next()) use(event->event, event->data, event->id);
///
/// It connects at once, reconnects with the last event id when the stream ends, of whatever kind its end is, and is
/// over for good where the standard has it so: after an answer that is no event stream, and after a 204, by which a
/// server asks it not to come back. Nothing is read that is not asked for: a slow application makes the server wait.
///
/// A movable handle; destroying it closes the client, as close() does. Not thread-safe: every call comes from the
/// executor, a strand where several threads run the context. Handlers are never called from within a member function.
/// No handle may outlive the execution context; a handler that still waits when that is destroyed, a suspended
/// coroutine included, is destroyed uncalled. One that was moved from may be assigned to or destroyed, no more.
class sse_client {
public:
    /// The executor that every call comes from, and on which handlers run unless they have one of their own.
    using executor_type = net::any_io_executor;
    /// What operations complete with if no token is given: a coroutine waits.
    using default_token = detail::default_token<executor_type>;

    /// Begins to connect, soon. A URL or an option that cannot be used ends the client at once, with
    /// error::bad_argument: end_reason() and async_next() say so.
    sse_client(executor_type executor, std::string_view url, sse_client_options options = {})
        : core_(new detail::sse_client_core(std::move(executor), settings_of(options), plan_of(options))) {
        core_->start(url);
    }
    /// On a context's own executor.
    template <class Context>
        requires requires(Context& context) { executor_type{context.get_executor()}; }
    sse_client(Context& context, std::string_view url, sse_client_options options = {})
        : sse_client(executor_type{context.get_executor()}, url, std::move(options)) {}

    sse_client(sse_client&&) noexcept = default;
    /// Ends what this handle has, and takes over what the other has.
    sse_client& operator=(sse_client&& other) noexcept {
        if (this == &other) return *this;
        leave();
        core_ = std::move(other.core_);
        return *this;
    }
    /// As close().
    ~sse_client() { leave(); }

    /// Where handlers are called.
    executor_type get_executor() const noexcept { return core_->get_executor(); }

    // ---- receiving ----

    /// Waits for the next event, for as long as it takes, and through any number of reconnects.
    /// Signature     void(error_code, std::optional<sse_message>)
    /// Completes     with an event; empty: close() was called, the end marker came, or the server answered 204
    /// Errors        why there will be no more: error::unexpected_status, error::not_event_stream, error::bad_redirect,
    ///               error::too_many_redirects, error::reported_by_server, error::untrusted_server,
    ///               error::bad_argument, error::no_tls; what the last attempt failed with, if the reconnect policy has
    ///               given up, error::peer_closed or error::truncated among others; error::already_receiving, also
    ///               while there is an on_event
    /// Cancellation  total: no event is lost, unless it comes at the same moment, is on its way to the handler, and
    ///               what the handler belongs to throws it away
    /// Lifetime      the event is valid until the next async_next(), handle_with(), close(), or the end of this handle
    template <class Token = default_token>
    auto async_next(Token&& token = {}) {
        return net::async_initiate<Token, void(error_code, std::optional<sse_message>)>(
            [](auto handler, core_ptr core) {
                core->next(detail::keep_handler<error_code, std::optional<sse_message>>(
                    std::move(handler), core->get_executor(), [to = core.get()] { to->cancel_next(); }));
            },
            token, core_);
    }

    /// Has events and what else happens told by calls. Replaces the handlers given before. With an on_event among them,
    /// there is no async_next() any more. With neither, nothing is read from the stream, and its end is not noticed.
    void handle_with(sse_client_handlers handlers) { core_->handle_with(std::move(handlers)); }
    /// As handle_with(), for events alone.
    void on_event(std::function<void(const sse_message&)> handler) { handle_with({.on_event = std::move(handler)}); }
    /// Calls on_event no more for the moment: the server has to wait.
    void pause() { core_->pause(true); }
    /// Calls on_event again.
    void resume() { core_->pause(false); }

    // ---- connecting and ending ----

    /// The network is back, or something else makes it worth while: does not wait for the time of the next attempt.
    void retry_now() { core_->retry_now(); }

    /// Ends the client. What waits for an event is completed without one, and nothing else is called any more.
    void close() {
        if (core_) core_->close();
    }

    // ---- looking ----

    /// Whether a stream has begun and has not ended, as far as is known.
    bool is_open() const noexcept { return core_->session().current_state() == session::state::open; }
    /// Whether it is over for good.
    bool is_closed() const noexcept { return core_->session().current_state() == session::state::closed; }
    /// Why it is over; none after close() and the end marker, error::stop_requested after a 204, error::closed after an
    /// exception of a handler's.
    error_code end_reason() const noexcept { return core_->session().end_reason(); }
    /// The answer that ended it: its status, and up to 8 KiB of its body or of the data of the error event; or which
    /// part of the request could not be sent. Valid as long as this handle.
    const sse_failure& failure() const noexcept { return core_->session().failure(); }
    /// What the next request would have as Last-Event-ID. Valid until the next event.
    std::string_view last_event_id() const noexcept { return core_->session().last_event_id(); }
    /// Whether that has been left out of the last request: it is longer than 4,096 bytes, or has a control character.
    bool last_event_id_left_out() const noexcept { return core_->session().last_event_id_left_out(); }
    /// Of the stream, after redirects: "https://example.com". An event has the same.
    std::string origin() const { return std::string{core_->session().origin()}; }

private:
    using session = detail::sse_client_session;
    using core_ptr = detail::counted_ptr<detail::sse_client_core>;

    static detail::sse_client_settings settings_of(sse_client_options& options) {
        return {.method = std::move(options.method),
                .fields = std::move(options.fields),
                .body = std::move(options.body),
                .last_event_id = std::move(options.last_event_id),
                .decoding = std::move(options.decoding),
                .reconnect = std::move(options.reconnect),
                .retry = options.retry,
                .end_marker = std::move(options.end_marker),
                .error_event = std::move(options.error_event),
                .reconnect_to = options.reconnect_to,
                .max_redirects = options.max_redirects,
                .retry_server_errors = options.retry_server_errors,
                .limits = options.limits,
                .head_limits = options.head_limits,
                .seed = std::uint64_t{std::random_device{}()} << 32 | std::random_device{}()};
    }
    static detail::sse_client_plan plan_of(sse_client_options& options) {
        return {.connection = {.tls = std::move(options.tls), .proxy = std::move(options.proxy)},
                .before_attempt = std::move(options.before_attempt),
                .connect_timeout = options.connect_timeout,
                .read_timeout = options.read_timeout};
    }

    void leave() noexcept {
        if (!core_) return;
        core_->handle_with({});
        core_->close();
    }

    core_ptr core_;
};

}  // namespace weir

// SPDX-License-Identifier: BSL-1.0
#pragma once

// Server-Sent Events on a stream of your own. Layer: public. WHATWG HTML, server-sent events

#include <weir/config.hpp>
#include <weir/error.hpp>
#include <weir/http/request_view.hpp>
#include <weir/io/session_handle.hpp>
#include <weir/io/sse_core.hpp>
#include <weir/io/waiter_op.hpp>
#include <weir/policy/policy_set.hpp>
#include <weir/sse/encoder.hpp>
#include <weir/sse/event.hpp>
#include <weir/sse/handshake.hpp>

#include WEIR_ASIO(async_result.hpp)

#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace weir {

/// One client's event stream on `Stream`: any Asio stream, with the fast path of direct_stream where it has one.
///
///     weir::sse_stream out{std::move(socket), weir::keep_latest{.max_bytes = 64 * 1024}, weir::comment_every{15s}};
///     if (out.accept(request) != weir::error::none) return;    // the refusal is already on its way
///     out.send({.event = "price", .data = json});
///
/// Policies are recognised by the concept they satisfy, in any order; the defaults are wait, comment_every,
/// stall_after, chunk_framing and no_observer. Sending is always legal: nothing has to complete first, and a full
/// outbox is the backpressure policy's decision. What is sent within one turn of the event loop leaves in one write.
///
/// A movable handle. Destroying it ends the stream as close() does: what was sent is still delivered, in the
/// background, for as long as the client takes it. A stream that was moved from refuses to send and may be assigned to
/// or destroyed, no more. Not thread-safe: every call comes from the stream's executor (post
/// to it from elsewhere); different sessions are independent. Handlers are never called from within a member function.
/// As with all I/O objects, no handle may outlive its execution context; a handler that still waits when the context is
/// destroyed, a suspended coroutine included, is destroyed uncalled.
template <class Stream, class... Policies>
class sse_stream : public detail::session_handle<detail::sse_core<Stream, Policies...>> {
    using base = detail::session_handle<detail::sse_core<Stream, Policies...>>;
    using base::core_;
    using typename base::core_ptr;

public:
    using typename base::core_type;
    using typename base::default_token;
    using typename base::executor_type;

    /// Takes over a connected stream whose request head has been read (and body, if it has one).
    explicit sse_stream(Stream stream, Policies... policies)
        : base(core_ptr{new owned_core(std::move(stream), policy_set<Policies...>{std::move(policies)...})}) {}
    /// Takes over a session that lives already; for servers built on this library.
    explicit sse_stream(detail::counted_ptr<core_type> core) noexcept : base(std::move(core)) {}

    sse_stream(sse_stream&&) noexcept = default;
    /// Ends what this handle has, and takes over what the other has.
    sse_stream& operator=(sse_stream&& other) noexcept {
        if (this == &other) return *this;
        close();
        core_ = std::move(other.core_);
        return *this;
    }
    /// As close().
    ~sse_stream() { close(); }

    // ---- beginning ----

    /// Answers the request: with a response head and a first comment, after which events may be sent, or with a
    /// refusal, after which the connection is ended in the background and the reason returned. Not a byte is written
    /// before the end of this turn, so that the first events leave together with the head.
    /// Errors    those of sse::handshake; error::closed if it was called before
    /// Lifetime  request and options are read before this returns
    [[nodiscard]] error accept(const request_view& request, const sse::accept_options& options = {}) {
        return core_->accept(request, options);
    }

    /// As accept(), and waits until the answer is written.
    /// Signature     void(error_code)
    /// Completes     when the transport has taken the response head
    /// Errors        those of accept() and of the stream
    /// Cancellation  total: only the waiting ends, the answer stays
    template <class Token = default_token>
    auto async_accept(const request_view& request, const sse::accept_options& options = {}, Token&& token = {}) {
        return this->template async_answered<Token>(core_->accept(request, options), token);
    }

    /// Starts without a response head, where somebody else has written one with `Content-Type: text/event-stream`.
    /// `framing` is what that head has promised. Errors: error::closed if the session has begun already.
    error begin(sse::framing framing, std::string_view last_event_id = {}) {
        return core_->begin(framing, last_event_id);
    }

    // ---- sending ----

    /// Sends one event.
    /// Errors    error::refused or error::dropped (the backpressure policy), error::slow_reader (the policy ended the
    ///           session), error::not_accepted, error::closed
    /// Lifetime  the event's text is encoded before this returns
    error send(const sse_event& event) {
        if (!core_) return error::closed;
        return core_->send(sse::encoder{event, core_->framing()}, event.key.empty() ? event.event.text() : event.key);
    }

    /// Sends a comment, which clients ignore. Errors as for send().
    error comment(std::string_view text) {
        if (!core_) return error::closed;
        return core_->send(sse::comment_encoder{text, core_->framing()}, {});
    }

    /// Sends one event, waiting for room if the policy says so.
    /// Signature     void(error_code)
    /// Completes     when the outbox has taken the event; waits while it is full
    /// Errors        as for send(), and the reason why the session ended
    /// Cancellation  total: a cancelled send has not been queued
    /// Lifetime      the event's text is encoded before this returns
    template <class Token = default_token>
    auto async_send(const sse_event& event, Token&& token = {}) {
        auto message = std::make_unique<detail::pending_message>();
        sse::append(sse::encoder{event, core_->framing()}, message->encoded);
        message->key = event.key.empty() ? event.event.text() : event.key;
        return net::async_initiate<Token, void(error_code)>(
            [](auto handler, core_ptr core, std::unique_ptr<detail::pending_message> pending) {
                auto& waiter = core->template make_waiter<detail::waiter::kind::send>(std::move(handler));
                waiter.message = std::move(pending);
                core->start_send(waiter);
            },
            token, core_, std::move(message));
    }

    // ---- ending ----

    /// Ends the stream in good order: what was sent is written first. Does nothing if it has ended.
    void close() noexcept {
        if (core_) core_->close(error::none);
    }

    /// Ends the stream as close() does, and asks the client to come back after `retry`.
    void close(milliseconds retry) {
        std::string last_words;
        sse::append(sse::retry_encoder{retry, core_->framing()}, last_words);
        core_->close(error::none, last_words);
    }

    // ---- looking ----

    /// The id of the last event the client has seen, by its own account; absent if it has seen none. Validated, and
    /// still the client's to choose. Valid as long as the session.
    event_id last_event_id() const noexcept {
        const std::string_view text = core_->last_event_id();
        return text.empty() ? event_id{} : event_id::parse(text).value_or(event_id{});
    }

    /// The client named an id that was over-long, no UTF-8, repeated, or had control characters; last_event_id() is
    /// absent, and what the client missed is not known.
    bool last_event_id_refused() const noexcept { return core_->last_event_id_refused(); }

private:
    struct owned_core final : core_type {
        using core_type::core_type;
    };
};

template <class Stream, class... Policies>
sse_stream(Stream, Policies...) -> sse_stream<Stream, Policies...>;  ///< Policies are deduced from the arguments.

}  // namespace weir

// SPDX-License-Identifier: BSL-1.0
#pragma once

// Sessions without Asio, sockets or a clock, for event loops of any kind. Layer: public, on the session layer.

#include <weir/bytes.hpp>
#include <weir/config.hpp>
#include <weir/error.hpp>
#include <weir/http/request_view.hpp>
#include <weir/policy/policy_set.hpp>
#include <weir/session/machine_core.hpp>
#include <weir/session/passive_session.hpp>
#include <weir/session/session_host.hpp>
#include <weir/session/sse_beginning.hpp>
#include <weir/session/sse_session.hpp>
#include <weir/session/ws_beginning.hpp>
#include <weir/session/ws_session.hpp>
#include <weir/sse/encoder.hpp>
#include <weir/sse/event.hpp>
#include <weir/sse/handshake.hpp>
#include <weir/time.hpp>
#include <weir/ws/close_code.hpp>
#include <weir/ws/deflate_agreement.hpp>
#include <weir/ws/handshake.hpp>
#include <weir/ws/message.hpp>
#include <weir/ws/prepared_message.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

namespace weir {

using ws_accept_options = ws::accept_options;
using ws_prepared_message = ws::prepared_message;
/// What a session calls by itself: on_message(ws_message) for every message, on_pong(std::string_view payload), and
/// on_drained() whenever everything sent has been written. Each may be empty. An exception that leaves one ends the
/// session and goes to whoever has called the machine.
using ws_handlers = detail::ws_handlers;

/// What is the same for both machines, so that an event loop need not know which one it drives. After each call, and
/// once the transport is ready again, it does what is wished for until nothing is:
///
///     for (auto out = session.output(now); !out.empty(); out = session.output(now)) {
///         const auto taken = write_some(socket, out);
///         if (taken == 0) break;                           // the socket is full
///         session.written(taken, now);
///     }
///     if (session.wants_shutdown()) shut_down_sending(socket), session.shut_down();
///     if (session.closed()) return close(socket);
///     watch(socket, session.wants_read(), session.wants_write(), session.deadline());
///
/// perform() does that, and reads, for transports that can try without waiting. `now` is the loop's time, in every
/// call: weir::clock::now(), or that of a simulation; it is never asked for. What the application has called runs
/// within received(), output() and on_deadline(), may call anything of the machine's, and must neither destroy it nor
/// call perform(). What it throws leaves the function that called it, and is the session's end. Not thread-safe.
class machine {
public:
    machine(const machine&) = delete;
    machine& operator=(const machine&) = delete;
    virtual ~machine() = default;

    // ---- what has happened ----

    /// Bytes came from the peer: the machine's to change until this returns.
    virtual void received(mutable_bytes_view bytes, time_point now) = 0;
    /// The peer sends no more: reading met the end.
    virtual void peer_closed(time_point now) = 0;
    /// The transport has failed; `reason` is what the session ends with.
    virtual void failed(error_code reason, time_point now) = 0;
    /// deadline() has come. Nothing happens before that.
    virtual void on_deadline(time_point now) = 0;

    // ---- what it wishes ----

    /// What to write next; empty: nothing, now. At most 64 KiB, which stay the same and where they are until written()
    /// has counted them all, whatever else is called, so that a write of them may take its time. Call it again then.
    virtual bytes_view output(time_point now) = 0;
    /// The transport has taken so many bytes of output().
    virtual void written(std::size_t bytes, time_point now) = 0;
    /// output() has something, or has something to do: after every call, and once the transport takes more.
    virtual bool wants_write() const noexcept = 0;
    /// The peer's bytes are welcome. While they are not, leave them in the socket: the peer has to wait.
    virtual bool wants_read() const noexcept = 0;
    /// Everything is written: tell the peer that no more comes (shutdown() of a socket), call shut_down(), and go on
    /// reading.
    virtual bool wants_shutdown() const noexcept = 0;
    /// Says that the sending side was shut down: wants_shutdown() is false from here on.
    virtual void shut_down() noexcept = 0;
    /// When on_deadline() has to be called at the latest; may change with each call, `never` included.
    virtual time_point deadline() const noexcept = 0;
    /// It is over: close the transport. Nothing is wished for any more.
    virtual bool closed() const noexcept = 0;

    // ---- of the session ----

    /// The time of the last call.
    virtual time_point now() const noexcept = 0;
    /// Whether anything may be sent.
    virtual bool is_open() const noexcept = 0;
    /// Everything that was sent has been taken by the transport.
    virtual bool drained() const noexcept = 0;
    /// What it has done so far, and what waits.
    virtual session_stats stats() const noexcept = 0;
    /// Why the session ended, as async_closed() of the streams would say: none, in good order.
    virtual error_code end_reason() const noexcept = 0;

    /// Ends the session in good order: what was sent is written first. Does nothing if it has ended.
    virtual void close(time_point now) = 0;
    /// Ends the session now; what waits is lost.
    virtual void abort(time_point now) = 0;
    /// Ends the session at that time as close() does, with error::expired. Replaces the time given before.
    virtual void expire_at(time_point at) = 0;
    /// Asks `source` for what is to be sent, one piece after the other, for as long as the session is open: it sends,
    /// and returns when it is to be asked again. It is asked in on_deadline(), at that time, and not while anything
    /// waits to be written: a slow reader slows it down.
    virtual void ask(std::function<time_point(time_point now)> source) = 0;

protected:
    machine() = default;
};

/// Does what is due, reads, writes, and does whatever else is wished for. `transport` has, as Asio's sockets do and
/// without waiting,
///
///     std::size_t read_some(mutable_bytes_view buffer, error_code& ec);  // 0 without an error: the end
///     std::size_t write_some(bytes_view bytes, error_code& ec);
///     void shut_down_sending();
///     void watch(bool reading, bool writing, time_point deadline);       // perform() is to be called again then
///     void close();                                                      // the last call
///
/// std::errc::operation_would_block and resource_unavailable_try_again are no failures. With neither reading nor
/// writing watched the peer's going away must not wake either: nobody would read that. After an exception of the
/// application's call perform() once more: it closes.
template <class Transport>
void perform(machine& session, Transport& transport, time_point now) {
    error_code ec;
    const auto taken = [&](std::size_t n) {
        const bool blocked = ec == std::errc::operation_would_block || ec == std::errc::resource_unavailable_try_again;
        if (ec && !blocked) session.failed(ec, now);
        return ec ? std::nullopt : std::optional{n};
    };
    std::size_t room = 256 * 1024;  // then it is the others' turn
    const auto write = [&] {
        for (auto out = session.output(now); !out.empty() && room != 0; out = session.output(now)) {
            ec.clear();
            const auto n = taken(transport.write_some(out, ec));
            if (!n || *n == 0) return;
            room -= std::min(room, *n);
            session.written(*n, now);
        }
    };
    session.on_deadline(now);
    write();  // as after each read: before the peer's end is met
    std::array<std::byte, 16 * 1024> buffer;
    for (int reads = 0; reads != 4 && session.wants_read(); ++reads) {  // then it is the others' turn
        ec.clear();
        const auto n = taken(transport.read_some(mutable_bytes_view{buffer}, ec));
        if (!n) break;
        *n == 0 ? session.peer_closed(now) : session.received({buffer.data(), *n}, now);
        write();
    }
    if (session.wants_shutdown()) {
        transport.shut_down_sending();
        session.shut_down();
    }
    if (session.closed()) return transport.close();
    transport.watch(session.wants_read(), session.wants_write(), session.deadline());
}

/// Makes a machine in `place`, and answers the request with it: is_open() says whether it was accepted. `received`:
/// what was read behind the request's head.
///
///     auto& out = weir::take_over<weir::sse_machine>(connection.live, request, received, now);
template <template <class...> class Machine, class... Policies>
Machine<Policies...>& take_over(std::unique_ptr<machine>& place, const request_view& request, std::string_view received,
                                time_point now, Policies... policies) {
    auto made = std::make_unique<Machine<Policies...>>(std::move(policies)...);
    auto& session = *made;
    if constexpr (requires { session.accept(request, now, {}, received); }) {
        session.accept(request, now, {}, received);
    } else {
        session.accept(request, now);
    }
    place = std::move(made);
    return session;
}

/// One client's event stream, as sse_stream.
///
///     weir::sse_machine out{weir::keep_latest{.max_bytes = 64 * 1024}, weir::comment_every{15s}};
///     if (out.accept(request, now) == weir::error::none) out.send({.event = "price", .data = json}, now);
///
/// Policies are recognised by the concept they satisfy, in any order; the defaults are those of sse_stream. The
/// backpressure policy `wait` refuses, since nothing here can wait: send again when drained().
template <class... Policies>
class sse_machine final
    : public detail::machine_core<detail::sse_beginning<detail::passive_session<detail::sse_session, Policies...>>,
                                  machine> {
    using base =
        detail::machine_core<detail::sse_beginning<detail::passive_session<detail::sse_session, Policies...>>, machine>;
    using base::at;

public:
    /// Call accept() or begin() next.
    explicit sse_machine(Policies... policies) : base(policy_set<Policies...>{std::move(policies)...}) {}

    // ---- beginning ----

    /// Answers the request: with a response head and a first comment, after which events may be sent, or with a
    /// refusal, after which the session ends and the reason is returned. Either is output() like anything else.
    /// Errors    those of sse::handshake; error::closed if it was called before
    /// Lifetime  request and options are read before this returns
    error accept(const request_view& request, time_point now, const sse::accept_options& options = {}) {
        return at(now).accept(request, options);
    }
    /// Starts without a response head, where somebody else has written one with `Content-Type: text/event-stream`.
    /// `framing` is what that head has promised. Errors: error::closed if the session has begun already.
    error begin(sse::framing framing, time_point now, std::string_view last_event_id = {}) {
        return at(now).begin(framing, last_event_id);
    }

    // ---- sending ----

    /// Sends one event.
    /// Errors    error::refused or error::dropped (the backpressure policy), error::slow_reader (the policy ended the
    ///           session), error::not_accepted, error::closed
    /// Lifetime  the event's text is encoded before this returns
    error send(const sse_event& event, time_point now) {
        auto& core = at(now);
        return core.send(sse::encoder{event, core.framing()}, event.key.empty() ? event.event.text() : event.key);
    }
    /// Sends a comment, which clients ignore. Errors as for send().
    error comment(std::string_view text, time_point now) {
        auto& core = at(now);
        return core.send(sse::comment_encoder{text, core.framing()}, {});
    }

    // ---- ending ----

    using base::close;
    /// Ends the stream as close() does, and asks the client to come back after `retry`.
    void close(milliseconds retry, time_point now) {
        auto& core = at(now);
        std::string last_words;
        sse::append(sse::retry_encoder{retry, core.framing()}, last_words);
        core.close(error::none, last_words);
    }

    // ---- looking ----

    /// The id of the last event the client has seen, by its own account; absent if it has seen none. Validated, and
    /// still the client's to choose. Valid as long as the machine.
    event_id last_event_id() const noexcept {
        const std::string_view text = this->core().last_event_id();
        return text.empty() ? event_id{} : event_id::parse(text).value_or(event_id{});
    }
    /// The client named an id that was over-long, no UTF-8, repeated, or had control characters; last_event_id() is
    /// absent, and what the client missed is not known.
    bool last_event_id_refused() const noexcept { return this->core().last_event_id_refused(); }
};

/// One WebSocket, as ws_stream.
///
///     weir::ws_machine ws{weir::ping_every{20s, 10s}};
///     if (ws.accept(request, now, {}, behind_the_head) != weir::error::none) return;  // the refusal is in output()
///     while (auto message = ws.next_message(now)) ws.send(*message, now);             // after every received()
///     ws.on_message([&](weir::ws_message message) { ws.send(message, ws.now()); });   // or so
///
/// Policies are recognised by the concept they satisfy, in any order; the defaults are those of ws_stream. The
/// backpressure policy `wait` refuses, since nothing here can wait: send again when drained(). Pings are answered,
/// pongs awaited and close frames exchanged by the machine; a close frame of the peer's is answered once next_message()
/// has nothing left, or after 5 s.
template <class... Policies>
class ws_machine final
    : public detail::machine_core<detail::ws_beginning<detail::passive_session<detail::ws_session, Policies...>>,
                                  machine> {
    using base =
        detail::machine_core<detail::ws_beginning<detail::passive_session<detail::ws_session, Policies...>>, machine>;
    using base::at;

public:
    /// Call accept() or begin() next.
    explicit ws_machine(Policies... policies) : base(policy_set<Policies...>{std::move(policies)...}) {}

    // ---- beginning ----

    /// Sets what is not the default. Before the session begins.
    void limits(const ws_limits& limits) { this->core().limits(limits); }

    /// Answers the request: with a 101, after which messages may be sent, or with a refusal, after which the session
    /// ends and the reason is returned. `received`: what was read behind the request's head.
    /// Errors    those of ws::handshake; error::closed if the session has begun already
    /// Lifetime  everything is read before this returns
    error accept(const request_view& request, time_point now, const ws_accept_options& options = {},
                 std::string_view received = {}) {
        return at(now).accept(request, options, received);
    }
    /// Begins without a handshake, where somebody else has done it, on either side. `received`: what came behind it.
    /// Errors: error::closed if the session has begun already.
    error begin(ws::role self, time_point now, std::string_view received = {},
                const std::optional<ws::deflate_agreement>& deflate = std::nullopt) {
        return at(now).begin(self, deflate, {}, received);
    }

    // ---- receiving ----

    /// The next message; empty: none is there. What nobody takes makes the peer wait once 64 KiB or 256 messages are
    /// there. Messages that come after close() are kept as long as this finds one.
    /// Lifetime  the message is valid until the next call of this or of next_piece()
    std::optional<ws_message> next_message(time_point now) { return base::next(false, now); }
    /// As next_message(), for messages of any size: the next piece as it has come, `last()` with the message. From here
    /// on, until next_message() is called, messages are read in pieces. Behind the end of a message that was read in
    /// pieces nothing is read, no ping either, until the next call.
    std::optional<ws_message> next_piece(time_point now) { return base::next(true, now); }

    /// Has messages delivered by calls instead; see ws_handlers. What was received before is delivered in output().
    void handle_with(ws_handlers handlers) { this->core().handle_with(std::move(handlers)); }
    /// As handle_with(), for messages alone.
    void on_message(std::function<void(ws_message)> handler) { handle_with({.on_message = std::move(handler)}); }
    /// Takes no more messages for the moment: the peer has to wait. Its pings do, too.
    void pause() { this->core().pause(true); }
    /// Takes them again.
    void resume() { this->core().pause(false); }

    // ---- sending ----

    /// Sends one message. `key`: what a policy by key goes by.
    /// Errors    error::refused or error::dropped (the backpressure policy; refused also while a message is being sent
    ///           in pieces), error::slow_reader (the policy ended the session), error::not_accepted, error::closed
    /// Lifetime  the message is encoded before this returns. Text is to be UTF-8, which is not checked.
    error send(ws_message message, time_point now, std::string_view key = {}) { return at(now).send(message, key); }
    /// As above: one frame, encoded once for many sessions.
    error send(const ws_prepared_message& message, time_point now, std::string_view key = {}) {
        return at(now).send(message, key);
    }
    /// Sends the next piece of a message: the first one begins it and says whether it is binary, one with last() ends
    /// it. Meanwhile other messages are refused; pings are not. Errors as for send(): a piece that is refused may be
    /// sent again. RFC 6455 §5.4
    error send_piece(ws_message piece, time_point now) { return base::put(at(now).piece(piece)); }
    /// Sends a ping, before the messages that wait. Errors: error::bad_argument for more than 125 bytes, error::refused
    /// while too many wait to be written, error::not_accepted, error::closed. RFC 6455 §5.5.2
    error ping(std::string_view payload, time_point now) { return at(now).ping(payload); }

    // ---- ending ----

    using base::close;
    /// Closes in good order: what was sent is written, then a close frame; the peer has 5 s to answer it. Errors:
    /// error::bad_argument for a code that may not be sent (RFC 6455 §7.4), error::not_accepted, error::closed. The
    /// reason is cut at 123 bytes.
    error close(ws_close_code code, std::string_view reason, time_point now) {
        return at(now).start_close(code, reason);
    }

    // ---- looking ----

    /// The one that was chosen; empty: none.
    std::string_view subprotocol() const noexcept { return this->core().subprotocol(); }
    /// Whether compression was agreed on.
    bool compresses() const noexcept { return this->core().protocol().compresses(); }
    /// What the peer's close frame said; ws_close_code::abnormal: none has come.
    ws::close_reason close_reason() const noexcept { return this->core().peer_reason(); }
};

}  // namespace weir

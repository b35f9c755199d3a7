// SPDX-License-Identifier: BSL-1.0
#pragma once

// A session on which both sides speak: a WebSocket, and what it receives. Layer: session. RFC 6455 §5 to §7

#include <weir/bytes.hpp>
#include <weir/error.hpp>
#include <weir/exceptions.hpp>
#include <weir/policy/heartbeat.hpp>
#include <weir/policy/observer.hpp>
#include <weir/session/inbox.hpp>
#include <weir/session/waiter.hpp>
#include <weir/session/ws_sender.hpp>
#include <weir/time.hpp>
#include <weir/ws/close_code.hpp>
#include <weir/ws/connection.hpp>
#include <weir/ws/event.hpp>
#include <weir/ws/message.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace weir::detail {

/// What the application has called by itself, instead of waiting for it.
struct ws_handlers {
    std::function<void(ws::message_view)> on_message{};
    std::function<void(std::string_view)> on_pong{};
    std::function<void()> on_drained{};
};

/// Receives in the application's order: what a message makes it send goes out before the end that the peer announces
/// behind that message. Calls the application in on_received() and at the end of a turn, nowhere else.
class ws_session : public ws_sender {
public:
    using default_heartbeat = ping_every;

    /// Completes the waiter with the next message, or with the end.
    void start_receive(receive_waiter& w);
    /// Replaces the handlers. Messages received before go to on_message soon.
    void handle_with(ws_handlers handlers);
    const ws_handlers& handlers() const noexcept;
    /// Calls none of them any more.
    void forget_handlers() noexcept;
    /// Messages have come that nobody has taken. They can be received after the end, too.
    bool messages_waiting() const noexcept { return inbox_ && inbox_->waiting() != 0; }
    /// Takes no messages from the peer until told otherwise.
    void pause(bool paused);

    /// What the peer's close frame said; abnormal: none has come. Valid as long as the session.
    ws::close_reason peer_reason() const noexcept;

    static const ws::connection_options& default_options() noexcept {
        static const ws::connection_options options{.close_timeout = milliseconds{0}};
        return options;
    }

protected:
    explicit ws_session(std::uint8_t salt) noexcept
        : ws_sender(salt, ws::connection{ws::role::server, default_options(), {}}) {}
    ~ws_session() = default;

    /// Begins after the handshake. `head` is written first; `received` came behind the peer's.
    void begin(ws::connection connection, std::string_view head, std::string_view received);
    /// Destroys the application's handlers, uncalled.
    void drop_handlers() noexcept { called_.reset(); }

private:
    // How long the end waits for the application to take what came before it.
    static constexpr milliseconds end_patience{5'000};

    enum class ending : std::uint8_t {
        none,
        announced,  // the peer has closed or failed; the application has still to deal with what came before
        done,       // and has been told
    };

    struct called_back {
        std::unique_ptr<const ws_handlers> current;
        std::vector<std::unique_ptr<const ws_handlers>> retired;  // one of them may be running
        bool drained = false;                                     // on_drained is to be called
    };

    struct closed_by_peer {
        ws::close_code code;
        std::string text;
    };

    void read(mutable_bytes_view bytes) final;
    void process(mutable_bytes_view bytes);
    void count_received(const ws::event& e, std::size_t bytes);
    void handle(const ws::event& e);
    void take_message(const ws::event& e);
    void announce_end();
    template <class Handler, class... Args>
    void call(const Handler& handler, const Args&... args);
    void hand_out();
    void hand_to_handler();
    void go_on();
    void end_if_dealt_with();
    void end_now();
    bool is_full() const noexcept;
    bool keeps_messages() noexcept;
    void read_or_pause();
    inbox& incoming();

    parting peer_parting() const noexcept final;
    bool peer_answers() const noexcept final { return reading_ && ending_ == ending::none; }
    bool peer_closes_first() const noexcept final { return connection_.is_client() && connection_.close_received(); }
    time_point look_at_protocol(time_point at) final;
    void on_closing() final;
    void on_ended() final;
    void on_drained() final;
    bool more_is_coming() noexcept final { return state() == phase::open && inbox_ && inbox_->is_being_emptied(); }
    void on_turn() final;

    std::unique_ptr<inbox> inbox_;
    std::unique_ptr<called_back> called_;
    std::unique_ptr<closed_by_peer> peer_;
    time_point end_by_ = never;
    ending ending_ = ending::none;
    bool paused_ = false;     // by the application
    bool undecided_ = false;  // a message in pieces has ended; whoever asks for the next one says how it is read
    bool reading_ = true;     // what read_on() was last told
    bool listens_ = false;    // while closing: the application goes on receiving
    bool deaf_ = false;       // a message that came while closing was lost, and so are all behind it
};

// ---- beginning ----

inline void ws_session::begin(ws::connection connection, std::string_view head, std::string_view received) {
    connection_ = std::move(connection);
    reading_ = true;
    open(head);
    read_or_pause();
    if (received.empty()) return;
    incoming().unread = received;
    request_turn();
}

inline inbox& ws_session::incoming() {
    if (!inbox_) inbox_ = std::make_unique<inbox>();
    return *inbox_;
}

inline const ws_handlers& ws_session::handlers() const noexcept {
    static const ws_handlers none;
    return called_ && called_->current ? *called_->current : none;
}

inline void ws_session::handle_with(ws_handlers handlers) {
    if (state() == phase::closed) return;
    auto fresh = std::make_unique<const ws_handlers>(std::move(handlers));
    if (!called_) called_ = std::make_unique<called_back>();
    if (fresh->on_message) {
        connection_.incoming().read_in_pieces(false);
        undecided_ = false;
    }
    called_->retired.push_back(std::exchange(called_->current, std::move(fresh)));
    request_turn();
}

inline void ws_session::forget_handlers() noexcept {
    if (!called_ || !called_->current) return;
    called_->retired.push_back(std::move(called_->current));
    request_turn();
}

// ---- receiving ----

// What is full makes the peer wait, as long as there is somebody to make room. While closing that is whoever receives
// then; for an application that does not, the peer's close frame must not wait.
inline bool ws_session::is_full() const noexcept {
    const bool full = inbox_ && inbox_->full();
    return state() == phase::open ? paused_ || undecided_ || full : full && listens_;
}

// While closing, what comes is kept as long as somebody takes it and it fits.
inline bool ws_session::keeps_messages() noexcept {
    if (state() == phase::open || listens_ || handlers().on_message) return true;
    const bool asked = waiters_.find(waiter::kind::receive) != nullptr || (inbox_ && !inbox_->empty());
    deaf_ = deaf_ || !asked || (inbox_ && inbox_->full());
    return !deaf_;
}

inline void ws_session::on_closing() { listens_ = waiters_.find(waiter::kind::receive) != nullptr; }

// A peer that has been made to wait could not be heard.
inline void ws_session::read_or_pause() {
    if (state() == phase::closed) return;
    const bool wanted = !is_full() && (!inbox_ || inbox_->unread.empty());
    if (wanted == std::exchange(reading_, wanted)) return;
    if (wanted) excuse_silence();
    read_on(wanted);
}

inline void ws_session::read(mutable_bytes_view bytes) {
    if (inbox_ && !inbox_->unread.empty()) {
        inbox_->unread.append(as_text(bytes));
    } else {
        const cork writes_together{*this};
        process(bytes);
    }
    read_or_pause();
}

inline void ws_session::process(mutable_bytes_view bytes) {
    while (state() != phase::closed && !is_full()) {
        const std::size_t before = bytes.size();
        const ws::event e = connection_.receive(bytes, now());
        count_received(e, before - bytes.size());
        if (!e) return;
        handle(e);
        write_urgent();
    }
    if (state() != phase::closed && !bytes.empty()) incoming().unread = as_text(bytes);
}

// Before the application is called, which may end the session.
inline void ws_session::count_received(const ws::event& e, std::size_t bytes) {
    const bool carries = e.what == ws::event_kind::message || e.what == ws::event_kind::piece;
    const std::size_t messages = carries && e.payload.last() ? 1 : 0;
    if (messages + bytes != 0) observe(messages_received{messages, bytes});
}

inline void ws_session::handle(const ws::event& e) {
    switch (e.what) {
        case ws::event_kind::message:
        case ws::event_kind::piece: return take_message(e);
        case ws::event_kind::ping: return arm(connection_.deadline());  // the pong may have been put off
        case ws::event_kind::pong:
            if (handlers().on_pong) call(handlers().on_pong, e.payload.text());
            return;
        case ws::event_kind::close:
            peer_ = std::make_unique<closed_by_peer>(closed_by_peer{e.code, std::string{e.payload.text()}});
            return announce_end();
        case ws::event_kind::failed:
            if (!end_reason_) end_reason_ = e.error;
            return announce_end();
        default: return;
    }
}

inline void ws_session::take_message(const ws::event& e) {
    const bool piece = e.what == ws::event_kind::piece;
    if (handlers().on_message && !messages_waiting()) return piece ? void() : call(handlers().on_message, e.payload);
    if (piece && e.payload.last()) undecided_ = true;
    if (!keeps_messages()) return;
    incoming().push({connection_.incoming().take_payload(e), e.payload.is_binary(), e.payload.last(), piece});
    hand_out();
}

// An exception of the application's ends the session: what it made of the message is not known.
template <class Handler, class... Args>
void ws_session::call(const Handler& handler, const Args&... args) {
    const auto failure = caught([&] { handler(args...); });
    if (!failure) return;
    terminate(error::closed);
    std::rethrow_exception(failure);
}

inline void ws_session::start_receive(receive_waiter& w) {
    if (state() == phase::fresh) return w.complete(why_not_sent(), end_reason_);
    if (waiters_.find(waiter::kind::receive) != nullptr) {
        return w.complete(make_error_code(error::already_receiving), end_reason_);
    }
    connection_.incoming().read_in_pieces(w.pieces);
    if (!w.pieces) undecided_ = false;
    if (inbox_) inbox_->release();
    waiters_.push(w);
    hand_out();
    end_if_dealt_with();
    if (ending_ == ending::done || state() == phase::closed) {
        if (waiters_.take([&](const waiter& x) { return &x == &w; })) w.complete(end_reason_, end_reason_);
        return;
    }
    go_on();
}

// The first message to whoever waits for it. It is looked at until the next receive.
inline void ws_session::hand_out() {
    auto* const w = static_cast<receive_waiter*>(waiters_.find(waiter::kind::receive));
    if (w == nullptr) return;
    // What is left of a message that was read in pieces is no message.
    while (!w->pieces && messages_waiting() && inbox_->front().piece) inbox_->take();
    if (!messages_waiting()) {
        undecided_ = false;
        return;
    }
    w->received = inbox_->show();
    if (w->pieces && w->received->last()) undecided_ = true;
    waiters_.take([&](const waiter& x) { return &x == w; });
    w->complete({}, end_reason_);
}

// Looks at what was read while there was no room for it, and reads more.
inline void ws_session::go_on() {
    if (is_full() || state() == phase::closed) return;
    if (inbox_) {
        std::string unread = std::exchange(inbox_->unread, {});
        if (inbox_->empty()) inbox_.reset();
        if (!unread.empty()) {
            const cork writes_together{*this};
            process(std::as_writable_bytes(std::span{unread}));
        }
    }
    read_or_pause();
}

inline void ws_session::pause(bool paused) {
    if (paused == std::exchange(paused_, paused) || state() == phase::closed) return;
    if (paused) return read_or_pause();
    request_turn();
}

// ---- ending ----

inline void ws_session::announce_end() {
    ending_ = ending::announced;
    end_by_ = later(now(), end_patience);
    arm(end_by_);
    end_if_dealt_with();
}

// Once closing, the application has nothing more to say.
inline void ws_session::end_if_dealt_with() {
    const bool dealt_with = state() != phase::open || !inbox_ || inbox_->empty();
    if (ending_ == ending::announced && dealt_with) end_now();
}

// Answers the peer's close frame, or tells it of its fault, behind what waits to be written. RFC 6455 §5.5.1, §7.1.7
inline void ws_session::end_now() {
    ending_ = ending::done;
    end_by_ = never;
    close(connection_.failure());
    part_at_once();
    if (waiter* const w = waiters_.take([](const waiter& x) { return x.what == waiter::kind::receive; })) {
        w->complete(end_reason_, end_reason_);
    }
    finish();
}

inline parting ws_session::peer_parting() const noexcept {
    if (connection_.close_received()) return parting::received;
    return connection_.failure() != error::none ? parting::unspoken : parting::awaited;
}

inline ws::close_reason ws_session::peer_reason() const noexcept {
    return peer_ ? ws::close_reason{peer_->code, peer_->text} : ws::close_reason{ws::close_code::abnormal};
}

inline void ws_session::on_ended() {
    if (called_) request_turn();  // to destroy the handlers, which may be running
}

// ---- time and turns ----

inline time_point ws_session::look_at_protocol(time_point at) {
    if (at >= end_by_) end_now();
    connection_.on_time(at);
    write_urgent();
    return std::min(end_by_, connection_.deadline());
}

inline void ws_session::on_drained() {
    if (!handlers().on_drained || called_->drained) return;
    called_->drained = true;
    request_turn();
}

inline void ws_session::on_turn() {
    if (called_) called_->retired.clear();
    if (state() == phase::closed) return drop_handlers();
    hand_to_handler();
    go_on();
    if (state() == phase::closed || !called_ || !std::exchange(called_->drained, false)) return;
    if (handlers().on_drained) call(handlers().on_drained);
}

// Messages that came before their handler.
inline void ws_session::hand_to_handler() {
    if (handlers().on_message && inbox_) inbox_->release();  // who received it has had it
    while (handlers().on_message && messages_waiting() && !paused_ && state() != phase::closed) {
        const inbox::item first = inbox_->take();
        if (!first.piece) call(handlers().on_message, first.view());
    }
    end_if_dealt_with();
}

}  // namespace weir::detail

// SPDX-License-Identifier: BSL-1.0
#pragma once

// The bodies of ws_session.hpp.

#include <weir/session/ws_session.hpp>

namespace weir::detail {

// ---- beginning ----

WEIR_INLINE void ws_session::begin(ws::connection connection, std::string_view head, std::string_view received) {
    connection_ = std::move(connection);
    reading_ = true;
    open(head);
    read_or_pause();
    if (received.empty()) return;
    incoming().unread = received;
    request_turn();
}

WEIR_INLINE inbox& ws_session::incoming() {
    if (!inbox_) inbox_ = std::make_unique<inbox>();
    return *inbox_;
}

WEIR_INLINE const ws_handlers& ws_session::handlers() const noexcept {
    static const ws_handlers none;
    return called_ && called_->current ? *called_->current : none;
}

WEIR_INLINE void ws_session::handle_with(ws_handlers handlers) {
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

WEIR_INLINE void ws_session::forget_handlers() noexcept {
    if (!called_ || !called_->current) return;
    called_->retired.push_back(std::move(called_->current));
    request_turn();
}

// ---- receiving ----

// What is full makes the peer wait, as long as there is somebody to make room. While closing that is whoever receives
// then; for an application that does not, the peer's close frame must not wait.
WEIR_INLINE bool ws_session::is_full() const noexcept {
    const bool full = inbox_ && inbox_->full();
    return state() == phase::open ? paused_ || undecided_ || full : full && listens_;
}

// While closing, what comes is kept as long as somebody takes it and it fits.
WEIR_INLINE bool ws_session::keeps_messages() noexcept {
    if (state() == phase::open || listens_ || handlers().on_message) return true;
    const bool asked = waiters_.find(waiter::kind::receive) != nullptr || (inbox_ && !inbox_->empty());
    deaf_ = deaf_ || !asked || (inbox_ && inbox_->full());
    return !deaf_;
}

WEIR_INLINE void ws_session::on_closing() { listens_ = waiters_.find(waiter::kind::receive) != nullptr; }

// A peer that has been made to wait could not be heard.
WEIR_INLINE void ws_session::read_or_pause() {
    if (state() == phase::closed) return;
    const bool wanted = !is_full() && (!inbox_ || inbox_->unread.empty());
    if (wanted == std::exchange(reading_, wanted)) return;
    if (wanted) excuse_silence();
    read_on(wanted);
}

WEIR_INLINE void ws_session::read(mutable_bytes_view bytes) {
    if (inbox_ && !inbox_->unread.empty()) {
        inbox_->unread.append(as_text(bytes));
    } else {
        const cork writes_together{*this};
        process(bytes);
    }
    read_or_pause();
}

WEIR_INLINE void ws_session::process(mutable_bytes_view bytes) {
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
WEIR_INLINE void ws_session::count_received(const ws::event& e, std::size_t bytes) {
    const bool carries = e.what == ws::event_kind::message || e.what == ws::event_kind::piece;
    const std::size_t messages = carries && e.payload.last() ? 1 : 0;
    if (messages + bytes != 0) observe(messages_received{messages, bytes});
}

WEIR_INLINE void ws_session::handle(const ws::event& e) {
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

WEIR_INLINE void ws_session::take_message(const ws::event& e) {
    const bool piece = e.what == ws::event_kind::piece;
    if (handlers().on_message && !messages_waiting()) return piece ? void() : call(handlers().on_message, e.payload);
    if (piece && e.payload.last()) undecided_ = true;
    if (!keeps_messages()) return;
    incoming().push({connection_.incoming().take_payload(e), e.payload.is_binary(), e.payload.last(), piece});
    hand_out();
}

WEIR_INLINE void ws_session::start_receive(receive_waiter& w) {
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
WEIR_INLINE void ws_session::hand_out() {
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
WEIR_INLINE void ws_session::go_on() {
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

WEIR_INLINE void ws_session::pause(bool paused) {
    if (paused == std::exchange(paused_, paused) || state() == phase::closed) return;
    if (paused) return read_or_pause();
    request_turn();
}

// ---- ending ----

WEIR_INLINE void ws_session::announce_end() {
    ending_ = ending::announced;
    end_by_ = later(now(), end_patience);
    arm(end_by_);
    end_if_dealt_with();
}

// Once closing, the application has nothing more to say.
WEIR_INLINE void ws_session::end_if_dealt_with() {
    const bool dealt_with = state() != phase::open || !inbox_ || inbox_->empty();
    if (ending_ == ending::announced && dealt_with) end_now();
}

// Answers the peer's close frame, or tells it of its fault, behind what waits to be written. RFC 6455 §5.5.1, §7.1.7
WEIR_INLINE void ws_session::end_now() {
    ending_ = ending::done;
    end_by_ = never;
    close(connection_.failure());
    part_at_once();
    if (waiter* const w = waiters_.take([](const waiter& x) { return x.what == waiter::kind::receive; })) {
        w->complete(end_reason_, end_reason_);
    }
    finish();
}

WEIR_INLINE parting ws_session::peer_parting() const noexcept {
    if (connection_.close_received()) return parting::received;
    return connection_.failure() != error::none ? parting::unspoken : parting::awaited;
}

WEIR_INLINE ws::close_reason ws_session::peer_reason() const noexcept {
    return peer_ ? ws::close_reason{peer_->code, peer_->text} : ws::close_reason{ws::close_code::abnormal};
}

WEIR_INLINE void ws_session::on_ended() {
    if (called_) request_turn();  // to destroy the handlers, which may be running
}

// ---- time and turns ----

WEIR_INLINE time_point ws_session::look_at_protocol(time_point at) {
    if (at >= end_by_) end_now();
    connection_.on_time(at);
    write_urgent();
    return std::min(end_by_, connection_.deadline());
}

WEIR_INLINE void ws_session::on_drained() {
    if (!handlers().on_drained || called_->drained) return;
    called_->drained = true;
    request_turn();
}

WEIR_INLINE void ws_session::on_turn() {
    if (calling_) return void(turn_put_off_ = true);
    if (called_) called_->retired.clear();
    if (state() == phase::closed) return drop_handlers();
    hand_to_handler();
    go_on();
    if (state() == phase::closed || !called_ || !std::exchange(called_->drained, false)) return;
    if (handlers().on_drained) call(handlers().on_drained);
}

// Messages that came before their handler.
WEIR_INLINE void ws_session::hand_to_handler() {
    if (handlers().on_message && inbox_) inbox_->release();  // who received it has had it
    while (handlers().on_message && messages_waiting() && !paused_ && state() != phase::closed) {
        const inbox::item first = inbox_->take();
        if (!first.piece) call(handlers().on_message, first.view());
    }
    end_if_dealt_with();
}

}  // namespace weir::detail

// SPDX-License-Identifier: BSL-1.0
#pragma once

// The bodies of ws_sender.hpp.

#include <weir/session/ws_sender.hpp>

namespace weir::detail {

// ---- messages ----

WEIR_INLINE error ws_sender::send(ws::message_view message, std::string_view key) {
    if (const error e = unusable(); e != error::none) return e;
    const admission decision = ask_for(message, key);
    if (decision != admission::accept) return turned_down(decision);
    push_message(message, key);
    return unusable();  // unless it could be written only in part
}

WEIR_INLINE error ws_sender::send(const ws::prepared_message& message, std::string_view key) {
    if (connection_.transforms(message.message().size())) return send(message.message(), key);
    return session::send(message, key);
}

WEIR_INLINE error ws_sender::send_or_wait(ws::message_view message, std::string_view key,
                                          std::unique_ptr<pending_message>& waiting) {
    if (const error e = unusable(); e != error::none) return e;
    const admission decision = ask_for(message, key);
    if (decision == admission::accept) return push_message(message, key), unusable();
    if (decision != admission::wait) return turned_down(decision);
    waiting = pending(message, key);
    return error::none;
}

WEIR_INLINE std::unique_ptr<pending_message> ws_sender::pending(ws::message_view message, std::string_view key) const {
    auto made = std::make_unique<pending_message>();
    made->encoded = message.text();
    made->key = key;
    made->framing = header_size(message);
    made->binary = message.is_binary();
    return made;
}

WEIR_INLINE void ws_sender::push_message(ws::message_view message, std::string_view key) {
    if (message.size() >= in_place_size && !connection_.transforms(message.size())) {
        std::array<char, ws::max_header_size> header;
        const char* const end =
            ws::write_header(header.data(), {.code = code_of(message), .payload_size = message.size()});
        const std::array<bytes_view, 2> pieces{as_bytes({header.data(), static_cast<std::size_t>(end - header.data())}),
                                               message.bytes()};
        return push_in_place(pieces, key);
    }
    const bool pinned = isolate();
    std::string scratch;
    push(connection_.encode(message, scratch), key, pinned);
}

// Compression with a history: as long as everything is written at once, messages refer to those before, and none of
// them may be dropped. Behind a reader that is slow they may, so each one stands for itself. Returns whether the next
// message must be kept.
WEIR_INLINE bool ws_sender::isolate() {
    if (!connection_.has_history()) return false;
    if (blocked_ || history_broken_) connection_.forget_history();
    history_broken_ = blocked_;
    return !blocked_;
}

// ---- messages in pieces ----

WEIR_INLINE std::unique_ptr<pending_message> ws_sender::piece(ws::message_view piece) const {
    const auto is_piece = [](const waiter& w) { return w.what == waiter::kind::send && w.message->piece; };
    if (waiters_.find_if(is_piece) != nullptr) return nullptr;
    auto made = pending(piece, {});
    made->piece = true;
    made->continues = message_open();
    made->ends = piece.last();
    return made;
}

WEIR_INLINE void ws_sender::push_pending(const pending_message& m) {
    const ws::message_view message{m.encoded, m.binary, m.ends};
    if (!m.piece) return push_message(message, m.key);
    if (!m.continues) isolate();
    std::string scratch;
    push_part(connection_.encode_piece(message, scratch), m.ends);
}

// ---- control frames ----

WEIR_INLINE void ws_sender::write_urgent() {
    // A close frame may be in there already, and is the last frame.
    if (!connection_.has_output() || (farewell_due() && connection_.close_sent())) return;
    const std::string frames = connection_.take_output();
    if (urgent_room()) queue_urgent(frames);
}

WEIR_INLINE error ws_sender::ping(std::string_view payload) {
    if (const error e = unusable(); e != error::none) return e;
    if (payload.size() > ws::max_control_payload) return error::bad_argument;
    if (!urgent_room()) return error::refused;
    connection_.ping(payload, now());
    write_urgent();
    return error::none;
}

WEIR_INLINE bool ws_sender::queue_heartbeat(time_point at) {
    if (!urgent_room() || connection_.close_received() || connection_.failure() != error::none) return false;
    connection_.ping({}, at);
    write_urgent();
    return true;
}

// The first ping that has not been answered. The connection does not know of silence that was excused.
WEIR_INLINE time_point ws_sender::last_heartbeat() const noexcept {
    return connection_.last_asked() > last_heard() ? connection_.last_asked() : connection_.last_ping();
}

WEIR_INLINE error ws_sender::start_close(ws::close_code code, std::string_view reason) {
    if (const error e = unusable(); e != error::none) return e;
    if (!connection_.close(code, reason, now())) return error::bad_argument;
    close(error::none);
    return error::none;
}

// What the application or the peer has asked for, else what fits the session's end.
WEIR_INLINE void ws_sender::queue_farewell() {
    on_closing();
    connection_.end(now());
    connection_.close(close_code_for(static_cast<error>(end_reason_.value())), {}, now());
    queue_control(connection_.take_output());
    request_turn();  // a peer that was made to wait is heard again
}

}  // namespace weir::detail

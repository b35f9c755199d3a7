// SPDX-License-Identifier: BSL-1.0
#pragma once

// The sending half of a WebSocket session: messages, messages in pieces, pings, the close frame. Layer: session.
// RFC 6455 §5.4 to §5.6, §7.1; RFC 7692 §7.2.1

#include <weir/bytes.hpp>
#include <weir/error.hpp>
#include <weir/session/session.hpp>
#include <weir/session/waiter.hpp>
#include <weir/time.hpp>
#include <weir/ws/close_code.hpp>
#include <weir/ws/connection.hpp>
#include <weir/ws/frame.hpp>
#include <weir/ws/message.hpp>
#include <weir/ws/prepared_message.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace weir::detail {

/// Messages become frames when the policy has let them in, and not before: what is compressed may refer to what was
/// compressed before, so nothing may be compressed that is not sent.
class ws_sender : public session {
public:
    error send(ws::message_view message, std::string_view key);
    error send(const ws::prepared_message& message, std::string_view key);
    /// As send(). What has to wait for room is left in `waiting` and goes to start_send().
    error send_or_wait(ws::message_view message, std::string_view key, std::unique_ptr<pending_message>& waiting);
    /// The next piece of a message, for start_send(); null: the piece before is still waiting.
    std::unique_ptr<pending_message> piece(ws::message_view piece) const;
    error ping(std::string_view payload);
    /// Sends what waits and a close frame, and ends when the peer has answered it.
    error start_close(ws::close_code code, std::string_view reason);

    const ws::connection& protocol() const noexcept { return connection_; }

    wire_form feed_form() const noexcept final {
        return connection_.codec() == nullptr ? wire_form::websocket : deflated_for(connection_.codec()->window_bits());
    }
    ws::message_codec* feed_codec() noexcept final { return connection_.codec(); }
    // What a client sends is masked with a key of its own.
    bool takes_feeds() const noexcept final { return state() == phase::open && !connection_.is_client(); }
    void on_feeding() final {
        if (connection_.has_history()) connection_.forget_history();
    }

protected:
    ws_sender(std::uint8_t salt, ws::connection connection) noexcept
        : session(salt), connection_(std::move(connection)) {}
    ~ws_sender() = default;

    /// From now on nothing is sent but a close frame.
    virtual void on_closing() = 0;
    /// Sends the control frames that the connection has to say.
    void write_urgent();

    ws::connection connection_;

private:
    // From this size on a message is written from where it is instead of being copied.
    static constexpr std::size_t in_place_size = 16 * 1024;
    // A peer that sends pings and does not read the answers gets no more of them.
    static constexpr std::size_t max_urgent_bytes = 1024;

    bool urgent_room() const noexcept { return outbox_.urgent_bytes() < max_urgent_bytes; }

    static ws::opcode code_of(ws::message_view message) noexcept {
        return message.is_binary() ? ws::opcode::binary : ws::opcode::text;
    }
    // As if it were not compressed: how well that works is not known before it is done.
    std::size_t header_size(ws::message_view message) const noexcept {
        return ws::encoded_header_size(message.size(), connection_.is_client());
    }
    admission ask_for(ws::message_view message, std::string_view key) {
        return ask(header_size(message) + message.size(), key);
    }
    std::unique_ptr<pending_message> pending(ws::message_view message, std::string_view key) const;
    void push_message(ws::message_view message, std::string_view key);
    bool isolate();

    void push_pending(const pending_message& m) final;
    bool queue_heartbeat(time_point at) final;
    time_point last_heartbeat() const noexcept final;
    void queue_farewell() final;

    bool history_broken_ = false;  // the peer may miss what compression would refer to
};

// ---- messages ----

inline error ws_sender::send(ws::message_view message, std::string_view key) {
    if (const error e = unusable(); e != error::none) return e;
    const admission decision = ask_for(message, key);
    if (decision != admission::accept) return turned_down(decision);
    push_message(message, key);
    return unusable();  // unless it could be written only in part
}

inline error ws_sender::send(const ws::prepared_message& message, std::string_view key) {
    if (connection_.transforms(message.message().size())) return send(message.message(), key);
    return session::send(message, key);
}

inline error ws_sender::send_or_wait(ws::message_view message, std::string_view key,
                                     std::unique_ptr<pending_message>& waiting) {
    if (const error e = unusable(); e != error::none) return e;
    const admission decision = ask_for(message, key);
    if (decision == admission::accept) return push_message(message, key), unusable();
    if (decision != admission::wait) return turned_down(decision);
    waiting = pending(message, key);
    return error::none;
}

inline std::unique_ptr<pending_message> ws_sender::pending(ws::message_view message, std::string_view key) const {
    auto made = std::make_unique<pending_message>();
    made->encoded = message.text();
    made->key = key;
    made->framing = header_size(message);
    made->binary = message.is_binary();
    return made;
}

inline void ws_sender::push_message(ws::message_view message, std::string_view key) {
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
inline bool ws_sender::isolate() {
    if (!connection_.has_history()) return false;
    if (blocked_ || history_broken_) connection_.forget_history();
    history_broken_ = blocked_;
    return !blocked_;
}

// ---- messages in pieces ----

inline std::unique_ptr<pending_message> ws_sender::piece(ws::message_view piece) const {
    const auto is_piece = [](const waiter& w) { return w.what == waiter::kind::send && w.message->piece; };
    if (waiters_.find_if(is_piece) != nullptr) return nullptr;
    auto made = pending(piece, {});
    made->piece = true;
    made->continues = message_open();
    made->ends = piece.last();
    return made;
}

inline void ws_sender::push_pending(const pending_message& m) {
    const ws::message_view message{m.encoded, m.binary, m.ends};
    if (!m.piece) return push_message(message, m.key);
    if (!m.continues) isolate();
    std::string scratch;
    push_part(connection_.encode_piece(message, scratch), m.ends);
}

// ---- control frames ----

inline void ws_sender::write_urgent() {
    // A close frame may be in there already, and is the last frame.
    if (!connection_.has_output() || (farewell_due() && connection_.close_sent())) return;
    const std::string frames = connection_.take_output();
    if (urgent_room()) queue_urgent(frames);
}

inline error ws_sender::ping(std::string_view payload) {
    if (const error e = unusable(); e != error::none) return e;
    if (payload.size() > ws::max_control_payload) return error::bad_argument;
    if (!urgent_room()) return error::refused;
    connection_.ping(payload, now());
    write_urgent();
    return error::none;
}

inline bool ws_sender::queue_heartbeat(time_point at) {
    if (!urgent_room() || connection_.close_received() || connection_.failure() != error::none) return false;
    connection_.ping({}, at);
    write_urgent();
    return true;
}

// The first ping that has not been answered. The connection does not know of silence that was excused.
inline time_point ws_sender::last_heartbeat() const noexcept {
    return connection_.last_asked() > last_heard() ? connection_.last_asked() : connection_.last_ping();
}

inline error ws_sender::start_close(ws::close_code code, std::string_view reason) {
    if (const error e = unusable(); e != error::none) return e;
    if (!connection_.close(code, reason, now())) return error::bad_argument;
    close(error::none);
    return error::none;
}

// What the application or the peer has asked for, else what fits the session's end.
inline void ws_sender::queue_farewell() {
    on_closing();
    connection_.end(now());
    connection_.close(close_code_for(static_cast<error>(end_reason_.value())), {}, now());
    queue_control(connection_.take_output());
    request_turn();  // a peer that was made to wait is heard again
}

}  // namespace weir::detail

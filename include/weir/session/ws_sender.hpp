// SPDX-License-Identifier: BSL-1.0
#pragma once

// The sending half of a WebSocket session: messages, messages in pieces, pings, the close frame. Layer: session.
// RFC 6455 §5.4 to §5.6, §7.1; RFC 7692 §7.2.1

#include <weir/bytes.hpp>
#include <weir/config.hpp>
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

}  // namespace weir::detail

#include WEIR_BODIES(weir/session/ws_sender.ipp)

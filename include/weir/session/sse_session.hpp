// SPDX-License-Identifier: BSL-1.0
#pragma once

// A session that only speaks: an event stream. Layer: session. WHATWG HTML, server-sent events

#include <weir/bytes.hpp>
#include <weir/policy/heartbeat.hpp>
#include <weir/policy/observer.hpp>
#include <weir/session/session.hpp>
#include <weir/session/waiter.hpp>
#include <weir/sse/encoder.hpp>
#include <weir/time.hpp>

#include <cstdint>

namespace weir::detail {

/// What the peer sends is read to learn of its end, and dropped.
class sse_session : public session {
public:
    using default_heartbeat = comment_every;

    sse::framing framing() const noexcept { return framing_; }
    wire_form feed_form() const noexcept final {
        return framing_ == sse::framing::chunked ? wire_form::sse_chunked : wire_form::sse_plain;
    }

protected:
    explicit sse_session(std::uint8_t salt) noexcept : session(salt) {}
    ~sse_session() = default;

    sse::framing framing_ = sse::framing::plain;

private:
    void read(mutable_bytes_view bytes) final { observe(messages_received{0, bytes.size()}); }
    void push_pending(const pending_message& m) final { push(m, m.key); }
    bool queue_heartbeat(time_point) final { return queue_control(sse::heartbeat(framing_)), true; }
    time_point last_heartbeat() const noexcept final { return {}; }
    void queue_farewell() final { queue_control(sse::last_chunk(framing_)); }
    parting peer_parting() const noexcept final { return parting::unspoken; }
    bool peer_answers() const noexcept final { return false; }
    bool peer_closes_first() const noexcept final { return false; }
    time_point look_at_protocol(time_point) final { return never; }
    void on_ended() final {}
    void on_drained() final {}
    void on_turn() final {}
};

}  // namespace weir::detail

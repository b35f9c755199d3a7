// SPDX-License-Identifier: BSL-1.0
#pragma once

// What a session needs from outside: a transport, the time, and policies. Layer: session.

#include <weir/bytes.hpp>
#include <weir/config.hpp>
#include <weir/policy/backpressure.hpp>
#include <weir/policy/heartbeat.hpp>
#include <weir/policy/observer.hpp>
#include <weir/policy/stall.hpp>
#include <weir/time.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace weir {

/// What a session has done so far, and what waits.
struct session_stats {
    std::uint64_t messages_sent = 0;  ///< wholly accepted by the transport
    std::uint64_t bytes_sent = 0;     ///< accepted by the transport, framing, head and heartbeats included
    std::size_t queued_messages = 0;  ///< not wholly accepted by the transport
    std::size_t queued_bytes = 0;     ///< not accepted by the transport
    drop_counts dropped;              ///< not sent, by reason
    std::uint64_t refused = 0;        ///< messages turned down, and their senders told so
    bool blocked = false;             ///< the transport takes no more at the moment
};

namespace detail {

/// The other side of the state machine `session`, which calls these and nothing else.
class session_host {
public:
    session_host(const session_host&) = delete;
    session_host& operator=(const session_host&) = delete;

protected:
    session_host() = default;
    ~session_host() = default;

    virtual time_point now() const noexcept = 0;

    /// Writes without waiting; returns the bytes taken. After less than was offered, wait_writable() is called next.
    virtual std::size_t write(std::span<const bytes_view> pieces, error_code& ec) noexcept = 0;
    /// Asks for one on_writable().
    virtual void wait_writable() = 0;
    /// Gives up a handle's part in owning this; it may be the last.
    virtual void drop_owner() noexcept = 0;

    /// The descriptor that write() would write to and nothing else; -1: there is none, or something lies between.
    virtual int descriptor() noexcept = 0;
    /// Bytes taken by write() that are still on their way to the transport.
    virtual std::size_t in_flight() const noexcept = 0;
    /// Tells the peer that no more comes.
    virtual void shutdown_send() = 0;
    virtual void close_transport() noexcept = 0;

    /// Asks for one on_timer() at that time, instead of at the time given before.
    virtual void set_timer(time_point at) = 0;
    /// Asks for one on_turn_end(), after the handler that runs now.
    virtual void schedule_flush() = 0;

    virtual bool by_key() const noexcept = 0;
    virtual admission decide(const outbox_facts& facts) noexcept = 0;
    virtual heartbeat_decision decide(const liveness& facts) noexcept = 0;
    virtual stall_decision decide(const progress& facts) noexcept = 0;

    virtual void observe(const session_opened& what) noexcept = 0;
    virtual void observe(const messages_received& what) noexcept = 0;
    virtual void observe(const messages_written& what) noexcept = 0;
    virtual void observe(const session_blocked& what) noexcept = 0;
    virtual void observe(const subscriber_lagged& what) noexcept = 0;
    virtual void observe(const messages_dropped& what) noexcept = 0;
    virtual void observe(const message_refused& what) noexcept = 0;
    virtual void observe(const heartbeat_sent& what) noexcept = 0;
    virtual void observe(const session_closed& what) noexcept = 0;

    /// Reads no more for the moment, or goes on. A session begins with reading.
    virtual void read_on(bool wanted) = 0;
};

}  // namespace detail
}  // namespace weir

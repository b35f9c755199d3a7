// SPDX-License-Identifier: BSL-1.0
#pragma once

// The life of one connection, decided without a socket or a clock: how it begins, when to look again, when to give up.
// Layer: session. io/stream_session.hpp performs what this decides.

#include <weir/config.hpp>
#include <weir/error.hpp>
#include <weir/policy/heartbeat.hpp>
#include <weir/policy/stall.hpp>
#include <weir/session/published_message.hpp>
#include <weir/session/session_output.hpp>
#include <weir/session/waiter.hpp>
#include <weir/time.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <utility>
#include <variant>

namespace weir::detail {

/// Whether the peer says goodbye before it closes its side.
enum class parting : std::uint8_t { unspoken, awaited, received };

/// The state machine. Derived classes supply what session_host asks for and report through the on_* functions.
class session : public session_output {
public:
    /// Completes the waiter once the session is over.
    void start_closed(waiter& w);
    /// Completes the waiter at its deadline, or earlier with an error when the session ends.
    void start_sleep(waiter& w);
    /// Takes a pending operation back, and completes it with `ec`.
    void cancel(waiter& w, error_code ec);

    /// No more messages: writes what waits, `last_words` and the protocol's farewell, then ends the connection.
    /// `reason` is what waiters learn.
    void close(error reason, std::string_view last_words = {});
    /// Takes over what is to be written beside what is sent. For an open session that has nothing of the kind.
    void attach(std::unique_ptr<feed> source);
    /// How the messages of a feed are to be encoded, and what compresses them, where something does.
    virtual wire_form feed_form() const noexcept = 0;
    virtual ws::message_codec* feed_codec() noexcept { return nullptr; }
    /// Whether the hub may have this one as a subscriber.
    virtual bool takes_feeds() const noexcept { return state() == phase::open; }
    /// Messages of the feed's did not reach the client.
    void count_left_out(drop_reason reason, std::size_t n) { count_drop(reason, n); }
    /// So far the reader was behind when it took more.
    void count_lag(const subscriber_lagged& lag) { observe(lag); }

    /// Ends the connection now. What waits is lost.
    void terminate(error_code reason) final;
    /// Ends the session at that time as close() does, with error::expired.
    void expire_at(time_point at);

    /// Bytes came from the peer, and are its own to change until this returns.
    void on_received(mutable_bytes_view bytes);
    void on_peer_closed();  ///< the peer sends no more
    void on_timer();        ///< the time given to set_timer() has come

protected:
    explicit session(std::uint8_t salt) noexcept : salt_(salt) {}
    ~session() = default;

    /// Starts the session: `head` is written before anything else.
    void open(std::string_view head);
    /// Answers with `response` and ends the connection.
    void refuse(std::string_view response, error reason);

    // ---- what the protocol on this session adds ----

    /// Makes of the peer's bytes what it likes.
    virtual void read(mutable_bytes_view bytes) = 0;
    /// Queues one heartbeat. False: not now.
    virtual bool queue_heartbeat(time_point at) = 0;
    /// When the last heartbeat was queued that the peer has to answer; the clock's epoch: none.
    virtual time_point last_heartbeat() const noexcept = 0;
    /// Queues what ends the stream in good order, behind everything else.
    virtual void queue_farewell() = 0;
    virtual parting peer_parting() const noexcept = 0;
    /// Whether the peer is heard at all: where only we speak, its silence says nothing.
    virtual bool peer_answers() const noexcept = 0;
    /// Whether the peer is to close the transport before this side does.
    virtual bool peer_closes_first() const noexcept = 0;
    /// Does what the protocol has to do at a time of its own, and returns when it has to look again.
    virtual time_point look_at_protocol(time_point at) = 0;
    /// The session has ended.
    virtual void on_ended() = 0;

    /// What the feed keeps of the application's goes now.
    void abandon_feed() noexcept {
        if (feed_) feed_->on_ended();
        feed_.reset();
    }
    void arm(time_point at) final;
    /// The peer wants no more of the feed, and waits for the farewell.
    void part_at_once() {
        if (!farewell_due_) return;
        feed_->finish(true);
        request_flush();
    }
    /// The farewell is still behind what the feed has.
    bool farewell_due() const noexcept { return farewell_due_; }
    /// Everything is written and the peer is done: leaves, or waits for the peer to leave.
    void finish();
    /// The peer could not have been heard of: counts as if it had been.
    void excuse_silence() { last_received_ = now(); }
    time_point last_heard() const noexcept { return last_received_; }

private:
    // How long the peer has for closing its side once everything is written.
    static constexpr milliseconds linger_time{5'000};
    // How long closing may take without progress, where no stall policy is stricter.
    static constexpr milliseconds closing_time{30'000};

    error_code told_at_end(waiter::kind what) const noexcept;
    bool goodbye_awaited() const noexcept { return opened_ && peer_parting() == parting::awaited; }
    void all_written() final;
    void part();
    void look_at_time();
    time_point beat_if_due(time_point at);
    time_point stop_if_stalled(time_point at);
    time_point end_if_overdue(time_point at);
    void wake_sleepers(time_point at);

    time_point last_received_{};
    time_point deadline_ = never;  // open: end of life; later: when the peer must have closed
    time_point timer_ = never;     // what set_timer() was last given
    std::uint8_t salt_;
    bool opened_ = false;    // a session that was refused never is
    bool finished_ = false;  // the peer has been told that no more comes
    bool farewell_due_ = false;
};

}  // namespace weir::detail

#include WEIR_BODIES(weir/session/session.ipp)

// SPDX-License-Identifier: BSL-1.0
#pragma once

// The life of one connection, decided without a socket or a clock: how it begins, when to look again, when to give up.
// Layer: session. io/stream_session.hpp performs what this decides.

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

// ---- beginning and ending ----

inline void session::open(std::string_view head) {
    phase_ = phase::open;
    opened_ = true;
    last_sent_ = last_received_ = now();
    observe(session_opened{});
    queue_control(head);
    if (!outbox_.empty()) outbox_.hold_front();  // a ping overtakes messages, not the head
    look_at_time();
}

inline void session::refuse(std::string_view response, error reason) {
    phase_ = phase::closing;
    end_reason_ = reason;
    last_sent_ = last_received_ = last_progress_ = now();
    deadline_ = later(last_progress_, closing_time);
    queue_control(response);
    arm(deadline_);
}

inline void session::close(error reason, std::string_view last_words) {
    if (phase_ == phase::fresh) return terminate(reason);
    if (phase_ != phase::open) return;
    phase_ = phase::closing;
    if (!end_reason_) end_reason_ = reason;
    while (waiter* w = waiters_.take(
               [](const waiter& x) { return x.what == waiter::kind::send || x.what == waiter::kind::sleep; })) {
        w->complete(why_not_sent(), end_reason_);
    }
    start_filling(now());
    queue_control(last_words);
    part();
    deadline_ = later(last_progress_, closing_time);
    arm(deadline_);
    request_flush();
}

inline void session::terminate(error_code reason) {
    if (phase_ == phase::closed) return;
    if (!end_reason_ && (phase_ != phase::lingering || goodbye_awaited())) end_reason_ = reason;
    count_drop(drop_reason::unsent, outbox_.messages());
    phase_ = phase::closed;
    outbox_.clear();
    drop_feed();
    timer_ = never;
    set_timer(never);
    if (opened_) observe(session_closed{end_reason_});
    while (waiter* w = waiters_.pop()) w->complete(told_at_end(w->what), end_reason_);
    on_ended();
    close_transport();  // last: whoever counts connections finds the handlers on their way
}

// What an operation is told that the end of the session completes. That nothing more comes may be no error.
inline error_code session::told_at_end(waiter::kind what) const noexcept {
    if (what == waiter::kind::closed) return {};
    const bool ends_well = what == waiter::kind::receive || what == waiter::kind::ended;
    return ends_well ? end_reason_ : why_not_sent();
}

// The farewell, once nothing is left to come before it.
inline void session::part() {
    const bool heard = !end_reason_ || end_reason_ == error::draining || end_reason_ == error::expired;
    if (feed_) feed_->finish(!heard || peer_parting() == parting::received);
    farewell_due_ = feed_ && feed_->waiting() != 0;
    if (!farewell_due_) queue_farewell();
}

inline void session::attach(std::unique_ptr<feed> source) {
    start_filling(now());
    feed_ = std::move(source);
    request_flush();
}

inline void session::all_written() {
    if (std::exchange(farewell_due_, false)) return queue_farewell(), request_flush();
    phase_ = phase::lingering;
    deadline_ = later(now(), linger_time);
    arm(deadline_);
    if (!goodbye_awaited()) finish();
}

inline void session::finish() {
    if (phase_ != phase::lingering || finished_) return;
    if (opened_ && peer_closes_first()) return;
    finished_ = true;
    // Closing at once could reset the connection and take back what the peer has not read yet. RFC 9112 §9.6
    shutdown_send();
}

inline void session::start_closed(waiter& w) {
    if (phase_ == phase::closed) return w.complete(told_at_end(w.what), end_reason_);
    waiters_.push(w);
}

inline void session::cancel(waiter& w, error_code ec) {
    if (waiters_.take([&](const waiter& x) { return &x == &w; }) == nullptr) return;
    // What stood behind it may go on.
    if (w.what == waiter::kind::send) request_flush();
    w.complete(ec, end_reason_);
}

inline void session::on_received(mutable_bytes_view bytes) {
    last_received_ = now();
    if (opened_) read(bytes);
}

inline void session::on_peer_closed() {
    terminate(peer_parting() == parting::received ? error::none : error::peer_closed);
}

// ---- time ----

inline void session::start_sleep(waiter& w) {
    if (phase_ != phase::open) return w.complete(why_not_sent(), end_reason_);
    waiters_.push(w);
    arm(w.deadline);
}

inline void session::expire_at(time_point at) {
    if (phase_ > phase::open) return;
    deadline_ = at;
    arm(at);
}

inline void session::on_timer() {
    timer_ = never;
    look_at_time();
}

// Does what is due, and asks to be called again for what is not.
inline void session::look_at_time() {
    if (phase_ == phase::closed) return;
    if (blocked_ && !review()) return;
    notice_progress();
    const time_point at = now();
    wake_sleepers(at);
    const time_point end = end_if_overdue(at);
    const time_point asked = std::min({stop_if_stalled(at), beat_if_due(at)});  // in this order
    if (phase_ == phase::closed) return;
    // A policy that names the past is asked again after a moment, not in a loop.
    time_point next = asked > at ? asked : later(at, review_interval);
    next = std::min({next, end, waiters_.earliest_deadline(), look_at_protocol(at)});
    if (phase_ == phase::closed) return;
    if (blocked_ && (outbox_.messages() != 0 || feed_)) next = std::min(next, later(at, review_interval));
    arm(next);
}

inline void session::wake_sleepers(time_point at) {
    while (waiter* w = waiters_.take([&](const waiter& x) { return x.deadline <= at; })) w->complete({}, end_reason_);
}

inline time_point session::end_if_overdue(time_point at) {
    // Closing takes as long as it makes progress.
    if (phase_ == phase::closing) deadline_ = later(last_progress_, closing_time);
    if (at < deadline_) return deadline_;
    if (phase_ <= phase::open) {
        close(error::expired);
    } else if (phase_ == phase::lingering) {
        terminate(error::close_timed_out);
    } else {
        terminate(error::stalled);
    }
    return deadline_;
}

inline time_point session::stop_if_stalled(time_point at) {
    if (unsent() == 0 || phase_ == phase::closed) return never;
    const stall_decision decision = decide(progress{at, last_progress_, unsent()});
    if (const auto* later_on = std::get_if<wait_until>(&decision)) return later_on->at;
    terminate(error::stalled);
    return never;
}

inline time_point session::beat_if_due(time_point at) {
    if (phase_ != phase::open) return never;
    const auto ask = [&] {
        const time_point heard = peer_answers() ? last_received_ : std::max(last_received_, last_sent_);
        return decide(liveness{at, last_sent_, heard, last_heartbeat(), unsent(), salt_});
    };
    heartbeat_decision decision = ask();
    if (std::holds_alternative<beat>(decision)) {
        if (queue_heartbeat(at)) observe(heartbeat_sent{});
        flush();
        if (phase_ != phase::open) return never;
        decision = ask();
    }
    if (const auto* later_on = std::get_if<wait_until>(&decision)) return later_on->at;
    if (std::holds_alternative<give_up>(decision)) terminate(error::unresponsive);
    // A policy that wants to beat twice in a row is asked again after a moment, not in a loop.
    return later(at, review_interval);
}

// The timer is only ever moved forward in time: a deadline that went away costs one look, not one cancellation.
inline void session::arm(time_point at) {
    if (phase_ == phase::closed || at >= timer_) return;
    timer_ = at;
    set_timer(at);
}

}  // namespace weir::detail

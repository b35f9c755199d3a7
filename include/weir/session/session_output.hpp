// SPDX-License-Identifier: BSL-1.0
#pragma once

// The sending half of a session: what gets into the outbox, what is dropped, and when it is written. Layer: session.

#include <weir/bytes.hpp>
#include <weir/error.hpp>
#include <weir/session/outbox.hpp>
#include <weir/session/session_host.hpp>
#include <weir/session/waiter.hpp>
#include <weir/time.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace weir::detail {

/// The states of a session, in order.
enum class phase : std::uint8_t {
    fresh,      ///< nothing sent yet
    open,       ///< messages may be sent
    closing,    ///< no more messages; what waits is written
    lingering,  ///< everything written and said so; the peer has not closed yet
    closed,
};

/// Sending at any time, in whole messages, within what the policy allows. `session` adds the beginning, the end, and
/// the time. Never calls the application: handlers are scheduled. Not thread-safe: one executor at a time.
class session_output : protected session_host {
public:
    /// Queues one message. `message` has size() > 0 and write(char*).
    template <class Encoder>
    error send(const Encoder& message, std::string_view key);

    /// Completes the waiter once the outbox has taken its message, or with the reason why it never will.
    void start_send(waiter& w);
    /// Completes the waiter once everything is written.
    void start_drained(waiter& w);

    phase state() const noexcept { return phase_; }
    session_stats stats() const noexcept;
    error_code end_reason() const noexcept { return end_reason_; }

    void on_writable();  ///< the transport may take bytes again
    void on_turn_end();  ///< asked for by schedule_flush()

protected:
    // How often a blocked outbox is looked through for messages that became too old.
    static constexpr milliseconds review_interval{250};

    session_output() = default;
    ~session_output() = default;

    /// Ends the session now, for that reason.
    virtual void terminate(error_code reason) = 0;
    /// The last byte of a closing session has been written.
    virtual void all_written() = 0;
    /// Has the session look at the time again at `at`, if not earlier.
    virtual void arm(time_point at) = 0;

    std::size_t unsent() const noexcept { return outbox_.bytes() + in_flight(); }
    error unusable() const noexcept;
    /// What an operation that sends is told when it cannot: the reason of the end, if there is one.
    error_code why_not_sent() const noexcept { return end_reason_ ? end_reason_ : make_error_code(unusable()); }
    void start_filling(time_point at);
    void queue_control(std::string_view bytes);
    void count_drop(drop_reason reason, std::size_t n);
    void request_flush();
    void flush();
    bool review();
    void notice_progress();

    outbox outbox_;
    waiter_list waiters_;
    time_point last_sent_{}, last_progress_{};
    error_code end_reason_;
    phase phase_ = phase::fresh;
    bool blocked_ = false;  // wait_writable() is pending

private:
    // At most this much is written before other sessions get their turn.
    static constexpr std::size_t max_bytes_per_flush = 4 * 1024 * 1024;

    // Blocked, but everything behind has been dropped: nothing has to wait for the transport.
    bool held_up() const noexcept { return blocked_ && unsent() != 0; }
    bool drained() const noexcept { return unsent() == 0 && phase_ < phase::closed; }
    outbox_facts facts_for(std::size_t incoming, std::string_view key) const noexcept;
    admission admit(std::size_t size, std::string_view key);
    bool make_room(admission decision, std::string_view key);
    void admit_waiting();
    error settle(admission decision, const pending_message& m);
    error refused();
    template <class Encoder>
    void push(const Encoder& message, std::string_view key);
    bool write_once();
    void block();
    void after_drained();

    std::uint64_t messages_sent_ = 0, bytes_sent_ = 0;
    std::size_t in_flight_seen_ = 0;
    drop_counts dropped_;
    std::uint32_t refused_ = 0;
    bool flush_scheduled_ = false;  // schedule_flush() is pending
    bool admitting_ = false;        // admit_waiting() is under way
};

inline error session_output::unusable() const noexcept {
    if (phase_ == phase::open) return error::none;
    return phase_ == phase::fresh ? error::not_accepted : error::closed;
}

inline outbox_facts session_output::facts_for(std::size_t incoming, std::string_view key) const noexcept {
    outbox_facts f;
    f.bytes = unsent();
    f.messages = outbox_.messages();
    if (const time_point oldest = outbox_.oldest(); oldest != never) f.oldest_age = now() - oldest;
    f.incoming_bytes = incoming;
    f.same_key_waiting = by_key() && outbox_.has_key(key);
    f.blocked = blocked_;
    return f;
}

// ---- sending ----

template <class Encoder>
error session_output::send(const Encoder& message, std::string_view key) {
    if (const error e = unusable(); e != error::none) return e;
    // What waits was there first.
    const bool queue_ahead = waiters_.find(waiter::kind::send) != nullptr;
    switch (queue_ahead ? admission::wait : admit(message.size(), key)) {
        case admission::accept: break;
        case admission::drop_newest: return error::dropped;
        case admission::close: return end_reason_ == error::slow_reader ? error::slow_reader : error::closed;
        default: return refused();
    }
    push(message, key);
    return error::none;
}

template <class Encoder>
void session_output::push(const Encoder& message, std::string_view key) {
    const time_point at = now();
    const std::size_t size = message.size();
    start_filling(at);
    message.write(outbox_.prepare(size));
    outbox_.commit(size, at, by_key() ? key : std::string_view{});
    request_flush();
}

// Asks the policy until it has decided: accept, refuse, wait, drop_newest or close.
inline admission session_output::admit(std::size_t size, std::string_view key) {
    bool flushed = false;
    for (;;) {
        const admission decision = decide(facts_for(size, key));
        if (decision == admission::accept) return decision;
        if (!flushed && !blocked_ && !outbox_.empty()) {
            // Full within one turn is not slow: what is there has not even been offered yet.
            flushed = true;
            flush();
            if (phase_ != phase::open) return admission::close;
            continue;
        }
        if (decision == admission::close) terminate(error::slow_reader);
        if (decision == admission::drop_newest) count_drop(drop_reason::newest, 1);
        if (decision != admission::drop_oldest && decision != admission::replace) return decision;
        if (!make_room(decision, key)) return admission::accept;
    }
}

inline bool session_output::make_room(admission decision, std::string_view key) {
    if (decision == admission::replace) {
        const std::size_t n = outbox_.drop_key(key);
        count_drop(drop_reason::replaced, n);
        return n != 0;
    }
    if (!outbox_.drop_oldest()) return false;
    count_drop(drop_reason::oldest, 1);
    return true;
}

inline void session_output::count_drop(drop_reason reason, std::size_t n) {
    if (n == 0) return;
    dropped_.add(reason, static_cast<std::uint32_t>(n));
    observe(messages_dropped{reason, n});
}

// Progress is measured from the moment there was something to make progress with. A blocked transport has made none,
// even if everything behind it has been dropped meanwhile.
inline void session_output::start_filling(time_point at) {
    if (!blocked_) {
        if (unsent() == 0) last_progress_ = at;
    } else if (outbox_.messages() == 0) {
        arm(later(at, review_interval));  // what held no message was not looked through
    }
}

// What write() has taken may still be on its way: that it becomes less is progress, too.
inline void session_output::notice_progress() {
    const std::size_t left = in_flight();
    if (left < in_flight_seen_) last_progress_ = last_sent_ = now();
    in_flight_seen_ = left;
}

inline void session_output::queue_control(std::string_view bytes) {
    if (bytes.empty()) return;
    const time_point at = now();
    start_filling(at);
    bytes.copy(outbox_.prepare(bytes.size()), bytes.size());
    outbox_.commit_control(bytes.size(), at);
}

inline void session_output::start_send(waiter& w) {
    if (phase_ != phase::open) return w.complete(why_not_sent(), end_reason_);
    waiters_.push(w);
    admit_waiting();
}

// Lets in as many waiting messages as the policy takes, in order.
inline void session_output::admit_waiting() {
    if (admitting_) return;  // admitting flushes, and flushing admits
    admitting_ = true;
    while (waiter* w = phase_ == phase::open ? waiters_.find(waiter::kind::send) : nullptr) {
        const admission decision = admit(w->message->encoded.size(), w->message->key);
        if (decision == admission::wait || decision == admission::close) break;
        waiters_.take([&](const waiter& x) { return &x == w; });
        w->complete(settle(decision, *w->message), end_reason_);
    }
    admitting_ = false;
}

inline error session_output::settle(admission decision, const pending_message& m) {
    if (decision == admission::refuse) return refused();
    if (decision == admission::drop_newest) return error::dropped;
    push(m, m.key);
    return error::none;
}

inline error session_output::refused() {
    ++refused_;
    observe(message_refused{});
    return error::refused;
}

// ---- writing ----

inline void session_output::request_flush() {
    if (held_up() || flush_scheduled_) return;
    flush_scheduled_ = true;
    schedule_flush();
}

inline void session_output::on_turn_end() {
    flush_scheduled_ = false;
    flush();
}

inline void session_output::on_writable() {
    notice_progress();
    if (!review()) return;
    blocked_ = false;
    flush();
}

inline void session_output::flush() {
    if (held_up() || phase_ == phase::closed) return;
    std::size_t budget = max_bytes_per_flush;
    while (!outbox_.empty() && !blocked_) {
        const std::uint64_t before = bytes_sent_;
        if (!write_once()) return;
        budget -= std::min<std::size_t>(budget, bytes_sent_ - before);
        if (budget == 0 && !outbox_.empty()) return request_flush();
    }
    if (in_flight() != 0 && !blocked_) block();
    admit_waiting();
    if (drained()) after_drained();
}

// One gathered write. False: the session has ended.
inline bool session_output::write_once() {
    std::array<bytes_view, 16> pieces;
    const std::size_t count = outbox_.gather(pieces);
    std::size_t offered = 0;
    for (std::size_t i = 0; i != count; ++i) offered += pieces[i].size();
    error_code ec;
    const std::size_t taken = write(std::span{pieces}.first(count), ec);
    if (ec) return terminate(ec), false;
    if (taken != 0) {
        const std::size_t messages = outbox_.consume(taken);
        last_progress_ = last_sent_ = now();
        bytes_sent_ += taken;
        messages_sent_ += messages;
        observe(messages_written{messages, taken});
    }
    if (taken < offered) block();
    return true;
}

inline void session_output::block() {
    blocked_ = true;
    in_flight_seen_ = in_flight();
    wait_writable();
    arm(later(now(), review_interval));
}

// Drops what the policy finds too old. False: the session has ended.
inline bool session_output::review() {
    for (;;) {
        if (outbox_.messages() == 0 || phase_ != phase::open) return true;
        const admission decision = decide(facts_for(0, {}));
        if (decision == admission::close) return terminate(error::slow_reader), false;
        if (decision != admission::drop_oldest || !outbox_.drop_oldest()) return true;
        count_drop(drop_reason::outdated, 1);
        if (outbox_.empty()) request_flush();  // for those who wait for that
    }
}

inline void session_output::start_drained(waiter& w) {
    if (phase_ == phase::closed) return w.complete(why_not_sent(), end_reason_);
    if (drained() && waiters_.find(waiter::kind::send) == nullptr) return w.complete({}, end_reason_);
    waiters_.push(w);
}

inline void session_output::after_drained() {
    if (waiters_.find(waiter::kind::send) != nullptr) return;
    while (waiter* w = waiters_.take([](const waiter& x) { return x.what == waiter::kind::drained; })) {
        w->complete({}, end_reason_);
    }
    if (phase_ == phase::closing) all_written();
}

inline session_stats session_output::stats() const noexcept {
    return {messages_sent_, bytes_sent_, outbox_.messages(), unsent(), dropped_, refused_, blocked_};
}

}  // namespace weir::detail

// SPDX-License-Identifier: BSL-1.0
#pragma once

// The sending half of a session: what gets into the outbox, what is dropped, and who waits for room. Layer: session.

#include <weir/bytes.hpp>
#include <weir/error.hpp>
#include <weir/policy/backpressure.hpp>
#include <weir/policy/observer.hpp>
#include <weir/session/session_host.hpp>
#include <weir/session/session_writer.hpp>
#include <weir/session/waiter.hpp>
#include <weir/time.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <utility>

namespace weir::detail {

/// Sending at any time, in whole messages, within what the policy allows. `session` adds the beginning, the end, and
/// the time. Never calls the application: handlers are scheduled. Not thread-safe: one executor at a time.
class session_output : public session_writer {
public:
    /// Queues one message. `message` has size() > 0 and write(char*).
    template <class Encoder>
    error send(const Encoder& message, std::string_view key);

    /// Completes the waiter once the outbox has taken its message, or with the reason why it never will.
    void start_send(waiter& w);
    /// Completes the waiter once everything is written.
    void start_drained(waiter& w);

    session_stats stats() const noexcept;

protected:
    session_output() = default;
    ~session_output() = default;

    /// The last byte of a closing session has been written.
    virtual void all_written() = 0;

    /// Whether a message of that size gets in, on an open session. Writes what waits, if that makes room.
    admission ask(std::size_t size, std::string_view key);
    /// What the sender of a message is told that did not get in.
    error turned_down(admission decision);
    /// Queues a message that got in. `pinned`: it is never dropped.
    template <class Encoder>
    void push(const Encoder& message, std::string_view key, bool pinned = false);
    /// As push(), for a message so long that it is worth being written from where it is: nothing but what the transport
    /// does not take at once is copied. `pieces` together are the encoded message.
    void push_in_place(std::span<const bytes_view> pieces, std::string_view key);
    /// Queues a message that waited and got in.
    virtual void push_pending(const pending_message& m) = 0;
    /// Queues a part of a message, which is never dropped: the parts before it may be on the wire.
    template <class Encoder>
    void push_part(const Encoder& part, bool ends);
    /// Messages have been sent, and all of them are written.
    virtual void on_drained() = 0;
    error unusable() const noexcept;
    /// What an operation that sends is told when it cannot: the reason of the end, if there is one.
    error_code why_not_sent() const noexcept { return end_reason_ ? end_reason_ : make_error_code(unusable()); }
    void count_drop(drop_reason reason, std::size_t n);
    bool review() final;
    bool message_open() const noexcept final { return message_open_; }

    waiter_list waiters_;

private:
    outbox_facts facts_for(std::size_t incoming, std::string_view key) const noexcept;
    waiter* next_sender() const noexcept;
    admission admit(std::size_t size, std::string_view key);
    bool make_room(admission decision, std::string_view key);
    void admit_waiting();
    void push_rest(std::span<const bytes_view> pieces, std::size_t taken, std::string_view key);
    void on_flushed() final;
    void after_drained();

    drop_counts dropped_;
    std::uint32_t refused_ = 0;
    bool admitting_ = false;  // admit_waiting() is under way
    bool message_open_ = false;
    bool filled_ = false;  // messages have been queued since everything was written
};

inline error session_output::unusable() const noexcept {
    if (phase_ == phase::open) return error::none;
    return phase_ == phase::fresh ? error::not_accepted : error::closed;
}

inline outbox_facts session_output::facts_for(std::size_t incoming, std::string_view key) const noexcept {
    outbox_facts f;
    f.bytes = unsent();
    f.messages = outbox_.messages() + outbox_.parts();
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
    const admission decision = ask(message.size(), key);
    if (decision != admission::accept) return turned_down(decision);
    push(message, key);
    return error::none;
}

// What waits was there first.
inline admission session_output::ask(std::size_t size, std::string_view key) {
    const bool queue_ahead = message_open_ || waiters_.find(waiter::kind::send) != nullptr;
    return queue_ahead ? admission::wait : admit(size, key);
}

inline error session_output::turned_down(admission decision) {
    if (decision == admission::close) return end_reason_ == error::slow_reader ? error::slow_reader : error::closed;
    if (decision == admission::drop_newest) {
        count_drop(drop_reason::newest, 1);
        return error::dropped;
    }
    ++refused_;
    observe(message_refused{});
    return error::refused;
}

inline void session_output::push_in_place(std::span<const bytes_view> pieces, std::string_view key) {
    std::size_t size = 0, taken = 0;
    bool full = false;
    for (const bytes_view piece : pieces) size += piece.size();
    if (!held_up()) write_out();  // what was sent before goes first
    if (phase_ != phase::open) return;
    start_filling(now());
    if (!blocked_ && outbox_.empty()) {
        if (!write_pieces(pieces, taken)) return;
        if (taken != 0) count_written(taken == size ? 1 : 0, taken);
        full = taken != size || in_flight() != 0;
    }
    if (taken != size) push_rest(pieces, taken, key);
    if (full) block();
    filled_ = true;
    request_flush();  // if only for those who wait until everything is written
}

template <class Encoder>
void session_output::push(const Encoder& message, std::string_view key, bool pinned) {
    const time_point at = now();
    const std::size_t size = message.size();
    start_filling(at);
    filled_ = true;
    message.write(outbox_.prepare(size));
    if (pinned) {
        outbox_.commit_pinned(size, at);
    } else {
        outbox_.commit(size, at, by_key() ? key : std::string_view{});
    }
    request_flush();
}

template <class Encoder>
void session_output::push_part(const Encoder& part, bool ends) {
    const time_point at = now();
    const std::size_t size = part.size();
    start_filling(at);
    filled_ = true;
    part.write(outbox_.prepare(size));
    if (ends) {
        outbox_.commit_pinned(size, at);
    } else {
        outbox_.commit_part(size, at);
    }
    message_open_ = !ends;
    request_flush();
}

// What is left of a message, or all of it, into the outbox.
inline void session_output::push_rest(std::span<const bytes_view> pieces, std::size_t taken, std::string_view key) {
    const time_point at = now();
    std::size_t size = 0, skip = taken;
    for (const bytes_view piece : pieces) size += piece.size();
    char* out = outbox_.prepare(size - taken);
    for (const bytes_view piece : pieces) {
        const std::string_view rest = as_text(piece.subspan(std::min(skip, piece.size())));
        skip -= piece.size() - rest.size();
        out += rest.copy(out, rest.size());
    }
    if (taken == 0) return outbox_.commit(size, at, by_key() ? key : std::string_view{});
    outbox_.commit_rest(size - taken, at);
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

inline void session_output::start_send(waiter& w) {
    if (phase_ != phase::open) return w.complete(why_not_sent(), end_reason_);
    waiters_.push(w);
    admit_waiting();
}

// Whose turn it is. While a message is open, only its own parts are let in.
inline waiter* session_output::next_sender() const noexcept {
    if (phase_ != phase::open) return nullptr;
    return waiters_.find_if(
        [&](const waiter& w) { return w.what == waiter::kind::send && (!message_open_ || w.message->continues); });
}

// Lets in as many waiting messages as the policy takes, in order.
inline void session_output::admit_waiting() {
    if (admitting_) return;  // admitting flushes, and flushing admits
    admitting_ = true;
    while (waiter* const w = next_sender()) {
        const admission decision = admit(w->message->wire_size(), w->message->key);
        if (decision == admission::wait || decision == admission::close) break;
        if (decision == admission::drop_newest && w->message->continues) break;  // half a message helps nobody
        waiters_.take([&](const waiter& x) { return &x == w; });
        const bool in = decision == admission::accept;
        if (in) push_pending(*w->message);
        const error_code lost = phase_ == phase::open ? error_code{} : why_not_sent();
        w->complete(in ? lost : make_error_code(turned_down(decision)), end_reason_);
    }
    admitting_ = false;
}

// ---- after writing ----

inline void session_output::on_flushed() {
    admit_waiting();
    if (drained()) after_drained();
}

inline bool session_output::review() {
    if (feed_ && phase_ == phase::open && !feed_->review(now())) return terminate(error::slow_reader), false;
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
    if (phase_ == phase::closing) return all_written();
    if (std::exchange(filled_, false)) on_drained();
}

inline session_stats session_output::stats() const noexcept {
    return {messages_sent_, bytes_sent_, outbox_.messages(), unsent(), dropped_, refused_, blocked_};
}

}  // namespace weir::detail

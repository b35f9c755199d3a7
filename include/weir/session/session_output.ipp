// SPDX-License-Identifier: BSL-1.0
#pragma once

// The bodies of session_output.hpp.

#include <weir/session/session_output.hpp>

namespace weir::detail {

WEIR_INLINE error session_output::unusable() const noexcept {
    if (phase_ == phase::open) return error::none;
    return phase_ == phase::fresh ? error::not_accepted : error::closed;
}

WEIR_INLINE outbox_facts session_output::facts_for(std::size_t incoming, std::string_view key) const noexcept {
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

// What waits was there first.
WEIR_INLINE admission session_output::ask(std::size_t size, std::string_view key) {
    const bool queue_ahead = message_open_ || waiters_.find(waiter::kind::send) != nullptr;
    return queue_ahead ? admission::wait : admit(size, key);
}

WEIR_INLINE error session_output::turned_down(admission decision) {
    if (decision == admission::close) return end_reason_ == error::slow_reader ? error::slow_reader : error::closed;
    if (decision == admission::drop_newest) {
        count_drop(drop_reason::newest, 1);
        return error::dropped;
    }
    ++refused_;
    observe(message_refused{});
    return error::refused;
}

WEIR_INLINE void session_output::push_in_place(std::span<const bytes_view> pieces, std::string_view key) {
    std::size_t size = 0, taken = 0;
    bool full = false;
    for (const bytes_view piece : pieces) size += piece.size();
    if (may_write_ && !held_up()) write_out();  // what was sent before goes first
    if (phase_ != phase::open) return;
    start_filling(now());
    if (may_write_ && !blocked_ && outbox_.empty()) {
        if (!write_pieces(pieces, taken)) return;
        if (taken != 0) count_written(taken == size ? 1 : 0, taken);
        full = taken != size || in_flight() != 0;
    }
    if (taken != size) push_rest(pieces, taken, key);
    if (full) block();
    filled_ = true;
    request_flush();  // if only for those who wait until everything is written
}

// What is left of a message, or all of it, into the outbox.
WEIR_INLINE void session_output::push_rest(std::span<const bytes_view> pieces, std::size_t taken,
                                           std::string_view key) {
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
WEIR_INLINE admission session_output::admit(std::size_t size, std::string_view key) {
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

WEIR_INLINE bool session_output::make_room(admission decision, std::string_view key) {
    if (decision == admission::replace) {
        const std::size_t n = outbox_.drop_key(key);
        count_drop(drop_reason::replaced, n);
        return n != 0;
    }
    if (!outbox_.drop_oldest()) return false;
    count_drop(drop_reason::oldest, 1);
    return true;
}

WEIR_INLINE void session_output::count_drop(drop_reason reason, std::size_t n) {
    if (n == 0) return;
    dropped_.add(reason, static_cast<std::uint32_t>(n));
    observe(messages_dropped{reason, n});
}

WEIR_INLINE void session_output::start_send(waiter& w) {
    if (phase_ != phase::open) return w.complete(why_not_sent(), end_reason_);
    waiters_.push(w);
    admit_waiting();
}

// Whose turn it is. While a message is open, only its own parts are let in.
WEIR_INLINE waiter* session_output::next_sender() const noexcept {
    if (phase_ != phase::open) return nullptr;
    return waiters_.find_if(
        [&](const waiter& w) { return w.what == waiter::kind::send && (!message_open_ || w.message->continues); });
}

// Lets in as many waiting messages as the policy takes, in order.
WEIR_INLINE void session_output::admit_waiting() {
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

WEIR_INLINE void session_output::on_flushed() {
    admit_waiting();
    if (drained()) after_drained();
}

WEIR_INLINE bool session_output::review() {
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

WEIR_INLINE void session_output::start_drained(waiter& w) {
    if (phase_ == phase::closed) return w.complete(why_not_sent(), end_reason_);
    if (drained() && waiters_.find(waiter::kind::send) == nullptr) return w.complete({}, end_reason_);
    waiters_.push(w);
}

WEIR_INLINE void session_output::after_drained() {
    if (waiters_.find(waiter::kind::send) != nullptr) return;
    while (waiter* w = waiters_.take([](const waiter& x) { return x.what == waiter::kind::drained; })) {
        w->complete({}, end_reason_);
    }
    if (phase_ == phase::closing) return all_written();
    if (std::exchange(filled_, false)) on_drained();
}

WEIR_INLINE session_stats session_output::stats() const noexcept {
    return {messages_sent_, bytes_sent_, outbox_.messages(), unsent(), dropped_, refused_, blocked_};
}

}  // namespace weir::detail

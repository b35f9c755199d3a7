// SPDX-License-Identifier: BSL-1.0
#pragma once

// The bodies of session.hpp.

#include <weir/session/session.hpp>

namespace weir::detail {

// ---- beginning and ending ----

WEIR_INLINE void session::open(std::string_view head) {
    phase_ = phase::open;
    opened_ = true;
    last_sent_ = last_received_ = now();
    observe(session_opened{});
    queue_control(head);
    if (!outbox_.empty()) outbox_.hold_front();  // a ping overtakes messages, not the head
    look_at_time();
}

WEIR_INLINE void session::refuse(std::string_view response, error reason) {
    phase_ = phase::closing;
    end_reason_ = reason;
    last_sent_ = last_received_ = last_progress_ = now();
    deadline_ = later(last_progress_, closing_time);
    queue_control(response);
    arm(deadline_);
}

WEIR_INLINE void session::close(error reason, std::string_view last_words) {
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

WEIR_INLINE void session::terminate(error_code reason) {
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
WEIR_INLINE error_code session::told_at_end(waiter::kind what) const noexcept {
    if (what == waiter::kind::closed) return {};
    const bool ends_well = what == waiter::kind::receive || what == waiter::kind::ended;
    return ends_well ? end_reason_ : why_not_sent();
}

// The farewell, once nothing is left to come before it.
WEIR_INLINE void session::part() {
    const bool heard = !end_reason_ || end_reason_ == error::draining || end_reason_ == error::expired;
    if (feed_) feed_->finish(!heard || peer_parting() == parting::received);
    farewell_due_ = feed_ && feed_->waiting() != 0;
    if (!farewell_due_) queue_farewell();
}

WEIR_INLINE void session::attach(std::unique_ptr<feed> source) {
    start_filling(now());
    feed_ = std::move(source);
    request_flush();
}

WEIR_INLINE void session::all_written() {
    if (std::exchange(farewell_due_, false)) return queue_farewell(), request_flush();
    phase_ = phase::lingering;
    deadline_ = later(now(), linger_time);
    arm(deadline_);
    if (!goodbye_awaited()) finish();
}

WEIR_INLINE void session::finish() {
    if (phase_ != phase::lingering || finished_) return;
    if (opened_ && peer_closes_first()) return;
    finished_ = true;
    // Closing at once could reset the connection and take back what the peer has not read yet. RFC 9112 §9.6
    shutdown_send();
}

WEIR_INLINE void session::start_closed(waiter& w) {
    if (phase_ == phase::closed) return w.complete(told_at_end(w.what), end_reason_);
    waiters_.push(w);
}

WEIR_INLINE void session::cancel(waiter& w, error_code ec) {
    if (waiters_.take([&](const waiter& x) { return &x == &w; }) == nullptr) return;
    // What stood behind it may go on.
    if (w.what == waiter::kind::send) request_flush();
    w.complete(ec, end_reason_);
}

WEIR_INLINE void session::on_received(mutable_bytes_view bytes) {
    last_received_ = now();
    if (opened_) read(bytes);
}

WEIR_INLINE void session::on_peer_closed() {
    terminate(peer_parting() == parting::received ? error::none : error::peer_closed);
}

// ---- time ----

WEIR_INLINE void session::start_sleep(waiter& w) {
    if (phase_ != phase::open) return w.complete(why_not_sent(), end_reason_);
    waiters_.push(w);
    arm(w.deadline);
}

WEIR_INLINE void session::expire_at(time_point at) {
    if (phase_ > phase::open) return;
    deadline_ = at;
    arm(at);
}

WEIR_INLINE void session::on_timer() {
    timer_ = never;
    look_at_time();
}

// Does what is due, and asks to be called again for what is not.
WEIR_INLINE void session::look_at_time() {
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

WEIR_INLINE void session::wake_sleepers(time_point at) {
    while (waiter* w = waiters_.take([&](const waiter& x) { return x.deadline <= at; })) w->complete({}, end_reason_);
}

WEIR_INLINE time_point session::end_if_overdue(time_point at) {
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

WEIR_INLINE time_point session::stop_if_stalled(time_point at) {
    if (unsent() == 0 || phase_ == phase::closed) return never;
    const stall_decision decision = decide(progress{at, last_progress_, unsent()});
    if (const auto* later_on = std::get_if<wait_until>(&decision)) return later_on->at;
    terminate(error::stalled);
    return never;
}

WEIR_INLINE time_point session::beat_if_due(time_point at) {
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
WEIR_INLINE void session::arm(time_point at) {
    if (phase_ == phase::closed || at >= timer_) return;
    timer_ = at;
    set_timer(at);
}

}  // namespace weir::detail

// SPDX-License-Identifier: BSL-1.0
#pragma once

// The bodies of session_writer.hpp.

#include <weir/session/session_writer.hpp>

namespace weir::detail {

// Progress is measured from the moment there was something to make progress with. A blocked transport has made none,
// even if everything behind it has been dropped meanwhile.
WEIR_INLINE void session_writer::start_filling(time_point at) {
    if (!blocked_) {
        if (unsent() == 0) last_progress_ = at;
    } else if (outbox_.messages() == 0) {
        arm(later(at, review_interval));  // what held no message was not looked through
    }
}

// What write() has taken may still be on its way: that it becomes less is progress, too.
WEIR_INLINE void session_writer::notice_progress() {
    const std::size_t left = in_flight();
    if (left < in_flight_seen_) last_progress_ = last_sent_ = now();
    in_flight_seen_ = left;
}

WEIR_INLINE void session_writer::queue_control(std::string_view bytes) {
    if (bytes.empty()) return;
    const time_point at = now();
    start_filling(at);
    bytes.copy(outbox_.prepare(bytes.size()), bytes.size());
    outbox_.commit_control(bytes.size(), at);
    request_flush();
}

WEIR_INLINE void session_writer::queue_urgent(std::string_view bytes) {
    if (bytes.empty()) return;
    start_filling(now());
    outbox_.push_urgent(bytes);
    request_flush();
}

WEIR_INLINE void session_writer::request_flush() {
    if (!held_up() && !flush_scheduled_) request_turn();
}

WEIR_INLINE void session_writer::request_turn() {
    if (turn_requested_) return;
    flush_scheduled_ = turn_requested_ = true;
    schedule_flush();
}

WEIR_INLINE void session_writer::on_turn_end() {
    flush_scheduled_ = turn_requested_ = false;
    if (more_is_coming()) {
        request_turn();
    } else {
        flush();
    }
    on_turn();
    if (phase_ == phase::closed) feed_.reset();
}

WEIR_INLINE void session_writer::on_writable() {
    notice_progress();
    if (!review()) return;
    blocked_ = false;
    flush();
}

WEIR_INLINE void session_writer::flush() {
    if (held_up() || phase_ == phase::closed) return;
    if (!may_write_) return request_flush();
    if (write_out()) on_flushed();
}

// Writes what waits, as far as the transport takes it. False: it is the others' turn, or the session has ended.
WEIR_INLINE bool session_writer::write_out() {
    std::size_t budget = max_bytes_per_flush;
    while (has_output() && !blocked_) {
        const std::uint64_t before = bytes_sent_;
        if (!write_once()) return false;
        budget -= std::min<std::size_t>(budget, bytes_sent_ - before);
        if (budget == 0 && has_output()) return request_flush(), false;
    }
    if (in_flight() != 0 && !blocked_) block();
    return true;
}

// One gathered write. False: the session has ended.
WEIR_INLINE bool session_writer::write_once() {
    std::array<bytes_view, 16> pieces;
    const offer made = gather_or_end(pieces);
    if (made.size() == 0) return has_output() ? (request_flush(), false) : true;  // the feed had nothing, or not yet
    std::size_t taken = 0;
    if (!write_pieces(std::span{pieces}.first(made.pieces), taken)) return false;
    take(made, taken);
    if (taken < made.size()) block();
    return true;
}

WEIR_INLINE session_writer::offer session_writer::gather(std::span<bytes_view> out) {
    offer made;
    const auto add = [&](std::size_t count, std::size_t& bytes) {
        for (; count != 0; --count) bytes += out[made.pieces++].size();
    };
    const bool rest_first = feed_ && feed_->is_partial() && !outbox_.empty();
    if (rest_first) add(feed_->gather(out.first(1), now()), made.rest);
    add(outbox_.gather(out.subspan(made.pieces)), made.own);
    if (rest_first || made.pieces == out.size() || unsent_feed() == 0) return made;
    const std::size_t room = message_open() ? 1 : out.size() - made.pieces;  // for the rest of one, before the parts
    add(feed_->gather(out.subspan(made.pieces, room), now()), made.fed);
    if (made.fed != 0) on_feeding();
    return made;
}

// What of a feed's is the application's may throw. Such a session cannot go on: what it would be sent next is not
// known.
WEIR_INLINE session_writer::offer session_writer::gather_or_end(std::span<bytes_view> out) {
    offer made;
    const auto failure = caught([&] { made = gather(out); });
    if (!failure) return made;
    terminate(error::closed);
    std::rethrow_exception(failure);
}

WEIR_INLINE void session_writer::take(const offer& made, std::size_t taken) {
    const bool blocked = taken < made.size();
    const std::size_t rest = std::min(taken, made.rest);
    const std::size_t own = std::min(taken - rest, made.own);
    std::size_t messages = made.rest != 0 ? feed_->consume(rest, blocked) : 0;
    messages += outbox_.consume(own);
    if (made.fed != 0) messages += feed_->consume(taken - rest - own, blocked);
    if (taken != 0) count_written(messages, taken);
}

// It goes when nothing can be in the middle of it: it may own the last handle of this session.
WEIR_INLINE void session_writer::drop_feed() noexcept {
    if (!feed_) return;
    feed_->on_ended();
    request_turn();
}

WEIR_INLINE bool session_writer::on_written(std::size_t taken, std::size_t offered, std::size_t messages, error_code ec,
                                            time_point at) {
    if (ec) return terminate(ec), false;
    last_progress_ = at;
    if (taken != 0) {
        last_sent_ = at;
        count_written(messages, taken);
    }
    if (taken < offered || in_flight() != 0) block();
    return true;
}

// Offers bytes to the transport. False: the session has ended.
WEIR_INLINE bool session_writer::write_pieces(std::span<const bytes_view> pieces, std::size_t& taken) {
    error_code ec;
    taken = write(pieces, ec);
    if (ec) return terminate(ec), false;
    if (taken != 0) last_progress_ = last_sent_ = now();
    return true;
}

WEIR_INLINE void session_writer::count_written(std::size_t messages, std::size_t bytes) {
    messages_sent_ += messages;
    bytes_sent_ += bytes;
    observe(messages_written{messages, bytes});
}

WEIR_INLINE void session_writer::block() {
    blocked_ = true;
    in_flight_seen_ = in_flight();
    wait_writable();
    arm(later(now(), review_interval));
    // What is only on its way has been accepted.
    if (unsent() != in_flight()) observe(session_blocked{outbox_.messages(), unsent()});
}

}  // namespace weir::detail

// SPDX-License-Identifier: BSL-1.0
#pragma once

// The bodies of subscriber.hpp.

#include <weir/session/subscriber.hpp>

namespace weir::detail {

// ---- subscribing ----

WEIR_INLINE subscribed subscriber::subscribe(const topic_set& topics, const subscribe_options& options,
                                             time_point now) {
    if (subscriber_rules::are_in(options)) {
        if (!rules_) rules_ = std::make_unique<subscriber_rules>();
        rules_->add(options);
    }
    if (is_listed_as(false)) unlist();  // it may become selective
    const topic_set fresh = new_of(topics);
    if (fresh.empty()) return be_found(), subscribed::live;
    const auto begin = core().enter(fresh, options.after.text(), options.from_oldest, shard(), now);
    if (empty()) {
        position_ = begin.after;
        change(state::live);
    } else if (begin.after < position_) {  // back to where the new ones begin; the others go on where they are
        go_on_after(position_);
        position_ = begin.after;
    }
    enter(fresh, begin.after, options.member);
    if (begin.how == subscribed::gap && rules_) rules_->unsaid.lost = true;
    session_.on_filling(now);
    if (begin.after < begin.newest || begin.how == subscribed::gap) {
        if (!slow_) free_through_ = begin.newest;
        change(state::behind);
    }
    be_found();
    say_where(begin.after);
    return begin.how;
}

// A client that has seen nothing has nothing to come back with, unless it is told where it began.
WEIR_INLINE void subscriber::say_where(std::uint64_t after) {
    const bool has_ids = core().format()->with_ids && is_event_stream(form_);
    if (core().settings().say_where && has_ids) session_.send_aside(id_block(core().id_of(after), form_));
}

WEIR_INLINE bool subscriber::unsubscribe(std::string_view topic) noexcept {
    const bool found = topic_legs::leave(topic);
    if (!is_listed_as(selective())) unlist();
    if (empty()) change(state::gone);
    be_found();
    return found;
}

WEIR_INLINE void subscriber::leave() noexcept {
    leave_all();
    change(state::gone);
}

// By turns: a selective one always, another one while it is live.
WEIR_INLINE void subscriber::be_found() {
    if (single()) position_ = std::max(position_, begin());
    if (selective() || state_ == state::live) list(selective());
}

WEIR_INLINE void subscriber::change(state to) noexcept {
    if ((state_ == state::behind) != (to == state::behind)) core().count_behind(to == state::behind);
    if (to != state::behind) slow_ = newest_only_ = false;
    if (to == state::gone && rules_) rules_->unsaid = {};
    state_ = to;
}

WEIR_INLINE void subscriber::fall_behind() {
    if (!selective()) unlist();
    change(state::behind);
}

WEIR_INLINE void subscriber::catch_up() {
    if (ending_) return leave();
    change(state::live);
    be_found();
}

WEIR_INLINE void subscriber::finish(bool at_once) {
    if (state_ == state::gone) return;
    if (at_once) return leave();
    ending_ = true;
    free_through_ = core().last();
    if (state_ == state::live) fall_behind();
    message_ptr first;
    const auto left = core().read(wanted(), position_, end(), {&first, 1});
    if (left.count == 0) catch_up();
}

WEIR_INLINE void subscriber::close(milliseconds retry) {
    session_.close(error::draining, is_event_stream(form_) ? retry_block(retry, form_) : std::string{});
}

// ---- turns ----

WEIR_INLINE void subscriber::look(time_point at) {
    if (state_ != state::live) return;
    position_ = std::max(position_, shard().settled());
    session_.on_filling(at);
    fall_behind();
    session_.flush_fed();
}

WEIR_INLINE void subscriber::on_turn_written(std::span<const message_ptr> messages, const turn_frames& frames,
                                             std::size_t taken, error_code ec, time_point at) {
    const std::size_t whole = frames.messages_in(taken);
    if (whole != 0) position_ = messages[whole - 1]->sequence();
    if (!ec && whole != messages.size()) {
        fall_behind();
        slow_ = true;
        if (const std::size_t begin = frames.begin_of(whole); taken != begin) {
            rest_ = std::make_unique<rest_of_message>(rest_of_message{messages[whole], taken - begin});
            position_ = messages[whole]->sequence();
        }
    }
    if (form_ >= wire_form::deflated) session_.on_feeding();
    session_.on_written(taken, frames.size(), whole, ec, at);
}

// ---- reading the log ----

WEIR_INLINE std::size_t subscriber::gather(std::span<bytes_view> out, time_point now) {
    log_window& window = this->window();
    window.clear();
    window.through = position_;
    if (rest_) {
        out[0] = rest();
        window.push(rest_->message, out[0].size());
    }
    int reads = 0;
    while (reads++ != max_reads && window.count != out.size() && fill(out, now)) continue;
    return window.count;
}

// Reads on. False: there is no room, or no more to read.
WEIR_INLINE bool subscriber::fill(std::span<bytes_view> out, time_point now) {
    log_window& window = this->window();
    if (state_ != state::behind || window.at_end || (window.count != 0 && has_notice())) return false;
    std::array<message_ptr, log_window::max_messages> read;
    const auto room = std::span{read}.first(std::min(out.size() - window.count, read.size()));
    const auto got = core().read(wanted(), window.through, end(), room);
    const bool lost = got.lost && has_lost(window.through);
    if (lost && window.count != 0) return false;  // what was lost is told of before what comes behind it
    if (lost) note_lost(got.count != 0 ? room[0]->sequence() - 1 : got.through);
    if (!fill_from(room.first(got.count), out, now)) return false;
    window.through = std::max(window.through, got.through);
    window.at_end = got.at_end;
    if (window.count != 0) return !window.at_end;
    if (got.at_end && offer_notice(out, now)) return false;
    position_ = window.through;
    if (window.at_end) catch_up();
    return !window.at_end;
}

WEIR_INLINE bool subscriber::fill_from(std::span<message_ptr> read, std::span<bytes_view> out, time_point now) {
    log_window& window = this->window();
    for (message_ptr& m : read) {
        if (window.count == out.size()) return false;
        const verdict v = judge(*m, now);
        if (v == verdict::skip && window.count != 0) return false;  // counted once, when nothing is before it
        if (v == verdict::send && window.count == 0 && offer_notice(out, now) && window.count == out.size())
            return false;
        window.judged(*m);
        window.through = m->sequence();
        if (v == verdict::send) {
            offer(std::move(m), out);
        } else {
            if (v == verdict::skip) skip(m->expired(now));
            if (window.count == 0) position_ = window.through;
        }
    }
    return true;
}

WEIR_INLINE void subscriber::offer(message_ptr message, std::span<bytes_view> out) {
    log_window& window = this->window();
    const bytes_view frame = as_bytes(message->encoded(form_, session_.feed_codec()));
    out[window.count] = frame;
    window.push(std::move(message), frame.size());
}

WEIR_INLINE bool subscriber::offer_notice(std::span<bytes_view> out, time_point now) {
    const std::optional<skip_notice> notice = rules_ ? rules_->notice() : std::nullopt;
    if (!notice) return false;
    const hub_event event{.event = notice->event, .data = notice->data};
    offer(std::make_shared<const published_message>(core().format(), std::string_view{}, event, 0, now), out);
    return true;
}

WEIR_INLINE std::size_t subscriber::consume(std::size_t size, bool blocked) {
    log_window& window = this->window();
    std::size_t i = 0;
    for (; i != window.count && size != 0; ++i) {
        const message_ptr& m = window.messages[i];
        const bool resumed = i == 0 && rest_ != nullptr;
        if (!resumed && m->sequence() == 0) rules_->unsaid = {};
        if (!resumed) position_ = std::max(position_, m->sequence());  // which may have gone back since that began
        if (size < window.sizes[i]) {
            if (!resumed) rest_ = std::make_unique<rest_of_message>(rest_of_message{m, 0});
            rest_->taken += size;
            break;
        }
        if (resumed) rest_.reset();
        size -= window.sizes[i];
    }
    if (i == window.count && i != 0) {
        position_ = std::max(position_, window.through);
        if (window.at_end) catch_up();
    }
    slow_ = slow_ || blocked;
    window.clear();
    return i;
}

// ---- what is not sent ----

WEIR_INLINE subscriber::verdict subscriber::judge(const published_message& m, time_point now) {
    if (selective() && !wants(m)) return verdict::pass;
    if (m.expired(now)) return verdict::skip;
    if (!slow_ || m.sequence() <= free_through_) return verdict::send;
    return lags_out(m, now) ? verdict::skip : verdict::send;
}

WEIR_INLINE lag_decision subscriber::decide(const published_message& m, const backlog& waiting,
                                            time_point now) const noexcept {
    const any_lag& policy = rules_ && rules_->lag ? *rules_->lag : core().settings().lag;
    return policy({waiting.messages, waiting.bytes, now - m.published_at(), m.superseded(), m.priority()});
}

WEIR_INLINE bool subscriber::lags_out(const published_message& m, time_point now) {
    std::optional<backlog>& lag = window().lag;
    if (!lag) {
        lag = core().backlog(wanted(), m.sequence() - 1);
        session_.count_lag({lag->messages, lag->bytes, now - m.published_at()});
    }
    if (!newest_only_) {
        const lag_decision decision = decide(m, *lag, now);
        if (decision == lag_decision::skip) return true;
        newest_only_ = decision == lag_decision::skip_to_newest;
    }
    return newest_only_ && lag->messages > 1 && m.priority() != priority::high;
}

WEIR_INLINE void subscriber::skip(bool expired) {
    session_.count_left_out(expired ? drop_reason::expired : drop_reason::lagging, 1);
    if (rules_) ++rules_->unsaid.messages;
}

// The cursor goes to where the log is whole again, so that it is told of once.
WEIR_INLINE void subscriber::note_lost(std::uint64_t up_to) {
    window().through = position_ = std::max(position_, up_to);
    if (rules_) rules_->unsaid.lost = true;
}

WEIR_INLINE bool subscriber::review(time_point now) {
    if (state_ != state::behind || !slow_) return true;
    message_ptr first;
    const auto got = core().read(wanted(), position_, end(), {&first, 1});
    if (got.count == 0 || first->sequence() <= free_through_) return true;
    return decide(*first, core().backlog(wanted(), position_), now) != lag_decision::close;
}

}  // namespace weir::detail

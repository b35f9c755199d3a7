// SPDX-License-Identifier: BSL-1.0
#pragma once

// A cursor in a hub's log: what one session has been sent of it, and how it gets the rest. Layer: session.

#include <weir/bytes.hpp>
#include <weir/policy/any_policy.hpp>
#include <weir/policy/lag.hpp>
#include <weir/policy/observer.hpp>
#include <weir/session/feed.hpp>
#include <weir/session/hub_core.hpp>
#include <weir/session/hub_shard.hpp>
#include <weir/session/published_message.hpp>
#include <weir/session/session.hpp>
#include <weir/session/subscribe_options.hpp>
#include <weir/session/subscriber_rules.hpp>
#include <weir/session/topic.hpp>
#include <weir/session/topic_legs.hpp>
#include <weir/time.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace weir::detail {

/// Belongs to its session, which pulls from it whenever the socket takes more than it has been given in turns. The
/// cursor only ever moves back for a topic that comes with an id of its own. Never calls the application, but for its
/// filter, its lag policy and on_skip.
class subscriber final : public feed, public topic_legs {
public:
    subscriber(detail::session& of, std::shared_ptr<hub_shard> on)
        : topic_legs(std::move(on)), session_(of), form_(of.feed_form()) {
        shard().add(*this);
        core().count_subscriber(true);
    }
    ~subscriber() override {
        leave();
        shard().remove(*this);
        core().count_subscriber(false);
        if (kept_) session_.drop_owner();
    }
    static subscriber& of(topic_legs& legs) noexcept { return static_cast<subscriber&>(legs); }

    subscribed subscribe(const topic_set& topics, const subscribe_options& options, time_point now);
    /// False: it was not subscribed to.
    bool unsubscribe(std::string_view topic) noexcept;
    /// Wants nothing any more. A message partly on its way is completed.
    void leave() noexcept;
    /// Takes a handle's reference over: the session lives until it ends.
    void keep() noexcept { kept_ = true; }
    /// Ends the session as a drain does; an event stream's client is asked to come back after `retry`.
    void close(milliseconds retry);

    // ---- as a feed ----

    std::size_t waiting() const noexcept override { return rest().size() + (state_ == state::behind ? 1 : 0); }
    bool is_partial() const noexcept override { return rest_ != nullptr; }
    std::size_t gather(std::span<bytes_view> out, time_point now) override;
    std::size_t consume(std::size_t size, bool blocked) override;
    bool review(time_point now) override;
    void finish(bool at_once) override;
    void on_ended() noexcept override {
        leave();
        rest_.reset();
    }
    const void* owner() const noexcept override { return &core(); }

    // ---- in the shard's turn ----

    detail::session& session() const noexcept { return session_; }
    wire_form form() const noexcept { return form_; }
    std::uint64_t position() const noexcept { return position_; }
    /// Whether exactly these are what it has to be sent, and its socket may take them now.
    bool takes(std::span<const message_ptr> messages) const noexcept {
        return position_ < messages.front()->sequence() && session_.takes_at_once();
    }
    /// They were written as far as `taken`.
    void on_turn_written(std::span<const message_ptr> messages, const turn_frames& frames, std::size_t taken,
                         error_code ec, time_point at);
    /// There is something for it that it has to look for itself.
    void look(time_point at);
    std::size_t index = 0;  ///< the shard's, among all its subscribers

private:
    enum class state : std::uint8_t {
        live,    // has been sent everything up to the cursor, and is told of what is new
        behind,  // reads the log from its cursor
        gone,    // wants nothing
    };

    // Of the log at once, where a filter wants little of it: then others get their turn.
    static constexpr int max_reads = 64;

    hub_core& core() const noexcept { return shard().core(); }
    log_window& window() const noexcept { return shard().window(); }
    bool selective() const noexcept { return !single() || (rules_ && rules_->filter); }
    bytes_view rest() const noexcept { return rest_ ? rest_->bytes(form_) : bytes_view{}; }
    std::uint64_t end() const noexcept { return ending_ ? free_through_ : std::numeric_limits<std::uint64_t>::max(); }
    bool has_notice() const noexcept { return rules_ && rules_->has_notice(); }
    void say_where(std::uint64_t after);
    void be_found();
    void fall_behind();
    void catch_up();
    void change(state to) noexcept;

    enum class verdict : std::uint8_t { send, pass, skip };
    bool fill(std::span<bytes_view> out, time_point now);
    bool fill_from(std::span<message_ptr> read, std::span<bytes_view> out, time_point now);
    verdict judge(const published_message& m, time_point now);
    // The log is asked for all topics together.
    bool wants(const published_message& m) const {
        return is_due(m) && (!rules_ || !rules_->filter || rules_->filter(m));
    }
    bool lags_out(const published_message& m, time_point now);
    void skip(bool expired);
    bool offer_notice(std::span<bytes_view> out, time_point now);
    void offer(message_ptr message, std::span<bytes_view> out);
    void note_lost(std::uint64_t up_to);
    lag_decision decide(const published_message& m, const backlog& waiting, time_point now) const noexcept;

    detail::session& session_;
    std::uint64_t position_ = 0;      // everything up to here that is wanted has been sent, or left out
    std::uint64_t free_through_ = 0;  // up to here a reader may be slow: a replay, or the rest before the end
    std::unique_ptr<rest_of_message> rest_;
    std::unique_ptr<subscriber_rules> rules_;
    state state_ = state::live;
    wire_form form_;
    bool slow_ = false;         // the socket has not taken all since it was live
    bool newest_only_ = false;  // so the lag policy has decided
    bool ending_ = false;       // nothing is wanted behind what is there
    bool kept_ = false;
};

// ---- subscribing ----

inline subscribed subscriber::subscribe(const topic_set& topics, const subscribe_options& options, time_point now) {
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
inline void subscriber::say_where(std::uint64_t after) {
    const bool has_ids = core().format()->with_ids && is_event_stream(form_);
    if (core().settings().say_where && has_ids) session_.send_aside(id_block(core().id_of(after), form_));
}

inline bool subscriber::unsubscribe(std::string_view topic) noexcept {
    const bool found = topic_legs::leave(topic);
    if (!is_listed_as(selective())) unlist();
    if (empty()) change(state::gone);
    be_found();
    return found;
}

inline void subscriber::leave() noexcept {
    leave_all();
    change(state::gone);
}

// By turns: a selective one always, another one while it is live.
inline void subscriber::be_found() {
    if (single()) position_ = std::max(position_, begin());
    if (selective() || state_ == state::live) list(selective());
}

inline void subscriber::change(state to) noexcept {
    if ((state_ == state::behind) != (to == state::behind)) core().count_behind(to == state::behind);
    if (to != state::behind) slow_ = newest_only_ = false;
    if (to == state::gone && rules_) rules_->unsaid = {};
    state_ = to;
}

inline void subscriber::fall_behind() {
    if (!selective()) unlist();
    change(state::behind);
}

inline void subscriber::catch_up() {
    if (ending_) return leave();
    change(state::live);
    be_found();
}

inline void subscriber::finish(bool at_once) {
    if (state_ == state::gone) return;
    if (at_once) return leave();
    ending_ = true;
    free_through_ = core().last();
    if (state_ == state::live) fall_behind();
    message_ptr first;
    const auto left = core().read(wanted(), position_, end(), {&first, 1});
    if (left.count == 0) catch_up();
}

inline void subscriber::close(milliseconds retry) {
    session_.close(error::draining, is_event_stream(form_) ? retry_block(retry, form_) : std::string{});
}

// ---- turns ----

inline void subscriber::look(time_point at) {
    if (state_ != state::live) return;
    position_ = std::max(position_, shard().settled());
    session_.on_filling(at);
    fall_behind();
    session_.flush_fed();
}

inline void subscriber::on_turn_written(std::span<const message_ptr> messages, const turn_frames& frames,
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

inline std::size_t subscriber::gather(std::span<bytes_view> out, time_point now) {
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
inline bool subscriber::fill(std::span<bytes_view> out, time_point now) {
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

inline bool subscriber::fill_from(std::span<message_ptr> read, std::span<bytes_view> out, time_point now) {
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

inline void subscriber::offer(message_ptr message, std::span<bytes_view> out) {
    log_window& window = this->window();
    const bytes_view frame = as_bytes(message->encoded(form_, session_.feed_codec()));
    out[window.count] = frame;
    window.push(std::move(message), frame.size());
}

inline bool subscriber::offer_notice(std::span<bytes_view> out, time_point now) {
    const std::optional<skip_notice> notice = rules_ ? rules_->notice() : std::nullopt;
    if (!notice) return false;
    const hub_event event{.event = notice->event, .data = notice->data};
    offer(std::make_shared<const published_message>(core().format(), std::string_view{}, event, 0, now), out);
    return true;
}

inline std::size_t subscriber::consume(std::size_t size, bool blocked) {
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

inline subscriber::verdict subscriber::judge(const published_message& m, time_point now) {
    if (selective() && !wants(m)) return verdict::pass;
    if (m.expired(now)) return verdict::skip;
    if (!slow_ || m.sequence() <= free_through_) return verdict::send;
    return lags_out(m, now) ? verdict::skip : verdict::send;
}

inline lag_decision subscriber::decide(const published_message& m, const backlog& waiting,
                                       time_point now) const noexcept {
    const any_lag& policy = rules_ && rules_->lag ? *rules_->lag : core().settings().lag;
    return policy({waiting.messages, waiting.bytes, now - m.published_at(), m.superseded(), m.priority()});
}

inline bool subscriber::lags_out(const published_message& m, time_point now) {
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

inline void subscriber::skip(bool expired) {
    session_.count_left_out(expired ? drop_reason::expired : drop_reason::lagging, 1);
    if (rules_) ++rules_->unsaid.messages;
}

// The cursor goes to where the log is whole again, so that it is told of once.
inline void subscriber::note_lost(std::uint64_t up_to) {
    window().through = position_ = std::max(position_, up_to);
    if (rules_) rules_->unsaid.lost = true;
}

inline bool subscriber::review(time_point now) {
    if (state_ != state::behind || !slow_) return true;
    message_ptr first;
    const auto got = core().read(wanted(), position_, end(), {&first, 1});
    if (got.count == 0 || first->sequence() <= free_through_) return true;
    return decide(*first, core().backlog(wanted(), position_), now) != lag_decision::close;
}

}  // namespace weir::detail

// SPDX-License-Identifier: BSL-1.0
#pragma once

// The bodies of fan_out.hpp.

#include <weir/session/fan_out.hpp>
#include <weir/session/subscriber.hpp>
#include <weir/session/write_batch.hpp>
#include <weir/time.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <memory>
#include <span>
#include <vector>

namespace weir::detail {

WEIR_INLINE void hub_shard::turn() {
    const auto self = shared_from_this();
    const arrivals in = take_arrivals();
    serve(in);
    if (in.close) close_all(*in.close);
    for (const presence_change& change : in.changes) {
        if (core_->is_open()) core_->settings().on_presence(change);
    }
}

WEIR_INLINE void hub_shard::serve(const arrivals& in) {
    const turn_end always{*this};
    in_turn_ = true;
    const time_point at = now();
    if (in.some_missed) {
        for (std::size_t i = subscribers_.size(); i-- != 0;) subscribers_[i]->look(at);
    } else if (!in.messages.empty()) {
        settled_ = in.messages.front()->sequence() - 1;
    }
    for (const message_ptr& m : in.messages) {
        if (!m->expired(at)) sort_into_channels(m);
    }
    for (std::size_t i = 0; i != touched_.size(); ++i) deliver(*touched_[i], at);
}

WEIR_INLINE void hub_shard::close_all(milliseconds retry) {
    for (std::size_t i = subscribers_.size(); i-- != 0;) {
        if (i < subscribers_.size()) subscribers_[i]->close(retry);
    }
}

WEIR_INLINE void hub_shard::add(subscriber& one) {
    one.index = subscribers_.size();
    subscribers_.push_back(&one);
}

WEIR_INLINE void hub_shard::remove(subscriber& one) noexcept {
    subscriber* const last = subscribers_.back();
    subscribers_[one.index] = last;
    last->index = one.index;
    subscribers_.pop_back();
}

// Backwards: whoever leaves a list has the last one put in its place, which has been served by then.
WEIR_INLINE void hub_shard::deliver(channel& to, time_point at) {
    for (std::size_t i = to.selective.size(); i-- != 0;) {
        subscriber& s = subscriber::of(*to.selective[i]);
        if (s.position() < to.fresh.back()->sequence()) s.look(at);
    }
    std::span<const message_ptr> rest = to.fresh;
    while (!rest.empty()) {
        std::size_t count = 0, bytes = 0;
        do {
            bytes += rest[count++]->size();
        } while (count != rest.size() && count != max_joined_messages &&
                 bytes + rest[count]->size() < max_joined_bytes);
        frames_.clear();
        if (batch_) {
            deliver_batched(to, rest.first(count), at);
        } else {
            deliver(to, rest.first(count), at);
        }
        rest = rest.subspan(count);
    }
}

// What cannot be written past the log's reader is read by it. False: that was so, or there is nothing new.
WEIR_INLINE bool hub_shard::is_ready(subscriber& to, std::span<const message_ptr> messages, time_point at) {
    if (to.position() >= messages.back()->sequence()) return false;
    if (to.takes(messages)) return true;
    to.look(at);
    return false;
}

WEIR_INLINE void hub_shard::write_one(subscriber& to, std::span<const message_ptr> messages, time_point at) {
    const turn_frames& frames = frames_.of(to.form(), to.session().feed_codec(), messages);
    error_code ec;
    const std::size_t taken = to.session().write_at_once(frames.pieces(), ec);
    to.on_turn_written(messages, frames, taken, ec, at);
}

// Of many subscribers few are in the processor's caches, and what one of them needs is fetched faster than the one
// before it is written to.
WEIR_INLINE void hub_shard::fetch_ahead(const std::vector<topic_legs*>& list, std::size_t from) noexcept {
    constexpr std::size_t soon = 2, sooner = 4, cache_line = 64;
    if (from >= sooner) WEIR_PREFETCH(list[from - sooner]);
    if (from < soon) return;
    const auto* const next = reinterpret_cast<const char*>(&subscriber::of(*list[from - soon]).session());
    for (std::size_t line = 0; line < sizeof(detail::session) + 2 * cache_line; line += cache_line)
        WEIR_PREFETCH(next + line);
}

WEIR_INLINE void hub_shard::deliver(channel& to, std::span<const message_ptr> messages, time_point at) {
    for (std::size_t i = to.live.size(); i-- != 0;) {
        fetch_ahead(to.live, i);
        subscriber& s = subscriber::of(*to.live[i]);
        if (is_ready(s, messages, at)) write_one(s, messages, at);
    }
}

WEIR_INLINE void hub_shard::deliver_batched(channel& to, std::span<const message_ptr> messages, time_point at) {
    std::array<batched_write, 256> writes;
    std::array<subscriber*, 256> whose;
    for (std::size_t i = to.live.size(); i != 0;) {
        std::size_t count = 0;
        while (i != 0 && count != writes.size()) {
            fetch_ahead(to.live, --i);
            subscriber& s = subscriber::of(*to.live[i]);
            if (!is_ready(s, messages, at)) continue;
            const int descriptor = s.session().descriptor();
            if (descriptor < 0) {
                write_one(s, messages, at);
                continue;
            }
            whose[count] = &s;
            writes[count++] = {descriptor, frames_.of(s.form(), s.session().feed_codec(), messages).pieces()};
        }
        batch_->perform(std::span{writes}.first(count));
        for (std::size_t k = 0; k != count; ++k) {
            const batched_write& w = writes[k];
            const error_code ec = w.error == 0 ? error_code{} : system_error(w.error);
            whose[k]->on_turn_written(messages, frames_.of(whose[k]->form(), nullptr, messages), w.taken, ec, at);
        }
    }
}

}  // namespace weir::detail

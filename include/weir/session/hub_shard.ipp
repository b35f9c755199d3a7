// SPDX-License-Identifier: BSL-1.0
#pragma once

// The bodies of hub_shard.hpp.

#include <weir/session/hub_shard.hpp>

namespace weir::detail {

WEIR_INLINE channel& hub_shard::enter(const std::string& topic) {
    auto& place = channels_[topic];
    if (!place) {
        place = std::make_unique<channel>();
        place->topic = topic;
        place->wanted.add(topic);
        if (has_wildcard(topic)) patterns_.push_back(place.get());
    }
    ++place->subscriptions;
    return *place;
}

// A channel that is being served goes at the end of the turn.
WEIR_INLINE void hub_shard::leave(channel& of) noexcept {
    core_->leave(of.topic, *this);
    if (--of.subscriptions != 0) return;
    if (!in_turn_) return forget(of);
    if (std::exchange(of.is_unused, true)) return;
    of.next_unused = std::exchange(unused_, &of);
}

WEIR_INLINE void hub_shard::tidy() noexcept {
    in_turn_ = false;
    for (channel* c : touched_) c->fresh.clear();
    touched_.clear();
    frames_.give_back();
    while (channel* const c = unused_) {
        unused_ = c->next_unused;
        c->is_unused = false;
        if (c->subscriptions == 0) forget(*c);
    }
}

WEIR_INLINE void hub_shard::forget(channel& unused) noexcept {
    std::erase(patterns_, &unused);
    channels_.erase(channels_.find(unused.topic));
    if (channels_.empty()) core_->on_unused(*this);
}

WEIR_INLINE void hub_shard::sort_into_channels(const message_ptr& message) {
    const auto add_to = [&](channel& c) {
        if (c.fresh.empty()) touched_.push_back(&c);
        c.fresh.push_back(message);
    };
    if (const auto named = channels_.find(message->topic()); named != channels_.end()) add_to(*named->second);
    for (channel* c : patterns_) {
        if (topic_matches(c->topic, message->topic())) add_to(*c);
    }
}

}  // namespace weir::detail

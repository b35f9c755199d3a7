// SPDX-License-Identifier: BSL-1.0
#pragma once

// The bodies of topic_legs.hpp.

#include <weir/session/topic_legs.hpp>

namespace weir::detail {

WEIR_INLINE topic_set topic_legs::new_of(const topic_set& topics) const {
    topic_set fresh;
    const auto add = [&](std::span<const std::string> some) {
        for (const std::string& topic : some) {
            const auto is_it = [&](const leg& l) { return l.at->topic == topic; };
            if (std::ranges::none_of(legs(), is_it)) fresh.add(topic);
        }
    };
    add(topics.names());
    add(topics.patterns());
    return fresh;
}

WEIR_INLINE bool topic_legs::is_due(const published_message& m) const noexcept {
    const std::uint64_t n = m.sequence();
    if (std::ranges::all_of(legs(), [&](const leg& l) { return n > l.through(); })) return true;
    const auto has_begun = [&](const leg& l) { return n > l.after && l.at->wanted.contains(m.topic()); };
    const auto has_sent = [&](const leg& l) { return n <= l.sent && has_begun(l); };
    return std::ranges::any_of(legs(), has_begun) && std::ranges::none_of(legs(), has_sent);
}

WEIR_INLINE topic_legs::rarely_there& topic_legs::several() {
    if (several_) return *several_;
    auto made = std::make_unique<rarely_there>();
    made->legs.assign(only().begin(), only().end());
    if (only_.at != nullptr) made->all.add(only_.at->topic);
    several_ = std::move(made);
    only_ = {};
    return *several_;
}

WEIR_INLINE bool topic_legs::has_lost(std::uint64_t after) const {
    const auto misses = [&](const leg& l) {
        return shard_->core().backlog(l.at->wanted, std::max(l.through(), after)).lost;
    };
    return std::ranges::any_of(legs(), misses);
}

WEIR_INLINE void topic_legs::enter(const topic_set& fresh, std::uint64_t after, std::string_view member) {
    if (fresh.empty()) return;
    if (empty() && member.empty() && !several_ && fresh.size() == 1) {
        only_ = {&shard_->enter(fresh.names().empty() ? fresh.patterns()[0] : fresh.names()[0]), after};
        return;
    }
    rarely_there& these = several();
    if (these.member.empty()) these.member = member;
    for (const std::string& topic : fresh.names()) add(topic, after, !member.empty());
    for (const std::string& topic : fresh.patterns()) add(topic, after, false);
}

WEIR_INLINE void topic_legs::add(const std::string& topic, std::uint64_t after, bool join) {
    several_->legs.push_back({&shard_->enter(topic), after, not_listed, join});
    several_->all.add(topic);
    if (join) shard_->core().join(topic, several_->member, *shard_);
}

WEIR_INLINE bool topic_legs::leave(std::string_view topic) noexcept {
    const auto found = std::ranges::find_if(legs(), [&](const leg& l) { return l.at->topic == topic; });
    if (found == legs().end()) return false;
    unlist(*found);
    if (several_) several_->all.remove(topic);
    drop(*found);
    if (several_) {
        several_->legs.erase(several_->legs.begin() + (found - legs().begin()));
    } else {
        only_ = {};
    }
    return true;
}

WEIR_INLINE void topic_legs::leave_all() noexcept {
    unlist();
    for (leg& l : legs()) drop(l);
    several_.reset();
    only_ = {};
}

WEIR_INLINE void topic_legs::drop(leg& l) noexcept {
    if (l.joined) shard_->core().part(l.at->topic, several_->member, *shard_);
    shard_->leave(*l.at);
}

WEIR_INLINE void topic_legs::list(bool selective) {
    listed_as_selective_ = selective;
    for (leg& l : legs()) {
        if (l.index != not_listed) continue;
        auto& members = list_in(*l.at);
        members.push_back(this);
        l.index = static_cast<std::uint32_t>(members.size() - 1);
    }
}

WEIR_INLINE void topic_legs::unlist() noexcept {
    for (leg& l : legs()) unlist(l);
}

// The last one takes its place.
WEIR_INLINE void topic_legs::unlist(leg& l) noexcept {
    if (l.index == not_listed) return;
    auto& members = list_in(*l.at);
    topic_legs* const last = members.back();
    members[l.index] = last;
    for (leg& other : last->legs()) {
        if (other.at == l.at) other.index = l.index;
    }
    members.pop_back();
    l.index = not_listed;
}

}  // namespace weir::detail

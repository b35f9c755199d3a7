// SPDX-License-Identifier: BSL-1.0
#pragma once

// The topics that one subscriber wants, and where the turns of its event loop find it. Layer: session.

#include <weir/session/hub_core.hpp>
#include <weir/session/hub_shard.hpp>
#include <weir/session/published_message.hpp>
#include <weir/session/topic.hpp>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace weir::detail {

/// The base of a subscriber: one leg in a channel for each name or pattern.
class topic_legs {
public:
    topic_legs(const topic_legs&) = delete;
    topic_legs& operator=(const topic_legs&) = delete;

protected:
    explicit topic_legs(std::shared_ptr<hub_shard> on) noexcept : shard_(std::move(on)) {}
    ~topic_legs() { leave_all(); }

    hub_shard& shard() const noexcept { return *shard_; }
    bool empty() const noexcept { return legs().empty(); }
    bool single() const noexcept { return legs().size() == 1; }
    /// Those of `topics` that have no leg yet.
    topic_set new_of(const topic_set& topics) const;
    /// All of them together. Not of none.
    const topic_set& wanted() const noexcept { return several_ ? several_->all : only_.at->wanted; }
    /// Whether one of the message's legs had begun by then, and none has sent it. Of the messages that wanted() has.
    bool is_due(const published_message& m) const noexcept;
    /// Whether something newer is not kept any more that was still to be sent.
    bool has_lost(std::uint64_t after) const;
    /// Where a single leg goes on.
    std::uint64_t begin() const noexcept { return legs().front().through(); }

    /// New legs, for what is newer than `after`. `member`: who joins the topics given by name; empty: nobody.
    void enter(const topic_set& fresh, std::uint64_t after, std::string_view member);
    /// False: there is no such leg.
    bool leave(std::string_view topic) noexcept;
    void leave_all() noexcept;
    /// What is not newer has been sent.
    void go_on_after(std::uint64_t sequence) noexcept {
        for (leg& l : legs()) l.sent = std::max(l.sent, sequence);
    }

    /// From now on the turn finds all legs, in their channels' lists of the selective or of the live ones. The legs
    /// that are on such a list are on the same kind.
    void list(bool selective);
    void unlist() noexcept;
    bool is_listed_as(bool selective) const noexcept {
        return listed_as_selective_ == selective && !empty() && legs().front().index != not_listed;
    }

private:
    static constexpr std::uint32_t not_listed = std::numeric_limits<std::uint32_t>::max();

    struct leg {
        channel* at = nullptr;
        std::uint64_t after = 0;           // what is not newer was not wanted
        std::uint32_t index = not_listed;  // in the channel's list
        bool joined = false;               // as the member
        std::uint64_t sent = 0;            // what is newer than `after`, but not than this, has been sent

        std::uint64_t through() const noexcept { return std::max(after, sent); }
    };
    struct rarely_there {
        std::vector<leg> legs;
        topic_set all;
        std::string member;
    };

    auto& list_in(channel& c) const noexcept { return listed_as_selective_ ? c.selective : c.live; }
    void unlist(leg& l) noexcept;
    void drop(leg& l) noexcept;
    void add(const std::string& topic, std::uint64_t after, bool join);

    // Most subscribers want one thing, and are nobody: theirs is without a vector.
    std::span<leg> legs() noexcept { return several_ ? std::span{several_->legs} : only(); }
    std::span<const leg> legs() const noexcept { return const_cast<topic_legs*>(this)->legs(); }
    std::span<leg> only() noexcept { return {&only_, only_.at == nullptr ? 0u : 1u}; }
    rarely_there& several();

    const std::shared_ptr<hub_shard> shard_;
    leg only_;
    std::unique_ptr<rarely_there> several_;
    bool listed_as_selective_ = false;
};

inline topic_set topic_legs::new_of(const topic_set& topics) const {
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

inline bool topic_legs::is_due(const published_message& m) const noexcept {
    const std::uint64_t n = m.sequence();
    if (std::ranges::all_of(legs(), [&](const leg& l) { return n > l.through(); })) return true;
    const auto has_begun = [&](const leg& l) { return n > l.after && l.at->wanted.contains(m.topic()); };
    const auto has_sent = [&](const leg& l) { return n <= l.sent && has_begun(l); };
    return std::ranges::any_of(legs(), has_begun) && std::ranges::none_of(legs(), has_sent);
}

inline topic_legs::rarely_there& topic_legs::several() {
    if (several_) return *several_;
    auto made = std::make_unique<rarely_there>();
    made->legs.assign(only().begin(), only().end());
    if (only_.at != nullptr) made->all.add(only_.at->topic);
    several_ = std::move(made);
    only_ = {};
    return *several_;
}

inline bool topic_legs::has_lost(std::uint64_t after) const {
    const auto misses = [&](const leg& l) {
        return shard_->core().backlog(l.at->wanted, std::max(l.through(), after)).lost;
    };
    return std::ranges::any_of(legs(), misses);
}

inline void topic_legs::enter(const topic_set& fresh, std::uint64_t after, std::string_view member) {
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

inline void topic_legs::add(const std::string& topic, std::uint64_t after, bool join) {
    several_->legs.push_back({&shard_->enter(topic), after, not_listed, join});
    several_->all.add(topic);
    if (join) shard_->core().join(topic, several_->member, *shard_);
}

inline bool topic_legs::leave(std::string_view topic) noexcept {
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

inline void topic_legs::leave_all() noexcept {
    unlist();
    for (leg& l : legs()) drop(l);
    several_.reset();
    only_ = {};
}

inline void topic_legs::drop(leg& l) noexcept {
    if (l.joined) shard_->core().part(l.at->topic, several_->member, *shard_);
    shard_->leave(*l.at);
}

inline void topic_legs::list(bool selective) {
    listed_as_selective_ = selective;
    for (leg& l : legs()) {
        if (l.index != not_listed) continue;
        auto& members = list_in(*l.at);
        members.push_back(this);
        l.index = static_cast<std::uint32_t>(members.size() - 1);
    }
}

inline void topic_legs::unlist() noexcept {
    for (leg& l : legs()) unlist(l);
}

// The last one takes its place.
inline void topic_legs::unlist(leg& l) noexcept {
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

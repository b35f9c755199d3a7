// SPDX-License-Identifier: BSL-1.0
#pragma once

// The bodies of hub_core.hpp.

#include <weir/session/hub_core.hpp>

namespace weir {
namespace detail {

// ---- publishing ----

WEIR_INLINE std::uint64_t hub_core::publish(std::string_view topic, const hub_event& event, time_point now) {
    if (!is_topic_name(topic)) return 0;
    const std::lock_guard lock{mutex_};
    store_.trim(now);
    const std::uint64_t sequence = store_.last() + 1;
    const auto message = std::make_shared<const published_message>(format_, topic, event, sequence, now);
    store_.append(message);
    ++published_;
    if (const auto found = names_.find(topic); found != names_.end()) put(found->second, message);
    for (const auto& [pattern, wanting] : patterns_) {
        if (topic_matches(pattern, topic)) put(wanting, message);
    }
    return sequence;
}

WEIR_INLINE void hub_core::put(const std::vector<interest>& to, const message_ptr& message) {
    for (const interest& i : to) {
        if (std::exchange(i.sink->last_put_, message->sequence()) != message->sequence()) i.sink->put(message);
    }
}

// ---- subscribing ----

WEIR_INLINE hub_core::place hub_core::enter(const topic_set& wanted, std::string_view after, bool from_oldest,
                                            message_sink& by, time_point now) {
    const std::lock_guard lock{mutex_};
    store_.trim(now);
    const auto enter_all = [&](std::span<const std::string> topics) {
        for (const std::string& topic : topics) {
            auto& wanting = interests_in(topic)[topic];
            const auto found = std::ranges::find(wanting, &by, &interest::sink);
            if (found == wanting.end()) {
                wanting.push_back({&by, 1});
            } else {
                ++found->subscriptions;
            }
        }
    };
    enter_all(wanted.names());
    enter_all(wanted.patterns());
    return find_place(wanted, after, from_oldest);
}

WEIR_INLINE void hub_core::leave(const std::string& topic, message_sink& by) noexcept {
    const std::lock_guard lock{mutex_};
    interests& all = interests_in(topic);
    const auto wanting = all.find(topic);
    const auto found = std::ranges::find(wanting->second, &by, &interest::sink);
    if (--found->subscriptions != 0) return;
    wanting->second.erase(found);
    if (wanting->second.empty()) all.erase(wanting);
}

WEIR_INLINE std::optional<std::uint64_t> hub_core::sequence_of(std::string_view id) const noexcept {
    const std::string_view epoch = format_->epoch;
    if (!id.starts_with(epoch) || id.size() <= epoch.size() + 1 || id[epoch.size()] != '-') return std::nullopt;
    std::uint64_t sequence = 0;
    const auto parsed = parse_digits(id.substr(epoch.size() + 1), sequence);
    if (parsed.ec != std::errc{} || sequence > store_.last()) return std::nullopt;
    return sequence;
}

// What nobody has seen who begins there is nothing lost.
WEIR_INLINE std::uint64_t hub_core::before_oldest(const topic_set& wanted) const {
    message_ptr oldest;
    return store_.read(wanted, 0, {&oldest, 1}) == 0 ? store_.last() : oldest->sequence() - 1;
}

WEIR_INLINE hub_core::place hub_core::find_place(const topic_set& wanted, std::string_view after,
                                                 bool from_oldest) const {
    const std::uint64_t last = store_.last();
    if (after.empty()) return {subscribed::live, from_oldest ? before_oldest(wanted) : last, last};
    const auto seen = sequence_of(after);
    if (!seen) return {subscribed::gap, 0, last};
    const bool lost = store_.backlog(wanted, *seen).lost;
    return {lost ? subscribed::gap : subscribed::recovered, *seen, last};
}

WEIR_INLINE hub_core::reading hub_core::read(const topic_set& wanted, std::uint64_t after, std::uint64_t until,
                                             std::span<message_ptr> out) const {
    const std::lock_guard lock{mutex_};
    const bool lost = after < store_.complete_after() && store_.backlog(wanted, after).lost;
    std::size_t count = store_.read(wanted, after, out);
    if (count == out.size() && out[count - 1]->sequence() <= until) {
        return {count, out[count - 1]->sequence(), false, lost};
    }
    while (count != 0 && out[count - 1]->sequence() > until) out[--count].reset();
    return {count, std::min(until, store_.last()), true, lost};
}

// ---- presence ----

WEIR_INLINE void hub_core::join(const std::string& topic, const std::string& member, message_sink& by) {
    const std::lock_guard lock{mutex_};
    if (++present_[topic][member] == 1 && settings_.on_presence) by.put(presence_change{topic, member, true});
}

WEIR_INLINE void hub_core::part(const std::string& topic, const std::string& member, message_sink& by) {
    const std::lock_guard lock{mutex_};
    const auto in = present_.find(topic);
    const auto who = in->second.find(member);
    if (--who->second != 0) return;
    in->second.erase(who);
    if (in->second.empty()) present_.erase(in);
    if (settings_.on_presence) by.put(presence_change{topic, member, false});
}

WEIR_INLINE std::vector<std::string> hub_core::members(std::string_view topic) const {
    const std::lock_guard lock{mutex_};
    std::vector<std::string> names;
    if (const auto in = present_.find(topic); in != present_.end()) {
        for (const auto& [name, sessions] : in->second) names.push_back(name);
    }
    return names;
}

WEIR_INLINE hub_stats hub_core::stats() const {
    const std::lock_guard lock{mutex_};
    return {published_, subscribers_.load(std::memory_order_relaxed), behind_.load(std::memory_order_relaxed)};
}

}  // namespace detail
}  // namespace weir

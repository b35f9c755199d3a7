// SPDX-License-Identifier: BSL-1.0
#pragma once

// The bodies of memory_store.hpp.

#include <weir/session/memory_store.hpp>

namespace weir {
namespace detail {

/// Eight characters of [0-9a-z].
WEIR_INLINE std::string random_epoch() {
    const auto nonce = ws::random_nonce();
    std::uint64_t number;
    std::memcpy(&number, nonce.data(), sizeof number);
    std::string epoch(8, '0');
    for (char& c : epoch) {
        c = "0123456789abcdefghijklmnopqrstuvwxyz"[number % 36];
        number /= 36;
    }
    return epoch;
}

}  // namespace detail

WEIR_INLINE memory_store::memory_store(history_limits limits, std::string epoch)
    : limits_(limits), epoch_(epoch.empty() ? detail::random_epoch() : std::move(epoch)) {}

WEIR_INLINE void memory_store::append(message_ptr message) {
    const published_message& m = *message;
    // What can fail comes first. It leaves at most an empty record behind, which says nothing new.
    const topic_place topic = find_or_add(m.topic());
    topic->kept.make_room();
    log_.make_room();
    if (!m.key().empty()) topic->newest.try_emplace(m.key());

    supersede_by(m, *topic);
    if (topic->kept.empty()) live_.splice(live_.end(), silent_, topic);
    topic->bytes_through += m.size();
    topic->kept.push_back({m.sequence(), topic->bytes_through, message});
    bytes_ += m.size();
    last_ = m.sequence();
    log_.push_back({last_, topic, std::move(message)});

    const bool too_many = limits_.messages_per_topic != 0 && topic->kept.size() > limits_.messages_per_topic;
    if (too_many) drop_oldest_of(*topic);
    while (is_over_limits()) drop(log_.front());
}

WEIR_INLINE memory_store::topic_place memory_store::find_or_add(std::string_view name) {
    if (const auto found = topics_.find(name); found != topics_.end()) return found->second;
    std::list<topic_log> added;
    added.push_back({.name = std::string{name}, .lost_through = forgotten_through_});
    topics_.emplace(added.front().name, added.begin());
    silent_.splice(silent_.end(), added);
    return std::prev(silent_.end());
}

// Its key is in the table of its topic already. The table has a view of the key: from now on of this message's.
WEIR_INLINE void memory_store::supersede_by(const published_message& message, topic_log& topic) noexcept {
    auto newest = topic.newest.extract(message.key());
    if (newest.empty()) return;
    if (newest.mapped() != nullptr) newest.mapped()->supersede();
    newest.key() = message.key();
    newest.mapped() = &message;
    topic.newest.insert(std::move(newest));
}

WEIR_INLINE void memory_store::trim(time_point now) noexcept {
    if (limits_.age <= milliseconds::zero()) return;
    while (!log_.empty() && later(log_.front().message->published_at(), limits_.age) <= now) drop(log_.front());
}

WEIR_INLINE bool memory_store::is_over_limits() const noexcept {
    return (limits_.messages != 0 && log_.size() - holes_ > limits_.messages) ||
           (limits_.bytes != 0 && bytes_ > limits_.bytes);
}

WEIR_INLINE void memory_store::drop_oldest_of(topic_log& topic) noexcept {
    drop(detail::newer_than(topic.kept.front().sequence - 1, log_.items()).front());
}

WEIR_INLINE void memory_store::drop(slot& oldest_of_topic) noexcept {
    const message_ptr message = std::move(oldest_of_topic.message);
    const topic_place topic = oldest_of_topic.topic;
    ++holes_;
    bytes_ -= message->size();
    topic->lost_through = message->sequence();
    newest_lost_ = std::max(newest_lost_, message->sequence());
    const auto newest = topic->newest.find(message->key());
    if (newest != topic->newest.end() && newest->second == message.get()) topic->newest.erase(newest);
    topic->kept.pop_front();
    if (topic->kept.empty()) retire(topic);
    remove_holes();
}

WEIR_INLINE void memory_store::remove_holes() noexcept {
    for (; !log_.empty() && log_.front().message == nullptr; --holes_) log_.pop_front();
    if (2 * holes_ <= log_.size()) return;
    log_.erase_if([](const slot& s) { return s.message == nullptr; });
    holes_ = 0;
}

WEIR_INLINE void memory_store::retire(topic_place topic) noexcept {
    topic->kept = {};
    topic->newest = {};
    silent_.splice(silent_.end(), live_, topic);
    while (silent_.size() > max_silent) {
        forgotten_through_ = std::max(forgotten_through_, silent_.front().lost_through);
        topics_.erase(silent_.front().name);
        silent_.pop_front();
    }
}

WEIR_INLINE std::size_t memory_store::read(const topic_set& topics, std::uint64_t after,
                                           std::span<message_ptr> out) const noexcept {
    std::size_t count = 0;
    if (const std::string* const name = topics.single_name()) {
        for (const entry& e : detail::newer_than(after, kept_of(*name))) {
            if (count == out.size()) return count;
            out[count++] = e.message;
        }
        return count;
    }
    for (const slot& s : detail::newer_than(after, log_.items())) {
        if (count == out.size()) return count;
        if (s.message != nullptr && topics.contains(s.topic->name)) out[count++] = s.message;
    }
    return count;
}

WEIR_INLINE backlog memory_store::backlog(const topic_set& topics, std::uint64_t after) const noexcept {
    weir::backlog found{.lost = has_lost(topics, after)};
    if (const std::string* const name = topics.single_name()) {
        const auto newer = detail::newer_than(after, kept_of(*name));
        if (newer.empty()) return found;
        found.messages = newer.size();
        const published_message& oldest = *newer.front().message;
        found.bytes = oldest.size() + (newer.back().bytes_through - newer.front().bytes_through);
        found.oldest = oldest.published_at();
        return found;
    }
    for (const slot& s : detail::newer_than(after, log_.items())) {
        if (s.message == nullptr || !topics.contains(s.topic->name)) continue;
        if (found.messages++ == 0) found.oldest = s.message->published_at();
        found.bytes += s.message->size();
    }
    return found;
}

WEIR_INLINE std::span<const memory_store::entry> memory_store::kept_of(std::string_view name) const noexcept {
    const auto found = topics_.find(name);
    return found == topics_.end() ? std::span<const entry>{} : std::as_const(found->second->kept).items();
}

WEIR_INLINE std::uint64_t memory_store::lost_through(std::string_view name) const noexcept {
    const auto found = topics_.find(name);
    return found == topics_.end() ? forgotten_through_ : found->second->lost_through;
}

WEIR_INLINE bool memory_store::has_lost(const topic_set& topics, std::uint64_t after) const noexcept {
    if (after >= newest_lost_) return false;
    const auto has_lost_any = [&](const std::string& name) { return after < lost_through(name); };
    if (std::ranges::any_of(topics.names(), has_lost_any)) return true;
    if (topics.patterns().empty()) return false;
    if (after < forgotten_through_) return true;
    const auto is_one = [&](const topic_log& topic) {
        return after < topic.lost_through && topics.contains(topic.name);
    };
    return std::ranges::any_of(live_, is_one) || std::ranges::any_of(silent_, is_one);
}

}  // namespace weir

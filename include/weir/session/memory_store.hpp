// SPDX-License-Identifier: BSL-1.0
#pragma once

// The store a hub has unless it is given another: the newest messages, in memory. Layer: session.

#include <weir/config.hpp>
#include <weir/session/message_store.hpp>
#include <weir/session/published_message.hpp>
#include <weir/session/topic.hpp>
#include <weir/time.hpp>
#include <weir/ws/masking_keys.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <list>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace weir {

/// How much of what was published is kept. All bounds hold, each by itself; 0: there is none of this kind. With neither
/// `messages` nor `bytes`, memory grows with what is published within `age` and with the number of topics, and without
/// end if those are not bounded either.
struct history_limits {
    std::size_t messages = 1'000;          ///< of all topics together
    std::size_t bytes = 16 * 1024 * 1024;  ///< of those, by published_message::size(); a larger message is not kept
    milliseconds age{};                    ///< what has reached it is forgotten in trim()
    std::size_t messages_per_topic = 0;    ///< so that a busy topic leaves room for the quiet ones
};

namespace detail {

/// First in, first out, all in one piece of memory, which is never much larger than what is in it asks for.
template <class T>
class fifo {
public:
    bool empty() const noexcept { return first_ == items_.size(); }
    std::size_t size() const noexcept { return items_.size() - first_; }
    T& front() noexcept { return items_[first_]; }
    std::span<T> items() noexcept { return std::span{items_}.subspan(first_); }
    std::span<const T> items() const noexcept { return std::span{items_}.subspan(first_); }
    std::size_t capacity() const noexcept { return items_.capacity(); }

    /// Room for one more. Throws std::bad_alloc, and nothing has changed.
    void make_room();
    /// Into the room that was made.
    void push_back(T item) noexcept { items_.push_back(std::move(item)); }
    void pop_front() noexcept {
        items_[first_++] = T{};
        if (empty()) items_.clear(), first_ = 0;
    }
    template <class Predicate>
    void erase_if(Predicate predicate) noexcept {
        const auto gone = std::ranges::remove_if(items(), std::move(predicate));
        items_.resize(items_.size() - gone.size());
    }

private:
    static constexpr std::size_t min_room = 4;

    std::vector<T> items_;
    std::size_t first_ = 0;  // what was before is gone
};

}  // namespace detail

/// Messages in memory, the oldest forgotten first. It also remembers, by name, what it lost of the last 1,024 topics of
/// which it keeps nothing any more. For names it does not know, it takes what it lost of the topics before those for
/// theirs, so that somebody who comes from before then is told of a gap which there may not have been.
///
/// Appending takes a constant time on average; reading one topic the logarithm of what is kept of it, and what it
/// yields; reading several, or patterns, what is kept and newer. Messages come in the order of their times.
class memory_store {
public:
    /// `epoch`: no '-', CR, LF or NUL; empty: eight random characters. Throws what ws::random_nonce() throws.
    explicit memory_store(history_limits limits = {}, std::string epoch = {});
    memory_store(memory_store&&) = default;
    memory_store& operator=(memory_store&&) = default;

    /// Valid until the store is moved.
    std::string_view epoch() const noexcept { return epoch_; }
    /// See message_store, as for what follows.
    std::uint64_t last() const noexcept { return last_; }
    /// Throws std::bad_alloc, and nothing has changed.
    void append(message_ptr message);
    /// Up to `out.size()` messages of these topics behind `after`, oldest first (law 2).
    std::size_t read(const topic_set& topics, std::uint64_t after, std::span<message_ptr> out) const noexcept;
    /// What is kept of these topics behind `after`, counted, and whether anything was lost (laws 3, 4).
    weir::backlog backlog(const topic_set& topics, std::uint64_t after) const noexcept;
    /// Everything behind this number is still here (law 7).
    std::uint64_t complete_after() const noexcept { return newest_lost_; }
    /// Forgets what has become too old.
    void trim(time_point now) noexcept;

private:
    struct entry {
        std::uint64_t sequence = 0;
        std::uint64_t bytes_through = 0;  // of its topic, up to this message; differences of two have a meaning
        message_ptr message{};
    };
    struct topic_log {
        std::string name;
        std::uint64_t lost_through;  // the newest message that was lost, or may have been
        detail::fifo<entry> kept{};
        std::uint64_t bytes_through = 0;
        std::unordered_map<std::string_view, const published_message*> newest{};  // by key, of those kept
    };
    using topic_place = std::list<topic_log>::iterator;
    struct slot {
        std::uint64_t sequence = 0;
        topic_place topic{};    // while there is a message
        message_ptr message{};  // null: its topic had too many
    };

    topic_place find_or_add(std::string_view name);
    static void supersede_by(const published_message& message, topic_log& topic) noexcept;
    bool is_over_limits() const noexcept;
    void drop(slot& oldest_of_topic) noexcept;
    void drop_oldest_of(topic_log& topic) noexcept;
    void remove_holes() noexcept;
    void retire(topic_place topic) noexcept;
    std::span<const entry> kept_of(std::string_view name) const noexcept;
    std::uint64_t lost_through(std::string_view name) const noexcept;
    bool has_lost(const topic_set& topics, std::uint64_t after) const noexcept;

    static constexpr std::size_t max_silent = 1024;

    history_limits limits_;
    std::string epoch_;
    std::uint64_t last_ = 0;
    detail::fifo<slot> log_;  // all that is kept, and holes: fewer than messages, and none at the front
    std::size_t holes_ = 0;
    std::size_t bytes_ = 0;               // of all that is kept
    std::list<topic_log> live_, silent_;  // with messages and without, the last to fall silent at the end
    std::unordered_map<std::string_view, topic_place> topics_;  // both, by name
    std::uint64_t newest_lost_ = 0;                             // of any topic
    std::uint64_t forgotten_through_ = 0;                       // of topics that are in neither list
};

namespace detail {

// Moving all of them makes room for as many again: a move for each that comes. After a burst the room shrinks likewise.
template <class T>
void fifo<T>::make_room() {
    const bool full = items_.size() == capacity();
    const bool too_large = capacity() > min_room && capacity() > 8 * size();
    if (!full && !too_large) return;
    std::vector<T> fitting;
    fitting.reserve(std::max(min_room, 2 * size()));
    std::ranges::move(items(), std::back_inserter(fitting));
    items_ = std::move(fitting);
    first_ = 0;
}

/// What is left of `items`, which are in the order of their sequences, without those up to `sequence`.
template <class Item>
std::span<Item> newer_than(std::uint64_t sequence, std::span<Item> items) noexcept {
    const auto first = std::ranges::upper_bound(items, sequence, {}, &Item::sequence);
    return items.subspan(static_cast<std::size_t>(first - items.begin()));
}

}  // namespace detail

}  // namespace weir

#include WEIR_BODIES(weir/session/memory_store.ipp)

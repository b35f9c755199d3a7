// SPDX-License-Identifier: BSL-1.0
#pragma once

// What a client has been given to send and its connections have not wholly written, and what becomes of that when one
// breaks. Layer: session.

#include <weir/ws/message.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>

namespace weir {

/// What becomes of the messages that a client was given before its connection broke, and had not wholly written.
/// Written means taken by the operating system, or by TLS; whether the server has received it nobody knows but the
/// server, which is why a protocol that may lose nothing has acknowledgements of its own.
enum class unsent : std::uint8_t {
    drop,          ///< none is sent, and while there is no connection sending fails with error::not_connected
    keep,          ///< all are sent on the next connection; one that was written in part, or behind the server's close
                   ///< frame, is sent again: the server may see such a one twice
    keep_unbegun,  ///< those of which not a byte was written are sent on the next connection; none is ever sent twice
};

namespace detail {

/// Messages in order: at the front those that the connection has been handed, at most a window of them, behind them the
/// others. Before both may come messages that are for this connection alone.
class unsent_queue {
public:
    struct item {
        std::string payload{};
        bool binary = false;
        bool of_connection = false;  ///< worthless on another one
        bool written = false;        ///< wholly, if perhaps in vain

        ws::message_view view() const noexcept { return {payload, binary}; }
    };

    /// Zero: not bounded.
    unsent_queue(unsent rule, std::size_t max_bytes, std::size_t max_messages) noexcept
        : max_bytes_(max_bytes), max_messages_(max_messages), rule_(rule) {}

    unsent rule() const noexcept { return rule_; }
    std::size_t messages() const noexcept { return items_.size(); }
    std::size_t bytes() const noexcept { return bytes_; }
    /// How many will never be wholly written, although they were taken, and never were.
    std::uint64_t lost() const noexcept { return lost_; }

    /// Whether one more has room. An empty queue takes one of any size.
    bool fits(std::size_t size) const noexcept {
        if (items_.empty()) return true;
        return (max_bytes_ == 0 || bytes_ + size <= max_bytes_) &&
               (max_messages_ == 0 || items_.size() < max_messages_);
    }
    void push(ws::message_view message) { insert(items_.end(), message, false); }
    /// Before everything that has not been handed over, behind those pushed so before.
    void push_first(ws::message_view message);

    /// What the connection is to be handed next; null: nothing, or it has enough for the moment.
    const item* next() const noexcept;
    /// As next(), for a connection that is to take all there is.
    const item* next_of_all() const noexcept { return handed_ == items_.size() ? nullptr : &items_[handed_]; }
    /// The connection has been handed that.
    void hand_over() noexcept { handed_bytes_ += items_[handed_++].payload.size(); }

    /// The connection has written so many more, wholly. `begun`: and a part of the one behind them.
    void written(std::size_t count, bool begun);
    /// From now on what is written may be read by nobody.
    void doubt() noexcept { doubtful_ = true; }
    /// The connection is over.
    void disconnected();
    /// There will be no other.
    void clear() noexcept;

private:
    // More is not handed over at a time: it would be twice in memory, and a message that is dropped as begun should be
    // one.
    static constexpr std::size_t window_bytes = 64 * 1024, window_messages = 64;

    using place = std::deque<item>::const_iterator;

    void insert(place where, ws::message_view message, bool of_connection) {
        items_.insert(where, {std::string{message.text()}, message.is_binary(), of_connection});
        bytes_ += message.size();
    }
    void take_front(std::size_t count);

    std::deque<item> items_;
    std::size_t bytes_ = 0, max_bytes_, max_messages_;
    std::size_t handed_ = 0, handed_bytes_ = 0;
    std::size_t doubted_ = 0;  // at the front: written, and perhaps in vain
    std::uint64_t lost_ = 0;
    unsent rule_;
    bool begun_ = false;  // the first that is not written, in part
    bool doubtful_ = false;
};

inline void unsent_queue::push_first(ws::message_view message) {
    auto where = items_.cbegin() + static_cast<std::ptrdiff_t>(handed_);
    while (where != items_.cend() && where->of_connection) ++where;
    insert(where, message, true);
}

inline const unsent_queue::item* unsent_queue::next() const noexcept {
    const bool enough = handed_ - doubted_ >= window_messages || handed_bytes_ >= window_bytes;
    return doubtful_ || enough ? nullptr : next_of_all();
}

inline void unsent_queue::take_front(std::size_t count) {
    for (; count != 0; --count, --handed_) {
        const std::size_t size = items_.front().payload.size();
        bytes_ -= size;
        handed_bytes_ -= size;
        items_.pop_front();
    }
}

inline void unsent_queue::written(std::size_t count, bool begun) {
    begun_ = begun;
    count = std::min(count, handed_ - doubted_);
    if (doubtful_) {
        doubted_ += count;
    } else {
        take_front(count);
    }
}

inline void unsent_queue::disconnected() {
    std::size_t gone = 0;  // at the front
    if (rule_ == unsent::drop) gone = items_.size();
    if (rule_ == unsent::keep_unbegun) gone = doubted_ + (begun_ ? 1 : 0);
    std::deque<item> left;
    for (std::size_t i = 0; i != items_.size(); ++i) {
        item& own = items_[i];
        own.written = own.written || i < doubted_;
        if (i >= gone && !own.of_connection) {
            left.push_back(std::move(own));
            continue;
        }
        bytes_ -= own.payload.size();
        lost_ += own.of_connection || own.written ? 0u : 1u;
    }
    items_ = std::move(left);
    handed_ = handed_bytes_ = doubted_ = 0;
    begun_ = doubtful_ = false;
}

inline void unsent_queue::clear() noexcept {
    for (std::size_t i = 0; i != items_.size(); ++i) {
        lost_ += items_[i].of_connection || items_[i].written || i < doubted_ ? 0u : 1u;
    }
    items_.clear();
    bytes_ = handed_ = handed_bytes_ = doubted_ = 0;
    begun_ = doubtful_ = false;
}

}  // namespace detail
}  // namespace weir

// SPDX-License-Identifier: BSL-1.0
#pragma once

// What a session has still to write: whole messages, in order, in one contiguous buffer. Layer: session.

#include <weir/bytes.hpp>
#include <weir/config.hpp>
#include <weir/session/spare.hpp>
#include <weir/time.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace weir {

/// A queue of encoded messages, and of control pieces (a response head, a heartbeat, a last chunk) between them.
/// Invariant: a message partly consumed and a control piece are never dropped, so what leaves the outbox is always a
/// concatenation of whole messages. Holds no memory while empty. Not thread-safe.
class outbox {
public:
    /// Whether nothing waits.
    bool empty() const noexcept { return bytes() == 0; }
    /// Bytes waiting.
    std::size_t bytes() const noexcept { return state_ ? state_->bytes : 0; }
    /// Messages waiting, one partly consumed included, control pieces not.
    std::size_t messages() const noexcept { return state_ ? state_->messages : 0; }
    /// Parts of messages waiting, the last part of each not: that is the message.
    std::size_t parts() const noexcept { return state_ ? state_->parts : 0; }
    /// A message, or a part of one, has been consumed in part.
    bool begun() const noexcept {
        return !empty() && state_->front_is_partial && state_->entries[state_->first].what != kind::control;
    }
    /// When the oldest message was committed of which nothing has been consumed; `never` if there is none.
    time_point oldest() const noexcept;

    /// Room for one piece of exactly `size` > 0 bytes at the back; commit() makes it part of the outbox. Pointers
    /// and gathered views of before are invalid afterwards. Throws std::bad_alloc, and nothing has changed.
    char* prepare(std::size_t size);
    /// What was prepared is a message. `key` is remembered for drop_key(); empty: none.
    void commit(std::size_t size, time_point now, std::string_view key = {}) { append({now, size, std::string{key}}); }
    /// What was prepared is a control piece.
    void commit_control(std::size_t size, time_point now) { append({now, size, {}, kind::control}); }
    /// What was prepared is a message that is never dropped, or the last part of one.
    void commit_pinned(std::size_t size, time_point now) { append({now, size, {}, kind::pinned}); }
    /// What was prepared is a part of a message, and not the last one. It is never dropped.
    void commit_part(std::size_t size, time_point now) { append({now, size, {}, kind::part}); }
    /// What was prepared is the rest of a message whose first bytes have been written. The outbox is empty otherwise.
    void commit_rest(std::size_t size, time_point now) {
        append({now, size, {}});
        state_->front_is_partial = true;
    }

    /// What is at the front counts as begun: nothing overtakes it. For a response's head. Not while empty.
    void hold_front() noexcept { state_->front_is_partial = true; }

    /// Drops the oldest message of which nothing has been consumed. False: there is none.
    bool drop_oldest() noexcept;
    /// Whether an unsent message has this key.
    bool has_key(std::string_view key) const noexcept;
    /// Drops the unsent messages with this key, and returns their number.
    std::size_t drop_key(std::string_view key) noexcept;
    /// Lets go of everything, begun or not.
    void clear() noexcept;

    /// Puts a control piece that overtakes everything but what is partly consumed, and pieces of its kind.
    void push_urgent(std::string_view piece);
    /// Urgent bytes waiting.
    std::size_t urgent_bytes() const noexcept { return state_ ? state_->urgent.size() - state_->urgent_begin : 0; }

    /// Views of the waiting bytes from the front, at most out.size() of them, neighbours joined; returns how many.
    /// Valid until the next call that is not const.
    std::size_t gather(std::span<bytes_view> out) const noexcept;
    /// Takes `size` <= bytes() bytes off the front, and returns how many messages that completed.
    std::size_t consume(std::size_t size) noexcept;

private:
    enum class kind : std::uint8_t { message, pinned, part, control };

    struct entry {
        time_point committed;
        std::size_t size;  // what is left of it
        std::string key;
        kind what = kind::message;
        bool dropped = false;  // its bytes are still in the buffer and are skipped

        bool is_message() const noexcept { return what <= kind::pinned; }
        bool droppable() const noexcept { return what == kind::message && !dropped; }
    };
    struct state {
        std::unique_ptr<char[]> buffer;
        std::size_t capacity = 0, begin = 0, end = 0;  // of the buffer: capacity, first byte used, first byte free
        std::vector<entry> entries;
        std::size_t first = 0;   // of entries; never a dropped one
        std::size_t oldest = 0;  // no entry before this one can be dropped
        std::size_t bytes = 0, messages = 0, parts = 0;
        bool front_is_partial = false;
        std::string urgent;  // goes next, once the front is no longer partial
        std::size_t urgent_begin = 0;

        // Empty, with its memory.
        void reset() noexcept {
            begin = end = first = oldest = bytes = messages = parts = urgent_begin = 0;
            front_is_partial = false;
            entries.clear();
            urgent.clear();
        }
    };

    // Several short messages of one turn fit; it is given back with the last byte.
    static constexpr std::size_t first_capacity = 1024;
    // More than this is not kept for the next outbox.
    static constexpr std::size_t max_spare_capacity = 64 * 1024, max_spare_entries = 1024;

    state& made();
    std::size_t consume_urgent(std::size_t size) noexcept;
    std::span<entry> live() const noexcept { return std::span{state_->entries}.subspan(state_->first); }
    std::span<entry> untouched() const noexcept { return live().subspan(state_->front_is_partial ? 1 : 0); }
    entry* oldest_message() const noexcept;
    void append(entry e);
    void tidy();
    void grow(std::size_t size);
    void drop(entry& e) noexcept;
    void skip_dropped() noexcept;

    std::unique_ptr<state> state_;
};

}  // namespace weir

#include WEIR_BODIES(weir/session/outbox.ipp)

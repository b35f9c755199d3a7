// SPDX-License-Identifier: BSL-1.0
#pragma once

// What a session has still to write: whole messages, in order, in one contiguous buffer. Layer: session.

#include <weir/bytes.hpp>
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

inline time_point outbox::oldest() const noexcept {
    const entry* const oldest = oldest_message();
    return oldest == nullptr ? never : oldest->committed;
}

// The oldest message of which nothing has been consumed. What can't be dropped now never can, so it is passed once.
inline outbox::entry* outbox::oldest_message() const noexcept {
    if (empty()) return nullptr;
    state& s = *state_;
    s.oldest = std::max(s.oldest, s.first + (s.front_is_partial ? 1 : 0));
    while (s.oldest != s.entries.size() && !s.entries[s.oldest].droppable()) ++s.oldest;
    return s.oldest == s.entries.size() ? nullptr : &s.entries[s.oldest];
}

inline outbox::state& outbox::made() {
    if (!state_) state_ = detail::spare<state>::take();
    if (!state_) {
        state_ = std::make_unique<state>();
        state_->entries.reserve(8);
    }
    return *state_;
}

inline void outbox::clear() noexcept {
    if (!state_) return;
    if (state_->capacity > max_spare_capacity || state_->entries.capacity() > max_spare_entries) return state_.reset();
    state_->reset();
    detail::spare<state>::put(std::move(state_));
    state_.reset();
}

inline char* outbox::prepare(std::size_t size) {
    state& s = made();
    if (s.capacity - s.end < size) grow(size);
    return s.buffer.get() + s.end;
}

inline void outbox::push_urgent(std::string_view piece) {
    state& s = made();
    s.urgent.append(piece);
    s.bytes += piece.size();
}

inline void outbox::append(entry e) {
    state& s = *state_;
    if (s.entries.size() == s.entries.capacity()) tidy();
    const std::size_t size = e.size;
    s.messages += e.is_message() ? 1u : 0u;
    s.parts += e.what == kind::part ? 1u : 0u;
    s.entries.push_back(std::move(e));
    s.end += size;
    s.bytes += size;
}

// Forgets what has been consumed and makes one of dropped neighbours, so that a front that does not move is not
// followed by an ever longer trail. What is left fills at most half the room: the work stays linear in the entries
// appended.
inline void outbox::tidy() {
    std::vector<entry>& entries = state_->entries;
    auto end = entries.begin();
    for (entry& e : live()) {
        if (e.dropped && std::prev(end)->dropped) {  // the first one is not
            std::prev(end)->size += e.size;
        } else {
            if (&*end != &e) *end = std::move(e);
            ++end;
        }
    }
    entries.erase(end, entries.end());
    state_->first = state_->oldest = 0;
    entries.reserve(entries.size() * 2);
}

// Moves the live bytes to the front of a buffer with room for `size` more, leaving dropped messages behind. Doubling
// keeps the copying linear in the bytes committed.
inline void outbox::grow(std::size_t size) {
    state& s = *state_;
    const std::size_t capacity = std::max({s.bytes + size, s.bytes * 2, first_capacity});
    auto buffer = std::make_unique_for_overwrite<char[]>(capacity);
    const char* from = s.buffer.get() + s.begin;
    char* to = buffer.get();
    for (const entry& e : live()) {
        if (!e.dropped) to = std::copy_n(from, e.size, to);
        from += e.size;
    }
    std::erase_if(s.entries, [&, i = std::size_t{0}](const entry& e) mutable { return i++ < s.first || e.dropped; });
    s.first = s.oldest = 0;
    s.begin = 0;
    s.end = static_cast<std::size_t>(to - buffer.get());
    s.buffer = std::move(buffer);
    s.capacity = capacity;
}

inline void outbox::drop(entry& e) noexcept {
    e.dropped = true;
    e.key.clear();
    state_->bytes -= e.size;
    --state_->messages;
}

inline bool outbox::drop_oldest() noexcept {
    entry* const oldest = oldest_message();
    if (oldest == nullptr) return false;
    drop(*oldest);
    skip_dropped();
    return true;
}

inline bool outbox::has_key(std::string_view key) const noexcept {
    if (empty() || key.empty()) return false;
    return std::ranges::any_of(untouched(), [&](const entry& e) { return e.droppable() && e.key == key; });
}

inline std::size_t outbox::drop_key(std::string_view key) noexcept {
    if (empty() || key.empty()) return 0;
    std::size_t count = 0;
    for (entry& e : untouched()) {
        if (!e.droppable() || e.key != key) continue;
        drop(e);
        ++count;
    }
    skip_dropped();
    return count;
}

// Keeps the invariant that the first entry is a live one, and gives everything back when there is none.
inline void outbox::skip_dropped() noexcept {
    state& s = *state_;
    if (s.bytes == 0) return clear();
    while (s.first != s.entries.size() && s.entries[s.first].dropped) s.begin += s.entries[s.first++].size;
}

inline std::size_t outbox::gather(std::span<bytes_view> out) const noexcept {
    if (empty()) return 0;
    const state& s = *state_;
    std::size_t count = 0;
    bool urgent = urgent_bytes() != 0;
    const auto add_urgent = [&] {
        urgent = false;
        if (count != out.size()) out[count++] = as_bytes(std::string_view{s.urgent}.substr(s.urgent_begin));
    };
    if (urgent && !s.front_is_partial) add_urgent();
    const char* position = s.buffer.get() + s.begin;
    bool joined = false;
    for (const entry& e : live()) {
        const auto view = as_bytes({position, e.size});
        position += e.size;
        if (e.dropped) {
            joined = false;
        } else if (joined) {
            out[count - 1] = {out[count - 1].data(), out[count - 1].size() + view.size()};
        } else {
            if (count == out.size()) break;
            out[count++] = view;
            joined = true;
        }
        if (urgent) {  // behind the front, which is partial
            add_urgent();
            joined = false;
        }
    }
    return count;
}

// Takes urgent bytes off, if it is their turn; returns what is left of `size`.
inline std::size_t outbox::consume_urgent(std::size_t size) noexcept {
    state& s = *state_;
    const std::size_t taken = s.front_is_partial ? 0 : std::min(size, urgent_bytes());
    s.urgent_begin += taken;
    if (urgent_bytes() == 0) {
        s.urgent.clear();
        s.urgent_begin = 0;
    }
    return size - taken;
}

inline std::size_t outbox::consume(std::size_t size) noexcept {
    if (size == 0) return 0;
    state& s = *state_;
    std::size_t completed = 0;
    s.bytes -= size;
    size = consume_urgent(size);
    while (size != 0) {
        entry& e = s.entries[s.first];
        if (e.dropped) {
            s.begin += e.size;
            ++s.first;
            continue;
        }
        const std::size_t taken = std::min(size, e.size);
        e.size -= taken;
        s.begin += taken;
        size -= taken;
        s.front_is_partial = e.size != 0;
        if (s.front_is_partial) break;
        ++s.first;
        if (urgent_bytes() != 0) size = consume_urgent(size);
        s.parts -= e.what == kind::part ? 1u : 0u;
        if (!e.is_message()) continue;
        ++completed;
        --s.messages;
    }
    skip_dropped();
    return completed;
}

}  // namespace weir

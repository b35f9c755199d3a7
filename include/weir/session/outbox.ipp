// SPDX-License-Identifier: BSL-1.0
#pragma once

// The bodies of outbox.hpp.

#include <weir/session/outbox.hpp>

namespace weir {

WEIR_INLINE time_point outbox::oldest() const noexcept {
    const entry* const oldest = oldest_message();
    return oldest == nullptr ? never : oldest->committed;
}

// The oldest message of which nothing has been consumed. What can't be dropped now never can, so it is passed once.
WEIR_INLINE outbox::entry* outbox::oldest_message() const noexcept {
    if (empty()) return nullptr;
    state& s = *state_;
    s.oldest = std::max(s.oldest, s.first + (s.front_is_partial ? 1 : 0));
    while (s.oldest != s.entries.size() && !s.entries[s.oldest].droppable()) ++s.oldest;
    return s.oldest == s.entries.size() ? nullptr : &s.entries[s.oldest];
}

WEIR_INLINE outbox::state& outbox::made() {
    if (!state_) state_ = detail::spare<state>::take();
    if (!state_) {
        state_ = std::make_unique<state>();
        state_->entries.reserve(8);
    }
    return *state_;
}

WEIR_INLINE void outbox::clear() noexcept {
    if (!state_) return;
    if (state_->capacity > max_spare_capacity || state_->entries.capacity() > max_spare_entries) return state_.reset();
    state_->reset();
    detail::spare<state>::put(std::move(state_));
    state_.reset();
}

WEIR_INLINE char* outbox::prepare(std::size_t size) {
    state& s = made();
    if (s.capacity - s.end < size) grow(size);
    return s.buffer.get() + s.end;
}

WEIR_INLINE void outbox::push_urgent(std::string_view piece) {
    state& s = made();
    s.urgent.append(piece);
    s.bytes += piece.size();
}

WEIR_INLINE void outbox::append(entry e) {
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
WEIR_INLINE void outbox::tidy() {
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
WEIR_INLINE void outbox::grow(std::size_t size) {
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

WEIR_INLINE void outbox::drop(entry& e) noexcept {
    e.dropped = true;
    e.key.clear();
    state_->bytes -= e.size;
    --state_->messages;
}

WEIR_INLINE bool outbox::drop_oldest() noexcept {
    entry* const oldest = oldest_message();
    if (oldest == nullptr) return false;
    drop(*oldest);
    skip_dropped();
    return true;
}

WEIR_INLINE bool outbox::has_key(std::string_view key) const noexcept {
    if (empty() || key.empty()) return false;
    return std::ranges::any_of(untouched(), [&](const entry& e) { return e.droppable() && e.key == key; });
}

WEIR_INLINE std::size_t outbox::drop_key(std::string_view key) noexcept {
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
WEIR_INLINE void outbox::skip_dropped() noexcept {
    state& s = *state_;
    if (s.bytes == 0) return clear();
    while (s.first != s.entries.size() && s.entries[s.first].dropped) s.begin += s.entries[s.first++].size;
}

WEIR_INLINE std::size_t outbox::gather(std::span<bytes_view> out) const noexcept {
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
WEIR_INLINE std::size_t outbox::consume_urgent(std::size_t size) noexcept {
    state& s = *state_;
    const std::size_t taken = s.front_is_partial ? 0 : std::min(size, urgent_bytes());
    s.urgent_begin += taken;
    if (urgent_bytes() == 0) {
        s.urgent.clear();
        s.urgent_begin = 0;
    }
    return size - taken;
}

WEIR_INLINE std::size_t outbox::consume(std::size_t size) noexcept {
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

// SPDX-License-Identifier: BSL-1.0
#pragma once

// A hierarchical timing wheel: every deadline of an event loop, without a timer per session. Layer: session.
// Source: Varghese and Lauck, "Hashed and Hierarchical Timing Wheels", scheme 7.

#include <weir/time.hpp>

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>

namespace weir {

/// A deadline, embedded in what it belongs to. Must be cancelled before it is destroyed or moved.
class wheel_entry {
public:
    wheel_entry() = default;
    wheel_entry(const wheel_entry&) = delete;
    wheel_entry& operator=(const wheel_entry&) = delete;

    /// Whether it has a deadline.
    bool scheduled() const noexcept { return next_ != nullptr; }

private:
    friend class wheel;

    void unlink() noexcept {
        next_->previous_ = previous_;
        previous_->next_ = next_;
        next_ = previous_ = nullptr;
    }
    void link_before(wheel_entry& head) noexcept {
        next_ = &head;
        previous_ = head.previous_;
        previous_->next_ = this;
        head.previous_ = this;
    }

    wheel_entry* next_ = nullptr;
    wheel_entry* previous_ = nullptr;
    std::uint64_t tick_ = 0;
};

/// Deadlines with a resolution of 1 ms: an entry is due at the first whole millisecond not before its deadline, and
/// never early. Scheduling and cancelling are O(1); an entry moves at most `levels` times before it is due. A deadline
/// more than 139 years after the wheel's start is due then. Not thread-safe; destroyed only when empty.
class wheel {
public:
    /// Empty; `start` is the time that its ticks count from.
    explicit wheel(time_point start) noexcept : start_(start) {
        for (auto& level : slots_) {
            for (wheel_entry& head : level) make_empty(head);
        }
        make_empty(due_);
    }
    wheel(const wheel&) = delete;
    wheel& operator=(const wheel&) = delete;

    /// Sets the entry's deadline, replacing the one it had. `never` only cancels.
    void schedule(wheel_entry& entry, time_point at) noexcept {
        cancel(entry);
        if (at == never) return;
        entry.tick_ = tick_not_before(at);
        insert(entry);
    }

    /// Takes the deadline away, if there is one.
    void cancel(wheel_entry& entry) noexcept {
        if (entry.scheduled()) entry.unlink();
    }

    /// An entry whose deadline is not after `now`, no longer scheduled; null when there is none. Of two entries more
    /// than a millisecond apart the earlier comes first, unless it was scheduled when its deadline had passed.
    wheel_entry* pop_due(time_point now) noexcept {
        const std::uint64_t until = tick_not_after(now);
        for (;;) {
            if (due_.next_ != &due_) {
                wheel_entry* entry = due_.next_;
                entry->unlink();
                return entry;
            }
            const position p = next_slot();
            if (p.tick > until) break;
            current_ = p.tick;
            open_slot(p);
        }
        if (until > current_) current_ = until;
        return nullptr;
    }

    /// When pop_due() may next yield something: never later than the earliest deadline, possibly earlier.
    time_point next_due() noexcept {
        if (due_.next_ != &due_) return start_;
        const position p = next_slot();
        return p.tick == nothing ? never : start_ + milliseconds{static_cast<std::int64_t>(p.tick)};
    }

private:
    static constexpr unsigned bits = 6, levels = 7;
    static constexpr std::uint64_t slots = 1u << bits;
    static constexpr std::uint64_t nothing = ~std::uint64_t{0};
    static constexpr std::uint64_t horizon = (std::uint64_t{1} << (bits * levels)) - 1;

    struct position {
        unsigned level;
        std::uint64_t slot, tick;
    };

    static void make_empty(wheel_entry& head) noexcept { head.next_ = head.previous_ = &head; }

    std::uint64_t tick_not_after(time_point t) const noexcept {
        if (t <= start_) return 0;
        return static_cast<std::uint64_t>(std::chrono::floor<milliseconds>(t - start_).count());
    }
    std::uint64_t tick_not_before(time_point t) const noexcept {
        if (t <= start_) return 0;
        return std::min(horizon, static_cast<std::uint64_t>(std::chrono::ceil<milliseconds>(t - start_).count()));
    }

    // The level is the one of the highest digit (of `bits` bits) in which the tick differs from the current one.
    void insert(wheel_entry& entry) noexcept {
        if (entry.tick_ <= current_) return entry.link_before(due_);
        const unsigned level = (static_cast<unsigned>(std::bit_width(entry.tick_ ^ current_)) - 1) / bits;
        const std::uint64_t slot = (entry.tick_ >> (bits * level)) % slots;
        entry.link_before(slots_[level][slot]);
        occupied_[level] |= std::uint64_t{1} << slot;
    }

    // The first slot after the current tick that holds something, on the lowest level that has one: slots of a level
    // all lie before the first slot of the next.
    position next_slot() noexcept {
        for (unsigned level = 0; level < levels; ++level) {
            while (occupied_[level] != 0) {
                const auto slot = static_cast<std::uint64_t>(std::countr_zero(occupied_[level]));
                wheel_entry& head = slots_[level][slot];
                if (head.next_ != &head) {
                    const std::uint64_t base = current_ >> (bits * (level + 1)) << (bits * (level + 1));
                    return {level, slot, base + (slot << (bits * level))};
                }
                occupied_[level] &= ~(std::uint64_t{1} << slot);  // all its entries were cancelled
            }
        }
        return {0, 0, nothing};
    }

    // Spreads a slot's entries over the lower levels; those of level 0 are due.
    void open_slot(const position& p) noexcept {
        wheel_entry& head = slots_[p.level][p.slot];
        occupied_[p.level] &= ~(std::uint64_t{1} << p.slot);
        while (head.next_ != &head) {
            wheel_entry& entry = *head.next_;
            entry.unlink();
            insert(entry);
        }
    }

    time_point start_;
    std::uint64_t current_ = 0;
    wheel_entry due_;
    std::array<std::uint64_t, levels> occupied_{};
    std::array<std::array<wheel_entry, slots>, levels> slots_;
};

}  // namespace weir

// SPDX-License-Identifier: BSL-1.0
#pragma once

// How many connections there are, and whether there may be one more. Layer: server.

#include <atomic>
#include <cstddef>
#include <functional>
#include <utility>

namespace weir::detail {

/// Counts connections against a limit, one per living object.
class connection_count {
public:
    class slot {
    public:
        slot() = default;
        slot(slot&& other) noexcept : count_(std::exchange(other.count_, nullptr)) {}
        slot& operator=(slot&& other) noexcept {
            std::swap(count_, other.count_);
            return *this;
        }
        ~slot() {
            if (count_ != nullptr) count_->leave();
        }
        explicit operator bool() const noexcept { return count_ != nullptr; }

    private:
        friend class connection_count;
        explicit slot(connection_count* count) noexcept : count_(count) {}

        connection_count* count_ = nullptr;
    };

    /// `limit`: zero: none. `on_empty` is called by whoever leaves last, on any thread.
    connection_count(std::size_t limit, std::function<void()> on_empty)
        : limit_(limit), on_empty_(std::move(on_empty)) {}

    /// A place, or an empty slot if there is none.
    slot enter() noexcept {
        const std::size_t now = count_.fetch_add(1) + 1;
        if (limit_ == 0 || now <= limit_) return slot{this};
        leave();
        return {};
    }

    std::size_t value() const noexcept { return count_.load(); }

private:
    void leave() noexcept {
        if (count_.fetch_sub(1) == 1) on_empty_();
    }

    std::size_t limit_;
    std::function<void()> on_empty_;
    std::atomic<std::size_t> count_{0};
};

}  // namespace weir::detail

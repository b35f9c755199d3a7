// SPDX-License-Identifier: BSL-1.0
#pragma once

// References to an object that counts them itself, because a deadline may pass on another thread. Layer: io.

#include <atomic>
#include <concepts>
#include <cstdint>
#include <utility>

namespace weir::detail {

/// How many references there are. Thread-safe.
class reference_count {
public:
    void add() noexcept { count_.fetch_add(1, std::memory_order_relaxed); }
    /// Unless there are none, which means that the object is being destroyed.
    bool add_if_any() noexcept {
        std::uint32_t n = count_.load(std::memory_order_relaxed);
        while (n != 0 && !count_.compare_exchange_weak(n, n + 1, std::memory_order_relaxed)) {
        }
        return n != 0;
    }
    /// True: that was the last one.
    bool drop() noexcept { return count_.fetch_sub(1, std::memory_order_acq_rel) == 1; }

private:
    std::atomic<std::uint32_t> count_{0};
};

/// A counted reference: T has add_reference() and drop_reference(), and destroys itself with the last one.
template <class T>
class counted_ptr {
public:
    counted_ptr() = default;
    /// Shares ownership.
    explicit counted_ptr(T* object) noexcept : object_(object) {
        if (object_ != nullptr) object_->add_reference();
    }
    /// Takes over a reference that is already counted.
    static counted_ptr adopt(T* object) noexcept {
        counted_ptr p;
        p.object_ = object;
        return p;
    }
    template <class U>
        requires std::convertible_to<U*, T*>
    counted_ptr(counted_ptr<U> other) noexcept : object_(other.release()) {}
    counted_ptr(const counted_ptr& other) noexcept : counted_ptr(other.object_) {}
    counted_ptr(counted_ptr&& other) noexcept : object_(std::exchange(other.object_, nullptr)) {}
    counted_ptr& operator=(counted_ptr other) noexcept {
        std::swap(object_, other.object_);
        return *this;
    }
    ~counted_ptr() {
        if (object_ != nullptr) object_->drop_reference();
    }

    T* get() const noexcept { return object_; }
    T* operator->() const noexcept { return object_; }
    T& operator*() const noexcept { return *object_; }
    explicit operator bool() const noexcept { return object_ != nullptr; }
    T* release() noexcept { return std::exchange(object_, nullptr); }

private:
    T* object_ = nullptr;
};

}  // namespace weir::detail

// SPDX-License-Identifier: BSL-1.0
#pragma once

// A handler with an allocator of its own that counts.

#include <atomic>
#include <cstddef>
#include <memory>
#include <utility>

namespace test {

/// Thread-safe.
struct allocation_count {
    std::atomic<std::size_t> total{0};  ///< pieces ever handed out
    std::atomic<std::size_t> live{0};   ///< pieces not given back yet
};

template <class T>
class counting_allocator {
public:
    using value_type = T;

    explicit counting_allocator(allocation_count& count) noexcept : count_(&count) {}
    template <class U>
    counting_allocator(const counting_allocator<U>& other) noexcept : count_(&other.count()) {}

    T* allocate(std::size_t n) {
        ++count_->total;
        ++count_->live;
        return std::allocator<T>{}.allocate(n);
    }
    void deallocate(T* memory, std::size_t n) noexcept {
        --count_->live;
        std::allocator<T>{}.deallocate(memory, n);
    }
    allocation_count& count() const noexcept { return *count_; }

    template <class U>
    bool operator==(const counting_allocator<U>& other) const noexcept {
        return count_ == &other.count();
    }

private:
    allocation_count* count_;
};

template <class Function>
struct handler_with_allocator {
    using allocator_type = counting_allocator<void>;

    allocator_type allocator;
    Function function;

    allocator_type get_allocator() const noexcept { return allocator; }

    template <class... Args>
    auto operator()(Args&&... args) -> decltype(function(std::forward<Args>(args)...)) {
        return function(std::forward<Args>(args)...);
    }
};

template <class Function>
auto with_allocator(allocation_count& count, Function function) {
    return handler_with_allocator<Function>{counting_allocator<void>{count}, std::move(function)};
}

}  // namespace test

// SPDX-License-Identifier: BSL-1.0
#pragma once

// Counts what operator new hands out, to prove that something allocates nothing. Replaces the global operators: include
// it in one file of a test program only, and allocation_count.hpp in others.

#include <cstddef>
#include <cstdlib>
#include <new>

#include "allocation_count.hpp"

namespace test {

inline void* allocate(std::size_t size) noexcept {
    ++allocations;
    return std::malloc(size != 0 ? size : 1);
}

inline void free(void* memory) noexcept {
    if (memory != nullptr) ++frees;
    std::free(memory);
}

inline void* allocate_or_throw(std::size_t size) {
    if (void* const memory = allocate(size)) return memory;
    throw std::bad_alloc{};
}

}  // namespace test

// Each form is replaced: a sanitizer's own forms don't call each other. None is inlined: where gcc sees through both
// sides, it takes malloc's memory for mismatched.
[[gnu::noinline]] void* operator new(std::size_t size) { return test::allocate_or_throw(size); }
[[gnu::noinline]] void* operator new[](std::size_t size) { return test::allocate_or_throw(size); }
[[gnu::noinline]] void* operator new(std::size_t size, const std::nothrow_t&) noexcept { return test::allocate(size); }
[[gnu::noinline]] void* operator new[](std::size_t size, const std::nothrow_t&) noexcept {
    return test::allocate(size);
}
[[gnu::noinline]] void operator delete(void* memory) noexcept { test::free(memory); }
[[gnu::noinline]] void operator delete[](void* memory) noexcept { test::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept { test::free(memory); }
[[gnu::noinline]] void operator delete[](void* memory, std::size_t) noexcept { test::free(memory); }

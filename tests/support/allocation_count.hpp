// SPDX-License-Identifier: BSL-1.0
#pragma once

// What support/allocations.hpp counts, for the other files of the test program that includes it.

#include <cstddef>

namespace test {

inline std::size_t allocations = 0;  ///< calls of operator new so far, over-aligned ones excepted
inline std::size_t frees = 0;        ///< calls of operator delete so far, with something to free

}  // namespace test

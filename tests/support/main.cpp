// SPDX-License-Identifier: BSL-1.0

// Catch2 v2's main, compiled here once: a prebuilt one was compiled as an older C++ and lacks std::string_view and
// std::byte. Catch2 v3 brings its own, and this file stays empty.

#if !__has_include(<catch2/catch_all.hpp>)
#define CATCH_CONFIG_MAIN
#include <catch2/catch.hpp>
#endif

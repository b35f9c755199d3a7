// SPDX-License-Identifier: BSL-1.0
#pragma once

// Catch2, whichever major version is installed: v3 from package managers, v2 from Debian 12.

#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
#else
#include <catch2/catch.hpp>
#endif

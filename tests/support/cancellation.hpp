// SPDX-License-Identifier: BSL-1.0
#pragma once

// For tests of what needs Asio's own cancellation.

#include <weir/config.hpp>

#include "catch.hpp"

namespace test {

/// Where Asio has none: says so.
inline bool left_out_without_cancellation() {
    if (!weir::has_cancellation) WARN("left out: this Boost.Asio has no cancellation");
    return !weir::has_cancellation;
}

}  // namespace test

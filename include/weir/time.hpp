// SPDX-License-Identifier: BSL-1.0
#pragma once

// The clock's vocabulary. Protocol, session and policy code is given the time, it never asks for it. Layer: ground.

#include <chrono>

namespace weir {

/// The clock whose times everything here is given.
using clock = std::chrono::steady_clock;
/// A time of that clock.
using time_point = clock::time_point;
/// As fine as that clock.
using duration = clock::duration;
using std::chrono::milliseconds;

/// Later than anything: no deadline.
inline constexpr time_point never = time_point::max();

/// `t + d` that stops at `never` instead of wrapping, whatever d's unit. `t` is not before the clock's epoch.
template <class Rep, class Period>
constexpr time_point later(time_point t, std::chrono::duration<Rep, Period> d) noexcept {
    using unit = std::chrono::duration<Rep, Period>;
    return d >= std::chrono::floor<unit>(never - t) ? never : t + std::chrono::ceil<duration>(d);
}

}  // namespace weir

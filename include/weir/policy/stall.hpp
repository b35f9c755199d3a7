// SPDX-License-Identifier: BSL-1.0
#pragma once

// When a reader that accepts nothing is given up: by progress, not by a clock per write. Layer: policy.

#include <weir/policy/heartbeat.hpp>
#include <weir/time.hpp>

#include <concepts>
#include <cstddef>
#include <variant>

namespace weir {

/// What a stall policy decides on. Asked only while bytes wait to be written.
struct progress {
    time_point now;                ///< the time of asking
    time_point last_progress;      ///< when a byte was last taken, or the outbox of a session not blocked began to fill
    std::size_t bytes_unsent = 0;  ///< not yet accepted by the transport
};

/// What a stall policy answers.
using stall_decision = std::variant<wait_until, give_up>;

/// A pure decision about a reader that takes nothing; giving up ends the session with error::stalled.
template <class Policy>
concept stall_policy = requires(const Policy& policy, const progress& facts) {
    { policy(facts) } noexcept -> std::convertible_to<stall_decision>;
};

/// Gives up when bytes have waited for `patience` and none was accepted. A slow reader that takes a byte now and then
/// is not stalled: that is the backpressure policy's business. Zero: never.
struct stall_after {
    milliseconds patience{30'000};  ///< without progress; 0: for ever

    /// `give_up` once `patience` has passed since the last progress; else `wait_until`, to be asked again.
    constexpr stall_decision operator()(const progress& p) const noexcept {
        if (patience <= patience.zero()) return wait_until{never};
        const time_point due = later(p.last_progress, patience);
        if (p.now >= due) return give_up{};
        return wait_until{due};
    }
};

static_assert(stall_policy<stall_after>);

}  // namespace weir

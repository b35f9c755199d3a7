// SPDX-License-Identifier: BSL-1.0
#pragma once

// Counts a client's failures in a row, and asks its policy about each. Layer: session.

#include <weir/policy/reconnect.hpp>
#include <weir/time.hpp>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <utility>
#include <variant>

namespace weir::detail {

/// A policy, and what it has to be told beside the failure itself. Not thread-safe.
class reconnect_row {
public:
    /// `seed`: of what jitter is made of; the same yields the same delays.
    reconnect_row(any_reconnect policy, std::uint64_t seed) : policy_(std::move(policy)), random_(seed) {}

    /// A connection has ended, or an attempt has failed: how long to wait for the next. Empty: there is none. The
    /// members `failures`, `trying` and `random` of the facts are filled in here.
    std::optional<duration> failed(reconnect_facts facts, time_point now) {
        if (failures_++ == 0) first_ = now;
        facts.failures = failures_;
        facts.trying = now - first_;
        facts.random = next_random();
        const reconnect_decision decision = policy_(facts);
        const auto* const again = std::get_if<retry_in>(&decision);
        if (again == nullptr) return std::nullopt;
        if (again->starts_over) {
            failures_ = 1;
            first_ = now;
        }
        return std::max(again->delay, duration{});
    }

    /// How many there have been since the row last started over.
    unsigned failures() const noexcept { return failures_; }

private:
    // SplitMix64: every value once in 2^64, which is as uniform as jitter has to be.
    std::uint64_t next_random() noexcept {
        std::uint64_t z = random_ += 0x9e3779b97f4a7c15;
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
        z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
        return z ^ (z >> 31);
    }

    any_reconnect policy_;
    std::uint64_t random_;
    time_point first_{};
    unsigned failures_ = 0;
};

}  // namespace weir::detail

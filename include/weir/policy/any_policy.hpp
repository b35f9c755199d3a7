// SPDX-License-Identifier: BSL-1.0
#pragma once

// A backpressure or heartbeat policy chosen at run time, where sessions of one type have different ones. Layer: policy.

#include <weir/policy/backpressure.hpp>
#include <weir/policy/heartbeat.hpp>

#include <concepts>
#include <functional>
#include <type_traits>
#include <utility>

namespace weir {

/// Any backpressure policy, by value. Throws std::bad_alloc when it is made, never when it decides.
class any_backpressure {
public:
    template <backpressure_policy Policy>
        requires(!std::same_as<Policy, any_backpressure>)
    any_backpressure(Policy policy) : by_key_(conflates_by_key(policy)), decide_(std::move(policy)) {}

    bool by_key() const noexcept { return by_key_; }
    admission operator()(const outbox_facts& facts) const noexcept { return decide_(facts); }

private:
    bool by_key_;
    std::function<admission(const outbox_facts&)> decide_;
};

/// Any heartbeat policy, by value. Throws std::bad_alloc when it is made, never when it decides.
class any_heartbeat {
public:
    template <heartbeat_policy Policy>
        requires(!std::same_as<Policy, any_heartbeat>)
    any_heartbeat(Policy policy) : decide_(std::move(policy)) {}

    heartbeat_decision operator()(const liveness& facts) const noexcept { return decide_(facts); }

private:
    std::function<heartbeat_decision(const liveness&)> decide_;
};

}  // namespace weir

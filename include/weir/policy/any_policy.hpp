// SPDX-License-Identifier: BSL-1.0
#pragma once

// A policy chosen at run time, where sessions of one type, or subscribers of one hub, have different ones.
// Layer: policy.

#include <weir/policy/backpressure.hpp>
#include <weir/policy/heartbeat.hpp>
#include <weir/policy/lag.hpp>
#include <weir/policy/message_framing.hpp>
#include <weir/policy/observer.hpp>

#include <concepts>
#include <functional>
#include <memory>
#include <type_traits>
#include <utility>

namespace weir {

/// Any backpressure policy, by value. Throws std::bad_alloc when it is made, never when it decides.
class any_backpressure {
public:
    /// Holds a copy of `policy`. Implicit, so that options take a policy as it is.
    template <backpressure_policy Policy>
        requires(!std::same_as<Policy, any_backpressure>)
    any_backpressure(Policy policy) : by_key_(conflates_by_key(policy)), decide_(std::move(policy)) {}

    /// As the policy has it.
    bool by_key() const noexcept { return by_key_; }
    /// Asks the policy.
    admission operator()(const outbox_facts& facts) const noexcept { return decide_(facts); }

private:
    bool by_key_;
    std::function<admission(const outbox_facts&)> decide_;
};

/// Any heartbeat policy, by value. Throws std::bad_alloc when it is made, never when it decides.
class any_heartbeat {
public:
    /// Holds a copy of `policy`. Implicit, so that options take a policy as it is.
    template <heartbeat_policy Policy>
        requires(!std::same_as<Policy, any_heartbeat>)
    any_heartbeat(Policy policy) : decide_(std::move(policy)) {}

    /// Asks the policy.
    heartbeat_decision operator()(const liveness& facts) const noexcept { return decide_(facts); }

private:
    std::function<heartbeat_decision(const liveness&)> decide_;
};

/// Any lag policy, by value. Throws std::bad_alloc when it is made, never when it decides.
class any_lag {
public:
    /// Holds a copy of `policy`. Implicit, so that options take a policy as it is.
    template <lag_policy Policy>
        requires(!std::same_as<Policy, any_lag>)
    any_lag(Policy policy) : decide_(std::move(policy)) {}

    /// Asks the policy.
    lag_decision operator()(const lag_facts& facts) const noexcept { return decide_(facts); }

private:
    std::function<lag_decision(const lag_facts&)> decide_;
};

/// Any message framing policy, shared by copies. Throws std::bad_alloc when it is made.
class any_message_framing {
public:
    /// Holds a copy of `policy`. Implicit, so that options take a policy as it is.
    template <message_framing_policy Policy>
        requires(!std::same_as<Policy, any_message_framing>)
    any_message_framing(Policy policy) : policy_(std::make_shared<const holder<Policy>>(std::move(policy))) {}

    /// What the policy negotiates.
    const ws::deflate_options* deflate() const noexcept { return policy_->deflate(); }
    /// The policy's codec.
    std::unique_ptr<ws::message_codec> make_codec(ws::role self, const ws::deflate_agreement& agreed) const {
        return policy_->make_codec(self, agreed);
    }

private:
    struct erased {
        virtual ~erased() = default;
        virtual const ws::deflate_options* deflate() const noexcept = 0;
        virtual std::unique_ptr<ws::message_codec> make_codec(ws::role self, const ws::deflate_agreement&) const = 0;
    };
    template <class Policy>
    struct holder final : erased {
        explicit holder(Policy p) : policy(std::move(p)) {}
        const ws::deflate_options* deflate() const noexcept override { return policy.deflate(); }
        std::unique_ptr<ws::message_codec> make_codec(ws::role self,
                                                      const ws::deflate_agreement& agreed) const override {
            return policy.make_codec(self, agreed);
        }
        Policy policy;
    };

    std::shared_ptr<const erased> policy_;
};

/// Any observer, shared by copies and by all sessions that are given one: where these run on several threads, so is the
/// observer called. Throws std::bad_alloc when it is made.
class any_observer {
public:
    any_observer() = default;  ///< nobody watches
    /// Holds a copy of `policy`. Implicit, so that options take a policy as it is.
    template <observer_policy Policy>
        requires(!std::same_as<Policy, any_observer>)
    any_observer(Policy policy) : policy_(std::make_shared<holder<Policy>>(std::move(policy))) {}

    /// Somebody watches.
    explicit operator bool() const noexcept { return policy_ != nullptr; }
    /// Tells the observer, if there is one.
    template <observation Observation>
    void operator()(const Observation& what) const noexcept {
        if (policy_) policy_->observe(what);
    }

private:
    struct erased {
        virtual ~erased() = default;
        virtual void observe(const session_opened& what) noexcept = 0;
        virtual void observe(const messages_received& what) noexcept = 0;
        virtual void observe(const messages_written& what) noexcept = 0;
        virtual void observe(const session_blocked& what) noexcept = 0;
        virtual void observe(const subscriber_lagged& what) noexcept = 0;
        virtual void observe(const messages_dropped& what) noexcept = 0;
        virtual void observe(const message_refused& what) noexcept = 0;
        virtual void observe(const heartbeat_sent& what) noexcept = 0;
        virtual void observe(const session_closed& what) noexcept = 0;
    };
    template <class Policy>
    struct holder final : erased {
        explicit holder(Policy p) : policy(std::move(p)) {}
        void observe(const session_opened& what) noexcept override { policy(what); }
        void observe(const messages_received& what) noexcept override { policy(what); }
        void observe(const messages_written& what) noexcept override { policy(what); }
        void observe(const session_blocked& what) noexcept override { policy(what); }
        void observe(const subscriber_lagged& what) noexcept override { policy(what); }
        void observe(const messages_dropped& what) noexcept override { policy(what); }
        void observe(const message_refused& what) noexcept override { policy(what); }
        void observe(const heartbeat_sent& what) noexcept override { policy(what); }
        void observe(const session_closed& what) noexcept override { policy(what); }
        Policy policy;
    };

    std::shared_ptr<erased> policy_;
};

}  // namespace weir

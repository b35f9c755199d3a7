// SPDX-License-Identifier: BSL-1.0
#pragma once

// A session's decisions, by its policies: what is compiled anew for each set of them. Layer: session.

#include <weir/policy/policy_set.hpp>
#include <weir/session/session.hpp>

#include <atomic>
#include <cstdint>
#include <utility>

namespace weir::detail {

// Different for neighbours, which is all that jitter asks for.
inline std::uint8_t next_salt() noexcept {
    static constinit std::atomic<std::uint32_t> counter{0};
    return static_cast<std::uint8_t>(counter.fetch_add(1, std::memory_order_relaxed) * 0x9e3779b9u >> 24);
}

/// `Session`, which leaves the decisions open, and the policies that make them.
template <class Session, class... Policies>
class deciding : public Session {
protected:
    template <class... Args>
    explicit deciding(policy_set<Policies...> policies, Args&&... args)
        : Session(std::forward<Args>(args)...), policies_(std::move(policies)) {}
    ~deciding() = default;

    policy_set<Policies...>& policies() noexcept { return policies_; }

private:
    bool by_key() const noexcept final { return policies_.by_key(); }
    admission decide(const outbox_facts& facts) noexcept final { return policies_.backpressure()(facts); }
    heartbeat_decision decide(const liveness& facts) noexcept final {
        return policies_.template heartbeat<typename Session::default_heartbeat>()(facts);
    }
    stall_decision decide(const progress& facts) noexcept final { return policies_.stall()(facts); }

    void observe(const session_opened& what) noexcept final { policies_.observer()(what); }
    void observe(const messages_received& what) noexcept final { policies_.observer()(what); }
    void observe(const messages_written& what) noexcept final { policies_.observer()(what); }
    void observe(const session_blocked& what) noexcept final { policies_.observer()(what); }
    void observe(const subscriber_lagged& what) noexcept final { policies_.observer()(what); }
    void observe(const messages_dropped& what) noexcept final { policies_.observer()(what); }
    void observe(const message_refused& what) noexcept final { policies_.observer()(what); }
    void observe(const heartbeat_sent& what) noexcept final { policies_.observer()(what); }
    void observe(const session_closed& what) noexcept final { policies_.observer()(what); }

    [[no_unique_address]] policy_set<Policies...> policies_;
};

}  // namespace weir::detail

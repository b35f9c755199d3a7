// SPDX-License-Identifier: BSL-1.0
#pragma once

// Watching a session: the concept of an observer. Layer: policy.

#include <weir/config.hpp>

#include <concepts>
#include <cstddef>
#include <cstdint>

namespace weir {

/// Why a message was not sent.
enum class drop_reason : std::uint8_t {
    oldest,    ///< made room for a newer one
    newest,    ///< found no room
    replaced,  ///< a newer message with its key came
    outdated,  ///< waited longer than max_age
    unsent,    ///< still waiting when the session ended
};

/// Messages not sent, by reason.
struct drop_counts {
    std::uint32_t oldest = 0, newest = 0, replaced = 0, outdated = 0, unsent = 0;

    constexpr std::uint64_t total() const noexcept {
        return std::uint64_t{oldest} + newest + replaced + outdated + unsent;
    }
    constexpr void add(drop_reason reason, std::uint32_t n) noexcept {
        switch (reason) {
            case drop_reason::oldest: oldest += n; break;
            case drop_reason::newest: newest += n; break;
            case drop_reason::replaced: replaced += n; break;
            case drop_reason::outdated: outdated += n; break;
            case drop_reason::unsent: unsent += n; break;
        }
    }
};

struct session_opened {};
struct messages_written {
    std::size_t messages;  ///< wholly accepted by the transport
    std::size_t bytes;
};
struct messages_dropped {
    drop_reason reason;
    std::size_t messages;
};
struct message_refused {};
struct heartbeat_sent {};
struct session_closed {
    error_code reason;
};

/// Any type with an `operator()` for each observation. It is called on the session's executor, in the middle of the
/// session's work: it may count and log, and may not call back into the session.
template <class Policy>
concept observer_policy = requires(Policy& observer) {
    { observer(session_opened{}) } noexcept;
    { observer(messages_written{}) } noexcept;
    { observer(messages_dropped{}) } noexcept;
    { observer(message_refused{}) } noexcept;
    { observer(heartbeat_sent{}) } noexcept;
    { observer(session_closed{}) } noexcept;
};

/// Nobody watches.
struct no_observer {
    template <class Observation>
    constexpr void operator()(const Observation&) const noexcept {}
};

static_assert(observer_policy<no_observer>);

}  // namespace weir

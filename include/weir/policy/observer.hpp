// SPDX-License-Identifier: BSL-1.0
#pragma once

// Watching a session: the concept of an observer. Layer: policy.

#include <weir/config.hpp>
#include <weir/time.hpp>

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
    lagging,   ///< left out by a hub's lag policy
    expired,   ///< its time to live was over
};

/// Messages not sent, by reason.
struct drop_counts {
    std::uint32_t oldest = 0;    ///< made room for newer ones
    std::uint32_t newest = 0;    ///< found no room
    std::uint32_t replaced = 0;  ///< a newer message with its key came
    std::uint32_t outdated = 0;  ///< waited longer than max_age
    std::uint32_t unsent = 0;    ///< still waiting when the session ended
    std::uint32_t lagging = 0;   ///< left out by a hub's lag policy
    std::uint32_t expired = 0;   ///< their time to live was over

    /// All of them.
    constexpr std::uint64_t total() const noexcept {
        return std::uint64_t{oldest} + newest + replaced + outdated + unsent + lagging + expired;
    }
    /// Counts `n` more.
    constexpr void add(drop_reason reason, std::uint32_t n) noexcept {
        switch (reason) {
            case drop_reason::oldest: oldest += n; break;
            case drop_reason::newest: newest += n; break;
            case drop_reason::replaced: replaced += n; break;
            case drop_reason::outdated: outdated += n; break;
            case drop_reason::unsent: unsent += n; break;
            case drop_reason::lagging: lagging += n; break;
            case drop_reason::expired: expired += n; break;
        }
    }
};

// ---- what is observed, in the order of a session's life ----

/// A session has begun.
struct session_opened {};
/// Messages have come.
struct messages_received {
    std::size_t messages;  ///< whole ones, or the last pieces of those that are read in pieces
    std::size_t bytes;     ///< of the wire: framing, control frames, and parts of messages that go on
};
/// The transport has taken something.
struct messages_written {
    std::size_t messages;  ///< wholly accepted by the transport
    std::size_t bytes;     ///< of the wire: framing, the head and heartbeats included
};
/// The transport takes no more for the moment, and something is left.
struct session_blocked {
    std::size_t queued_messages;  ///< waiting to be written
    std::size_t queued_bytes;     ///< with what the transport has accepted and not passed on
};
/// A hub's subscriber, whose transport takes more again, was behind by this much.
struct subscriber_lagged {
    std::size_t messages;  ///< from its cursor to the newest
    std::size_t bytes;     ///< of those messages, by published_message::size()
    duration age;          ///< of the oldest of them
};
/// Messages will not be sent.
struct messages_dropped {
    drop_reason reason;    ///< what kept them from being sent
    std::size_t messages;  ///< all dropped for that reason, at this moment
};
/// A message was turned down, and its sender told error::refused.
struct message_refused {};
/// A comment or a ping was sent because of silence.
struct heartbeat_sent {};
/// Nothing follows. error::unresponsive: the heartbeats were not answered.
struct session_closed {
    error_code reason;  ///< none: in good order
};

/// One of the above.
template <class T>
concept observation =
    std::same_as<T, session_opened> || std::same_as<T, messages_received> || std::same_as<T, messages_written> ||
    std::same_as<T, session_blocked> || std::same_as<T, subscriber_lagged> || std::same_as<T, messages_dropped> ||
    std::same_as<T, message_refused> || std::same_as<T, heartbeat_sent> || std::same_as<T, session_closed>;

/// Any type with an `operator()` for each observation; `operator()(const auto&) noexcept` takes those that do not
/// matter to it. It is called on the session's executor, in the middle of the session's work: it may count and log, and
/// may not call back into the session.
template <class Policy>
concept observer_policy = requires(Policy& observer) {
    { observer(session_opened{}) } noexcept;
    { observer(messages_received{}) } noexcept;
    { observer(messages_written{}) } noexcept;
    { observer(session_blocked{}) } noexcept;
    { observer(subscriber_lagged{}) } noexcept;
    { observer(messages_dropped{}) } noexcept;
    { observer(message_refused{}) } noexcept;
    { observer(heartbeat_sent{}) } noexcept;
    { observer(session_closed{}) } noexcept;
};

/// Nobody watches.
struct no_observer {
    /// Does nothing.
    template <class Observation>
    constexpr void operator()(const Observation&) const noexcept {}
};

static_assert(observer_policy<no_observer>);

}  // namespace weir

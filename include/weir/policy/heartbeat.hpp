// SPDX-License-Identifier: BSL-1.0
#pragma once

// When a silent connection is spoken on, and when it is given up: the concept, and the stock policies. Layer: policy.

#include <weir/time.hpp>

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <variant>

namespace weir {

/// What a heartbeat policy decides on.
struct liveness {
    time_point now;                ///< the time of asking
    time_point last_sent;          ///< bytes accepted by the transport, or the session's start
    time_point last_received;      ///< bytes from the peer, or the session's start; last_sent where peers only listen
    time_point last_asked{};       ///< the first heartbeat of those that the peer has still to answer; if it has
                                   ///< answered all, an earlier one; the clock's epoch: none
    std::size_t bytes_unsent = 0;  ///< not yet accepted by the transport
    std::uint8_t salt = 0;         ///< constant for the session, spread evenly over sessions: what jitter is made of
};

/// Ask again then; `never` is allowed, the past means soon.
struct wait_until {
    time_point at;  ///< when to ask again
};
/// Speak now: an SSE comment, a WebSocket ping.
struct beat {};
/// The peer is gone: end the session with error::unresponsive.
struct give_up {};

/// What a heartbeat policy answers.
using heartbeat_decision = std::variant<wait_until, beat, give_up>;

/// A pure decision about silence. Asked when a session starts and whenever the time it named has come.
template <class Policy>
concept heartbeat_policy = requires(const Policy& policy, const liveness& facts) {
    { policy(facts) } noexcept -> std::convertible_to<heartbeat_decision>;
};

/// A comment after `interval` of silence, up to a tenth earlier so that sessions do not beat in step. Zero: never.
/// The default of 15 s clears every proxy's idle limit known to us. Source: WHATWG HTML, server-sent events, authoring
/// notes
struct comment_every {
    milliseconds interval{15'000};  ///< of silence; 0: never

    /// `beat` once the silence is long enough and nothing waits to be written; else `wait_until`, to be asked again.
    constexpr heartbeat_decision operator()(const liveness& s) const noexcept {
        if (interval <= interval.zero()) return wait_until{never};
        const duration jitter = duration{interval} / 2560 * s.salt;
        const time_point due = later(s.last_sent, interval - jitter);
        if (s.now < due) return wait_until{due};
        // Bytes on their way are better than a comment behind them; whether they move is the stall policy's question.
        if (s.bytes_unsent != 0) return wait_until{later(s.now, interval)};
        return beat{};
    }
};

/// A ping when either side has been silent for `interval`, up to a tenth earlier so that sessions do not beat in step;
/// the peer is gone if not a byte of it comes within `patience` of the ping. Any byte answers: a peer that talks needs
/// no pong. While bytes wait to be written the pong may be behind them, and whether they move is the stall policy's
/// question. Zero `interval`: never a ping; zero `patience`: never given up. RFC 6455 §5.5.2
struct ping_every {
    milliseconds interval{30'000};  ///< of silence; 0: never
    milliseconds patience{10'000};  ///< for an answer; 0: for ever

    /// `give_up` when a ping had no answer in time, `beat` when one is due; else `wait_until`, to be asked again.
    constexpr heartbeat_decision operator()(const liveness& s) const noexcept {
        if (interval <= interval.zero()) return wait_until{never};
        const duration jitter = duration{interval} / 2560 * s.salt;
        const bool asked = s.last_asked > s.last_received;
        if (asked && patience > patience.zero()) {
            const time_point dead = later(s.last_asked, patience);
            // An answer may come meanwhile, and another silence after it.
            if (s.now < dead) return wait_until{std::min(dead, later(s.now, interval - jitter))};
            if (s.bytes_unsent == 0) return give_up{};
            return wait_until{later(s.now, patience)};
        }
        const time_point silent_since =
            asked ? std::max(s.last_asked, s.last_sent) : std::min(s.last_sent, s.last_received);
        const time_point due = later(silent_since, interval - jitter);
        if (s.now < due) return wait_until{due};
        // As with comment_every: what is on its way asks as well as a ping.
        if (s.bytes_unsent != 0) return wait_until{later(s.now, interval)};
        return beat{};
    }
};

/// Silence is fine.
struct no_heartbeat {
    /// Always `wait_until{never}`.
    constexpr heartbeat_decision operator()(const liveness&) const noexcept { return wait_until{never}; }
};

static_assert(heartbeat_policy<comment_every> && heartbeat_policy<ping_every> && heartbeat_policy<no_heartbeat>);

}  // namespace weir

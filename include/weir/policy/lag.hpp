// SPDX-License-Identifier: BSL-1.0
#pragma once

// What happens to a subscriber of a hub that is behind: the concept, and the stock policies. Layer: policy.

#include <weir/time.hpp>

#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>

namespace weir {

/// How much a message matters to those who cannot have all of them.
enum class priority : std::uint8_t {
    low,     ///< the first to be skipped
    normal,  ///< skipped where a policy has to
    high,    ///< never skipped
};

/// What a lag policy decides on: the message at the cursor of a subscriber whose socket has taken too little. Asked
/// whenever that socket takes more, and four times a second whether the session is to end. Nobody asks about those that
/// keep up, or about what is replayed to one that resumes. Messages that a filter will leave out count, too.
struct lag_facts {
    std::size_t messages = 0;  ///< from the cursor to the newest, the one at the cursor included: at least 1
    std::size_t bytes = 0;     ///< of those messages
    duration age{};            ///< how long ago the message at the cursor was published
    bool superseded = false;   ///< a newer message of its topic has its key
    weir::priority priority = weir::priority::normal;  ///< of the message at the cursor
};

/// What becomes of the message at the cursor, and of those behind it.
enum class lag_decision : std::uint8_t {
    keep,            ///< it is sent when the socket takes it; until then the hub may ask about it again
    skip,            ///< leave it out, and ask about the next one, if there is one
    skip_to_newest,  ///< leave it out, and all before the newest that are not of high priority; the newest is sent, and
                     ///< nothing asked until the subscriber has caught up. For the newest itself: keep
    close,           ///< nothing more is sent: end the session with error::slow_reader
};

/// A pure decision about a subscriber that is behind. What a socket has taken in part is sent to its end, whatever is
/// decided. It is obeyed to the letter: high priority protects a message from `skip` only if the policy sees to it. One
/// of your own is best followed by `static_assert(weir::lag_policy<mine>);`: a forgotten noexcept is a long message
/// else.
template <class Policy>
concept lag_policy = requires(const Policy& policy, const lag_facts& facts) {
    { policy(facts) } noexcept -> std::same_as<lag_decision>;
};

/// The bounds every stock policy has. Zero: not bounded. For a message of low priority they are half as wide, rounded
/// up. A message that is the only one waiting is within those on messages and bytes, whatever its size.
struct lag_bounds {
    std::size_t messages, bytes;  ///< from the cursor to the newest
    milliseconds age;             ///< of the message at the cursor

    /// Whether one of the bounds is passed.
    constexpr bool exceeded(const lag_facts& f) const noexcept {
        const bool too_old = age > age.zero() && std::chrono::ceil<milliseconds>(f.age) > age;
        if (too_old || f.messages <= 1) return too_old;
        return (messages != 0 && f.messages > messages) || (bytes != 0 && f.bytes > bytes);
    }
    /// As exceeded(), with half as much room for a message of low priority.
    constexpr bool exceeded_for_priority(const lag_facts& f) const noexcept {
        return f.priority == priority::low ? halved().exceeded(f) : exceeded(f);
    }
    /// Rounded up: half of the smallest bound is a bound still.
    constexpr lag_bounds halved() const noexcept { return {messages - messages / 2, bytes - bytes / 2, age - age / 2}; }
};

/// How far a subscriber may be behind, in messages, unless a policy says otherwise.
inline constexpr std::size_t default_lag_messages = 1000;
inline constexpr std::size_t default_lag_bytes = 1024 * 1024;  ///< And in bytes.

/// The default: beyond the bounds the oldest messages are skipped, until the rest is within them.
struct skip_oldest {
    std::size_t max_messages = default_lag_messages;  ///< behind the newest; 0: no bound
    std::size_t max_bytes = default_lag_bytes;        ///< behind the newest; 0: no bound
    milliseconds max_age{};                           ///< since it was published; 0: no bound

    /// `skip` beyond the bounds, unless it is of high priority; else `keep`.
    constexpr lag_decision operator()(const lag_facts& f) const noexcept {
        if (f.priority == priority::high) return lag_decision::keep;
        const lag_bounds bounds{max_messages, max_bytes, max_age};
        return bounds.exceeded_for_priority(f) ? lag_decision::skip : lag_decision::keep;
    }
};

/// Beyond the bounds everything but the newest message is skipped, and what is of high priority. One of low priority
/// that is beyond its own bounds takes no others with it.
struct skip_to_newest {
    std::size_t max_messages = default_lag_messages;  ///< behind the newest; 0: no bound
    std::size_t max_bytes = default_lag_bytes;        ///< behind the newest; 0: no bound
    milliseconds max_age{};                           ///< since it was published; 0: no bound

    /// `keep` the newest, and what is of high priority; else `skip_to_newest` beyond the bounds, `skip` beyond only
    /// those that are half as wide for low priority, and `keep` within them.
    constexpr lag_decision operator()(const lag_facts& f) const noexcept {
        if (f.priority == priority::high || f.messages <= 1) return lag_decision::keep;
        const lag_bounds bounds{max_messages, max_bytes, max_age};
        if (bounds.exceeded(f)) return lag_decision::skip_to_newest;
        return bounds.exceeded_for_priority(f) ? lag_decision::skip : lag_decision::keep;
    }
};

/// Beyond the bounds every message is skipped for which there is a newer one of its topic with its key. Messages
/// without a key are all sent, as long as the history has them.
struct skip_to_latest {
    std::size_t max_messages = default_lag_messages;  ///< behind the newest; 0: no bound
    std::size_t max_bytes = default_lag_bytes;        ///< behind the newest; 0: no bound
    milliseconds max_age{};                           ///< since it was published; 0: no bound

    /// `skip` what is superseded, beyond the bounds, unless it is of high priority; else `keep`.
    constexpr lag_decision operator()(const lag_facts& f) const noexcept {
        if (f.priority == priority::high || !f.superseded) return lag_decision::keep;
        const lag_bounds bounds{max_messages, max_bytes, max_age};
        return bounds.exceeded_for_priority(f) ? lag_decision::skip : lag_decision::keep;
    }
};

/// Beyond the bounds the session ends: who stays has missed nothing. Priorities make no difference.
struct close_lagging {
    std::size_t max_messages = default_lag_messages;  ///< behind the newest; 0: no bound
    std::size_t max_bytes = default_lag_bytes;        ///< behind the newest; 0: no bound
    milliseconds max_age{};                           ///< since it was published; 0: no bound

    /// `close` beyond the bounds, else `keep`.
    constexpr lag_decision operator()(const lag_facts& f) const noexcept {
        const lag_bounds bounds{max_messages, max_bytes, max_age};
        return bounds.exceeded(f) ? lag_decision::close : lag_decision::keep;
    }
};

static_assert(lag_policy<skip_oldest> && lag_policy<skip_to_newest>);
static_assert(lag_policy<skip_to_latest> && lag_policy<close_lagging>);

}  // namespace weir

// SPDX-License-Identifier: BSL-1.0
#pragma once

// When a client that lost its connection tries again, and when it gives up: the concept, and the stock policies.
// Layer: policy.

#include <weir/config.hpp>
#include <weir/policy/heartbeat.hpp>
#include <weir/time.hpp>

#include <algorithm>
#include <concepts>
#include <cstdint>
#include <functional>
#include <type_traits>
#include <utility>
#include <variant>

namespace weir {

/// What a reconnect policy decides on: a connection that ended, or an attempt that failed.
struct reconnect_facts {
    error_code reason{};       ///< why it ended or failed; none: the peer ended it in good order
    int status = 0;            ///< HTTP status of the answer; 0: there was none
    bool permanent = false;    ///< by the protocol's rules another attempt is futile
    unsigned failures = 1;     ///< in a row, this one included, since the count last started over
    duration lived{};          ///< how long the connection was open; zero: it never opened
    duration trying{};         ///< since the first of those failures; zero at the first
    milliseconds floor{};      ///< the least to wait: what the server asked for, else the protocol's default
    std::uint64_t random = 0;  ///< uniform over all values, and new for each decision: what jitter is made of
};

/// Try again after `delay`.
struct retry_in {
    duration delay;  ///< from now on
    /// This failure counts as the first of a new row. Nothing else ends a row: a policy that counts has to say so after
    /// a connection that was open for long enough.
    bool starts_over = false;
};

/// give_up: no further attempt, the client is closed with the reason it has.
using reconnect_decision = std::variant<retry_in, give_up>;

/// A pure decision about coming back. Asked once for every connection that ended and every attempt that failed. A delay
/// below the floor is the policy's to answer for: nobody raises it.
template <class Policy>
concept reconnect_policy = requires(const Policy& policy, const reconnect_facts& facts) {
    { policy(facts) } noexcept -> std::convertible_to<reconnect_decision>;
};

namespace detail {
constexpr duration as_duration(milliseconds d) noexcept;
constexpr duration sum_of(duration a, duration b) noexcept;
constexpr duration part_of(duration window, std::uint64_t random) noexcept;
}  // namespace detail

/// The default: exponential backoff with full jitter, a floor, a cap and a budget. Clients that lost their connections
/// together do not come back together.
///
/// Each delay follows from a window: a quarter of the time spent trying, but no narrower than `base` and the floor, and
/// no wider than `cap`. When a connection ended, or a row begins, the delay is the floor and a random part of the whole
/// window: full jitter. When an attempt failed, it is a window and a random part of an eighth of it. So the delays grow
/// exponentially, by a quarter and a little more, and a client keeps about the place that it drew. One window joins on
/// to the next: whenever the server is back, those who wait for it come within about one of them, evenly.
///
/// It is not the custom of drawing every delay anew from a window twice as wide as the last. When attempts have failed,
/// that leaves most clients at the beginning of a window that a few of them stretch: after two seconds away, more than
/// eight times the mean come at once, and after minutes almost twice the mean. Here it is at most one and a half times
/// the mean, however long the server was away, if the floor is no longer than the cap: tests/policy/reconnect_storm.cpp
struct exponential_backoff {
    milliseconds base{3000};           ///< the first window; zero, and no floor: at once
    milliseconds cap{30'000};          ///< the widest window; a delay is longer by the floor at most, or by an eighth
    unsigned max_attempts = 0;         ///< budget: the attempts after the first failure of a row; zero: no bound
    milliseconds max_time{0};          ///< budget: no attempt later than this after that failure; zero: no bound
    milliseconds reset_after{10'000};  ///< a connection open for so long starts over, as does one that the
                                       ///< server has ended in good order; zero: any that was open at all

    /// `give_up` if another attempt is futile or the budget is spent, else `retry_in`.
    reconnect_decision operator()(const reconnect_facts& f) const noexcept {
        if (f.permanent) return give_up{};
        const bool was_open = f.lived > f.lived.zero();
        const bool orderly = !f.reason;
        const bool starts_over = was_open && (orderly || f.lived >= detail::as_duration(reset_after));
        const bool is_first = starts_over || f.failures <= 1;
        const unsigned attempt = is_first ? 1 : f.failures;
        const duration trying = is_first ? duration{} : f.trying;
        const duration delay = is_first || was_open ? drawn(f, trying) : kept(f, trying);
        if (max_attempts != 0 && attempt > max_attempts) return give_up{};
        if (max_time > max_time.zero() && detail::sum_of(trying, delay) > detail::as_duration(max_time))
            return give_up{};
        return retry_in{delay, starts_over};
    }

private:
    duration window(const reconnect_facts& f, duration trying) const noexcept {
        const duration narrowest = detail::as_duration(std::max(base, f.floor));
        return std::min(std::max(narrowest, trying / 4), detail::as_duration(cap));
    }
    /// What ended this connection may have ended all the others at the same moment.
    duration drawn(const reconnect_facts& f, duration trying) const noexcept {
        return detail::sum_of(detail::as_duration(f.floor), detail::part_of(window(f, trying), f.random));
    }
    /// Attempts fail as they were spread. The eighth is for those that failed together nevertheless, held and let go by
    /// a proxy; more of it would undo what was drawn.
    duration kept(const reconnect_facts& f, duration trying) const noexcept {
        const duration wide = window(f, trying);
        return detail::sum_of(std::max(wide, detail::as_duration(f.floor)), detail::part_of(wide / 8, f.random));
    }
};

/// Always the same delay, or the floor if that is longer. For tests, and for comparison: clients that lost their
/// connections together come back together.
struct fixed_delay {
    milliseconds delay{3000};  ///< or the floor, if that is longer

    /// `give_up` if another attempt is futile, else `retry_in` that delay.
    reconnect_decision operator()(const reconnect_facts& f) const noexcept {
        if (f.permanent) return give_up{};
        return retry_in{detail::as_duration(std::max(f.floor, delay))};
    }
};

/// One connection, and no other.
struct never_reconnect {
    /// Always `give_up`.
    reconnect_decision operator()(const reconnect_facts&) const noexcept { return give_up{}; }
};

static_assert(reconnect_policy<exponential_backoff> && reconnect_policy<fixed_delay>);
static_assert(reconnect_policy<never_reconnect>);

/// Any reconnect policy, by value. Throws std::bad_alloc when it is made, never when it decides.
class any_reconnect {
public:
    /// Holds a copy of `policy`. Implicit, so that options take a policy as it is.
    template <class Policy>
        requires(!std::same_as<Policy, any_reconnect> &&
                 std::is_invocable_r_v<reconnect_decision, Policy&, const reconnect_facts&>)
    any_reconnect(Policy policy) : decide_(std::move(policy)) {
        static_assert(reconnect_policy<Policy>, "a reconnect policy's operator() must be const and noexcept");
    }

    /// Asks the policy.
    reconnect_decision operator()(const reconnect_facts& facts) const noexcept { return decide_(facts); }

private:
    std::function<reconnect_decision(const reconnect_facts&)> decide_;
};

namespace detail {

/// Below zero: zero. What a duration cannot hold: its maximum, about 292 years.
constexpr duration as_duration(milliseconds d) noexcept {
    return later(time_point{}, std::max(d, d.zero())).time_since_epoch();
}

/// Of two that are not negative; as much as a duration can hold.
constexpr duration sum_of(duration a, duration b) noexcept { return later(time_point{a}, b).time_since_epoch(); }

/// random / 2^64 of `window`, which is not negative: over all values of `random`, uniform from zero to `window`.
constexpr duration part_of(duration window, std::uint64_t random) noexcept {
    const auto whole = static_cast<std::uint64_t>(window.count());
    // The upper half of the product of 64 by 64 bits, from the products of their halves.
    const std::uint64_t low = 0xffff'ffff, a = whole >> 32, b = whole & low, c = random >> 32, d = random & low;
    const std::uint64_t middle = (b * d >> 32) + (a * d & low) + (b * c & low);
    return duration{static_cast<duration::rep>(a * c + (a * d >> 32) + (b * c >> 32) + (middle >> 32))};
}

}  // namespace detail

}  // namespace weir

// SPDX-License-Identifier: BSL-1.0
#pragma once

// Counts what sessions are observed to do, on any number of threads. Layer: policy. weir/metrics.hpp writes it as text.

#include <weir/config.hpp>
#include <weir/error.hpp>
#include <weir/policy/observer.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace weir::detail {

/// A number that only grows.
class event_count {
public:
    void add(std::uint64_t n) noexcept { value_.fetch_add(n, std::memory_order_relaxed); }
    /// As add(), where no other thread ever adds: some ten times as fast.
    void add_alone(std::uint64_t n) noexcept { value_.store(value() + n, std::memory_order_relaxed); }
    std::uint64_t value() const noexcept { return value_.load(std::memory_order_relaxed); }

private:
    std::atomic<std::uint64_t> value_{0};
};

/// How values are distributed, by powers of ten: up to `First`, 10 * First, ..., 10^4 * First, and more.
template <std::uint64_t First>
class decades {
public:
    static constexpr std::size_t size = 6;

    void add(std::uint64_t value) noexcept {
        std::size_t i = 0;
        for (std::uint64_t bound = First; i != size - 1 && value > bound; bound *= 10) ++i;
        counts_[i].add(1);
        sum_.add(value);
    }
    std::uint64_t count(std::size_t i) const noexcept { return counts_[i].value(); }
    std::uint64_t sum() const noexcept { return sum_.value(); }

private:
    std::array<event_count, size> counts_;
    event_count sum_;
};

/// Why sessions end, as far as that is worth a line of its own.
enum class ending_kind : std::uint8_t {
    none,
    closed,
    peer_closed,
    draining,
    protocol_violation,
    refused,
    slow_reader,
    message_too_large,
    limit_exceeded,
    stalled,
    unresponsive,
    close_timed_out,
    expired,
    timed_out,
    misuse,
    transport,
};

/// In the order of ending_kind: names of weir::error and weir::condition; "transport" is what the system says.
inline constexpr std::array<std::string_view, 16> ending_names{
    "none",         "closed",          "peer_closed",       "draining",       "protocol_violation",
    "refused",      "slow_reader",     "message_too_large", "limit_exceeded", "stalled",
    "unresponsive", "close_timed_out", "expired",           "timed_out",      "misuse",
    "transport"};

/// In the order of drop_reason.
inline constexpr std::array<std::string_view, 7> drop_names{"oldest", "newest",  "replaced", "outdated",
                                                            "unsent", "lagging", "expired"};

/// Total: every error has a kind.
inline ending_kind ending_kind_of(const error_code& reason) noexcept {
    if (!reason) return ending_kind::none;
    if (reason.category() != category()) return ending_kind::transport;
    const auto e = static_cast<error>(reason.value());
    switch (e) {
        case error::closed: return ending_kind::closed;
        case error::peer_closed: return ending_kind::peer_closed;
        case error::draining: return ending_kind::draining;
        case error::slow_reader: return ending_kind::slow_reader;
        case error::message_too_large: return ending_kind::message_too_large;
        case error::stalled: return ending_kind::stalled;
        case error::unresponsive: return ending_kind::unresponsive;
        case error::close_timed_out: return ending_kind::close_timed_out;
        case error::expired: return ending_kind::expired;
        default: break;
    }
    switch (condition_of(e)) {
        case condition::protocol_violation: return ending_kind::protocol_violation;
        case condition::refused: return ending_kind::refused;
        case condition::limit_exceeded: return ending_kind::limit_exceeded;
        case condition::timed_out: return ending_kind::timed_out;
        default: return ending_kind::misuse;
    }
}

/// The sums of any number of sessions. Thread-safe. What is read while sessions run is of about the same moment.
class session_counts {
public:
    struct traffic {
        std::uint64_t messages_sent = 0, bytes_sent = 0, messages_received = 0, bytes_received = 0;
    };

    void count(const session_opened&) noexcept { opened.add(1); }
    void count(const messages_received& what) noexcept {
        add_busy(&busy_counts::messages_received, what.messages, &busy_counts::bytes_received, what.bytes);
    }
    void count(const messages_written& what) noexcept {
        add_busy(&busy_counts::messages_sent, what.messages, &busy_counts::bytes_sent, what.bytes);
    }
    void count(const session_blocked& what) noexcept {
        queued_messages.add(what.queued_messages);
        queued_bytes.add(what.queued_bytes);
    }
    void count(const subscriber_lagged& what) noexcept {
        const auto age = std::chrono::duration_cast<std::chrono::microseconds>(what.age).count();
        lag_messages.add(what.messages);
        lag_bytes.add(what.bytes);
        lag_microseconds.add(static_cast<std::uint64_t>(std::max<decltype(age)>(age, 0)));
    }
    void count(const messages_dropped& what) noexcept {
        dropped[static_cast<std::size_t>(what.reason)].add(what.messages);
    }
    void count(const message_refused&) noexcept { refused.add(1); }
    void count(const heartbeat_sent&) noexcept { heartbeats.add(1); }
    void count(const session_closed& what) noexcept {
        closed[static_cast<std::size_t>(ending_kind_of(what.reason))].add(1);
    }

    /// Sessions open at the moment.
    std::uint64_t open() const noexcept {
        std::uint64_t ended = 0;
        for (const event_count& n : closed) ended += n.value();
        const std::uint64_t begun = opened.value();
        return begun - std::min(begun, ended);
    }
    traffic total() const noexcept {
        traffic all;
        for (const busy_counts& one : stripes_) {
            all.messages_sent += one.messages_sent.value();
            all.bytes_sent += one.bytes_sent.value();
            all.messages_received += one.messages_received.value();
            all.bytes_received += one.bytes_received.value();
        }
        return all;
    }

    event_count opened, refused, heartbeats;
    std::array<event_count, ending_names.size()> closed;
    std::array<event_count, drop_names.size()> dropped;
    decades<1> queued_messages, lag_messages;
    decades<1'000> queued_bytes, lag_bytes;
    decades<10'000> lag_microseconds;

private:
    // What is counted for each message. The first threads of a program that count have such numbers each for itself, in
    // a cache line of their own; all others share the last ones.
    struct alignas(64) busy_counts {
        event_count messages_sent, bytes_sent, messages_received, bytes_received;
    };
    static constexpr std::size_t stripe_count = 16;

    static std::size_t own_stripe() noexcept {
        static constinit std::atomic<std::size_t> threads{0};
        thread_local const std::size_t mine = std::min(threads.fetch_add(1), stripe_count - 1);
        return mine;
    }

    using busy_count = event_count busy_counts::*;
    void add_busy(busy_count messages, std::uint64_t m, busy_count bytes, std::uint64_t b) noexcept {
        const std::size_t stripe = own_stripe();
        busy_counts& mine = stripes_[stripe];
        if (stripe == stripe_count - 1) {
            (mine.*messages).add(m);
            (mine.*bytes).add(b);
        } else {
            (mine.*messages).add_alone(m);
            (mine.*bytes).add_alone(b);
        }
    }

    std::array<busy_counts, stripe_count> stripes_;
};

}  // namespace weir::detail

// SPDX-License-Identifier: BSL-1.0
#pragma once

// What happens when a reader takes less than it is sent: the concept, and the stock policies. Layer: policy.

#include <weir/time.hpp>

#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>

namespace weir {

/// What a backpressure policy decides on: one session's outbox at the moment a message is offered.
struct outbox_facts {
    std::size_t bytes = 0;           ///< waiting to be written
    std::size_t messages = 0;        ///< waiting to be written, one partly written included, and pieces of messages
    duration oldest_age{};           ///< how long the oldest that is not partly written has waited
    std::size_t incoming_bytes = 0;  ///< the offered message, encoded; 0: nothing is offered, the reader is behind, and
                                     ///< what waits is reviewed
    bool same_key_waiting = false;   ///< an unsent message with the offered message's key
    bool blocked = false;            ///< the transport takes no more at the moment: the reader is behind

    /// Nothing is offered: what waits is looked through.
    constexpr bool reviewing() const noexcept { return incoming_bytes == 0; }
};

/// What becomes of the offered message.
enum class admission : std::uint8_t {
    accept,       ///< into the outbox
    refuse,       ///< the sender is told error::refused
    wait,         ///< `send` is refused, `async_send` waits for room
    drop_oldest,  ///< drop the oldest unsent message, then ask again
    drop_newest,  ///< drop the offered message; the sender is told error::dropped
    replace,      ///< drop the unsent messages with the same key, then ask again
    close,        ///< end the session with error::slow_reader
};

/// A pure decision about a full outbox. A message partly on the wire is never dropped, whatever is decided. A policy
/// that stays with drop_oldest when nothing is left to drop has accepted.
template <class Policy>
concept backpressure_policy = requires(const Policy& policy, const outbox_facts& facts) {
    { policy(facts) } noexcept -> std::same_as<admission>;
};

/// The bounds every stock policy has. Zero: not bounded. An empty outbox takes one message of any size, so that no
/// message waits for room that can never be there.
struct outbox_bounds {
    std::size_t bytes, messages;  ///< of what waits, the offered message included
    milliseconds age;             ///< of the oldest that waits

    /// A message has waited longer than allowed.
    constexpr bool outdated(const outbox_facts& f) const noexcept {
        return age > age.zero() && f.messages != 0 && std::chrono::ceil<milliseconds>(f.oldest_age) > age;
    }
    /// The offered message does not fit.
    constexpr bool full(const outbox_facts& f) const noexcept {
        if (f.messages == 0) return false;
        return (bytes != 0 && f.bytes + f.incoming_bytes > bytes) || (messages != 0 && f.messages >= messages) ||
               outdated(f);
    }
};

/// What may wait in an outbox, in bytes, unless a policy says otherwise.
inline constexpr std::size_t default_outbox_bytes = 1024 * 1024;
inline constexpr std::size_t default_outbox_messages = 1000;  ///< And in messages.

/// Says no: both `send` and `async_send` fail with error::refused while the outbox is full.
struct refuse {
    std::size_t max_bytes = default_outbox_bytes;        ///< waiting, the offered message included; 0: no bound
    std::size_t max_messages = default_outbox_messages;  ///< waiting; 0: no bound
    milliseconds max_age{};                              ///< full, too, once the oldest has waited longer; 0: no bound

    /// `refuse` if the outbox is full, else `accept`.
    constexpr admission operator()(const outbox_facts& f) const noexcept {
        if (f.reviewing()) return admission::accept;
        return outbox_bounds{max_bytes, max_messages, max_age}.full(f) ? admission::refuse : admission::accept;
    }
};

/// The default: `send` is refused and says so, `async_send` completes once there is room.
struct wait {
    std::size_t max_bytes = default_outbox_bytes;        ///< waiting, the offered message included; 0: no bound
    std::size_t max_messages = default_outbox_messages;  ///< waiting; 0: no bound
    milliseconds max_age{};                              ///< full, too, once the oldest has waited longer; 0: no bound

    /// `wait` if the outbox is full, else `accept`.
    constexpr admission operator()(const outbox_facts& f) const noexcept {
        if (f.reviewing()) return admission::accept;
        return outbox_bounds{max_bytes, max_messages, max_age}.full(f) ? admission::wait : admission::accept;
    }
};

/// Makes room by dropping the oldest unsent messages; those older than max_age are never sent.
struct drop_oldest {
    std::size_t max_bytes = default_outbox_bytes;        ///< waiting, the offered message included; 0: no bound
    std::size_t max_messages = default_outbox_messages;  ///< waiting; 0: no bound
    milliseconds max_age{};                              ///< how long a message may wait; 0: no bound

    /// `drop_oldest` if the outbox is full, or in a review if the oldest has become too old; else `accept`.
    constexpr admission operator()(const outbox_facts& f) const noexcept {
        const outbox_bounds bounds{max_bytes, max_messages, max_age};
        const bool drop = f.reviewing() ? bounds.outdated(f) : bounds.full(f);
        return drop ? admission::drop_oldest : admission::accept;
    }
};

/// Keeps what waits and drops what is offered.
struct drop_newest {
    std::size_t max_bytes = default_outbox_bytes;        ///< waiting, the offered message included; 0: no bound
    std::size_t max_messages = default_outbox_messages;  ///< waiting; 0: no bound
    milliseconds max_age{};                              ///< full, too, once the oldest has waited longer; 0: no bound

    /// `drop_newest` if the outbox is full, else `accept`.
    constexpr admission operator()(const outbox_facts& f) const noexcept {
        if (f.reviewing()) return admission::accept;
        return outbox_bounds{max_bytes, max_messages, max_age}.full(f) ? admission::drop_newest : admission::accept;
    }
};

/// Once the reader is behind, a newer message takes the place of the unsent ones with the same key (an event's `key`,
/// else its name). A reader that keeps up sees every message. Past the bounds the oldest go.
struct keep_latest {
    static constexpr bool by_key = true;  ///< Messages remember their keys.

    std::size_t max_bytes = default_outbox_bytes;        ///< waiting, the offered message included; 0: no bound
    std::size_t max_messages = default_outbox_messages;  ///< waiting; 0: no bound
    milliseconds max_age{};                              ///< how long a message may wait; 0: no bound

    /// `replace` what waits with the same key, if the reader is behind or the outbox full; else as drop_oldest.
    constexpr admission operator()(const outbox_facts& f) const noexcept {
        const outbox_bounds bounds{max_bytes, max_messages, max_age};
        if (f.reviewing()) return bounds.outdated(f) ? admission::drop_oldest : admission::accept;
        if (f.same_key_waiting && (f.blocked || bounds.full(f))) return admission::replace;
        return bounds.full(f) ? admission::drop_oldest : admission::accept;
    }
};

/// Ends the session of a reader that is too far behind.
struct close_slow {
    std::size_t max_bytes = default_outbox_bytes;        ///< waiting, the offered message included; 0: no bound
    std::size_t max_messages = default_outbox_messages;  ///< waiting; 0: no bound
    milliseconds max_age{};                              ///< how long a message may wait; 0: no bound

    /// `close` if the outbox is full, or in a review if the oldest has become too old; else `accept`.
    constexpr admission operator()(const outbox_facts& f) const noexcept {
        const outbox_bounds bounds{max_bytes, max_messages, max_age};
        const bool close = f.reviewing() ? bounds.outdated(f) : bounds.full(f);
        return close ? admission::close : admission::accept;
    }
};

/// Whether messages must remember their keys for this policy. A policy of your own that answers `replace` says
/// `static constexpr bool by_key = true`, or has a `bool by_key() const noexcept`.
template <class Policy>
constexpr bool conflates_by_key(const Policy& policy) noexcept {
    if constexpr (requires {
                      { policy.by_key() } -> std::convertible_to<bool>;
                  }) {
        return policy.by_key();
    } else {
        return requires { requires Policy::by_key; };
    }
}

static_assert(backpressure_policy<refuse> && backpressure_policy<wait> && backpressure_policy<drop_oldest>);
static_assert(backpressure_policy<drop_newest> && backpressure_policy<keep_latest> && backpressure_policy<close_slow>);

}  // namespace weir

// SPDX-License-Identifier: BSL-1.0
#pragma once

// The sending half of a session: what gets into the outbox, what is dropped, and who waits for room. Layer: session.

#include <weir/bytes.hpp>
#include <weir/config.hpp>
#include <weir/error.hpp>
#include <weir/policy/backpressure.hpp>
#include <weir/policy/observer.hpp>
#include <weir/session/session_host.hpp>
#include <weir/session/session_writer.hpp>
#include <weir/session/waiter.hpp>
#include <weir/time.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <utility>

namespace weir::detail {

/// Sending at any time, in whole messages, within what the policy allows. `session` adds the beginning, the end, and
/// the time. Never calls the application: handlers are scheduled. Not thread-safe: one executor at a time.
class session_output : public session_writer {
public:
    /// Queues one message. `message` has size() > 0 and write(char*).
    template <class Encoder>
    error send(const Encoder& message, std::string_view key);

    /// Completes the waiter once the outbox has taken its message, or with the reason why it never will.
    void start_send(waiter& w);
    /// Completes the waiter once everything is written.
    void start_drained(waiter& w);

    session_stats stats() const noexcept;

protected:
    session_output() = default;
    ~session_output() = default;

    /// The last byte of a closing session has been written.
    virtual void all_written() = 0;

    /// Whether a message of that size gets in, on an open session. Writes what waits, if that makes room.
    admission ask(std::size_t size, std::string_view key);
    /// What the sender of a message is told that did not get in.
    error turned_down(admission decision);
    /// Queues a message that got in. `pinned`: it is never dropped.
    template <class Encoder>
    void push(const Encoder& message, std::string_view key, bool pinned = false);
    /// As push(), for a message so long that it is worth being written from where it is: nothing but what the transport
    /// does not take at once is copied. `pieces` together are the encoded message.
    void push_in_place(std::span<const bytes_view> pieces, std::string_view key);
    /// Queues a message that waited and got in.
    virtual void push_pending(const pending_message& m) = 0;
    /// Queues a part of a message, which is never dropped: the parts before it may be on the wire.
    template <class Encoder>
    void push_part(const Encoder& part, bool ends);
    /// Messages have been sent, and all of them are written.
    virtual void on_drained() = 0;
    error unusable() const noexcept;
    /// What an operation that sends is told when it cannot: the reason of the end, if there is one.
    error_code why_not_sent() const noexcept { return end_reason_ ? end_reason_ : make_error_code(unusable()); }
    void count_drop(drop_reason reason, std::size_t n);
    bool review() final;
    bool message_open() const noexcept final { return message_open_; }

    waiter_list waiters_;

private:
    outbox_facts facts_for(std::size_t incoming, std::string_view key) const noexcept;
    waiter* next_sender() const noexcept;
    admission admit(std::size_t size, std::string_view key);
    bool make_room(admission decision, std::string_view key);
    void admit_waiting();
    void push_rest(std::span<const bytes_view> pieces, std::size_t taken, std::string_view key);
    void on_flushed() final;
    void after_drained();

    drop_counts dropped_;
    std::uint32_t refused_ = 0;
    bool admitting_ = false;  // admit_waiting() is under way
    bool message_open_ = false;
    bool filled_ = false;  // messages have been queued since everything was written
};

template <class Encoder>
error session_output::send(const Encoder& message, std::string_view key) {
    if (const error e = unusable(); e != error::none) return e;
    const admission decision = ask(message.size(), key);
    if (decision != admission::accept) return turned_down(decision);
    push(message, key);
    return error::none;
}

template <class Encoder>
void session_output::push(const Encoder& message, std::string_view key, bool pinned) {
    const time_point at = now();
    const std::size_t size = message.size();
    start_filling(at);
    filled_ = true;
    message.write(outbox_.prepare(size));
    if (pinned) {
        outbox_.commit_pinned(size, at);
    } else {
        outbox_.commit(size, at, by_key() ? key : std::string_view{});
    }
    request_flush();
}

template <class Encoder>
void session_output::push_part(const Encoder& part, bool ends) {
    const time_point at = now();
    const std::size_t size = part.size();
    start_filling(at);
    filled_ = true;
    part.write(outbox_.prepare(size));
    if (ends) {
        outbox_.commit_pinned(size, at);
    } else {
        outbox_.commit_part(size, at);
    }
    message_open_ = !ends;
    request_flush();
}

}  // namespace weir::detail

#include WEIR_BODIES(weir/session/session_output.ipp)

// SPDX-License-Identifier: BSL-1.0
#pragma once

// What a session writes that others keep: the other source of bytes, beside its outbox. Layer: session.

#include <weir/bytes.hpp>
#include <weir/time.hpp>

#include <cstddef>
#include <span>

namespace weir::detail {

/// Whole messages, pulled by the session whenever its transport takes more. Called on the session's executor, and never
/// from within; none of these functions calls the session.
class feed {
public:
    feed(const feed&) = delete;
    feed& operator=(const feed&) = delete;
    virtual ~feed() = default;

    /// Bytes that wait, as far as that is known without looking: the rest of a message partly taken, and one more if
    /// there may be other messages. 0: none.
    virtual std::size_t waiting() const noexcept = 0;
    /// A message has been taken in part: until its rest is, nothing else may be written.
    virtual bool is_partial() const noexcept = 0;
    /// Views of the bytes to write next, the rest of a message partly taken first; returns how many. None: there is
    /// nothing after all. Valid until the next call of any feed on the same executor.
    virtual std::size_t gather(std::span<bytes_view> out, time_point now) = 0;
    /// The transport has taken the first `size` bytes of those gathered last, and takes no more if `blocked`. Returns
    /// how many messages that completed.
    virtual std::size_t consume(std::size_t size, bool blocked) = 0;

    /// Looks at what waits for a reader that is slow. False: the session is to end.
    virtual bool review(time_point now) = 0;
    /// Nothing more is wanted but what is there now, or if `at_once` but the rest of a message partly taken.
    virtual void finish(bool at_once) = 0;
    /// The session has ended.
    virtual void on_ended() noexcept = 0;

    /// Whom it is of, so that the owner knows its own again.
    virtual const void* owner() const noexcept = 0;

protected:
    feed() = default;
};

}  // namespace weir::detail

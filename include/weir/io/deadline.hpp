// SPDX-License-Identifier: BSL-1.0
#pragma once

// A time limit on a stream's operations, from the loop's wheel. Layer: io.

#include <weir/io/loop.hpp>
#include <weir/io/transport.hpp>
#include <weir/time.hpp>

namespace weir::detail {

/// Cancels the stream's pending operations when the time is up, and those started later, until clear(); the owner finds
/// out by expired(). For a context that is run by one thread. Must be destroyed before the stream.
template <class Stream>
class deadline final : private timed {
public:
    explicit deadline(Stream& stream) : stream_(stream), loop_(loop::of(stream.get_executor())) {}
    ~deadline() { loop_.cancel(*this); }

    /// Zero: no limit.
    void set(milliseconds limit) {
        expired_ = false;
        const time_point at = limit == limit.zero() ? never : later(loop_.now(), limit);
        loop_.schedule(*this, at, stream_.get_executor());
    }
    void clear() noexcept { loop_.cancel(*this); }
    bool expired() const noexcept { return expired_; }

private:
    bool retain() noexcept override { return true; }
    void expire() noexcept override {
        expired_ = true;
        error_code ignored;
        static_cast<void>(closable_layer(stream_).cancel(ignored));
        // An operation of several steps may have been between two of them, with nothing to cancel.
        loop_.schedule(*this, later(loop_.now(), repeat_interval), stream_.get_executor());
    }

    static constexpr milliseconds repeat_interval{100};

    Stream& stream_;
    loop& loop_;
    bool expired_ = false;
};

}  // namespace weir::detail

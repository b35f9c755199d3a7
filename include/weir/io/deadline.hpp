// SPDX-License-Identifier: BSL-1.0
#pragma once

// A time limit on a stream's operations, from the loop's wheel. Layer: io.

#include <weir/config.hpp>
#include <weir/error.hpp>
#include <weir/io/counted_ptr.hpp>
#include <weir/io/loop.hpp>
#include <weir/io/transport.hpp>
#include <weir/time.hpp>

#include WEIR_ASIO(dispatch.hpp)

namespace weir::detail {

/// Cancels the stream's pending operations when the time is up, and those started later, until clear(); the owner finds
/// out by expired(). Everything happens on the stream's executor, which may be a strand: use it from there, too. Must
/// be destroyed before the stream.
template <class Stream>
class deadline {
public:
    explicit deadline(Stream& stream) : watch_(new watch{stream}) {}
    deadline(const deadline&) = delete;
    deadline& operator=(const deadline&) = delete;
    ~deadline() { clear(); }

    /// Zero: no limit.
    void set(milliseconds limit) {
        watch_->expired = false;
        watch_->wait_until(limit == limit.zero() ? never : later(watch_->on.now(), limit));
    }
    void clear() noexcept { watch_->stop(); }
    bool expired() const noexcept { return watch_->expired; }

private:
    static constexpr milliseconds repeat_interval{100};

    // The time may come on another thread, and be told to the executor after the owner has gone.
    struct watch final : timed {
        explicit watch(Stream& watched) : stream(watched), executor(watched.get_executor()), on(loop::of(executor)) {}

        void add_reference() noexcept { references.add(); }
        void drop_reference() noexcept {
            if (references.drop()) delete this;
        }
        void wait_until(time_point time) {
            at = time;
            on.schedule(*this, at, executor);
        }
        void stop() noexcept {
            at = never;
            on.cancel(*this);
        }
        bool retain() noexcept override { return references.add_if_any(); }
        void expire() noexcept override {
            net::dispatch(executor, [self = counted_ptr<watch>::adopt(this)] { self->on_time(); });
        }
        void on_time() {
            if (on.now() < at) return;  // set again, or cleared, meanwhile
            expired = true;
            error_code ignored;
            static_cast<void>(closable_layer(stream).cancel(ignored));
            // An operation of several steps may have been between two of them, with nothing to cancel.
            wait_until(later(on.now(), repeat_interval));
        }

        Stream& stream;  // there as long as the owner is
        typename Stream::executor_type executor;
        loop& on;
        reference_count references;
        time_point at = never;
        bool expired = false;
    };

    counted_ptr<watch> watch_;
};

/// What has failed because the time was up says so.
template <class Stream>
error_code reason_of(error_code ec, const deadline<Stream>& limit, error late) noexcept {
    return ec && limit.expired() ? make_error_code(late) : ec;
}

}  // namespace weir::detail

// SPDX-License-Identifier: BSL-1.0
#pragma once

// libuv as a host: a machine on a connected stream, of TCP or of a pipe. Without Asio. Layer: adapt.

#include <weir/bytes.hpp>
#include <weir/config.hpp>
#include <weir/sans_io.hpp>
#include <weir/time.hpp>

#include <uv.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <utility>

namespace weir::adapt {

/// Called with the stream once it is closed: the place to free it. Its `data` is again what it was.
using libuv_closed = std::function<void(uv_stream_t*)>;

namespace detail {

/// A stream, its timer, and the machine that decides what they do. Deletes itself once both are closed.
class libuv_connection {
public:
    libuv_connection(const libuv_connection&) = delete;
    libuv_connection& operator=(const libuv_connection&) = delete;

    /// Looks at what the machine wishes, in the loop's next turn.
    void wake() noexcept {
        if (!closing_) uv_idle_start(&idle_, [](uv_idle_t* idle) { uv_idle_stop(idle), of(idle).turn(); });
    }

protected:
    libuv_connection(uv_stream_t* stream, libuv_closed on_closed)
        : stream_(stream), hosts_data_(stream->data), on_closed_(std::move(on_closed)) {
        uv_timer_init(stream->loop, &timer_);
        uv_idle_init(stream->loop, &idle_);
        timer_.data = idle_.data = stream->data = write_.data = shutdown_.data = this;
        uv_read_stop(stream);
        wake();
    }
    virtual ~libuv_connection() = default;
    virtual machine& driven() noexcept = 0;

private:
    static constexpr std::size_t max_bytes_per_turn = 256 * 1024;

    template <class Handle>
    static libuv_connection& of(Handle* handle) noexcept {
        return *static_cast<libuv_connection*>(handle->data);
    }
    // On systems other than Unix it is a number of libuv's own.
    static error_code code_of(std::ptrdiff_t status) noexcept {
        return {static_cast<int>(-status), WEIR_SYSTEM::generic_category()};
    }

    // ---- what libuv calls; the application's handlers must not throw through it ----

    void turn() noexcept {
        const time_point now = clock::now();
        notice_progress(now);
        driven().on_deadline(now);
        do_what_is_wished(now);
    }
    void on_read(ssize_t size, const uv_buf_t& buffer) noexcept {
        const time_point now = clock::now();
        if (size == UV_EOF) {
            driven().peer_closed(now);
        } else if (size < 0) {
            driven().failed(code_of(size), now);
        } else if (size > 0) {
            driven().received({reinterpret_cast<std::byte*>(buffer.base), static_cast<std::size_t>(size)}, now);
        }
        do_what_is_wished(now);
    }
    void on_written(int status) noexcept {
        const time_point now = clock::now();
        const std::size_t rest = std::exchange(in_flight_, 0);
        if (closing_) return;
        status < 0 ? driven().failed(code_of(status), now) : driven().written(rest, now);
        do_what_is_wished(now);
    }
    // Both handles are closed when it comes a second time.
    void on_handle_closed() noexcept {
        if (--open_handles_ == 0) {
            stream_->data = hosts_data_;
            if (on_closed_) on_closed_(stream_);
            delete this;
        }
    }

    // ---- what it does ----

    void do_what_is_wished(time_point now) {
        if (closing_) return;
        write(now);
        machine& session = driven();
        if (session.wants_shutdown()) {
            uv_shutdown(&shutdown_, stream_, [](uv_shutdown_t*, int) {});
            session.shut_down();
        }
        if (session.closed()) return close();
        read_if(session.wants_read());
        look_again_at(session.wants_write() && in_flight_ == 0 ? now : session.deadline(), now);
    }

    // What the socket does not take at once, libuv writes from where it is.
    void write(time_point now) {
        for (std::size_t taken = 0; in_flight_ == 0 && taken < max_bytes_per_turn;) {
            const bytes_view out = driven().output(now);
            if (out.empty()) return;
            const uv_buf_t buffer =
                uv_buf_init(const_cast<char*>(as_text(out).data()), static_cast<unsigned>(out.size()));
            int status = uv_try_write(stream_, &buffer, 1);
            if (status == UV_EAGAIN) {
                in_flight_ = out.size();
                status = uv_write(&write_, stream_, &buffer, 1, [](uv_write_t* w, int e) { of(w).on_written(e); });
            } else if (status > 0) {
                taken += static_cast<std::size_t>(status);
                driven().written(static_cast<std::size_t>(status), now);
            }
            if (status < 0) return in_flight_ = 0, driven().failed(code_of(status), now);
        }
    }
    // A byte now and then is progress, which the stall policy wants to know of.
    void notice_progress(time_point now) noexcept {
        const std::size_t left = uv_stream_get_write_queue_size(stream_);
        if (left == 0 || left >= in_flight_) return;
        driven().written(in_flight_ - left, now);
        in_flight_ = left;
    }
    void read_if(bool wanted) noexcept {
        if (wanted == std::exchange(reading_, wanted)) return;
        if (!wanted) return static_cast<void>(uv_read_stop(stream_));
        uv_read_start(
            stream_, [](uv_handle_t*, std::size_t, uv_buf_t* buffer) { *buffer = read_buffer(); },
            [](uv_stream_t* stream, ssize_t size, const uv_buf_t* buffer) { of(stream).on_read(size, *buffer); });
    }
    // One for all: what is read is dealt with at once.
    static uv_buf_t read_buffer() noexcept {
        thread_local std::array<char, 64 * 1024> buffer;
        return uv_buf_init(buffer.data(), static_cast<unsigned>(buffer.size()));
    }
    void look_again_at(time_point at, time_point now) noexcept {
        uv_timer_stop(&timer_);
        if (at <= now) return wake();
        if (at == never) return;
        // libuv counts from the beginning of the loop's turn.
        const std::uint64_t behind = uv_hrtime() / 1'000'000 - uv_now(stream_->loop);
        const auto delay = static_cast<std::uint64_t>(std::chrono::ceil<milliseconds>(at - now).count());
        uv_timer_start(&timer_, [](uv_timer_t* t) { of(t).turn(); }, behind + delay, 0);
    }
    void close() noexcept {
        closing_ = true;
        for (auto* const handle : {reinterpret_cast<uv_handle_t*>(&timer_), reinterpret_cast<uv_handle_t*>(&idle_),
                                   reinterpret_cast<uv_handle_t*>(stream_)}) {
            uv_close(handle, [](uv_handle_t* h) { of(h).on_handle_closed(); });
        }
    }

    uv_stream_t* const stream_;
    void* const hosts_data_;
    libuv_closed on_closed_;
    uv_timer_t timer_{};
    uv_idle_t idle_{};  // a timer that is due at once would run again in the same turn, before libuv 1.48
    uv_write_t write_{};
    uv_shutdown_t shutdown_{};
    std::size_t in_flight_ = 0;  // of a write that libuv is at
    bool reading_ = false;
    bool closing_ = false;
    int open_handles_ = 3;
};

template <class Machine>
class libuv_session final : public libuv_connection {
public:
    template <class... Policies>
    libuv_session(uv_stream_t* stream, libuv_closed on_closed, Policies... policies)
        : libuv_connection(stream, std::move(on_closed)), session(std::move(policies)...) {}

    Machine session;

private:
    machine& driven() noexcept override { return session; }
};

}  // namespace detail

/// Takes over a connected stream, whose request head has been read, and which nobody is reading or writing any more,
/// and drives the machine that is returned:
///
///     auto& out = weir::adapt::take_over<weir::sse_machine>(stream, free_stream, weir::comment_every{15s});
///     out.accept(request, weir::clock::now());
///     out.ask([&](weir::time_point now) { ...; return now + 1s; });
///
/// The machine's time is weir::clock's. It lives until `on_closed` is called, which is always: when the session has
/// ended. After calls that do not come from the machine itself, call wake(stream). To end all of them, abort() each
/// machine and run the loop on. Handlers must not throw. Not thread-safe, as the loop is not.
template <template <class...> class Machine, class... Policies>
Machine<Policies...>& take_over(uv_stream_t* stream, libuv_closed on_closed, Policies... policies) {
    using session = detail::libuv_session<Machine<Policies...>>;
    return (new session{stream, std::move(on_closed), std::move(policies)...})->session;  // deletes itself
}

/// Has the session on this stream looked at in the loop's next turn: something was sent, or it was closed.
inline void wake(uv_stream_t* stream) noexcept { static_cast<detail::libuv_connection*>(stream->data)->wake(); }

}  // namespace weir::adapt

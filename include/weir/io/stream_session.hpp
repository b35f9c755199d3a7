// SPDX-License-Identifier: BSL-1.0
#pragma once

// A session on an Asio stream: performs what the state machine decides. Layer: io.

#include <weir/config.hpp>
#include <weir/io/counted_ptr.hpp>
#include <weir/io/loop.hpp>
#include <weir/io/read_buffer.hpp>
#include <weir/io/transport.hpp>
#include <weir/io/waiter_op.hpp>
#include <weir/policy/policy_set.hpp>
#include <weir/session/deciding.hpp>
#include <weir/session/session.hpp>

#include WEIR_ASIO(dispatch.hpp)
#include WEIR_ASIO(error.hpp)
#include WEIR_ASIO(post.hpp)

#include <cstddef>
#include <span>
#include <utility>

namespace weir::detail {

/// A session, its stream and the reactor's callbacks in one object, whatever the policies. It lives as long as
/// something refers to it: its handle, a pending operation on the stream, a passing deadline. `Protocol` is sse_session
/// or ws_session.
template <class Protocol, class Stream>
class stream_io : public Protocol, private resident {
public:
    using executor_type = typename Stream::executor_type;

    executor_type get_executor() noexcept { return transport_.get_executor(); }
    auto& stream() noexcept { return transport_.stream(); }

    /// Starts an operation that a completion handler waits for.
    template <waiter::kind What, class Handler>
    waiter_base<What>& make_waiter(Handler handler) {
        return waiter_op<What, Handler, executor_type>::create(std::move(handler), get_executor(), *this);
    }

    /// Within one event of the reactor's it is the same time throughout.
    time_point now() const noexcept final {
        const auto& stopped = stopped_clock::current();
        return stopped.of == this ? stopped.at : loop_.now();
    }

    void add_reference() noexcept { references_.add(); }
    void drop_reference() noexcept;

protected:
    explicit stream_io(Stream&& stream);
    ~stream_io() override;

    void close_transport() noexcept override { transport_.close(); }

    /// Call once, before anything is written.
    void start_reading();

    /// The context is being destroyed: drops what the protocol keeps of the application's.
    virtual void drop_protocol() noexcept {}

private:
    using self_ptr = counted_ptr<stream_io>;

    // Reading the clock is a good part of what a short message costs. Of the thread, so that no session has to hold it.
    class stopped_clock {
    public:
        explicit stopped_clock(const stream_io& of) noexcept : before_(std::exchange(current(), {&of, of.now()})) {}
        stopped_clock(const stopped_clock&) = delete;
        stopped_clock& operator=(const stopped_clock&) = delete;
        ~stopped_clock() { current() = before_; }

        struct reading {
            const stream_io* of = nullptr;
            time_point at{};
        };
        static reading& current() noexcept {
            thread_local constinit reading instance;
            return instance;
        }

    private:
        const reading before_;
    };

    // After so much, other sessions get their turn.
    static constexpr std::size_t min_bytes_per_turn = 64 * 1024;

    void read_on(bool wanted) final;
    void on_readable(error_code ec);
    void read_what_is_there(error_code& ec);

    // ---- what the state machine asks for ----

    std::size_t write(std::span<const bytes_view> pieces, error_code& ec) noexcept final;
    std::size_t in_flight() const noexcept final { return transport_.in_flight(); }
    void drop_owner() noexcept final { drop_reference(); }
    int descriptor() noexcept final;
    void wait_writable() final;
    void schedule_flush() final;
    void shutdown_send() final;

    // ---- time ----

    void set_timer(time_point at) final;
    bool retain() noexcept final { return references_.add_if_any(); }
    void expire() noexcept final;
    void abandon() noexcept final;

    transport<Stream> transport_;
    loop& loop_;
    reference_count references_;
    bool reading_ = false;  // a wait for bytes is pending, or they are being read
    bool reading_wanted_ = false;
};

/// stream_io, and the policies that decide for it: all of a session that is compiled anew for each set of policies.
template <class Protocol, class Stream, class... Policies>
class stream_session : public deciding<stream_io<Protocol, Stream>, Policies...> {
protected:
    stream_session(Stream&& stream, policy_set<Policies...> policies)
        : deciding<stream_io<Protocol, Stream>, Policies...>(std::move(policies), std::move(stream)) {}
    ~stream_session() override = default;
};

// Not in the class: an instance that is compiled once is not compiled elsewhere, too.

template <class Protocol, class Stream>
stream_io<Protocol, Stream>::stream_io(Stream&& stream)
    : Protocol(next_salt()), transport_(std::move(stream)), loop_(loop::of(transport_.get_executor())) {
    loop_.enter(*this);
}

template <class Protocol, class Stream>
stream_io<Protocol, Stream>::~stream_io() {
    loop_.leave(*this);
}

template <class Protocol, class Stream>
void stream_io<Protocol, Stream>::drop_reference() noexcept {
    if (!references_.drop()) return;
    loop_.cancel(*this);  // before destruction begins: retain() may be running on another thread
    delete this;
}

// ---- reading ----

template <class Protocol, class Stream>
void stream_io<Protocol, Stream>::start_reading() {
    transport_.prepare();
    read_on(true);
}

template <class Protocol, class Stream>
void stream_io<Protocol, Stream>::read_on(bool wanted) {
    reading_wanted_ = wanted;
    if (!wanted || reading_ || this->state() == phase::closed) return;
    reading_ = true;
    transport_.wait_readable([self = self_ptr{this}](error_code ec) { self->on_readable(ec); });
}

template <class Protocol, class Stream>
void stream_io<Protocol, Stream>::on_readable(error_code ec) {
    const stopped_clock during{*this};
    read_what_is_there(ec);
    reading_ = false;
    if (this->state() == phase::closed) return;
    if (ec == net::error::eof) return this->on_peer_closed();
    if (ec) return this->terminate(ec);
    read_on(reading_wanted_);
}

template <class Protocol, class Stream>
void stream_io<Protocol, Stream>::read_what_is_there(error_code& ec) {
    read_buffer buffer;
    for (std::size_t read = 0; !ec && read < min_bytes_per_turn;) {
        const mutable_bytes_view received = transport_.try_read(buffer.view(), ec);
        const bool filled = received.size() == buffer.view().size();
        read += received.size();
        if (!received.empty()) this->on_received(received);
        if (!filled || !reading_wanted_ || this->state() == phase::closed) return;
        buffer.grow();
    }
}

// ---- writing ----

template <class Protocol, class Stream>
std::size_t stream_io<Protocol, Stream>::write(std::span<const bytes_view> pieces, error_code& ec) noexcept {
    return transport_.try_write(pieces, ec);
}

template <class Protocol, class Stream>
int stream_io<Protocol, Stream>::descriptor() noexcept {
    if constexpr (requires { transport_.descriptor(); }) {
        return transport_.descriptor();
    } else {
        return -1;
    }
}

template <class Protocol, class Stream>
void stream_io<Protocol, Stream>::wait_writable() {
    transport_.wait_writable([self = self_ptr{this}](error_code ec) {
        if (self->state() == phase::closed) return;
        if (ec) return self->terminate(ec);
        self->on_writable();
    });
}

template <class Protocol, class Stream>
void stream_io<Protocol, Stream>::schedule_flush() {
    net::post(get_executor(), [self = self_ptr{this}] {
        const stopped_clock during{*self};
        self->on_turn_end();
    });
}

template <class Protocol, class Stream>
void stream_io<Protocol, Stream>::shutdown_send() {
    transport_.shutdown_send([self = self_ptr{this}](error_code ec) {
        if (!ec) self->on_peer_closed();
    });
}

// ---- time ----

template <class Protocol, class Stream>
void stream_io<Protocol, Stream>::set_timer(time_point at) {
    if (at == never) return loop_.cancel(*this);
    loop_.schedule(*this, at, get_executor());
}

template <class Protocol, class Stream>
void stream_io<Protocol, Stream>::expire() noexcept {
    net::dispatch(get_executor(), [self = self_ptr::adopt(this)] { self->on_timer(); });
}

template <class Protocol, class Stream>
void stream_io<Protocol, Stream>::abandon() noexcept {
    const self_ptr self{this};
    this->phase_ = phase::closed;  // the handles that go with the handlers find nothing left to do
    this->outbox_.clear();
    this->abandon_feed();
    drop_protocol();
    const waiter_list abandoned{std::move(this->waiters_)};
}

}  // namespace weir::detail

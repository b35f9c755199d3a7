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
#include <weir/session/session.hpp>

#include WEIR_ASIO(dispatch.hpp)
#include WEIR_ASIO(error.hpp)
#include WEIR_ASIO(post.hpp)

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

namespace weir::detail {

/// Session, stream, policies and the reactor's callbacks in one object. It lives as long as something refers to it: its
/// handle, a pending operation on the stream, a passing deadline. `Protocol` is sse_session or ws_session.
template <class Protocol, class Stream, class... Policies>
class stream_session : public Protocol, private resident {
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
    void drop_reference() noexcept {
        if (!references_.drop()) return;
        loop_.cancel(*this);  // before destruction begins: retain() may be running on another thread
        delete this;
    }

protected:
    stream_session(Stream&& stream, policy_set<Policies...> policies)
        : Protocol(next_salt()),
          transport_(std::move(stream)),
          policies_(std::move(policies)),
          loop_(loop::of(transport_.get_executor())) {
        loop_.enter(*this);
    }

    ~stream_session() override { loop_.leave(*this); }

    policy_set<Policies...>& policies() noexcept { return policies_; }

    void close_transport() noexcept override { transport_.close(); }

    /// Call once, before anything is written.
    void start_reading() {
        transport_.prepare();
        read_on(true);
    }

    /// The context is being destroyed: drops what the protocol keeps of the application's.
    virtual void drop_protocol() noexcept {}

private:
    using self_ptr = counted_ptr<stream_session>;

    // Reading the clock is a good part of what a short message costs. Of the thread, so that no session has to hold it.
    class stopped_clock {
    public:
        explicit stopped_clock(const stream_session& of) noexcept
            : before_(std::exchange(current(), {&of, of.now()})) {}
        stopped_clock(const stopped_clock&) = delete;
        stopped_clock& operator=(const stopped_clock&) = delete;
        ~stopped_clock() { current() = before_; }

        struct reading {
            const stream_session* of = nullptr;
            time_point at{};
        };
        static reading& current() noexcept {
            thread_local constinit reading instance;
            return instance;
        }

    private:
        const reading before_;
    };

    // Different for neighbours, which is all that jitter asks for.
    static std::uint8_t next_salt() noexcept {
        static constinit std::atomic<std::uint32_t> counter{0};
        return static_cast<std::uint8_t>(counter.fetch_add(1, std::memory_order_relaxed) * 0x9e3779b9u >> 24);
    }

    // ---- reading ----

    void read_on(bool wanted) final {
        reading_wanted_ = wanted;
        if (!wanted || reading_ || this->state() == phase::closed) return;
        reading_ = true;
        transport_.wait_readable([self = self_ptr{this}](error_code ec) { self->on_readable(ec); });
    }

    void on_readable(error_code ec) {
        const stopped_clock during{*this};
        read_what_is_there(ec);
        reading_ = false;
        if (this->state() == phase::closed) return;
        if (ec == net::error::eof) return this->on_peer_closed();
        if (ec) return this->terminate(ec);
        read_on(reading_wanted_);
    }

    void read_what_is_there(error_code& ec) {
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

    // After so much, other sessions get their turn.
    static constexpr std::size_t min_bytes_per_turn = 64 * 1024;

    // ---- what the state machine asks for ----

    std::size_t write(std::span<const bytes_view> pieces, error_code& ec) noexcept final {
        return transport_.try_write(pieces, ec);
    }
    std::size_t in_flight() const noexcept final { return transport_.in_flight(); }
    void drop_owner() noexcept final { drop_reference(); }
    int descriptor() noexcept final {
        if constexpr (requires { transport_.descriptor(); }) {
            return transport_.descriptor();
        } else {
            return -1;
        }
    }

    void wait_writable() final {
        transport_.wait_writable([self = self_ptr{this}](error_code ec) {
            if (self->state() == phase::closed) return;
            if (ec) return self->terminate(ec);
            self->on_writable();
        });
    }

    void schedule_flush() final {
        net::post(get_executor(), [self = self_ptr{this}] {
            const stopped_clock during{*self};
            self->on_turn_end();
        });
    }

    void shutdown_send() final {
        transport_.shutdown_send([self = self_ptr{this}](error_code ec) {
            if (!ec) self->on_peer_closed();
        });
    }

    // ---- time ----

    void set_timer(time_point at) final {
        if (at == never) return loop_.cancel(*this);
        loop_.schedule(*this, at, get_executor());
    }

    bool retain() noexcept final { return references_.add_if_any(); }

    void expire() noexcept final {
        net::dispatch(get_executor(), [self = self_ptr::adopt(this)] { self->on_timer(); });
    }

    void abandon() noexcept final {
        const self_ptr self{this};
        this->phase_ = phase::closed;  // the handles that go with the handlers find nothing left to do
        this->outbox_.clear();
        this->abandon_feed();
        drop_protocol();
        const waiter_list abandoned{std::move(this->waiters_)};
    }

    // ---- policies ----

    bool by_key() const noexcept final { return policies_.by_key(); }
    admission decide(const outbox_facts& facts) noexcept final { return policies_.backpressure()(facts); }
    heartbeat_decision decide(const liveness& facts) noexcept final {
        return policies_.template heartbeat<typename Protocol::default_heartbeat>()(facts);
    }
    stall_decision decide(const progress& facts) noexcept final { return policies_.stall()(facts); }

    void observe(const session_opened& what) noexcept final { policies_.observer()(what); }
    void observe(const messages_received& what) noexcept final { policies_.observer()(what); }
    void observe(const messages_written& what) noexcept final { policies_.observer()(what); }
    void observe(const session_blocked& what) noexcept final { policies_.observer()(what); }
    void observe(const subscriber_lagged& what) noexcept final { policies_.observer()(what); }
    void observe(const messages_dropped& what) noexcept final { policies_.observer()(what); }
    void observe(const message_refused& what) noexcept final { policies_.observer()(what); }
    void observe(const heartbeat_sent& what) noexcept final { policies_.observer()(what); }
    void observe(const session_closed& what) noexcept final { policies_.observer()(what); }

    transport<Stream> transport_;
    [[no_unique_address]] policy_set<Policies...> policies_;
    loop& loop_;
    reference_count references_;
    bool reading_ = false;  // a wait for bytes is pending, or they are being read
    bool reading_wanted_ = false;
};

}  // namespace weir::detail

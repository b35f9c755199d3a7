// SPDX-License-Identifier: BSL-1.0
#pragma once

// A session on an Asio stream: performs what the state machine decides. Layer: io.

#include <weir/config.hpp>
#include <weir/io/loop.hpp>
#include <weir/io/transport.hpp>
#include <weir/io/waiter_op.hpp>
#include <weir/policy/policy_set.hpp>
#include <weir/session/session.hpp>

#include WEIR_ASIO(dispatch.hpp)
#include WEIR_ASIO(error.hpp)
#include WEIR_ASIO(post.hpp)

#include <array>
#include <atomic>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>
#include <utility>

namespace weir::detail {

/// A counted reference. The count is atomic because a deadline may pass on another thread.
template <class T>
class counted_ptr {
public:
    counted_ptr() = default;
    /// Shares ownership.
    explicit counted_ptr(T* object) noexcept : object_(object) {
        if (object_ != nullptr) object_->add_reference();
    }
    /// Takes over a reference that is already counted.
    static counted_ptr adopt(T* object) noexcept {
        counted_ptr p;
        p.object_ = object;
        return p;
    }
    template <class U>
        requires std::convertible_to<U*, T*>
    counted_ptr(counted_ptr<U> other) noexcept : object_(other.release()) {}
    counted_ptr(const counted_ptr& other) noexcept : counted_ptr(other.object_) {}
    counted_ptr(counted_ptr&& other) noexcept : object_(std::exchange(other.object_, nullptr)) {}
    counted_ptr& operator=(counted_ptr other) noexcept {
        std::swap(object_, other.object_);
        return *this;
    }
    ~counted_ptr() {
        if (object_ != nullptr) object_->drop_reference();
    }

    T* get() const noexcept { return object_; }
    T* operator->() const noexcept { return object_; }
    T& operator*() const noexcept { return *object_; }
    explicit operator bool() const noexcept { return object_ != nullptr; }
    T* release() noexcept { return std::exchange(object_, nullptr); }

private:
    T* object_ = nullptr;
};

/// Session, stream, policies and the reactor's callbacks in one object. It lives as long as something refers to it: its
/// handle, a pending operation on the stream, a passing deadline. The protocol (the two texts of session_host) is left
/// to the derived class.
template <class Stream, class... Policies>
class stream_session : public session, private resident {
public:
    using executor_type = typename Stream::executor_type;

    executor_type get_executor() noexcept { return transport_.get_executor(); }
    Stream& stream() noexcept { return transport_.stream(); }

    /// Starts an operation that a completion handler waits for.
    template <waiter::kind What, class Handler>
    waiter& make_waiter(Handler handler) {
        return waiter_op<What, Handler, executor_type>::create(std::move(handler), get_executor(), *this);
    }

    time_point now() const noexcept final { return loop_.now(); }

    void add_reference() noexcept { references_.fetch_add(1, std::memory_order_relaxed); }
    void drop_reference() noexcept {
        if (references_.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
        loop_.cancel(*this);  // before destruction begins: retain() may be running on another thread
        delete this;
    }

protected:
    stream_session(Stream&& stream, policy_set<Policies...> policies)
        : session(next_salt()),
          transport_(std::move(stream)),
          policies_(std::move(policies)),
          loop_(loop::of(transport_.get_executor())) {
        loop_.enter(*this);
    }

    virtual ~stream_session() { loop_.leave(*this); }

    policy_set<Policies...>& policies() noexcept { return policies_; }

    void close_transport() noexcept override { transport_.close(); }

    /// Call once, before anything is written.
    void start_reading() {
        transport_.prepare();
        wait_readable();
    }

private:
    using self_ptr = counted_ptr<stream_session>;

    // Different for neighbours, which is all that jitter asks for.
    static std::uint8_t next_salt() noexcept {
        static constinit std::atomic<std::uint32_t> counter{0};
        return static_cast<std::uint8_t>(counter.fetch_add(1, std::memory_order_relaxed) * 0x9e3779b9u >> 24);
    }

    // ---- reading ----

    void wait_readable() {
        transport_.wait_readable([self = self_ptr{this}](error_code ec) { self->on_readable(ec); });
    }

    // Bytes are read into the stack and dropped: a connection that only we speak on is read to learn of its end.
    void on_readable(error_code ec) {
        std::array<std::byte, 4096> buffer;
        for (int reads = 0; !ec && state() != phase::closed && reads != max_reads_per_turn; ++reads) {
            const bytes_view received = transport_.try_read(buffer, ec);
            if (!received.empty()) on_received();
            if (received.size() < buffer.size()) break;
        }
        if (state() == phase::closed) return;
        if (ec == net::error::eof) return on_peer_closed();
        if (ec) return terminate(ec);
        wait_readable();
    }

    static constexpr int max_reads_per_turn = 4;

    // ---- what the state machine asks for ----

    std::size_t write(std::span<const bytes_view> pieces, error_code& ec) noexcept final {
        return transport_.try_write(pieces, ec);
    }
    std::size_t in_flight() const noexcept final { return transport_.in_flight(); }

    void wait_writable() final {
        transport_.wait_writable([self = self_ptr{this}](error_code ec) {
            if (self->state() == phase::closed) return;
            if (ec) return self->terminate(ec);
            self->on_writable();
        });
    }

    void schedule_flush() final {
        net::post(get_executor(), [self = self_ptr{this}] { self->on_turn_end(); });
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

    bool retain() noexcept final {
        std::uint32_t n = references_.load(std::memory_order_relaxed);
        while (n != 0 && !references_.compare_exchange_weak(n, n + 1, std::memory_order_relaxed)) {
        }
        return n != 0;
    }

    void expire() noexcept final {
        net::dispatch(get_executor(), [self = self_ptr::adopt(this)] { self->on_timer(); });
    }

    void abandon() noexcept final {
        const self_ptr self{this};
        phase_ = phase::closed;  // the handles that go with the handlers find nothing left to do
        outbox_.clear();
        const waiter_list abandoned{std::move(waiters_)};
    }

    // ---- policies ----

    bool by_key() const noexcept final { return policies_.by_key(); }
    admission decide(const outbox_facts& facts) noexcept final { return policies_.backpressure()(facts); }
    heartbeat_decision decide(const liveness& facts) noexcept final { return policies_.heartbeat()(facts); }
    stall_decision decide(const progress& facts) noexcept final { return policies_.stall()(facts); }

    void observe(const session_opened& what) noexcept final { policies_.observer()(what); }
    void observe(const messages_written& what) noexcept final { policies_.observer()(what); }
    void observe(const messages_dropped& what) noexcept final { policies_.observer()(what); }
    void observe(const message_refused& what) noexcept final { policies_.observer()(what); }
    void observe(const heartbeat_sent& what) noexcept final { policies_.observer()(what); }
    void observe(const session_closed& what) noexcept final { policies_.observer()(what); }

    transport<Stream> transport_;
    [[no_unique_address]] policy_set<Policies...> policies_;
    loop& loop_;
    std::atomic<std::uint32_t> references_{0};
};

}  // namespace weir::detail

// SPDX-License-Identifier: BSL-1.0
#pragma once

// Streams without a network: what they take, when they block and how they break is up to the test. A test holds the
// wire, the session holds the stream on it.
//
//     auto wire = std::make_shared<test::wire>();
//     weir::sse_stream out{test::direct_memory_stream{context, wire}};
//     wire->room = 10;                                  // writes block after ten bytes,
//     wire->make_room(100);                             // until there is more room
//     wire->deliver("GET"); wire->end(); wire->reset(); // what the peer does
//     wire->fault_at = 3; wire->what = test::fault::stall;

#include <weir/config.hpp>

#include WEIR_ASIO(associated_allocator.hpp)
#include WEIR_ASIO(associated_executor.hpp)
#include WEIR_ASIO(async_result.hpp)
#include WEIR_ASIO(buffer.hpp)
#include WEIR_ASIO(error.hpp)
#include WEIR_ASIO(execution_context.hpp)
#include WEIR_ASIO(executor_work_guard.hpp)
#include WEIR_ASIO(io_context.hpp)
#include WEIR_ASIO(post.hpp)
#include WEIR_ASIO(query.hpp)
#include WEIR_ASIO(socket_base.hpp)

#include <algorithm>
#include <array>
#include <cstddef>
#include <limits>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>

namespace test {

namespace net = weir::net;

/// A handler that waits on a wire.
class pending_operation {
public:
    pending_operation() = default;
    pending_operation(const pending_operation&) = delete;
    pending_operation& operator=(const pending_operation&) = delete;
    virtual ~pending_operation() = default;
    /// Posts the handler.
    virtual void complete(weir::error_code ec, std::size_t n) = 0;
};

/// What a scripted fault does to the operation that it hits.
enum class fault {
    none,
    fail,   ///< the operation reports connection_aborted
    stall,  ///< nothing moves in this direction from here on
    end,    ///< the peer has sent its last byte; the operation goes on
    reset,  ///< the peer is gone, in both directions
};

/// One connection, as its peer and the test see it. On a context that is run by one thread.
class wire {
public:
    static constexpr std::size_t unlimited = std::numeric_limits<std::size_t>::max();

    // ---- the script ----
    std::size_t capacity = unlimited;  ///< the most that one write takes
    std::size_t room = unlimited;      ///< what is taken before writes block
    int fault_at = 0;                  ///< which operation is hit, from 1; 0: none
    fault what = fault::none;

    // ---- what happened ----
    std::string written;  ///< taken from the stream
    int operations = 0;   ///< reads, writes, waits and shutdowns begun
    int writes = 0;       ///< writes that took something
    int pieces = 0;       ///< most buffers given to one write
    int reads = 0;        ///< reads that gave something or waited for it
    bool said_goodbye = false;
    bool closed = false;

    bool waits_to_read() const noexcept { return read_wait_ != nullptr; }    ///< without a buffer
    bool waits_to_write() const noexcept { return write_wait_ != nullptr; }  ///< without a buffer
    bool has_pending_read() const noexcept { return read_ != nullptr; }      ///< into a buffer
    bool has_pending_write() const noexcept { return write_ != nullptr; }    ///< from a buffer

    // ---- what the peer does ----
    void deliver(std::string_view bytes) {
        incoming_ += bytes;
        look();
    }
    void end() {
        ended_ = true;
        look();
    }
    void reset(weir::error_code ec = net::error::connection_reset) {
        broken_ = ec;
        look();
    }
    void make_room(std::size_t n) {
        room = n > unlimited - room ? unlimited : room + n;
        look();
    }
    std::size_t unread() const noexcept { return incoming_.size(); }

    // ---- what the streams call ----
    std::size_t try_read(net::mutable_buffer into, weir::error_code& ec);
    template <class Buffers>
    std::size_t try_write(const Buffers& buffers, weir::error_code& ec);
    bool step(weir::error_code& ec, bool outgoing);
    void wait(bool outgoing, std::unique_ptr<pending_operation> op);
    void read(net::mutable_buffer into, std::unique_ptr<pending_operation> op);
    void write(std::string_view bytes, std::unique_ptr<pending_operation> op);
    void shutdown() {
        weir::error_code ec;
        step(ec, true);
        said_goodbye = true;
    }
    void cancel() { drop_pending(net::error::operation_aborted); }
    void close() {
        closed = true;
        drop_pending(net::error::operation_aborted);
    }
    void forget() noexcept {
        auto dying = std::array{std::move(read_wait_), std::move(write_wait_), std::move(read_), std::move(write_)};
    }

private:
    using operation = std::unique_ptr<pending_operation>;

    bool readable() const noexcept { return !reads_stalled_ && (!incoming_.empty() || ended_ || broken_); }
    bool writable() const noexcept { return !writes_stalled_ && (room != 0 || broken_); }
    weir::error_code write_error() const noexcept {
        return broken_ ? make_error_code(net::error::broken_pipe) : weir::error_code{};
    }

    static void finish(operation& op, weir::error_code ec, std::size_t n = 0) {
        if (const operation taken = std::move(op)) taken->complete(ec, n);
    }
    void drop_pending(weir::error_code ec) {
        for (operation* op : {&read_wait_, &write_wait_, &read_, &write_}) finish(*op, ec);
    }
    void look();

    std::string incoming_;
    bool ended_ = false, reads_stalled_ = false, writes_stalled_ = false;
    weir::error_code broken_;
    operation read_wait_, write_wait_, read_, write_;
    net::mutable_buffer into_;
    std::string_view from_;
};

// Counts an operation, and breaks it if it is the one. False: it ends here, with `ec` or, if that is clear, never.
inline bool wire::step(weir::error_code& ec, bool outgoing) {
    ec = closed ? make_error_code(net::error::bad_descriptor) : weir::error_code{};
    if (closed) return false;
    if (++operations != fault_at) return true;
    switch (what) {
        case fault::none: return true;
        case fault::fail: return ec = net::error::connection_aborted, false;
        case fault::stall: return (outgoing ? writes_stalled_ : reads_stalled_) = true, false;
        case fault::end: return end(), true;
        case fault::reset: return reset(), true;
    }
    return true;
}

inline std::size_t wire::try_read(net::mutable_buffer into, weir::error_code& ec) {
    if (!readable()) return ec = net::error::would_block, 0;
    ++reads;
    if (broken_) return ec = broken_, 0;
    if (incoming_.empty()) return ec = net::error::eof, 0;
    const std::size_t n = std::min(into.size(), incoming_.size());
    incoming_.copy(static_cast<char*>(into.data()), n);
    incoming_.erase(0, n);
    return n;
}

template <class Buffers>
std::size_t wire::try_write(const Buffers& buffers, weir::error_code& ec) {
    if (!writable()) return ec = net::error::would_block, 0;
    if (broken_) return ec = write_error(), 0;
    std::size_t left = std::min(capacity, room), taken = 0;
    int count = 0;
    for (auto b = net::buffer_sequence_begin(buffers); b != net::buffer_sequence_end(buffers); ++b, ++count) {
        const net::const_buffer piece{*b};
        const std::size_t n = std::min(left, piece.size());
        written.append(static_cast<const char*>(piece.data()), n);
        left -= n;
        taken += n;
    }
    if (room != unlimited) room -= taken;
    ++writes;
    pieces = std::max(pieces, count);
    return taken;
}

inline void wire::wait(bool outgoing, std::unique_ptr<pending_operation> op) {
    weir::error_code ec;
    const bool goes_on = step(ec, outgoing);
    if (ec) return op->complete(ec, 0);
    (outgoing ? write_wait_ : read_wait_) = std::move(op);
    if (goes_on) look();
}

inline void wire::read(net::mutable_buffer into, std::unique_ptr<pending_operation> op) {
    weir::error_code ec;
    const bool goes_on = step(ec, false);
    if (ec) return op->complete(ec, 0);
    into_ = into;
    read_ = std::move(op);
    if (goes_on) look();
}

inline void wire::write(std::string_view bytes, std::unique_ptr<pending_operation> op) {
    weir::error_code ec;
    const bool goes_on = step(ec, true);
    if (ec) return op->complete(ec, 0);
    from_ = bytes;
    write_ = std::move(op);
    if (goes_on) look();
}

// Completes what can be completed.
inline void wire::look() {
    weir::error_code ec;
    if (readable()) finish(read_wait_, {});
    if (writable()) finish(write_wait_, {});
    if (read_ && readable()) {
        const std::size_t n = try_read(into_, ec);
        finish(read_, ec, n);
    }
    if (write_ && writable()) {
        const std::size_t n = try_write(net::const_buffer{from_.data(), from_.size()}, ec);
        finish(write_, ec, n);
    }
}

/// Destroys what waits on the wires when the context is destroyed, as Asio's own services do.
class wire_service final : public net::execution_context::service {
public:
    using key_type = wire_service;
    inline static net::execution_context::id id;

    explicit wire_service(net::execution_context& context) : net::execution_context::service(context) {}

    void add(const std::shared_ptr<wire>& w) { wires_.insert(w); }

private:
    void shutdown() noexcept override {
        for (const auto& known : wires_) {
            if (const auto w = known.lock()) w->forget();
        }
    }

    std::set<std::weak_ptr<wire>, std::owner_less<>> wires_;
};

template <class Handler, class Executor, class... Args>
class memory_operation final : public pending_operation {
public:
    memory_operation(Handler handler, const Executor& executor)
        : executor_(net::get_associated_executor(handler, executor)), handler_(std::move(handler)), work_(executor_) {}

    void complete(weir::error_code ec, [[maybe_unused]] std::size_t n) override {
        if constexpr (sizeof...(Args) == 1) {
            net::post(executor_, [h = std::move(handler_), ec]() mutable { std::move(h)(ec); });
        } else {
            net::post(executor_, [h = std::move(handler_), ec, n]() mutable { std::move(h)(ec, n); });
        }
    }

private:
    net::associated_executor_t<Handler, Executor> executor_;
    Handler handler_;
    net::executor_work_guard<net::associated_executor_t<Handler, Executor>> work_;
};

/// An AsyncStream and no more: what a session runs on TLS with.
template <class Executor = net::io_context::executor_type>
class async_memory_stream {
public:
    using executor_type = Executor;
    using lowest_layer_type = async_memory_stream;

    async_memory_stream(const Executor& executor, std::shared_ptr<wire> w) : executor_(executor), wire_(std::move(w)) {
        net::use_service<wire_service>(net::query(executor_, net::execution::context)).add(wire_);
    }
    async_memory_stream(net::io_context& context, std::shared_ptr<wire> w)
        : async_memory_stream(Executor{context.get_executor()}, std::move(w)) {}
    async_memory_stream(async_memory_stream&&) noexcept = default;
    async_memory_stream& operator=(async_memory_stream&&) noexcept = default;
    ~async_memory_stream() {
        if (wire_) wire_->close();
    }

    executor_type get_executor() const noexcept { return executor_; }
    lowest_layer_type& lowest_layer() noexcept { return *this; }

    template <class Token>
    auto async_read_some(net::mutable_buffer into, Token&& token) {
        return net::async_initiate<Token, void(weir::error_code, std::size_t)>(
            [](auto handler, async_memory_stream* self, net::mutable_buffer b) {
                self->wire_->read(b, self->operation<weir::error_code, std::size_t>(std::move(handler)));
            },
            token, this, into);
    }
    template <class Buffers, class Token>
    auto async_write_some(const Buffers& from, Token&& token) {
        const net::const_buffer first = *net::buffer_sequence_begin(from);
        return net::async_initiate<Token, void(weir::error_code, std::size_t)>(
            [](auto handler, async_memory_stream* self, net::const_buffer b) {
                self->wire_->write({static_cast<const char*>(b.data()), b.size()},
                                   self->operation<weir::error_code, std::size_t>(std::move(handler)));
            },
            token, this, first);
    }

    void shutdown(net::socket_base::shutdown_type, weir::error_code&) { wire_->shutdown(); }
    static constexpr auto shutdown_send = net::socket_base::shutdown_send;
    void cancel(weir::error_code&) { wire_->cancel(); }
    void close(weir::error_code&) { wire_->close(); }

protected:
    template <class... Args, class Handler>
    std::unique_ptr<pending_operation> operation(Handler handler) {
        return std::make_unique<memory_operation<Handler, Executor, Args...>>(std::move(handler), executor_);
    }

    Executor executor_;
    std::shared_ptr<wire> wire_;
};

/// A stream that can try, as Asio's sockets can.
template <class Executor = net::io_context::executor_type>
class direct_memory_stream : public async_memory_stream<Executor> {
    using base = async_memory_stream<Executor>;

public:
    enum wait_type { wait_read, wait_write };

    using base::base;

    void non_blocking(bool on, weir::error_code&) { blocking_ = !on; }

    std::size_t read_some(net::mutable_buffer into, weir::error_code& ec) {
        if (!this->wire_->step(ec, false)) return or_would_block(ec);
        return this->wire_->try_read(into, ec);
    }
    template <class Buffers>
    std::size_t write_some(const Buffers& from, weir::error_code& ec) {
        if (!this->wire_->step(ec, true)) return or_would_block(ec);
        return this->wire_->try_write(from, ec);
    }
    template <class Token>
    auto async_wait(wait_type what, Token&& token) {
        return net::async_initiate<Token, void(weir::error_code)>(
            [](auto handler, direct_memory_stream* self, bool outgoing) {
                self->wire_->wait(outgoing, self->template operation<weir::error_code>(std::move(handler)));
            },
            token, this, what == wait_write);
    }
    bool blocking() const noexcept { return blocking_; }

private:
    static std::size_t or_would_block(weir::error_code& ec) noexcept {
        if (!ec) ec = net::error::would_block;
        return 0;
    }

    bool blocking_ = true;
};

async_memory_stream(net::io_context&, std::shared_ptr<wire>) -> async_memory_stream<>;
direct_memory_stream(net::io_context&, std::shared_ptr<wire>) -> direct_memory_stream<>;

}  // namespace test

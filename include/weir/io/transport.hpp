// SPDX-License-Identifier: BSL-1.0
#pragma once

// What a session needs of a stream, for any Asio stream: the fast path where a write can be tried without waiting, the
// general one where it cannot. Layer: io.

#include <weir/bytes.hpp>
#include <weir/config.hpp>

#include WEIR_ASIO(basic_stream_socket.hpp)
#include WEIR_ASIO(buffer.hpp)
#include WEIR_ASIO(error.hpp)
#include WEIR_ASIO(ip/tcp.hpp)

#include <algorithm>
#include <array>
#include <concepts>
#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <utility>

namespace weir {

namespace detail {

struct any_io_handler {
    void operator()(error_code, std::size_t = 0) {}
};

}  // namespace detail

/// Asio's AsyncReadStream and AsyncWriteStream: what every session can run on.
template <class Stream>
concept async_stream = requires(Stream& stream, net::mutable_buffer in, net::const_buffer out) {
    typename Stream::executor_type;
    stream.get_executor();
    stream.async_read_some(in, detail::any_io_handler{});
    stream.async_write_some(out, detail::any_io_handler{});
};

/// A stream that can try a write without waiting and wait for readability without a buffer: Asio's sockets, and any
/// type with the same members. Reads and writes need not go through Asio's reactor.
template <class Stream>
concept direct_stream =
    async_stream<Stream> && requires(Stream& stream, error_code& ec, net::mutable_buffer in, net::const_buffer out,
                                     std::span<const net::const_buffer> several) {
        stream.non_blocking(true, ec);
        { stream.read_some(in, ec) } -> std::convertible_to<std::size_t>;
        { stream.write_some(out, ec) } -> std::convertible_to<std::size_t>;
        { stream.write_some(several, ec) } -> std::convertible_to<std::size_t>;
        stream.async_wait(Stream::wait_read, detail::any_io_handler{});
        stream.async_wait(Stream::wait_write, detail::any_io_handler{});
    };

namespace detail {

inline bool would_block(const error_code& ec) noexcept {
    return ec == net::error::would_block || ec == net::error::try_again;
}

// ssl::stream and the like have what can be closed at the bottom; Beast's streams, one layer after the other.
template <class Stream>
decltype(auto) closable_layer(Stream& stream) noexcept {
    if constexpr (requires { stream.lowest_layer(); }) {
        return stream.lowest_layer();
    } else if constexpr (requires { stream.next_layer(); }) {
        return closable_layer(stream.next_layer());
    } else if constexpr (requires { stream.socket().close(); }) {
        return (stream.socket());
    } else {
        return (stream);
    }
}

template <class Stream>
void close_stream(Stream& stream) noexcept {
    error_code ignored;
    auto& layer = closable_layer(stream);
    if constexpr (requires { layer.close(ignored); }) {
        static_cast<void>(layer.close(ignored));
    } else {
        layer.close();
    }
}

// Writes are gathered per loop turn already: waiting for more would only delay them.
template <class Stream>
void disable_nagle(Stream& stream) noexcept {
    error_code ignored;
    auto& layer = closable_layer(stream);
    if constexpr (requires { layer.set_option(net::ip::tcp::no_delay{true}, ignored); }) {
        static_cast<void>(layer.set_option(net::ip::tcp::no_delay{true}, ignored));
    }
}

// A timeout of the stream's own, as Beast's, would end a session that is merely idle: the policies see to that.
template <class Stream>
void disable_timeout(Stream& stream) {
    if constexpr (requires { stream.next_layer(); }) disable_timeout(stream.next_layer());
    if constexpr (requires { stream.expires_never(); }) stream.expires_never();
}

template <class Stream>
void shutdown_send_side(Stream& stream) noexcept {
    error_code ignored;
    if constexpr (requires { stream.shutdown(Stream::shutdown_send, ignored); }) {
        static_cast<void>(stream.shutdown(Stream::shutdown_send, ignored));
    }
}

// A stream of the user's own may do more than its socket does, even if it has a descriptor.
template <class Stream>
int descriptor_of(Stream&) noexcept {
    return -1;
}
template <class Protocol, class Executor>
int descriptor_of(net::basic_stream_socket<Protocol, Executor>& socket) noexcept {
    return static_cast<int>(socket.native_handle());
}

/// Writes what the stream takes at once. Taking nothing is no error.
template <class Stream>
std::size_t write_now(Stream& stream, std::span<const bytes_view> pieces, error_code& ec) noexcept {
    std::size_t taken = 0;
    if (pieces.size() == 1) {
        taken = stream.write_some(net::const_buffer{pieces[0].data(), pieces[0].size()}, ec);
    } else {
        std::array<net::const_buffer, 16> buffers;
        const std::size_t count = std::min(pieces.size(), buffers.size());
        for (std::size_t i = 0; i != count; ++i) buffers[i] = {pieces[i].data(), pieces[i].size()};
        taken = stream.write_some(std::span<const net::const_buffer>{buffers.data(), count}, ec);
    }
    if (!ec) return taken;
    if (would_block(ec)) ec.clear();
    return 0;
}

/// Reads what is there. Empty without an error: nothing yet.
template <class Stream>
mutable_bytes_view read_now(Stream& stream, mutable_bytes_view buffer, error_code& ec) noexcept {
    const std::size_t n = stream.read_some(net::mutable_buffer{buffer.data(), buffer.size()}, ec);
    if (!would_block(ec)) return buffer.first(ec ? 0 : n);
    ec.clear();
    return {};
}

}  // namespace detail

/// How a session reads and writes `Stream`. Specialise it for a stream that offers the fast path under other names: the
/// members of the specialisation below, and Stream::executor_type, are the whole of what a session uses. Every handler
/// given is move-only, is called at most once, never from within, and keeps the transport alive. After close() the
/// handlers that wait are called with any error, or destroyed.
template <class Stream>
class transport;

/// The fast path: nothing is buffered and nothing is pending but one wait.
template <direct_stream Stream>
class transport<Stream> {
public:
    /// Takes the stream over.
    explicit transport(Stream&& stream) : stream_(std::move(stream)) {}

    /// The stream underneath.
    Stream& stream() noexcept { return stream_; }
    /// Its executor: where handlers run unless they have one of their own.
    auto get_executor() noexcept { return stream_.get_executor(); }

    /// Non-blocking, without Nagle's delay. Called once, before anything else.
    void prepare() noexcept {
        error_code ignored;
        static_cast<void>(stream_.non_blocking(true, ignored));
        detail::disable_nagle(stream_);
    }

    /// Writes what the stream takes at once. Taking nothing is no error.
    std::size_t try_write(std::span<const bytes_view> pieces, error_code& ec) noexcept {
        return detail::write_now(stream_, pieces, ec);
    }

    /// Bytes that try_write() took and the stream has not taken yet.
    static constexpr std::size_t in_flight() noexcept { return 0; }
    /// What try_write() writes to, if it does nothing but that, so that many such writes can be one system call; -1:
    /// nothing of the kind.
    int descriptor() noexcept { return detail::descriptor_of(stream_); }

    /// `handler(error_code)` when a write may be tried again.
    template <class Handler>
    void wait_writable(Handler handler) {
        stream_.async_wait(Stream::wait_write, std::move(handler));
    }

    /// `handler(error_code)` when a read may be tried.
    template <class Handler>
    void wait_readable(Handler handler) {
        stream_.async_wait(Stream::wait_read, std::move(handler));
    }

    /// Reads what is there, into `buffer` or into a buffer of its own: valid until the next wait_readable(), the
    /// caller's to change. Empty without an error: nothing yet. net::error::eof: no more.
    mutable_bytes_view try_read(mutable_bytes_view buffer, error_code& ec) noexcept {
        return detail::read_now(stream_, buffer, ec);
    }

    /// Tells the peer that no more comes. `handler` is for streams that can only say so asynchronously.
    template <class Handler>
    void shutdown_send(Handler&&) noexcept {
        detail::shutdown_send_side(stream_);
    }
    /// Closes the connection, at once.
    void close() noexcept { detail::close_stream(stream_); }

private:
    Stream stream_;
};

/// The general path (TLS, compression, any AsyncStream): one read, into a buffer that is small while little comes, and
/// at most one write of bytes copied out of the outbox are pending.
template <async_stream Stream>
    requires(!direct_stream<Stream>)
class transport<Stream> {
public:
    /// Takes the stream over.
    explicit transport(Stream&& stream) : stream_(std::move(stream)) {}

    /// The stream underneath.
    Stream& stream() noexcept { return stream_; }
    /// Its executor: where handlers run unless they have one of their own.
    auto get_executor() noexcept { return stream_.get_executor(); }

    /// Without Nagle's delay, and without a timeout of the stream's own, which would end a session that is merely idle.
    /// Called once, before anything else.
    void prepare() {
        detail::disable_nagle(stream_);
        detail::disable_timeout(stream_);
    }

    /// Takes what fits into one pending write; nothing while one is pending.
    std::size_t try_write(std::span<const bytes_view> pieces, error_code&) {
        if (in_flight() != 0) return 0;
        for (const bytes_view piece : pieces) {
            const std::size_t room = max_write_bytes - outgoing_.size();
            outgoing_.append(as_text(piece.first(std::min(piece.size(), room))));
        }
        return outgoing_.size();
    }

    /// Bytes that try_write() took and the stream has not taken yet.
    std::size_t in_flight() const noexcept { return outgoing_.size() - written_; }

    /// Writes what was taken. `handler(error_code)` when that is done in part or in whole.
    template <class Handler>
    void wait_writable(Handler handler) {
        stream_.async_write_some(net::const_buffer{outgoing_.data() + written_, in_flight()},
                                 write_op<Handler>{*this, std::move(handler)});
    }

    /// Reads. `handler(error_code)` when something has come, or nothing more will.
    template <class Handler>
    void wait_readable(Handler handler) {
        fit_incoming();
        stream_.async_read_some(net::mutable_buffer{incoming_.get(), incoming_size_},
                                read_op<Handler>{*this, std::move(handler)});
    }

    /// What has been read. Valid until the next wait_readable(), the caller's to change.
    mutable_bytes_view try_read(mutable_bytes_view, error_code& ec) noexcept {
        ec = std::exchange(read_error_, {});
        return {incoming_.get(), std::exchange(received_, 0)};
    }

    /// Says goodbye in the stream's own way where it has one (TLS close_notify): `handler(error_code)` when it is said.
    template <class Handler>
    void shutdown_send(Handler handler) {
        if constexpr (requires { stream_.async_shutdown(std::move(handler)); }) {
            stream_.async_shutdown(std::move(handler));
        } else {
            detail::shutdown_send_side(detail::closable_layer(stream_));
        }
    }
    /// Closes the connection, at once.
    void close() noexcept { detail::close_stream(stream_); }

private:
    static constexpr std::size_t max_write_bytes = 64 * 1024;
    static constexpr std::size_t min_read_bytes = 128, max_read_bytes = 64 * 1024;

    // The last read decides: one that filled the buffer makes it larger, one that used little of it small again.
    void fit_incoming() {
        std::size_t wanted = incoming_size_;
        if (last_read_ == incoming_size_) wanted = std::clamp(incoming_size_ * 4, min_read_bytes, max_read_bytes);
        if (last_read_ < incoming_size_ / 8) wanted = min_read_bytes;
        if (wanted == incoming_size_) return;
        incoming_.reset();
        incoming_ = std::make_unique_for_overwrite<std::byte[]>(wanted);
        incoming_size_ = wanted;
    }

    // Every byte accepted is progress, which the session wants to know of: the rest is the next wait_writable()'s.
    template <class Handler>
    struct write_op {
        transport& self;
        Handler handler;

        void operator()(error_code ec, std::size_t n) {
            self.written_ += n;
            if (ec || self.in_flight() == 0) {
                self.outgoing_ = {};
                self.written_ = 0;
            }
            std::move(handler)(ec);
        }
    };

    template <class Handler>
    struct read_op {
        transport& self;
        Handler handler;

        void operator()(error_code ec, std::size_t n) {
            self.received_ = self.last_read_ = n;
            self.read_error_ = ec;
            std::move(handler)(ec == net::error::operation_aborted ? ec : error_code{});
        }
    };

    Stream stream_;
    std::string outgoing_;
    std::size_t written_ = 0;
    std::unique_ptr<std::byte[]> incoming_;
    std::size_t incoming_size_ = 0, last_read_ = 0, received_ = 0;  // received_: what try_read() has still to give
    error_code read_error_;
};

}  // namespace weir

// SPDX-License-Identifier: BSL-1.0
#pragma once

// The one type of stream that a server's connections use, and one that a client's do: a socket, and perhaps a layer on
// it. Layer: io.

#include <weir/bytes.hpp>
#include <weir/config.hpp>
#include <weir/io/stream_layer.hpp>
#include <weir/io/transport.hpp>

#include WEIR_ASIO(async_result.hpp)
#include WEIR_ASIO(buffer.hpp)
#include WEIR_ASIO(compose.hpp)
#include WEIR_ASIO(post.hpp)

#include <concepts>
#include <cstddef>
#include <memory>
#include <span>
#include <utility>

namespace weir::detail {

/// Tries, waits for the socket where that would block, and tries again. Completes never from within.
template <class Socket, class Try>
struct layer_op {
    Socket& socket;
    Try try_once;
    attempt last{};
    enum { fresh, waiting, done } at = fresh;

    template <class Self>
    void operator()(Self& self, error_code ec = {}) {
        if (ec) return self.complete(ec, 0);
        if (at != done) last = try_once();
        if (last.is_blocked()) {
            at = waiting;
            return socket.async_wait(last.until, std::move(self));
        }
        if (at == fresh) {
            at = done;
            return net::post(socket.get_executor(), std::move(self));
        }
        self.complete(last.ec, last.bytes);
    }
};

/// An AsyncReadStream and AsyncWriteStream. Without a layer it is the socket, and costs a pointer more.
template <class Socket>
class layered_stream {
public:
    using executor_type = typename Socket::executor_type;
    using lowest_layer_type = Socket;
    using layer_type = basic_stream_layer<Socket>;

    /// Not connected yet: a client's.
    explicit layered_stream(const executor_type& executor)
        requires std::constructible_from<Socket, const executor_type&>
        : socket_(executor) {}
    layered_stream(Socket socket, std::unique_ptr<layer_type> layer = {}) noexcept
        : socket_(std::move(socket)), layer_(std::move(layer)) {}

    executor_type get_executor() noexcept { return socket_.get_executor(); }
    Socket& lowest_layer() noexcept { return socket_; }
    const Socket& lowest_layer() const noexcept { return socket_; }

    // Addresses and options, as the socket has them.
    auto local_endpoint() const { return socket_.local_endpoint(); }
    auto remote_endpoint() const { return socket_.remote_endpoint(); }
    auto local_endpoint(error_code& ec) const { return socket_.local_endpoint(ec); }
    auto remote_endpoint(error_code& ec) const { return socket_.remote_endpoint(ec); }
    template <class Option>
    void set_option(const Option& option) {
        socket_.set_option(option);
    }
    template <class Option>
    void get_option(Option& option) const {
        socket_.get_option(option);
    }

    /// Nothing: the socket itself is read and written.
    layer_type* layer() const noexcept { return layer_.get(); }
    /// Before anything is read or written.
    void set_layer(std::unique_ptr<layer_type> layer) noexcept { layer_ = std::move(layer); }
    bool is_secure() const noexcept { return layer_ != nullptr; }

    template <class Buffers, class Token>
    auto async_read_some(const Buffers& buffers, Token&& token) {
        return net::async_initiate<Token, void(error_code, std::size_t)>(
            [](auto handler, layered_stream* self, const Buffers& into) {
                const auto first = first_of<net::mutable_buffer>(into);
                self->start(std::move(handler), [self, first] { return self->try_read(first); });
            },
            token, this, buffers);
    }

    template <class Buffers, class Token>
    auto async_write_some(const Buffers& buffers, Token&& token) {
        return net::async_initiate<Token, void(error_code, std::size_t)>(
            [](auto handler, layered_stream* self, const Buffers& from) {
                const auto first = first_of<net::const_buffer>(from);
                self->start(std::move(handler), [self, first] { return self->try_write(first); });
            },
            token, this, buffers);
    }

    /// Has the layer do what comes before the first byte: TLS's handshake.
    /// Signature  void(error_code, std::size_t), the latter without a meaning
    template <class Token>
    auto async_open_layer(Token&& token) {
        return net::async_initiate<Token, void(error_code, std::size_t)>(
            [](auto handler, layered_stream* self) {
                self->start(std::move(handler), [self] { return self->try_open_layer(); });
            },
            token, this);
    }

    /// Tells the peer that no more comes, in the layer's way first.
    /// Signature  void(error_code, std::size_t), the latter without a meaning
    template <class Token>
    auto async_shutdown_send(Token&& token) {
        return net::async_initiate<Token, void(error_code, std::size_t)>(
            [](auto handler, layered_stream* self) {
                self->start(std::move(handler), [self] { return self->try_shutdown_send(); });
            },
            token, this);
    }

    attempt try_read(net::mutable_buffer into) noexcept {
        if (layer_) return layer_->try_read(socket_, {static_cast<std::byte*>(into.data()), into.size()});
        attempt done{.bytes = 0, .ec = {}, .until = net::socket_base::wait_read};
        done.bytes = socket_.read_some(into, done.ec);
        return done;
    }
    attempt try_write(net::const_buffer from) noexcept {
        if (layer_) return layer_->try_write(socket_, {static_cast<const std::byte*>(from.data()), from.size()});
        attempt done{.bytes = 0, .ec = {}, .until = net::socket_base::wait_write};
        done.bytes = socket_.write_some(from, done.ec);
        return done;
    }
    attempt try_open_layer() noexcept { return layer_ ? layer_->try_open(socket_) : attempt{}; }
    attempt try_shutdown_send() noexcept {
        const attempt said = layer_ ? layer_->try_finish(socket_) : attempt{};
        if (!said.is_blocked()) shutdown_send_side(socket_);
        return said;
    }

private:
    template <class Buffer, class Buffers>
    static Buffer first_of(const Buffers& buffers) noexcept {
        for (auto at = net::buffer_sequence_begin(buffers); at != net::buffer_sequence_end(buffers); ++at) {
            if (const Buffer buffer{*at}; buffer.size() != 0) return buffer;
        }
        return {};
    }

    template <class Handler, class Try>
    void start(Handler handler, Try try_once) {
        net::async_compose<Handler, void(error_code, std::size_t)>(layer_op<Socket, Try>{socket_, std::move(try_once)},
                                                                   handler, socket_);
    }

    Socket socket_;
    std::unique_ptr<layer_type> layer_;
};

}  // namespace weir::detail

/// The fast path, with a layer as without: a write is tried, readability is waited for without a buffer.
template <class Socket>
class weir::transport<weir::detail::layered_stream<Socket>> {
public:
    using stream_type = detail::layered_stream<Socket>;

    explicit transport(stream_type&& stream) : stream_(std::move(stream)) {}

    stream_type& stream() noexcept { return stream_; }
    auto get_executor() noexcept { return stream_.get_executor(); }

    void prepare() noexcept {
        error_code ignored;
        static_cast<void>(lowest().non_blocking(true, ignored));
        detail::disable_nagle(lowest());
    }

    std::size_t try_write(std::span<const bytes_view> pieces, error_code& ec) {
        if (layer() != nullptr) return layer()->write_now(lowest(), pieces, ec);
        return detail::write_now(lowest(), pieces, ec);
    }

    std::size_t in_flight() const noexcept { return stream_.layer() == nullptr ? 0 : stream_.layer()->kept(); }

    int descriptor() noexcept { return layer() == nullptr ? static_cast<int>(lowest().native_handle()) : -1; }

    template <class Handler>
    void wait_writable(Handler handler) {
        if (layer() == nullptr) return lowest().async_wait(net::socket_base::wait_write, std::move(handler));
        lowest().async_wait(layer()->write_until(), [this, h = std::move(handler)](error_code ec) mutable {
            if (!ec && in_flight() != 0) layer()->write_kept(lowest(), ec);
            std::move(h)(ec);
        });
    }

    template <class Handler>
    void wait_readable(Handler handler) {
        if (layer() == nullptr) return lowest().async_wait(net::socket_base::wait_read, std::move(handler));
        if (layer()->read_dry()) return lowest().async_wait(layer()->read_until(), std::move(handler));
        net::post(get_executor(), [h = std::move(handler)]() mutable { std::move(h)(error_code{}); });
    }

    mutable_bytes_view try_read(mutable_bytes_view buffer, error_code& ec) noexcept {
        if (layer() != nullptr) return layer()->read_now(lowest(), buffer, ec);
        return detail::read_now(lowest(), buffer, ec);
    }

    /// `handler` is not called: that the peer says the same is noticed by reading.
    template <class Handler>
    void shutdown_send(Handler handler) {
        const detail::attempt said = stream_.try_shutdown_send();
        if (!said.is_blocked()) return;
        lowest().async_wait(said.until, [this, h = std::move(handler)](error_code ec) mutable {
            if (!ec) shutdown_send(std::move(h));
        });
    }

    // A goodbye is answered, "unless it has already sent some error alert". RFC 8446 §6.1. To say it unasked would make
    // a connection that is cut look as if it had ended in good order.
    void close() noexcept {
        if (layer() != nullptr && layer()->peer_finished() && in_flight() == 0) layer()->try_finish(lowest());
        detail::close_stream(stream_);
    }

private:
    Socket& lowest() noexcept { return stream_.lowest_layer(); }
    typename stream_type::layer_type* layer() noexcept { return stream_.layer(); }

    stream_type stream_;
};

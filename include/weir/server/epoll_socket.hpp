// SPDX-License-Identifier: BSL-1.0
#pragma once

// The server's own socket type, on Linux: in an epoll_set instead of Asio's reactor. Layer: server.

#include <weir/bytes.hpp>
#include <weir/config.hpp>
#include <weir/exceptions.hpp>
#include <weir/server/epoll_set.hpp>
#include <weir/server/ready_handler.hpp>

#include WEIR_ASIO(buffer.hpp)
#include WEIR_ASIO(error.hpp)
#include WEIR_ASIO(io_context.hpp)
#include WEIR_ASIO(ip/tcp.hpp)
#include WEIR_ASIO(post.hpp)
#include WEIR_ASIO(socket_base.hpp)

#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cassert>
#include <cstddef>
#include <span>
#include <utility>

namespace weir::detail {

/// A connected TCP socket, always non-blocking, with the members of Asio's that a direct_stream needs. For a context
/// that is run by one thread. 64 bytes, a place in the set, and nothing else while it waits.
class epoll_socket {
public:
    using executor_type = net::io_context::executor_type;
    using endpoint_type = net::ip::tcp::endpoint;
    using wait_type = net::socket_base::wait_type;
    using shutdown_type = net::socket_base::shutdown_type;
    static constexpr wait_type wait_read = net::socket_base::wait_read;
    static constexpr wait_type wait_write = net::socket_base::wait_write;
    static constexpr shutdown_type shutdown_send = net::socket_base::shutdown_send;

    /// What an acceptor is asked for.
    using accepted_type = net::basic_stream_socket<net::ip::tcp, executor_type>;

    /// Makes what the sockets of a context need, as long as there are descriptors for it.
    static void prepare(net::io_context& context) {
        accepted_type{context};
        epoll_set::of(context);
    }

    /// Takes a connected socket over from Asio. A failure shows when it is read.
    explicit epoll_socket(accepted_type socket) : set_(&epoll_set::of(socket.get_executor().context())) {
        error_code ec;
        socket.non_blocking(true, ec);
        entry_.descriptor = socket.release(ec);
        if (!ec) set_->add(entry_, ec);
        if (ec) entry_.readable = entry_.hung_up = true;
    }
    epoll_socket(epoll_socket&& other) noexcept : set_(other.set_), entry_(std::exchange(other.entry_, epoll_entry{})) {
        if (is_open()) set_->moved(entry_);
    }
    epoll_socket& operator=(epoll_socket&&) = delete;
    ~epoll_socket() { release(); }

    executor_type get_executor() noexcept { return set_->context().get_executor(); }
    bool is_open() const noexcept { return entry_.descriptor >= 0; }
    int native_handle() const noexcept { return entry_.descriptor; }

    endpoint_type local_endpoint(error_code& ec) const { return name(&::getsockname, ec); }
    endpoint_type remote_endpoint(error_code& ec) const { return name(&::getpeername, ec); }
    endpoint_type local_endpoint() const { return name(&::getsockname); }
    endpoint_type remote_endpoint() const { return name(&::getpeername); }

    template <class Option>
    error_code set_option(const Option& option, error_code& ec) {
        const int failed = ::setsockopt(entry_.descriptor, option.level(protocol), option.name(protocol),
                                        option.data(protocol), static_cast<socklen_t>(option.size(protocol)));
        ec = failed != 0 ? epoll_set::last_error() : error_code{};
        return ec;
    }
    template <class Option>
    void set_option(const Option& option) {
        error_code ec;
        if (set_option(option, ec)) raise(system_error(ec, "set_option"));
    }
    template <class Option>
    void get_option(Option& option) const {
        auto size = static_cast<socklen_t>(option.size(protocol));
        const int failed = ::getsockopt(entry_.descriptor, option.level(protocol), option.name(protocol),
                                        option.data(protocol), &size);
        if (failed != 0) raise(system_error(epoll_set::last_error(), "get_option"));
        option.resize(protocol, size);
    }

    error_code non_blocking(bool, error_code& ec) noexcept { return ec; }

    std::size_t read_some(const net::mutable_buffer& in, error_code& ec) noexcept {
        const auto n = ::recv(entry_.descriptor, in.data(), in.size(), 0);
        if (n <= 0 || static_cast<std::size_t>(n) < in.size()) entry_.readable = entry_.hung_up;
        if (n > 0) return static_cast<std::size_t>(n);
        ec = n == 0 ? error_code{net::error::eof} : epoll_set::last_error();
        return 0;
    }

    std::size_t write_some(const net::const_buffer& out, error_code& ec) noexcept {
        return written(::send(entry_.descriptor, out.data(), out.size(), MSG_NOSIGNAL), out.size(), ec);
    }

    /// At most 16 buffers at once.
    std::size_t write_some(std::span<const net::const_buffer> out, error_code& ec) noexcept {
        std::array<iovec, 16> pieces;
        std::size_t count = 0, size = 0;
        for (const net::const_buffer& piece : out.first(std::min(out.size(), pieces.size()))) {
            pieces[count++] = {const_cast<void*>(piece.data()), piece.size()};
            size += piece.size();
        }
        msghdr message{};
        message.msg_iov = pieces.data();
        message.msg_iovlen = count;
        return written(::sendmsg(entry_.descriptor, &message, MSG_NOSIGNAL), size, ec);
    }

    /// `handler(error_code)` when a read or a write may be tried; never from within. One wait for each at a time.
    template <class Handler>
    void async_wait(wait_type what, Handler&& handler) {
        const bool reading = what == wait_read;
        ready_handler erased{std::forward<Handler>(handler)};
        if (!is_open()) return post(std::move(erased), net::error::bad_descriptor);
        if (reading ? entry_.readable : entry_.writable) return post(std::move(erased), {});
        ready_handler& waiting = reading ? entry_.on_readable : entry_.on_writable;
        assert(!waiting);
        waiting = std::move(erased);
        set_->wait_begun();
    }

    error_code cancel(error_code& ec) {
        abort(entry_.on_readable);
        abort(entry_.on_writable);
        return ec;
    }
    error_code shutdown(shutdown_type what, error_code& ec) noexcept {
        if (::shutdown(entry_.descriptor, what) != 0) ec = epoll_set::last_error();
        return ec;
    }
    error_code close(error_code& ec) {
        cancel(ec);
        release();
        return ec;
    }

private:
    // Of no consequence for the options of a stream, which ask for it.
    inline static const net::ip::tcp protocol = net::ip::tcp::v4();

    using name_function = int (*)(int, sockaddr*, socklen_t*);

    endpoint_type name(name_function whose, error_code& ec) const {
        endpoint_type found;
        auto size = static_cast<socklen_t>(found.capacity());
        const bool failed = whose(entry_.descriptor, found.data(), &size) != 0;
        ec = failed ? epoll_set::last_error() : error_code{};
        if (!failed) found.resize(size);
        return failed ? endpoint_type{} : found;
    }
    endpoint_type name(name_function whose) const {
        error_code ec;
        const endpoint_type found = name(whose, ec);
        if (ec) raise(system_error(ec, "endpoint"));
        return found;
    }

    std::size_t written(ssize_t n, std::size_t size, error_code& ec) noexcept {
        if (n < 0 || static_cast<std::size_t>(n) < size) entry_.writable = false;
        if (n >= 0) return static_cast<std::size_t>(n);
        ec = epoll_set::last_error();
        return 0;
    }

    void post(ready_handler handler, error_code ec) {
        net::post(get_executor(), [h = std::move(handler), ec]() mutable { h(ec); });
    }

    void abort(ready_handler& handler) {
        if (!handler) return;
        set_->wait_ended();
        post(std::move(handler), net::error::operation_aborted);
    }

    // Handlers that wait go with it, uncalled.
    void release() noexcept {
        if (!is_open()) return;
        set_->remove(entry_);
        if (std::exchange(entry_.on_readable, {})) set_->wait_ended();
        if (std::exchange(entry_.on_writable, {})) set_->wait_ended();
        ::close(std::exchange(entry_.descriptor, -1));
    }

    epoll_set* set_;
    epoll_entry entry_;
};

}  // namespace weir::detail

// SPDX-License-Identifier: BSL-1.0
#pragma once

// TLS on a socket, with OpenSSL, which tls.hpp alone may bring in. Layer: io. RFC 8446, RFC 5246

#include <weir/bytes.hpp>
#include <weir/config.hpp>
#include <weir/error.hpp>
#include <weir/exceptions.hpp>
#include <weir/io/stream_layer.hpp>
#include <weir/io/transport.hpp>

#include WEIR_ASIO(buffer.hpp)
#include WEIR_ASIO(error.hpp)
#include WEIR_ASIO(socket_base.hpp)
#include WEIR_ASIO(ssl/error.hpp)

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <cstddef>
#include <limits>
#include <memory>
#include <new>
#include <utility>

namespace weir::detail {

template <auto Free>
struct openssl_free {
    template <class T>
    void operator()(T* p) const noexcept {
        Free(p);
    }
};
template <class T, auto Free>
using openssl_ptr = std::unique_ptr<T, openssl_free<Free>>;
using ssl_ptr = openssl_ptr<SSL, &SSL_free>;

/// TLS by OpenSSL, directly on the socket: nothing is buffered beside OpenSSL's own record, which is given back when it
/// is empty.
template <class Socket>
class tls_layer final : public basic_stream_layer<Socket> {
public:
    /// `ssl` knows its side, and whom it is to trust. Throws std::bad_alloc.
    explicit tls_layer(ssl_ptr ssl) : ssl_(std::move(ssl)) {
        BIO* const bio = ssl_ ? BIO_new(socket_method()) : nullptr;
        if (bio == nullptr) raise(std::bad_alloc{});
        BIO_set_data(bio, this);
        BIO_set_init(bio, 1);
        SSL_set_bio(ssl_.get(), bio, bio);
        // One record is one write, a write that would block may be repeated from another buffer, and what the kernel
        // has is read in one call.
        SSL_set_mode(ssl_.get(), SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
        SSL_set_mode(ssl_.get(), SSL_MODE_RELEASE_BUFFERS);
        SSL_set_read_ahead(ssl_.get(), 1);
    }

private:
    // Unless it is done explicitly, the handshake is the first read's or write's.
    attempt open(Socket& socket) noexcept override {
        const attempt done = perform(socket, [&] { return SSL_do_handshake(ssl_.get()); });
        return {0, done.ec, done.until};
    }
    attempt read(Socket& socket, mutable_bytes_view into) noexcept override {
        return perform(socket, [&] { return SSL_read(ssl_.get(), into.data(), int_size(into.size())); });
    }
    attempt write(Socket& socket, bytes_view from) noexcept override {
        return perform(socket, [&] { return SSL_write(ssl_.get(), from.data(), int_size(from.size())); });
    }
    attempt finish(Socket& socket) noexcept override {
        if (!SSL_is_init_finished(ssl_.get())) return {};
        // 0: close_notify has been sent, and has not been received yet. Both are for the reader to find.
        const attempt said = perform(socket, [&] { return SSL_shutdown(ssl_.get()) >= 0 ? 1 : -1; });
        return {0, said.ec, said.until};
    }

    static int int_size(std::size_t n) noexcept {
        return static_cast<int>(std::min<std::size_t>(n, std::numeric_limits<int>::max()));
    }

    template <class Call>
    attempt perform(Socket& socket, Call call) noexcept {
        if (failure_) return {0, failure_};  // OpenSSL must not be asked again
        socket_ = &socket;
        ERR_clear_error();
        const int result = call();
        if (result > 0) return {static_cast<std::size_t>(result)};
        switch (SSL_get_error(ssl_.get(), result)) {
            case SSL_ERROR_WANT_READ: return attempt::blocked(net::socket_base::wait_read);
            case SSL_ERROR_WANT_WRITE: return attempt::blocked(net::socket_base::wait_write);
            case SSL_ERROR_ZERO_RETURN: return {0, net::error::eof};
            default: failure_ = why(); return {0, failure_};
        }
    }

    error_code why() const noexcept {
        const auto code = ERR_get_error();
        const bool is_client = SSL_is_server(ssl_.get()) == 0;
        if (is_client && code != 0 && ERR_GET_REASON(code) == SSL_R_CERTIFICATE_VERIFY_FAILED) {
            return error::untrusted_server;
        }
        if (socket_error_ && socket_error_ != net::error::eof) return socket_error_;
        if (!socket_error_ && code != 0) return {static_cast<int>(code), net::error::get_ssl_category()};
        // An end without close_notify may be an attacker's. RFC 8446 §6.1
        return net::ssl::error::stream_truncated;
    }

    // ---- the socket, as OpenSSL sees it ----

    static const BIO_METHOD* socket_method() {
        using method_ptr = openssl_ptr<BIO_METHOD, &BIO_meth_free>;
        static const method_ptr method = [] {
            method_ptr made{BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "weir socket")};
            if (!made) raise(std::bad_alloc{});
            BIO_meth_set_read(made.get(), &on_read);
            BIO_meth_set_write(made.get(), &on_write);
            BIO_meth_set_ctrl(made.get(),
                              [](BIO*, int command, long, void*) { return command == BIO_CTRL_FLUSH ? 1L : 0L; });
            return made;
        }();
        return method.get();
    }

    static int on_read(BIO* bio, char* into, int size) {
        return pass(bio, BIO_FLAGS_READ, [&](Socket& socket, error_code& ec) {
            return socket.read_some(net::mutable_buffer{into, static_cast<std::size_t>(size)}, ec);
        });
    }
    static int on_write(BIO* bio, const char* from, int size) {
        return pass(bio, BIO_FLAGS_WRITE, [&](Socket& socket, error_code& ec) {
            return socket.write_some(net::const_buffer{from, static_cast<std::size_t>(size)}, ec);
        });
    }

    template <class Call>
    static int pass(BIO* bio, int direction, Call call) {
        auto& self = *static_cast<tls_layer*>(BIO_get_data(bio));
        BIO_clear_retry_flags(bio);
        error_code ec;
        const std::size_t n = call(*self.socket_, ec);
        if (!ec) return static_cast<int>(n);
        if (would_block(ec)) {
            BIO_set_flags(bio, direction | BIO_FLAGS_SHOULD_RETRY);
        } else {
            self.socket_error_ = ec;
        }
        return -1;
    }

    ssl_ptr ssl_;
    Socket* socket_ = nullptr;  // while OpenSSL is being called
    error_code socket_error_, failure_;
};

}  // namespace weir::detail

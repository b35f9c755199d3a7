// SPDX-License-Identifier: BSL-1.0
#pragma once

// https and wss for weir::server, with OpenSSL. Layer: public; an optional part. RFC 8446, RFC 5246, RFC 7301
//
// The one header that needs OpenSSL: CMake's weir::tls instead of weir::weir.

#include <weir/bytes.hpp>
#include <weir/config.hpp>
#include <weir/server/stream_layer.hpp>

#include WEIR_ASIO(buffer.hpp)
#include WEIR_ASIO(error.hpp)
#include WEIR_ASIO(ssl/context.hpp)
#include WEIR_ASIO(ssl/error.hpp)

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <cstddef>
#include <functional>
#include <limits>
#include <memory>
#include <new>
#include <string>
#include <string_view>
#include <utility>

namespace weir {

/// A server's certificate and key, in PEM form, each from a file or as text: one of the two.
///
///     app.listen({.port = 8443, .tls = weir::tls_options{.certificate_chain_file = "chain.pem",
///                                                        .private_key_file = "key.pem"}});
///
/// TLS 1.2 and 1.3, with forward secrecy and authenticated encryption only; no compression, no renegotiation, no early
/// data; sessions are resumed by tickets. Of ALPN's protocols http/1.1 is chosen, and a client that offers others only
/// is refused. Files are read when listen() is called, and not again.
struct tls_options {
    std::string certificate_chain_file{};  ///< the server's own certificate first
    std::string certificate_chain{};
    std::string private_key_file{};
    std::string private_key{};
    std::string private_key_password{};  ///< empty: the key is not encrypted
    /// Called last, for all that OpenSSL and Asio can do besides: client certificates, other certificates by name,
    /// other versions and ciphers. May set the certificate and the key itself.
    std::function<void(net::ssl::context&)> configure{};

    /// For listen_options::tls. Throws system_error if a certificate or a key cannot be read, or do not belong
    /// together, and what `configure` throws.
    operator std::shared_ptr<const detail::layer_factory>() const;
};

namespace detail {

/// TLS by OpenSSL, directly on the socket: nothing is buffered beside OpenSSL's own record, which is given back when it
/// is empty.
class tls_layer final : public stream_layer {
public:
    /// A server's side. Throws std::bad_alloc.
    explicit tls_layer(SSL_CTX* context) : ssl_(SSL_new(context)) {
        BIO* const bio = ssl_ ? BIO_new(socket_method()) : nullptr;
        if (bio == nullptr) throw std::bad_alloc{};
        BIO_set_data(bio, this);
        BIO_set_init(bio, 1);
        SSL_set_bio(ssl_.get(), bio, bio);
        // One record is one write, a write that would block may be repeated from another buffer, and what the kernel
        // has is read in one call.
        SSL_set_mode(ssl_.get(), SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
        SSL_set_mode(ssl_.get(), SSL_MODE_RELEASE_BUFFERS);
        SSL_set_read_ahead(ssl_.get(), 1);
        SSL_set_accept_state(ssl_.get());
    }

private:
    template <class T, auto Free>
    struct free_with {
        void operator()(T* p) const noexcept { Free(p); }
    };

    // The handshake is the first read's.
    attempt read(server_socket& socket, mutable_bytes_view into) noexcept override {
        return perform(socket, [&] { return SSL_read(ssl_.get(), into.data(), int_size(into.size())); });
    }
    attempt write(server_socket& socket, bytes_view from) noexcept override {
        return perform(socket, [&] { return SSL_write(ssl_.get(), from.data(), int_size(from.size())); });
    }
    attempt finish(server_socket& socket) noexcept override {
        if (!SSL_is_init_finished(ssl_.get())) return {};
        // 0: close_notify has been sent, and has not been received yet. Both are for the reader to find.
        const attempt said = perform(socket, [&] { return SSL_shutdown(ssl_.get()) >= 0 ? 1 : -1; });
        return {0, said.ec, said.until};
    }

    static int int_size(std::size_t n) noexcept {
        return static_cast<int>(std::min<std::size_t>(n, std::numeric_limits<int>::max()));
    }

    template <class Call>
    attempt perform(server_socket& socket, Call call) noexcept {
        if (failure_) return {0, failure_};  // OpenSSL must not be asked again
        socket_ = &socket;
        ERR_clear_error();
        const int result = call();
        if (result > 0) return {static_cast<std::size_t>(result)};
        switch (SSL_get_error(ssl_.get(), result)) {
            case SSL_ERROR_WANT_READ: return attempt::blocked(server_socket::wait_read);
            case SSL_ERROR_WANT_WRITE: return attempt::blocked(server_socket::wait_write);
            case SSL_ERROR_ZERO_RETURN: return {0, net::error::eof};
            default: failure_ = why(); return {0, failure_};
        }
    }

    // An end without close_notify may be an attacker's. RFC 8446 §6.1
    error_code why() const noexcept {
        if (socket_error_ && socket_error_ != net::error::eof) return socket_error_;
        if (const auto code = ERR_get_error(); !socket_error_ && code != 0) {
            return {static_cast<int>(code), net::error::get_ssl_category()};
        }
        return net::ssl::error::stream_truncated;
    }

    // ---- the socket, as OpenSSL sees it ----

    static const BIO_METHOD* socket_method() {
        using method_ptr = std::unique_ptr<BIO_METHOD, free_with<BIO_METHOD, &BIO_meth_free>>;
        static const method_ptr method = [] {
            method_ptr made{BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "weir socket")};
            if (!made) throw std::bad_alloc{};
            BIO_meth_set_read(made.get(), &on_read);
            BIO_meth_set_write(made.get(), &on_write);
            BIO_meth_set_ctrl(made.get(),
                              [](BIO*, int command, long, void*) { return command == BIO_CTRL_FLUSH ? 1L : 0L; });
            return made;
        }();
        return method.get();
    }

    static int on_read(BIO* bio, char* into, int size) {
        return pass(bio, BIO_FLAGS_READ, [&](server_socket& socket, error_code& ec) {
            return socket.read_some(net::mutable_buffer{into, static_cast<std::size_t>(size)}, ec);
        });
    }
    static int on_write(BIO* bio, const char* from, int size) {
        return pass(bio, BIO_FLAGS_WRITE, [&](server_socket& socket, error_code& ec) {
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

    std::unique_ptr<SSL, free_with<SSL, &SSL_free>> ssl_;
    server_socket* socket_ = nullptr;  // while OpenSSL is being called
    error_code socket_error_, failure_;
};

/// What the connections of one listener have in common.
class tls_layers final : public layer_factory {
public:
    explicit tls_layers(const tls_options& options) {
        set_defaults();
        load(options);
        if (options.configure) options.configure(context_);
        ERR_clear_error();
        if (SSL_CTX_check_private_key(context_.native_handle()) != 1) {
            throw system_error(last_error(), "weir: tls_options: certificate and private key");
        }
    }

    std::unique_ptr<stream_layer> make() const override {
        return std::make_unique<tls_layer>(const_cast<net::ssl::context&>(context_).native_handle());
    }

private:
    void set_defaults() {
        SSL_CTX* const native = context_.native_handle();
        context_.set_options(net::ssl::context::no_compression | SSL_OP_NO_RENEGOTIATION);
        SSL_CTX_set_min_proto_version(native, TLS1_2_VERSION);
        // Of TLS 1.2's, those that TLS 1.3 would allow, too. RFC 9325 §4.2
        SSL_CTX_set_cipher_list(native, "ECDHE+AESGCM:ECDHE+CHACHA20");
        SSL_CTX_set_session_cache_mode(native, SSL_SESS_CACHE_OFF);  // tickets keep nothing here
        static constexpr unsigned char name[] = {'w', 'e', 'i', 'r'};
        SSL_CTX_set_session_id_context(native, name, sizeof name);  // OpenSSL asks for one if clients have certificates
        SSL_CTX_set_alpn_select_cb(native, &choose_protocol, nullptr);
    }

    void load(const tls_options& options) {
        const auto check = [](const error_code& ec, const std::string& what) {
            if (ec) throw system_error(ec, "weir: tls_options: " + what);
        };
        error_code ec;
        // Always set: without, OpenSSL would ask at the terminal.
        context_.set_password_callback([password = options.private_key_password](auto...) { return password; });
        if (!options.certificate_chain_file.empty()) {
            context_.use_certificate_chain_file(options.certificate_chain_file, ec);
            check(ec, options.certificate_chain_file);
        }
        if (!options.certificate_chain.empty()) {
            context_.use_certificate_chain(net::buffer(options.certificate_chain), ec);
            check(ec, "certificate_chain");
        }
        if (!options.private_key_file.empty()) {
            context_.use_private_key_file(options.private_key_file, net::ssl::context::pem, ec);
            check(ec, options.private_key_file);
        }
        if (!options.private_key.empty()) {
            context_.use_private_key(net::buffer(options.private_key), net::ssl::context::pem, ec);
            check(ec, "private_key");
        }
    }

    static error_code last_error() { return {static_cast<int>(ERR_get_error()), net::error::get_ssl_category()}; }

    // "In the event that the server supports no protocols that the client advertises, then the server SHALL respond
    // with a fatal "no_application_protocol" alert." RFC 7301 §3.2
    static int choose_protocol(SSL*, const unsigned char** chosen, unsigned char* size, const unsigned char* offered,
                               unsigned offered_size, void*) {
        static constexpr std::string_view ours = "http/1.1";
        std::string_view left{reinterpret_cast<const char*>(offered), offered_size};
        while (!left.empty()) {
            const std::string_view name = left.substr(1, static_cast<unsigned char>(left.front()));
            if (name == ours) {
                *chosen = reinterpret_cast<const unsigned char*>(name.data());
                *size = static_cast<unsigned char>(name.size());
                return SSL_TLSEXT_ERR_OK;
            }
            left.remove_prefix(1 + name.size());
        }
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    }

    net::ssl::context context_{net::ssl::context::tls_server};
};

}  // namespace detail

inline tls_options::operator std::shared_ptr<const detail::layer_factory>() const {
    return std::make_shared<const detail::tls_layers>(*this);
}

}  // namespace weir

// SPDX-License-Identifier: BSL-1.0
#pragma once

// https and wss for weir::server and the clients, with OpenSSL. Layer: public; an optional part.
// RFC 8446, RFC 5246, RFC 7301, RFC 9525
//
// What needs OpenSSL is included by this header alone: CMake's weir::tls instead of weir::weir.

#include <weir/config.hpp>
#include <weir/error.hpp>
#include <weir/exceptions.hpp>
#include <weir/io/client_stream.hpp>
#include <weir/io/tls_layer.hpp>
#include <weir/server/stream_layer.hpp>

#include WEIR_ASIO(buffer.hpp)
#include WEIR_ASIO(error.hpp)
#include WEIR_ASIO(ip/address.hpp)
#include WEIR_ASIO(ip/tcp.hpp)
#include WEIR_ASIO(ssl/context.hpp)

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <functional>
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
    std::string certificate_chain{};       ///< the same, as text
    std::string private_key_file{};        ///< the key of that certificate
    std::string private_key{};             ///< the same, as text
    std::string private_key_password{};    ///< empty: the key is not encrypted
    /// Called last, for all that OpenSSL and Asio can do besides: client certificates, other certificates by name,
    /// other versions and ciphers. May set the certificate and the key itself.
    std::function<void(net::ssl::context&)> configure{};

    /// For listen_options::tls. Throws system_error if a certificate or a key cannot be read, or do not belong
    /// together, and what `configure` throws.
    operator std::shared_ptr<const detail::layer_factory>() const;
};

/// Whom a client trusts, and what it shows of itself.
///
///     weir::sse_client client{executor, "https://example.com/events", {.tls = weir::tls_client_options{}}};
///
/// A server has to have a certificate that leads to a trusted authority and names the URL's host, or the connection
/// ends with error::untrusted_server. TLS 1.2 and 1.3 as for servers; http/1.1 by ALPN. Files are read when this is
/// converted, and not again.
struct tls_client_options {
    // PEM form. With neither, the system's authorities are trusted; with one, those given and no others.
    std::string ca_file{};  ///< authorities, from a file
    std::string ca_text{};  ///< authorities, as text
    // The client's own, for servers that ask for it: each from a file or as text.
    std::string certificate_chain_file{};  ///< the client's certificate first
    std::string certificate_chain{};       ///< the same, as text
    std::string private_key_file{};        ///< the key of that certificate
    std::string private_key{};             ///< the same, as text
    std::string private_key_password{};    ///< empty: the key is not encrypted
    /// The name or address that the server is asked for and has to prove to be; empty: the URL's host.
    std::string server_name{};
    /// False: whoever answers is believed. For tests: it takes from TLS all protection against an attacker in between.
    bool verify = true;
    /// Called last, for all that OpenSSL and Asio can do besides.
    std::function<void(net::ssl::context&)> configure{};

    /// For a client's options. Throws system_error if a certificate or a key cannot be read, or do not belong together,
    /// and what `configure` throws.
    operator std::shared_ptr<const detail::client_layer_factory>() const;
};

namespace detail {

inline error_code last_tls_error() { return {static_cast<int>(ERR_get_error()), net::error::get_ssl_category()}; }

/// What both sides have in common: versions, ciphers, compression.
inline void set_tls_defaults(net::ssl::context& context) {
    context.set_options(net::ssl::context::no_compression | SSL_OP_NO_RENEGOTIATION);
    SSL_CTX_set_min_proto_version(context.native_handle(), TLS1_2_VERSION);
    // Of TLS 1.2's, those that TLS 1.3 would allow, too. RFC 9325 §4.2
    SSL_CTX_set_cipher_list(context.native_handle(), "ECDHE+AESGCM:ECDHE+CHACHA20");
}

/// Loads things of one kind of options, whose name errors begin with.
class tls_loader {
public:
    tls_loader(net::ssl::context& context, const char* whose) : context_(context), whose_(whose) {}

    /// The certificate and the key.
    template <class Options>
    void load_identity(const Options& options) {
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

    void check_identity() {
        ERR_clear_error();
        if (SSL_CTX_check_private_key(context_.native_handle()) == 1) return;
        check(last_tls_error(), "certificate and private key");
    }

    void load_authorities(const tls_client_options& options) {
        error_code ec;
        if (!options.ca_file.empty()) {
            context_.load_verify_file(options.ca_file, ec);
            check(ec, options.ca_file);
        }
        if (!options.ca_text.empty()) {
            context_.add_certificate_authority(net::buffer(options.ca_text), ec);
            X509_STORE* const store = SSL_CTX_get_cert_store(context_.native_handle());
            if (!ec && sk_X509_OBJECT_num(X509_STORE_get0_objects(store)) == 0) ec = error::bad_argument;
            check(ec, "ca_text");
        }
        if (options.ca_file.empty() && options.ca_text.empty()) {
            context_.set_default_verify_paths(ec);
            check(ec, "the system's authorities");
        }
    }

private:
    void check(const error_code& ec, const std::string& what) const {
        if (ec) raise(system_error(ec, std::string{"weir: "} + whose_ + ": " + what));
    }

    net::ssl::context& context_;
    const char* whose_;
};

/// What the connections of one listener have in common.
class tls_layers final : public layer_factory {
public:
    explicit tls_layers(const tls_options& options) {
        set_defaults();
        tls_loader loader{context_, "tls_options"};
        loader.load_identity(options);
        if (options.configure) options.configure(context_);
        loader.check_identity();
    }

    std::unique_ptr<stream_layer> make() const override {
        ssl_ptr ssl{SSL_new(const_cast<net::ssl::context&>(context_).native_handle())};
        if (ssl) SSL_set_accept_state(ssl.get());
        return std::make_unique<tls_layer<server_socket>>(std::move(ssl));
    }

private:
    void set_defaults() {
        SSL_CTX* const native = context_.native_handle();
        set_tls_defaults(context_);
        SSL_CTX_set_session_cache_mode(native, SSL_SESS_CACHE_OFF);  // tickets keep nothing here
        static constexpr unsigned char name[] = {'w', 'e', 'i', 'r'};
        SSL_CTX_set_session_id_context(native, name, sizeof name);  // OpenSSL asks for one if clients have certificates
        SSL_CTX_set_alpn_select_cb(native, &choose_protocol, nullptr);
    }

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

/// What the connections of one client have in common.
class tls_client_layers final : public client_layer_factory {
public:
    explicit tls_client_layers(const tls_client_options& options) : server_name_(options.server_name) {
        set_tls_defaults(context_);
        static constexpr unsigned char protocols[] = {8, 'h', 't', 't', 'p', '/', '1', '.', '1'};
        SSL_CTX_set_alpn_protos(context_.native_handle(), protocols, sizeof protocols);
        context_.set_verify_mode(options.verify ? net::ssl::verify_peer : net::ssl::verify_none);
        tls_loader loader{context_, "tls_client_options"};
        if (options.verify) loader.load_authorities(options);
        loader.load_identity(options);
        if (options.configure) options.configure(context_);
        if (SSL_CTX_get0_certificate(context_.native_handle()) != nullptr) loader.check_identity();
        ERR_clear_error();
    }

    std::unique_ptr<client_layer> make(const std::string& host) const override {
        ssl_ptr ssl{SSL_new(const_cast<net::ssl::context&>(context_).native_handle())};
        if (!ssl) raise(std::bad_alloc{});
        SSL_set_connect_state(ssl.get());
        expect(ssl.get(), server_name_.empty() ? host : server_name_);
        return std::make_unique<tls_layer<net::ip::tcp::socket>>(std::move(ssl));
    }

private:
    // "Literal IPv4 and IPv6 addresses are not permitted in "HostName"", whose name is "without a trailing dot".
    // RFC 6066 §3
    static void expect(SSL* ssl, std::string name) {
        if (name.ends_with('.')) name.pop_back();
        error_code no_address;
        static_cast<void>(net::ip::make_address(name, no_address));
        X509_VERIFY_PARAM* const wanted = SSL_get0_param(ssl);
        // A name in the subject does not count, and "the wildcard character appears only as the complete content of the
        // left-most label". RFC 9525 §6.3
        X509_VERIFY_PARAM_set_hostflags(wanted,
                                        X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
        const auto set = [&] {
            if (!no_address) return X509_VERIFY_PARAM_set1_ip_asc(wanted, name.c_str()) == 1;
            if (name.empty()) return false;  // it would mean any name
            // SSL_set_tlsext_host_name() without the macro's cast, which users' compilers would warn of.
            return X509_VERIFY_PARAM_set1_host(wanted, name.data(), name.size()) == 1 &&
                   SSL_ctrl(ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name, name.data()) == 1;
        };
        if (!set()) raise(system_error(make_error_code(error::bad_argument), "weir: no name for TLS: " + name));
    }

    net::ssl::context context_{net::ssl::context::tls_client};
    std::string server_name_;
};

}  // namespace detail

inline tls_options::operator std::shared_ptr<const detail::layer_factory>() const {
    return std::make_shared<const detail::tls_layers>(*this);
}

inline tls_client_options::operator std::shared_ptr<const detail::client_layer_factory>() const {
    return std::make_shared<const detail::tls_client_layers>(*this);
}

}  // namespace weir

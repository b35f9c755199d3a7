// SPDX-License-Identifier: BSL-1.0

// The client's side of TLS: whom it believes, and whom it does not.

#include <weir/tls.hpp>

#include <weir/io/client_connection.hpp>
#include <weir/server.hpp>

#include "catch.hpp"

#include WEIR_ASIO(co_spawn.hpp)
#include WEIR_ASIO(io_context.hpp)
#include WEIR_ASIO(redirect_error.hpp)
#include WEIR_ASIO(use_awaitable.hpp)
#include WEIR_ASIO(write.hpp)

#include <chrono>
#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include "support/certificate.hpp"
#include "support/folder.hpp"
#include "support/running_server.hpp"

namespace {

using test::certificate;
using weir::error;
using weir::error_code;
using weir::request;
using weir::response;
using weir::tls_client_options;
using weir::detail::client_stream;
namespace http = weir::http;
namespace net = weir::net;
namespace ssl = net::ssl;

const certificate& authority() {
    static const certificate one{{.subject = "the test's authority", .names = {}, .authority = true}};
    return one;
}

/// A certificate of the authority's for those names.
certificate issued(std::string names, bool expired = false) {
    return certificate{{.subject = "localhost", .names = std::move(names), .expired = expired}, &authority()};
}

weir::tls_options options_of(const certificate& of) {
    return {.certificate_chain = of.text(), .private_key = of.key()};
}

/// What the client of one connection said in its hello.
struct seen {
    std::mutex mutex;
    std::string server_name = "nothing yet", protocols;

    void look_at(ssl::context& context) {
        SSL_CTX_set_tlsext_servername_callback(context.native_handle(), &on_name);
        SSL_CTX_set_tlsext_servername_arg(context.native_handle(), this);
        SSL_CTX_set_alpn_select_cb(context.native_handle(), &on_protocols, this);
    }
    std::string name() {
        const std::lock_guard lock{mutex};
        return server_name;
    }

private:
    static int on_name(SSL* ssl, int*, void* self) {
        auto& to = *static_cast<seen*>(self);
        const std::lock_guard lock{to.mutex};
        const char* const name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
        to.server_name = name != nullptr ? name : "none";
        return SSL_TLSEXT_ERR_OK;
    }
    static int on_protocols(SSL*, const unsigned char**, unsigned char*, const unsigned char* offered, unsigned size,
                            void* self) {
        auto& to = *static_cast<seen*>(self);
        const std::lock_guard lock{to.mutex};
        to.protocols.assign(reinterpret_cast<const char*>(offered), size);
        return SSL_TLSEXT_ERR_NOACK;
    }
};

struct https_server : test::running_server {
    std::uint16_t tls_port = 0;

    explicit https_server(const weir::tls_options& options) {
        app().get("/hello", [](const request&) { return response{.body = "hi"}; });
        app().post("/echo", [](const request& r) { return response{.body = std::string{r.body()}}; });
        tls_port = app().listen({.port = 0, .tls = options});
        running_server::start();
    }
    explicit https_server(const certificate& of) : https_server(options_of(of)) {}

    std::string url(const std::string& host) const { return "https://" + host + ':' + std::to_string(tls_port); }
};

/// The end of one connection, and what was received before it.
struct outcome {
    error_code ec;
    std::string text;

    bool is_answer() const { return text.starts_with("HTTP/1.1 200 ") && text.ends_with("hi"); }
};

const std::string request_hello = "GET /hello HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

net::awaitable<error_code> exchange(client_stream& stream, const http::url& url,
                                    const weir::detail::connection_options& options, const std::string& request_text,
                                    std::string& answer) {
    error_code ec = co_await weir::detail::connect_to(stream, url, options);
    if (ec) co_return ec;
    auto token = net::redirect_error(net::use_awaitable, ec);
    co_await net::async_write(stream, net::buffer(request_text), token);
    while (!ec) ec = co_await weir::detail::read_more(stream, answer);
    co_return ec;
}

outcome fetch(const std::string& url_text, const tls_client_options& tls,
              const std::string& request_text = request_hello) {
    net::io_context context;
    client_stream stream{context.get_executor()};
    const auto url = http::parse_url(url_text);
    if (!url) throw std::invalid_argument(url_text);
    const weir::detail::connection_options options{.tls = tls, .proxy = {}};
    outcome result;
    net::co_spawn(context, exchange(stream, *url, options, request_text, result.text),
                  [&](const std::exception_ptr& thrown, error_code ec) {
                      result.ec = thrown ? weir::detail::code_of(thrown) : ec;
                  });
    context.run_for(test::patience);
    if (!context.stopped()) throw std::runtime_error("nothing happened in time");
    return result;
}

tls_client_options trusting(const certificate& one) { return {.ca_text = one.text()}; }

}  // namespace

TEST_CASE("tls client: a server that the authority has vouched for is believed", "[tls][tls_client]") {
    const https_server server{issued("DNS:localhost,IP:127.0.0.1")};
    const outcome told = fetch(server.url("localhost"), trusting(authority()));
    CHECK(told.is_answer());
    CHECK(told.ec == net::error::eof);  // in order, within TLS
    CHECK(fetch(server.url("127.0.0.1"), trusting(authority())).is_answer());

    const test::folder files;
    files.write("ca.pem", authority().text());
    CHECK(fetch(server.url("localhost"), {.ca_file = (files.path() / "ca.pem").string()}).is_answer());
}

TEST_CASE("tls client: nobody is believed whom no trusted authority has vouched for", "[tls][tls_client]") {
    const https_server server{issued("DNS:localhost,IP:127.0.0.1")};
    const certificate other{{.subject = "another authority", .names = {}, .authority = true}};
    CHECK(fetch(server.url("localhost"), {}).ec == error::untrusted_server);  // the system does not know it
    const outcome refused = fetch(server.url("localhost"), trusting(other));
    CHECK(refused.ec == error::untrusted_server);
    CHECK(refused.text.empty());
    CHECK(refused.ec == weir::condition::refused);
}

TEST_CASE("tls client: a certificate signed by itself is believed by those who have it", "[tls][tls_client]") {
    const https_server server{test::any_certificate()};
    CHECK(fetch(server.url("localhost"), {}).ec == error::untrusted_server);
    CHECK(fetch(server.url("localhost"), trusting(test::any_certificate())).is_answer());
}

TEST_CASE("tls client: an expired certificate is refused", "[tls][tls_client]") {
    const https_server server{issued("DNS:localhost", true)};
    CHECK(fetch(server.url("localhost"), trusting(authority())).ec == error::untrusted_server);
}

TEST_CASE("RFC 9525 6: a certificate for another name, or another address, is refused", "[tls][tls_client]") {
    const auto check = [](const std::string& names, const std::string& host, bool trusted) {
        INFO(names << ' ' << host);
        const https_server server{issued(names)};
        tls_client_options options = trusting(authority());
        options.server_name = host;
        const outcome told = fetch(server.url("127.0.0.1"), options);
        CHECK(told.is_answer() == trusted);
        if (!trusted) CHECK(told.ec == error::untrusted_server);
    };
    check("DNS:example.com", "example.com", true);
    check("DNS:Example.COM", "example.com", true);
    check("DNS:example.org", "example.com", false);
    check("DNS:example.com", "sub.example.com", false);
    check("DNS:sub.example.com", "example.com", false);
    // "the wildcard character appears only as the complete content of the left-most label"
    check("DNS:*.example.com", "sub.example.com", true);
    check("DNS:*.example.com", "a.sub.example.com", false);
    check("DNS:*.example.com", "example.com", false);
    check("DNS:s*.example.com", "sub.example.com", false);
    // An address is not a name, and a name not an address.
    check("IP:127.0.0.1", "127.0.0.1", true);
    check("IP:0:0:0:0:0:0:0:1", "::1", true);
    check("IP:127.0.0.2", "127.0.0.1", false);
    check("DNS:127.0.0.1", "127.0.0.1", false);
    check("DNS:localhost", "127.0.0.1", false);
    // The subject, which is localhost, counts no more.
    check("", "localhost", false);
    check("DNS:example.com", "localhost", false);
}

TEST_CASE("RFC 6066 3: the server is told the name that is asked for, but no address", "[tls][tls_client]") {
    seen hello;
    weir::tls_options options = options_of(test::any_certificate());
    options.configure = [&](ssl::context& context) { hello.look_at(context); };
    const https_server server{options};
    tls_client_options client = trusting(test::any_certificate());
    CHECK(fetch(server.url("localhost"), client).is_answer());
    CHECK(hello.name() == "localhost");
    CHECK(fetch(server.url("127.0.0.1"), client).is_answer());
    CHECK(hello.name() == "none");
    client.server_name = "localhost.";
    CHECK(fetch(server.url("127.0.0.1"), client).is_answer());
    CHECK(hello.name() == "localhost");
    client.server_name = "api.example.com";
    CHECK(fetch(server.url("127.0.0.1"), client).ec == error::untrusted_server);
    CHECK(hello.name() == "api.example.com");
    client.verify = false;
    CHECK(fetch(server.url("127.0.0.1"), client).is_answer());
}

TEST_CASE("RFC 7301 3.1: http/1.1 is what the client offers", "[tls][tls_client]") {
    seen hello;
    weir::tls_options options = options_of(test::any_certificate());
    options.configure = [&](ssl::context& context) { hello.look_at(context); };
    {
        const https_server server{options};
        CHECK(fetch(server.url("localhost"), trusting(test::any_certificate())).is_answer());
    }
    CHECK(hello.protocols == "\x08http/1.1");
}

TEST_CASE("tls client: without verification anyone is believed, and told so in the options", "[tls][tls_client]") {
    const https_server server{issued("DNS:example.com", true)};
    CHECK(fetch(server.url("localhost"), {.verify = false}).is_answer());
}

TEST_CASE("RFC 8996: a server of versions before TLS 1.2 is refused", "[tls][tls_client]") {
    weir::tls_options options = options_of(test::any_certificate());
    options.configure = [](ssl::context& context) {
        SSL_CTX_set_min_proto_version(context.native_handle(), TLS1_VERSION);
        SSL_CTX_set_max_proto_version(context.native_handle(), TLS1_1_VERSION);
        SSL_CTX_set_cipher_list(context.native_handle(), "ALL:@SECLEVEL=0");
    };
    const https_server server{options};
    const outcome told = fetch(server.url("localhost"), trusting(test::any_certificate()));
    CHECK(told.ec);
    CHECK(told.ec != error::untrusted_server);
    CHECK(told.text.empty());
}

TEST_CASE("tls client: a server that asks who the client is gets its certificate", "[tls][tls_client]") {
    const certificate client{{.subject = "a client", .names = {}}, &authority()};
    weir::tls_options options = options_of(issued("DNS:localhost"));
    options.configure = [](ssl::context& context) {
        context.add_certificate_authority(net::buffer(authority().text()));
        context.set_verify_mode(ssl::verify_peer | ssl::verify_fail_if_no_peer_cert);
    };
    const https_server server{options};
    CHECK_FALSE(fetch(server.url("localhost"), trusting(authority())).is_answer());

    tls_client_options with_certificate = trusting(authority());
    with_certificate.certificate_chain = client.text();
    with_certificate.private_key = client.key("secret");
    with_certificate.private_key_password = "secret";
    CHECK(fetch(server.url("localhost"), with_certificate).is_answer());
}

TEST_CASE("tls client: much data goes both ways", "[tls][tls_client]") {
    const https_server server{issued("DNS:localhost")};
    const std::string large(900'000, 'x');
    const outcome told =
        fetch(server.url("localhost"), trusting(authority()),
              "POST /echo HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 900000\r\n\r\n" + large);
    CHECK(told.text.starts_with("HTTP/1.1 200 "));
    CHECK(told.text.ends_with("\r\n\r\n" + large));
}

TEST_CASE("tls client: options that cannot be used throw, and say what it was", "[tls][tls_client]") {
    using made = std::shared_ptr<const weir::detail::client_layer_factory>;
    const auto check = [](const tls_client_options& options, const std::string& expected) {
        std::string said;
        try {
            static_cast<void>(made{options});
        } catch (const weir::system_error& failure) {
            said = failure.what();
        }
        INFO(said);
        CHECK(said.find("tls_client_options: " + expected) != std::string::npos);
    };
    check({.ca_file = "/nothing/here.pem"}, "/nothing/here.pem");
    check({.ca_text = "no certificate"}, "ca_text");
    check({.certificate_chain = "no certificate"}, "certificate_chain");
    check({.certificate_chain = authority().text(), .private_key = "no key"}, "private_key");
    check({.certificate_chain = authority().text(), .private_key = test::any_certificate().key()}, "private_key");
    const made throwing{tls_client_options{.configure = [](ssl::context&) {}}};
    CHECK_THROWS_AS(made{tls_client_options{.configure = [](ssl::context&) { throw std::runtime_error("mine"); }}},
                    std::runtime_error);
    // A name that no certificate can have is one that nobody can prove.
    CHECK_THROWS_AS(throwing->make(""), weir::system_error);
    CHECK_THROWS_AS(throwing->make("."), weir::system_error);
    CHECK_THROWS_AS(throwing->make(std::string(300, 'x')), weir::system_error);
}

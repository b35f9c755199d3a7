// SPDX-License-Identifier: BSL-1.0
#include <weir/io/tls_layer.hpp>

#include "catch.hpp"

#include WEIR_ASIO(io_context.hpp)
#include WEIR_ASIO(ip/tcp.hpp)
#include WEIR_ASIO(ssl/context.hpp)
#include WEIR_ASIO(write.hpp)

#include <array>
#include <cstddef>
#include <memory>
#include <span>
#include <string_view>
#include <utility>

#include "support/certificate.hpp"

// What clients and servers make of it is in tests/tls.cpp and tests/tls_client.cpp.

namespace {

using weir::as_bytes;
using weir::as_text;
using weir::error_code;
using weir::detail::attempt;
using weir::detail::ssl_ptr;
using weir::detail::tls_layer;
namespace net = weir::net;
namespace ssl = net::ssl;
using net::ip::tcp;

/// Two layers on the ends of one connection, nobody waiting for anybody.
struct fixture {
    net::io_context context;
    tcp::socket client{context}, server{context};
    ssl::context client_context{ssl::context::tls_client}, server_context{ssl::context::tls_server};
    std::unique_ptr<tls_layer<tcp::socket>> client_layer, server_layer;
    std::array<std::byte, 100> buffer{};

    fixture() {
        tcp::acceptor acceptor{context, {net::ip::address_v4::loopback(), 0}};
        client.connect(acceptor.local_endpoint());
        acceptor.accept(server);
        client.non_blocking(true);
        server.non_blocking(true);
        server_context.use_certificate_chain(net::buffer(test::any_certificate().text()));
        server_context.use_private_key(net::buffer(test::any_certificate().key()), ssl::context::pem);
    }
    void make_layers() {
        ssl_ptr one{SSL_new(client_context.native_handle())}, other{SSL_new(server_context.native_handle())};
        SSL_set_connect_state(one.get());
        SSL_set_accept_state(other.get());
        client_layer = std::make_unique<tls_layer<tcp::socket>>(std::move(one));
        server_layer = std::make_unique<tls_layer<tcp::socket>>(std::move(other));
    }
    /// Until the client's side is done or has failed; then the server's.
    std::pair<error_code, error_code> shake_hands() {
        attempt mine = attempt::blocked(tcp::socket::wait_read), theirs = mine;
        while (mine.is_blocked()) {
            mine = client_layer->try_open(client);
            if (theirs.is_blocked()) theirs = server_layer->try_open(server);
        }
        while (theirs.is_blocked()) theirs = server_layer->try_open(server);
        return {mine.ec, theirs.ec};
    }
    attempt read(tls_layer<tcp::socket>& layer, tcp::socket& socket) {
        attempt done = attempt::blocked(tcp::socket::wait_read);
        while (done.is_blocked()) done = layer.try_read(socket, buffer);
        return done;
    }
};

}  // namespace

TEST_CASE_METHOD(fixture, "tls layer: hands are shaken before the first byte, then bytes go both ways",
                 "[io][tls_layer]") {
    make_layers();
    CHECK(client_layer->try_open(client).is_blocked());
    CHECK(shake_hands() == std::pair{error_code{}, error_code{}});
    CHECK(client_layer->try_open(client).bytes == 0);  // done already
    CHECK(client_layer->try_write(client, as_bytes("hello")).bytes == 5);
    CHECK(as_text(std::span{buffer}.first(read(*server_layer, server).bytes)) == "hello");
    CHECK(server_layer->try_write(server, as_bytes("hi")).bytes == 2);
    CHECK(as_text(std::span{buffer}.first(read(*client_layer, client).bytes)) == "hi");

    CHECK_FALSE(client_layer->try_finish(client).ec);
    CHECK(read(*server_layer, server).ec == net::error::eof);
    CHECK(server_layer->peer_finished());
}

TEST_CASE_METHOD(fixture, "tls layer: a server without trust is told from all other failures", "[io][tls_layer]") {
    client_context.set_verify_mode(ssl::verify_peer);
    make_layers();
    const auto [mine, theirs] = shake_hands();
    CHECK(mine == weir::error::untrusted_server);
    CHECK(theirs.category() == net::error::get_ssl_category());                                 // the alert
    CHECK(client_layer->try_write(client, as_bytes("x")).ec == weir::error::untrusted_server);  // for good
}

TEST_CASE_METHOD(fixture, "tls layer: a client without trust is not the server's being untrusted", "[io][tls_layer]") {
    server_context.set_verify_mode(ssl::verify_peer | ssl::verify_fail_if_no_peer_cert);
    client_context.use_certificate_chain(net::buffer(test::any_certificate().text()));
    client_context.use_private_key(net::buffer(test::any_certificate().key()), ssl::context::pem);
    make_layers();
    CHECK(shake_hands().second.category() == net::error::get_ssl_category());
}

TEST_CASE_METHOD(fixture, "RFC 8446 6.1: an end without a goodbye is a truncation, also within the handshake",
                 "[io][tls_layer]") {
    make_layers();
    const bool within = GENERATE(true, false);
    if (within) {
        CHECK(client_layer->try_open(client).is_blocked());
    } else {
        shake_hands();
    }
    server.close();
    const error_code ec = within ? client_layer->try_open(client).ec : read(*client_layer, client).ec;
    CHECK(ec == weir::condition::closed);
}

TEST_CASE_METHOD(fixture, "tls layer: who speaks no TLS is found out", "[io][tls_layer]") {
    make_layers();
    CHECK(client_layer->try_open(client).is_blocked());
    net::write(server, net::buffer(std::string_view{"HTTP/1.1 400 Bad Request\r\n\r\n"}));
    const attempt done = read(*client_layer, client);
    CHECK(done.ec.category() == net::error::get_ssl_category());
}

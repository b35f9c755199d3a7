// SPDX-License-Identifier: BSL-1.0

#include <weir/adapt/beast.hpp>

#include <weir/sse_stream.hpp>
#include <weir/ws_stream.hpp>

#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/basic_stream.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/flat_static_buffer.hpp>
#include <boost/beast/core/ostream.hpp>
#include <boost/beast/core/rate_policy.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/ssl/ssl_stream.hpp>

#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "catch.hpp"
#include "support/certificate.hpp"

namespace {

namespace net = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using namespace std::chrono_literals;
using net::ip::tcp;
using weir::http::version;

template <class Body = http::string_body>
http::request<Body> parse(std::string_view text) {
    http::request_parser<Body> parser;
    parser.eager(true);
    beast::error_code ec;
    parser.put(net::buffer(text), ec);
    REQUIRE_FALSE(ec);
    return parser.release();
}

TEST_CASE("beast: a request is viewed, not copied", "[adapt]") {
    const auto req = parse(
        "GET /events?count=3 HTTP/1.1\r\nHost: example\r\nAccept: a\r\nX:  b \r\nAccept: c\r\nLast-Event-ID: "
        "7\r\n\r\n");
    const auto request = weir::adapt::request(req);
    CHECK(request.method == "GET");
    CHECK(request.target.data() == req.target().data());
    CHECK(request.version == version::http_1_1);
    CHECK(request.authority() == "example");
    CHECK(request.fields.size() == 5);
    CHECK(request.fields.count("accept") == 2);
    CHECK(request.fields.find("x") == "b");
    CHECK(request.fields.find("last-event-id")->data() == req["Last-Event-ID"].data());
}

TEST_CASE("beast: HTTP/1.0, no fields, and methods that Beast does not know", "[adapt]") {
    const auto old = parse<http::empty_body>("BREW /pot HTTP/1.0\r\n\r\n");
    const auto request = weir::adapt::request(old);
    CHECK(request.method == "BREW");
    CHECK(request.target == "/pot");
    CHECK(request.version == version::http_1_0);
    CHECK(request.fields.empty());
    const http::request<http::empty_body> empty;
    CHECK(weir::adapt::request(empty).target.empty());
}

TEST_CASE("beast: what a buffer has", "[adapt]") {
    beast::flat_buffer buffer;
    CHECK(weir::adapt::received(buffer).empty());
    beast::ostream(buffer) << "behind";
    CHECK(weir::adapt::received(buffer) == "behind");
    beast::flat_static_buffer<16> fixed;
    beast::ostream(fixed) << "fixed";
    CHECK(weir::adapt::received(fixed) == "fixed");
}

/// A connection whose far end is a plain socket.
struct connection {
    net::io_context context;
    tcp::socket peer{context};
    beast::tcp_stream stream{context};

    connection() {
        tcp::acceptor acceptor{context, {net::ip::address_v4::loopback(), 0}};
        peer.connect(acceptor.local_endpoint());
        acceptor.accept(stream.socket());
    }
    void pass(std::chrono::milliseconds time) {
        net::steady_timer timer{context, time};
        bool over = false;
        timer.async_wait([&](beast::error_code) { over = true; });
        while (!over) context.run_one();
    }
    std::string read_until(std::string_view marker) {
        std::string text;
        peer.non_blocking(true);
        while (text.find(marker) == text.npos) {
            char piece[512];
            beast::error_code ec;
            const std::size_t n = peer.read_some(net::buffer(piece), ec);
            text.append(piece, ec ? 0 : n);
            if (ec && ec != net::error::would_block) return text + "(" + ec.message() + ")";
            context.restart();
            context.run_one_for(10ms);
        }
        return text;
    }
};

TEST_CASE("beast: a session has the socket of a tcp_stream, without the timeout", "[adapt]") {
    connection c;
    const auto native = c.stream.socket().native_handle();
    c.stream.expires_after(1ms);
    weir::sse_stream out{std::move(c.stream), weir::comment_every{15s}};
    STATIC_REQUIRE(std::is_same_v<decltype(out), weir::sse_stream<beast::tcp_stream, weir::comment_every>>);
    STATIC_REQUIRE(std::is_same_v<decltype(out.stream()), tcp::socket&>);
    STATIC_REQUIRE(std::is_base_of_v<weir::transport<tcp::socket>, weir::transport<beast::tcp_stream>>);
    CHECK(out.stream().native_handle() == native);
    const auto req = parse("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    REQUIRE(out.accept(weir::adapt::request(req)) == weir::error::none);
    c.pass(2ms);  // timers are due in order
    CHECK(out.is_open());
    out.send({.id = "1", .data = "late"});
    CHECK(c.read_until("data: late\n").starts_with("HTTP/1.1 200 OK\r\n"));
}

TEST_CASE("beast: a stream that limits its rate is used as it is", "[adapt]") {
    using limited = beast::basic_stream<tcp, net::any_io_executor, beast::simple_rate_policy>;
    connection c;
    limited stream{std::move(c.stream.socket())};
    stream.expires_after(1ms);
    weir::sse_stream out{std::move(stream)};
    STATIC_REQUIRE(std::is_same_v<decltype(out.stream()), limited&>);
    const auto req = parse("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    REQUIRE(out.accept(weir::adapt::request(req)) == weir::error::none);
    out.send({.id = "1", .data = "limited"});
    CHECK(c.read_until("data: limited\n").starts_with("HTTP/1.1 200 OK\r\n"));
    out.close();
    CHECK(c.read_until("never").ends_with("(End of file)"));
}

TEST_CASE("beast: an ssl_stream is used as it is, without the timeout below", "[adapt]") {
    connection c;
    const test::certificate certificate;
    net::ssl::context tls{net::ssl::context::tls};
    tls.use_certificate_chain(net::buffer(certificate.text()));
    tls.use_private_key(net::buffer(certificate.key()), net::ssl::context::pem);
    beast::ssl_stream<beast::tcp_stream> stream{std::move(c.stream), tls};
    net::ssl::stream<tcp::socket&> client{c.peer, tls};
    int shaken = 0;
    beast::get_lowest_layer(stream).expires_after(1min);
    stream.async_handshake(net::ssl::stream_base::server, [&](beast::error_code ec) { shaken += !ec; });
    client.async_handshake(net::ssl::stream_base::client, [&](beast::error_code ec) { shaken += !ec; });
    while (shaken != 2) c.context.run_one();
    beast::get_lowest_layer(stream).expires_after(1ms);

    weir::sse_stream out{std::move(stream)};
    const auto req = parse("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    REQUIRE(out.accept(weir::adapt::request(req)) == weir::error::none);
    c.pass(2ms);  // timers are due in order
    CHECK(out.is_open());
    out.send({.id = "1", .data = "secret"});
    out.close();
    std::string received;
    beast::error_code end;
    bool read = false;
    net::async_read(client, net::dynamic_buffer(received), [&](beast::error_code ec, std::size_t) {
        end = ec;
        read = true;
    });
    while (!read) c.context.run_one();
    CHECK(received.find("data: secret\n") != std::string::npos);
    CHECK(end == net::error::eof);  // said within TLS
}

TEST_CASE("beast: a WebSocket goes on with what the buffer has", "[adapt]") {
    connection c;
    const std::string head =
        "GET /echo HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    const std::string frame{"\x81\x82\0\0\0\0hi", 8};  // text, masked with zeroes
    net::write(c.peer, net::buffer(head + frame));
    beast::flat_buffer buffer;
    http::request<http::empty_body> req;
    http::read(c.stream, buffer, req);
    CHECK(weir::adapt::received(buffer) == frame);
    weir::ws_stream ws{std::move(c.stream)};
    ws.on_message([&](weir::ws_message message) { ws.send(message); });
    REQUIRE(ws.accept(weir::adapt::request(req), {}, weir::adapt::received(buffer)) == weir::error::none);
    CHECK(c.read_until("\x81\x02hi").starts_with("HTTP/1.1 101 "));
}

}  // namespace

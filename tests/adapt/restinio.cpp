// SPDX-License-Identifier: BSL-1.0

#include <weir/adapt/restinio.hpp>

#include <weir/sse_stream.hpp>
#include <weir/ws_stream.hpp>

#include <asio.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <typeinfo>
#include <utility>

#include "catch.hpp"

namespace {

using asio::ip::tcp;
using weir::http::version;

/// A server that asks `handle` about every request, and one client of it. What `handle` makes of the connection is to
/// be destroyed first.
template <class Traits>
struct server_and_client {
    asio::io_context context;
    std::uint16_t port = 0;
    std::function<restinio::request_handling_status_t(const restinio::request_handle_t&)> handle;
    restinio::http_server_t<Traits> server;
    tcp::socket client{context};

    server_and_client()
        : server{restinio::external_io_context(context), [this](auto& settings) {
                     settings.address("127.0.0.1").port(0);
                     settings.request_handler([this](const auto& req) { return handle(req); });
                     settings.acceptor_post_bind_hook(
                         [this](tcp::acceptor& acceptor) { port = acceptor.local_endpoint().port(); });
                 }} {
        server.open_async([] {}, [](std::exception_ptr failure) { std::rethrow_exception(failure); });
        while (port == 0) context.run_one();
        client.connect({asio::ip::address_v4::loopback(), port});
        client.non_blocking(true);
    }

    void send(const std::string& text) { asio::write(client, asio::buffer(text)); }
    /// Everything up to the marker, or to the end.
    std::string read_until(std::string_view marker) {
        std::string text;
        while (text.find(marker) == text.npos) {
            char piece[512];
            std::error_code ec;
            const std::size_t n = client.read_some(asio::buffer(piece), ec);
            text.append(piece, ec ? 0 : n);
            if (ec && ec != asio::error::would_block) return text + "(" + ec.message() + ")";
            context.run_one_for(std::chrono::milliseconds{10});
        }
        return text;
    }
};

using one_thread = restinio::default_single_thread_traits_t;
using several_threads = restinio::default_traits_t;

TEST_CASE("restinio: a request is viewed, not copied", "[adapt]") {
    bool seen = false;
    server_and_client<one_thread> both;
    both.handle = [&](const restinio::request_handle_t& req) {
        const auto request = weir::adapt::request(*req);
        CHECK(request.method == "GET");
        CHECK(request.target == "/events?count=3");
        CHECK(request.target.data() == req->header().request_target().data());
        CHECK(request.version == version::http_1_1);
        CHECK(request.authority() == "example");
        CHECK(request.fields.size() == 5);
        CHECK(request.fields.count("accept") == 2);
        CHECK(request.fields.find("x") == "b");
        CHECK(request.fields.find("Empty") == "");
        seen = true;
        return req->create_response().done();
    };
    both.send("GET /events?count=3 HTTP/1.1\r\nHost: example\r\nAccept: a\r\nX:  b \r\nAccept: c\r\nEmpty:\r\n\r\n");
    CHECK(both.read_until("\r\n\r\n").starts_with("HTTP/1.1 200 OK\r\n"));
    CHECK(seen);
}

TEST_CASE("restinio: who does not want the connection kept is answered as HTTP/1.0 is", "[adapt]") {
    const auto version_of = [](const std::string& request) {
        version seen{};
        server_and_client<one_thread> both;
        both.handle = [&](const restinio::request_handle_t& req) {
            seen = weir::adapt::request(*req).version;
            return req->create_response().done();
        };
        both.send(request);
        both.read_until("\r\n\r\n");
        return seen;
    };
    CHECK(version_of("GET / HTTP/1.1\r\nHost: a\r\n\r\n") == version::http_1_1);
    CHECK(version_of("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n") == version::http_1_0);
    CHECK(version_of("GET / HTTP/1.0\r\n\r\n") == version::http_1_0);
    CHECK(version_of("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n") == version::http_1_1);
    CHECK(version_of("GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n") == version::http_1_1);
}

TEMPLATE_TEST_CASE("restinio: an event stream has the connection", "[adapt]", one_thread, several_threads) {
    server_and_client<TestType> both;
    std::unique_ptr<weir::sse_stream<tcp::socket>> out;
    both.handle = [&](const restinio::request_handle_t& req) {
        tcp::socket socket = weir::adapt::take_socket<TestType>(*req);
        constexpr bool has_strand = !std::is_same_v<typename TestType::strand_t, asio::any_io_executor>;
        CHECK((socket.get_executor().target_type() == typeid(restinio::default_strand_t)) == has_strand);
        CHECK_THROWS_AS(weir::adapt::take_socket<TestType>(*req), restinio::exception_t);
        out = std::make_unique<weir::sse_stream<tcp::socket>>(std::move(socket));
        CHECK(out->accept(weir::adapt::request(*req)) == weir::error::none);
        return restinio::request_accepted();
    };
    both.send("GET /events HTTP/1.1\r\nHost: a\r\nLast-Event-ID: 7\r\n\r\n");
    CHECK(both.read_until("\r\n\r\n").starts_with("HTTP/1.1 200 OK\r\n"));
    CHECK(out->last_event_id().number() == 7);
    out->send({.id = "8", .data = "here"});
    CHECK(both.read_until("data: here\n").find("id: 8\n") != std::string::npos);
    both.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");  // nobody reads requests any more
    out->send({.id = "9", .data = "still here"});
    both.read_until("data: still here\n");
    out->close();
    CHECK(both.read_until("never").ends_with("0\r\n\r\n(End of file)"));
}

TEST_CASE("restinio: a connection that had answered requests before becomes a WebSocket", "[adapt]") {
    server_and_client<several_threads> both;
    std::unique_ptr<weir::ws_stream<tcp::socket>> ws;
    both.handle = [&](const restinio::request_handle_t& req) {
        if (req->header().path() != "/echo") return req->create_response().set_body("first").done();
        ws = std::make_unique<weir::ws_stream<tcp::socket>>(weir::adapt::take_socket<several_threads>(*req));
        ws->on_message([&](weir::ws_message message) { ws->send(message); });
        CHECK(ws->accept(weir::adapt::request(*req)) == weir::error::none);
        return restinio::request_accepted();
    };
    both.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    both.read_until("first");
    both.send(
        "GET /echo HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");
    CHECK(both.read_until("\r\n\r\n").starts_with("HTTP/1.1 101 "));
    both.send({"\x81\x82\0\0\0\0hi", 8});  // text, masked with zeroes
    both.read_until("\x81\x02hi");
    CHECK(ws->is_open());
}

TEST_CASE("restinio: a refusal is written and the connection ended", "[adapt]") {
    server_and_client<one_thread> both;
    both.handle = [&](const restinio::request_handle_t& req) {
        weir::ws_stream ws{weir::adapt::take_socket<one_thread>(*req)};
        CHECK(ws.accept(weir::adapt::request(*req)) == weir::error::bad_upgrade);
        return restinio::request_accepted();
    };
    both.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    const std::string answer = both.read_until("never");
    CHECK(answer.starts_with("HTTP/1.1 426 "));
    CHECK(answer.ends_with("(End of file)"));
}

}  // namespace

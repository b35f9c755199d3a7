// SPDX-License-Identifier: BSL-1.0

// weir in a server on Boost.Beast: Beast reads the requests, and its requests and streams are passed straight in. Run
// it, then: curl -N http://127.0.0.1:8080/events

#include <weir/adapt/beast.hpp>
#include <weir/sse_stream.hpp>
#include <weir/ws_stream.hpp>

#include <boost/asio.hpp>
#include <boost/beast.hpp>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <utility>

#include "ticks.hpp"

namespace net = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using namespace std::chrono_literals;

using request = http::request<http::string_body>;

// ---- weir from here

net::awaitable<void> events(beast::tcp_stream stream, const request& req) {
    weir::sse_stream out{std::move(stream), weir::comment_every{15s}};
    if (out.accept(weir::adapt::request(req)) != weir::error::none) co_return;
    for (ticks tick{req.target(), out.last_event_id()}; tick.advance();) {
        co_await out.async_send({.event = "tick", .id = tick.id(), .data = tick.text()});
        if (!tick.fast()) co_await out.async_sleep(200ms);
    }
}

net::awaitable<void> echo(beast::tcp_stream stream, const request& req, const beast::flat_buffer& buffer) {
    weir::ws_stream ws{std::move(stream)};
    if (ws.accept(weir::adapt::request(req), {}, weir::adapt::received(buffer)) != weir::error::none) co_return;
    while (auto message = co_await ws.async_receive()) co_await ws.async_send(*message);
}

// ---- to here; the rest is the server that was there before, but for the two lines that call these.

net::awaitable<void> not_found(beast::tcp_stream& stream, const request& req) {
    http::response<http::string_body> response{http::status::not_found, req.version()};
    response.keep_alive(req.keep_alive());
    response.prepare_payload();
    co_await http::async_write(stream, response, net::use_awaitable);
}

net::awaitable<void> serve(beast::tcp_stream stream) {
    beast::flat_buffer buffer;
    for (bool keep_alive = true; keep_alive;) {
        request req;
        stream.expires_after(30s);
        co_await http::async_read(stream, buffer, req, net::use_awaitable);
        // ---- weir from here
        if (req.target().starts_with("/events")) co_return co_await events(std::move(stream), req);
        if (req.target() == "/echo") co_return co_await echo(std::move(stream), req, buffer);
        // ---- to here
        co_await not_found(stream, req);
        keep_alive = req.keep_alive();
    }
}

net::awaitable<void> accept(net::ip::tcp::acceptor acceptor) {
    for (;;) {
        beast::tcp_stream stream{co_await acceptor.async_accept(net::use_awaitable)};
        // A connection that ends throws out of its coroutine.
        net::co_spawn(acceptor.get_executor(), serve(std::move(stream)), [](std::exception_ptr) {});
    }
}

// beast [port]; 0: the system chooses.
int main(int argc, char** argv) {
    const auto wanted = static_cast<std::uint16_t>(argc > 1 ? std::atoi(argv[1]) : 8080);

    net::io_context context{1};
    net::ip::tcp::acceptor acceptor{context, {net::ip::make_address("127.0.0.1"), wanted}};
    std::printf("http://127.0.0.1:%u/events\n", unsigned{acceptor.local_endpoint().port()});
    std::fflush(stdout);
    net::co_spawn(context, accept(std::move(acceptor)), net::detached);

    net::signal_set signals{context, SIGINT, SIGTERM};
    signals.async_wait([&](beast::error_code, int) { context.stop(); });
    context.run();
}

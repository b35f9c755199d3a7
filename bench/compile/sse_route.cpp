// SPDX-License-Identifier: BSL-1.0

// The same server with an event stream instead of the echo.

#include <weir/sse_stream.hpp>

#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/io_context.hpp>

using asio::ip::tcp;

asio::awaitable<void> events(tcp::socket socket) {
    weir::sse_stream out{std::move(socket)};
    co_await out.async_accept({.method = "GET", .target = "/"});
    for (;;) {
        co_await out.async_send({.event = "tick", .data = "hello"});
        co_await out.async_sleep(std::chrono::seconds{1});
    }
}

asio::awaitable<void> listen() {
    tcp::acceptor acceptor{co_await asio::this_coro::executor, {tcp::v4(), 8080}};
    for (;;) {
        tcp::socket socket = co_await acceptor.async_accept(asio::use_awaitable);
        asio::co_spawn(acceptor.get_executor(), events(std::move(socket)), asio::detached);
    }
}

int main() {
    asio::io_context context;
    asio::co_spawn(context, listen(), asio::detached);
    context.run();
}

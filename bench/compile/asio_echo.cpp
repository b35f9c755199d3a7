// SPDX-License-Identifier: BSL-1.0

// The yardstick: an echo server on plain Asio.

#include <asio.hpp>

using asio::ip::tcp;

asio::awaitable<void> echo(tcp::socket socket) {
    char data[4096];
    for (;;) {
        const std::size_t n = co_await socket.async_read_some(asio::buffer(data), asio::use_awaitable);
        co_await asio::async_write(socket, asio::buffer(data, n), asio::use_awaitable);
    }
}

asio::awaitable<void> listen() {
    tcp::acceptor acceptor{co_await asio::this_coro::executor, {tcp::v4(), 8080}};
    for (;;) {
        tcp::socket socket = co_await acceptor.async_accept(asio::use_awaitable);
        asio::co_spawn(acceptor.get_executor(), echo(std::move(socket)), asio::detached);
    }
}

int main() {
    asio::io_context context;
    asio::co_spawn(context, listen(), asio::detached);
    context.run();
}

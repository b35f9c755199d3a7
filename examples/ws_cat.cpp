// SPDX-License-Identifier: BSL-1.0

// A WebSocket client for the command line: sends each line of standard input as a message, prints each message it
// receives as a line, and closes at the end of the input.
//
//     echo hello | weir_ws_cat ws://127.0.0.1:8080/

#include <weir/ws_stream.hpp>

#include <asio/buffer.hpp>
#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/posix/stream_descriptor.hpp>
#include <asio/read_until.hpp>
#include <asio/redirect_error.hpp>
#include <asio/use_awaitable.hpp>

#include <unistd.h>

#include <cstddef>
#include <cstdio>
#include <exception>
#include <string>
#include <string_view>
#include <utility>

using asio::ip::tcp;

using client = weir::ws_stream<tcp::socket>;

void print(weir::ws_message message) {
    std::fwrite(message.text().data(), 1, message.size(), stdout);
    std::fputc('\n', stdout);
    std::fflush(stdout);
}

// Waits while the server takes no more.
asio::awaitable<void> send_lines(client& ws) {
    asio::posix::stream_descriptor input{ws.get_executor(), ::dup(STDIN_FILENO)};
    std::string received;
    for (;;) {
        asio::error_code ec;
        auto token = asio::redirect_error(asio::use_awaitable, ec);
        const std::size_t size = co_await asio::async_read_until(input, asio::dynamic_buffer(received), '\n', token);
        if (ec) break;
        co_await ws.async_send(std::string_view{received}.substr(0, size - 1));
        received.erase(0, size);
    }
    ws.close();
}

asio::awaitable<void> talk(client& ws, std::string url) {
    ws.limits({.max_message_bytes = 0});  // the server is the user's own choice
    co_await ws.async_connect(std::move(url));
    asio::co_spawn(ws.get_executor(), send_lines(ws), [](std::exception_ptr) {});
    while (auto message = co_await ws.async_receive()) print(*message);
    const auto [code, reason] = ws.close_reason();
    if (code == weir::ws_close_code::normal || code == weir::ws_close_code::no_status) co_return;
    std::fprintf(stderr, "ws_cat: closed with %d %.*s\n", static_cast<int>(code), static_cast<int>(reason.size()),
                 reason.data());
}

int main(int argc, char** argv) {
    if (argc != 2) {
        std::fputs("usage: ws_cat URL\n", stderr);
        return 2;
    }
    asio::io_context context{1};
    client ws{tcp::socket{context}};
    int status = 0;
    asio::co_spawn(context, talk(ws, argv[1]), [&](std::exception_ptr failure) {
        try {
            if (failure) std::rethrow_exception(failure);
        } catch (const std::exception& e) {
            std::fprintf(stderr, "ws_cat: %s\n", e.what());
            status = 1;
        }
        context.stop();
    });
    context.run();
    return status;
}

// SPDX-License-Identifier: BSL-1.0

// weir on a Unix-domain socket behind nginx: there is no port, no address of the client's and no Nagle, and nothing
// else is different. nginx needs no setting for event streams; for WebSockets, those of every proxy:
//
//     upstream weir { server unix:/run/weir.sock; }
//     location / { proxy_pass http://weir; }
//     location /echo {
//         proxy_pass http://weir;
//         proxy_http_version 1.1;
//         proxy_set_header Host $http_host;
//         proxy_set_header Upgrade $http_upgrade;
//         proxy_set_header Connection "upgrade";
//     }
//
// Run it, then: curl -N --unix-socket weir.sock http://localhost/events

#include <weir/http/request_parser.hpp>
#include <weir/http/request_view.hpp>
#include <weir/http/response.hpp>
#include <weir/sse_stream.hpp>
#include <weir/ws_stream.hpp>

#include <asio.hpp>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include "ticks.hpp"

using namespace std::chrono_literals;
using asio::local::stream_protocol;

// ---- weir from here

asio::awaitable<void> events(stream_protocol::socket socket, const weir::request_view& request) {
    weir::sse_stream out{std::move(socket), weir::comment_every{15s}};
    if (out.accept(request) != weir::error::none) co_return;
    for (ticks tick{request.target, out.last_event_id()}; tick.advance();) {
        co_await out.async_send({.event = "tick", .id = tick.id(), .data = tick.text()});
        if (!tick.fast()) co_await out.async_sleep(200ms);
    }
}

asio::awaitable<void> echo(stream_protocol::socket socket, const weir::request_view& request, std::string_view behind) {
    weir::ws_stream ws{std::move(socket)};
    if (ws.accept(request, {}, behind) != weir::error::none) co_return;
    while (auto message = co_await ws.async_receive()) co_await ws.async_send(*message);
}

// ---- to here; the rest is a server with a parser of requests, here weir's, but for the two lines that call these.

asio::awaitable<void> serve(stream_protocol::socket socket) {
    std::string received;
    weir::http::request_parser parser;
    auto parsed = weir::http::request_parser::status::need_more;
    while (parsed == weir::http::request_parser::status::need_more) {
        std::array<char, 4096> piece;
        received.append(piece.data(), co_await socket.async_read_some(asio::buffer(piece), asio::use_awaitable));
        parsed = parser.parse(received);
    }
    weir::error refusal = parser.error();
    if (refusal == weir::error::none) {
        const weir::request_view& request = parser.request();
        const std::string_view behind = std::string_view{received}.substr(parser.head_size());
        // ---- weir from here
        if (request.path() == "/events") co_return co_await events(std::move(socket), request);
        if (request.path() == "/echo") co_return co_await echo(std::move(socket), request, behind);
        // ---- to here
        refusal = weir::error::not_found;
    }
    const std::string answer = weir::http::error_response(refusal);
    co_await asio::async_write(socket, asio::buffer(answer), asio::use_awaitable);
}

asio::awaitable<void> accept(stream_protocol::acceptor acceptor) {
    for (;;) {
        stream_protocol::socket socket = co_await acceptor.async_accept(asio::use_awaitable);
        // A connection that ends throws out of its coroutine.
        asio::co_spawn(acceptor.get_executor(), serve(std::move(socket)), [](std::exception_ptr) {});
    }
}

// unix_socket [path]
int main(int argc, char** argv) {
    const char* const path = argc > 1 ? argv[1] : "weir.sock";

    asio::io_context context{1};
    if (std::filesystem::is_socket(path)) std::remove(path);  // of a program that was killed
    stream_protocol::acceptor acceptor{context, stream_protocol::endpoint{path}};
    std::printf("unix:%s\n", path);
    std::fflush(stdout);
    asio::co_spawn(context, accept(std::move(acceptor)), asio::detached);

    asio::signal_set signals{context, SIGINT, SIGTERM};
    signals.async_wait([&](std::error_code, int) { context.stop(); });
    context.run();
    std::remove(path);
}

// SPDX-License-Identifier: BSL-1.0

// weir in a server on RESTinio: its connections are taken over, for event streams as for WebSockets. Run it, then:
// curl -N http://127.0.0.1:8080/events

#include <weir/adapt/restinio.hpp>
#include <weir/sse_stream.hpp>
#include <weir/ws_stream.hpp>

#include <asio.hpp>
#include <restinio/all.hpp>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <system_error>
#include <utility>

#include "ticks.hpp"

using namespace std::chrono_literals;
using traits = restinio::default_single_thread_traits_t;

// ---- weir from here

asio::awaitable<void> events(asio::ip::tcp::socket socket, restinio::request_handle_t req) {
    weir::sse_stream out{std::move(socket), weir::comment_every{15s}};
    if (out.accept(weir::adapt::request(*req)) != weir::error::none) co_return;
    for (ticks tick{req->header().request_target(), out.last_event_id()}; tick.advance();) {
        co_await out.async_send({.event = "tick", .id = tick.id(), .data = tick.text()});
        if (!tick.fast()) co_await out.async_sleep(200ms);
    }
}

asio::awaitable<void> echo(asio::ip::tcp::socket socket, restinio::request_handle_t req) {
    weir::ws_stream ws{std::move(socket)};
    if (ws.accept(weir::adapt::request(*req)) != weir::error::none) co_return;
    while (auto message = co_await ws.async_receive()) co_await ws.async_send(*message);
}

// ---- to here; the rest is the server that was there before, but for the two lines that call these.

restinio::request_handling_status_t run(asio::io_context& context, asio::awaitable<void> stream) {
    // A stream that ends throws out of its coroutine.
    asio::co_spawn(context, std::move(stream), [](std::exception_ptr) {});
    return restinio::request_accepted();
}

restinio::request_handling_status_t serve(asio::io_context& context, const restinio::request_handle_t& req) {
    const auto path = req->header().path();
    // ---- weir from here
    if (path == "/events") return run(context, events(weir::adapt::take_socket<traits>(*req), req));
    if (path == "/echo") return run(context, echo(weir::adapt::take_socket<traits>(*req), req));
    // ---- to here
    return req->create_response(restinio::status_not_found()).done();
}

// restinio [port]; 0: the system chooses.
int main(int argc, char** argv) {
    const auto wanted = static_cast<std::uint16_t>(argc > 1 ? std::atoi(argv[1]) : 8080);

    asio::io_context context{1};
    restinio::http_server_t<traits> server{
        restinio::external_io_context(context), [&](auto& settings) {
            settings.address("127.0.0.1").port(wanted);
            settings.request_handler([&](const restinio::request_handle_t& req) { return serve(context, req); });
            settings.acceptor_post_bind_hook([](asio::ip::tcp::acceptor& acceptor) {
                std::printf("http://127.0.0.1:%u/events\n", unsigned{acceptor.local_endpoint().port()});
                std::fflush(stdout);
            });
        }};
    server.open_async([] {}, [](std::exception_ptr failure) { std::rethrow_exception(failure); });

    asio::signal_set signals{context, SIGINT, SIGTERM};
    signals.async_wait([&](std::error_code, int) { context.stop(); });
    context.run();
}

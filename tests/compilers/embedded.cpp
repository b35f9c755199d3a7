// SPDX-License-Identifier: BSL-1.0

// Sessions and a hub in a server of one's own, with handlers that are functions: what needs no exceptions with any
// Asio. Built and run by tests/compilers.sh. Exit status 0 if everything that was sent has come.

#include <weir/http/request_parser.hpp>
#include <weir/hub.hpp>
#include <weir/sse_stream.hpp>
#include <weir/ws_stream.hpp>

#include "without_exceptions.hpp"

#include WEIR_ASIO(buffer.hpp)
#include WEIR_ASIO(io_context.hpp)
#include WEIR_ASIO(ip/tcp.hpp)
#include WEIR_ASIO(read.hpp)

#include <cstddef>
#include <cstdio>
#include <string>
#include <string_view>
#include <utility>

namespace {

using tcp = weir::net::ip::tcp;

struct connected {
    tcp::socket here, there;
};

connected connect(weir::net::io_context& context) {
    tcp::acceptor acceptor{context, {weir::net::ip::make_address("127.0.0.1"), 0}};
    tcp::socket there{context};
    there.connect(acceptor.local_endpoint());
    return {acceptor.accept(), std::move(there)};
}

// An event stream that the hub keeps, until it is told to end it. What its client reads: the response.
std::string publish(weir::net::io_context& context) {
    weir::hub hub;
    auto [here, there] = connect(context);
    weir::http::request_parser parser;
    parser.parse("GET / HTTP/1.1\r\nHost: example.org\r\n\r\n");
    weir::sse_stream out{std::move(here)};
    if (out.accept(parser.request()) != weir::error::none) return {};
    hub.subscribe(std::move(out), "news/#");
    hub.publish("news/today", {.data = "published"});
    hub.close_sessions();

    std::string received;
    weir::net::async_read(there, weir::net::dynamic_buffer(received),
                          [&](weir::error_code, std::size_t) { there.close(); });  // at the end of the stream
    context.run();
    return received;
}

// The two ends of a WebSocket. What comes back.
std::string echo(weir::net::io_context& context) {
    auto [here, there] = connect(context);
    weir::ws_stream server{std::move(here)};
    weir::ws_stream client{std::move(there)};
    server.begin(weir::ws::role::server);
    client.begin(weir::ws::role::client);
    server.on_message([&](weir::ws_message message) { server.send(message); });
    std::string received;
    client.on_message([&](weir::ws_message message) {
        received = message.text();
        client.close();
    });
    client.send("hello");
    context.restart();
    context.run();
    return received;
}

}  // namespace

int main() {
    weir::net::io_context context{1};
    const std::string events = publish(context);
    const std::string message = echo(context);
    std::printf("%s\n%s\n", events.c_str(), message.c_str());
    return events.find("data: published\n") != std::string::npos && message == "hello" ? 0 : 1;
}

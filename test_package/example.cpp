// SPDX-License-Identifier: BSL-1.0

// An event stream and a WebSocket on sockets of either Asio, and a request that llhttp parses.

#include <weir/http/request_parser.hpp>
#include <weir/sse_stream.hpp>
#include <weir/ws_stream.hpp>

#include WEIR_ASIO(io_context.hpp)
#include WEIR_ASIO(ip/tcp.hpp)

#include <iostream>

int main() {
    weir::net::io_context loop;
    weir::sse_stream events{weir::net::ip::tcp::socket{loop}};
    weir::ws_stream messages{weir::net::ip::tcp::socket{loop}};
    const bool refused = events.send({.data = "hello"}) != weir::error::none;  // nobody has connected

    weir::http::request_parser parser;
    const auto status = parser.parse("GET / HTTP/1.1\r\nHost: example.org\r\n\r\n");
    const bool parsed = status == weir::http::request_parser::status::complete;

    std::cout << "weir " << WEIR_VERSION_MAJOR << '.' << WEIR_VERSION_MINOR << '.' << WEIR_VERSION_PATCH << '\n';
    return refused && parsed ? 0 : 1;
}

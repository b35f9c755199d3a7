// SPDX-License-Identifier: BSL-1.0

// WebSockets in a server that exists already: its own acceptor, its own parser, its own routes. What it takes from weir
// is in go_live(). Run it, then: weir_ws_cat ws://127.0.0.1:8080/prices, and type a symbol: ACME

#include <weir/ws_stream.hpp>

#include <asio.hpp>
#include <asio/experimental/awaitable_operators.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using namespace asio::experimental::awaitable_operators;
using asio::ip::tcp;

// What the existing server knows of a request.
struct existing_request {
    std::string_view method, target;
    int minor_version = 1;
    std::vector<std::pair<std::string_view, std::string_view>> headers;
};

using price_stream = weir::ws_stream<tcp::socket, weir::keep_latest, weir::ping_every>;

bool is_symbol(std::string_view text) {
    const auto is_letter = [](char c) { return c >= 'A' && c <= 'Z'; };
    return !text.empty() && text.size() <= 8 && std::all_of(text.begin(), text.end(), is_letter);
}

asio::awaitable<void> take_orders(price_stream& ws, std::string& symbol) {
    while (auto message = co_await ws.async_receive()) {  // empty once the client closed in good order
        if (!is_symbol(message->text())) {
            ws.close(weir::ws_close_code{4000}, "no such symbol");
            co_return;
        }
        symbol = message->text();  // the message is valid until the next receive
    }
}

asio::awaitable<void> push_prices(price_stream& ws, const std::string& symbol) {
    for (int cents = 10000;; cents += cents % 7 - 2) {
        const std::string json = "{\"symbol\":\"" + symbol + "\",\"cents\":" + std::to_string(cents) + "}";
        ws.send(json, symbol);  // legal at any time: a slow reader gets the latest price of each symbol
        co_await ws.async_sleep(200ms);
    }
}

// The hand-off: the socket, the request by view, what was read behind it, and the policies.
asio::awaitable<void> go_live(tcp::socket socket, const existing_request& request, std::string_view received) {
    std::vector<weir::http::field_view> fields;
    for (const auto& [name, value] : request.headers) fields.push_back({name, value});
    const auto version = request.minor_version == 0 ? weir::http::version::http_1_0 : weir::http::version::http_1_1;

    weir::ws_stream ws{std::move(socket), weir::keep_latest{.max_bytes = 64 * 1024}, weir::ping_every{20s, 10s}};
    ws.limits({.max_message_bytes = 1024});
    co_await ws.async_accept({request.method, request.target, version, fields}, {}, received);

    std::string symbol = "WEIR";
    co_await (take_orders(ws, symbol) || push_prices(ws, symbol));
}

// ---- The existing server. Its parser is short here and strict enough for an example only. ----

existing_request parse(std::string_view head) {
    const auto take_until = [&head](std::string_view end) {
        const std::string_view part = head.substr(0, head.find(end));
        head.remove_prefix(std::min(head.size(), part.size() + end.size()));
        return part;
    };
    existing_request request;
    request.method = take_until(" ");
    request.target = take_until(" ");
    request.minor_version = take_until("\r\n").ends_with('0') ? 0 : 1;
    while (!head.empty() && !head.starts_with("\r\n")) {
        const std::string_view name = take_until(": ");
        request.headers.emplace_back(name, take_until("\r\n"));
    }
    return request;
}

asio::awaitable<void> serve(tcp::socket socket) {
    std::string received;
    auto buffer = asio::dynamic_buffer(received, 8192);
    const std::size_t head_size = co_await asio::async_read_until(socket, buffer, "\r\n\r\n", asio::use_awaitable);
    const std::string_view head = std::string_view{received}.substr(0, head_size);
    const existing_request request = parse(head);
    if (request.target == "/prices") {
        co_return co_await go_live(std::move(socket), request, std::string_view{received}.substr(head_size));
    }

    const std::string_view response = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    co_await asio::async_write(socket, asio::buffer(response), asio::use_awaitable);
}

asio::awaitable<void> accept(tcp::acceptor acceptor) {
    for (;;) {
        tcp::socket socket = co_await acceptor.async_accept(asio::use_awaitable);
        // A stream that ends throws out of its coroutine; that is how this server's connections always ended.
        asio::co_spawn(acceptor.get_executor(), serve(std::move(socket)), [](std::exception_ptr) {});
    }
}

// ws_embed [port]; 0: the system chooses.
int main(int argc, char** argv) {
    const auto wanted = static_cast<std::uint16_t>(argc > 1 ? std::atoi(argv[1]) : 8080);

    asio::io_context context{1};
    tcp::acceptor acceptor{context, {asio::ip::make_address("127.0.0.1"), wanted}};
    std::printf("ws://127.0.0.1:%u/prices\n", unsigned{acceptor.local_endpoint().port()});
    std::fflush(stdout);
    asio::co_spawn(context, accept(std::move(acceptor)), asio::detached);

    asio::signal_set signals{context, SIGINT, SIGTERM};
    signals.async_wait([&](std::error_code, int) { context.stop(); });
    context.run();
}

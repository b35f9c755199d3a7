// SPDX-License-Identifier: BSL-1.0

// A hub in a server that exists already: its own acceptor, its own parser, its own threads. What it takes from weir is
// in go_live() and publish_prices(). Run it, then: curl -N http://127.0.0.1:8080/prices

#include <weir/hub.hpp>
#include <weir/sse_stream.hpp>

#include <asio.hpp>

#include <algorithm>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <stop_token>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using asio::ip::tcp;

// What the existing server knows of a request.
struct existing_request {
    std::string_view method, target;
    int minor_version = 1;
    std::vector<std::pair<std::string_view, std::string_view>> headers;
};

// The hand-off: the socket, the request by view, and where its client was. The hub keeps the stream until it ends.
void go_live(tcp::socket socket, const existing_request& request, weir::hub& hub) {
    std::vector<weir::http::field_view> fields;
    for (const auto& [name, value] : request.headers) fields.push_back({name, value});
    const auto version = request.minor_version == 0 ? weir::http::version::http_1_0 : weir::http::version::http_1_1;

    weir::sse_stream out{std::move(socket), weir::comment_every{15s}};
    if (out.accept({request.method, request.target, version, fields}) != weir::error::none) return;
    const auto id = out.last_event_id();
    hub.subscribe(std::move(out), "prices/#", {.after = id});
}

// Publishing is for any thread: here, one that knows nothing of sockets.
void publish_prices(const std::stop_token& stop, weir::hub& hub) {
    std::mutex mutex;
    std::condition_variable_any pause;
    for (int cents = 10000; !stop.stop_requested(); cents += cents % 7 - 2) {
        const std::string json = "{\"symbol\":\"WEIR\",\"cents\":" + std::to_string(cents) + "}";
        hub.publish("prices/WEIR", {.event = "price", .data = json});
        std::unique_lock lock{mutex};
        pause.wait_for(lock, stop, 50ms, [] { return false; });
    }
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

asio::awaitable<void> serve(tcp::socket socket, weir::hub& hub) {
    std::string received;
    co_await asio::async_read_until(socket, asio::dynamic_buffer(received, 8192), "\r\n\r\n", asio::use_awaitable);
    const existing_request request = parse(received);
    if (request.target == "/prices") co_return go_live(std::move(socket), request, hub);

    const std::string_view response = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    co_await asio::async_write(socket, asio::buffer(response), asio::use_awaitable);
}

asio::awaitable<void> accept(tcp::acceptor acceptor, weir::hub& hub) {
    for (;;) {
        tcp::socket socket = co_await acceptor.async_accept(asio::use_awaitable);
        asio::co_spawn(acceptor.get_executor(), serve(std::move(socket), hub), [](std::exception_ptr) {});
    }
}

// hub_embed [port]; 0: the system chooses.
int main(int argc, char** argv) {
    const auto wanted = static_cast<std::uint16_t>(argc > 1 ? std::atoi(argv[1]) : 8080);

    weir::hub hub;
    asio::io_context context{1};
    tcp::acceptor acceptor{context, {asio::ip::make_address("127.0.0.1"), wanted}};
    std::printf("http://127.0.0.1:%u/prices\n", unsigned{acceptor.local_endpoint().port()});
    std::fflush(stdout);
    asio::co_spawn(context, accept(std::move(acceptor), hub), asio::detached);

    asio::signal_set signals{context, SIGINT, SIGTERM};
    signals.async_wait([&](std::error_code, int) { context.stop(); });
    const std::jthread publisher{[&hub](const std::stop_token& stop) { publish_prices(stop, hub); }};
    context.run();
}

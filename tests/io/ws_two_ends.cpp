// SPDX-License-Identifier: BSL-1.0

// Two of our own ends, over memory, sockets and TLS.

#include <weir/ws_stream.hpp>

#include WEIR_ASIO(awaitable.hpp)
#include WEIR_ASIO(buffer.hpp)
#include WEIR_ASIO(co_spawn.hpp)
#include WEIR_ASIO(io_context.hpp)
#include WEIR_ASIO(ip/tcp.hpp)
#include WEIR_ASIO(local/connect_pair.hpp)
#include WEIR_ASIO(local/stream_protocol.hpp)
#include WEIR_ASIO(ssl.hpp)
#include WEIR_ASIO(use_awaitable.hpp)

#include <chrono>
#include <cstddef>
#include <exception>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "support/certificate.hpp"
#include "support/memory_link.hpp"
#include "support/memory_stream.hpp"
#include "support/virtual_context.hpp"

namespace {

using namespace std::chrono_literals;
namespace net = weir::net;
namespace ssl = net::ssl;
using net::ip::tcp;
using tls_stream = ssl::stream<tcp::socket>;
using weir::error;
using weir::error_code;
using weir::ws_close_code;
using weir::ws_message;
using weir::ws_stream;

const weir::wait unbounded{.max_bytes = 0, .max_messages = 0};

/// Echoes until the peer closes.
net::awaitable<void> echo(auto& ws) {
    while (auto message = co_await ws.async_receive()) co_await ws.async_send(*message);
}

/// Sends texts of these sizes and checks that each comes back, then closes.
net::awaitable<void> ask(auto& ws, std::vector<std::size_t> sizes) {
    for (const std::size_t size : sizes) {
        const std::string text(size, static_cast<char>('a' + size % 26));
        co_await ws.async_send(text);
        const auto answer = co_await ws.async_receive();
        if (!answer || answer->text() != text) throw std::runtime_error{"another answer"};
    }
    co_await ws.async_close();
}

/// Runs coroutines to their end, and rethrows what leaves them.
class runner {
public:
    explicit runner(net::io_context& context) : context_(context) {}

    void add(net::awaitable<void> work) {
        ++running_;
        net::co_spawn(context_, std::move(work), [this](std::exception_ptr e) {
            --running_;
            if (e) failure_ = e;
        });
    }
    void run() {
        context_.restart();
        while (running_ != 0 && !failure_ && context_.run_one() != 0) {
        }
        if (failure_) std::rethrow_exception(failure_);
        if (running_ != 0) throw std::runtime_error{"stuck"};
    }

private:
    net::io_context& context_;
    int running_ = 0;
    std::exception_ptr failure_;
};

const std::vector<std::size_t> sizes{0, 1, 125, 126, 16'383, 16'384, 65'535, 65'536, 300'000, 1'000'000, 10};

}  // namespace

TEMPLATE_TEST_CASE("two ends: a handshake, messages both ways, and a close, cut anywhere", "[io][ws]",
                   test::direct_memory_stream<>, test::async_memory_stream<>) {
    const std::size_t piece = GENERATE(std::size_t{1}, std::size_t{3}, std::size_t{100}, test::wire::unlimited);
    test::virtual_context context;
    test::memory_link link;
    ws_stream server{TestType{context.context(), link.left}, unbounded};
    ws_stream client{TestType{context.context(), link.right}, unbounded};
    std::vector<std::string> at_server, at_client;
    std::optional<error_code> accepted, connected, server_end, client_end;
    server.async_accept({}, 10s, [&](error_code ec) { accepted = ec; });
    client.async_handshake("test", "/", {}, [&](error_code ec) { connected = ec; });
    link.run(context, piece);
    REQUIRE(accepted == error_code{});
    REQUIRE(connected == error_code{});

    server.on_message([&](ws_message m) { at_server.emplace_back(m.text()); });
    client.on_message([&](ws_message m) { at_client.emplace_back(m.text()); });
    server.on_close([&](error_code why) { server_end = why; });
    client.on_close([&](error_code why) { client_end = why; });
    std::vector<std::string> from_server, from_client;
    std::mt19937 random{static_cast<unsigned>(piece)};
    for (int i = 0; i != 40; ++i) {
        auto& sender = i % 2 == 0 ? server : client;
        (i % 2 == 0 ? from_server : from_client).emplace_back(random() % 300, static_cast<char>('a' + i % 26));
        CHECK(sender.send((i % 2 == 0 ? from_server : from_client).back()) == error::none);
        if (i % 5 == 0) CHECK(sender.ping("?") == error::none);
        if (i % 7 == 0) link.pump(piece);
    }
    link.run(context, piece);
    CHECK(at_server == from_client);
    CHECK(at_client == from_server);

    const bool by_server = GENERATE(true, false);
    (by_server ? server : client).close(ws_close_code{4000}, "enough");
    link.run(context, piece);
    CHECK(server_end == error_code{});
    CHECK(client_end == error_code{});
    CHECK((by_server ? client : server).close_reason().text == "enough");
    CHECK((by_server ? server : client).close_reason().code == ws_close_code{4000});
    CHECK(context.idle());
}

TEST_CASE("two ends: both close at once", "[io][ws]") {
    test::virtual_context context;
    test::memory_link link;
    using stream = test::direct_memory_stream<>;
    ws_stream server{stream{context.context(), link.left}};
    ws_stream client{stream{context.context(), link.right}};
    CHECK(server.begin(weir::ws::role::server) == error::none);
    CHECK(client.begin(weir::ws::role::client) == error::none);
    std::optional<error_code> server_end, client_end;
    server.async_close(ws_close_code{4001}, {}, [&](error_code ec) { server_end = ec; });
    client.async_close(ws_close_code{4002}, {}, [&](error_code ec) { client_end = ec; });
    link.run(context);
    CHECK(server_end == error_code{});
    CHECK(client_end == error_code{});
    CHECK(server.close_reason().code == ws_close_code{4002});
    CHECK(client.close_reason().code == ws_close_code{4001});
    CHECK(context.idle());
}

TEST_CASE("two ends: over sockets, messages of every size", "[io][ws]") {
    net::io_context context;
    net::local::stream_protocol::socket near{context}, far{context};
    net::local::connect_pair(near, far);
    ws_stream server{std::move(near)}, client{std::move(far)};
    CHECK(server.begin(weir::ws::role::server) == error::none);
    CHECK(client.begin(weir::ws::role::client) == error::none);
    runner all{context};
    all.add(echo(server));
    all.add(ask(client, sizes));
    all.run();
    CHECK_FALSE(client.is_open());
}

TEST_CASE("two ends: both send far more than fits, and nothing stands still", "[io][ws]") {
    net::io_context context;
    net::local::stream_protocol::socket near{context}, far{context};
    net::local::connect_pair(near, far);
    ws_stream server{std::move(near)}, client{std::move(far)};
    CHECK(server.begin(weir::ws::role::server) == error::none);
    CHECK(client.begin(weir::ws::role::client) == error::none);
    constexpr int count = 300;
    const std::string text(50'000, 'x');
    const auto send = [&](auto& ws) -> net::awaitable<void> {
        for (int i = 0; i != count; ++i) co_await ws.async_send(text);
    };
    const auto receive = [&](auto& ws) -> net::awaitable<void> {
        for (int i = 0; i != count; ++i) {
            const auto message = co_await ws.async_receive();
            if (!message || message->text() != text) throw std::runtime_error{"another message"};
        }
    };
    runner all{context};
    all.add(send(server));
    all.add(send(client));
    all.add(receive(server));
    all.add(receive(client));
    all.run();
    CHECK(server.stats().messages_sent == count);
    CHECK(client.stats().messages_sent == count);
}

TEST_CASE("two ends: over TLS, connected by URL, messages of every size", "[io][ws][tls]") {
    net::io_context context;
    ssl::context server_side{ssl::context::tls_server}, client_side{ssl::context::tls_client};
    server_side.use_certificate_chain(net::buffer(test::any_certificate().text()));
    server_side.use_private_key(net::buffer(test::any_certificate().key()), ssl::context::pem);
    tcp::acceptor acceptor{context, {net::ip::address_v4::loopback(), 0}};
    const std::string port = std::to_string(acceptor.local_endpoint().port());
    error_code server_end, client_end;
    runner all{context};
    all.add([](tcp::acceptor& from, ssl::context& side, error_code& why) -> net::awaitable<void> {
        tls_stream stream{co_await from.async_accept(net::use_awaitable), side};
        co_await stream.async_handshake(ssl::stream_base::server, net::use_awaitable);
        ws_stream ws{std::move(stream)};
        co_await ws.async_accept();
        co_await echo(ws);
        why = co_await ws.async_closed();
    }(acceptor, server_side, server_end));
    all.add([](net::io_context& on, ssl::context& side, std::string url, error_code& why) -> net::awaitable<void> {
        ws_stream ws{tls_stream{on, side}};
        co_await ws.async_connect(std::move(url));
        co_await ask(ws, sizes);
        why = co_await ws.async_closed();
    }(context, client_side, "wss://localhost:" + port + "/", client_end));
    all.run();
    CHECK_FALSE(server_end);
    CHECK_FALSE(client_end);
}

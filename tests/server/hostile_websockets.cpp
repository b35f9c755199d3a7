// SPDX-License-Identifier: BSL-1.0
#include <weir/server.hpp>

// WebSocket clients that break the rules, the line, or our patience.

#include "catch.hpp"

#include WEIR_ASIO(redirect_error.hpp)
#include WEIR_ASIO(use_awaitable.hpp)

#include <chrono>
#include <cstddef>
#include <future>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "support/raw_websocket.hpp"
#include "support/running_server.hpp"

using namespace std::chrono_literals;
using test::frame;
using test::raw_websocket;
using test::running_server;
using weir::awaitable;
using weir::error_code;
using weir::ws_close_code;
using weir::ws_message;
using weir::ws_session;

namespace {

awaitable<void> echo(ws_session ws) {
    while (auto message = co_await ws.async_receive()) co_await ws.async_send(*message);
}

void add_echo(running_server& server) {
    server->ws("/echo", echo);
    server.start();
}

// The server still serves: everything before was survived.
bool is_alive(const running_server& server) {
    raw_websocket client{server, "/echo"};
    return client.send_text("still there?").read() == test::text("still there?");
}

}  // namespace

TEST_CASE("RFC 6455 5.1: an unmasked frame is answered with 1002, which the client can read", "[server][ws][hostile]") {
    running_server server;
    add_echo(server);
    raw_websocket client{server, "/echo"};
    // With much behind it that nobody will read: closing at once would reset the connection.
    client.bytes().send(frame{.payload = "x"}.from_server() + std::string(100'000, 'x'));
    CHECK(client.read_close() == ws_close_code::protocol_error);
    CHECK(is_alive(server));
}

TEST_CASE("hostile: each fault has its close code, and the connection ends in order", "[server][ws][hostile]") {
    struct row {
        std::string bytes;
        ws_close_code code;
    };
    const auto protocol = ws_close_code::protocol_error, payload = ws_close_code::invalid_payload;
    const auto [bytes, code] = GENERATE_COPY(
        row{frame{.code = 3}.from_client(), protocol}, row{frame{.reserved = 4}.from_client(), protocol},
        row{frame{.code = 0, .payload = "x"}.from_client(), protocol},
        row{frame{.fin = false}.from_client() + frame{}.from_client(), protocol},
        row{frame{.code = 9, .fin = false}.from_client(), protocol},
        row{frame{.code = 9, .payload = std::string(126, 'x')}.from_client(), protocol},
        row{frame{.payload = "x", .length_size = 8}.from_client(), protocol},
        row{frame{.claimed_size = ~std::uint64_t{0}}.from_client(), protocol},
        row{frame{.code = 8, .payload = "x"}.from_client(), protocol},
        row{frame{.code = 8, .payload = test::close_payload(1005)}.from_client(), protocol},
        row{frame{.payload = "\xff"}.from_client(), payload}, row{frame{.payload = "\xe2\x82"}.from_client(), payload},
        row{frame{.code = 8, .payload = test::close_payload(1000, "\xff")}.from_client(), payload},
        row{frame{.claimed_size = 2'000'000}.from_client(), ws_close_code::message_too_big});
    INFO(test::to_hex(bytes));
    running_server server;
    add_echo(server);
    raw_websocket whole{server, "/echo"};
    whole.bytes().send(bytes);
    CHECK(whole.read_close() == code);
    raw_websocket slow{server, "/echo"};
    for (const char c : bytes) static_cast<void>(slow.bytes().try_send({&c, 1}));
    CHECK(slow.read_close() == code);
    CHECK(is_alive(server));
}

TEST_CASE("hostile: a handshake that takes too long is answered, and ended", "[server][ws][hostile]") {
    running_server server{{.request_time = 50ms}};
    add_echo(server);
    auto client = server.connect();
    client.send("GET /echo HTTP/1.1\r\nHost: a\r\nUpgrade: webs");
    CHECK(client.read_answer().status == 408);
    CHECK(client.read_to_end().empty());
    CHECK(is_alive(server));
}

TEST_CASE("hostile: of ten thousand pings, some are answered, the last one is, and the session lives",
          "[server][ws][hostile]") {
    running_server server;
    add_echo(server);
    raw_websocket client{server, "/echo"};
    std::string flood;
    for (int i = 0; i != 10'000; ++i) flood += frame{.code = 9, .payload = std::to_string(i)}.from_client();
    client.bytes().send(flood);
    int answers = 0;
    for (std::string payload; payload != "9999"; ++answers) {
        const auto pong = client.read();
        REQUIRE(pong.what == weir::ws::event_kind::pong);
        payload = pong.payload;
    }
    CHECK(answers < 10'000);
    client.send_text("x");
    CHECK(client.read() == test::text("x"));
}

TEST_CASE("hostile: a client that pings and never reads does not fill the server", "[server][ws][hostile]") {
    running_server server;
    std::promise<weir::session_stats> seen;
    std::optional<ws_session> kept;
    server->ws("/echo", echo);
    server->ws("/x",
               [&](ws_session ws) {
                   kept.emplace(std::move(ws));
                   kept->on_message([&](ws_message) { seen.set_value(kept->stats()); });
               },
               {.max_pongs_per_second = 0});
    server.start();
    raw_websocket client{server, "/x", {}, 4096};
    std::string flood;
    for (int i = 0; i != 100'000; ++i) flood += frame{.code = 9, .payload = std::string(125, 'x')}.from_client();
    client.bytes().send(flood);
    client.send_text("x");
    const auto stats = test::value_of(seen.get_future());
    CHECK(stats.queued_bytes < 100'000);
    CHECK(is_alive(server));
    server->stop();
    server.join();
    kept.reset();
}

TEST_CASE("hostile: a client that sends and never reads is stopped by its own echo", "[server][ws][hostile]") {
    running_server server;
    std::promise<error_code> ended;
    server->ws("/echo", echo);
    server->ws("/stuck",
               [&](ws_session ws) -> awaitable<void> {
                   error_code ec;
                   const auto token = [&] { return weir::net::redirect_error(weir::net::use_awaitable, ec); };
                   for (;;) {
                       const auto message = co_await ws.async_receive(token());
                       if (!ec) co_await ws.async_send(message.value(), token());
                       if (ec) break;
                   }
                   ended.set_value(ec);
               },
               {.stall_timeout = 200ms});
    server.start();
    raw_websocket client{server, "/stuck", {}, 4096};
    const std::string message = frame{.payload = std::string(50'000, 'x')}.from_client();
    auto flood = std::async(std::launch::async, [&] {
        while (client.bytes().try_send(message)) {
        }
    });
    CHECK(test::value_of(ended.get_future()) == weir::error::stalled);
    test::value_of(std::move(flood));
    CHECK(is_alive(server));
}

TEST_CASE("hostile: a client that half closes without a close frame is let go", "[server][ws][hostile]") {
    running_server server;
    std::promise<error_code> ended;
    server->ws("/echo", echo);
    server->ws("/x", [&](ws_session ws) -> awaitable<void> { ended.set_value(co_await ws.async_closed()); });
    server.start();
    raw_websocket client{server, "/x"};
    client.bytes().half_close();
    CHECK(test::value_of(ended.get_future()) == weir::error::peer_closed);
    CHECK(client.bytes().read_to_end().empty());
    CHECK(is_alive(server));
}

TEST_CASE("hostile: a client that closes in order and half closes at once has ended in order",
          "[server][ws][hostile]") {
    running_server server;
    std::promise<std::vector<std::string>> received;
    server->ws("/echo", echo);
    server->ws("/x", [&](ws_session ws) -> awaitable<void> {
        const error_code why = co_await ws.async_closed();
        CHECK_FALSE(why);
        std::vector<std::string> all;
        while (auto message = co_await ws.async_receive()) all.emplace_back(message->text());
        received.set_value(std::move(all));
    });
    server.start();
    raw_websocket client{server, "/x"};
    client.send_text("last").send_text("words").close(1000);
    client.bytes().half_close();
    CHECK(test::value_of(received.get_future()) == std::vector<std::string>{"last", "words"});
    CHECK(is_alive(server));
}

TEST_CASE("hostile: a reset in the middle of anything is survived", "[server][ws][hostile]") {
    running_server server;
    add_echo(server);
    const std::string request = test::upgrade_request("/echo");
    const std::string message = frame{.payload = std::string(1000, 'x')}.from_client();
    for (const std::size_t cut : {std::size_t{1}, request.size() - 1, request.size(), request.size() + 1,
                                  request.size() + 10, request.size() + message.size()}) {
        auto client = server.connect();
        client.send((request + message).substr(0, cut));
        client.reset();
    }
    raw_websocket closing{server, "/echo"};
    closing.close();
    closing.bytes().reset();
    CHECK(is_alive(server));
    server->drain({.over = 0ms, .deadline = 600s});
    server.join();
}

TEST_CASE("hostile: a message in tens of thousands of fragments is one message", "[server][ws][hostile]") {
    running_server server;
    add_echo(server);
    raw_websocket client{server, "/echo"};
    std::string all = frame{.payload = "x", .fin = false}.from_client();
    for (int i = 0; i != 65'536; ++i) all += frame{.code = 0, .payload = "x", .fin = false}.from_client();
    all += frame{.code = 0}.from_client();
    client.bytes().send(all);
    CHECK(client.read() == test::text(std::string(65'537, 'x')));
}

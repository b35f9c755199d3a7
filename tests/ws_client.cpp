// SPDX-License-Identifier: BSL-1.0

#include <weir/ws_client.hpp>

#include <weir/deflate.hpp>

#include WEIR_ASIO(awaitable.hpp)
#include WEIR_ASIO(co_spawn.hpp)
#include WEIR_ASIO(detached.hpp)
#include WEIR_ASIO(io_context.hpp)
#include WEIR_ASIO(use_awaitable.hpp)

#include <chrono>
#include <concepts>
#include <cstddef>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "support/running_server.hpp"
#include "support/scripted_server.hpp"
#include "support/ws_client_fixture.hpp"
#include "support/ws_peers.hpp"

namespace {

using namespace std::literals;
namespace net = weir::net;
using fixture = test::ws_client_fixture;
using test::texts;
using test::ws_peers;
using weir::error;
using weir::error_code;
using weir::unsent;
using weir::ws_client;
using weir::ws_client_options;
using weir::ws_close_code;
using weir::ws_message;
using weir::ws_new_connection;

static_assert(std::is_nothrow_move_constructible_v<ws_client> && std::is_nothrow_move_assignable_v<ws_client>);
static_assert(!std::is_copy_constructible_v<ws_client>);
static_assert(sizeof(ws_client) == sizeof(void*));
static_assert(
    std::same_as<decltype(std::declval<ws_client&>().async_receive()), net::awaitable<std::optional<ws_message>>>);
static_assert(std::same_as<decltype(std::declval<ws_client&>().async_send({})), net::awaitable<void>>);
static_assert(std::same_as<decltype(std::declval<ws_client&>().async_close()), net::awaitable<void>>);

}  // namespace

// ---- one connection ----

TEST_CASE_METHOD(fixture, "ws_client: it connects, sends, receives, and closes in good order", "[ws_client]") {
    ws_peers server{context};
    ws_client ws{context, server.url()};
    ws.handle_with(has.handlers());
    CHECK_FALSE(ws.is_open());
    CHECK(ws.send("early") == error::none);
    until([&] { return server.size() == 1 && server[0].messages.size() == 1; });
    CHECK(server[0].messages == texts{"early"});
    CHECK(ws.is_open());
    CHECK(has.opened == 1);
    server[0].ws.send("one");
    server[0].ws.send(ws_message::binary("two"));
    CHECK(receive(ws) == "one");
    CHECK(receive(ws) == "two");
    CHECK(ws.send("late") == error::none);
    ws.async_close(ws_close_code::normal, {}, [&](error_code ec) { has.closed = ec; });
    CHECK_FALSE(ws.is_open());
    CHECK(ws.send("too late") == error::closed);
    CHECK(ws.close() == error::closed);
    CHECK(receive(ws) == "end");
    until([&] { return has.closed && server[0].ended; });
    CHECK(*has.closed == error_code{});
    CHECK(server[0].messages == texts{"early", "late"});
    CHECK(server[0].ws.close_reason().code == ws_close_code::normal);
    CHECK(ws.is_closed());
    CHECK(ws.stats().messages_sent == 2);
    CHECK(ws.stats().messages_lost == 0);
    CHECK(has.closes == std::vector{error_code{}});
    CHECK(has.retries.empty());
    CHECK(receive(ws) == "end");
}

TEST_CASE_METHOD(fixture, "ws_client: in a coroutine", "[ws_client]") {
    ws_peers server{context};
    texts got;
    net::co_spawn(
        context,
        [&]() -> net::awaitable<void> {
            ws_client ws{co_await net::this_coro::executor, server.url(), at_once()};
            co_await ws.async_send("hello");
            while (auto message = co_await ws.async_receive()) got.emplace_back(message->text());
            got.emplace_back("end");
        },
        net::detached);
    until([&] { return server.size() == 1 && server[0].messages == texts{"hello"}; });
    server[0].ws.send("a");
    server[0].ws.send("b");
    until([&] { return got.size() == 2; });
    server[0].cut();
    until([&] { return server.size() == 2; });
    server[1].ws.send("c");
    server[1].ws.close();
    until([&] { return got.size() == 4; });
    CHECK(got == texts{"a", "b", "c", "end"});
}

TEST_CASE_METHOD(fixture, "ws_client: what it asks for", "[ws_client]") {
    test::scripted_server server{
        context, {{test::switches("Sec-WebSocket-Protocol: b\r\n"), test::says("x"), test::says_close(1000)}}};
    ws_client ws{context,
                 server.url("/chat?room=1", "ws"),
                 {.subprotocols = {"a", "b"}, .fields = {{"Authorization", "Bearer t"}}}};
    std::string chosen;
    ws.handle_with({.on_open = [&](ws_new_connection& c) { chosen = c.subprotocol(); }});
    CHECK(ws.subprotocol().empty());
    CHECK(receive(ws) == "x");
    CHECK(receive(ws) == "end");
    CHECK(chosen == "b");
    REQUIRE(server.requests().size() == 1);
    const auto& request = server.requests()[0];
    CHECK(request.line() == "GET /chat?room=1 HTTP/1.1");
    CHECK(request.field("Authorization") == "Bearer t");
    CHECK(request.field("Sec-WebSocket-Protocol") == "a, b");
    CHECK_FALSE(request.field("Sec-WebSocket-Extensions"));
}

TEST_CASE_METHOD(fixture, "ws_client: compression is agreed on anew for each connection", "[ws_client][deflate]") {
    test::running_server server;
    server->ws("/echo",
               [](weir::ws_session ws) -> weir::awaitable<void> {
                   while (auto message = co_await ws.async_receive()) {
                       if (message->text() == "over") co_return ws.abort();
                       co_await ws.async_send(*message);
                   }
               },
               {.framing = weir::deflate_frames{}});
    server.start();
    ws_client_options options = at_once();
    options.framing = weir::deflate_frames{};
    ws_client ws{context, "ws://127.0.0.1:" + std::to_string(server.port()) + "/echo", options};
    const std::string text(5000, 'x');
    bool compresses = false;
    ws.handle_with({.on_open = [&](ws_new_connection& c) { compresses = c.compresses(); }});
    for (int i = 0; i != 3; ++i) {
        ws.send(text);
        CHECK(receive(ws) == text);
        CHECK(compresses);
        CHECK(std::exchange(compresses, false));
        ws.send("over");
        until([&, before = ws.stats().connections] { return ws.stats().connections != before; });
    }
}

TEST_CASE_METHOD(fixture, "ws_client: messages may come by calls", "[ws_client]") {
    ws_peers server{context};
    ws_client ws{context, server.url(), at_once()};
    ws.on_message([&](ws_message m) { has.messages.emplace_back(m.text()); });
    for (std::size_t i = 0; i != 3; ++i) {
        until([&] { return server.size() == i + 1; });
        server[i].ws.send(std::to_string(i));
        until([&] { return has.messages.size() == i + 1; });
        server[i].cut();
    }
    CHECK(has.messages == texts{"0", "1", "2"});
}

TEST_CASE_METHOD(fixture, "ws_client: how messages come may change", "[ws_client]") {
    ws_peers server{context};
    ws_client ws{context, server.url(), at_once()};
    until([&] { return server.size() == 1; });
    server[0].ws.send("1");
    server[0].ws.send("2");
    CHECK(receive(ws) == "1");
    settle();
    ws.on_message([&](ws_message m) { has.messages.emplace_back(m.text()); });
    until([&] { return has.messages.size() == 1; });
    CHECK(has.messages == texts{"2"});
    ws.handle_with({});
    server[0].ws.send("3");
    CHECK(receive(ws) == "3");
    CHECK(has.messages == texts{"2"});
}

TEST_CASE_METHOD(fixture, "ws_client: a ping goes out on the connection there is", "[ws_client]") {
    ws_peers server{context};
    ws_client ws{context, server.url()};
    CHECK(ws.ping() == error::not_connected);
    until([&] { return ws.is_open(); });
    CHECK(ws.ping(std::string(126, 'x')) == error::bad_argument);
    CHECK(ws.ping("x") == error::none);
    ws.close();
    CHECK(ws.ping() == error::closed);
    until([&] { return ws.is_closed(); });
}

// ---- coming back ----

TEST_CASE_METHOD(fixture, "ws_client: it comes back, and what was sent meanwhile goes out", "[ws_client]") {
    ws_peers server{context};
    ws_client ws{context, server.url(), at_once()};
    ws.handle_with(has.handlers());
    until([&] { return server.size() == 1; });
    server[0].cut();
    until([&] { return !has.retries.empty(); });
    CHECK_FALSE(ws.is_open());
    CHECK(ws.reason() == weir::condition::closed);
    CHECK(ws.subprotocol().empty());
    CHECK(ws.send("meanwhile") == error::none);
    until([&] { return server.size() == 2 && !server[1].messages.empty(); });
    CHECK(server[1].messages == texts{"meanwhile"});
    CHECK(has.opened == 2);
    CHECK(ws.stats().connections == 2);
}

TEST_CASE_METHOD(fixture, "ws_client: with unsent::drop nothing is sent while there is no connection", "[ws_client]") {
    ws_peers server{context};
    ws_client_options options = at_once();
    options.unsent = unsent::drop;
    ws_client ws{context, server.url(), options};
    CHECK(ws.send("x") == error::not_connected);
    std::optional<error_code> sent;
    ws.async_send("x", [&](error_code ec) { sent = ec; });
    until([&] { return ws.is_open(); });
    CHECK(*sent == error::not_connected);
    CHECK(ws.send("y") == error::none);
    until([&] { return server.size() == 1 && !server[0].messages.empty(); });
    CHECK(server[0].messages == texts{"y"});
}

TEST_CASE_METHOD(fixture, "ws_client: what was not written when the connection broke is as was chosen", "[ws_client]") {
    const unsent rule = GENERATE(unsent::drop, unsent::keep, unsent::keep_unbegun);
    constexpr std::size_t count = 60;
    const auto number_of = [](const std::string& m) { return std::stoul(m.substr(0, m.find(' '))); };
    ws_peers server{context, false};
    ws_client_options options = at_once();
    options.unsent = rule;
    options.max_queued_bytes = 0;
    ws_client ws{context, server.url(), options};
    ws.handle_with(has.handlers());
    until([&] { return ws.is_open(); });
    for (std::size_t i = 0; i != count; ++i) {
        REQUIRE(ws.send(std::to_string(i) + ' ' + std::string(256 * 1024, 'x')) == error::none);
    }
    settle();
    REQUIRE(server.size() == 1);
    const std::size_t written = ws.stats().messages_sent;
    REQUIRE(written < count);
    REQUIRE(ws.stats().queued_messages == count - written);
    server[0].cut();
    until([&] { return ws.stats().connections == 2; });
    REQUIRE(ws.send("999 last") == error::none);
    until([&] { return server.size() == 2 && !server[1].messages.empty() && server[1].messages.back() == "999 last"; });
    const auto& again = server[1].messages;
    switch (rule) {
        case unsent::drop:
            CHECK(again.size() == 1);
            CHECK(ws.stats().messages_lost == count - written);
            break;
        case unsent::keep:
            CHECK(again.size() == count - written + 1);
            CHECK(number_of(again.front()) == written);
            CHECK(ws.stats().messages_lost == 0);
            break;
        case unsent::keep_unbegun:  // the write that blocked has begun one
            CHECK(again.size() == count - written);
            CHECK(number_of(again.front()) == written + 1);
            CHECK(ws.stats().messages_lost == 1);
            break;
    }
    for (std::size_t i = 2; i < again.size(); ++i) CHECK(number_of(again[i - 1]) == number_of(again[i - 2]) + 1);
    for (const std::string& m : again) CHECK((m == "999 last" || m.size() > 256 * 1024));
}

TEST_CASE_METHOD(fixture, "ws_client: what on_open sends goes before what waits, on each connection", "[ws_client]") {
    ws_peers server{context};
    ws_client ws{context, server.url(), at_once()};
    ws.handle_with({.on_open = [&](ws_new_connection& c) {
        CHECK(c.send("hello " + std::to_string(c.number())) == error::none);
        ws.send("behind");
        CHECK(c.send("resume") == error::none);
    }});
    ws.send("first");
    until([&] { return server.size() == 1 && server[0].messages.size() == 4; });
    CHECK(server[0].messages == texts{"hello 1", "resume", "first", "behind"});
    server[0].cut();
    until([&] { return !ws.is_open(); });
    ws.send("second");
    until([&] { return server.size() == 2 && server[1].messages.size() == 4; });
    CHECK(server[1].messages == texts{"hello 2", "resume", "second", "behind"});
}

TEST_CASE_METHOD(fixture, "ws_client: what came before the end of a connection is received after it", "[ws_client]") {
    ws_peers server{context};
    ws_client ws{context, server.url(), at_once()};
    until([&] { return server.size() == 1; });
    for (const auto m : {"1", "2", "3"}) server[0].ws.send(m);
    server[0].ws.close(ws_close_code::service_restart);
    SECTION("nobody receives before") {
        until([&] { return server.size() == 2; });
        server[1].ws.send("4");
        for (const auto m : {"1", "2", "3", "4"}) CHECK(receive(ws) == m);
    }
    SECTION("one message is being looked at") {
        std::optional<ws_message> looked_at;
        ws.async_receive([&](error_code, std::optional<ws_message> m) { looked_at = m; });
        until([&] { return server.size() == 2; });
        REQUIRE(looked_at);
        CHECK(looked_at->text() == "1");
        for (const auto m : {"2", "3"}) CHECK(receive(ws) == m);
    }
    SECTION("by calls, from then on") {
        until([&] { return server.size() == 2; });
        server[1].ws.send("4");
        ws.on_message([&](ws_message m) { has.messages.emplace_back(m.text()); });
        until([&] { return has.messages.size() == 4; });
        CHECK(has.messages == texts{"1", "2", "3", "4"});
    }
    SECTION("after the client is closed, too") {
        until([&] { return server.size() == 2; });
        ws.close();
        until([&] { return ws.is_closed(); });
        for (const auto m : {"1", "2", "3", "end"}) CHECK(receive(ws) == m);
    }
}

TEST_CASE_METHOD(fixture, "ws_client: a server that restarts under load gets no message twice, and all in order",
                 "[ws_client]") {
    std::uint16_t port = 0;
    struct echo_server {
        explicit echo_server(std::uint16_t port) : app({.handle_signals = false}) {
            app.ws("/", [](weir::ws_session ws) -> weir::awaitable<void> {
                while (auto message = co_await ws.async_receive()) co_await ws.async_send(*message);
            });
            at = app.listen({.port = port});
            run = std::async(std::launch::async, [this] { app.run(); });
        }
        ~echo_server() {
            app.stop();
            run.wait();
        }
        weir::server app;
        std::uint16_t at = 0;
        std::future<void> run;
    };
    auto server = std::make_unique<echo_server>(port);
    port = server->at;
    ws_client_options options = at_once();
    options.max_queued_messages = 0;
    ws_client ws{context, "ws://127.0.0.1:" + std::to_string(port) + "/", options};
    int sent = 0, last = -1;
    ws.on_message([&](ws_message m) {
        const int number = std::stoi(std::string{m.text()});
        CHECK(number > last);
        last = number;
    });
    for (int round = 0; round != 3; ++round) {
        const int before = sent;
        for (int i = 0; i != 500; ++i) REQUIRE(ws.send(std::to_string(sent++)) == error::none);
        until([&] { return last >= before; });
        server.reset();
        settle();
        server = std::make_unique<echo_server>(port);
        const int mark = sent;
        REQUIRE(ws.send(std::to_string(sent++)) == error::none);
        until([&] { return last == mark; });
        CHECK(ws.stats().queued_messages == 0);
    }
    CHECK(ws.stats().connections >= 4);
}

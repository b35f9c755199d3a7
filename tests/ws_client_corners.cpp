// SPDX-License-Identifier: BSL-1.0

// What a ws_client keeps of connections that have ended, and what the application may do while it decides.

#include <weir/ws_client.hpp>

#include WEIR_ASIO(bind_executor.hpp)
#include WEIR_ASIO(io_context.hpp)

#include <cstddef>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "support/scripted_server.hpp"
#include "support/ws_client_fixture.hpp"
#include "support/ws_peers.hpp"

namespace {

namespace net = weir::net;
namespace script = test::script;
using afterwards = test::scripted_server::afterwards;
using test::says_close;
using test::switches;
using test::texts;
using test::ws_peers;
using weir::error;
using weir::error_code;
using weir::ws_client;
using weir::ws_client_options;
using weir::ws_close_code;
using weir::ws_message;

struct fixture : test::ws_client_fixture {
    /// A connection that is given `message` and then breaks; the client comes back.
    void leave(ws_peers& server, const ws_client& ws, std::string message) {
        const std::size_t i = server.size() - 1;
        server[i].ws.send(std::move(message));
        settle();
        server[i].cut();
        until([&] { return server.size() == i + 2 && ws.is_open(); });
        settle();
    }
    auto takes_messages() {
        return [this](ws_message m) { has.messages.emplace_back(m.text()); };
    }
};

}  // namespace

// ---- what earlier connections had ----

TEST_CASE_METHOD(fixture, "ws_client: a message that nobody takes makes no later connection deaf", "[ws_client]") {
    ws_peers server{context};
    ws_client ws{context, server.url(), at_once()};
    until([&] { return server.size() == 1 && ws.is_open(); });
    leave(server, ws, "welcome");
    std::string pong;
    server[1].ws.handle_with({.on_pong = [&](std::string_view p) { pong = p; }});
    server[1].ws.ping("are you there");
    until([&] { return !pong.empty(); });
    CHECK(pong == "are you there");
    leave(server, ws, "and again");
    CHECK(ws.stats().connections == 3);
    server[2].ws.send("last");
    for (const auto m : {"welcome", "and again", "last"}) CHECK(receive(ws) == m);
}

TEST_CASE_METHOD(fixture, "ws_client: what is left of earlier connections goes to a handler first", "[ws_client]") {
    ws_peers server{context};
    ws_client ws{context, server.url(), at_once()};
    until([&] { return server.size() == 1 && ws.is_open(); });
    leave(server, ws, "1");
    leave(server, ws, "2");
    server[2].ws.send("3");
    settle();
    ws.on_message(takes_messages());
    settle();
    CHECK(has.messages == texts{"1", "2", "3"});
    server[2].ws.send("4");
    until([&] { return has.messages.size() == 4; });
    CHECK(has.messages.back() == "4");
}

TEST_CASE_METHOD(fixture, "ws_client: a message stays valid until the next receive, whatever becomes of its connection",
                 "[ws_client]") {
    const std::string text(1000, 'x');
    ws_peers server{context};
    ws_client ws{context, server.url(), at_once()};
    until([&] { return server.size() == 1 && ws.is_open(); });
    server[0].ws.send(text);
    std::optional<ws_message> message;
    ws.async_receive([&](error_code, std::optional<ws_message> m) { message = m; });
    until([&] { return message.has_value(); });
    SECTION("it ends") { leave(server, ws, "more"); }
    SECTION("there are handlers now") {
        ws.on_message([](ws_message) {});
        server[0].ws.send("more");
        settle();
    }
    CHECK(message->text() == text);
}

// ---- after the end ----

TEST_CASE_METHOD(fixture, "ws_client: a message that is on its way outlives the client", "[ws_client][closing]") {
    const std::string text(1000, 'x');
    ws_peers server{context};
    auto ws =
        std::make_unique<ws_client>(context, server.url(), ws_client_options{.reconnect = weir::never_reconnect{}});
    until([&] { return server.size() == 1 && ws->is_open(); });
    server[0].ws.send(text);
    settle();
    bool over = false, elsewhere = false;
    SECTION("which is over") { over = true; }
    SECTION("which is connected") {}
    SECTION("on another executor") { over = elsewhere = true; }
    if (over) {
        server[0].cut();
        until([&] { return ws->is_closed(); });
        settle();
    }
    net::io_context other;
    if (elsewhere) {
        ws->async_receive(net::bind_executor(other.get_executor(), has.remember_message()));
    } else {
        ws->async_receive(has.remember_message());
    }
    ws.reset();
    settle();
    other.run();
    CHECK(has.message == text);
}

TEST_CASE_METHOD(fixture, "ws_client: handlers that come after the end get what is left, and learn of it",
                 "[ws_client][closing]") {
    ws_peers server{context};
    ws_client ws{context, server.url(), {.reconnect = weir::never_reconnect{}}};
    const bool first = GENERATE(true, false);
    if (!first) ws.handle_with({.on_close = [](error_code) {}});
    until([&] { return server.size() == 1 && ws.is_open(); });
    for (const auto m : {"1", "2", "3"}) server[0].ws.send(m);
    settle();
    server[0].cut();
    until([&] { return ws.is_closed(); });
    settle();
    CHECK(receive(ws) == "1");
    auto handlers = has.handlers();
    handlers.on_message = takes_messages();
    const auto owned = std::make_shared<int>();
    handlers.on_retry = [owned](error_code, weir::milliseconds) {};
    ws.handle_with(std::move(handlers));
    CHECK(has.messages.empty());
    settle();
    CHECK(has.messages == texts{"2", "3"});
    CHECK(has.closes.size() == (first ? 1 : 0));
    CHECK(owned.use_count() == 1);
    CHECK(receive(ws) == ws.reason().message());
}

// ---- comes_back ----

TEST_CASE_METHOD(fixture, "ws_client: who is asked whether it comes back may end it", "[ws_client][closing]") {
    test::scripted_server server{context,
                                 {{switches(), script::wait{}, says_close(3000)}, {switches(), script::silence{}}}};
    std::unique_ptr<ws_client> ws;
    const bool destroys = GENERATE(true, false);
    ws_client_options options = at_once();
    options.comes_back = [&](ws_close_code, std::string_view) {
        destroys ? ws.reset() : static_cast<void>(ws->close());
        return true;
    };
    ws = std::make_unique<ws_client>(context, server.url("/", "ws"), options);
    ws->handle_with(has.handlers());
    ws->async_receive(has.remember_message());
    until([&] { return server.waiting() == 1 && ws->is_open(); });
    server.proceed();
    until([&] { return has.received.has_value(); });
    settle();
    CHECK(*has.received == error_code{});
    CHECK_FALSE(has.message);
    CHECK(server.connections() == 1);
    CHECK(has.closes.size() == (destroys ? 0 : 1));
}

TEST_CASE_METHOD(fixture, "ws_client: an exception of comes_back's ends it", "[ws_client][closing]") {
    test::scripted_server server{context, {{switches(), says_close(3000)}}, afterwards::repeat_last};
    ws_client_options options = at_once();
    options.comes_back = [](ws_close_code, std::string_view) -> bool { throw std::runtime_error{"mine"}; };
    ws_client ws{context, server.url("/", "ws"), options};
    ws.handle_with(has.handlers());
    CHECK_THROWS_WITH(until([&] { return ws.is_closed(); }), "mine");
    CHECK(receive(ws) == weir::message(error::closed));
    ws.async_close(ws_close_code::normal, {}, [&](error_code ec) { has.closed = ec; });
    until([&] { return has.closed.has_value(); });
    CHECK(*has.closed == error::closed);
    CHECK(has.closes == std::vector{make_error_code(error::closed)});
    CHECK(has.retries.empty());
}

TEST_CASE_METHOD(fixture, "ws_client: comes_back may own it, until the end", "[ws_client][closing]") {
    test::scripted_server server{context, {{switches(), says_close(1000)}}};
    const auto owned = std::make_shared<int>();
    ws_client_options options = at_once();
    options.comes_back = [owned](ws_close_code, std::string_view) { return false; };
    ws_client ws{context, server.url("/", "ws"), std::move(options)};
    options = {};
    CHECK(receive(ws) == "end");
    settle();
    CHECK(owned.use_count() == 1);
}

// ---- while the server closes, or a hook fails ----

TEST_CASE_METHOD(fixture, "ws_client: while the server closes it is not open, and with unsent::drop sends nothing",
                 "[ws_client]") {
    ws_peers server{context};
    ws_client_options options = at_once();
    options.unsent = GENERATE(weir::unsent::drop, weir::unsent::keep_unbegun);
    const bool drops = options.unsent == weir::unsent::drop;
    ws_client ws{context, server.url(), options};
    until([&] { return server.size() == 1 && ws.is_open(); });
    // The server's close frame is answered behind what the application has not yet taken.
    server[0].ws.send("x");
    server[0].ws.close(ws_close_code::service_restart);
    until([&] { return !ws.is_open(); });
    CHECK(ws.stats().failures == 0);
    CHECK(ws.send("late") == (drops ? error::not_connected : error::none));
    ws.async_send("later", [&](error_code ec) { has.sent = ec; });
    settle();
    CHECK(has.sent == (drops ? make_error_code(error::not_connected) : error_code{}));
    CHECK(receive(ws) == "x");
    ws.async_receive(has.remember_message());
    until([&] { return server.size() == 2 && ws.is_open(); });
    settle();
    CHECK(server[1].messages == (drops ? texts{} : texts{"late", "later"}));
}

TEST_CASE_METHOD(fixture, "ws_client: no exception of a hook's is for good", "[ws_client][hooks]") {
    ws_peers server{context};
    int calls = 0;
    ws_client_options options = at_once();
    options.before_attempt = [&](weir::ws_attempt&) {
        if (++calls == 1) throw weir::system_error{make_error_code(error::bad_argument)};
    };
    ws_client ws{context, server.url(), options};
    auto handlers = has.handlers();
    handlers.on_retry = [&](error_code why, weir::milliseconds) {
        has.retries.push_back(why);
        ws.retry_now();
    };
    ws.handle_with(std::move(handlers));
    until([&] { return ws.is_open(); });
    CHECK(has.retries == std::vector{make_error_code(error::bad_argument)});
    CHECK(calls == 2);
}

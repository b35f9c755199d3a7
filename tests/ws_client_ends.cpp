// SPDX-License-Identifier: BSL-1.0

// How a ws_client fails, is cancelled, closed, destroyed: at every stage.

#include <weir/ws_client.hpp>

#include WEIR_ASIO(awaitable.hpp)
#include WEIR_CANCELLATION(bind_cancellation_slot.hpp)
#include WEIR_CANCELLATION(cancellation_signal.hpp)
#include WEIR_ASIO(co_spawn.hpp)
#include WEIR_ASIO(detached.hpp)
#include WEIR_ASIO(io_context.hpp)
#include WEIR_ASIO(steady_timer.hpp)
#include WEIR_ASIO(use_awaitable.hpp)

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "support/scripted_server.hpp"
#include "support/virtual_context.hpp"
#include "support/ws_client_fixture.hpp"
#include "support/ws_peers.hpp"

namespace {

using namespace std::literals;
namespace cancellation = weir::detail::cancellation;
namespace net = weir::net;
namespace script = test::script;
using fixture = test::ws_client_fixture;
using afterwards = test::scripted_server::afterwards;
using test::answers;
using test::says;
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
using weir::ws_new_connection;

}  // namespace

// ---- failures ----

TEST_CASE_METHOD(fixture, "ws_client: a final answer ends it, and says which it was", "[ws_client][failures]") {
    const int status = GENERATE(200, 302, 401, 403, 404);
    test::scripted_server server{context, {{answers(status, "Location: /elsewhere\r\n")}}, afterwards::repeat_last};
    ws_client ws{context, server.url("/", "ws"), at_once()};
    ws.handle_with(has.handlers());
    ws.send("x");
    CHECK(receive(ws) == weir::message(error::handshake_rejected));
    CHECK(ws.status() == status);
    CHECK(ws.is_closed());
    CHECK(ws.reason() == error::handshake_rejected);
    CHECK(has.retries.empty());
    CHECK(has.closes == std::vector{make_error_code(error::handshake_rejected)});
    CHECK(server.connections() == 1);
    CHECK(ws.stats().messages_lost == 1);
    CHECK(ws.send("x") == error::closed);
}

TEST_CASE_METHOD(fixture, "ws_client: answers that may be others soon are asked for again", "[ws_client][failures]") {
    test::scripted_server server{
        context, {{answers(503)}, {answers(429)}, {answers(408)}, {switches(), says("x"), says_close(1000)}}};
    ws_client ws{context, server.url("/", "ws"), at_once()};
    ws.handle_with(has.handlers());
    CHECK(receive(ws) == "x");
    CHECK(has.retries == std::vector<error_code>(3, make_error_code(error::handshake_rejected)));
    CHECK(ws.status() == 0);
    CHECK(receive(ws) == "end");
}

TEST_CASE_METHOD(fixture, "ws_client: what is no WebSocket server, or not the one that was asked for, is left alone",
                 "[ws_client][failures]") {
    script::connection steps;
    error expected = error::none;
    SECTION("another key") {
        expected = error::bad_upgrade_response;
        steps = {
            script::send{"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                         "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"}};
    }
    SECTION("a subprotocol of its own") {
        expected = error::bad_subprotocol;
        steps = {switches("Sec-WebSocket-Protocol: mine\r\n")};
    }
    SECTION("an extension of its own") {
        expected = error::bad_extension;
        steps = {switches("Sec-WebSocket-Extensions: permessage-deflate\r\n")};
    }
    SECTION("something else altogether") {
        expected = error::bad_status_line;
        steps = {script::send{"SSH-2.0-OpenSSH_9.2\r\n\r\n"}};
    }
    SECTION("frames that are none") {
        expected = error::bad_mask;
        steps = {switches(), script::send{test::frame{.payload = "x"}.from_client()}, script::silence{}};
    }
    SECTION("a message too large") {
        expected = error::message_too_large;
        steps = {switches(), says(std::string(101, 'x')), script::silence{}};
    }
    test::scripted_server server{context, {steps}, afterwards::repeat_last};
    ws_client_options options = at_once();
    options.limits.max_message_bytes = 100;
    ws_client ws{context, server.url("/", "ws"), options};
    CHECK(receive(ws) == weir::message(expected));
    CHECK(ws.status() == 0);
    CHECK(server.connections() == 1);
}

TEST_CASE_METHOD(fixture, "ws_client: what cannot be used ends it at once", "[ws_client][failures]") {
    std::string url = "ws://127.0.0.1:1/";
    ws_client_options options = at_once();
    error expected = error::bad_argument;
    SECTION("no URL") { url = "127.0.0.1"; }
    SECTION("another scheme") { url = "http://127.0.0.1/"; }
    SECTION("TLS without TLS") { url = "wss://127.0.0.1:1/", expected = error::no_tls; }
    SECTION("a proxy that is none") { options.proxy = weir::http_proxy{"socks://127.0.0.1"}; }
    ws_client ws{context, url, options};
    ws.handle_with(has.handlers());
    CHECK_FALSE(ws.is_closed());
    CHECK(receive(ws) == weir::message(expected));
    CHECK(ws.is_closed());
    CHECK(has.retries.empty());
}

TEST_CASE_METHOD(fixture, "ws_client: the server's 1000 is the end in good order", "[ws_client][failures]") {
    test::scripted_server server{
        context, {{switches(), says_close(1000, "bye"), script::silence{}}}, afterwards::repeat_last};
    ws_client ws{context, server.url("/", "ws"), at_once()};
    ws.handle_with(has.handlers());
    CHECK(receive(ws) == "end");
    CHECK(ws.close_reason().code == ws_close_code::normal);
    CHECK(ws.close_reason().text == "bye");
    CHECK(has.closes == std::vector{error_code{}});
    CHECK(server.connections() == 1);
}

TEST_CASE_METHOD(fixture, "ws_client: a close code that blames the client ends it", "[ws_client][failures]") {
    test::scripted_server server{context, {{switches(), says_close(1008, "no")}}, afterwards::repeat_last};
    ws_client ws{context, server.url("/", "ws"), at_once()};
    CHECK(receive(ws) == weir::message(error::peer_closed));
    CHECK(ws.close_reason().code == ws_close_code::policy_violation);
    CHECK(ws.close_reason().text == "no");
    CHECK(server.connections() == 1);
}

TEST_CASE_METHOD(fixture, "ws_client: after other close codes it comes back, unless it is told otherwise",
                 "[ws_client][failures]") {
    test::scripted_server server{
        context,
        {{switches(), says_close(1012)}, {switches(), says_close(4001)}, {switches(), says_close(4002, "x")}},
        afterwards::repeat_last};
    ws_client_options options = at_once();
    options.comes_back = [](ws_close_code code, std::string_view) { return code != ws_close_code{4002}; };
    ws_client ws{context, server.url("/", "ws"), options};
    ws.handle_with(has.handlers());
    CHECK(receive(ws) == weir::message(error::peer_closed));
    CHECK(ws.close_reason().code == ws_close_code{4002});
    CHECK(has.retries == std::vector<error_code>(2, make_error_code(error::peer_closed)));
    CHECK(server.connections() == 3);
}

TEST_CASE_METHOD(fixture, "ws_client: it has a budget", "[ws_client][failures]") {
    test::scripted_server server{context, {}};
    ws_client ws{context, server.url("/", "ws"), {.reconnect = weir::exponential_backoff{0ms, 0ms, 3}}};
    ws.handle_with(has.handlers());
    const auto refused = error_code{net::error::connection_refused};
    CHECK(receive(ws) == refused.message());
    CHECK(has.retries == std::vector<error_code>(3, refused));
    CHECK(has.closes == std::vector<error_code>{refused});
    CHECK(ws.stats().failures == 4);
}

TEST_CASE("ws_client: a server that does not answer has as much time as it is given", "[ws_client][failures]") {
    test::virtual_context context;
    test::scripted_server server{context, {{script::silence{}}}, afterwards::repeat_last};
    test::heard has;
    ws_client ws{context.context(), server.url("/", "ws"), {.reconnect = weir::fixed_delay{7s}}};
    ws.handle_with(has.handlers());
    test::run_until(context, [&] { return server.requests().size() == 1; });
    context.pass(9s);
    CHECK(has.retries.empty());
    context.pass(2s);
    CHECK(has.retries == std::vector{make_error_code(error::connect_timed_out)});
    context.pass(5s);
    CHECK(server.requests().size() == 1);
    context.pass(2s);
    test::run_until(context, [&] { return server.requests().size() == 2; });
    ws.close();
    context.settle();
    CHECK(ws.is_closed());
}

TEST_CASE("ws_client: it may be told to try now", "[ws_client]") {
    test::virtual_context context;
    test::scripted_server server{context, {{answers(503)}, {switches(), says("x"), says_close(1000)}}};
    test::heard has;
    ws_client ws{context.context(), server.url("/", "ws"), {.reconnect = weir::fixed_delay{1h}}};
    ws.handle_with(has.handlers());
    ws.retry_now();  // as it does
    test::run_until(context, [&] { return has.retries.size() == 1; });
    context.settle();
    CHECK(server.connections() == 1);
    ws.retry_now();
    context.pass(0s);
    test::run_until(context, [&] { return has.closes.size() == 1; });
    CHECK(server.connections() == 2);
}

TEST_CASE("ws_client: a server that has gone silent is noticed, and left", "[ws_client]") {
    test::virtual_context context;
    test::scripted_server server{context, {{switches(), script::silence{}}}, afterwards::repeat_last};
    test::heard has;
    ws_client ws{context.context(), server.url("/", "ws"), {.reconnect = weir::fixed_delay{0ms}}};
    ws.handle_with(has.handlers());
    test::run_until(context, [&] { return has.opened == 1; });
    context.pass(60s);
    test::run_until(context, [&] { return has.opened == 2; });
    CHECK(has.retries == std::vector{make_error_code(error::unresponsive)});
}

// ---- hooks ----

TEST_CASE_METHOD(fixture, "ws_client: before each attempt a hook may change what is asked for", "[ws_client][hooks]") {
    test::scripted_server server{
        context, {{answers(503)}, {switches("Sec-WebSocket-Protocol: p\r\n"), says("x"), says_close(1000)}}};
    const auto change = [&](weir::ws_attempt& attempt) {
        attempt.url = server.url("/" + std::to_string(attempt.failures), "ws");
        attempt.fields.emplace_back("Authorization", "token " + std::to_string(attempt.failures));
        attempt.subprotocols = {"p"};
    };
    ws_client_options options = at_once();
    SECTION("a function") { options.before_attempt = change; }
    SECTION("a coroutine") {
        options.before_attempt = [&](weir::ws_attempt& attempt) -> net::awaitable<void> {
            net::steady_timer timer{co_await net::this_coro::executor, 0ms};
            co_await timer.async_wait(net::use_awaitable);
            change(attempt);
        };
    }
    ws_client ws{context, "to be changed", options};
    CHECK(receive(ws) == "x");
    REQUIRE(server.requests().size() == 2);
    for (std::size_t i = 0; i != 2; ++i) {
        CHECK(server.requests()[i].target() == "/" + std::to_string(i));
        CHECK(server.requests()[i].field("Authorization") == "token " + std::to_string(i));
    }
}

TEST_CASE_METHOD(fixture, "ws_client: a hook that fails is an attempt that has failed", "[ws_client][hooks]") {
    ws_peers server{context};
    int calls = 0;
    ws_client_options options = at_once();
    options.before_attempt = [&](weir::ws_attempt&) {
        ++calls;
        if (calls == 1) throw weir::system_error{net::error::host_not_found};
        if (calls == 2) throw std::runtime_error{"no token"};
    };
    ws_client ws{context, server.url(), options};
    ws.handle_with(has.handlers());
    until([&] { return ws.is_open(); });
    CHECK(has.retries == std::vector{error_code{net::error::host_not_found}, make_error_code(error::hook_failed)});
}

// ---- waiting, and its cancellation ----

TEST_CASE_METHOD(fixture, "ws_client: async_send waits for room, in turn", "[ws_client][cancellation]") {
    ws_peers server{context};
    ws_client_options options = at_once();
    options.max_queued_messages = 1;
    ws_client ws{context, server.url(), options};
    CHECK(ws.send("1") == error::none);
    CHECK(ws.send("2") == error::refused);
    std::vector<int> done;
    cancellation::cancellation_signal cancel;
    ws.async_send("2", [&](error_code ec) { done.push_back(ec ? -2 : 2); });
    ws.async_send("3", cancellation::bind_cancellation_slot(cancel.slot(), [&](error_code ec) {
                      done.push_back(ec == net::error::operation_aborted ? -3 : 3);
                  }));
    ws.async_send("4", [&](error_code ec) { done.push_back(ec ? -4 : 4); });
    CHECK(ws.send("5") == error::refused);
    cancel.emit(cancellation::cancellation_type::total);
    until([&] { return server.size() == 1 && server[0].messages.size() == 3; });
    CHECK(server[0].messages == texts{"1", "2", "4"});
    settle();
    CHECK(done.size() == 3);
    CHECK(done.front() == -3);
}

TEST_CASE_METHOD(fixture, "ws_client: what waits for room learns why there will be none", "[ws_client][cancellation]") {
    test::scripted_server server{context, {{script::wait{}, answers(404)}}};
    ws_client_options options = at_once();
    options.max_queued_messages = 1;
    ws_client ws{context, server.url("/", "ws"), options};
    ws.send("1");
    ws.async_send("2", [&](error_code ec) { has.sent = ec; });
    until([&] { return server.waiting() == 1; });
    CHECK_FALSE(has.sent);
    SECTION("it fails") {
        server.proceed();
        until([&] { return has.sent.has_value(); });
        CHECK(*has.sent == error::handshake_rejected);
        has.sent.reset();
        ws.async_send("3", [&](error_code ec) { has.sent = ec; });
        settle();
        CHECK(has.sent == make_error_code(error::handshake_rejected));
    }
    SECTION("it is closed") {
        ws.close();
        until([&] { return has.sent.has_value(); });
        CHECK(*has.sent == error::not_connected);
    }
}

TEST_CASE_METHOD(fixture, "ws_client: a cancelled receive loses no message", "[ws_client][cancellation]") {
    ws_peers server{context};
    ws_client ws{context, server.url(), at_once()};
    cancellation::cancellation_signal cancel;
    std::optional<error_code> first;
    const auto receive_once = [&] {
        first.reset();
        ws.async_receive(cancellation::bind_cancellation_slot(
            cancel.slot(), [&](error_code ec, const std::optional<ws_message>&) { first = ec; }));
    };
    SECTION("before there is a connection") {
        receive_once();
        cancel.emit(cancellation::cancellation_type::terminal);
        settle();
        CHECK(*first == net::error::operation_aborted);
    }
    SECTION("on a connection") {
        receive_once();
        until([&] { return ws.is_open(); });
        std::optional<error_code> second;
        ws.async_receive([&](error_code ec, const std::optional<ws_message>&) { second = ec; });
        settle();
        CHECK(*second == error::already_receiving);
        CHECK_FALSE(first);
        cancel.emit(cancellation::cancellation_type::partial);
        settle();
        CHECK(*first == net::error::operation_aborted);
    }
    until([&] { return server.size() == 1; });
    server[0].ws.send("1");
    server[0].ws.send("2");
    CHECK(receive(ws) == "1");
    CHECK(receive(ws) == "2");
}

TEST_CASE_METHOD(fixture, "ws_client: a cancelled async_close closes all the same", "[ws_client][cancellation]") {
    ws_peers server{context};
    ws_client ws{context, server.url()};
    until([&] { return server.size() == 1 && ws.is_open(); });
    cancellation::cancellation_signal cancel;
    ws.async_close(ws_close_code{4000}, "why",
                   cancellation::bind_cancellation_slot(cancel.slot(), [&](error_code ec) { has.closed = ec; }));
    cancel.emit(cancellation::cancellation_type::total);
    until([&] { return server[0].ended; });
    CHECK(*has.closed == net::error::operation_aborted);
    CHECK(server[0].ws.close_reason().code == ws_close_code{4000});
    CHECK(server[0].ws.close_reason().text == "why");
}

// ---- closing ----

TEST_CASE_METHOD(fixture, "ws_client: it may be closed at every stage", "[ws_client][closing]") {
    const int stage = GENERATE(range(0, 6));
    CAPTURE(stage);
    test::scripted_server server{context,
                                 {{stage == 2   ? script::step{script::silence{}}
                                   : stage == 3 ? script::step{answers(503)}
                                                : script::step{switches()},
                                   script::silence{}}},
                                 afterwards::repeat_last};
    ws_client_options options{.reconnect = weir::fixed_delay{1h}};
    bool in_hook = false;
    net::steady_timer forever{context, net::steady_timer::time_point::max()};
    if (stage == 1) {
        options.before_attempt = [&](weir::ws_attempt&) -> net::awaitable<void> {
            in_hook = true;
            co_await forever.async_wait(net::use_awaitable);
        };
    }
    ws_client ws{context, server.url("/", "ws"), options};
    auto handlers = has.handlers();
    if (stage == 5) {
        handlers.on_open = [&](ws_new_connection& c) {
            ++has.opened;
            CHECK(c.send("last words") == error::none);
            ws.close();
            CHECK(c.send("x") == error::closed);
        };
    }
    ws.handle_with(handlers);
    ws.async_receive(has.remember_message());
    switch (stage) {
        case 0: break;                                                // before anything
        case 1: until([&] { return in_hook; }); break;                // during the hook
        case 2: until([&] { return server.waiting() == 1; }); break;  // during the handshake
        case 3: until([&] { return !has.retries.empty(); }); break;   // while waiting
        case 4: until([&] { return ws.is_open(); }); break;           // while open
        default: until([&] { return has.opened == 1; }); break;       // as soon as it is open
    }
    CHECK(ws.close(ws_close_code{1005}) == (stage < 5 ? error::bad_argument : error::closed));
    ws.async_close(ws_close_code::normal, {}, [&](error_code ec) { has.closed = ec; });
    CHECK_FALSE(ws.is_open());
    CHECK(has.closes.empty());  // never from within
    if (stage < 4) {
        until([&] { return has.closed && has.received && !has.closes.empty(); });
        CHECK(*has.closed == error_code{});
        CHECK(*has.received == error_code{});
        CHECK_FALSE(has.message);
        CHECK(has.closes == std::vector{error_code{}});
        settle();
        CHECK(server.open() == 0);
        return;
    }
    settle();
    CHECK_FALSE(ws.is_closed());  // the server has not answered the close frame
    CHECK_FALSE(has.closed);
}

TEST_CASE("ws_client: a server that does not answer the close frame is left after a while", "[ws_client][closing]") {
    test::virtual_context context;
    test::scripted_server server{context, {{switches(), script::silence{}}}};
    test::heard has;
    ws_client ws{context.context(), server.url("/", "ws")};
    ws.handle_with(has.handlers());
    test::run_until(context, [&] { return ws.is_open(); });
    ws.async_close(ws_close_code::normal, {}, [&](error_code ec) { has.closed = ec; });
    context.pass(4s);
    CHECK_FALSE(has.closed);
    context.pass(2s);
    CHECK(*has.closed == error::close_timed_out);
    CHECK(has.closes == std::vector{make_error_code(error::close_timed_out)});
}

TEST_CASE_METHOD(fixture, "ws_client: closed, it has written everything before its close frame",
                 "[ws_client][closing]") {
    ws_peers server{context};
    ws_client_options options;
    options.max_queued_messages = 0;
    ws_client ws{context, server.url(), options};
    until([&] { return ws.is_open(); });
    for (int i = 0; i != 3000; ++i) REQUIRE(ws.send(std::to_string(i)) == error::none);
    CHECK(ws.stats().queued_messages == 3000);
    SECTION("by close()") {
        ws.close();
        until([&] { return ws.is_closed(); });
        CHECK(ws.stats().messages_sent == 3000);
        CHECK_FALSE(ws.reason());
    }
    SECTION("by the handle's end") { const ws_client gone{std::move(ws)}; }
    until([&] { return server[0].ended; });
    CHECK(server[0].messages.size() == 3000);
    CHECK(server[0].ws.close_reason().code == ws_close_code::normal);
}

TEST_CASE_METHOD(fixture, "ws_client: without its handle nothing is called, but operations complete",
                 "[ws_client][closing]") {
    ws_peers server{context};
    {
        ws_client ws{context, server.url(), at_once()};
        ws.handle_with(has.handlers());
        bool connected = false;
        SECTION("connected") { connected = true; }
        SECTION("not connected") {}
        if (connected) until([&] { return server.size() == 1 && ws.is_open(); });
        ws.async_receive(has.remember_message());
        ws.async_close(ws_close_code::normal, {}, [&](error_code ec) { has.closed = ec; });
    }
    has.opened = 0;
    until([&] { return has.received && has.closed; });
    CHECK(*has.received == error_code{});
    CHECK_FALSE(has.message);
    CHECK(*has.closed == error_code{});
    settle();
    CHECK(has.opened == 0);
    CHECK(has.closes.empty());
}

TEST_CASE_METHOD(fixture, "ws_client: a handler may destroy it", "[ws_client][closing]") {
    ws_peers server{context};
    auto ws = std::make_unique<ws_client>(context, server.url(), at_once());
    bool gone = false;
    const auto destroy = [&] {
        ws.reset();
        gone = true;
    };
    weir::ws_client_handlers handlers;
    const int which = GENERATE(range(0, 4));
    if (which == 0) handlers.on_open = [&](ws_new_connection&) { destroy(); };
    if (which == 1) handlers.on_message = [&](ws_message) { destroy(); };
    if (which == 2) handlers.on_retry = [&](error_code, weir::milliseconds) { destroy(); };
    if (which == 3) handlers.on_close = [&](error_code) { destroy(); };
    ws->handle_with(handlers);
    until([&] { return server.size() == 1; });
    if (which == 1) {
        server[0].ws.send("1");
        server[0].ws.send("2");
    }
    if (which == 2) server[0].cut();
    if (which == 3) server[0].ws.close();
    until([&] { return gone; });
    settle();
    CHECK(server.size() == 1);
}

TEST_CASE_METHOD(fixture, "ws_client: an exception of a handler's ends it", "[ws_client][closing]") {
    ws_peers server{context};
    ws_client ws{context, server.url(), at_once()};
    auto handlers = has.handlers();
    const bool at_message = GENERATE(true, false);
    if (at_message) handlers.on_message = [](ws_message) { throw std::runtime_error{"mine"}; };
    if (!at_message) handlers.on_open = [](ws_new_connection&) { throw std::runtime_error{"mine"}; };
    ws.handle_with(handlers);
    CHECK_THROWS_WITH(until([&] {
                          if (server.size() == 1 && at_message) server[0].ws.send("x");
                          return ws.is_closed();
                      }),
                      "mine");
    until([&] { return !has.closes.empty(); });
    CHECK(has.closes == std::vector{make_error_code(error::closed)});
    CHECK(has.retries.empty());
    if (!at_message) CHECK(receive(ws) == weir::message(error::closed));
}

// ---- the context's end ----

TEST_CASE("ws_client: a context may be destroyed at every stage, and what waits in it", "[ws_client][closing]") {
    const int stage = GENERATE(range(0, 6));
    CAPTURE(stage);
    auto context = std::make_unique<net::io_context>();
    auto server = std::make_unique<test::scripted_server>(
        *context, std::vector<script::connection>{{stage == 2   ? script::step{script::silence{}}
                                                   : stage == 3 ? script::step{answers(503)}
                                                                : script::step{switches()},
                                                   says("x"), script::silence{}}});
    auto ended = std::make_shared<int>(0);
    net::co_spawn(
        *context,
        [](std::string url, std::shared_ptr<int> held, bool hooked, bool closes) -> net::awaitable<void> {
            weir::ws_client_options options{.reconnect = weir::fixed_delay{1h}};
            if (hooked) {
                options.before_attempt = [held](weir::ws_attempt&) -> net::awaitable<void> {
                    net::steady_timer forever{co_await net::this_coro::executor, net::steady_timer::time_point::max()};
                    co_await forever.async_wait(net::use_awaitable);
                };
            }
            // A client that its own handlers own, too.
            const auto ws = std::make_shared<ws_client>(co_await net::this_coro::executor, url, options);
            ws->handle_with({.on_retry = [ws](error_code, weir::milliseconds) {}});
            ws->send("waits");
            static_cast<void>(co_await ws->async_receive());
            if (closes) co_await ws->async_close();
            static_cast<void>(co_await ws->async_receive());
            ++*held;
        }(server->url("/", "ws"), ended, stage == 1, stage == 5),
        net::detached);
    const auto until = [&](const std::function<bool()>& done) { test::run_until(*context, done); };
    switch (stage) {
        case 0: break;
        case 1: context->poll(); break;                                                           // in the hook
        case 2: until([&] { return server->waiting() == 1; }); break;                             // in the handshake
        case 3: until([&] { return server->connections() == 1 && server->open() == 0; }); break;  // waiting
        default:
            until([&] { return server->waiting() == 1; });
            context->poll();
            break;  // open, closing
    }
    server.reset();
    context.reset();
    CHECK(*ended == 0);
    CHECK(ended.use_count() == 1);
}

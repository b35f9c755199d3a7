// SPDX-License-Identifier: BSL-1.0
#include <weir/server.hpp>

// WebSocket routes, from their handlers to how they end.

#include "catch.hpp"

#include WEIR_ASIO(redirect_error.hpp)
#include WEIR_ASIO(use_awaitable.hpp)

#include <chrono>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "support/raw_websocket.hpp"
#include "support/running_server.hpp"

using namespace std::chrono_literals;
using test::raw_websocket;
using test::running_server;
using weir::awaitable;
using weir::error_code;
using weir::request;
using weir::response;
using weir::ws_close_code;
using weir::ws_message;
using weir::ws_session;

namespace {

awaitable<void> echo(ws_session ws) {
    while (auto message = co_await ws.async_receive()) co_await ws.async_send(*message);
}

/// What was reported, as a server's on_error.
struct reports {
    std::mutex mutex;
    std::vector<std::string> lines;

    auto function() {
        return [this](std::string_view route, std::exception_ptr failure) {
            std::string text{route};
            try {
                std::rethrow_exception(failure);
            } catch (const std::exception& e) {
                text.append(": ").append(e.what());
            }
            const std::lock_guard lock{mutex};
            lines.push_back(std::move(text));
        };
    }
    std::vector<std::string> all() {
        const std::lock_guard lock{mutex};
        return lines;
    }
};

}  // namespace

TEST_CASE("websocket: a handler is a coroutine or a function, with or without the request", "[server][ws]") {
    running_server server;
    std::vector<std::unique_ptr<ws_session>> kept;
    const auto keep = [&](ws_session ws) {
        kept.push_back(std::make_unique<ws_session>(std::move(ws)));
        kept.back()->on_message([out = kept.back().get()](ws_message m) { out->send(m); });
    };
    server->ws("/coroutine", echo);
    server->ws("/coroutine/{room}", [](ws_session ws, request r) -> awaitable<void> {
        ws.send(r.param("room"));
        co_await echo(std::move(ws));
    });
    server->ws("/function", [&](ws_session ws) { keep(std::move(ws)); });
    server->ws("/function/{room}", [&](ws_session ws, const request& r) {
        ws.send(r.param("room"));
        keep(std::move(ws));
    });
    server.start();
    for (const std::string path : {"/coroutine", "/coroutine/kitchen", "/function", "/function/kitchen"}) {
        raw_websocket client{server, path + "?x=1"};
        if (path.ends_with("kitchen")) CHECK(client.read() == test::text("kitchen"));
        client.send_text("hello");
        CHECK(client.read() == test::text("hello"));
        client.close(1000);
        CHECK(client.read_close() == ws_close_code::normal);
    }
    server->stop();
    server.join();
    kept.clear();
}

TEST_CASE("websocket: a function may keep its session; that it is destroyed closes it", "[server][ws]") {
    running_server server;
    server->ws("/now", [](ws_session) {});
    server->ws("/said", [](ws_session ws) {
        ws.send("bye");
        ws.close(ws_close_code{4001}, "reason");
    });
    server.start();
    raw_websocket now{server, "/now"};
    CHECK(now.read() == test::closed(ws_close_code::normal));
    now.close();
    now.read_end();
    raw_websocket said{server, "/said"};
    CHECK(said.read() == test::text("bye"));
    CHECK(said.read() == test::closed(ws_close_code{4001}, "reason"));
    said.close(4001);
    said.read_end();
}

TEST_CASE("websocket: frames that come with the request are received", "[server][ws]") {
    running_server server;
    server->ws("/echo", echo);
    server.start();
    const std::string all = test::upgrade_request("/echo") + test::frame{.payload = "early"}.from_client() +
                            test::frame{.payload = "second"}.from_client();
    auto client = server.connect();
    client.send(all);
    client.read_until("\r\n\r\n");
    const std::string expected =
        test::frame{.payload = "early"}.from_server() + test::frame{.payload = "second"}.from_server();
    CHECK(client.read_exactly(expected.size()) == expected);
    auto slowly = server.connect();
    for (const char c : all) slowly.send({&c, 1});
    slowly.read_until("\r\n\r\n");
    CHECK(slowly.read_exactly(expected.size()) == expected);
}

TEST_CASE("websocket: behind another request on the same connection", "[server][ws]") {
    running_server server;
    server->ws("/echo", echo);
    server->get("/", [](const request&) { return response{.body = "hi"}; });
    server.start();
    auto client = server.connect();
    CHECK(client.fetch("/").body == "hi");
    client.send(test::upgrade_request("/echo") + test::frame{.payload = "x"}.from_client());
    CHECK(client.read_until("\r\n\r\n").starts_with("HTTP/1.1 101 "));
    CHECK(client.read_exactly(3) == test::frame{.payload = "x"}.from_server());
}

TEST_CASE("websocket: what is refused is answered, and the connection goes on where it can", "[server][ws]") {
    running_server server;
    server->ws("/echo", echo, {.allowed_origins = {"https://app.example"}});
    server->get("/", [](const request&) { return response{.body = "hi"}; });
    server.start();
    auto client = server.connect();
    CHECK(client.fetch("/echo").status == 426);
    CHECK(client.fetch("/echo", "Upgrade: websocket\r\nConnection: Upgrade\r\n").status == 400);
    client.send(test::upgrade_request("/echo", "Origin: https://evil.example\r\n"));
    CHECK(client.read_answer().status == 403);
    client.send("POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: 0\r\n\r\n");
    const auto post = client.read_answer();
    CHECK(post.status == 405);
    CHECK(post.field("Allow") == "GET");
    CHECK(client.fetch("/").body == "hi");
    CHECK_NOTHROW(raw_websocket{server, "/echo", "Origin: https://app.example\r\n"});
    CHECK_NOTHROW(raw_websocket{server, "/echo", "Origin: http://test\r\n"});
}

TEST_CASE("websocket: intercept answers instead of the 101", "[server][ws]") {
    running_server server;
    server->ws("/echo", echo, {.intercept = [](const request& r) -> std::optional<response> {
                   if (r.header("Authorization") == "yes") return std::nullopt;
                   return response{.status = 401, .body = "who are you?"};
               }});
    server.start();
    auto client = server.connect();
    client.send(test::upgrade_request("/echo"));
    const auto answer = client.read_answer();
    CHECK(answer.status == 401);
    CHECK(answer.body == "who are you?");
    client.send(test::upgrade_request("/echo", "Authorization: yes\r\n"));
    CHECK(client.read_until("\r\n\r\n").starts_with("HTTP/1.1 101 "));
}

TEST_CASE("websocket: an intercept that throws is reported, and answered with 500", "[server][ws]") {
    reports seen;
    running_server server{{.on_error = seen.function()}};
    server->ws("/echo", echo,
               {.intercept = [](const request&) -> std::optional<response> { throw std::runtime_error{"no"}; }});
    server.start();
    auto client = server.connect();
    client.send(test::upgrade_request("/echo"));
    CHECK(client.read_answer().status == 500);
    CHECK(seen.all() == std::vector<std::string>{"/echo: no"});
}

TEST_CASE("websocket: a route's subprotocols and fields are in its 101", "[server][ws]") {
    running_server server;
    server->ws("/chat",
               [](ws_session ws) -> awaitable<void> {
                   ws.send(ws.subprotocol());
                   co_await ws.async_drained();
               },
               {.subprotocols = {"v2", "v1"}, .fields = {{"X-Server", "weir"}}});
    server.start();
    raw_websocket both{server, "/chat", "Sec-WebSocket-Protocol: v1, v2\r\n"};
    CHECK(both.head().find("\r\nSec-WebSocket-Protocol: v2\r\n") != std::string::npos);
    CHECK(both.head().find("\r\nX-Server: weir\r\n") != std::string::npos);
    CHECK(both.read() == test::text("v2"));
    raw_websocket other{server, "/chat", "Sec-WebSocket-Protocol: v3\r\n"};
    CHECK(other.head().find("Sec-WebSocket-Protocol") == std::string::npos);
    CHECK(other.read() == test::text(""));
}

TEST_CASE("websocket: a route that cannot be is refused when it is added", "[server][ws]") {
    weir::server app;
    CHECK_THROWS_AS(app.ws("/x", echo, {.fields = {{"Upgrade", "tea"}}}), std::invalid_argument);
    CHECK_THROWS_AS(app.ws("/x", echo, {.subprotocols = {"a b"}}), std::invalid_argument);
    CHECK_THROWS_AS(app.ws("x", echo), std::invalid_argument);
    app.ws("/x", echo);
    CHECK_THROWS_AS(app.ws("/x", echo), std::invalid_argument);
}

TEST_CASE("RFC 6455 7.4.1: a message larger than the route allows is answered with 1009",
          "[server][ws][rfc6455-7.4.1]") {
    running_server server;
    server->ws("/echo", echo, {.max_message_bytes = 10});
    server->ws("/any", echo, {.max_message_bytes = 0});
    server.start();
    raw_websocket client{server, "/echo"};
    client.send_text("0123456789");
    CHECK(client.read() == test::text("0123456789"));
    client.send_text("0123456789+");
    CHECK(client.read_close() == ws_close_code::message_too_big);
    raw_websocket any{server, "/any"};
    const std::string large(3'000'000, 'x');
    any.send_text(large);
    CHECK(any.read() == test::text(large));
}

TEST_CASE("websocket: each route has its own heartbeat", "[server][ws]") {
    running_server server;
    server->ws("/lively", echo, {.heartbeat = weir::ping_every{20ms, 0ms}});
    std::promise<error_code> ended;
    server->ws("/strict", [&](ws_session ws) -> awaitable<void> { ended.set_value(co_await ws.async_closed()); },
               {.heartbeat = weir::ping_every{20ms, 20ms}});
    server.start();
    raw_websocket lively{server, "/lively"};
    CHECK(lively.read() == test::ping());
    lively.send({.code = 10});
    CHECK(lively.read() == test::ping());
    raw_websocket silent{server, "/strict"};
    CHECK(silent.read() == test::ping());
    CHECK(test::value_of(ended.get_future()) == weir::error::unresponsive);
}

TEST_CASE("websocket: at the end of its life it is closed with 1001", "[server][ws]") {
    running_server server;
    std::promise<error_code> ended;
    server->ws("/brief", [&](ws_session ws) -> awaitable<void> { ended.set_value(co_await ws.async_closed()); },
               {.max_life = 50ms});
    server.start();
    raw_websocket client{server, "/brief"};
    CHECK(client.read() == test::closed(ws_close_code::going_away));
    client.close(1001);
    client.read_end();
    client.bytes().close();
    CHECK(test::value_of(ended.get_future()) == weir::error::expired);
}

TEST_CASE("websocket: connections beyond the limit are closed, and a place is free when one has ended",
          "[server][ws]") {
    running_server server{{.max_connections = 1}};
    server->ws("/echo", echo);
    server.start();
    {
        raw_websocket first{server, "/echo"};
        CHECK_THROWS(raw_websocket{server, "/echo"});
        first.close();
        CHECK(first.read_close() == ws_close_code::normal);
    }
    const auto connected = [&] {
        try {
            raw_websocket next{server, "/echo"};
            return true;
        } catch (const std::runtime_error&) {
            return false;
        }
    };
    while (!connected()) {  // the server has still to see that the client has gone
    }
}

// ---- exceptions ----

TEST_CASE("websocket: what leaves a handler is reported, unless it says that the session has ended", "[server][ws]") {
    reports seen;
    {
        running_server server{{.on_error = seen.function()}};
        server->ws("/function", [](ws_session) { throw std::runtime_error{"function"}; });
        server->ws("/coroutine", [](ws_session) -> awaitable<void> {
            throw std::runtime_error{"coroutine"};
            co_return;
        });
        server->ws("/echo", echo);
        server.start();
        for (const std::string_view path : {"/function", "/coroutine"}) {
            raw_websocket client{server, path};
            CHECK(client.read().what == weir::ws::event_kind::close);
            client.close();
            client.read_end();
        }
        raw_websocket gone{server, "/echo"};
        gone.bytes().reset();
        raw_websocket faulty{server, "/echo"};
        faulty.bytes().send(test::frame{.payload = "x"}.from_server());
        CHECK(faulty.read_close() == ws_close_code::protocol_error);
        faulty.bytes().close();
        server->drain({.over = 0ms, .deadline = 60s});
        server.join();
    }
    CHECK(seen.all() == std::vector<std::string>{"/function: function", "/coroutine: coroutine"});
}

TEST_CASE("websocket: what leaves on_message ends the run, as all that the application runs there", "[server][ws]") {
    running_server server;
    std::optional<ws_session> kept;
    server->ws("/x", [&](ws_session ws) {
        kept.emplace(std::move(ws));
        kept->on_message([](ws_message) { throw std::runtime_error{"no"}; });
    });
    server.start();
    raw_websocket client{server, "/x"};
    client.send_text("x");
    CHECK_THROWS_AS(server.join(), std::runtime_error);
    kept.reset();
}

// ---- the end ----

TEST_CASE("RFC 6455 7.4.1: a server that drains closes with 1001, and run() returns", "[server][ws][drain]") {
    running_server server{{.threads = 2}};
    std::promise<error_code> told;
    server->ws("/echo", echo);
    server->ws("/watch", [&](ws_session ws) -> awaitable<void> { told.set_value(co_await ws.async_closed()); });
    server.start();
    std::vector<raw_websocket> clients;
    for (int i = 0; i != 6; ++i) clients.emplace_back(server, i == 0 ? "/watch" : "/echo");
    clients[1].send_text("before");
    CHECK(clients[1].read() == test::text("before"));
    server->drain({.over = 1s, .deadline = 600s});
    for (auto& client : clients) {
        CHECK(client.read() == test::closed(ws_close_code::going_away));
        client.close(1001);
        client.read_end();
        client.bytes().close();
    }
    CHECK(test::value_of(told.get_future()) == weir::error::draining);
    server.join();
    CHECK(server->connections() == 0);
}

TEST_CASE("websocket: who asks for one while the server drains is told to come back", "[server][ws][drain]") {
    running_server server{{.request_time = 0ms, .idle_time = 0ms}};
    server->ws("/echo", echo);
    server->get("/", [](const request&) { return response{}; });
    server.start();
    raw_websocket holder{server, "/echo"};
    auto late = server.connect();
    late.fetch("/");
    late.send("GET /echo HTTP/1.1\r\n");
    auto behind = server.connect();
    CHECK(behind.fetch("/").status == 200);  // what `late` has sent is known
    server->drain({.over = 0ms, .deadline = 600s});
    CHECK(holder.read() == test::closed(ws_close_code::going_away));
    const std::string request = test::upgrade_request("/echo");
    late.send(request.substr(request.find("Host: ")));
    CHECK(late.read_answer().status == 503);
    CHECK(late.read_to_end().empty());
    holder.close(1001);
    holder.read_end();
    for (auto* client : {&late, &behind}) client->close();
    holder.bytes().close();
    server.join();
}

TEST_CASE("websocket: a client that does not answer 1001 is cut off", "[server][ws][drain]") {
    running_server server;
    server->ws("/echo", echo);
    server.start();
    raw_websocket client{server, "/echo"};
    server->drain({.over = 0ms, .deadline = 50ms});
    CHECK(client.read() == test::closed(ws_close_code::going_away));
    server.join();
}

TEST_CASE("websocket: destroyed with sessions in every state, a server closes them", "[server][ws]") {
    running_server server{{.threads = 2}};
    auto kept = std::make_shared<std::vector<ws_session>>();
    server->ws("/echo", echo);
    server->ws("/kept", [kept](ws_session ws) {
        ws.pause();
        kept->push_back(std::move(ws));
    });
    server->ws("/flood", [](ws_session ws) -> awaitable<void> {
        const std::string data(100'000, 'x');
        for (;;) co_await ws.async_send(data);
    });
    server->ws("/own", [](ws_session ws) {
        auto self = std::make_shared<ws_session>(std::move(ws));
        self->on_message([self](ws_message m) { self->send(m); });
    });
    server.start();
    std::vector<raw_websocket> clients;
    for (const std::string_view path : {"/echo", "/kept", "/flood", "/own", "/echo"})
        clients.emplace_back(server, path);
    clients[4].send({.payload = "half", .fin = false});
    clients[3].send_text("x");
    CHECK(clients[3].read() == test::text("x"));
    kept.reset();
    server.destroy();
    for (auto& client : clients) CHECK_NOTHROW(client.bytes().read_to_end());
}

TEST_CASE("websocket: over several threads, each on its own", "[server][ws][threads]") {
    running_server server{{.threads = 4}};
    server->ws("/echo", echo);
    server->ws("/call", [](ws_session ws) {
        auto self = std::make_shared<ws_session>(std::move(ws));
        self->on_message([self](ws_message m) { self->send(m); });
    });
    server.start();
    std::vector<std::future<void>> all;
    for (int worker = 0; worker != 4; ++worker) {
        all.push_back(std::async(std::launch::async, [&server, worker] {
            for (int round = 0; round != 20; ++round) {
                raw_websocket client{server, round % 2 == 0 ? "/echo" : "/call"};
                for (int i = 0; i != 20; ++i) {
                    const std::string text = std::to_string(worker) + '-' + std::to_string(i);
                    client.send_text(text);
                    if (client.read() != test::text(text)) throw std::runtime_error{"another's answer"};
                }
                if (round % 3 == 0) client.bytes().reset();
                if (round % 3 == 1) client.close().read_close();
            }
        }));
    }
    for (auto& one : all) test::value_of(std::move(one));
    server->drain({.over = 0ms, .deadline = 600s});
    server.join();
    CHECK(server->connections() == 0);
}

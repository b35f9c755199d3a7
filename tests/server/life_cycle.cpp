// SPDX-License-Identifier: BSL-1.0
#include <weir/server.hpp>

// A server from its making to its end, whatever goes on meanwhile.

#include "catch.hpp"

#include WEIR_ASIO(post.hpp)
#include WEIR_ASIO(steady_timer.hpp)
#include WEIR_ASIO(this_coro.hpp)
#include WEIR_ASIO(use_awaitable.hpp)

#include <chrono>
#include <cstddef>
#include <future>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "support/running_server.hpp"

using namespace std::chrono_literals;
using test::running_server;
using weir::awaitable;
using weir::request;
using weir::response;
using weir::sse_session;

TEST_CASE("server: a route that cannot be is refused when it is added", "[server]") {
    weir::server app;
    const auto handler = [](const request&) { return response{}; };
    app.get("/a/{b}", handler);
    CHECK_THROWS_AS(app.get("/a/{c}", handler), std::invalid_argument);
    CHECK_THROWS_AS(app.get("a", handler), std::invalid_argument);
    CHECK_THROWS_AS(app.get("/{", handler), std::invalid_argument);
    CHECK_THROWS_AS(app.route("G T", "/x", handler), std::invalid_argument);
    app.sse("/s", [](sse_session) {});
    CHECK_THROWS_AS(app.sse("/s", [](sse_session) {}), std::invalid_argument);
    CHECK_NOTHROW(app.post("/a/{b}", handler));
}

TEST_CASE("server: it listens where it is told, or says why not", "[server]") {
    weir::server app{{.handle_signals = false}};
    const auto port = app.listen({.port = 0});
    CHECK(port != 0);
    CHECK(app.listen({.port = 0}) != port);
    CHECK_THROWS_AS(app.listen({.port = port}), weir::system_error);
    CHECK_THROWS_AS(app.listen({.address = "nowhere", .port = 0}), weir::system_error);
    CHECK_THROWS_AS(app.listen({.address = "192.0.2.1", .port = 0}), weir::system_error);
}

TEST_CASE("server: several addresses are served alike", "[server]") {
    running_server server;
    server->get("/", [](const request&) { return response{.body = "hi"}; });
    const auto other = server->listen({.port = 0});
    server.start();
    CHECK(server.connect().fetch("/").body == "hi");
    CHECK(test::raw_client{other}.fetch("/").body == "hi");
}

TEST_CASE("server: its event loops are there for the application", "[server]") {
    weir::server one;
    CHECK(one.threads() == 1);
    weir::server none{{.threads = 0}};
    CHECK(none.threads() == 1);

    running_server server{{.threads = 3}};
    CHECK(server->threads() == 3);
    CHECK_THROWS_AS(server->context(3), std::out_of_range);
    server.start();
    for (std::size_t i = 0; i < 3; ++i) {
        std::promise<void> ran;
        weir::net::post(server->context(i), [&] { ran.set_value(); });
        test::value_of(ran.get_future());
    }
}

TEST_CASE("server: run returns at once when it was stopped or drained before", "[server]") {
    running_server stopped{{.threads = 2}};
    stopped->stop();
    stopped.start().join();

    running_server drained{{.threads = 2}};
    drained->drain();
    drained.start().join();
    CHECK_THROWS(drained.connect().fetch("/"));
}

TEST_CASE("server: what an application's own work throws leaves run, with all threads", "[server]") {
    for (const std::size_t loop : {0, 2}) {
        running_server server{{.threads = 3}};
        server.start();
        weir::net::post(server->context(loop), [] { throw std::runtime_error("mine"); });
        CHECK_THROWS_AS(server.join(), std::runtime_error);
    }
}

TEST_CASE("server: stopped, it returns at once, whoever is connected", "[server]") {
    running_server server{{.threads = 2}};
    server->sse("/x", [](sse_session out) -> awaitable<void> { co_await out.async_closed(); });
    server.start();
    auto idle = server.connect();
    auto stream = server.connect();
    stream.get("/x");
    stream.read_until("\r\n\r\n");
    server->stop();
    server.join();
}

TEST_CASE("server: destroyed with sessions in every state, it closes them", "[server]") {
    running_server server{{.threads = 2}};
    auto kept = std::make_shared<std::vector<sse_session>>();
    std::weak_ptr<std::vector<sse_session>> watched = kept;
    std::promise<void> both;
    server->sse("/wait/{what}", [](sse_session out, request r) -> awaitable<void> {
        if (r.param("what") == "closed") co_await out.async_closed();
        if (r.param("what") == "sleep") co_await out.async_sleep(1h);
        if (r.param("what") == "timer") {
            weir::net::steady_timer timer{out.get_executor(), 1h};
            co_await timer.async_wait(weir::net::use_awaitable);
        }
        for (const std::string data(100'000, 'x');;) co_await out.async_send({.data = data});
    });
    // The handler's own state, which the server destroys after its event loops have ended.
    server->sse("/keep", [kept = std::move(kept), &both](sse_session out) {
        kept->push_back(std::move(out));
        if (kept->size() == 1) both.set_value();
    });
    server->get("/slow", [](request) -> awaitable<response> {
        weir::net::steady_timer timer{co_await weir::net::this_coro::executor, 1h};
        co_await timer.async_wait(weir::net::use_awaitable);
        co_return response{};
    });
    server.start();
    std::vector<test::raw_client> clients;
    for (const std::string_view target : {"/wait/closed", "/wait/sleep", "/wait/timer", "/wait/send", "/keep"}) {
        clients.push_back(server.connect());
        clients.back().get(target).read_until("\r\n\r\n");
    }
    test::value_of(both.get_future());
    clients.push_back(server.connect());
    clients.back().get("/slow");
    clients.push_back(server.connect());
    clients.back().send("GET /partial");
    server.destroy();
    CHECK(watched.expired());
    for (auto& client : clients) CHECK_NOTHROW(client.read_to_end());
}

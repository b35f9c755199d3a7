// SPDX-License-Identifier: BSL-1.0
#include <weir/server.hpp>

// How a server comes to its end with everybody told.

#include "catch.hpp"

#include WEIR_ASIO(steady_timer.hpp)
#include WEIR_ASIO(use_awaitable.hpp)

#include <chrono>
#include <cstdlib>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "support/running_server.hpp"

using namespace std::chrono_literals;
using test::running_server;
using weir::awaitable;
using weir::error_code;
using weir::request;
using weir::response;
using weir::sse_session;

namespace {

// Long enough that a test which needs the deadline fails on its own patience.
constexpr weir::drain_options unhurried{.over = 2'000ms, .deadline = 600s};

awaitable<void> until_closed(sse_session out) { co_await out.async_closed(); }

}  // namespace

TEST_CASE("drain: every stream is told when to come back, and ends in good order", "[server][drain]") {
    running_server server{{.threads = 2}};
    server->sse("/x", until_closed);
    server.start();
    std::vector<test::raw_client> clients;
    for (int i = 0; i < 20; ++i) {
        clients.push_back(server.connect());
        clients.back().get("/x").read_until("\r\n\r\n3\r\n:\n\n\r\n");
    }
    server->drain(unhurried);
    std::vector<int> times;
    for (auto& client : clients) {
        const std::string rest = client.read_to_end();
        CHECK_FALSE(client.was_reset());
        const auto start = rest.find("\r\nretry: ");
        REQUIRE(start != std::string::npos);
        CHECK(rest.ends_with("\n\n\r\n0\r\n\r\n"));
        times.push_back(std::atoi(rest.c_str() + start + 9));
        CHECK(times.back() >= 0);
        CHECK(times.back() <= 2'000);
        client.close();
    }
    // Spread: twenty times the same is one chance in 2000^19.
    CHECK(std::vector(times.size(), times.front()) != times);
    server.join();
}

TEST_CASE("drain: nobody is let in any more", "[server][drain]") {
    running_server server;
    server->sse("/x", until_closed);
    server.start();
    auto client = server.connect();
    client.get("/x").read_until("\r\n\r\n");
    server->drain(unhurried);
    client.read_until("retry: ");
    CHECK_THROWS(server.connect());
    client.close();
    server.join();
}

TEST_CASE("drain: connections between two requests, or before the first, are ended", "[server][drain]") {
    running_server server{{.threads = 2, .request_time = 0ms, .idle_time = 0ms}};
    server->get("/", [](const request&) { return response{}; });
    server.start();
    std::vector<test::raw_client> clients;
    for (int i = 0; i < 4; ++i) {
        clients.push_back(server.connect());
        CHECK(clients.back().fetch("/").status == 200);
    }
    auto fresh = server.connect();
    auto after_fresh = server.connect();  // accepted in order: fresh is known when this one is answered
    CHECK(after_fresh.fetch("/").status == 200);
    server->drain(unhurried);
    for (auto& client : clients) CHECK(client.read_to_end().empty());
    CHECK(fresh.read_to_end().empty());
    server.join();
}

TEST_CASE("drain: a request under way is answered, and its connection ends", "[server][drain]") {
    running_server server{{.request_time = 0ms, .idle_time = 0ms}};
    std::promise<void> asked;
    auto timer = std::make_shared<std::optional<weir::net::steady_timer>>();
    server->get("/slow", [&, timer](request) -> awaitable<response> {
        timer->emplace(server->context(), 1h);
        asked.set_value();
        error_code ec;
        co_await (*timer)->async_wait(weir::net::redirect_error(weir::net::use_awaitable, ec));
        co_return response{.body = "done"};
    });
    server->get("/", [](const request&) { return response{}; });
    server.start();
    auto slow = server.connect();
    slow.get("/slow");
    test::value_of(asked.get_future());
    auto partial = server.connect();
    partial.fetch("/");
    partial.send("GET / HTTP/1.1\r\n");
    auto after = server.connect();
    CHECK(after.fetch("/").status == 200);

    server->drain(unhurried);
    CHECK(after.read_to_end().empty());  // draining has begun
    weir::net::post(server->context(), [&] { (*timer)->cancel(); });
    const auto answer = slow.read_answer();
    CHECK(answer.body == "done");
    CHECK(answer.field("Connection") == "close");
    CHECK(slow.read_to_end().empty());
    partial.send("Host: a\r\n\r\n");
    const auto late = partial.read_answer();
    CHECK(late.status == 200);
    CHECK(late.field("Connection") == "close");
    CHECK(partial.read_to_end().empty());
    for (auto* client : {&after, &slow, &partial}) client->close();
    server.join();
}

TEST_CASE("drain: who asks for a stream meanwhile is asked to come back", "[server][drain]") {
    running_server server{{.request_time = 0ms, .drain = {.over = 0ms, .deadline = 1ms}}};
    std::promise<void> called;
    server->sse("/x", [&](sse_session) { called.set_value(); });
    server->get("/", [](const request&) { return response{}; });
    server.start();
    auto late = server.connect();
    late.fetch("/");
    late.send("GET /x HTTP/1.1\r\n");
    auto after = server.connect();
    CHECK(after.fetch("/").status == 200);
    server->drain({.over = 60'000'000ms, .deadline = 600s});  // and not what is set for signals
    CHECK(after.read_to_end().empty());
    late.send("Host: a\r\n\r\n");
    CHECK(late.read_until("\r\n\r\n").starts_with("HTTP/1.1 200 "));
    const std::string stream = late.read_to_end();
    const auto start = stream.find("retry: ");
    REQUIRE(start != std::string::npos);
    CHECK(stream.substr(start).starts_with("retry: 0\n") == false);
    CHECK(stream.ends_with("\r\n0\r\n\r\n"));
    CHECK(called.get_future().wait_for(0s) == std::future_status::timeout);
    for (auto* client : {&after, &late}) client->close();
    server.join();
}

TEST_CASE("drain: handlers learn of it, the last one too", "[server][drain]") {
    running_server server{{.threads = 2}};
    std::promise<std::string> closed, slept;
    server->sse("/closed", [&](sse_session out) -> awaitable<void> {
        const error_code why = co_await out.async_closed();
        closed.set_value(why.message());
    });
    server->sse("/slept", [&](sse_session out) -> awaitable<void> {
        error_code ec;
        co_await out.async_sleep(1h, weir::net::redirect_error(weir::net::use_awaitable, ec));
        slept.set_value(ec.message());
    });
    server.start();
    auto first = server.connect();
    first.get("/slept").read_until("\r\n\r\n");
    server->drain(unhurried);
    first.read_to_end();
    first.close();
    server.join();
    CHECK(test::value_of(slept.get_future()) == weir::message(weir::error::draining));

    running_server other;
    std::promise<std::string> reason;
    other->sse("/closed", [&](sse_session out) -> awaitable<void> {
        const error_code why = co_await out.async_closed();
        reason.set_value(why.message());
    });
    other.start();
    auto last = other.connect();
    last.get("/closed").read_until("\r\n\r\n");
    other->drain(unhurried);
    last.read_to_end();
    last.close();
    other.join();
    CHECK(test::value_of(reason.get_future()) == weir::message(weir::error::draining));
}

TEST_CASE("drain: a session that a handler keeps for ever does not hold the server", "[server][drain]") {
    std::vector<sse_session> kept;
    running_server server;
    std::promise<void> opened;
    server->sse("/keep", [&](sse_session out) {
        kept.push_back(std::move(out));
        opened.set_value();
    });
    server.start();
    auto client = server.connect();
    client.get("/keep");
    test::value_of(opened.get_future());
    server->drain(unhurried);
    CHECK(client.read_to_end().ends_with("\r\n0\r\n\r\n"));
    client.close();
    server.join();
    CHECK(server->connections() == 0);
    REQUIRE(kept.size() == 1);
    CHECK_FALSE(kept.front().is_open());
    CHECK(kept.front().send({.data = "x"}) == weir::error::closed);
    kept.clear();
}

TEST_CASE("drain: who does not take the rest is cut off at the deadline", "[server][drain]") {
    running_server server;
    std::promise<void> stuck;
    server->sse("/flood", [&](sse_session out) -> awaitable<void> {
        const std::string data(100'000, 'x');
        while (out.send({.data = data}) == weir::error::none) {
        }
        stuck.set_value();
        co_await out.async_closed();
    });
    server.start();
    auto client = server.connect(4096);
    client.get("/flood");
    test::value_of(stuck.get_future());
    server->drain({.over = 0ms, .deadline = 50ms});
    server.join();
    server.destroy();
    CHECK_NOTHROW(client.read_to_end());
}

TEST_CASE("drain: a second drain changes nothing, and stop ends it", "[server][drain]") {
    running_server server;
    server->sse("/x", until_closed);
    server.start();
    auto client = server.connect();
    client.get("/x").read_until("\r\n\r\n3\r\n:\n\n\r\n");
    server->drain(unhurried);
    server->drain({.over = 0ms, .deadline = 0ms});
    const std::string rest = client.read_to_end();
    CHECK(rest.find("retry: ") == rest.rfind("retry: "));
    server->stop();  // the client has not closed its side
    server.join();
}

TEST_CASE("drain: with nobody there, run returns", "[server][drain]") {
    running_server server{{.threads = 4}};
    server.start();
    server->drain(unhurried);
    server.join();
}

// SPDX-License-Identifier: BSL-1.0
#include <weir/server.hpp>

// Clients that are slow, silent, gone, or mean.

#include "catch.hpp"

#include <chrono>
#include <cstddef>
#include <future>
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

response hello(const request&) { return {.body = "hi"}; }

// The server still serves: everything before was survived.
bool is_alive(const running_server& server) { return server.connect().fetch("/hello").body == "hi"; }

// Sends until the policy has had its say, and tells what became of the session.
struct flood_result {
    weir::error last_send = weir::error::none;
    std::string reason;
    weir::session_stats stats;
};

const std::string& large() {
    static const std::string text(100'000, 'x');
    return text;
}

// A route under that policy, to which a client is connected that never reads. `until` says when it is enough.
template <class Until>
flood_result flood(weir::any_backpressure policy, Until until, weir::milliseconds stall = 0ms) {
    running_server server;
    server->get("/hello", hello);
    flood_result result;
    std::promise<void> over;
    server->sse("/flood",
                [&](sse_session out) -> awaitable<void> {
                    while (!until(result)) {
                        result.last_send = out.send({.event = "water", .data = large()});
                        result.stats = out.stats();
                        if (out.is_open()) {
                            error_code ec;
                            co_await out.async_sleep(1ms, weir::net::redirect_error(weir::net::use_awaitable, ec));
                        }
                    }
                    if (!out.is_open()) {
                        const error_code why = co_await out.async_closed();
                        result.reason = why.message();
                        result.stats = out.stats();
                    }
                    over.set_value();
                },
                {.backpressure = std::move(policy), .heartbeat = weir::no_heartbeat{}, .stall_timeout = stall});
    server.start();
    auto client = server.connect(4096);
    client.get("/flood");
    test::value_of(over.get_future());
    CHECK(is_alive(server));
    return result;
}

}  // namespace

// ---- readers that don't read ----

TEST_CASE("hostile: close_slow ends the session of a client that never reads", "[server][hostile]") {
    const auto result = flood(weir::close_slow{.max_messages = 5},
                              [](const flood_result& r) { return r.last_send != weir::error::none; });
    CHECK(result.last_send == weir::error::slow_reader);
    CHECK(result.reason == weir::message(weir::error::slow_reader));
    CHECK(result.stats.dropped.unsent > 0);
    CHECK(result.stats.queued_messages == 0);
}

TEST_CASE("hostile: drop_oldest counts what a client that never reads has missed", "[server][hostile]") {
    const auto result =
        flood(weir::drop_oldest{.max_messages = 5}, [](const flood_result& r) { return r.stats.dropped.oldest >= 10; });
    CHECK(result.last_send == weir::error::none);
    CHECK(result.stats.queued_messages == 5);
    CHECK(result.stats.dropped.total() == result.stats.dropped.oldest);
}

TEST_CASE("hostile: keep_latest has one message per key for a client that never reads", "[server][hostile]") {
    const auto result =
        flood(weir::keep_latest{}, [](const flood_result& r) { return r.stats.dropped.replaced >= 10; });
    CHECK(result.last_send == weir::error::none);
    CHECK(result.stats.queued_messages <= 2);  // one partly sent, and the latest
}

TEST_CASE("hostile: drop_newest and refuse say so", "[server][hostile]") {
    const auto full = [](const flood_result& r) { return r.last_send != weir::error::none; };
    const auto dropped = flood(weir::drop_newest{.max_messages = 5}, full);
    CHECK(dropped.last_send == weir::error::dropped);
    CHECK(dropped.stats.dropped.newest == 1);
    CHECK(dropped.stats.queued_messages == 5);
    const auto refused = flood(weir::refuse{.max_messages = 5}, full);
    CHECK(refused.last_send == weir::error::refused);
    CHECK(refused.stats.queued_messages == 5);
    const auto waiting = flood(weir::wait{.max_bytes = 500'000}, full);
    CHECK(waiting.last_send == weir::error::refused);
    CHECK(waiting.stats.queued_bytes <= 500'000);
}

TEST_CASE("hostile: a client that takes nothing is given up after the stall time", "[server][hostile]") {
    const auto result = flood(
        weir::refuse{.max_messages = 5}, [](const flood_result& r) { return r.last_send == weir::error::closed; },
        50ms);
    CHECK(result.reason == weir::message(weir::error::stalled));
}

TEST_CASE("hostile: who waits for a client that never reads is told when it ends", "[server][hostile]") {
    running_server server;
    std::promise<std::string> over;
    server->sse("/flood",
                [&](sse_session out) -> awaitable<void> {
                    error_code ec;
                    while (!ec) {
                        co_await out.async_send({.data = large()},
                                                weir::net::redirect_error(weir::net::use_awaitable, ec));
                    }
                    over.set_value(ec.message());
                },
                {.stall_timeout = 50ms});
    server.start();
    auto client = server.connect(4096);
    client.get("/flood");
    CHECK(test::value_of(over.get_future()) == weir::message(weir::error::stalled));
}

TEST_CASE("hostile: a client that never reads a plain response holds nobody up", "[server][hostile]") {
    running_server server;
    server->get("/hello", hello);
    server->get("/large", [](const request&) { return response{.body = std::string(20'000'000, 'x')}; });
    server.start();
    auto client = server.connect(4096);
    client.get("/large");
    CHECK(is_alive(server));
    client.reset();
    CHECK(is_alive(server));
}

// ---- readers that go away ----

TEST_CASE("hostile: a client may reset the connection at any time", "[server][hostile]") {
    running_server server;
    server->get("/hello", hello);
    server->post("/echo", [](const request& r) { return response{.body = std::string{r.body()}}; });
    std::promise<void> gone;
    server->sse("/flood", [&](sse_session out) -> awaitable<void> {
        error_code ec;
        while (!ec) {
            co_await out.async_send({.data = large()}, weir::net::redirect_error(weir::net::use_awaitable, ec));
        }
        gone.set_value();
    });
    server.start();
    {
        auto mid_event = server.connect(4096);
        mid_event.get("/flood").read_until("data: xxxx");
        mid_event.reset();
        test::value_of(gone.get_future());
    }
    for (const std::string_view sent :
         {"", "G", "GET /hello HTTP/1.1\r\nHost: a", "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n",
          "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc",
          "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\nExpect: 100-continue\r\n\r\n"}) {
        server.connect().send(sent).reset();
        server.connect().send(sent).close();
    }
    CHECK(is_alive(server));
}

TEST_CASE("hostile: a client that says no more is answered what it asked", "[server][hostile]") {
    running_server server;
    server->get("/hello", hello);
    server.start();
    auto asked = server.connect();
    asked.get("/hello").get("/hello").half_close();
    CHECK(asked.read_answer().body == "hi");
    CHECK(asked.read_answer().body == "hi");
    CHECK(asked.read_to_end().empty());

    auto silent = server.connect();
    silent.half_close();
    CHECK(silent.read_to_end().empty());

    auto unfinished = server.connect();
    unfinished.send("GET /hello HTTP/1.1\r\nHo").half_close();
    CHECK(unfinished.read_answer().status == 400);
    CHECK(unfinished.read_to_end().empty());
}

TEST_CASE("hostile: a reader of events that says no more is taken to be gone", "[server][hostile]") {
    running_server server;
    std::promise<std::string> over;
    server->sse("/x", [&](sse_session out) -> awaitable<void> {
        const error_code why = co_await out.async_closed();
        over.set_value(why.message());
    });
    server.start();
    auto client = server.connect();
    client.get("/x").read_until("\r\n\r\n");
    client.half_close();
    CHECK(test::value_of(over.get_future()) == weir::message(weir::error::peer_closed));
}

TEST_CASE("hostile: what a reader of events says is ignored", "[server][hostile]") {
    running_server server;
    server->sse("/x", [&](sse_session out) -> awaitable<void> {
        for (int i = 0; i < 20; ++i) {
            co_await out.async_sleep(1ms);
            co_await out.async_send({.data = "x"});
        }
        co_await out.async_send({.data = "end"});
        co_await out.async_drained();
    });
    server.start();
    auto client = server.connect();
    client.get("/x");
    for (int i = 0; i < 20; ++i) client.try_send(std::string(50'000, 'y'));
    client.read_until("data: end\n\n");
    CHECK(client.read_to_end() == "\r\n0\r\n\r\n");
}

// ---- time ----

TEST_CASE("RFC 9110 15.5.9: a request that does not come to its end in time is answered 408", "[server][hostile]") {
    running_server server{{.request_time = 250ms}};
    server->post("/echo", [](const request& r) { return response{.body = std::string{r.body()}}; });
    server.start();
    const auto answered = [&](std::string_view sent) {
        auto client = server.connect();
        const auto answer = client.send(sent).read_answer();
        CHECK(client.read_to_end().empty());
        CHECK(answer.field("Connection") == "close");
        return answer.status;
    };
    CHECK(answered("GET /ech") == 408);
    CHECK(answered("GET /echo HTTP/1.1\r\nHost: a\r\n") == 408);
    CHECK(answered("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nab") == 408);
    CHECK(answered("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n") == 408);

    auto silent = server.connect();
    CHECK(silent.read_to_end().empty());  // no request, no answer
}

TEST_CASE("hostile: a head that comes byte by byte has no more time than another", "[server][hostile]") {
    running_server server{{.request_time = 250ms}};
    server.start();
    auto client = server.connect();
    std::string answer;
    std::promise<void> stop;
    auto stopped = stop.get_future();
    // Another byte every few milliseconds, for as long as the server listens to them.
    auto drip = std::async(std::launch::async, [&] {
        client.send("GET / HTTP/1.1\r\nHost: a\r\nX: ");
        while (stopped.wait_for(5ms) == std::future_status::timeout && client.try_send("x")) {
        }
    });
    const auto at_end = [&] { stop.set_value(), drip.wait(); };
    try {
        answer = client.read_until("\r\n\r\n");
    } catch (...) {
        at_end();
        throw;
    }
    at_end();
    CHECK(answer.starts_with("HTTP/1.1 408 "));
}

TEST_CASE("hostile: time for the next request begins with its first byte, wherever that came", "[server][hostile]") {
    running_server server{{.request_time = 250ms, .idle_time = 0ms}};
    server->get("/hello", hello);
    server.start();
    auto client = server.connect();
    // In one piece: the second request has begun when the first is answered.
    client.send("GET /hello HTTP/1.1\r\nHost: a\r\n\r\nGET /hel");
    CHECK(client.read_answer().body == "hi");
    CHECK(client.read_answer().status == 408);
}

TEST_CASE("hostile: a connection that asks nothing more is ended", "[server][hostile]") {
    running_server server{{.idle_time = 50ms}};
    server->get("/hello", hello);
    server.start();
    auto client = server.connect();
    CHECK(client.fetch("/hello").body == "hi");
    CHECK(client.read_to_end().empty());
    CHECK_FALSE(client.was_reset());
}

// ---- numbers ----

TEST_CASE("hostile: no more connections than allowed, and room again when one ends", "[server][hostile]") {
    running_server server{{.max_connections = 2}};
    server->get("/hello", hello);
    std::promise<void> ended;
    server->sse("/x", [&](sse_session out) -> awaitable<void> {
        co_await out.async_closed();
        ended.set_value();
    });
    server.start();
    auto stream = server.connect();
    stream.get("/x").read_until("\r\n\r\n");
    auto idle = server.connect();
    CHECK(idle.fetch("/hello").body == "hi");
    CHECK(server->connections() == 2);

    auto third = server.connect();
    CHECK(third.read_to_end().empty());
    CHECK(idle.fetch("/hello").body == "hi");

    stream.close();
    test::value_of(ended.get_future());
    CHECK(server->connections() == 1);
    CHECK(server.connect().fetch("/hello").body == "hi");
}

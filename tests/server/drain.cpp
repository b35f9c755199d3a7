// SPDX-License-Identifier: BSL-1.0
#include <weir/server/drain.hpp>

// How a server comes to its end with everybody told: first the plan, in virtual time, then the server.

#include <weir/server.hpp>

#include "catch.hpp"

#include WEIR_ASIO(steady_timer.hpp)
#include WEIR_ASIO(use_awaitable.hpp)

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdlib>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "support/raw_websocket.hpp"
#include "support/running_server.hpp"

using namespace std::chrono_literals;
using test::running_server;
using weir::awaitable;
using weir::error_code;
using weir::request;
using weir::response;
using weir::sse_session;
using weir::ws_session;
using weir::detail::drain_plan;

namespace {

/// How many sessions go with each batch, looked at when the plan says so.
std::vector<std::size_t> batches_of(const drain_plan& plan) {
    std::vector<std::size_t> batches;
    weir::milliseconds at{0};
    for (std::size_t ended = 0; ended != plan.sessions; at = drain_plan::next_after(at)) {
        const std::size_t due = plan.ended_at(at);
        REQUIRE(due > ended);
        batches.push_back(due - ended);
        ended = due;
    }
    return batches;
}

struct client : weir::detail::linked_list<client>::hook {
    explicit client(int n) : number(n) {}

    int number;
};

// Long enough that a test which needs the deadline fails on its own patience.
constexpr weir::drain_options unhurried{.over = 500ms, .deadline = 600s};

awaitable<void> until_closed(sse_session out) { co_await out.async_closed(); }

awaitable<void> until_ws_closed(ws_session ws) { co_await ws.async_closed(); }

}  // namespace

// ---- the plan ----

TEST_CASE("drain plan: nobody is nothing to do", "[server][drain]") {
    CHECK(batches_of({0, 5s}).empty());
    CHECK(drain_plan{0, 5s}.ended_at(1h) == 0);
}

TEST_CASE("drain plan: a single session goes at once, however long the drain may take", "[server][drain]") {
    CHECK(batches_of({1, 0ms}) == std::vector<std::size_t>{1});
    CHECK(batches_of({1, 5s}) == std::vector<std::size_t>{1});
    CHECK(batches_of({1, weir::milliseconds::max()}) == std::vector<std::size_t>{1});
}

TEST_CASE("drain plan: a few go one by one, and soon", "[server][drain]") {
    CHECK(batches_of({12, 5s}) == std::vector<std::size_t>(12, 1));
    CHECK(batches_of({12, 24h}) == std::vector<std::size_t>(12, 1));
    const drain_plan dozen{12, 30s};
    CHECK(dozen.ended_at(0ms) == 1);
    CHECK(dozen.ended_at(1'099ms) == 11);
    CHECK(dozen.ended_at(1'100ms) == 12);
}

TEST_CASE("drain plan: many go in even batches, over all the time there is", "[server][drain]") {
    CHECK(batches_of({10'000, 5s}) == std::vector<std::size_t>(50, 200));
    CHECK(batches_of({10'000, 30s}).size() == 300);
    for (const std::size_t sessions : {49u, 50u, 51u, 99u, 149u, 9'999u, 10'001u, 1'000'000u}) {
        const std::vector<std::size_t> batches = batches_of({sessions, 5s});
        const auto [least, most] = std::minmax_element(batches.begin(), batches.end());
        CHECK(*most - *least <= 1);
        CHECK(batches.size() == std::min<std::size_t>(sessions, 50));
    }
}

TEST_CASE("drain plan: the last session goes before the time is over", "[server][drain]") {
    for (const weir::milliseconds over : {1ms, 99ms, 100ms, 101ms, 150ms, 200ms, 201ms, 5'000ms, 30'000ms}) {
        const drain_plan plan{10'000, over};
        CHECK(plan.ended_at(over - 1ms) == 10'000);
        CHECK((over <= 100ms || plan.ended_at(0ms) < 10'000));
    }
}

TEST_CASE("drain plan: without a time, all go at once", "[server][drain]") {
    CHECK(batches_of({10'000, 0ms}) == std::vector<std::size_t>{10'000});
    CHECK(batches_of({10'000, -1s}) == std::vector<std::size_t>{10'000});
}

TEST_CASE("drain plan: a loop that was busy makes up for it", "[server][drain]") {
    const drain_plan plan{10'000, 5s};
    CHECK(plan.ended_at(2'050ms) == 21 * 200);
    CHECK(drain_plan::next_after(2'050ms) == 2'100ms);
    CHECK(drain_plan::next_after(2'100ms) == 2'200ms);
    CHECK(plan.ended_at(1h) == 10'000);
}

TEST_CASE("drain: of a list, the oldest go first, and nobody twice", "[server][drain]") {
    weir::detail::linked_list<client> list;
    client a{1}, b{2}, c{3}, d{4}, late{5};
    for (client* one : {&a, &b, &c, &d}) list.add(*one);
    weir::detail::list_drain draining{list, 200ms};
    std::vector<int> ended;
    const auto end = [&](client& one) { ended.push_back(one.number); };
    draining.end_due(0ms, end);
    CHECK(ended == std::vector{1, 2});
    CHECK_FALSE(draining.done());
    list.add(late);
    draining.end_due(99ms, end);
    CHECK(ended == std::vector{1, 2});
    draining.end_due(100ms, end);
    CHECK(ended == std::vector{1, 2, 3, 4});
    CHECK(draining.done());
    draining.end_due(1h, end);
    CHECK(ended == std::vector{1, 2, 3, 4});
}

TEST_CASE("drain: of a list, whoever is left goes in time, whoever has left before", "[server][drain]") {
    weir::detail::linked_list<client> list;
    client a{1}, b{2}, c{3}, d{4};
    for (client* one : {&a, &b, &c, &d}) list.add(*one);
    weir::detail::list_drain draining{list, 1h};
    std::vector<int> ended;
    const auto end = [&](client& one) {
        ended.push_back(one.number);
        list.remove(one);
    };
    draining.end_due(0ms, end);
    list.remove(c);
    draining.end_due(100ms, end);
    draining.end_due(200ms, end);
    CHECK(ended == std::vector{1, 2, 4});
    draining.end_due(300ms, end);
    CHECK(draining.done());
    CHECK(ended == std::vector{1, 2, 4});
}

// ---- the server ----

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
        CHECK(times.back() >= 1'000);
        CHECK(times.back() <= 3'000);
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
    server->drain({.over = 60'000'000ms, .deadline = 600s});
    CHECK(after.read_to_end().empty());
    late.send("Host: a\r\n\r\n");
    CHECK(late.read_until("\r\n\r\n").starts_with("HTTP/1.1 200 "));
    const std::string stream = late.read_to_end();
    const auto start = stream.find("retry: ");
    REQUIRE(start != std::string::npos);
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
    server->drain({.over = 0ms, .deadline = 0ms});  // would cut
    const std::string rest = client.read_to_end();
    CHECK(rest.find("retry: ") == rest.rfind("retry: "));
    server->stop();  // the client has not closed its side
    server.join();
}

TEST_CASE("drain: streams and WebSockets on several loops all end in good order, in batches", "[server][drain][ws]") {
    using weir::ws::close_code;
    for (const close_code code : {close_code::going_away, close_code::service_restart, close_code::abnormal}) {
        running_server server{{.threads = 3}};
        server->sse("/events", until_closed);
        server->ws("/ws", until_ws_closed);
        server.start();
        std::vector<test::raw_client> streams;
        std::vector<test::raw_websocket> sockets;
        for (int i = 0; i < 20; ++i) {
            streams.push_back(server.connect());
            streams.back().get("/events").read_until("\r\n\r\n3\r\n:\n\n\r\n");
            sockets.emplace_back(server, "/ws");
        }
        server->drain({.over = 300ms, .deadline = 600s, .websocket_code = code});
        const bool may_be_sent = code != close_code::abnormal;
        for (auto& socket : sockets) {
            CHECK(socket.read() == test::closed(may_be_sent ? code : close_code::going_away));
            socket.close(1000);
            socket.read_end();
            socket.bytes().close();
        }
        for (auto& stream : streams) {
            const std::string rest = stream.read_to_end();
            CHECK_FALSE(stream.was_reset());
            CHECK(rest.starts_with("d\r\nretry: "));
            CHECK(rest.ends_with("\n\n\r\n0\r\n\r\n"));
            stream.close();
        }
        server.join();
        CHECK(server->connections() == 0);
    }
}

TEST_CASE("drain: one session after the other, the oldest first, unless there is no time", "[server][drain]") {
    // Each of the loop's sessions writes down how many of the others are open when it learns that it ends.
    const auto drained = [](weir::milliseconds over) {
        running_server server;
        std::vector<const sse_session*> sessions;
        std::vector<std::string> seen;
        server->sse("/x", [&](sse_session out) -> awaitable<void> {
            const std::size_t self = sessions.size();
            sessions.push_back(&out);
            error_code ec;
            co_await out.async_sleep(1h, weir::net::redirect_error(weir::net::use_awaitable, ec));
            sessions[self] = nullptr;
            const auto open = [](const sse_session* other) { return other != nullptr && other->is_open(); };
            const auto others = std::count_if(sessions.begin(), sessions.end(), open);
            seen.push_back("number " + std::to_string(self) + ", " + std::to_string(others) + " left");
        });
        server.start();
        std::vector<test::raw_client> clients;
        for (int i = 0; i < 3; ++i) {
            clients.push_back(server.connect());
            clients.back().get("/x").read_until("\r\n\r\n3\r\n:\n\n\r\n");
        }
        server->drain({.over = over, .deadline = 600s});
        for (auto& one : clients) {
            one.read_to_end();
            one.close();
        }
        server.join();
        return seen;
    };
    CHECK(drained(1h) == std::vector<std::string>{"number 0, 2 left", "number 1, 1 left", "number 2, 0 left"});
    CHECK(drained(0ms) == std::vector<std::string>{"number 0, 0 left", "number 1, 0 left", "number 2, 0 left"});
}

TEST_CASE("drain: what was sent before arrives, and the end behind it", "[server][drain][ws]") {
    running_server server;
    const std::string text(600'000, 'x');  // more than the system takes at once
    std::promise<void> sent[2];
    server->sse("/events", [&](sse_session out) -> awaitable<void> {
        out.send({.data = text});
        out.send({.data = "last"});
        sent[0].set_value();
        co_await out.async_closed();
    });
    server->ws("/ws", [&](ws_session ws) -> awaitable<void> {
        ws.send(text);
        ws.send("last");
        sent[1].set_value();
        co_await ws.async_closed();
    });
    server.start();
    auto stream = server.connect(4096);
    stream.get("/events");
    test::raw_websocket socket{server, "/ws", {}, 4096};
    for (auto& one : sent) test::value_of(one.get_future());
    server->drain({.over = 0ms, .deadline = 600s});
    CHECK(socket.read() == test::text(text));
    CHECK(socket.read() == test::text("last"));
    CHECK(socket.read() == test::closed(weir::ws::close_code::going_away));
    socket.close(1001).read_end();
    socket.bytes().close();
    stream.read_until("data: " + text + "\n\n");
    stream.read_until("data: last\n\n");
    CHECK(stream.read_until("retry: ").size() < 20);
    CHECK(stream.read_to_end().ends_with("\n\n\r\n0\r\n\r\n"));
    stream.close();
    server.join();
}

TEST_CASE("drain: a peer's own close frame is answered with its own code", "[server][drain][ws]") {
    running_server server;
    std::vector<ws_session> kept;
    server->ws("/x", [&](ws_session ws) { kept.push_back(std::move(ws)); });  // never receives
    server.start();
    test::raw_websocket client{server, "/x"};
    // In one piece: once the pong is there, the close frame waits for the message to be received.
    client.bytes().send(test::frame{.payload = "x"}.from_client() + test::frame{.code = 9}.from_client() +
                        test::frame{.code = 8, .payload = test::close_payload(4000)}.from_client());
    CHECK(client.read().what == weir::ws::event_kind::pong);
    server->drain({.over = 0ms, .deadline = 600s, .websocket_code = weir::ws::close_code::service_restart});
    CHECK(client.read_close() == weir::ws::close_code{4000});
    client.bytes().close();
    server.join();
    kept.clear();
}

TEST_CASE("drain: with nobody there, run returns", "[server][drain]") {
    running_server server{{.threads = 4}};
    server.start();
    server->drain(unhurried);
    server.join();
}

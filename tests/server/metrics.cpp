// SPDX-License-Identifier: BSL-1.0
#include <weir/metrics.hpp>
#include <weir/server.hpp>

// What a server's sessions are observed to do, and the route that says so.

#include "catch.hpp"

#include WEIR_ASIO(use_awaitable.hpp)

#include <atomic>
#include <chrono>
#include <cstddef>
#include <future>
#include <memory>
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
using weir::sse_session;
using weir::ws_session;

namespace {

awaitable<void> echo(ws_session ws) {
    while (auto message = co_await ws.async_receive()) co_await ws.async_send(*message);
}
awaitable<void> two_events(sse_session out) {
    co_await out.async_send({.data = "one"});
    co_await out.async_send({.data = "two"});
}

/// Says when the sessions it watches have done something so many times.
class awaited {
public:
    explicit awaited(int times = 1) { state_->left = times; }

    /// Has happened once.
    void note() const noexcept {
        if (--state_->left == 0) state_->done.set_value();
    }
    void wait() { test::value_of(state_->done.get_future()); }

private:
    struct state {
        std::atomic<int> left;
        std::promise<void> done;
    };
    std::shared_ptr<state> state_ = std::make_shared<state>();
};
struct ends : awaited {
    using awaited::awaited;
    void operator()(const weir::session_closed&) const noexcept { note(); }
    void operator()(const auto&) const noexcept {}
};
struct blocks : awaited {
    using awaited::awaited;
    void operator()(const weir::session_blocked&) const noexcept { note(); }
    void operator()(const auto&) const noexcept {}
};

/// A sample of what /metrics answers; empty: it is not there.
std::string sample(const running_server& server, const std::string& name_and_labels) {
    const test::http_answer answer = server.connect().fetch("/metrics");
    CHECK(answer.status == 200);
    const auto at = answer.body.find("\n" + name_and_labels + " ");
    if (at == std::string::npos) return {};
    const auto value = at + name_and_labels.size() + 2;
    return answer.body.substr(value, answer.body.find('\n', value) - value);
}

const auto route_of = [](const weir::metrics& m) { return [&m](const weir::request& r) { return m.answer(r); }; };

}  // namespace

TEST_CASE("metrics: a server counts every route's sessions by its pattern", "[server][metrics]") {
    weir::metrics m;
    running_server server{{.metrics = &m}};
    ends ended;
    server->get("/metrics", route_of(m));
    server->ws("/echo/{room}", echo, {.observer = ended});
    server->ws("/other", echo);
    server.start();
    const std::string labels = R"({route="/echo/{room}",protocol="ws")";
    {
        raw_websocket client{server, "/echo/kitchen"};
        for (const std::string text : {"one", "two", "three"}) {
            client.send_text(text);
            CHECK(client.read() == test::text(text));
        }
        CHECK(sample(server, "weir_sessions" + labels + "}") == "1");
        client.close(1000);
        client.read_close();
        ended.wait();
        // Three messages and a close frame with a code; the server's are shorter by a masking key.
        const std::size_t payload = 3 + 3 + 5 + 2;
        CHECK(sample(server, "weir_received_bytes_total" + labels + "}") == std::to_string(4 * 6 + payload));
        CHECK(sample(server, "weir_sent_bytes_total" + labels + "}") ==
              std::to_string(client.head().size() + 4 * 2 + payload));
    }
    CHECK(sample(server, "weir_sessions" + labels + "}") == "0");
    CHECK(sample(server, "weir_sessions_opened_total" + labels + "}") == "1");
    CHECK(sample(server, "weir_sessions_closed_total" + labels + R"(,reason="none"})") == "1");
    CHECK(sample(server, "weir_sent_messages_total" + labels + "}") == "3");
    CHECK(sample(server, "weir_received_messages_total" + labels + "}") == "3");
    CHECK(sample(server, R"(weir_sessions_opened_total{route="/other",protocol="ws"})") == "0");
}

TEST_CASE("metrics: event streams are counted, and how they end", "[server][metrics]") {
    weir::metrics m;
    running_server server{{.metrics = &m}};
    ends ended;
    server->get("/metrics", route_of(m));
    server->sse("/events", two_events, {.observer = ended});
    server.start();
    auto client = server.connect();
    client.get("/events");
    client.read_to_end();
    client.close();
    ended.wait();
    const std::string labels = R"({route="/events",protocol="sse")";
    CHECK(sample(server, "weir_sent_messages_total" + labels + "}") == "2");
    CHECK(sample(server, "weir_sessions_closed_total" + labels + R"(,reason="none"})") == "1");
    CHECK(sample(server, "weir_sessions" + labels + "}") == "0");
}

TEST_CASE("metrics: a connection that is reset is the transport's doing", "[server][metrics]") {
    weir::metrics m;
    running_server server{{.metrics = &m}};
    ends ended;
    server->get("/metrics", route_of(m));
    server->ws("/echo", echo, {.observer = ended});
    server.start();
    raw_websocket client{server, "/echo"};
    client.bytes().reset();
    ended.wait();
    CHECK(sample(server, R"(weir_sessions_closed_total{route="/echo",protocol="ws",reason="transport"})") == "1");
}

TEST_CASE("metrics: a reader that takes nothing is seen in the queues", "[server][metrics]") {
    weir::metrics m;
    running_server server{{.metrics = &m}};
    blocks blocked;
    server->get("/metrics", route_of(m));
    std::vector<ws_session> kept;
    server->ws("/flood",
               [&](ws_session ws) {
                   const std::string message(1'000'000, 'x');
                   for (int i = 0; i != 20; ++i) ws.send(message);
                   kept.push_back(std::move(ws));
               },
               {.backpressure = weir::drop_oldest{}, .observer = blocked});
    server.start();
    raw_websocket client{server, "/flood", {}, 4096};
    blocked.wait();
    CHECK(sample(server, R"(weir_blocked_queue_bytes_count{route="/flood",protocol="ws"})") != "0");
    CHECK(sample(server, R"(weir_dropped_messages_total{route="/flood",protocol="ws",reason="oldest"})") != "0");
    server->stop();
    server.join();
    kept.clear();
}

TEST_CASE("metrics: a route answers Prometheus in the format it prefers", "[server][metrics]") {
    weir::metrics m;
    running_server server{{.metrics = &m}};
    server->get("/metrics", route_of(m));
    server.start();
    const auto answer = server.connect().fetch("/metrics", "Accept: application/openmetrics-text;version=1.0.0\r\n");
    CHECK(answer.field("Content-Type") == "application/openmetrics-text; version=1.0.0; charset=utf-8");
    CHECK(answer.body.ends_with("# EOF\n"));
}

TEST_CASE("metrics: sessions on several loops are counted together", "[server][metrics]") {
    weir::metrics m;
    constexpr int clients = 16, messages = 50;
    running_server server{{.threads = 4, .metrics = &m}};
    ends ended{clients};
    server->get("/metrics", route_of(m));
    server->ws("/echo", echo, {.observer = ended});
    server.start();
    {
        std::vector<std::future<void>> all;
        for (int i = 0; i != clients; ++i) {
            all.push_back(std::async(std::launch::async, [&] {
                raw_websocket client{server, "/echo"};
                for (int n = 0; n != messages; ++n) client.send_text("message").read();
                client.close(1000).read_close();
            }));
        }
        for (auto& one : all) test::value_of(std::move(one));
    }
    ended.wait();
    const std::string labels = R"({route="/echo",protocol="ws"})";
    CHECK(sample(server, "weir_received_messages_total" + labels) == std::to_string(clients * messages));
    CHECK(sample(server, "weir_sent_messages_total" + labels) == std::to_string(clients * messages));
    CHECK(sample(server, "weir_sessions_opened_total" + labels) == std::to_string(clients));
    CHECK(sample(server, "weir_sessions" + labels) == "0");
}

TEST_CASE("metrics: a route's observer needs no metrics", "[server][metrics]") {
    running_server server;
    ends ended;
    server->sse("/events", two_events, {.observer = ended});
    server.start();
    auto client = server.connect();
    client.get("/events");
    client.read_to_end();
    client.close();
    ended.wait();
}

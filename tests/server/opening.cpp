// SPDX-License-Identifier: BSL-1.0
#include <weir/server/opening.hpp>

#include "catch.hpp"

#include WEIR_ASIO(ip/tcp.hpp)
#include WEIR_ASIO(write.hpp)

#include <chrono>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "support/virtual_context.hpp"
#include "support/ws_fixture.hpp"

using namespace std::chrono_literals;
using namespace weir::detail;
namespace net = weir::net;
using weir::error;

namespace {

/// A connection of which one request has been read.
struct fixture {
    std::vector<std::string> reports;
    const reporter report{[this](std::string_view route, std::exception_ptr) { reports.emplace_back(route); }};
    http_limits limits;
    drain_state drain;
    connection_count count{0, [] {}};
    connection_count::slot place = count.enter();
    event_loop loop;
    net::ip::tcp::socket peer{loop.context};
    weir::http::request_builder builder{limits.head};
    std::optional<server_connection> connection;
    int started = 0;
    counted_ptr<server_ws_core> websocket;
    counted_ptr<server_sse_core> events;

    ~fixture() {
        for (const auto& end : {close_of(websocket), close_of(events)}) end();
        settle();
    }

    template <class Core>
    static std::function<void()> close_of(const counted_ptr<Core>& core) {
        return [core] {
            if (core) core->terminate(error::closed);
        };
    }

    /// Reads this request, and what comes behind it.
    void ask(const std::string& bytes) {
        net::ip::tcp::acceptor acceptor{loop.context, {net::ip::address_v4::loopback(), 0}};
        peer.connect(acceptor.local_endpoint());
        server_socket::accepted_type accepted{loop.context};
        acceptor.accept(accepted);
        connection.emplace(server_stream{server_socket{std::move(accepted)}}, limits, "192.0.2.1", loop);
        net::write(peer, net::buffer(bytes));
        bool read = false;
        net::co_spawn(loop.context, connection->read(builder), [&](std::exception_ptr, error e) {
            REQUIRE(e == error::none);
            read = true;
        });
        loop.context.restart();
        while (!read) loop.context.run_one();
    }
    auto open(const auto& route) {
        opening session{loop, *connection, builder.get(), place, drain, report};
        return session.open(route);
    }
    void settle() {
        loop.context.restart();
        loop.context.poll();
    }

    auto websocket_start() {
        return [this](counted_ptr<server_ws_core> core, weir::request) {
            ++started;
            websocket = std::move(core);
        };
    }
    auto event_start() {
        return [this](counted_ptr<server_sse_core> core, weir::request) {
            ++started;
            events = std::move(core);
        };
    }
};

const std::string plain_get = "GET /x HTTP/1.1\r\nHost: a\r\n\r\n";

}  // namespace

TEST_CASE_METHOD(fixture, "opening: a request for a WebSocket becomes a session, with what came behind it",
                 "[server][opening]") {
    const ws_route route{"/x", {}, websocket_start()};
    ask(test::upgrade_text("/x") + test::text_frame("behind"));
    CHECK_FALSE(open(route));
    REQUIRE(started == 1);
    std::string received;
    websocket->handle_with({.on_message = [&](weir::ws_message m) { received = m.text(); }});
    settle();
    CHECK(received == "behind");
    int sessions = 0;
    loop.websockets.for_each([&](auto&) { ++sessions; });
    CHECK(sessions == 1);
    CHECK_FALSE(place);  // the session's now
    CHECK(count.value() == 1);
    websocket->terminate(error::closed);
    CHECK(count.value() == 0);
}

TEST_CASE_METHOD(fixture, "opening: a request for an event stream becomes a session", "[server][opening]") {
    const sse_route route{"/x", {}, event_start()};
    ask(plain_get);
    CHECK_FALSE(open(route));
    REQUIRE(started == 1);
    CHECK_FALSE(place);
    events->terminate(error::closed);  // refers to the route
}

TEST_CASE_METHOD(fixture, "opening: a refusal leaves the connection as it was", "[server][opening]") {
    ask(plain_get);
    const auto refused = open(ws_route{"/x", {}, websocket_start()});
    REQUIRE(refused);
    CHECK(refused->bytes.starts_with("HTTP/1.1 426 "));
    CHECK(refused->keep_alive);
    const auto post_only = open(sse_route{"/x", {.get = false, .post = true}, event_start()});
    REQUIRE(post_only);
    CHECK(post_only->bytes.starts_with("HTTP/1.1 405 "));
    CHECK(post_only->keep_alive);
    CHECK(started == 0);
    CHECK(place);
}

TEST_CASE_METHOD(fixture, "opening: what the client does not keep alive, or HTTP/1.0, ends with the refusal",
                 "[server][opening]") {
    SECTION("asked for") { ask("GET /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"); }
    SECTION("HTTP/1.0") { ask("GET /x HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n"); }
    const auto refused = open(ws_route{"/x", {}, websocket_start()});
    REQUIRE(refused);
    CHECK_FALSE(refused->keep_alive);
    CHECK(refused->bytes.find("\r\nConnection: close\r\n") != std::string::npos);
}

TEST_CASE_METHOD(fixture, "opening: while draining, a WebSocket is refused, and a stream ends at once",
                 "[server][opening]") {
    drain.begun = true;
    SECTION("WebSocket") {
        ask(test::upgrade_text("/x"));
        const auto refused = open(ws_route{"/x", {}, websocket_start()});
        REQUIRE(refused);
        CHECK(refused->bytes.starts_with("HTTP/1.1 503 "));
        CHECK_FALSE(refused->keep_alive);
        CHECK(place);
    }
    SECTION("event stream") {
        ask(plain_get);
        const sse_route route{"/x", {}, event_start()};
        CHECK_FALSE(open(route));
        settle();
        CHECK_FALSE(place);
        std::string answer(1000, '\0');
        answer.resize(peer.read_some(net::buffer(answer)));
        CHECK(answer.find("\r\nretry: ") != std::string::npos);
        loop.event_streams.for_each([](auto& session) { session.terminate(error::closed); });
        settle();
    }
    CHECK(started == 0);
}

TEST_CASE_METHOD(fixture, "opening: intercept answers instead, on either kind of route", "[server][opening]") {
    const auto forbid = [](const weir::request&) -> std::optional<weir::response> {
        return weir::response{.status = 401, .body = "no"};
    };
    const auto fail = [](const weir::request&) -> std::optional<weir::response> { throw std::runtime_error{"no"}; };
    ask(test::upgrade_text("/x"));
    CHECK(open(ws_route{"/x", {.intercept = forbid}, websocket_start()})->bytes.starts_with("HTTP/1.1 401 "));
    CHECK(open(sse_route{"/x", {.intercept = forbid}, event_start()})->bytes.starts_with("HTTP/1.1 401 "));
    CHECK(reports.empty());
    CHECK(open(ws_route{"/x", {.intercept = fail}, websocket_start()})->bytes.starts_with("HTTP/1.1 500 "));
    CHECK(open(sse_route{"/x", {.intercept = fail}, event_start()})->bytes.starts_with("HTTP/1.1 500 "));
    CHECK(reports == std::vector<std::string>{"/x", "/x"});
    CHECK(started == 0);
}

TEST_CASE_METHOD(fixture, "opening: a handler that throws is reported, and its session ends", "[server][opening]") {
    ask(test::upgrade_text("/x"));
    const ws_route route{"/x", {}, [](counted_ptr<server_ws_core> core, weir::request) {
                             core->close(error::none);
                             throw std::runtime_error{"no"};
                         }};
    CHECK_FALSE(open(route));
    CHECK(reports == std::vector<std::string>{"/x"});
    settle();
    std::string answer(1000, '\0');
    answer.resize(peer.read_some(net::buffer(answer)));
    CHECK(answer.starts_with("HTTP/1.1 101 "));
    loop.websockets.for_each([](auto& session) { session.terminate(error::closed); });
    settle();
}

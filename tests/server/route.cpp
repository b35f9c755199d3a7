// SPDX-License-Identifier: BSL-1.0
#include <weir/server/route.hpp>

#include "catch.hpp"

#include <chrono>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <variant>

using namespace std::chrono_literals;
using weir::detail::sse_route;
using weir::detail::ws_route;

TEST_CASE("route: a handshake is told what the route's options say", "[server][route]") {
    weir::sse_options options{.get = false,
                              .post = true,
                              .allowed_origins = {"https://a.example", "https://b.example"},
                              .allow_credentials = true,
                              .fields = {{"X-One", "1"}, {"X-Two", "2"}},
                              .retry = 1500ms,
                              .close_delimited = true};
    const sse_route route{"/x", std::move(options), {}};
    const auto accept = route.accept_options();
    CHECK_FALSE(accept.get);
    CHECK(accept.post);
    REQUIRE(accept.allowed_origins.size() == 2);
    CHECK(accept.allowed_origins[0] == "https://a.example");
    CHECK(accept.allowed_origins[1] == "https://b.example");
    CHECK(accept.allow_credentials);
    REQUIRE(accept.extra_fields.size() == 2);
    CHECK(accept.extra_fields[0].name == "X-One");
    CHECK(accept.extra_fields[1].value == "2");
    CHECK(accept.retry == 1500ms);
    CHECK(accept.close_delimited);
    CHECK(route.pattern == "/x");
}

TEST_CASE("route: without options, a handshake has its own defaults", "[server][route]") {
    const sse_route route{"/x", {}, {}};
    const auto accept = route.accept_options();
    CHECK(accept.get);
    CHECK_FALSE(accept.post);
    CHECK(accept.allowed_origins.empty());
    CHECK(accept.extra_fields.empty());
    CHECK_FALSE(accept.retry.has_value());
    CHECK_FALSE(accept.close_delimited);
}

TEST_CASE("route: its sessions decide with its policies", "[server][route]") {
    const sse_route route{
        "/x",
        {.backpressure = weir::refuse{.max_bytes = 10}, .heartbeat = weir::comment_every{2s}, .stall_timeout = 3s},
        {}};
    const weir::detail::route_policies policies{&route.settings};
    CHECK(policies(weir::outbox_facts{.bytes = 10, .messages = 1, .incoming_bytes = 1}) == weir::admission::refuse);
    const weir::time_point t0{};
    const auto beat = policies(weir::liveness{.now = t0 + 2s, .last_sent = t0, .last_received = t0});
    CHECK(std::holds_alternative<weir::beat>(beat));
    const auto stalled = policies(weir::progress{.now = t0 + 3s, .last_progress = t0, .bytes_unsent = 1});
    CHECK(std::holds_alternative<weir::give_up>(stalled));
    const auto moving = policies(weir::progress{.now = t0 + 2999ms, .last_progress = t0, .bytes_unsent = 1});
    CHECK(std::holds_alternative<weir::wait_until>(moving));
}

TEST_CASE("route: a WebSocket's handshake and protocol are told what the route's options say", "[server][route][ws]") {
    weir::ws_options options{.max_message_bytes = 1000,
                             .max_pongs_per_second = 5,
                             .allowed_origins = {"https://a.example", "https://b.example"},
                             .subprotocols = {"v2", "v1"},
                             .fields = {{"X-One", "1"}}};
    const ws_route route{"/x", std::move(options), {}};
    const auto accept = route.accept_options();
    REQUIRE(accept.allowed_origins.size() == 2);
    CHECK(accept.allowed_origins[1] == "https://b.example");
    REQUIRE(accept.subprotocols.size() == 2);
    CHECK(accept.subprotocols[0] == "v2");
    REQUIRE(accept.extra_fields.size() == 1);
    CHECK(accept.extra_fields[0].name == "X-One");
    CHECK(accept.deflate == nullptr);
    CHECK(route.connection.max_message_bytes == 1000);
    CHECK(route.connection.max_pongs_per_second == 5);
    CHECK(route.pattern == "/x");
}

TEST_CASE("route: without options, a WebSocket is as strict as can be", "[server][route][ws]") {
    const ws_route route{"/x", {}, {}};
    const auto accept = route.accept_options();
    CHECK(accept.allowed_origins.empty());
    CHECK(accept.subprotocols.empty());
    CHECK(accept.extra_fields.empty());
    CHECK(accept.deflate == nullptr);
    CHECK(route.connection.max_message_bytes == 1024 * 1024);
    CHECK(route.connection.max_pongs_per_second == 100);
}

TEST_CASE("route: a WebSocket decides with its route's policies", "[server][route][ws]") {
    struct framing {
        weir::ws::deflate_options wanted{};
        const weir::ws::deflate_options* deflate() const noexcept { return &wanted; }
        std::unique_ptr<weir::ws::message_codec> make_codec(weir::ws::role, const weir::ws::deflate_agreement&) const {
            return nullptr;
        }
    };
    const ws_route route{
        "/x",
        {.backpressure = weir::refuse{.max_bytes = 10}, .heartbeat = weir::ping_every{2s, 1s}, .framing = framing{}},
        {}};
    const weir::detail::route_policies policies{&route.settings};
    CHECK(policies(weir::outbox_facts{.bytes = 10, .messages = 1, .incoming_bytes = 1}) == weir::admission::refuse);
    const weir::time_point t0{};
    const auto beat = policies(weir::liveness{.now = t0 + 2s, .last_sent = t0, .last_received = t0});
    CHECK(std::holds_alternative<weir::beat>(beat));
    CHECK(policies.deflate() != nullptr);
    CHECK(route.accept_options().deflate == policies.deflate());
    CHECK(policies.make_codec(weir::ws::role::server, {}) == nullptr);
}

TEST_CASE("route: what a WebSocket's handshake could not send is refused at once", "[server][route][ws]") {
    CHECK_THROWS_AS((ws_route{"/x", {.subprotocols = {"a b"}}, {}}), std::invalid_argument);
    CHECK_THROWS_AS((ws_route{"/x", {.subprotocols = {""}}, {}}), std::invalid_argument);
    CHECK_THROWS_AS((ws_route{"/x", {.fields = {{"Sec-WebSocket-Accept", "x"}}}, {}}), std::invalid_argument);
    CHECK_THROWS_AS((ws_route{"/x", {.fields = {{"X", "a\r\nb"}}}, {}}), std::invalid_argument);
}

TEST_CASE("route: its sessions are watched by its observer", "[server][route]") {
    int events = 0, frames = 0;
    const sse_route stream{"/x", {.observer = [&](const auto&) noexcept { ++events; }}, {}};
    const ws_route websocket{"/x", {.observer = [&](const auto&) noexcept { ++frames; }}, {}};
    const weir::detail::route_policies of_stream{&stream.settings}, of_websocket{&websocket.settings};
    of_stream(weir::session_opened{});
    of_websocket(weir::session_opened{});
    of_websocket(weir::session_closed{});
    CHECK(events == 1);
    CHECK(frames == 2);
    CHECK_FALSE(sse_route{"/x", {}, {}}.settings.observer);
}

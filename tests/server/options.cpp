// SPDX-License-Identifier: BSL-1.0
#include <weir/server/options.hpp>

#include "catch.hpp"

#include <chrono>
#include <variant>

using namespace std::chrono_literals;

// The table of defaults in docs/DESIGN.md.

TEST_CASE("options: a server is careful unless told otherwise", "[server][options]") {
    const weir::server_options o;
    CHECK(o.threads == 1);
    CHECK(o.max_connections == 0);
    CHECK(o.head.max_head_bytes == 16 * 1024);
    CHECK(o.head.max_fields == 100);
    CHECK(o.request_time == 10s);
    CHECK(o.idle_time == 60s);
    CHECK(o.max_body_bytes == 1024 * 1024);
    CHECK(o.drain.over == 5s);
    CHECK(o.drain.deadline == 10s);
    CHECK(o.drain.websocket_code == weir::ws::close_code::going_away);
    CHECK(o.handle_signals);
    CHECK_FALSE(o.on_error);
    CHECK(o.metrics == nullptr);
}

TEST_CASE("options: only this machine is listened to unless an address is given", "[server][options]") {
    const weir::listen_options o;
    CHECK(o.address == "127.0.0.1");
    CHECK(o.port == 8080);
    CHECK(o.backlog > 0);
}

TEST_CASE("options: a route takes GET, allows no other origin, and bounds its outboxes", "[server][options]") {
    const weir::sse_options o;
    CHECK(o.get);
    CHECK_FALSE(o.post);
    CHECK(o.allowed_origins.empty());
    CHECK_FALSE(o.allow_credentials);
    CHECK_FALSE(o.retry.has_value());
    CHECK_FALSE(o.close_delimited);
    CHECK(o.stall_timeout == 30s);
    CHECK(o.max_life == 0ms);
    CHECK_FALSE(o.intercept);

    const weir::outbox_facts full{.bytes = 1024 * 1024, .messages = 1, .incoming_bytes = 1};
    CHECK(o.backpressure(full) == weir::admission::wait);
    const weir::outbox_facts many{.bytes = 1000, .messages = 1000, .incoming_bytes = 1};
    CHECK(o.backpressure(many) == weir::admission::wait);
    CHECK(o.backpressure({.incoming_bytes = 2 * 1024 * 1024}) == weir::admission::accept);

    const weir::time_point t0{};
    const auto beat = o.heartbeat({.now = t0 + 15s, .last_sent = t0, .last_received = t0});
    CHECK(std::holds_alternative<weir::beat>(beat));
    const auto early = o.heartbeat({.now = t0 + 13s, .last_sent = t0, .last_received = t0});
    CHECK(std::holds_alternative<weir::wait_until>(early));
}

TEST_CASE("options: any policy may be a route's", "[server][options]") {
    const weir::sse_options o{.backpressure = weir::close_slow{.max_messages = 1}, .heartbeat = weir::no_heartbeat{}};
    CHECK(o.backpressure({.messages = 1, .incoming_bytes = 1}) == weir::admission::close);
    CHECK_FALSE(o.backpressure.by_key());
    CHECK(weir::sse_options{.backpressure = weir::keep_latest{}}.backpressure.by_key());
    const auto silent = o.heartbeat({.now = weir::time_point{} + 24h, .last_sent = {}, .last_received = {}});
    CHECK(std::get<weir::wait_until>(silent).at == weir::never);
}

TEST_CASE("options: a WebSocket's route allows its own pages, and bounds what comes and goes",
          "[server][options][ws]") {
    const weir::ws_options o;
    CHECK(o.max_message_bytes == 1024 * 1024);
    CHECK(o.max_pongs_per_second == 100);
    CHECK(o.allowed_origins.empty());
    CHECK(o.subprotocols.empty());
    CHECK(o.stall_timeout == 30s);
    CHECK(o.max_life == 0ms);
    CHECK_FALSE(o.intercept);
    CHECK(o.framing.deflate() == nullptr);
    const weir::outbox_facts full{.bytes = 1024 * 1024, .messages = 1, .incoming_bytes = 1};
    CHECK(o.backpressure(full) == weir::admission::wait);
    const weir::time_point t0{};
    const auto beat = o.heartbeat({.now = t0 + 30s, .last_sent = t0, .last_received = t0});
    CHECK(std::holds_alternative<weir::beat>(beat));
    const auto dead = o.heartbeat({.now = t0 + 40s, .last_sent = t0, .last_received = t0, .last_asked = t0 + 30s});
    CHECK(std::holds_alternative<weir::give_up>(dead));
}

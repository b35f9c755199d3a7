// SPDX-License-Identifier: BSL-1.0
#include <weir/server/session.hpp>

#include "catch.hpp"

#include <chrono>
#include <type_traits>
#include <variant>

using namespace std::chrono_literals;
using weir::detail::route_policies;
using weir::detail::route_settings;

static_assert(weir::backpressure_policy<route_policies> && weir::heartbeat_policy<route_policies>);
static_assert(weir::stall_policy<route_policies>);
static_assert(sizeof(route_policies) == sizeof(void*), "a session holds no policy of its own");
static_assert(weir::message_framing_policy<route_policies>);
static_assert(std::has_virtual_destructor_v<weir::detail::server_sse_core>);
static_assert(std::has_virtual_destructor_v<weir::detail::server_ws_core>);

TEST_CASE("session: the policies are the route's, by reference", "[server][session]") {
    route_settings settings{weir::refuse{.max_messages = 1}, weir::no_heartbeat{}, {.patience = 0ms}};
    const weir::policy_set<route_policies> set{route_policies{&settings}};
    const weir::outbox_facts full{.messages = 1, .incoming_bytes = 1};
    CHECK(set.backpressure()(full) == weir::admission::refuse);
    CHECK_FALSE(set.by_key());
    const auto never = set.stall()(weir::progress{.now = weir::time_point{} + 24h, .last_progress = {}});
    CHECK(std::get<weir::wait_until>(never).at == weir::never);

    settings.backpressure = weir::keep_latest{};
    CHECK(set.backpressure()(full) == weir::admission::accept);
    CHECK(set.by_key());
    settings.heartbeat = weir::comment_every{1s};
    const auto beat =
        set.heartbeat()(weir::liveness{.now = weir::time_point{} + 1s, .last_sent = {}, .last_received = {}});
    CHECK(std::holds_alternative<weir::beat>(beat));
}

TEST_CASE("session: its route's observer is told, if there is one", "[server][session]") {
    static_assert(weir::observer_policy<route_policies>);
    route_settings settings{weir::refuse{}, weir::no_heartbeat{}};
    weir::policy_set<route_policies> set{route_policies{&settings}};
    set.observer()(weir::session_opened{});
    int seen = 0;
    settings.observer = [&](const auto&) noexcept { ++seen; };
    set.observer()(weir::messages_received{1, 70});
    set.observer()(weir::session_closed{});
    CHECK(seen == 2);
}

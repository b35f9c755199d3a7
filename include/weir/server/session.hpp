// SPDX-License-Identifier: BSL-1.0
#pragma once

// The type of the sessions that a server makes: its own stream, and policies by reference to their route's.
// Layer: server.

#include <weir/config.hpp>
#include <weir/io/session_handle.hpp>
#include <weir/io/sse_core.hpp>
#include <weir/io/ws_core.hpp>
#include <weir/policy/any_policy.hpp>
#include <weir/policy/stall.hpp>
#include <weir/server/stream.hpp>

#include <memory>
#include <optional>

namespace weir::detail {

/// What the sessions of one route decide with.
struct route_settings {
    any_backpressure backpressure;
    any_heartbeat heartbeat;
    stall_after stall{};
    any_message_framing framing = plain_frames{};
    any_observer observer{};
};

/// All policies of a server's session: a reference to its route's, which the server keeps.
struct route_policies {
    const route_settings* route;

    bool by_key() const noexcept { return route->backpressure.by_key(); }
    admission operator()(const outbox_facts& facts) const noexcept { return route->backpressure(facts); }
    heartbeat_decision operator()(const liveness& facts) const noexcept { return route->heartbeat(facts); }
    stall_decision operator()(const progress& facts) const noexcept { return route->stall(facts); }
    template <observation Observation>
    void operator()(const Observation& what) const noexcept {
        route->observer(what);
    }
    const ws::deflate_options* deflate() const noexcept { return route->framing.deflate(); }
    std::unique_ptr<ws::message_codec> make_codec(ws::role self, const ws::deflate_agreement& agreed) const {
        return route->framing.make_codec(self, agreed);
    }
};

/// The sessions behind weir::sse_session and weir::ws_session.
using server_sse_core = sse_core<server_stream, route_policies>;
using server_ws_core = ws_core<server_stream, route_policies>;

WEIR_COMPILED_ONCE(class stream_io<sse_session, server_stream>);
WEIR_COMPILED_ONCE(class stream_io<ws_session, server_stream>);
WEIR_COMPILED_ONCE(class sse_core<server_stream, route_policies>);
WEIR_COMPILED_ONCE(class ws_core<server_stream, route_policies>);
WEIR_COMPILED_ONCE(class waiter_op<waiter::kind::send, coroutine_handler<error_code>, server_stream::executor_type>);
WEIR_COMPILED_ONCE(class waiter_op<waiter::kind::drained, coroutine_handler<error_code>, server_stream::executor_type>);
WEIR_COMPILED_ONCE(class waiter_op<waiter::kind::sleep, coroutine_handler<error_code>, server_stream::executor_type>);
WEIR_COMPILED_ONCE(class waiter_op<waiter::kind::ended, coroutine_handler<error_code>, server_stream::executor_type>);
WEIR_COMPILED_ONCE(
    class waiter_op<waiter::kind::closed, coroutine_handler<error_code, error_code>, server_stream::executor_type>);
WEIR_COMPILED_ONCE(
    class waiter_op<waiter::kind::receive, coroutine_handler<error_code, std::optional<ws::message_view>>,
                    server_stream::executor_type>);

}  // namespace weir::detail

#include WEIR_BODIES(weir/server/session.ipp)

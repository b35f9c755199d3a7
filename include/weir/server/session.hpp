// SPDX-License-Identifier: BSL-1.0
#pragma once

// The type of the sessions that a server makes: its own socket, and policies by reference to their route's.
// Layer: server.

#include <weir/config.hpp>
#include <weir/io/sse_core.hpp>
#include <weir/policy/any_policy.hpp>
#include <weir/policy/stall.hpp>

#include WEIR_ASIO(io_context.hpp)
#include WEIR_ASIO(ip/tcp.hpp)

namespace weir::detail {

/// The server's own socket type: it names its executor's type, which makes it smaller and faster than tcp::socket.
using server_socket = net::basic_stream_socket<net::ip::tcp, net::io_context::executor_type>;

/// What the sessions of one route decide with.
struct route_settings {
    any_backpressure backpressure;
    any_heartbeat heartbeat;
    stall_after stall;
};

/// All policies of a server's session: a reference to its route's, which the server keeps.
struct route_policies {
    const route_settings* route;

    bool by_key() const noexcept { return route->backpressure.by_key(); }
    admission operator()(const outbox_facts& facts) const noexcept { return route->backpressure(facts); }
    heartbeat_decision operator()(const liveness& facts) const noexcept { return route->heartbeat(facts); }
    stall_decision operator()(const progress& facts) const noexcept { return route->stall(facts); }
};

/// The session behind weir::sse_session.
using server_core_type = sse_core<server_socket, route_policies>;

}  // namespace weir::detail

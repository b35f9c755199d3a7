// SPDX-License-Identifier: BSL-1.0
#pragma once

// One of a server's event loops, and what lives on it. Layer: server.

#include <weir/config.hpp>
#include <weir/error.hpp>
#include <weir/io/http_connection.hpp>
#include <weir/policy/policy_set.hpp>
#include <weir/server/connection_count.hpp>
#include <weir/server/jitter.hpp>
#include <weir/server/linked_list.hpp>
#include <weir/server/options.hpp>
#include <weir/server/session.hpp>
#include <weir/server/stream.hpp>

#include WEIR_ASIO(io_context.hpp)

#include <string>
#include <utility>

namespace weir::detail {

/// A context whose pending handlers can be destroyed while what they refer to is still there.
struct loop_context : net::io_context {
    using net::io_context::io_context;

    /// Destroys all handlers, uncalled. Nothing may run the context any more.
    void abandon_handlers() { net::execution_context::shutdown(); }
};

template <class Core>
struct server_session;
struct server_connection;

/// Run by one thread. The lists are that thread's, and outlive the context.
struct event_loop {
    linked_list<server_session<server_sse_core>> event_streams;
    linked_list<server_session<server_ws_core>> websockets;
    linked_list<server_connection> connections;
    loop_context context{1};

    auto& sessions(server_sse_core*) noexcept { return event_streams; }
    auto& sessions(server_ws_core*) noexcept { return websockets; }
};

/// A session that is on its loop's list and has a place among the connections.
template <class Core>
struct server_session final : Core, linked_list<server_session<Core>>::hook {
    server_session(server_stream stream, const route_settings& settings, connection_count::slot taken, event_loop& on)
        : Core(std::move(stream), policy_set{route_policies{&settings}}), place(std::move(taken)) {
        on.sessions(static_cast<Core*>(nullptr)).add(*this);
    }
    ~server_session() override { linked_list<server_session>::remove(*this); }

    /// Ends it because the server drains: what waits is written first. Nothing if it is ending already.
    void dismiss(const drain_options& how);

    // The place is free when the connection ends, however long the application keeps the session.
    void close_transport() noexcept override {
        Core::close_transport();
        place = {};
    }

    connection_count::slot place;
};

template <>
inline void server_session<server_sse_core>::dismiss(const drain_options&) {
    close(error::draining, retry_message(framing()));
}

template <>
inline void server_session<server_ws_core>::dismiss(const drain_options& how) {
    if (state() != phase::open) return;
    connection_.end(now());  // the peer's own close frame is answered as ever
    connection_.close(how.websocket_code, {}, now());
    close(error::draining);
}

/// A connection that is on its loop's list, until it ends or becomes a session's.
struct server_connection final : http_connection<server_stream>, linked_list<server_connection>::hook {
    server_connection(server_stream stream, const http_limits& limits, std::string remote, event_loop& on)
        : http_connection(std::move(stream), limits, std::move(remote)) {
        on.connections.add(*this);
    }
    ~server_connection() { linked_list<server_connection>::remove(*this); }
};

}  // namespace weir::detail

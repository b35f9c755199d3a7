// SPDX-License-Identifier: BSL-1.0
#pragma once

// What a WebSocket client that comes back calls its application with. Layer: io.

#include <weir/config.hpp>
#include <weir/error.hpp>
#include <weir/io/ws_client_connection.hpp>
#include <weir/session/ws_client_session.hpp>
#include <weir/time.hpp>
#include <weir/ws/message.hpp>

#include <cstdint>
#include <functional>
#include <string_view>

namespace weir {

/// A connection that has just begun. Valid as long as on_open runs.
class ws_new_connection {
public:
    /// For the client itself.
    ws_new_connection(detail::ws_client_session& client, const detail::ws_client_connection& connection) noexcept
        : client_(client), connection_(connection) {}

    /// Sends a message on this connection and on no other, before everything that waits to be sent: who we are, what we
    /// want, where we were. Not bounded. Errors: error::closed, error::not_connected.
    error send(ws::message_view message) { return client_.send_first(message); }
    /// The subprotocol that the server chose; empty: none.
    std::string_view subprotocol() const noexcept { return connection_.subprotocol(); }
    /// Whether compression was agreed on.
    bool compresses() const noexcept { return connection_.protocol().compresses(); }
    /// One: the client's first.
    std::uint64_t number() const noexcept { return client_.connections(); }

private:
    detail::ws_client_session& client_;
    const detail::ws_client_connection& connection_;
};

/// What a client calls by itself: on_open(connection) when a connection begins, on_message(message) for every message,
/// on_retry(reason, delay) when a connection or an attempt to connect has failed and another is due after `delay`, and
/// on_close(reason) once, when there will be none, whoever has ended it. Each may be empty. They run on the client's
/// executor, may call anything, and are not called any more once the handle is destroyed. An exception that leaves one
/// ends the client and goes to whoever runs the executor.
struct ws_client_handlers {
    std::function<void(ws_new_connection&)> on_open{};   ///< a connection has begun
    std::function<void(ws::message_view)> on_message{};  ///< a message has come; valid during the call
    std::function<void(error_code reason, milliseconds delay)> on_retry{};  ///< it will try again after `delay`
    std::function<void(error_code reason)> on_close{};                      ///< it will not try again
};

}  // namespace weir

// SPDX-License-Identifier: BSL-1.0
#pragma once

// What can be set about a server and its routes. Layer: server.

#include <weir/http/head_scanner.hpp>
#include <weir/http/message.hpp>
#include <weir/policy/any_policy.hpp>
#include <weir/policy/backpressure.hpp>
#include <weir/policy/heartbeat.hpp>
#include <weir/time.hpp>
#include <weir/ws/close_code.hpp>

#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace weir {

class metrics;

namespace detail {
class layer_factory;
}

/// How a server ends its sessions.
struct drain_options {
    /// The sessions of each event loop end in batches, the oldest first, one batch every 100 ms and the last one before
    /// this has passed; where they are few, one by one. So their clients do not come back all at once. 0: they do.
    milliseconds over{5'000};
    /// Whoever has not taken the rest so long after `over` is cut off; 0: at once.
    milliseconds deadline{10'000};
    /// What WebSockets are closed with: going_away (1001) or service_restart (1012), say. A code that may not be sent
    /// counts as going_away.
    ws::close_code websocket_code = ws::close_code::going_away;
};

/// How a server works: threads, limits, and what is told of errors.
struct server_options {
    unsigned threads = 1;               ///< event loops, one thread each
    std::size_t max_connections = 0;    ///< further ones are closed at once; 0: as many as there are descriptors
    http::head_limits head{};           ///< 16 KiB, 100 fields
    milliseconds request_time{10'000};  ///< for a whole request; 0: no limit
    milliseconds idle_time{60'000};     ///< between two requests of a connection; 0: no limit
    milliseconds write_time{30'000};    ///< for a whole plain response; 0: no limit
    std::uint64_t max_body_bytes = 1024 * 1024;  ///< of a request; 0: no limit
    drain_options drain{};                       ///< what SIGINT and SIGTERM do
    bool handle_signals = true;                  ///< a second signal stops at once
    /// Told of exceptions that left a handler, on the thread it ran on; the default writes to standard error. A stream
    /// that ended under its handler is no failure and is not reported.
    std::function<void(std::string_view route, std::exception_ptr failure)> on_error{};
    /// Counts the sessions of every route, by its pattern; null: nothing does. See weir/metrics.hpp, which also says
    /// how to serve the text. Must live until the last route has been added.
    weir::metrics* metrics = nullptr;
};

/// Where a server listens, and how.
struct listen_options {
    std::string address = "127.0.0.1";  ///< "0.0.0.0" or "::" for every interface
    std::uint16_t port = 8080;          ///< 0: the system chooses
    int backlog = 4096;                 ///< connections that wait to be accepted; the system may have a lower bound
    /// https: weir::tls_options{...} of weir/tls.hpp. Absent: http. A handshake has request_time, first request
    /// included.
    std::shared_ptr<const detail::layer_factory> tls{};
};

/// One route's event streams.
struct sse_options {
    bool get = true;    ///< GET is answered with a stream
    bool post = false;  ///< POST is answered with a stream
    /// Origins whose pages may read the stream: "https://app.example". See sse::accept_options.
    std::vector<std::string> allowed_origins{};
    bool allow_credentials = false;                             ///< lets those pages send cookies
    std::vector<std::string> allowed_headers{};                 ///< what those pages may send; see sse::accept_options
    std::vector<std::pair<std::string, std::string>> fields{};  ///< added to the response head
    std::optional<milliseconds> retry{};                        ///< the client's reconnection time; absent: its own
    bool close_delimited = false;                               ///< never chunk
    any_backpressure backpressure = wait{};                     ///< what a full outbox means
    any_heartbeat heartbeat = comment_every{};                  ///< what silence means
    any_observer observer{};                                    ///< told of all its sessions, on every thread
    milliseconds stall_timeout{30'000};                         ///< 0: off
    /// Streams end after 80 to 100 % of this, and clients reconnect; 0: off.
    milliseconds max_life{};
    /// Looks at each request but OPTIONS first; a response it returns is sent instead of a stream, with the CORS fields
    /// of the route: 401, or 204 to tell browsers not to come back.
    std::function<std::optional<response>(const request&)> intercept{};
};

/// One route's WebSockets.
struct ws_options {
    /// Of a message that is not read in pieces, after inflation; 0: no limit. See ws_limits.
    std::size_t max_message_bytes = 1024 * 1024;
    unsigned max_pongs_per_second = 100;  ///< pings answered one by one; 0: no limit
    /// Origins whose pages may connect, beside the server's own: "https://app.example". See ws::accept_options.
    std::vector<std::string> allowed_origins{};
    std::vector<std::string> subprotocols{};                    ///< the preferred one first
    std::vector<std::pair<std::string, std::string>> fields{};  ///< added to the 101
    any_backpressure backpressure = wait{};                     ///< what a full outbox means
    any_heartbeat heartbeat = ping_every{};                     ///< what silence means
    any_message_framing framing = plain_frames{};               ///< or deflate_frames{}, of weir/deflate.hpp
    any_observer observer{};                                    ///< told of all its sessions, on every thread
    milliseconds stall_timeout{30'000};                         ///< 0: off
    /// Sessions are closed with 1001 after 80 to 100 % of this; 0: off.
    milliseconds max_life{};
    /// Looks at each request first; a response it returns is sent instead of a 101: 401, say.
    std::function<std::optional<response>(const request&)> intercept{};
};

}  // namespace weir

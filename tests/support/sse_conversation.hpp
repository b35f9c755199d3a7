// SPDX-License-Identifier: BSL-1.0
#pragma once

// An sse_client and a scripted server, in virtual time, and what the application has seen.

#include <weir/sse_client.hpp>

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "support/scripted_server.hpp"
#include "support/virtual_context.hpp"

namespace test {

inline const std::string stream_head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n";
inline const std::string stop = "HTTP/1.1 204 No Content\r\n\r\n";

/// Sends it and closes.
inline script::connection closing(std::string bytes) { return {script::send{std::move(bytes)}}; }

/// A stream in chunks, which goes on, and one that is whole; with one event, "one", whose id is 1.
inline const std::string chunked = stream_head + "Transfer-Encoding: chunked\r\n\r\n";
inline const std::string begun = chunked + "11\r\nid: 1\ndata: one\n\n\r\n";
inline const std::string one_event = begun + "0\r\n\r\n";

inline std::string status_line(int status) { return "HTTP/1.1 " + std::to_string(status) + " Status\r\n"; }

/// A whole answer that is no stream. `fields`: whole lines.
inline std::string plain_text(int status, std::string_view fields = "", std::string_view body = "sorry") {
    std::string answer = status_line(status);
    answer.append(fields).append("Content-Length: " + std::to_string(body.size()) + "\r\n\r\n").append(body);
    return answer;
}

/// A client that talks to a scripted server, in virtual time: how long it waits is for the script to say.
class sse_conversation {
public:
    explicit sse_conversation(std::vector<script::connection> connections, weir::sse_client_options options = {},
                              scripted_server::afterwards then = scripted_server::afterwards::refuse,
                              std::string_view target = "/stream")
        : server(context, std::move(connections), then) {
        options.reconnect = weir::fixed_delay{weir::milliseconds{0}};
        options.retry = weir::milliseconds{10};
        start(target, std::move(options));
    }

    /// Until the client is over. `until`: what has to be the case before the server may go on where it waits.
    template <class Until>
    sse_conversation& run(Until until) {
        bool told = false;
        while (!closed) {
            if (!told && until()) {
                told = true;
                server.proceed();
            }
            if (std::exchange(retrying, false)) {
                context.pass(delays.back() + weir::milliseconds{1});  // the resolution of deadlines
            } else {
                run_one(context);
            }
        }
        return *this;
    }
    sse_conversation& run() {
        return run([] { return true; });
    }

    virtual_context context;
    scripted_server server;
    std::optional<weir::sse_client> client;
    // What the application has seen.
    std::size_t opened = 0;
    std::vector<std::string> data, ids;
    std::vector<weir::error_code> reasons;   // for trying again
    std::vector<weir::milliseconds> delays;  // before that
    std::optional<weir::error_code> closed;

private:
    void start(std::string_view target, weir::sse_client_options options) {
        client.emplace(context.context(), server.url(target), std::move(options));
        client->handle_with({.on_open = [this] { ++opened; },
                             .on_event =
                                 [this](const weir::sse_message& event) {
                                     data.emplace_back(event.data);
                                     ids.emplace_back(event.id);
                                 },
                             .on_retry =
                                 [this](weir::error_code reason, weir::milliseconds delay) {
                                     reasons.push_back(reason);
                                     delays.push_back(delay);
                                     retrying = true;
                                 },
                             .on_close = [this](weir::error_code reason) { closed = reason; }});
    }

    bool retrying = false;
};

}  // namespace test

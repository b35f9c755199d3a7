// SPDX-License-Identifier: BSL-1.0
#pragma once

// What a ws_client did, and the answers of a server that does what the test says.

#include <weir/ws/handshake_fields.hpp>
#include <weir/ws_client.hpp>

#include WEIR_ASIO(io_context.hpp)

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "support/scripted_server.hpp"
#include "support/ws_frames.hpp"

namespace test {

using texts = std::vector<std::string>;

/// What a client's handlers were called with, and its operations completed with.
struct heard {
    int opened = 0;
    texts messages;
    std::vector<weir::error_code> retries;
    std::vector<weir::error_code> closes;
    std::optional<weir::error_code> received, sent, closed;
    std::optional<std::string> message;

    weir::ws_client_handlers handlers() {
        return {.on_open = [this](weir::ws_new_connection&) { ++opened; },
                .on_retry = [this](weir::error_code why, weir::milliseconds) { retries.push_back(why); },
                .on_close = [this](weir::error_code why) { closes.push_back(why); }};
    }
    auto remember_message() {
        received.reset();
        message.reset();
        return [this](weir::error_code ec, std::optional<weir::ws_message> m) {
            received = ec;
            if (m) message = m->text();
        };
    }
};

struct ws_client_fixture {
    weir::net::io_context context;
    heard has;

    static weir::ws_client_options at_once() { return {.reconnect = weir::fixed_delay{weir::milliseconds{0}}}; }

    void until(const std::function<bool()>& done) { run_until(context, done); }
    /// Everything that can happen without anybody's doing.
    void settle() {
        context.restart();
        for (int quiet = 0; quiet != 3; ++quiet) {
            if (context.poll() != 0) quiet = 0;
        }
    }
    /// The next message, the end ("end"), or why there is none.
    std::string receive(weir::ws_client& ws) {
        ws.async_receive(has.remember_message());
        until([&] { return has.received.has_value(); });
        if (*has.received) return has.received->message();
        return has.message.value_or("end");
    }
};

/// The answer that a server gives to a WebSocket's request.
inline std::string switching(const seen_request& request, std::string_view more = {}) {
    std::string text = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n";
    text += "Sec-WebSocket-Accept: " + weir::ws::accept_value(request.field("Sec-WebSocket-Key").value()) + "\r\n";
    return text.append(more).append("\r\n");
}
inline script::answer switches(std::string more = {}) {
    return {[more](const seen_request& request) { return switching(request, more); }};
}
inline script::send says(std::string text) { return {frame{.payload = std::move(text)}.from_server()}; }
inline script::send says_close(unsigned code, std::string_view why = {}) {
    return {frame{.code = 8, .payload = close_payload(code, why)}.from_server()};
}
inline script::send answers(int status, std::string_view more = {}) {
    return {"HTTP/1.1 " + std::to_string(status) + " Whatever\r\nContent-Length: 0\r\n" + std::string{more} + "\r\n"};
}

}  // namespace test

// SPDX-License-Identifier: BSL-1.0

// A server with a hub and its clients in one program, built by tests/compilers.sh with switches of its own: -fno-rtti,
// and without exceptions where Asio allows that. Exit status 0 if everything that was sent has come.

#include <weir/hub.hpp>
#include <weir/metrics.hpp>
#include <weir/server.hpp>
#include <weir/sse_client.hpp>
#include <weir/ws_client.hpp>

#include "without_exceptions.hpp"

#include WEIR_ASIO(redirect_error.hpp)
#include WEIR_ASIO(use_awaitable.hpp)

#include <cstdio>
#include <string>
#include <string_view>
#include <utility>

namespace {

// Errors as values, so that the end of a session throws nothing.
weir::awaitable<void> echo(weir::ws_session ws) {
    weir::error_code ec;
    auto token = weir::net::redirect_error(weir::net::use_awaitable, ec);
    for (;;) {
        const auto message = co_await ws.async_receive(token);
        if (ec || !message) co_return;
        co_await ws.async_send(*message, token);
    }
}

struct seen {
    std::string events, messages;
    int ended = 0;
};

}  // namespace

int main() {
    weir::metrics metrics;
    weir::hub hub;
    weir::server app{{.handle_signals = false, .metrics = &metrics}};
    app.ws("/echo", echo);
    app.sse("/news", [&hub](weir::sse_session out) {
        hub.subscribe(std::move(out), "news/#");
        hub.publish("news/today", {.data = "1"});
        hub.publish("news/today", {.data = "2"});
        hub.publish("news/today", {.data = "[DONE]"});
    });
    const std::string host = "localhost:" + std::to_string(app.listen({.port = 0}));

    seen all;
    const auto one_ended = [&](weir::error_code) {
        if (++all.ended == 2) app.drain({.over = {}, .deadline = {}});
    };
    weir::sse_client events{app.context(), "http://" + host + "/news", {.end_marker = "[DONE]"}};
    events.handle_with(
        {.on_event = [&](const weir::sse_message& event) { all.events += event.data; }, .on_close = one_ended});
    weir::ws_client messages{app.context(), "ws://" + host + "/echo"};
    messages.handle_with({.on_message =
                              [&](weir::ws_message message) {
                                  all.messages += message.text();
                                  messages.close();
                              },
                          .on_close = one_ended});
    messages.send("hello");
    app.run();

    const bool counted =
        metrics.text().find(R"(weir_sessions_opened_total{route="/echo",protocol="ws"} 1)") != std::string::npos;
    std::printf("events: %s; messages: %s; counted: %d\n", all.events.c_str(), all.messages.c_str(), int{counted});
    return all.events == "12" && all.messages == "hello" && counted ? 0 : 1;
}

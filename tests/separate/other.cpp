// SPDX-License-Identifier: BSL-1.0

#include <weir/metrics.hpp>
#include <weir/sse_client.hpp>
#include <weir/ws_client.hpp>

#include <utility>

#include "routes.hpp"

namespace {

weir::awaitable<void> echo(weir::ws_session ws) {
    while (const auto message = co_await ws.async_receive()) co_await ws.async_send(*message);
}

}  // namespace

void test::add_routes(weir::server& app, weir::hub& hub) {
    app.sse("/events", [&hub](weir::sse_session out) {
        hub.subscribe(std::move(out), "news");
        hub.publish("news", {.data = "hello"});
    });
    app.ws("/echo", echo);
}

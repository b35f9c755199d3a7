// SPDX-License-Identifier: BSL-1.0

// A server, a hub and both clients in one program. It succeeds when each client has received what it should.

#include <weir/metrics.hpp>
#include <weir/sse_client.hpp>
#include <weir/sse_stream.hpp>
#include <weir/ws_client.hpp>

#include <string>

#include "routes.hpp"

int main() {
    weir::hub hub;
    weir::metrics metrics;
    weir::server app{{.handle_signals = false, .metrics = &metrics}};
    test::add_routes(app, hub);
    const std::string host = "127.0.0.1:" + std::to_string(app.listen({.port = 0}));

    bool event = false, message = false;
    weir::sse_client events{app.context(), "http://" + host + "/events"};
    events.on_event([&](const weir::sse_message& e) {
        event = e.data == "hello";
        if (message) app.stop();
    });
    weir::ws_client echo{app.context(), "ws://" + host + "/echo"};
    echo.on_message([&](weir::ws_message m) {
        message = m.text() == "hello";
        if (event) app.stop();
    });
    echo.send("hello");
    app.run();
    return event && message ? 0 : 1;
}

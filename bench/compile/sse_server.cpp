// SPDX-License-Identifier: BSL-1.0

// An event stream on weir's own server.

#include <weir/server.hpp>

weir::awaitable<void> events(weir::sse_session out) {
    for (;;) {
        co_await out.async_send({.event = "tick", .data = "hello"});
        co_await out.async_sleep(std::chrono::seconds{1});
    }
}

int main() {
    weir::server app;
    app.sse("/", events);
    app.listen({.port = 8080});
    app.run();
}

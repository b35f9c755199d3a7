// SPDX-License-Identifier: BSL-1.0

// An event stream in a few lines. Run it, then: curl -N http://127.0.0.1:8080/ticks

#include <weir/server.hpp>

#include <cstdio>
#include <cstdlib>

using namespace std::chrono_literals;

weir::awaitable<void> ticks(weir::sse_session out) {
    // A browser that comes back goes on where it was.
    for (auto n = out.last_event_id().number().value_or(0) + 1;; ++n) {
        co_await out.async_send({.event = "tick", .id = weir::event_id(n), .data = "first line\nsecond line"});
        co_await out.async_sleep(1s);
    }
}

// sse_ticks [port]; 0: the system chooses.
int main(int argc, char** argv) {
    const auto wanted = static_cast<std::uint16_t>(argc > 1 ? std::atoi(argv[1]) : 8080);

    weir::server app;
    app.sse("/ticks", ticks);
    const std::uint16_t port = app.listen({.port = wanted});
    std::printf("http://127.0.0.1:%u/ticks\n", unsigned{port});
    std::fflush(stdout);
    app.run();  // SIGINT and SIGTERM drain, then return
}

// SPDX-License-Identifier: BSL-1.0

// One message for everybody who listens: a hub, with callbacks only. Run it, then, more than once:
// curl -N http://127.0.0.1:8080/news

#include <weir/hub.hpp>
#include <weir/server.hpp>

#include <asio/steady_timer.hpp>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <utility>

using namespace std::chrono_literals;

void publish_every(weir::milliseconds interval, asio::steady_timer& timer, weir::hub& hub) {
    timer.expires_after(interval);
    timer.async_wait([interval, &timer, &hub](weir::error_code ec) {
        if (ec) return;
        hub.publish("news", {.event = "news", .data = std::to_string(hub.stats().subscribers) + " listening"});
        publish_every(interval, timer, hub);
    });
}

// sse_broadcast [port]; 0: the system chooses.
int main(int argc, char** argv) {
    const auto wanted = static_cast<std::uint16_t>(argc > 1 ? std::atoi(argv[1]) : 8080);

    weir::hub hub;
    weir::server app;
    app.sse("/news", [&hub](weir::sse_session out) {
        const auto id = out.last_event_id();
        hub.subscribe(std::move(out), "news", {.after = id});  // until its reader is gone
    });
    asio::steady_timer timer{app.context()};
    publish_every(200ms, timer, hub);

    const std::uint16_t port = app.listen({.port = wanted});
    std::printf("http://127.0.0.1:%u/news\n", unsigned{port});
    std::fflush(stdout);
    app.run();
}

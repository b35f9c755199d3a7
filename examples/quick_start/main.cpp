// SPDX-License-Identifier: BSL-1.0

// What somebody says, every open page shows at once. docs/quick_start.md goes through it. Run it in this folder, open
// http://127.0.0.1:8080/ in a browser, then: curl -d 'hello' http://127.0.0.1:8080/say

#include <weir/hub.hpp>
#include <weir/server.hpp>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <utility>

// quick_start [port]; 0: the system chooses.
int main(int argc, char** argv) {
    const auto wanted = static_cast<std::uint16_t>(argc > 1 ? std::atoi(argv[1]) : 8080);

    weir::hub hub;
    weir::server app;

    app.sse("/events", [&hub](weir::sse_session out) {
        const auto id = out.last_event_id();  // a browser that comes back says where it was
        hub.subscribe(std::move(out), "news", {.after = id, .from_oldest = true});
    });
    app.post("/say", [&hub](const weir::request& request) {
        hub.publish("news", {.event = "said", .data = request.body()});
        return weir::response{.status = 202, .body = "said\n"};
    });
    app.files("/", "page");

    const std::uint16_t port = app.listen({.port = wanted});
    std::printf("http://127.0.0.1:%u/\n", unsigned{port});
    std::fflush(stdout);
    app.run();
}

// SPDX-License-Identifier: BSL-1.0

// weir in a server on cpp-httplib: event streams as responses of its own, each on a thread of its pool. Run it, then:
// curl -N http://127.0.0.1:8080/events

#include <weir/adapt/httplib.hpp>
#include <weir/sans_io.hpp>

#include "ticks.hpp"

#include <httplib.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <thread>

using namespace std::chrono_literals;

// ---- weir from here

void events(const httplib::Request& request, httplib::Response& response) {
    const auto out = weir::adapt::event_stream(request, response, {}, weir::comment_every{15s});
    if (!out) return;
    out->ask([&out = *out, tick = ticks{request.target, out->last_event_id()}](weir::time_point now) mutable {
        if (!tick.advance()) return out.close(now), weir::never;
        out.send({.event = "tick", .id = tick.id(), .data = tick.text()}, now);
        return tick.fast() ? now : now + 200ms;
    });
}

// ---- to here; the rest is the server that was there before, but for the line that names this.

// httplib [port]; 0: the system chooses.
int main(int argc, char** argv) {
    const int wanted = argc > 1 ? std::atoi(argv[1]) : 8080;
    sigset_t ends;
    sigemptyset(&ends);
    sigaddset(&ends, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &ends, nullptr);  // before there are threads

    httplib::Server server;
    server.new_task_queue = [] { return new httplib::ThreadPool(64); };  // one for each stream
    server.set_tcp_nodelay(true);
    server.set_keep_alive_timeout(1);
    // ---- weir from here
    server.Get("/events", events);
    // ---- to here

    const int port = wanted == 0 ? server.bind_to_any_port("127.0.0.1") : wanted;
    if (wanted != 0 && !server.bind_to_port("127.0.0.1", wanted)) return EXIT_FAILURE;
    std::printf("http://127.0.0.1:%d/events\n", port);
    std::fflush(stdout);
    std::thread waits_for_end{[&] {
        int signal = 0;
        sigwait(&ends, &signal);
        server.stop();
    }};
    server.listen_after_bind();
    waits_for_end.join();
}

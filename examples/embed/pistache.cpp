// SPDX-License-Identifier: BSL-1.0

// weir in a server on Pistache: event streams on its connections. Run it, then: curl -N http://127.0.0.1:8080/events

#include <weir/adapt/pistache.hpp>
#include <weir/sans_io.hpp>

#include "ticks.hpp"

#include <pistache/endpoint.h>
#include <pistache/http.h>

#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <utility>

using namespace std::chrono_literals;
namespace Http = Pistache::Http;

// ---- weir from here

void events(weir::adapt::pistache_streams& streams, const Http::Request& request, Http::ResponseWriter& response) {
    const auto begin = [target = request.resource() + request.query().as_str()](auto& out) {
        out.ask([&out, tick = ticks{target, out.last_event_id()}](weir::time_point now) mutable {
            if (!tick.advance()) return out.close(now), weir::never;
            out.send({.event = "tick", .id = tick.id(), .data = tick.text()}, now);
            return tick.fast() ? now : now + 200ms;
        });
    };
    streams.open(request, response.getPeer(), begin, {}, weir::comment_every{15s});
}

// ---- to here; the rest is the server that was there before, but for the lines that call this.

class handler final : public Http::Handler {
    HTTP_PROTOTYPE(handler)

    void onRequest(const Http::Request& request, Http::ResponseWriter response) override {
        // ---- weir from here
        if (request.resource() == "/events") return events(*streams_, request, response);
        // ---- to here
        response.send(Http::Code::Not_Found);
    }

    // ---- weir from here
    std::shared_ptr<weir::adapt::pistache_streams> streams_ = std::make_shared<weir::adapt::pistache_streams>();
    // ---- to here
};

// pistache [port]; 0: the system chooses.
int main(int argc, char** argv) {
    const auto wanted = static_cast<std::uint16_t>(argc > 1 ? std::atoi(argv[1]) : 8080);
    sigset_t ends;
    sigemptyset(&ends);
    sigaddset(&ends, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &ends, nullptr);  // before there are threads

    Http::Endpoint server{Pistache::Address{Pistache::Ipv4::loopback(), Pistache::Port{wanted}}};
    server.init(Http::Endpoint::options().threads(2).flags(Pistache::Tcp::Options::ReuseAddr));
    server.setHandler(std::make_shared<handler>());
    server.serveThreaded();
    std::printf("http://127.0.0.1:%u/events\n", unsigned{static_cast<std::uint16_t>(server.getPort())});
    std::fflush(stdout);

    int signal = 0;
    sigwait(&ends, &signal);
    server.shutdown();
}

// SPDX-License-Identifier: BSL-1.0

// What outside load clients are pointed at: a server of one thread that does nothing but what is measured.
//
//   push_server --port P [--deflate]
//
//   /echo   WebSocket: every message comes back. With --deflate, compression is agreed to.
//
// Prints nothing but the port. Options that are not known yet are refused, so that no figure means something else than
// its command line says; --nopub (publish nothing) is the only mode there is.

#include <weir/deflate.hpp>
#include <weir/server.hpp>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <list>
#include <string_view>
#include <utility>

namespace {

struct arguments {
    std::uint16_t port = 0;
    bool deflate = false;
};

[[noreturn]] void usage() {
    std::fputs("usage: push_server --port P [--deflate] [--nopub]\n", stderr);
    std::exit(2);
}

arguments parse(int count, char** values) {
    arguments parsed;
    for (int i = 1; i < count; ++i) {
        const std::string_view name = values[i];
        if (name == "--deflate") {
            parsed.deflate = true;
        } else if (name == "--port" && i + 1 < count) {
            parsed.port = static_cast<std::uint16_t>(std::strtoul(values[++i], nullptr, 10));
        } else if (name != "--nopub") {
            usage();
        }
    }
    return parsed;
}

}  // namespace

int main(int count, char** values) {
    const arguments given = parse(count, values);

    weir::ws_options options{.max_message_bytes = 64 * 1024 * 1024,
                             .backpressure = weir::wait{.max_bytes = 256 * 1024 * 1024, .max_messages = 0}};
    if (given.deflate) options.framing = weir::deflate_frames{};

    std::list<weir::ws_session> sessions;  // before the server, which ends them
    weir::server app;
    app.ws(
        "/echo",
        [&sessions](weir::ws_session session) {
            const auto at = sessions.insert(sessions.end(), std::move(session));
            at->on_message([at](weir::ws_message message) { at->send(message); });
            at->on_close([at, &sessions](weir::error_code) { sessions.erase(at); });
        },
        options);
    std::printf("%u\n", app.listen({.port = given.port}));
    std::fflush(stdout);
    app.run();
}

// SPDX-License-Identifier: BSL-1.0

// Sends every message back, at every path. Run it, then, with weir_ws_cat or another client:
// weir_ws_cat ws://127.0.0.1:8080/

#include <weir/deflate.hpp>
#include <weir/server.hpp>

#include <algorithm>
#include <charconv>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

namespace {

constexpr const char* usage =
    "usage: ws_echo [--port N] [--deflate] [--origin URL]... [--threads N] [--max-message BYTES]\n"
    "Sends every WebSocket message back, at every path, and prints its address first.\n"
    "  --port N             8080 unless given; 0: the system chooses\n"
    "  --deflate            compress, if the client offers to\n"
    "  --origin URL         a page of this origin may connect, beside this server's own: https://app.example\n"
    "  --threads N          event loops, 1 unless given\n"
    "  --max-message BYTES  longer messages end the connection; 16 MiB unless given, 0: no limit\n"
    "  --help               print this\n";

struct options {
    std::uint16_t port = 8080;
    bool deflate = false, help = false;
    std::vector<std::string> origins;
    unsigned threads = 1;
    std::size_t max_message_bytes = 16 * 1024 * 1024;
};

bool parse_number(std::string_view text, std::unsigned_integral auto& number) {
    const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), number);
    return ec == std::errc{} && end == text.data() + text.size();
}

/// Empty result: the command line is not understood.
std::optional<options> parse_options(int argc, char** argv) {
    options chosen;
    for (int i = 1; i < argc; ++i) {
        const std::string_view name = argv[i];
        const bool has_value = i + 1 < argc;
        if (name == "--help") {
            chosen.help = true;
        } else if (name == "--deflate") {
            chosen.deflate = true;
        } else if (name == "--origin" && has_value) {
            chosen.origins.emplace_back(argv[++i]);
        } else if (name == "--port" && has_value) {
            if (!parse_number(argv[++i], chosen.port)) return std::nullopt;
        } else if (name == "--threads" && has_value) {
            if (!parse_number(argv[++i], chosen.threads)) return std::nullopt;
        } else if (name == "--max-message" && has_value) {
            if (!parse_number(argv[++i], chosen.max_message_bytes)) return std::nullopt;
        } else {
            return std::nullopt;
        }
    }
    return chosen;
}

weir::awaitable<void> echo(weir::ws_session ws) {
    while (auto message = co_await ws.async_receive())  // empty once the client closed in good order
        co_await ws.async_send(*message);
}

weir::ws_options options_for(const options& chosen) {
    weir::ws_options options{.max_message_bytes = chosen.max_message_bytes, .allowed_origins = chosen.origins};
    // A client that does not read has to wait, with one of its longest messages in the outbox.
    options.backpressure = weir::wait{.max_bytes = std::max(chosen.max_message_bytes, weir::default_outbox_bytes)};
    // Agrees to everything a client may ask for, asks for nothing, and compresses the shortest message, too.
    if (chosen.deflate) options.framing = weir::deflate_frames{.negotiation = {}, .threshold = 0};
    return options;
}

int run(const options& chosen) {
    weir::server app{{.threads = chosen.threads}};
    app.ws("/{path...}", echo, options_for(chosen));
    const std::uint16_t port = app.listen({.port = chosen.port});
    std::printf("ws://127.0.0.1:%u/\n", unsigned{port});
    std::fflush(stdout);
    app.run();  // SIGINT and SIGTERM drain, then return
    return 0;
}

}  // namespace

int main(int argc, char** argv) try {
    const auto chosen = parse_options(argc, argv);
    if (!chosen || chosen->help) {
        std::fputs(usage, chosen ? stdout : stderr);
        return chosen ? 0 : 2;
    }
    return run(*chosen);
} catch (const std::exception& e) {
    std::fprintf(stderr, "ws_echo: %s\n", e.what());
    return 1;
}

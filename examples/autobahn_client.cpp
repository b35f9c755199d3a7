// SPDX-License-Identifier: BSL-1.0

// The client that a fuzzing server of Autobahn|Testsuite examines: it asks how many cases there are, echoes whatever
// each of them sends, and has the report written. Start the server, `wstest -m fuzzingserver`, then:
//
//     weir_autobahn_client ws://127.0.0.1:9001

#include <weir/deflate.hpp>
#include <weir/ws_stream.hpp>

#include <asio/awaitable.hpp>
#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>

#include <charconv>
#include <cstdio>
#include <exception>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>

namespace {

using asio::ip::tcp;

// The server decides how long a case is silent, hence no heartbeat.
using client = weir::ws_stream<tcp::socket, weir::deflate_frames, weir::no_heartbeat>;

client make_client(const asio::any_io_executor& executor) {
    // Asks for nothing, agrees to everything, compresses every message.
    client ws{tcp::socket{executor}, {.negotiation = {}, .threshold = 0}, {}};
    ws.limits({.max_message_bytes = 64 * 1024 * 1024, .max_pongs_per_second = 0});
    return ws;
}

asio::awaitable<int> case_count(std::string server) {
    client ws = make_client(co_await asio::this_coro::executor);
    co_await ws.async_connect(server + "/getCaseCount");
    int count = 0;
    while (auto message = co_await ws.async_receive()) {
        const std::string_view text = message->text();
        const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), count);
        if (ec != std::errc{} || count < 0)
            throw std::runtime_error("the server did not answer with a number of cases");
    }
    co_return count;
}

// Until the server closes, with or without a fault of its own: to provoke ours is what most of the cases are for.
asio::awaitable<void> run_case(std::string url) {
    client ws = make_client(co_await asio::this_coro::executor);
    co_await ws.async_connect(std::move(url));
    while (auto message = co_await ws.async_receive()) co_await ws.async_send(*message);
}

asio::awaitable<bool> passes(std::string url) {
    try {
        co_await run_case(std::move(url));
    } catch (const weir::system_error&) {
        co_return false;
    }
    co_return true;
}

asio::awaitable<void> update_reports(std::string url) {
    client ws = make_client(co_await asio::this_coro::executor);
    co_await ws.async_connect(std::move(url));
    while (co_await ws.async_receive()) {
    }
}

asio::awaitable<void> run_all(std::string server, std::string agent) {
    const int count = co_await case_count(server);
    int clean = 0;
    for (int n = 1; n <= count; ++n) {
        if (co_await passes(server + "/runCase?case=" + std::to_string(n) + "&agent=" + agent)) ++clean;
        if (n % 50 != 0 && n != count) continue;
        std::printf("%d of %d cases, %d closed in good order\n", n, count, clean);
        std::fflush(stdout);
    }
    co_await update_reports(server + "/updateReports?agent=" + agent);
}

struct options {
    std::string server, agent = "weir";
};

/// Empty result: the command line is not understood.
std::optional<options> parse_options(int argc, char** argv) {
    options chosen;
    for (int i = 1; i < argc; ++i) {
        const std::string_view argument = argv[i];
        if (argument == "--agent" && i + 1 < argc) {
            chosen.agent = argv[++i];
        } else if (chosen.server.empty() && argument.starts_with("ws://")) {
            chosen.server = argument.substr(0, argument.find_last_not_of('/') + 1);
        } else {
            return std::nullopt;
        }
    }
    if (chosen.server.empty()) return std::nullopt;
    return chosen;
}

}  // namespace

int main(int argc, char** argv) {
    const auto chosen = parse_options(argc, argv);
    if (!chosen) {
        std::fputs("usage: autobahn_client URL [--agent NAME]\n", stderr);
        return 2;
    }
    asio::io_context context{1};
    int status = 0;
    asio::co_spawn(context, run_all(chosen->server, chosen->agent), [&](std::exception_ptr failure) {
        try {
            if (failure) std::rethrow_exception(failure);
        } catch (const std::exception& e) {
            std::fprintf(stderr, "autobahn_client: %s: %s\n", chosen->server.c_str(), e.what());
            status = 1;
        }
        context.stop();
    });
    context.run();
    return status;
}

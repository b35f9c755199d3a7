// SPDX-License-Identifier: BSL-1.0

// What autobahn_client needs of a fuzzing server: the three paths, and four cases. Exits with 0 if a client has passed
// all of them and asked for the report.

#include <weir/deflate.hpp>
#include <weir/server.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <utility>

namespace {

struct fuzzing_case {
    std::string_view name, expected;
    weir::awaitable<std::string> (*run)(weir::ws_session& ws);
};

/// Whether the message comes back, as what it was.
weir::awaitable<bool> comes_back(weir::ws_session& ws, weir::ws_message message) {
    co_await ws.async_send(message);
    const auto echo = co_await ws.async_receive();
    co_return echo == message;
}

weir::awaitable<std::string> text(weir::ws_session& ws) {
    std::string verdict = ws.compresses() ? "compressed" : "plain";
    for (const unsigned size : {0u, 1u, 125u, 126u, 65536u, 1u << 20}) {
        const std::string payload(size, '*');
        if (!co_await comes_back(ws, payload)) verdict = "not the same";
    }
    co_return verdict;
}

weir::awaitable<std::string> binary(weir::ws_session& ws) {
    std::string every;
    for (int byte = 0; byte < 256; ++byte) every += static_cast<char>(byte);
    const bool same = co_await comes_back(ws, weir::ws_message::binary(every));
    co_return same ? "the same" : "not the same";
}

/// The close frame leaves behind the messages: their echoes have to come before its answer.
weir::awaitable<std::string> burst(weir::ws_session& ws) {
    for (int n = 0; n < 200; ++n) ws.send(std::to_string(n));
    ws.close(weir::ws_close_code::going_away);
    int in_order = 0;
    while (const auto echo = co_await ws.async_receive()) in_order += echo->text() == std::to_string(in_order) ? 1 : 0;
    co_return std::to_string(in_order) + " echoes, closed with " +
        std::to_string(static_cast<int>(ws.close_reason().code));
}

weir::awaitable<std::string> no_text(weir::ws_session& ws) {
    ws.send("no UTF-8: \xff");
    co_await ws.async_closed();
    co_return "closed with " + std::to_string(static_cast<int>(ws.close_reason().code));
}

constexpr std::array<fuzzing_case, 4> cases{{
    {"text", "compressed", text},
    {"binary", "the same", binary},
    {"burst", "200 echoes, closed with 1001", burst},
    {"no text", "closed with 1007", no_text},
}};

weir::awaitable<void> count_cases(weir::ws_session ws) { co_await ws.async_send(std::to_string(cases.size())); }

weir::awaitable<void> run_case(weir::ws_session ws, weir::request request, std::size_t& passed) {
    const auto number = std::strtoul(request.query("case").value_or("").c_str(), nullptr, 10);
    if (number == 0 || number > cases.size()) co_return;
    const fuzzing_case& chosen = cases[number - 1];
    const std::string verdict = co_await chosen.run(ws);
    if (verdict == chosen.expected) ++passed;
    std::fprintf(stderr, "%s: %s\n", std::string{chosen.name}.c_str(), verdict.c_str());
}

}  // namespace

int main() {
    std::size_t passed = 0;
    std::string reported_to;
    weir::server app;
    app.ws("/getCaseCount", count_cases);
    app.ws(
        "/runCase",
        [&](weir::ws_session ws, weir::request request) { return run_case(std::move(ws), std::move(request), passed); },
        {.max_message_bytes = 1 << 21,
         .backpressure = weir::wait{.max_bytes = 1 << 21},
         .framing = weir::deflate_frames{.negotiation = {}, .threshold = 0}});
    app.ws("/updateReports", [&](weir::ws_session ws, weir::request request) {
        reported_to = request.query("agent").value_or("");
        ws.close();
    });
    const std::uint16_t port = app.listen({.port = 0});
    std::printf("ws://127.0.0.1:%u\n", unsigned{port});
    std::fflush(stdout);
    app.run();
    return passed == cases.size() && reported_to == "examined" ? 0 : 1;
}

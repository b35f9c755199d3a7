// SPDX-License-Identifier: BSL-1.0

// One publish for everybody, over event streams and WebSockets; who comes back misses nothing. Run it, then:
//
// curl -N http://127.0.0.1:8080/prices                                      all of them
// curl -N http://127.0.0.1:8080/prices/EURUSD -H 'Last-Event-ID: <an id>'   one, from where you were
// weir_ws_cat ws://127.0.0.1:8080/ws                                        then type a topic, or a pattern, and an id
// curl http://127.0.0.1:8080/metrics

#include <weir/hub.hpp>
#include <weir/metrics.hpp>
#include <weir/server.hpp>

#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/steady_timer.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>

#include <array>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <utility>

using namespace std::chrono_literals;

// What WebSocket clients get: unlike an event, a message has no place for the id but its text.
std::string with_id(const weir::published_message& message) {
    return message.id() + ' ' + std::string{message.topic()} + ' ' + std::string{message.data()};
}

// "prices/+" or "prices/EURUSD <the last id seen>"
void subscribe(weir::hub& hub, weir::ws_session& ws, std::string_view line) {
    const auto end = line.find(' ');
    const std::string_view topic = line.substr(0, end), id = end == line.npos ? "" : line.substr(end + 1);
    switch (hub.subscribe(ws, weir::topic::pattern(topic), {.after = id})) {
        case weir::subscribed::refused: ws.send("there is no such topic"); break;
        case weir::subscribed::gap: ws.send("some of it is no longer kept"); break;
        default: break;
    }
}

weir::awaitable<void> serve(weir::hub& hub, weir::ws_session ws) {
    while (auto line = co_await ws.async_receive()) subscribe(hub, ws, line->text());
}

// Stands for the market: some price, now and then.
weir::awaitable<void> trade(weir::hub& hub) {
    constexpr std::array<std::string_view, 3> symbols{"EURUSD", "GBPUSD", "USDJPY"};
    asio::steady_timer pause{co_await asio::this_coro::executor};
    for (std::size_t n = 0;; ++n) {
        const std::string topic = "prices/" + std::string{symbols[n % symbols.size()]};
        const std::string price = std::to_string(100 + n % 17);
        hub.publish(topic, {.event = "price", .data = price, .key = topic});
        pause.expires_after(50ms);
        co_await pause.async_wait(asio::use_awaitable);
    }
}

// hub_prices [port]; 0: the system chooses.
int main(int argc, char** argv) {
    const auto wanted = static_cast<std::uint16_t>(argc > 1 ? std::atoi(argv[1]) : 8080);

    weir::metrics metrics;
    weir::server app{{.metrics = &metrics}};
    weir::hub hub{{.history = {.messages = 10'000, .age = 5min},
                   .lag = weir::skip_to_latest{.max_messages = 100},  // who is too slow gets the latest price of each
                   .websocket_payload = with_id}};

    app.sse("/prices", [&hub](weir::sse_session out) {
        const auto id = out.last_event_id();
        hub.subscribe(std::move(out), "prices/#", {.after = id});  // the hub keeps the session from here on
    });
    app.sse("/prices/{symbol}", [&hub](weir::sse_session out, weir::request request) {
        const auto id = out.last_event_id();
        hub.subscribe(std::move(out), "prices/" + std::string{request.param("symbol")}, {.after = id});
    });
    app.ws("/ws", [&hub](weir::ws_session ws) { return serve(hub, std::move(ws)); });

    const auto added = metrics.add([&hub](weir::metrics_writer& to) { hub.write_metrics(to); });
    app.get("/metrics", [&metrics](const weir::request& request) { return metrics.answer(request); });

    asio::co_spawn(app.context(), trade(hub), asio::detached);
    const std::uint16_t port = app.listen({.port = wanted});
    std::printf("http://127.0.0.1:%u/prices\n", unsigned{port});
    std::fflush(stdout);
    app.run();
}

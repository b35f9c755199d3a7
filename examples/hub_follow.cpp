// SPDX-License-Identifier: BSL-1.0

// Follows weir_hub_prices, over an event stream and over a WebSocket, for as long as it runs: stop the server, start it
// again, and nothing is missing but what it has forgotten itself.
//
//     weir_hub_follow [http://127.0.0.1:8080]

#include <weir/sse_client.hpp>
#include <weir/ws_client.hpp>

#include <asio/awaitable.hpp>
#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>

#include <chrono>
#include <cstdio>
#include <exception>
#include <string>
#include <string_view>

using namespace std::chrono_literals;

// As usual, but for an hour at most: then somebody should look.
struct for_an_hour {
    weir::exponential_backoff usual{};

    weir::reconnect_decision operator()(const weir::reconnect_facts& facts) const noexcept {
        const bool was_open = facts.lived > 0s;
        if (!was_open && facts.trying > 1h) return weir::give_up{};
        return usual(facts);
    }
};

void print(std::string_view how, std::string_view what) {
    std::printf("%.*s: %.*s\n", static_cast<int>(how.size()), how.data(), static_cast<int>(what.size()), what.data());
    std::fflush(stdout);
}

// The id of the last event goes along by itself when the client comes back.
asio::awaitable<void> follow_events(weir::sse_client& prices) {
    while (auto event = co_await prices.async_next()) print(event->event, event->data);
}

// A message's id is what comes before its first space; where to go on, the server is told first of all.
asio::awaitable<void> follow_messages(weir::ws_client& prices, std::string& last_id) {
    while (auto message = co_await prices.async_receive()) {
        last_id = message->text().substr(0, message->text().find(' '));
        print("message", message->text());
    }
}

int main(int argc, char** argv) {
    const std::string base = argc > 1 ? argv[1] : "http://127.0.0.1:8080";
    asio::io_context context{1};

    weir::sse_client events{context, base + "/prices", {.reconnect = for_an_hour{}}};

    std::string last_id;
    weir::ws_client messages{context, "ws" + base.substr(4) + "/ws"};
    messages.handle_with({.on_open = [&](auto& connection) { connection.send("prices/+ " + last_id); },
                          .on_retry = [](weir::error_code why, auto) { print("lost", why.message()); }});

    const auto report = [&](std::exception_ptr thrown) {
        try {
            if (thrown) std::rethrow_exception(thrown);
        } catch (const std::exception& e) {
            std::fprintf(stderr, "hub_follow: %s\n", e.what());  // for good: what may pass is tried again
        }
        context.stop();
    };
    asio::co_spawn(context, follow_events(events), report);
    asio::co_spawn(context, follow_messages(messages, last_id), report);
    context.run();
}

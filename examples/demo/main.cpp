// SPDX-License-Identifier: BSL-1.0

// The demo: one page and everything that streams into it. Environment: PORT, 8080 unless set.
//
//   GET  /events/live                `system` and `sessions`, twice a second
//   GET  /events/ticker              resumable numbers: the unix time in half seconds
//   POST /v1/chat/completions        a token stream in the form AI services use
//   GET  /events/firehose/<policy>   more than an idle reader can take, under drop_oldest, keep_latest or close_slow
//   POST /demo/cut                   ends the tickers, so that one sees browsers come back
//   WS   /rooms/<room>?name=<name>   a chat, see chat.hpp

#include <weir/server.hpp>

#include <unistd.h>

#include <array>
#include <cctype>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include "../json.hpp"
#include "chat.hpp"
#include "connections.hpp"
#include "system_source.hpp"
#include "token_source.hpp"

namespace demo {

using namespace std::chrono_literals;
using chat::unix_milliseconds;
using weir::awaitable;
using weir::sse_session;

constexpr std::size_t outbox_limit = 1024 * 1024;
constexpr auto tick = 500ms;

/// The number whose turn it is: every process that serves the ticker agrees on it, which is what makes it resumable.
std::uint64_t current_number() { return static_cast<std::uint64_t>(unix_milliseconds() / tick.count()); }

const std::string& process_fields() {
    static const std::string fields =
        "\"pid\":" + std::to_string(::getpid()) + ",\"started\":" + std::to_string(unix_milliseconds());
    return fields;
}

connection_figures figures_of(const weir::session_stats& stats) {
    return {.messages = stats.messages_sent,
            .bytes = stats.bytes_sent,
            .dropped = stats.dropped.total(),
            .queued_bytes = stats.queued_bytes,
            .queued_messages = stats.queued_messages};
}

/// A row of the table that ends when the session does, and says why.
connections::row open_row(connections& table, auto& out, std::string_view route, std::string_view label = {}) {
    weir::error_code ec;
    const auto peer = out.stream().remote_endpoint(ec);
    const std::string address = ec ? "gone" : peer.address().to_string() + ':' + std::to_string(peer.port());
    const connections::row row = table.open(route, address, label);
    out.async_closed([row](weir::error_code, weir::error_code why) { row.end(why ? why.message() : "ended"); });
    return row;
}

awaitable<void> live(sse_session out, connections& table) {
    const auto row = open_row(table, out, "/events/live");
    system_source machine;
    out.send({.event = "hello",
              .data = '{' + process_fields() +
                      ",\"version\":\"" WEIR_DEMO_VERSION "\",\"outbox_limit\":" + std::to_string(outbox_limit) + '}'});
    for (;;) {
        co_await out.async_sleep(500ms);
        row.update(figures_of(out.stats()));
        out.send({.event = "system", .data = to_json(machine.read())});
        out.send({.event = "sessions", .data = table.to_json()});
    }
}

/// What a reader missed, if that is too much to send again: it is told, and continues from now.
std::string gap_json(std::uint64_t from, std::uint64_t to) {
    return "{\"from\":" + std::to_string(from) + ",\"to\":" + std::to_string(to) + '}';
}

/// Continues after the reader's last id. Nothing is stored: the numbers can be made again.
awaitable<void> ticker(sse_session out, connections& table) {
    constexpr std::uint64_t most_caught_up = 1000;
    const auto row = open_row(table, out, "/events/ticker");
    const auto last_seen = out.last_event_id().number();
    auto next = last_seen && *last_seen < current_number() ? *last_seen + 1 : current_number();
    co_await out.async_send(
        {.event = "hello", .data = '{' + process_fields() + ",\"now\":" + std::to_string(unix_milliseconds()) + '}'});
    while (!row.cut()) {
        const auto now = current_number();
        if (next + most_caught_up < now) {
            co_await out.async_send({.event = "gap", .id = weir::event_id(now - 1), .data = gap_json(next, now - 1)});
            next = now;
        }
        for (; next <= now; ++next) {
            co_await out.async_send({.event = "tick", .id = weir::event_id(next), .data = std::to_string(next)});
        }
        row.update(figures_of(out.stats()));
        co_await out.async_sleep(tick - std::chrono::milliseconds{unix_milliseconds() % tick.count()});
    }
    row.end("cut on request");
}

std::string chunk(std::string_view delta, std::string_view finish_reason) {
    std::string out = R"({"id":"chatcmpl-weir","object":"chat.completion.chunk","model":"prepared-paragraphs",)";
    out += R"("choices":[{"index":0,"delta":)";
    out += delta;
    out += R"(,"finish_reason":)";
    out += finish_reason;
    return out += "}]}";
}

awaitable<void> answer(sse_session out, weir::request request, connections& table) {
    const auto row = open_row(table, out, "/v1/chat/completions");
    const auto question = json::last_text(request.body(), {"messages", "content"});
    if (!question) {
        out.send(
            {.event = "error", .data = R"({"error":{"message":"expected {\"messages\":[{\"content\":\"...\"}]}"}})"});
        co_return;
    }
    co_await out.async_send({.data = chunk(R"({"role":"assistant","content":""})", "null")});
    for (std::string_view rest = answer_to(*question); !rest.empty();) {
        const std::string token = json::quoted(take_token(rest));
        co_await out.async_send({.data = chunk("{\"content\":" + token + '}', "null")});
        row.update(figures_of(out.stats()));
        co_await out.async_sleep(40ms);
    }
    co_await out.async_send({.data = chunk("{}", "\"stop\"")});
    co_await out.async_send({.data = "[DONE]"});
    row.end("complete");
}

/// What the page calls its own torrent: a few letters and digits, nothing else is believed.
std::string label_of(const weir::request& request) {
    std::string label;
    for (const char c : request.query("label").value_or("")) {
        if (label.size() < 16 && std::isalnum(static_cast<unsigned char>(c))) label += c;
    }
    return label;
}

/// Five megabytes a second in eight-kilobyte events under eight keys, whatever the reader takes.
awaitable<void> firehose(sse_session out, weir::request request, connections& table) {
    static constexpr std::array<std::string_view, 8> keys{"a", "b", "c", "d", "e", "f", "g", "h"};
    static const std::string payload(8000, '~');
    const auto row = open_row(table, out, request.path(), label_of(request));
    for (std::size_t n = 0;;) {
        for (int burst = 0; burst < 32; ++burst) {
            out.send({.event = "water", .data = payload, .key = keys[n++ % keys.size()]});
        }
        row.update(figures_of(out.stats()));
        co_await out.async_sleep(50ms);
    }
}

void enter(weir::ws_session ws, const weir::request& request, connections& table, chat::rooms& rooms) {
    const auto row = open_row(table, ws, request.path());
    rooms.enter(std::move(ws), request, [row](const weir::session_stats& stats) { row.update(figures_of(stats)); });
}

/// A browser reads ahead into memory without bound, for a page that doesn't read, unless it is told not to store.
weir::sse_options torrent_options(weir::any_backpressure policy) {
    return {.fields = {{"Cache-Control", "no-cache, no-store, no-transform"}}, .backpressure = std::move(policy)};
}

void add_routes(weir::server& app, connections& table, chat::rooms& rooms) {
    const auto again_soon = 1000ms;  // a demonstration should not keep one waiting
    app.sse("/events/live", [&](sse_session out) { return live(std::move(out), table); },
            {.retry = again_soon, .backpressure = weir::keep_latest{}});
    app.sse("/events/ticker", [&](sse_session out) { return ticker(std::move(out), table); }, {.retry = again_soon});
    app.sse("/v1/chat/completions",
            [&](sse_session out, weir::request request) { return answer(std::move(out), std::move(request), table); },
            {.get = false, .post = true});

    const auto torrent = [&](sse_session out, weir::request request) {
        return firehose(std::move(out), std::move(request), table);
    };
    app.sse("/events/firehose/drop_oldest", torrent, torrent_options(weir::drop_oldest{.max_bytes = outbox_limit}));
    app.sse("/events/firehose/keep_latest", torrent, torrent_options(weir::keep_latest{.max_bytes = outbox_limit}));
    app.sse("/events/firehose/close_slow", torrent, torrent_options(weir::close_slow{.max_bytes = outbox_limit}));

    app.post("/demo/cut", [&](const weir::request&) {
        return weir::response{.body = "{\"cut\":" + std::to_string(table.cut("/events/ticker")) + '}',
                              .content_type = "application/json"};
    });
    app.ws(
        "/rooms/{room}",
        [&](weir::ws_session ws, weir::request request) { enter(std::move(ws), request, table, rooms); },
        chat::rooms::options());
    app.files("/", WEIR_DEMO_WWW);
}

std::uint16_t wanted_port() {
    const char* text = std::getenv("PORT");
    const int port = text == nullptr ? 8080 : std::atoi(text);
    if (port < 0 || port > 65535) throw std::invalid_argument("PORT is not a port");
    return static_cast<std::uint16_t>(port);
}

}  // namespace demo

int main() try {
    demo::connections table;
    weir::server app{{.threads = 1}};
    chat::rooms rooms;  // after the server, since no session may outlive it
    demo::add_routes(app, table, rooms);
    const auto port = app.listen({.port = demo::wanted_port()});
    std::cout << "weir demo: http://127.0.0.1:" << port << "/" << std::endl;
    app.run();
} catch (const std::exception& e) {
    std::cerr << "weir_demo: " << e.what() << '\n';
    return 1;
}

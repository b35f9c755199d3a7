// SPDX-License-Identifier: BSL-1.0

// The WebSocket server that the interoperability tests talk to. `--port N` (0: the system chooses), `--allow-origin O`
// (again and again), `--certificate FILE` with `--key FILE`: wss on a port of the system's choice, too. Prints
// `listening N` or `listening N N` when it is ready.
//
// A session that was asked for with `?key=x` can be asked for its end: GET /ended?key=x answers with the close code and
// the reason that it was told, and the error that async_closed() completed with; empty until then.

#include <weir/deflate.hpp>
#include <weir/server.hpp>
#include <weir/tls.hpp>

#include <asio/redirect_error.hpp>
#include <asio/use_awaitable.hpp>

#include <charconv>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <map>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace {

using namespace std::chrono_literals;
using weir::awaitable;
using weir::ws_message;
using weir::ws_session;

/// One event loop, one thread: nothing here is locked.
using endings = std::map<std::string, std::string>;

std::string describe(weir::ws::close_reason told, weir::error_code reason) {
    std::string text = std::to_string(static_cast<unsigned>(told.code));
    text.append(" ").append(told.text).append("|").append(reason ? reason.message() : "in good order");
    return text;
}

/// Waits for the end, and keeps it for whoever asks.
awaitable<void> note_end(ws_session& ws, const weir::request& request, endings& all) {
    const weir::error_code reason = co_await ws.async_closed();
    if (const auto key = request.query("key")) all[*key] = describe(ws.close_reason(), reason);
}

/// Errors are told at the end, to whoever asks for it.
auto into(weir::error_code& ec) { return asio::redirect_error(asio::use_awaitable, ec); }

awaitable<void> echo(ws_session ws, weir::request request, endings& all) {
    weir::error_code ec;
    while (!ec) {
        const auto message = co_await ws.async_receive(into(ec));
        if (ec || !message) break;
        co_await ws.async_send(*message, into(ec));
    }
    co_await note_end(ws, request, all);
}

/// As it comes, in pieces, whatever its size.
awaitable<void> echo_pieces(ws_session ws, weir::request request, endings& all) {
    weir::error_code ec;
    while (!ec) {
        const auto piece = co_await ws.async_receive_some(into(ec));
        if (ec || !piece) break;
        co_await ws.async_send_some(*piece, into(ec));
    }
    co_await note_end(ws, request, all);
}

/// By callbacks. Nobody waits: what the peer does not read is refused.
void echo_by_callback(ws_session ws) {
    const auto self = std::make_shared<ws_session>(std::move(ws));
    self->on_message([self](ws_message message) { self->send(message); });
}

std::size_t number(std::string_view text) {
    std::size_t value = 0;
    std::from_chars(text.data(), text.data() + text.size(), value);
    return value;
}

/// Does what a text message says: "close 4000 because", "close", "abort", "ping x", "text 10", "binary 10", "pieces
/// 10", "life 1"; answers anything else with what it knows of the session.
void obey(ws_session& ws, std::string_view order) {
    const std::string_view word = order.substr(0, order.find(' '));
    const std::string_view rest = order.substr(std::min(word.size() + 1, order.size()));
    if (word == "close" && rest.empty()) {
        ws.close();
    } else if (word == "close") {
        const std::string_view code = rest.substr(0, rest.find(' '));
        ws.close(weir::ws_close_code{static_cast<std::uint16_t>(number(code))},
                 rest.substr(std::min(code.size() + 1, rest.size())));
    } else if (word == "abort") {
        ws.abort();
    } else if (word == "ping") {
        ws.ping(rest);
    } else if (word == "text") {
        ws.send(std::string(number(rest), 'x'));
    } else if (word == "binary") {
        ws.send(ws_message::binary(std::string(number(rest), '\xfe')));
    } else if (word == "life") {
        ws.expires_after(std::chrono::milliseconds{number(rest)});
    } else {
        ws.send("subprotocol=" + std::string{ws.subprotocol()} + " compresses=" + (ws.compresses() ? "yes" : "no"));
    }
}

awaitable<void> scripted(ws_session ws, weir::request request, endings& all) {
    ws.handle_with({.on_pong = [&ws](std::string_view payload) { ws.send("pong " + std::string{payload}); }});
    weir::error_code ec;
    while (!ec) {
        const auto order = co_await ws.async_receive(into(ec));
        if (ec || !order) break;
        obey(ws, order->text());
    }
    co_await note_end(ws, request, all);
}

/// Pings at once, and in every silence, until the peer closes.
awaitable<void> impatient(ws_session ws, weir::request request, endings& all) {
    weir::error_code ec;
    ws.ping("at once");
    co_await ws.async_receive(into(ec));
    co_await note_end(ws, request, all);
}

/// Says a word, and closes.
void brief(ws_session ws) {
    ws.send("welcome");
    ws.close(weir::ws_close_code{4001}, "that is all");
}

std::optional<weir::response> members_only(const weir::request& request) {
    if (!request.header("Authorization").empty()) return std::nullopt;
    return weir::response{.status = 401, .body = "members only\n", .fields = {{"WWW-Authenticate", "Basic"}}};
}

struct settings {
    std::uint16_t port = 0;
    std::vector<std::string> origins;
    std::string certificate, key;
};

constexpr std::size_t largest = std::size_t{32} * 1024 * 1024;

void add_echoes(weir::server& app, endings& all, const settings& given) {
    const auto add = [&](std::string_view path, weir::ws_options options) {
        if (options.max_message_bytes == weir::ws_options{}.max_message_bytes) options.max_message_bytes = largest;
        const auto handler = [&all](ws_session ws, weir::request request) {
            return echo(std::move(ws), std::move(request), all);
        };
        app.ws(path, handler, std::move(options));
    };
    add("/echo", {});
    add("/small", {.max_message_bytes = 1000});
    add("/small/deflate", {.max_message_bytes = 1000, .framing = weir::deflate_frames{}});
    add("/subprotocols", {.subprotocols = {"v2.echo", "v1.echo"}});
    add("/members", {.intercept = members_only});
    add("/origins", {.allowed_origins = given.origins});

    // Everything is compressed. Agrees to whatever is asked for; asks for no context takeover; for small windows.
    add("/deflate", {.framing = weir::deflate_frames{.negotiation = {}, .threshold = 0}});
    add("/deflate/forgetful", {.framing = weir::deflate_frames{.threshold = 0}});
    const weir::ws::deflate_options small{.server_max_window_bits = 9, .client_max_window_bits = 10};
    add("/deflate/small", {.framing = weir::deflate_frames{.negotiation = small, .threshold = 0}});
}

void add_others(weir::server& app, endings& all) {
    const auto pieces = [&all](ws_session ws, weir::request request) {
        return echo_pieces(std::move(ws), std::move(request), all);
    };
    app.ws("/pieces", pieces);
    app.ws("/pieces/deflate", pieces, {.framing = weir::deflate_frames{.negotiation = {}, .threshold = 0}});
    app.ws("/callback", echo_by_callback, {.max_message_bytes = largest});
    const auto obedient = [&all](ws_session ws, weir::request request) {
        return scripted(std::move(ws), std::move(request), all);
    };
    app.ws("/script", obedient, {.subprotocols = {"v2.echo", "v1.echo"}});
    app.ws("/script/deflate", obedient, {.framing = weir::deflate_frames{.negotiation = {}, .threshold = 0}});
    app.ws("/impatient",
           [&all](ws_session ws, weir::request request) { return impatient(std::move(ws), std::move(request), all); },
           {.heartbeat = weir::ping_every{50ms, 10s}});

    app.ws("/brief", brief);

    app.get("/", [](const weir::request&) {
        return weir::response{.body = "<!doctype html><title>weir</title><link rel=icon href='data:,'>",
                              .content_type = "text/html"};
    });
    app.get("/ended", [&all](const weir::request& request) {
        return weir::response{.body = all[request.query("key").value_or("")]};
    });
}

settings parse_arguments(int count, char** values) {
    settings result;
    for (int i = 1; i + 1 < count; i += 2) {
        const std::string_view name = values[i];
        const char* const value = values[i + 1];
        if (name == "--port") {
            result.port = static_cast<std::uint16_t>(std::atoi(value));
        } else if (name == "--allow-origin") {
            result.origins.emplace_back(value);
        } else if (name == "--certificate") {
            result.certificate = value;
        } else if (name == "--key") {
            result.key = value;
        } else {
            throw std::invalid_argument("unknown argument " + std::string{name});
        }
    }
    return result;
}

}  // namespace

int main(int count, char** values) try {
    const settings given = parse_arguments(count, values);
    endings all;
    weir::server app{{.drain = {.over = 500ms, .deadline = 5000ms}}};
    add_echoes(app, all, given);
    add_others(app, all);
    std::cout << "listening " << app.listen({.port = given.port});
    if (!given.certificate.empty()) {
        const weir::tls_options tls{.certificate_chain_file = given.certificate, .private_key_file = given.key};
        std::cout << ' ' << app.listen({.port = 0, .tls = tls});
    }
    std::cout << std::endl;
    app.run();
} catch (const std::exception& e) {
    std::cerr << "weir_interop_ws_server: " << e.what() << '\n';
    return 1;
}

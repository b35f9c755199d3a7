// SPDX-License-Identifier: BSL-1.0

// Every public header used, not only included: templates give their warnings when they are instantiated. Compiled with
// many compilers and switches by tests/compilers.sh, and run by none.

#include <weir/deflate.hpp>
#include <weir/gzip.hpp>
#include <weir/hub.hpp>
#include <weir/metrics.hpp>
#include <weir/server.hpp>
#include <weir/sse/decoder.hpp>
#include <weir/sse_client.hpp>
#include <weir/sse_stream.hpp>
#include <weir/tls.hpp>
#include <weir/utf8.hpp>
#include <weir/ws/connection.hpp>
#include <weir/ws_client.hpp>
#include <weir/ws_stream.hpp>

#include WEIR_ASIO(detached.hpp)
#include WEIR_ASIO(io_context.hpp)
#include WEIR_ASIO(ip/tcp.hpp)
#include WEIR_ASIO(ssl/stream.hpp)
#include WEIR_ASIO(use_future.hpp)

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace {

using namespace std::chrono_literals;
using tcp_stream = weir::net::ip::tcp::socket;
using tls_stream = weir::net::ssl::stream<tcp_stream>;

// ---- sessions on a stream of one's own, with policies of one's own, and with every kind of completion token ----

struct at_most_ten {
    weir::admission operator()(const weir::outbox_facts& facts) const noexcept {
        return facts.messages < 10 ? weir::admission::accept : weir::admission::refuse;
    }
};

struct count_sent {
    void operator()(const weir::messages_written& what) const noexcept { *sent += what.messages; }
    void operator()(const auto&) const noexcept {}

    std::size_t* sent;
};

template <class Stream>
weir::awaitable<void> serve_events(Stream stream, weir::request_view request, std::size_t& sent) {
    weir::sse_stream out{std::move(stream), weir::keep_latest{.max_bytes = 65536}, weir::comment_every{15s},
                         weir::stall_after{30s}, count_sent{&sent}};
    co_await out.async_accept(request, {.retry = 2s});
    out.send({.event = "price", .id = weir::event_id(1), .data = "1\n2", .retry = 1s, .key = "WEIR"});
    out.comment("nothing");
    co_await out.async_send({.data = "last"});
    out.async_drained(weir::net::detached);
    out.async_sleep(1s, [](weir::error_code) {});
    auto closed = out.async_closed(weir::net::use_future);
    out.expires_after(1h);
    if (out.last_event_id_refused() || !out.is_open() || out.stats().messages_sent == 0) out.abort();
    out.close(2s);
    auto other = std::move(out);
    out = std::move(other);
}

template <class Stream>
weir::awaitable<void> serve_messages(Stream stream) {
    weir::ws_stream ws{std::move(stream), weir::ping_every{20s, 10s}, weir::deflate_frames{}, at_most_ten{}};
    ws.limits({.max_message_bytes = 1000});
    co_await ws.async_accept({.subprotocols = {}}, 10s);
    while (const auto message = co_await ws.async_receive()) {
        ws.send(*message, "key");
        co_await ws.async_send(*message);
    }
    const auto piece = co_await ws.async_receive_some();
    if (piece) co_await ws.async_send_some({piece->text(), piece->is_binary(), piece->last()});
    ws.send(weir::ws_prepared_message{"for many"});
    ws.ping("p");
    ws.handle_with({.on_message = [](weir::ws_message) {}, .on_pong = [](std::string_view) {}, .on_drained = [] {}});
    ws.on_close([](weir::error_code) {});
    ws.pause();
    ws.resume();
    co_await ws.async_close(weir::ws_close_code::going_away, "bye");
    if (ws.compresses() || !ws.subprotocol().empty() || ws.close_reason().text.empty()) ws.close();
}

template <class Stream>
void connect(Stream stream, std::string url) {
    weir::ws_stream ws{std::move(stream)};
    ws.async_connect(std::move(url), {}, [](weir::error_code) {});
    ws.async_handshake("example.org", "/", {}, weir::net::use_future).get();
}

// ---- hub, server, metrics ----

void publish(weir::hub& hub, weir::sse_session events, weir::ws_session& messages) {
    const auto id = events.last_event_id();
    const std::string room = "rooms/1";
    hub.subscribe(messages, room, {.member = "me"});
    hub.subscribe(messages, {"prices/#", "news"}, {.filter = [](const weir::published_message&) { return true; }});
    hub.subscribe(messages, std::vector<std::string>{room}, {.lag = weir::skip_oldest{}});
    hub.unsubscribe(messages, room);
    hub.unsubscribe(messages);
    const auto tell = [](const weir::skipped&) { return std::optional<weir::skip_notice>{}; };
    if (hub.subscribe(std::move(events), weir::topic::pattern(room), {.after = id, .on_skip = tell}) ==
        weir::subscribed::refused) {
        return;
    }
    hub.publish("prices/EURUSD", {.event = "price", .data = "1", .key = "EURUSD"});
    if (!hub.members(room).empty() && hub.stats().published != 0) hub.id_of(hub.last_id().size());
    hub.close_sessions();
}

void serve() {
    weir::metrics metrics;
    weir::hub hub{{.history = {.messages = 10, .age = 5min},
                   .websocket_payload = [](const weir::published_message& m) { return std::string{m.data()}; },
                   .on_presence = [](const weir::presence_change&) {}}};
    const weir::hub stored{{}, weir::memory_store{weir::history_limits{}}};
    const auto added = metrics.add([&](weir::metrics_writer& to) { hub.write_metrics(to); });

    weir::server app{{.threads = 2, .metrics = &metrics}};
    app.get("/plain", [](const weir::request& r) { return weir::response{.body = std::string{r.path()}}; });
    app.post("/later", [](weir::request) -> weir::awaitable<weir::response> { co_return weir::response{}; });
    app.get("/metrics", [&](const weir::request& r) { return metrics.answer(r); });
    app.files("/page", ".");
    const auto no_one = [](const weir::request&) { return std::optional{weir::response{.status = 401}}; };
    app.sse("/events", [](weir::sse_session out, weir::request r) -> weir::awaitable<void> {
        co_await out.async_send({.data = r.param("name")});
    });
    app.sse("/kept", [](weir::sse_session) {}, {.allowed_origins = {"https://app.example"}, .intercept = no_one});
    app.ws("/messages", [](weir::ws_session ws) -> weir::awaitable<void> { co_await ws.async_receive(); },
           {.framing = weir::deflate_frames{}});
    std::optional<weir::ws_session> last;
    app.ws("/hub", [&](weir::ws_session ws) { last = std::move(ws); });
    app.sse("/hub/events", [&](weir::sse_session out) { publish(hub, std::move(out), *last); });
    app.listen({.port = 0, .tls = weir::tls_options{.certificate_chain_file = "c.pem", .private_key_file = "k.pem"}});
    app.run();
    app.drain({.over = 1s});
    app.stop();
}

// ---- clients ----

weir::awaitable<void> listen(weir::net::io_context& context, std::string url) {
    weir::sse_client events{context,
                            url,
                            {.fields = {{"Authorization", "Bearer"}},
                             .tls = weir::tls_client_options{},
                             .proxy = weir::http_proxy{.url = "http://proxy:3128"},
                             .decoding = weir::gzip_content{},
                             .reconnect = weir::exponential_backoff{},
                             .before_attempt = [](weir::sse_attempt& a) { a.fields.clear(); }}};
    while (const auto event = co_await events.async_next()) url = event->data;
    events.handle_with({.on_open = [] {}, .on_event = [](const weir::sse_message&) {}});
    events.pause();
    events.resume();
    events.retry_now();
    if (events.is_open() || events.is_closed() || events.end_reason() || events.failure().status != 0) events.close();
    events = weir::sse_client{context, events.origin(), {.reconnect = weir::never_reconnect{}}};
}

weir::awaitable<void> talk(weir::net::io_context& context, std::string url) {
    weir::ws_client ws{context,
                       url,
                       {.tls = weir::tls_client_options{.ca_text = url},
                        .before_attempt = [](weir::ws_attempt&) -> weir::awaitable<void> { co_return; },
                        .comes_back = [](weir::ws_close_code, std::string_view) { return true; },
                        .framing = weir::deflate_frames{}}};
    ws.handle_with({.on_open = [](weir::ws_new_connection& c) { c.send("hello"); },
                    .on_retry = [](weir::error_code, weir::milliseconds) {}});
    ws.send("text");
    ws.ping();
    co_await ws.async_send("more");
    while (const auto message = co_await ws.async_receive()) url = message->text();
    if (ws.stats().messages_lost != 0 || ws.is_open() || ws.status() == 0 || ws.reason()) ws.retry_now();
    co_await ws.async_close();
}

// ---- the protocol alone ----

std::string decode(std::string_view in) {
    weir::sse::decoder decoder;
    std::string out = weir::replace_malformed(in);
    decoder.feed(in, [&](const weir::sse::decoded_event& e) { out += weir::sse::encode({.data = e.data}); });
    const weir::ws::connection_options options;
    weir::ws::connection connection{weir::ws::role::server, options, weir::clock::now()};
    connection.send(out);
    return connection.take_output();
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 0) return 0;
    weir::net::io_context context;
    std::size_t sent = 0;
    const std::string url = decode(argv[0]);
    weir::net::ssl::context tls{weir::net::ssl::context::tls};
    weir::net::co_spawn(context, serve_events(tcp_stream{context}, {}, sent), weir::net::detached);
    weir::net::co_spawn(context, serve_events(tls_stream{context, tls}, {}, sent), weir::net::detached);
    weir::net::co_spawn(context, serve_messages(tcp_stream{context}), weir::net::detached);
    weir::net::co_spawn(context, serve_messages(tls_stream{context, tls}), weir::net::detached);
    weir::net::co_spawn(context, listen(context, url), weir::net::detached);
    weir::net::co_spawn(context, talk(context, url), weir::net::detached);
    connect(tcp_stream{context}, url);
    connect(tls_stream{context, tls}, url);
    serve();
}

// SPDX-License-Identifier: BSL-1.0

// weir in a server on libuv, without Asio: it reads the requests' heads, and what is to stay is handed over with the
// stream. Run it, then: curl -N http://127.0.0.1:8080/events

#include <weir/adapt/libuv.hpp>
#include <weir/http/request_parser.hpp>
#include <weir/http/response.hpp>
#include <weir/sans_io.hpp>

#include "ticks.hpp"

#include <uv.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <iterator>
#include <string>
#include <string_view>

using namespace std::chrono_literals;

void free_stream(uv_stream_t* stream);

// ---- weir from here

void events(uv_stream_t* stream, const weir::request_view& request, std::string_view) {
    auto& out = weir::adapt::take_over<weir::sse_machine>(stream, free_stream, weir::comment_every{15s});
    out.accept(request, weir::clock::now());
    out.ask([&out, tick = ticks{request.target, out.last_event_id()}](weir::time_point now) mutable {
        if (!tick.advance()) return out.close(now), weir::never;
        out.send({.event = "tick", .id = tick.id(), .data = tick.text()}, now);
        return tick.fast() ? now : now + 200ms;
    });
}

void echo(uv_stream_t* stream, const weir::request_view& request, std::string_view received) {
    auto& ws = weir::adapt::take_over<weir::ws_machine>(stream, free_stream, weir::close_slow{});
    ws.on_message([&ws](weir::ws_message message) { ws.send(message, ws.now()); });
    ws.accept(request, weir::clock::now(), {}, received);
}

// ---- to here; the rest is the server that was there before, but for the line that names these.

struct route {
    std::string_view path;
    void (*handler)(uv_stream_t*, const weir::request_view&, std::string_view received);
};
// ---- weir from here
constexpr route routes[] = {{"/events", events}, {"/echo", echo}};
// ---- to here

// A connection whose request is being read.
struct connection {
    uv_tcp_t tcp{};
    uv_write_t write{};
    weir::http::request_parser parser;
    std::string received, response;
};

connection& of(uv_stream_t* stream) { return *static_cast<connection*>(stream->data); }
void free_stream(uv_stream_t* stream) { delete &of(stream); }
void close(uv_stream_t* stream) {
    uv_close(reinterpret_cast<uv_handle_t*>(stream),
             [](uv_handle_t* handle) { free_stream(reinterpret_cast<uv_stream_t*>(handle)); });
}

void respond(uv_stream_t* stream, int status) {
    connection& c = of(stream);
    uv_read_stop(stream);
    c.response = weir::http::error_response(status);
    const uv_buf_t buffer = uv_buf_init(c.response.data(), static_cast<unsigned>(c.response.size()));
    c.write.data = stream;
    uv_write(&c.write, stream, &buffer, 1,
             [](uv_write_t* write, int) { close(static_cast<uv_stream_t*>(write->data)); });
}

void serve(uv_stream_t* stream) {
    using status = weir::http::request_parser::status;
    connection& c = of(stream);
    const status parsed = c.parser.parse(c.received);
    if (parsed == status::need_more) return;
    if (parsed == status::failed) return respond(stream, http_status_for(c.parser.error()));
    const auto path = c.parser.request().path();
    const auto found =
        std::find_if(std::begin(routes), std::end(routes), [&](const route& r) { return r.path == path; });
    if (found == std::end(routes)) return respond(stream, 404);
    found->handler(stream, c.parser.request(), std::string_view{c.received}.substr(c.parser.head_size()));
}

void on_read(uv_stream_t* stream, ssize_t size, const uv_buf_t* buffer) {
    if (size < 0) return close(stream);
    of(stream).received.append(buffer->base, static_cast<std::size_t>(size));
    serve(stream);
}

void on_connection(uv_stream_t* server, int status) {
    if (status < 0) return;
    auto* const c = new connection;
    uv_tcp_init(server->loop, &c->tcp);
    auto* const stream = reinterpret_cast<uv_stream_t*>(&c->tcp);
    stream->data = c;
    if (uv_accept(server, stream) != 0) return close(stream);
    uv_tcp_nodelay(&c->tcp, 1);
    uv_read_start(
        stream,
        [](uv_handle_t*, std::size_t, uv_buf_t* out) {
            static std::array<char, 4096> buffer;
            *out = uv_buf_init(buffer.data(), static_cast<unsigned>(buffer.size()));
        },
        on_read);
}

unsigned port_of(const uv_tcp_t& server) {
    sockaddr_storage address{};
    int size = sizeof address;
    uv_tcp_getsockname(&server, reinterpret_cast<sockaddr*>(&address), &size);
    return ntohs(reinterpret_cast<const sockaddr_in&>(address).sin_port);
}

// libuv [port]; 0: the system chooses.
int main(int argc, char** argv) {
    uv_loop_t* const loop = uv_default_loop();
    sockaddr_in address{};
    uv_ip4_addr("127.0.0.1", argc > 1 ? std::atoi(argv[1]) : 8080, &address);

    uv_tcp_t server;
    uv_tcp_init(loop, &server);
    uv_tcp_bind(&server, reinterpret_cast<const sockaddr*>(&address), 0);
    if (uv_listen(reinterpret_cast<uv_stream_t*>(&server), 128, on_connection) != 0) return EXIT_FAILURE;
    std::printf("http://127.0.0.1:%u/events\n", port_of(server));
    std::fflush(stdout);

    uv_signal_t signal;
    uv_signal_init(loop, &signal);
    uv_signal_start(&signal, [](uv_signal_t* handle, int) { uv_stop(handle->loop); }, SIGTERM);
    uv_run(loop, UV_RUN_DEFAULT);
}

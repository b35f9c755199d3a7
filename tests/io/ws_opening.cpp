// SPDX-License-Identifier: BSL-1.0

#include <weir/io/ws_opening.hpp>

#include <weir/ws/handshake_fields.hpp>

#include <weir/ws_stream.hpp>

#include WEIR_ASIO(any_io_executor.hpp)
#include WEIR_CANCELLATION(bind_cancellation_slot.hpp)
#include WEIR_ASIO(bind_executor.hpp)
#include WEIR_ASIO(buffer.hpp)
#include WEIR_CANCELLATION(cancellation_signal.hpp)
#include WEIR_ASIO(io_context.hpp)
#include WEIR_ASIO(ip/tcp.hpp)
#include WEIR_ASIO(read.hpp)
#include WEIR_ASIO(write.hpp)

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "support/memory_stream.hpp"
#include "support/ws_fixture.hpp"

namespace {

using namespace std::chrono_literals;
namespace cancellation = weir::detail::cancellation;
namespace net = weir::net;
using net::ip::tcp;
using test::events;
using test::text_frame;
using weir::error;
using weir::error_code;
using weir::ws_message;
using fixture = test::ws_fixture<>;

/// The server's answer to the request on the wire, with `status_line` and fields of its own.
std::string answer_to(const std::string& request, std::string_view more = {}) {
    const std::string_view name = "Sec-WebSocket-Key: ";
    const auto at = request.find(name);
    const std::string_view from = at == std::string::npos ? "" : std::string_view{request}.substr(at + name.size());
    const std::string_view key = from.substr(0, from.find("\r\n"));
    std::string text = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n";
    text.append("Sec-WebSocket-Accept: ").append(weir::ws::accept_value(key)).append("\r\n");
    return text.append(more).append("\r\n");
}

std::string from_server(std::string payload) { return test::frame{.payload = std::move(payload)}.from_server(); }

}  // namespace

// ---- as a server ----

TEST_CASE("opening: a head that comes in any two pieces, with frames behind it, begins the session", "[io][ws]") {
    const std::string head = test::upgrade_text(), all = head + text_frame("behind");
    for (std::size_t cut = 0; cut < all.size(); ++cut) {
        fixture f;
        auto ws = f.make();
        ws.async_accept({}, 10s, f.remember());
        if (cut != 0) f.wire->deliver(all.substr(0, cut));
        f.context.settle();
        CHECK(f.outcome.has_value() == (cut >= head.size()));
        f.wire->deliver(all.substr(cut));
        f.context.settle();
        REQUIRE(f.outcome == error_code{});
        ws.async_receive(f.remember_message());
        f.context.settle();
        CHECK(f.message == "behind");
        CHECK(f.wire->written.starts_with("HTTP/1.1 101 "));
        f.context.pass(1h);  // the time limit is the head's alone
        CHECK(ws.is_open());
    }
}

TEST_CASE_METHOD(fixture, "opening: what is no request, or none for a WebSocket, is answered and ended", "[io][ws]") {
    auto ws = make();
    ws.async_closed([&](error_code, error_code why) { reason = why; });
    std::string request, status;
    error expected = error::none;
    SECTION("garbage") { request = "\x16\x03\x01 hello\r\n\r\n", status = "400", expected = error::bad_request_line; }
    SECTION("too much") {
        request = "GET / HTTP/1.1\r\nX: " + std::string(20'000, 'x'), status = "431", expected = error::head_too_large;
    }
    SECTION("another method") {
        request = "POST / HTTP/1.1\r\nHost: a\r\n\r\n", status = "405", expected = error::method_not_allowed;
    }
    SECTION("a plain GET") {
        request = "GET / HTTP/1.1\r\nHost: a\r\n\r\n", status = "426", expected = error::bad_upgrade;
    }
    SECTION("a foreign page") {
        request = test::upgrade_text("/", "Origin: https://evil.example\r\n"), status = "403",
        expected = error::origin_refused;
    }
    std::optional<error_code> accepted;
    ws.async_accept({}, 10s, [&](error_code ec) { accepted = ec; });
    wire->deliver(request);
    context.settle();
    REQUIRE(accepted);
    CHECK(*accepted == expected);
    CHECK(wire->written.substr(9, 3) == status);
    CHECK(wire->written.find("Connection: close\r\n") != std::string::npos);
    CHECK(wire->said_goodbye);
    CHECK_FALSE(wire->closed);
    wire->end();
    context.settle();
    CHECK(wire->closed);
    CHECK(*reason == expected);
}

TEST_CASE_METHOD(fixture, "opening: a head that is not there in time is answered with 408", "[io][ws]") {
    auto ws = make();
    ws.async_accept({}, 10s, remember());
    const std::string head = test::upgrade_text();
    for (int second = 0; second != 9; ++second) {
        wire->deliver(head.substr(static_cast<std::size_t>(second), 1));
        context.pass(1s);
        CHECK_FALSE(outcome);
    }
    context.pass(2s);
    CHECK(*outcome == error::request_timed_out);
    CHECK(wire->written.starts_with("HTTP/1.1 408 "));
    CHECK(wire->said_goodbye);
    context.pass(6s);
    CHECK(wire->closed);
}

TEST_CASE_METHOD(fixture, "opening: without a time limit, none passes", "[io][ws]") {
    auto ws = make();
    ws.async_accept({}, 0s, remember());
    context.pass(24h);
    CHECK_FALSE(outcome);
    wire->deliver(test::upgrade_text());
    context.settle();
    CHECK(outcome == error_code{});
}

TEST_CASE_METHOD(fixture, "opening: a client that vanishes before its request is whole", "[io][ws]") {
    auto ws = make();
    ws.async_accept({}, 10s, remember());
    wire->deliver("GET / HTTP/1.1\r\n");
    context.settle();
    SECTION("in good order") { wire->end(); }
    SECTION("by a reset") { wire->reset(); }
    context.settle();
    REQUIRE(outcome);
    CHECK(*outcome == weir::condition::closed);
    CHECK(wire->written.empty());
    CHECK(wire->closed);
    CHECK(context.idle());
}

TEST_CASE_METHOD(fixture, "opening: cancelled, the connection is closed", "[io][ws]") {
    const bool as_client = GENERATE(false, true);
    // Between any two steps of it, too.
    for (int steps = 0; steps != 30; ++steps) {
        fixture f;
        cancellation::cancellation_signal signal;
        auto ws = f.make();
        auto token = cancellation::bind_cancellation_slot(signal.slot(), f.remember());
        if (as_client) {
            ws.async_handshake("test", "/", {}, token);
        } else {
            ws.async_accept({}, 10s, token);
            f.wire->deliver("GET / HTTP/1.1\r\n");
        }
        for (int i = 0; i != steps; ++i) f.context.step();
        signal.emit(cancellation::cancellation_type::terminal);
        f.context.settle();
        REQUIRE(f.outcome);
        CHECK(*f.outcome == net::error::operation_aborted);
        CHECK(f.wire->closed);
        CHECK(f.context.idle());
    }
}

TEST_CASE_METHOD(fixture, "opening: closed, aborted or destroyed meanwhile, it fails", "[io][ws]") {
    const bool as_client = GENERATE(false, true);
    const int how = GENERATE(0, 1, 2, 3);
    std::optional<decltype(make())> ws{make()};
    if (as_client) {
        ws->async_handshake("test", "/", {}, remember());
    } else {
        ws->async_accept({}, 10s, remember());
    }
    context.settle();
    CHECK_FALSE(outcome);
    error expected = error::closed;
    switch (how) {
        case 0: ws->close(); break;
        case 1: ws->abort(); break;
        case 2: ws.reset(); break;
        default:
            ws->expires_after(1s);
            context.pass(2s);
            expected = error::expired;
    }
    context.settle();
    REQUIRE(outcome);
    CHECK(*outcome == expected);
    CHECK(wire->closed);
    CHECK(context.idle());
}

TEST_CASE_METHOD(fixture, "opening: a session that has begun cannot be opened again", "[io][ws]") {
    auto ws = open();
    ws.async_accept({}, 10s, remember());
    wire->deliver(test::upgrade_text());
    context.settle();
    REQUIRE(outcome);
    CHECK(*outcome == error::closed);
}

// ---- as a client ----

TEST_CASE("opening: a client asks, and the answer in any two pieces begins the session", "[io][ws]") {
    const std::size_t size = answer_to("Sec-WebSocket-Key: x\r\n").size();
    const std::string frames = from_server("behind");
    for (std::size_t cut = 0; cut < size + frames.size(); ++cut) {
        fixture f;
        auto ws = f.make();
        ws.async_handshake("example.com:8080", "/chat?x=1", {.fields = {{"Authorization", "Basic x"}}}, f.remember());
        f.context.settle();
        CHECK(f.wire->written.starts_with("GET /chat?x=1 HTTP/1.1\r\nHost: example.com:8080\r\n"));
        CHECK(f.wire->written.find("\r\nAuthorization: Basic x\r\n") != std::string::npos);
        const std::string all = answer_to(f.wire->written) + frames;
        if (cut != 0) f.wire->deliver(all.substr(0, cut));
        f.context.settle();
        CHECK(f.outcome.has_value() == (cut >= size));
        f.wire->deliver(all.substr(cut));
        f.context.settle();
        REQUIRE(f.outcome == error_code{});
        ws.async_receive(f.remember_message());
        CHECK(ws.send("hi") == error::none);
        f.context.settle();
        CHECK(f.message == "behind");
        CHECK(test::read_frames(test::behind_head(f.wire->written), weir::ws::role::server) ==
              events{test::text("hi")});
        f.context.pass(1h);
        CHECK(ws.is_open());
    }
}

TEST_CASE_METHOD(fixture, "RFC 9110 15.2: interim answers are passed over", "[io][ws][rfc9110-15.2]") {
    auto ws = make();
    ws.async_handshake("test", "/", {}, remember());
    context.settle();
    const std::string interim = "HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n";
    const std::string all = interim + answer_to(wire->written) + from_server("x");
    SECTION("at once") { wire->deliver(all); }
    SECTION("byte by byte") {
        for (const char c : all) {
            wire->deliver({&c, 1});
            context.settle();
        }
    }
    context.settle();
    CHECK(outcome == error_code{});
    ws.async_receive(remember_message());
    context.settle();
    CHECK(message == "x");
}

TEST_CASE_METHOD(fixture, "opening: an answer that is none ends the connection", "[io][ws]") {
    auto ws = make();
    ws.async_handshake("test", "/", {.subprotocols = {"a", "b"}}, remember());
    context.settle();
    CHECK(wire->written.find("Sec-WebSocket-Protocol: a, b\r\n") != std::string::npos);
    error expected = error::none;
    std::string text;
    SECTION("another key's") { text = answer_to("Sec-WebSocket-Key: x\r\n"), expected = error::bad_upgrade_response; }
    SECTION("401") {
        text = "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n", expected = error::handshake_rejected;
    }
    SECTION("302") {
        text = "HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n",
        expected = error::handshake_rejected;
    }
    SECTION("200") { text = "HTTP/1.1 200 OK\r\n\r\nhello", expected = error::handshake_rejected; }
    SECTION("no HTTP") { text = "SSH-2.0-OpenSSH\r\n", expected = error::bad_status_line; }
    SECTION("a subprotocol that was not offered") {
        text = answer_to(wire->written, "Sec-WebSocket-Protocol: c\r\n"), expected = error::bad_subprotocol;
    }
    SECTION("an extension that was not offered") {
        text = answer_to(wire->written, "Sec-WebSocket-Extensions: permessage-deflate\r\n"),
        expected = error::bad_extension;
    }
    SECTION("too long") {
        text = "HTTP/1.1 101 X\r\nX: " + std::string(100'000, 'x'), expected = error::head_too_large;
    }
    wire->deliver(text);
    context.settle();
    REQUIRE(outcome);
    CHECK(*outcome == expected);
    CHECK(wire->closed);
    CHECK(context.idle());
}

TEST_CASE_METHOD(fixture, "opening: the subprotocol that the server chose", "[io][ws]") {
    auto ws = make();
    ws.async_handshake("test", "/", {.subprotocols = {"a", "b"}}, remember());
    context.settle();
    wire->deliver(answer_to(wire->written, "Sec-WebSocket-Protocol: b\r\n"));
    context.settle();
    CHECK(outcome == error_code{});
    CHECK(ws.subprotocol() == "b");
}

TEST_CASE_METHOD(fixture, "opening: a handshake that takes too long", "[io][ws]") {
    auto ws = make();
    SECTION("the request is not taken") { wire->room = 10; }
    SECTION("there is no answer") {}
    SECTION("half an answer") { wire->deliver("HTTP/1.1 101 Swi"); }
    ws.async_handshake("test", "/", {.timeout = 3s}, remember());
    context.pass(2s);
    CHECK_FALSE(outcome);
    context.pass(2s);
    REQUIRE(outcome);
    CHECK(*outcome == error::handshake_timed_out);
    CHECK(wire->closed);
    CHECK(context.idle());
}

TEST_CASE_METHOD(fixture, "opening: a request that cannot be sent", "[io][ws]") {
    auto ws = make();
    SECTION("authority") { ws.async_handshake("a b", "/", {}, remember()); }
    SECTION("target") { ws.async_handshake("test", "nowhere", {}, remember()); }
    SECTION("field") { ws.async_handshake("test", "/", {.fields = {{"Upgrade", "tea"}}}, remember()); }
    SECTION("subprotocol") { ws.async_handshake("test", "/", {.subprotocols = {"a b"}}, remember()); }
    context.settle();
    CHECK(*outcome == error::bad_argument);
    CHECK(wire->written.empty());
    CHECK(wire->closed);
}

TEST_CASE("opening: broken at any step, the handler is called once, and nothing is left", "[io][ws]") {
    const bool as_client = GENERATE(false, true);
    const auto what = GENERATE(test::fault::fail, test::fault::stall, test::fault::end, test::fault::reset);
    for (int at = 1;; ++at) {
        INFO((as_client ? "client" : "server") << ", fault " << static_cast<int>(what) << ", operation " << at);
        fixture f;
        f.wire->capacity = 40;
        f.wire->what = what;
        f.wire->fault_at = at;
        int calls = 0, ends = 0;
        error_code result;
        {
            auto ws = f.make(weir::stall_after{5s});
            ws.async_closed([&](error_code, error_code) { ++ends; });
            const auto handler = [&](error_code ec) {
                ++calls;
                result = ec;
            };
            if (as_client) {
                ws.async_handshake("test", "/", {.timeout = 3s}, handler);
            } else {
                ws.async_accept({}, 3s, handler);
            }
            f.context.settle();
            const std::string answer = as_client ? answer_to(f.wire->written) : test::upgrade_text();
            f.wire->deliver(answer.substr(0, 50));
            f.context.settle();
            f.wire->deliver(answer.substr(50));
            f.context.settle();
            f.context.pass(4s);
            CHECK(calls == 1);
        }
        f.context.settle();
        f.wire->end();
        f.context.pass(1min);
        CHECK(ends == 1);
        CHECK(f.wire->closed);
        CHECK(f.context.idle());
        if (f.wire->operations < at) {
            CHECK_FALSE(result);
            break;
        }
        REQUIRE(at < 1000);
    }
}

TEST_CASE("opening: the context destroyed meanwhile, nothing is called and nothing leaks", "[io][ws]") {
    const bool as_client = GENERATE(false, true);
    bool called = false;
    auto f = std::make_unique<fixture>();
    const auto wire = f->wire;
    auto ws = std::make_shared<decltype(f->make())>(f->make());
    auto handler = [ws, &called](error_code) { called = true; };
    if (as_client) {
        ws->async_handshake("test", "/", {}, std::move(handler));
    } else {
        ws->async_accept({}, 10s, std::move(handler));
    }
    ws.reset();
    f->context.settle();
    f.reset();
    CHECK_FALSE(called);
    CHECK(wire->closed);
}

TEST_CASE_METHOD(fixture, "opening: the handler runs on its own executor, which is kept busy until then", "[io][ws]") {
    net::io_context other;
    auto ws = make();
    bool called = false;
    ws.async_accept({}, 10s, net::bind_executor(other.get_executor(), [&](error_code) { called = true; }));
    other.poll();
    CHECK_FALSE(other.stopped());
    wire->deliver(test::upgrade_text());
    context.settle();
    CHECK_FALSE(called);
    other.run();
    CHECK(called);
}

// ---- connecting ----

TEST_CASE("opening: async_connect resolves, connects, and shakes hands", "[io][ws]") {
    net::io_context context;
    tcp::acceptor acceptor{context, {net::ip::address_v4::loopback(), 0}};
    const std::string port = std::to_string(acceptor.local_endpoint().port());
    std::optional<weir::ws_stream<tcp::socket>> server;
    acceptor.async_accept([&](error_code ec, tcp::socket socket) {
        REQUIRE_FALSE(ec);
        server.emplace(std::move(socket));
        server->async_accept({}, 10s, [&](error_code failed) {
            REQUIRE_FALSE(failed);
            server->on_message([&](ws_message m) { server->send(m); });
        });
    });
    weir::ws_stream client{tcp::socket{context}};
    std::optional<std::string> echoed;
    std::optional<error_code> ended;
    client.async_connect("ws://localhost:" + port + "/chat", {}, [&](error_code ec) {
        REQUIRE_FALSE(ec);
        client.send("hello");
        client.async_receive([&](error_code, std::optional<ws_message> m) {
            echoed = std::string{m.value().text()};
            client.async_close(weir::ws_close_code::normal, {}, [&](error_code why) { ended = why; });
        });
    });
    context.run();  // returns: nothing is left
    CHECK(echoed == "hello");
    CHECK(ended == error_code{});
    CHECK_FALSE(server->is_open());
}

TEST_CASE("opening: async_connect to nobody, or to nowhere", "[io][ws]") {
    net::io_context context;
    weir::ws_stream client{tcp::socket{context}};
    std::optional<error_code> outcome;
    const auto connect = [&](std::string url) {
        client.async_connect(std::move(url), {}, [&](error_code ec) { outcome = ec; });
        context.run();
    };
    SECTION("a port where nobody listens") {
        std::uint16_t port = 0;
        {
            tcp::acceptor acceptor{context, {net::ip::address_v4::loopback(), 0}};
            port = acceptor.local_endpoint().port();
        }
        connect("ws://127.0.0.1:" + std::to_string(port));
        CHECK(*outcome == net::error::connection_refused);
    }
    SECTION("no URL") {
        connect("ws:/nothing");
        CHECK(*outcome == error::bad_argument);
    }
    SECTION("TLS, on a stream without it") {
        connect("wss://127.0.0.1:1");
        CHECK(*outcome == error::bad_argument);
    }
    SECTION("a server that says nothing") {
        tcp::acceptor acceptor{context, {net::ip::address_v4::loopback(), 0}};
        const std::string port = std::to_string(acceptor.local_endpoint().port());
        client.async_connect("ws://127.0.0.1:" + port, {.timeout = 50ms}, [&](error_code ec) { outcome = ec; });
        context.run();
        CHECK(*outcome == error::handshake_timed_out);
    }
    CHECK_FALSE(client.is_open());
    client.async_connect("ws://127.0.0.1:1", {}, [&](error_code ec) { outcome = ec; });
    context.restart();
    context.run();
    CHECK(*outcome == error::closed);  // a stream is for one connection
}

TEST_CASE("opening: closed or cancelled while it resolves, nothing is opened any more", "[io][ws]") {
    net::io_context context;
    tcp::acceptor acceptor{context, {net::ip::address_v4::loopback(), 0}};
    weir::ws_stream client{tcp::socket{context}};
    std::optional<error_code> outcome;
    cancellation::cancellation_signal signal;
    client.async_connect("ws://localhost:" + std::to_string(acceptor.local_endpoint().port()), {},
                         cancellation::bind_cancellation_slot(signal.slot(), [&](error_code ec) { outcome = ec; }));
    context.poll_one();
    error_code expected = error::closed;
    SECTION("closed") { client.close(); }
    SECTION("cancelled") {
        signal.emit(cancellation::cancellation_type::terminal);
        expected = net::error::operation_aborted;
    }
    context.run();
    CHECK(*outcome == expected);
    CHECK_FALSE(client.stream().is_open());
}

// SPDX-License-Identifier: BSL-1.0
#include <weir/server.hpp>

#include "catch.hpp"

#include WEIR_ASIO(connect.hpp)
#include WEIR_ASIO(post.hpp)
#include WEIR_ASIO(use_awaitable.hpp)

#include <chrono>
#include <cstddef>
#include <exception>
#include <filesystem>
#include <future>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "support/folder.hpp"
#include "support/running_server.hpp"

using namespace std::chrono_literals;
using test::running_server;
using weir::awaitable;
using weir::error_code;
using weir::request;
using weir::response;
using weir::sse_session;

namespace {

// The stream that a GET is answered with, to its end, without the head.
std::string stream_of(const running_server& server, std::string_view target, std::string_view more = {}) {
    auto client = server.connect();
    client.get(target, more);
    client.read_until("\r\n\r\n");
    return client.read_to_end();
}

// As an HTTP/1.0 client sees it: events without chunks around them.
std::string events_of(const running_server& server, std::string_view target, std::string_view more = {}) {
    auto client = server.connect();
    client.send("GET " + std::string{target} + " HTTP/1.0\r\n" + std::string{more} + "\r\n");
    client.read_until("\r\n\r\n:\n\n");
    return client.read_to_end();
}

std::string text_of(const error_code& ec) { return ec ? ec.message() : "none"; }

}  // namespace

// ---- the forms of handlers ----

TEST_CASE("server: a stream's handler is a coroutine or a function, with or without the request", "[server]") {
    running_server server;
    server->sse("/coroutine", [](sse_session out) -> awaitable<void> {
        co_await out.async_send({.data = "one"});
        co_await out.async_sleep(1ms);
        co_await out.async_send({.data = "two"});
    });
    server->sse("/coroutine/{name}", [](sse_session out, request r) -> awaitable<void> {
        co_await out.async_sleep(1ms);
        co_await out.async_send({.data = r.param("name")});
    });
    server->sse("/function", [](sse_session out) { out.send({.data = "one"}); });
    server->sse("/function/{name}", [](sse_session out, const request& r) { out.send({.data = r.param("name")}); });
    server.start();
    CHECK(events_of(server, "/coroutine") == "data: one\n\ndata: two\n\n");
    CHECK(events_of(server, "/coroutine/x") == "data: x\n\n");
    CHECK(events_of(server, "/function") == "data: one\n\n");
    CHECK(events_of(server, "/function/y") == "data: y\n\n");
}

TEST_CASE("server: a handler's state lives as long as the server", "[server]") {
    running_server server;
    server->sse("/count", [n = std::make_shared<int>(0)](sse_session out) -> awaitable<void> {
        co_await out.async_sleep(1ms);
        co_await out.async_send({.id = weir::event_id(static_cast<std::uint64_t>(++*n))});
    });
    server->get("/plain", [n = 0](const request&) mutable { return response{.body = std::to_string(++n)}; });
    server.start();
    CHECK(events_of(server, "/count") == "id: 1\ndata:\n\n");
    CHECK(events_of(server, "/count") == "id: 2\ndata:\n\n");
    auto client = server.connect();
    client.fetch("/plain");
    CHECK(client.fetch("/plain").body == "2");
}

TEST_CASE("server: a function may keep its session, which ends when it is destroyed", "[server]") {
    running_server server;
    std::optional<sse_session> kept;
    std::promise<void> opened;
    server->sse("/keep", [&](sse_session out) {
        kept = std::move(out);
        opened.set_value();
    });
    server.start();
    auto client = server.connect();
    client.get("/keep");
    test::value_of(opened.get_future());
    CHECK(server->connections() == 1);
    weir::net::post(server->context(), [&] { kept->send({.data = "later"}); });
    client.read_until("data: later\n\n");
    weir::net::post(server->context(), [&] { kept.reset(); });
    CHECK(client.read_to_end() == "\r\n0\r\n\r\n");
}

TEST_CASE("server: a plain handler is a function or a coroutine", "[server]") {
    running_server server;
    server->get("/sync", [](const request& r) { return response{.body = std::string{r.header("X")}}; });
    server->post("/async", [](request r) -> awaitable<response> {
        co_await weir::net::post(weir::net::use_awaitable);
        co_return response{.status = 201, .body = std::string{r.body()}, .fields = {{"Location", "/1"}}};
    });
    server.start();
    auto client = server.connect();
    CHECK(client.fetch("/sync", "X: y\r\n").body == "y");
    client.send("POST /async HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc");
    const auto created = client.read_answer();
    CHECK(created.status == 201);
    CHECK(created.body == "abc");
    CHECK(created.field("Location") == "/1");
}

TEST_CASE("server: a handler knows who asks", "[server]") {
    running_server server;
    server->get("/who", [](const request& r) { return response{.body = std::string{r.remote_address()}}; });
    server->sse("/who/stream", [](sse_session out, request r) {
        out.send({.data = r.remote_address()});
        out.send({.data = out.stream().remote_endpoint().address().to_string()});
    });
    server.start();
    CHECK(server.connect().fetch("/who").body == "127.0.0.1");
    CHECK(events_of(server, "/who/stream") == "data: 127.0.0.1\n\ndata: 127.0.0.1\n\n");
}

TEST_CASE("server: a body comes with a stream's request", "[server]") {
    running_server server;
    server->sse("/ask", [](sse_session out, request r) { out.send({.data = r.body()}); }, {.get = false, .post = true});
    server.start();
    auto client = server.connect();
    client.send("POST /ask HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nwh\r\n2\r\ny?\r\n0\r\n\r\n");
    client.read_until("data: why?\n\n");
    CHECK(client.read_to_end() == "\r\n0\r\n\r\n");
    CHECK(server.connect().fetch("/ask").status == 405);
}

// ---- a route's options ----

TEST_CASE("server: a coroutine may take the session and the request by reference", "[server]") {
    running_server server;
    server->sse("/x", [](sse_session&& out, const request& from) -> awaitable<void> {
        co_await out.async_sleep(1ms);
        co_await out.async_send({.data = from.path()});
    });
    server.start();
    CHECK(stream_of(server, "/x").ends_with("data: /x\n\n\r\n0\r\n\r\n"));
}

TEST_CASE("Fetch, CORS: a guarded route lets preflights pass, and pages see its refusals", "[server]") {
    running_server server;
    server->sse("/guarded", [](sse_session) {},
                {.allowed_origins = {"https://app.example"}, .intercept = [](const request& r) {
                     return r.header("Authorization").empty() ? std::optional{response{.status = 401}} : std::nullopt;
                 }});
    server.start();
    auto client = server.connect();
    client.send("OPTIONS /guarded HTTP/1.1\r\nHost: a\r\nOrigin: https://app.example\r\n\r\n");
    CHECK(client.read_answer().status == 204);
    const auto refused = client.fetch("/guarded", "Origin: https://app.example\r\n");
    CHECK(refused.status == 401);
    CHECK(refused.field("Access-Control-Allow-Origin") == "https://app.example");
    CHECK(client.fetch("/guarded", "Origin: https://evil.example\r\n").field("Access-Control-Allow-Origin").empty());
}

TEST_CASE("server: run() without listen() is a mistake", "[server]") {
    weir::server app{{.handle_signals = false}};
    CHECK_THROWS_AS(app.run(), std::logic_error);
}

TEST_CASE("server: intercept answers instead of a stream", "[server]") {
    running_server server;
    int streams = 0;
    server->sse("/guarded", [&](sse_session) { ++streams; },
                {.intercept = [](const request& r) -> std::optional<response> {
                    if (r.header("Authorization").empty()) {
                        return response{.status = 401, .body = "who?\n", .fields = {{"WWW-Authenticate", "Bearer"}}};
                    }
                    if (r.query("stop")) return response{.status = 204};
                    return std::nullopt;
                }});
    server.start();
    const auto refused = server.connect().fetch("/guarded");
    CHECK(refused.status == 401);
    CHECK(refused.body == "who?\n");
    CHECK(refused.field("WWW-Authenticate") == "Bearer");
    auto client = server.connect();
    client.send("HEAD /guarded HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    CHECK(client.read_until("\r\n\r\n").starts_with("HTTP/1.1 401 "));
    CHECK(client.read_to_end().empty());

    const auto stopped = server.connect().fetch("/guarded?stop", "Authorization: x\r\n");
    CHECK(stopped.status == 204);
    CHECK(stopped.field("Content-Length").empty());
    CHECK(streams == 0);
    CHECK(stream_of(server, "/guarded", "Authorization: x\r\n") == "3\r\n:\n\n\r\n0\r\n\r\n");
    CHECK(streams == 1);
}

TEST_CASE("WHATWG HTML 9.2.4: the id that the client saw last, from the field or the query", "[server]") {
    running_server server;
    server->sse("/last", [](sse_session out) {
        const auto id = out.last_event_id();
        out.send({.data = id.has_value() ? id.str() : out.last_event_id_refused() ? "refused" : "none"});
    });
    server.start();
    CHECK(events_of(server, "/last") == "data: none\n\n");
    CHECK(events_of(server, "/last", "Last-Event-ID: 17\r\n") == "data: 17\n\n");
    CHECK(events_of(server, "/last?last_event_id=a%20b") == "data: a b\n\n");
    CHECK(events_of(server, "/last?x=1&lastEventId=18") == "data: 18\n\n");
    CHECK(events_of(server, "/last?last_event_id=old", "Last-Event-ID: new\r\n") == "data: new\n\n");
    CHECK(events_of(server, "/last", "Last-Event-ID: " + std::string(257, 'x') + "\r\n") == "data: refused\n\n");
    CHECK(events_of(server, "/last?last_event_id=%0a") == "data: refused\n\n");
}

TEST_CASE("server: a route's head and framing are its options'", "[server]") {
    running_server server;
    server->sse("/x", [](sse_session) {},
                {.allowed_origins = {"https://app.example"},
                 .allow_credentials = true,
                 .allowed_headers = {"X-Api-Key"},
                 .fields = {{"X-Thing", "1"}, {"Cache-Control", "no-store"}},
                 .retry = 1500ms,
                 .close_delimited = true});
    CHECK_THROWS_AS(server->sse("/bad", [](sse_session) {}, {.fields = {{"X", "a\r\nb"}}}), std::invalid_argument);
    server.start();
    auto client = server.connect();
    client.get("/x", "Origin: https://app.example\r\n");
    const std::string head = client.read_until("\r\n\r\n");
    CHECK(head.find("X-Thing: 1\r\n") != std::string::npos);
    CHECK(head.find("Cache-Control: no-store\r\n") != std::string::npos);
    CHECK(head.find("Access-Control-Allow-Origin: https://app.example\r\n") != std::string::npos);
    CHECK(head.find("Access-Control-Allow-Credentials: true\r\n") != std::string::npos);
    CHECK(head.find("Transfer-Encoding") == std::string::npos);
    CHECK(client.read_to_end() == ":\n\nretry: 1500\n\n");

    auto other = server.connect();
    CHECK(other.fetch("/x", "Origin: https://evil.example\r\n").status == 403);
    CHECK(other.fetch("/x", "Accept: text/html\r\n").status == 406);
    other.send("OPTIONS /x HTTP/1.1\r\nHost: a\r\nOrigin: https://app.example\r\n\r\n");
    const auto preflight = other.read_answer();
    CHECK(preflight.status == 204);
    CHECK(preflight.field("Access-Control-Allow-Headers").find("Last-Event-ID") != std::string::npos);
    CHECK(preflight.field("Access-Control-Allow-Headers").ends_with(", X-Api-Key"));
}

TEST_CASE("server: each route has its own heartbeat", "[server]") {
    running_server server;
    server->sse("/beats", [](sse_session out) -> awaitable<void> { co_await out.async_closed(); },
                {.heartbeat = weir::comment_every{20ms}});
    server->sse("/silent",
                [](sse_session out) -> awaitable<void> {
                    co_await out.async_sleep(100ms);
                    co_await out.async_send({.data = "end"});
                },
                {.heartbeat = weir::no_heartbeat{}});
    server.start();
    auto beats = server.connect();
    beats.get("/beats");
    beats.read_until("\r\n\r\n3\r\n:\n\n\r\n3\r\n:\n\n\r\n3\r\n:\n\n\r\n");
    CHECK(stream_of(server, "/silent") == "3\r\n:\n\n\r\nb\r\ndata: end\n\n\r\n0\r\n\r\n");
}

TEST_CASE("server: a stream ends in good order at the end of its life", "[server]") {
    running_server server;
    std::promise<std::string> reason;
    server->sse("/short",
                [&](sse_session out) -> awaitable<void> {
                    out.send({.data = "one"});
                    const error_code why = co_await out.async_closed();
                    reason.set_value(text_of(why));
                },
                {.max_life = 50ms});
    server.start();
    CHECK(stream_of(server, "/short") == "3\r\n:\n\n\r\nb\r\ndata: one\n\n\r\n0\r\n\r\n");
    CHECK(test::value_of(reason.get_future()) == weir::message(weir::error::expired));
}

// ---- endings ----

TEST_CASE("server: what was sent is delivered after the handler has returned, however slow the client", "[server]") {
    running_server server;
    constexpr std::size_t count = 200;
    const std::string data(50'000, 'd');
    server->sse("/much",
                [&](sse_session out) {
                    for (std::size_t i = 0; i < count; ++i) REQUIRE(out.send({.data = data}) == weir::error::none);
                },
                {.backpressure = weir::wait{.max_bytes = 0, .max_messages = 0}});
    server.start();
    auto client = server.connect(4096);
    client.send("GET /much HTTP/1.0\r\n\r\n");
    client.read_until("\r\n\r\n:\n\n");
    for (std::size_t i = 0; i < count; ++i) {
        if (client.read_until("\n\n") != "data: " + data + "\n\n") FAIL("event " << i);
    }
    CHECK(client.read_to_end().empty());
    CHECK_FALSE(client.was_reset());
}

TEST_CASE("server: a client that goes away is noticed, and is no failure", "[server]") {
    std::promise<void> reported;
    running_server server{{.on_error = [&](std::string_view, std::exception_ptr) { reported.set_value(); }}};
    std::promise<std::string> reason;
    std::promise<void> over;
    server->sse("/closed", [&](sse_session out) -> awaitable<void> {
        const error_code why = co_await out.async_closed();
        reason.set_value(text_of(why));
    });
    server->sse("/sleeping", [&](sse_session out) -> awaitable<void> {
        struct at_end {
            std::promise<void>& over;
            ~at_end() { over.set_value(); }
        } const end{over};
        for (;;) co_await out.async_sleep(1h);
    });
    server.start();
    auto client = server.connect();
    client.get("/closed");
    client.read_until("\r\n\r\n");
    client.close();
    CHECK(test::value_of(reason.get_future()) == weir::message(weir::error::peer_closed));

    auto reset = server.connect();
    reset.get("/sleeping");
    reset.read_until("\r\n\r\n");
    reset.reset();
    test::value_of(over.get_future());
    server.destroy();
    CHECK(reported.get_future().wait_for(0s) == std::future_status::timeout);
}

TEST_CASE("server: an exception that does not come from the stream is reported", "[server]") {
    std::promise<std::string> reported;
    running_server server{{.on_error = [&](std::string_view route, std::exception_ptr failure) {
        try {
            std::rethrow_exception(failure);
        } catch (const std::exception& e) {
            reported.set_value(std::string{route} + ": " + e.what());
        }
    }}};
    server->sse("/coroutine", [](sse_session out) -> awaitable<void> {
        out.send({.data = "one"});
        co_await out.async_sleep(1ms);
        throw std::runtime_error("coroutine");
    });
    server->sse("/function", [](sse_session out) {
        out.send({.data = "one"});
        throw std::runtime_error("function");
    });
    // Another connection of the handler's failed, not the client's.
    server->sse("/backend", [](sse_session out) -> awaitable<void> {
        weir::net::ip::tcp::socket backend{out.get_executor()};
        out.send({.data = "one"});
        co_await backend.async_connect({weir::net::ip::make_address("127.0.0.1"), 1}, weir::net::use_awaitable);
    });
    server->sse("/misuse", [](sse_session out) -> awaitable<void> {
        out.send({.data = "one"});
        co_await out.async_sleep(1ms);
        throw weir::system_error(make_error_code(weir::error::bad_argument));
    });
    server.start();
    const auto failed = [&](std::string_view target) {
        reported = {};
        // Whatever was sent before is delivered.
        CHECK(stream_of(server, target) == "3\r\n:\n\n\r\nb\r\ndata: one\n\n\r\n0\r\n\r\n");
        return test::value_of(reported.get_future());
    };
    CHECK(failed("/coroutine") == "/coroutine: coroutine");
    CHECK(failed("/function") == "/function: function");
    CHECK(failed("/backend").starts_with("/backend: "));
    CHECK(failed("/misuse").starts_with("/misuse: "));
}

// ---- files ----

TEST_CASE("server: a page and its parts", "[server]") {
    const test::folder root;
    root.write("secret.txt", "secret");
    root.write("www/index.html", "<p>");
    root.write("www/app.js", "js");
    root.write("www/a b/\u00fc.txt", "umlaut");
    std::filesystem::create_symlink(root.path() / "secret.txt", root.path() / "www/link.txt");
    running_server server;
    server->get("/app.css", [](const request&) { return response{.body = "route"}; });
    server->files("/", root.path() / "www");
    server->files("/deep", root.path() / "www");
    server.start();
    auto client = server.connect();
    const auto index = client.fetch("/");
    CHECK(index.body == "<p>");
    CHECK(index.field("Content-Type") == "text/html; charset=utf-8");
    CHECK(client.fetch("/index.html").body == "<p>");
    CHECK(client.fetch("/app.js?v=1").body == "js");
    CHECK(client.fetch("/a%20b/%c3%bc.txt").body == "umlaut");
    CHECK(client.fetch("/app.css").body == "route");
    CHECK(client.fetch("/deep/").body == "<p>");
    CHECK(client.fetch("/deep/app.js").body == "js");
    CHECK(client.fetch("/deep").status == 404);
    CHECK(client.fetch("/missing").status == 404);
    CHECK(client.fetch("/a%20b").status == 404);
    CHECK(client.fetch("/link.txt").status == 404);

    const std::string tag = index.field("ETag");
    const auto same = client.fetch("/", "If-None-Match: " + tag + "\r\n");
    CHECK(same.status == 304);
    CHECK(same.field("ETag") == tag);
    client.send("HEAD /app.js HTTP/1.1\r\nHost: a\r\n\r\n");
    CHECK(client.read_answer(true).field("Content-Length") == "2");
    client.send("POST /app.js HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
    const auto posted = client.read_answer();
    CHECK(posted.status == 405);
    CHECK(posted.field("Allow") == "GET, HEAD");
}

TEST_CASE("server: no way out of the directory", "[server]") {
    const test::folder root;
    root.write("secret.txt", "secret");
    root.write("www/index.html", "<p>");
    running_server server;
    server->files("/", root.path() / "www");
    server.start();
    for (const std::string_view target :
         {"/../secret.txt", "/%2e%2e/secret.txt", "/.%2e/secret.txt", "/..%2fsecret.txt", "/%2e%2e%2fsecret.txt",
          "/..%5csecret.txt", "/x/../../secret.txt", "/./../secret.txt", "//../secret.txt", "/..%00/secret.txt",
          "http://test/../secret.txt", "/secret.txt%00.html"}) {
        CAPTURE(target);
        const auto answer = server.connect().fetch(target);
        CHECK(answer.status == 400);
        CHECK(answer.body.find("secret") == std::string::npos);
    }
    const std::string absolute = (root.path() / "secret.txt").string();
    CHECK(server.connect().fetch(absolute).status == 404);
    CHECK(server.connect().fetch('/' + absolute).status == 404);
    CHECK(server.connect().fetch("/%252e%252e/secret.txt").status == 404);
}

// SPDX-License-Identifier: BSL-1.0
#include <weir/server/engine.hpp>

#include "catch.hpp"

#include <chrono>
#include <cstddef>
#include <exception>
#include <future>
#include <mutex>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "support/running_server.hpp"

using namespace std::chrono_literals;
using test::running_server;
using weir::request;
using weir::response;

namespace {

// A server with one of each: what the request was is in the answer.
void add_routes(weir::server& app) {
    app.get("/hello", [](const request&) { return response{.body = "hi\n"}; });
    app.get("/rooms/{room}/{rest...}", [](const request& r) {
        return response{.body = std::string{r.param("room")} + '|' + std::string{r.param("rest")}};
    });
    app.post("/echo", [](const request& r) { return response{.body = std::string{r.body()}}; });
    app.route("PUT", "/thing", [](const request&) { return response{.status = 204}; });
    app.route("DELETE", "/thing", [](const request&) { return response{.status = 204}; });
    app.route({}, "/any", [](const request& r) { return response{.body = std::string{r.method()}}; });
    app.sse("/events", [](weir::sse_session out) { out.send({.data = "one"}); });
}

// What a peer is answered that sends these bytes and reads to the end.
test::http_answer answer_to(const running_server& server, std::string_view bytes) {
    auto client = server.connect();
    client.send(bytes);
    auto answer = client.read_answer();
    CHECK(client.read_to_end().empty());
    return answer;
}

int status_of(const running_server& server, std::string_view bytes) { return answer_to(server, bytes).status; }

}  // namespace

// ---- routing ----

TEST_CASE("server: a request goes to its route, with its parameters", "[server][engine]") {
    running_server server;
    add_routes(server.app());
    server.start();
    auto client = server.connect();
    const auto hello = client.fetch("/hello?x=1");
    CHECK(hello.status == 200);
    CHECK(hello.body == "hi\n");
    CHECK(client.fetch("/rooms/gr%c3%bcn/a/b").body == "gr\u00fcn|a/b");
    CHECK(client.fetch("/rooms/x/").body == "x|");
    CHECK(client.fetch("http://elsewhere.example/hello").status == 200);
}

TEST_CASE("RFC 9110 15.5.5: what no route matches is not found", "[server][engine]") {
    running_server server;
    add_routes(server.app());
    server.start();
    auto client = server.connect();
    CHECK(client.fetch("/").status == 404);
    CHECK(client.fetch("/hello/").status == 404);
    CHECK(client.fetch("/Hello").status == 404);
    CHECK(client.fetch("/rooms//a").status == 404);
    CHECK(client.fetch("/nothing").body == "404 Not Found\n");
}

TEST_CASE("RFC 9110 15.5.6: another method is refused, and told which are allowed", "[server][engine]") {
    running_server server;
    add_routes(server.app());
    server.start();
    auto client = server.connect();
    const auto refused = [&](std::string_view method, std::string_view path) {
        client.send(std::string{method} + ' ' + std::string{path} + " HTTP/1.1\r\nHost: test\r\n\r\n");
        const auto answer = client.read_answer();
        CHECK(answer.status == 405);
        return answer.field("Allow");
    };
    CHECK(refused("POST", "/hello") == "GET, HEAD");
    CHECK(refused("GET", "/echo") == "POST");
    CHECK(refused("GET", "/thing") == "PUT, DELETE");
    CHECK(refused("PUT", "/events") == "GET, HEAD, OPTIONS");
    CHECK(refused("POST", "/events") == "GET, HEAD, OPTIONS");
    client.send("PATCH /any HTTP/1.1\r\nHost: test\r\n\r\n");
    CHECK(client.read_answer().body == "PATCH");
}

TEST_CASE("RFC 9110 9.3.2: HEAD is answered as GET is, without the body", "[server][engine]") {
    running_server server;
    add_routes(server.app());
    server.start();
    auto client = server.connect();
    client.send("HEAD /hello HTTP/1.1\r\nHost: test\r\n\r\n");
    const auto hello = client.read_answer(true);
    CHECK(hello.status == 200);
    CHECK(hello.field("Content-Length") == "3");
    client.send("HEAD /nothing HTTP/1.1\r\nHost: test\r\n\r\n");
    CHECK(client.read_answer(true).status == 404);
    client.send("HEAD /events HTTP/1.1\r\nHost: test\r\n\r\n");
    const auto events = client.read_answer(true);
    CHECK(events.status == 200);
    CHECK(events.field("Content-Type") == "text/event-stream");
    CHECK(client.fetch("/hello").body == "hi\n");  // nothing came in between
}

TEST_CASE("server: what a path may not hold is refused", "[server][engine]") {
    running_server server;
    add_routes(server.app());
    server.start();
    for (const std::string_view path : {"/../hello", "/%2e%2e/hello", "/a%2fb", "/a%5cb", "/%00", "/%", "/%4"}) {
        CAPTURE(path);
        CHECK(status_of(server, "GET " + std::string{path} + " HTTP/1.1\r\nHost: test\r\n\r\n") == 400);
    }
}

// ---- requests that are none ----

TEST_CASE("RFC 9112 2.2: a malformed request is answered 400, and the connection ends", "[server][engine]") {
    running_server server;
    add_routes(server.app());
    server.start();
    for (const std::string_view bytes : {
             "GET /hello\r\n\r\n",
             "GET  /hello HTTP/1.1\r\nHost: test\r\n\r\n",
             "GET hello HTTP/1.1\r\nHost: test\r\n\r\n",
             "GET /hello HTTP/1.1\r\n\r\n",
             "GET /hello HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
             "GET /hello HTTP/1.1\r\nHost : a\r\n\r\n",
             "GET /hello HTTP/1.1\r\nHost: a\r\n X: folded\r\n\r\n",
             "GET /hello HTTP/1.1\nHost: a\n\n",
             "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
             "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx",
             "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
             "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n\r\n",
             "POST /echo HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
             "\x16\x03\x01\x02\x01\x01\xfc\x03\x03",  // TLS ClientHello
             "\xff\xfe\xfd",
             "{\"json\": true}\r\n\r\n",
         }) {
        CAPTURE(bytes);
        const auto answer = answer_to(server, bytes);
        CHECK(answer.status == 400);
        CHECK(answer.field("Connection") == "close");
    }
}

TEST_CASE("RFC 9110 15.6: what this server cannot do is told apart", "[server][engine]") {
    running_server server;
    add_routes(server.app());
    server.start();
    CHECK(status_of(server, "GET /hello HTTP/2.0\r\nHost: test\r\n\r\n") == 505);
    CHECK(status_of(server, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n") == 505);
    CHECK(status_of(server, "CONNECT test:80 HTTP/1.1\r\nHost: test\r\n\r\n") == 501);
    CHECK(status_of(server, "BREW /hello HTTP/1.1\r\nHost: test\r\n\r\n") == 501);
    CHECK(status_of(server, "POST /echo HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: gzip, chunked\r\n\r\n") == 501);
}

TEST_CASE("server: heads are limited", "[server][engine]") {
    running_server server;
    add_routes(server.app());
    server.start();
    const std::string long_target = "GET /" + std::string(9000, 'a') + " HTTP/1.1\r\nHost: test\r\n\r\n";
    CHECK(status_of(server, long_target) == 414);
    std::string fields = "GET /hello HTTP/1.1\r\nHost: test\r\n";
    for (int i = 0; i < 101; ++i) fields += "X: y\r\n";
    CHECK(status_of(server, fields + "\r\n") == 431);
    // A hundred kilobytes, while the server has stopped reading them: the answer arrives all the same.
    const std::string big = "GET /hello HTTP/1.1\r\nHost: test\r\nX: " + std::string(100 * 1024, 'x') + "\r\n\r\n";
    CHECK(status_of(server, big) == 431);
}

TEST_CASE("server: bodies are limited, counted and chunked ones", "[server][engine]") {
    running_server server{{.max_body_bytes = 10}};
    add_routes(server.app());
    server.start();
    CHECK(status_of(server, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\n01234567890") == 413);
    CHECK(status_of(server, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999\r\n\r\n") == 413);
    CHECK(status_of(server,
                    "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                    "8\r\n01234567\r\n3\r\n012\r\n0\r\n\r\n") == 413);
    auto client = server.connect();
    client.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n0123456789");
    CHECK(client.read_answer().body == "0123456789");
    client.send(
        "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n0123\r\n6\r\n456789\r\n0\r\n\r\n");
    CHECK(client.read_answer().body == "0123456789");
}

// ---- one connection, several requests ----

TEST_CASE("RFC 9112 9.3.2: pipelined requests are answered in order", "[server][engine]") {
    running_server server;
    add_routes(server.app());
    server.start();
    auto client = server.connect();
    client.send(
        "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n"
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"
        "GET /nothing HTTP/1.1\r\nHost: a\r\n\r\n"
        "\r\nPOST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\ndef\r\n0\r\n\r\n"
        "GET /hello HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
        "GET /never HTTP/1.1\r\nHost: a\r\n\r\n");
    CHECK(client.read_answer().body == "hi\n");
    CHECK(client.read_answer().body == "abc");
    CHECK(client.read_answer().status == 404);
    CHECK(client.read_answer().body == "def");
    const auto last = client.read_answer();
    CHECK(last.body == "hi\n");
    CHECK(last.field("Connection") == "close");
    CHECK(client.read_to_end().empty());
}

TEST_CASE("server: many pipelined requests in one piece, and one request in many", "[server][engine]") {
    running_server server;
    add_routes(server.app());
    server.start();
    auto client = server.connect();
    constexpr int count = 500;
    std::string requests;
    for (int i = 0; i < count; ++i) requests += "GET /rooms/" + std::to_string(i) + "/ HTTP/1.1\r\nHost: a\r\n\r\n";
    client.send(requests);
    for (int i = 0; i < count; ++i) CHECK(client.read_answer().body == std::to_string(i) + '|');

    for (const char c : std::string_view{"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"}) {
        client.send({&c, 1});
    }
    CHECK(client.read_answer().body == "abc");
}

TEST_CASE("RFC 9112 9.3: an HTTP/1.0 connection ends after its response", "[server][engine]") {
    running_server server;
    add_routes(server.app());
    server.start();
    const auto plain = answer_to(server, "GET /hello HTTP/1.0\r\n\r\n");
    CHECK(plain.body == "hi\n");
    CHECK(plain.field("Connection") == "close");
    // The old keep-alive is not spoken here, and so is not promised by silence.
    const auto kept = answer_to(server, "GET /hello HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    CHECK(kept.body == "hi\n");
    CHECK(kept.field("Connection") == "close");
}

TEST_CASE("server: a refused stream leaves the connection usable, or says that it ends", "[server][engine]") {
    running_server server;
    add_routes(server.app());
    server.start();
    auto client = server.connect();
    client.send("POST /events HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nxx");
    const auto refused = client.read_answer();
    CHECK(refused.status == 405);
    if (refused.field("Connection") == "close") {
        CHECK(client.read_to_end().empty());
    } else {
        CHECK(client.fetch("/hello").body == "hi\n");
    }
    CHECK(status_of(server, "PUT /events HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n") == 405);
}

TEST_CASE("RFC 9110 10.1.1: who waits for 100 Continue gets it before the body is read", "[server][engine]") {
    running_server server{{.max_body_bytes = 10}};
    add_routes(server.app());
    server.start();
    auto client = server.connect();
    client.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n");
    CHECK(client.read_until("\r\n\r\n") == "HTTP/1.1 100 Continue\r\n\r\n");
    client.send("abc");
    CHECK(client.read_answer().body == "abc");

    client.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\nExpect: 100-continue\r\n\r\n");
    CHECK(client.read_answer().status == 413);  // and no 100 before
    CHECK(client.read_to_end().empty());

    auto without_body = server.connect();
    without_body.get("/hello", "Expect: 100-continue\r\n");
    CHECK(without_body.read_answer().status == 200);
}

// ---- event streams, as HTTP sees them ----

TEST_CASE("RFC 9112 7.1: a stream that ends ends with the last chunk", "[server][engine]") {
    running_server server;
    add_routes(server.app());
    server.start();
    auto client = server.connect();
    client.get("/events");
    const std::string head = client.read_until("\r\n\r\n");
    CHECK(head.starts_with("HTTP/1.1 200 OK\r\n"));
    CHECK(head.find("Transfer-Encoding: chunked\r\n") != std::string::npos);
    CHECK(head.find("Content-Length") == std::string::npos);
    CHECK(client.read_to_end() == "3\r\n:\n\n\r\nb\r\ndata: one\n\n\r\n0\r\n\r\n");
}

TEST_CASE("RFC 9112 6.1: an HTTP/1.0 client is sent no chunks", "[server][engine]") {
    running_server server;
    add_routes(server.app());
    server.start();
    auto client = server.connect();
    client.send("GET /events HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    const std::string head = client.read_until("\r\n\r\n");
    CHECK(head.find("Transfer-Encoding") == std::string::npos);
    CHECK(head.find("Content-Length") == std::string::npos);
    CHECK(client.read_to_end() == ":\n\ndata: one\n\n");
}

// ---- exceptions ----

namespace {

struct reports {
    std::mutex mutex;
    std::vector<std::string> texts;

    auto writer() {
        return [this](std::string_view route, std::exception_ptr failure) {
            std::string text{route};
            try {
                std::rethrow_exception(failure);
            } catch (const std::exception& e) {
                text.append(": ").append(e.what());
            } catch (...) {
                text.append(": unknown");
            }
            const std::lock_guard lock{mutex};
            texts.push_back(text);
        };
    }
    std::vector<std::string> all() {
        const std::lock_guard lock{mutex};
        return texts;
    }
};

}  // namespace

TEST_CASE("server: an exception from a handler is a response of status 500, and reported", "[server][engine]") {
    reports told;
    running_server server{{.on_error = told.writer()}};
    server->get("/sync", [](const request&) -> response { throw std::runtime_error("sync"); });
    server->get("/async", [](request) -> weir::awaitable<response> {
        co_await weir::net::post(weir::net::use_awaitable);
        throw std::runtime_error("async");
    });
    server->get("/odd", [](const request&) -> response { throw 1; });
    // No stream ends here: an error of the system is a failure as any other.
    server->get("/system", [](const request&) -> response {
        throw weir::system_error(weir::error_code(ENOENT, weir::net::error::get_system_category()), "system");
    });
    server.start();
    auto client = server.connect();
    for (const std::string_view path : {"/sync", "/async", "/odd", "/system"}) {
        const auto answer = client.fetch(path);
        CHECK(answer.status == 500);
        CHECK(answer.body == "500 Internal Server Error\n");
    }
    const auto texts = told.all();
    REQUIRE(texts.size() == 4);
    CHECK(texts[0] == "/sync: sync");
    CHECK(texts[1] == "/async: async");
    CHECK(texts[2] == "/odd: unknown");
    CHECK(texts[3].starts_with("/system: system"));
}

TEST_CASE("server: an exception from intercept is a response of status 500, and reported", "[server][engine]") {
    reports told;
    running_server server{{.on_error = told.writer()}};
    server->sse("/events", [](weir::sse_session) {}, {.intercept = [](const request&) -> std::optional<response> {
                    throw std::runtime_error("intercept");
                }});
    server.start();
    auto client = server.connect();
    CHECK(client.fetch("/events").status == 500);
    CHECK(told.all() == std::vector<std::string>{"/events: intercept"});
}

// SPDX-License-Identifier: BSL-1.0

#include <weir/io/http_connection.hpp>

#include WEIR_ASIO(co_spawn.hpp)
#include WEIR_ASIO(detached.hpp)
#include WEIR_ASIO(io_context.hpp)

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "catch.hpp"
#include "support/memory_stream.hpp"
#include "support/virtual_context.hpp"

namespace {

using namespace std::chrono_literals;
using namespace std::string_view_literals;
namespace net = weir::net;
namespace http = weir::http;
using stream = test::direct_memory_stream<>;
using weir::error;
using weir::detail::http_limits;

/// A connection, and what the last operation on it came to.
struct fixture {
    test::virtual_context context;
    std::shared_ptr<test::wire> wire = std::make_shared<test::wire>();
    http_limits limits{};
    weir::detail::http_connection<stream> connection{stream{context.context(), wire}, limits, "192.0.2.1"};
    http::request request;
    std::optional<error> outcome;

    void read() {
        start([](fixture& f) -> net::awaitable<void> {
            http::request_builder builder{f.limits.head};
            const error e = co_await f.connection.read(builder);
            f.request = builder.get();
            f.outcome = e;
        }(*this));
    }
    void write(std::string text) {
        start([](fixture& f, std::string response) -> net::awaitable<void> {
            const error e = co_await f.connection.write(response);
            f.outcome = e;
        }(*this, std::move(text)));
    }
    void finish() {
        start([](fixture& f) -> net::awaitable<void> {
            co_await f.connection.finish();
            f.outcome = error::none;
        }(*this));
    }
    void deliver(std::string_view bytes) {
        wire->deliver(bytes);
        context.settle();
    }

    ~fixture() {
        wire->close();
        context.settle();
    }

private:
    void start(net::awaitable<void> what) {
        outcome.reset();
        net::co_spawn(context.context(), std::move(what), net::detached);
        context.settle();
    }
};

constexpr std::string_view get = "GET /a?b=c HTTP/1.1\r\nHost: example.com\r\nX-One: 1\r\n\r\n";
constexpr std::string_view post = "POST /a HTTP/1.1\r\nHost: example.com\r\nContent-Length: 5\r\n\r\n";

}  // namespace

TEST_CASE_METHOD(fixture, "RFC 9112 2.2: a request is read whole, however it is split", "[io][http]") {
    SECTION("at once") {
        wire->deliver(get);
        read();
    }
    SECTION("in two, anywhere") {
        const auto at = GENERATE(range(std::size_t{1}, get.size()));
        read();
        deliver(get.substr(0, at));
        CHECK_FALSE(outcome);
        deliver(get.substr(at));
    }
    SECTION("byte by byte") {
        read();
        for (const char c : get) {
            CHECK_FALSE(outcome);
            deliver({&c, 1});
        }
    }
    CHECK(outcome == error::none);
    CHECK(request.method() == "GET");
    CHECK(request.path() == "/a");
    CHECK(request.query("b") == "c");
    CHECK(request.header("x-one") == "1");
    CHECK(request.body().empty());
    CHECK(request.remote_address() == "192.0.2.1");
}

TEST_CASE_METHOD(fixture, "RFC 9112 6: a body is read by its length or its chunks", "[io][http]") {
    read();
    SECTION("length") {
        deliver(post);
        CHECK_FALSE(outcome);
        deliver("hel");
        CHECK_FALSE(outcome);
        deliver("lo");
    }
    SECTION("chunks") {
        deliver("POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
        deliver("2\r\nhe\r");
        CHECK_FALSE(outcome);
        deliver("\n3\r\nllo\r\n0\r\n\r\n");
    }
    CHECK(outcome == error::none);
    CHECK(request.body() == "hello");
}

TEST_CASE_METHOD(fixture, "RFC 9112 9.3.2: pipelined requests are answered one after the other", "[io][http]") {
    wire->deliver(std::string{post} + "hello" + std::string{get} + "GET /last HTTP/1.1\r\nHost: x\r\n\r\n");
    read();
    CHECK(outcome == error::none);
    CHECK(request.body() == "hello");
    write("first");
    CHECK(outcome == error::none);
    read();
    CHECK(outcome == error::none);
    CHECK(request.path() == "/a");
    read();
    CHECK(outcome == error::none);
    CHECK(request.path() == "/last");
    CHECK(wire->written == "first");
    read();
    CHECK_FALSE(outcome);
    wire->end();
    context.settle();
    CHECK(outcome == error::peer_closed);
}

TEST_CASE_METHOD(fixture, "http_connection: a peer that goes between two requests is no error of theirs",
                 "[io][http]") {
    const bool first = GENERATE(true, false);
    read();
    if (!first) {
        deliver(get);
        REQUIRE(outcome == error::none);
        read();
    }
    CHECK_FALSE(outcome);
    SECTION("in good order") { wire->end(); }
    SECTION("by a reset") { wire->reset(); }
    context.settle();
    CHECK(outcome == error::peer_closed);
}

TEST_CASE_METHOD(fixture, "RFC 9112 8: a request that ends too early is incomplete", "[io][http]") {
    read();
    SECTION("in its head") { deliver(get.substr(0, 20)); }
    SECTION("in its body") { deliver(std::string{post} + "hel"); }
    wire->end();
    context.settle();
    CHECK(outcome == error::truncated);
}

TEST_CASE_METHOD(fixture, "http_connection: a malformed request is told apart from one that is too long",
                 "[io][http]") {
    read();
    SECTION("malformed") {
        deliver("nonsense\r\n\r\n");
        REQUIRE(outcome);
        CHECK(make_error_code(*outcome) == weir::condition::protocol_violation);
    }
    SECTION("path") {
        deliver("GET /%zz HTTP/1.1\r\nHost: x\r\n\r\n");
        CHECK(outcome == error::bad_encoding);
    }
    SECTION("head") {
        deliver("GET / HTTP/1.1\r\nHost: x\r\nX: " + std::string(20'000, 'x'));
        CHECK(outcome == error::head_too_large);
    }
    SECTION("body, by its length") {
        deliver("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1048577\r\n\r\n");
        CHECK(outcome == error::body_too_large);
    }
    SECTION("body, by its length, which is not asked for first") {
        deliver("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1048577\r\nExpect: 100-continue\r\n\r\n");
        CHECK(outcome == error::body_too_large);
        CHECK(wire->written.empty());
    }
    SECTION("body, by its chunks") {
        deliver("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
        for (int i = 0; i != 17 && !outcome; ++i) deliver("10000\r\n" + std::string(0x10000, 'x') + "\r\n");
        CHECK(outcome == error::body_too_large);
    }
}

TEST_CASE_METHOD(fixture, "RFC 9110 10.1.1: the body is asked for, unless it is there already", "[io][http]") {
    const std::string head = "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n";
    read();
    SECTION("asked for") {
        deliver(head);
        CHECK(wire->written == "HTTP/1.1 100 Continue\r\n\r\n");
        CHECK_FALSE(outcome);
        deliver("he");
        deliver("llo");
        CHECK(wire->written == "HTTP/1.1 100 Continue\r\n\r\n");
    }
    SECTION("there already") {
        deliver(head + "hello");
        CHECK(wire->written.empty());
    }
    CHECK(outcome == error::none);
    CHECK(request.body() == "hello");
}

TEST_CASE_METHOD(fixture, "http_connection: a request has to be whole in time, from its first byte", "[io][http]") {
    read();
    SECTION("head") {
        context.pass(5s);
        deliver("GET /");
        for (int i = 0; i != 9; ++i) {
            context.pass(1s);
            deliver("a");
        }
        CHECK_FALSE(outcome);
        context.pass(2s);
    }
    SECTION("body") {
        deliver(post);
        context.pass(9s);
        deliver("he");
        CHECK_FALSE(outcome);
        context.pass(2s);
    }
    SECTION("asking for the body that nobody reads") {
        wire->room = 0;
        deliver("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
        context.pass(11s);
    }
    SECTION("the second one, which began with the first") {
        deliver(std::string{get} + "GET /second");
        CHECK(outcome == error::none);
        read();
        context.pass(9s);
        CHECK_FALSE(outcome);
        context.pass(2s);
    }
    CHECK(outcome == error::request_timed_out);
}

TEST_CASE_METHOD(fixture, "http_connection: silence between requests is allowed for longer, and is no error",
                 "[io][http]") {
    read();
    SECTION("before the first, as long as a request may take") {
        context.pass(9s);
        CHECK_FALSE(outcome);
        context.pass(2s);
    }
    SECTION("before the second") {
        deliver(get);
        CHECK(outcome == error::none);
        context.pass(1h);  // the handler takes its time
        read();
        context.pass(59s);
        CHECK_FALSE(outcome);
        context.pass(2s);
    }
    CHECK(outcome == error::peer_closed);
}

TEST_CASE_METHOD(fixture, "http_connection: a response is written whole, in time", "[io][http]") {
    SECTION("in pieces") {
        wire->capacity = 3;
        write("0123456789");
        CHECK(outcome == error::none);
        CHECK(wire->written == "0123456789");
        CHECK(context.loop().next_due() == weir::never);
    }
    SECTION("not read") {
        wire->room = 5;
        write("0123456789");
        context.pass(29s);
        CHECK_FALSE(outcome);
        context.pass(2s);
        CHECK(outcome == error::peer_closed);
        CHECK(wire->written == "01234");
    }
    SECTION("peer gone") {
        wire->reset();
        write("0123456789");
        CHECK(outcome == error::peer_closed);
    }
}

TEST_CASE_METHOD(fixture, "RFC 9112 9.6: after the last response the rest is read, for a while and up to a point",
                 "[io][http]") {
    SECTION("until the peer goes") {
        finish();
        CHECK(wire->said_goodbye);
        CHECK_FALSE(outcome);
        deliver("more");
        CHECK_FALSE(outcome);
        wire->end();
        context.settle();
    }
    SECTION("until time is up") {
        finish();
        context.pass(1900ms);
        deliver("more");
        CHECK_FALSE(outcome);
        context.pass(200ms);
    }
    SECTION("until it is too much") {
        wire->deliver(std::string(2 * 1024 * 1024, 'x'));
        finish();
        CHECK(wire->unread() >= 1'000'000);
    }
    CHECK(outcome == error::none);
    CHECK(context.loop().next_due() == weir::never);
}

TEST_CASE_METHOD(fixture, "http_connection: only one that waits for a request is closed as idle", "[io][http]") {
    SECTION("waiting for the first") {
        read();
        connection.close_if_idle();
        context.settle();
        CHECK(outcome == error::peer_closed);
        CHECK(wire->closed);
    }
    SECTION("within one") {
        read();
        deliver("GET / HT");
        connection.close_if_idle();
        CHECK_FALSE(wire->closed);
        deliver("TP/1.1\r\nHost: x\r\n\r\n");
        CHECK(outcome == error::none);
        connection.close_if_idle();  // being answered
        CHECK_FALSE(wire->closed);
    }
    SECTION("within the second, which began with the first") {
        wire->deliver(std::string{get} + "GET /sec");
        read();
        read();
        connection.close_if_idle();
        CHECK_FALSE(wire->closed);
        deliver("ond HTTP/1.1\r\nHost: x\r\n\r\n");
        CHECK(outcome == error::none);
        CHECK(request.path() == "/second");
    }
}

TEST_CASE_METHOD(fixture, "http_connection: handed over, the stream lives on without its deadlines", "[io][http]") {
    deliver(get);
    read();
    REQUIRE(outcome == error::none);
    stream released = connection.release();
    CHECK(context.loop().next_due() == weir::never);
    context.pass(1h);
    CHECK_FALSE(wire->closed);
    weir::error_code ec;
    released.write_some(net::buffer("hi"sv), ec);
    CHECK(wire->written == "hi");
}

TEST_CASE("http_connection: a context that is destroyed takes what is pending with it", "[io][http]") {
    const auto wire = std::make_shared<test::wire>();
    {
        test::virtual_context context;
        const http_limits limits{};
        net::co_spawn(
            context.context(),
            [](test::virtual_context& on, std::shared_ptr<test::wire> w, const http_limits& l) -> net::awaitable<void> {
                weir::detail::http_connection<stream> connection{stream{on.context(), std::move(w)}, l, {}};
                http::request_builder builder;
                co_await connection.read(builder);
                FAIL("the request is not complete");
            }(context, wire, limits),
            net::detached);
        wire->deliver("GET / HT");
        context.settle();
    }
    CHECK(wire->closed);
}

// SPDX-License-Identifier: BSL-1.0

// What Asio has got since it has cancellation: operations deferred, and the first of two awaited. Left out where it has
// none (tests/CMakeLists.txt).

#include <weir/sse_stream.hpp>
#include <weir/ws_stream.hpp>

#include WEIR_ASIO(awaitable.hpp)
#include WEIR_ASIO(experimental/awaitable_operators.hpp)

#include <chrono>
#include <cstddef>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "catch.hpp"
#include "support/deferred.hpp"
#include "support/memory_stream.hpp"
#include "support/stream_fixture.hpp"
#include "support/ws_fixture.hpp"

namespace {

using namespace std::chrono_literals;
namespace net = weir::net;
using test::deferred;
using test::events;
using test::text_frame;
using weir::error;
using weir::error_code;
using ws_fixture = test::ws_fixture<>;

const weir::wait one_message{.max_messages = 1};

}  // namespace

// ---- event streams ----

TEST_CASE_METHOD(test::stream_fixture, "completion tokens: with deferred, the waiting begins when it is asked for",
                 "[io][tokens]") {
    auto out = open();
    auto sleep = out.async_sleep(1s, deferred);
    auto closed = out.async_closed(deferred);
    context.pass(10s);
    CHECK_FALSE(outcome);
    std::move(sleep)(remember());
    context.pass(2s);
    CHECK(outcome == error_code{});
    std::move(closed)(remember());
    out.abort();
    context.settle();
    CHECK(*reason == error::closed);
}

TEST_CASE_METHOD(test::stream_fixture, "completion tokens: the first of two in a coroutine cancels the other",
                 "[io][tokens]") {
    using namespace net::experimental::awaitable_operators;
    std::vector<std::size_t> first;
    run([](test::stream_fixture& f, std::vector<std::size_t>& which) -> net::awaitable<void> {
        auto out = f.open();
        const auto slept = co_await (out.async_closed() || out.async_sleep(1s));
        which.push_back(slept.index());
        const auto closed = co_await (out.async_closed() || out.async_sleep(1h));
        which.push_back(closed.index());
    }(*this, first));
    context.pass(2s);
    CHECK(first == std::vector<std::size_t>{1});
    wire->end();
    context.settle();
    CHECK(first == std::vector<std::size_t>{1, 0});
    CHECK_FALSE(failure);
}

// ---- WebSockets ----

TEST_CASE_METHOD(ws_fixture, "WebSocket tokens: with deferred, the waiting begins when it is asked for",
                 "[io][ws][tokens]") {
    auto ws = make();
    auto accept = ws.async_accept({}, 10s, deferred);
    auto handshake = ws.async_handshake("test", "/", {}, deferred);
    context.pass(1h);
    CHECK_FALSE(wire->has_pending_read());
    wire->deliver(test::upgrade_text());
    std::move(accept)(remember());
    context.settle();
    CHECK(outcome == error_code{});
    std::move(handshake)(remember());
    context.settle();
    CHECK(*outcome == error::closed);  // a session is begun once
}

TEST_CASE_METHOD(ws_fixture, "WebSocket tokens: receiving and sending deferred", "[io][ws][tokens]") {
    auto ws = open(one_message);
    auto receive = ws.async_receive(deferred);
    wire->deliver(text_frame("x"));
    context.settle();
    std::move(receive)(remember_message());
    context.settle();
    CHECK(message == "x");

    wire->room = 0;
    ws.send("1");
    context.settle();
    auto send = ws.async_send("2", deferred);
    wire->make_room(100);
    context.settle();
    CHECK(said() == events{test::text("1")});
    std::move(send)(remember());
    context.settle();
    CHECK(outcome == error_code{});
    CHECK(said() == events{test::text("1"), test::text("2")});
}

TEST_CASE_METHOD(ws_fixture, "WebSocket tokens: the first of two in a coroutine cancels the other, and nothing is lost",
                 "[io][ws][tokens]") {
    using namespace net::experimental::awaitable_operators;
    std::vector<std::string> seen;
    run([](ws_fixture& f, std::vector<std::string>& log) -> net::awaitable<void> {
        auto ws = f.open();
        for (int i = 0; i != 2; ++i) {
            const auto first = co_await (ws.async_receive() || ws.async_sleep(1s));
            log.push_back(first.index() == 1 ? "slept" : std::string{std::get<0>(first).value().text()});
        }
        const auto received = co_await ws.async_receive();
        log.emplace_back(received.value().text());
    }(*this, seen));
    wire->deliver(text_frame("one"));
    context.settle();
    CHECK(seen == std::vector<std::string>{"one"});
    context.pass(2s);
    CHECK(seen.back() == "slept");
    wire->deliver(text_frame("two"));
    context.settle();
    CHECK(seen.back() == "two");
    CHECK_FALSE(failure);
}

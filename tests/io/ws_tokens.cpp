// SPDX-License-Identifier: BSL-1.0

// The asynchronous operations of a WebSocket as futures, and awaited.

#include <weir/ws_stream.hpp>

#include WEIR_ASIO(awaitable.hpp)
#include WEIR_ASIO(io_context.hpp)
#include WEIR_ASIO(redirect_error.hpp)
#include WEIR_ASIO(strand.hpp)
#include WEIR_ASIO(use_awaitable.hpp)
#include WEIR_ASIO(use_future.hpp)

#include <array>
#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "catch.hpp"
#include "support/counting_allocator.hpp"
#include "support/memory_stream.hpp"
#include "support/ws_fixture.hpp"

namespace {

using namespace std::chrono_literals;
namespace net = weir::net;
using test::close_frame;
using test::events;
using test::text_frame;
using weir::error;
using weir::error_code;
using weir::ws_close_code;
using weir::ws_message;
using fixture = test::ws_fixture<>;

const weir::wait one_message{.max_messages = 1};

}  // namespace

TEST_CASE_METHOD(fixture, "WebSocket tokens: with use_future", "[io][ws][tokens]") {
    static test::allocation_count count;  // see completion_tokens.cpp
    const auto token = [] { return net::use_future.rebind(test::counting_allocator<char>{count}); };
    auto ws = make();
    auto accepted = ws.async_accept({}, 10s, token());
    wire->deliver(test::upgrade_text());
    context.settle();
    accepted.get();
    auto sent = ws.async_send("x", token());
    auto piece = ws.async_send_some("y", token());
    auto received = ws.async_receive(token());
    wire->deliver(text_frame("hello"));
    context.settle();
    sent.get();
    piece.get();
    CHECK(received.get().value().text() == "hello");
    auto closed = ws.async_close(ws_close_code::normal, {}, token());
    auto end = ws.async_receive(token());
    wire->deliver(close_frame(1000));
    wire->end();
    context.settle();
    closed.get();
    CHECK_FALSE(end.get().has_value());
    auto late = ws.async_send("x", token());
    context.settle();
    CHECK_THROWS_AS(late.get(), weir::system_error);
}

TEST_CASE_METHOD(fixture, "WebSocket tokens: an echo as a coroutine, which owns its stream", "[io][ws][tokens]") {
    run([](fixture& f) -> net::awaitable<void> {
        auto ws = f.make();
        co_await ws.async_accept(test::upgrade);
        while (auto received = co_await ws.async_receive()) co_await ws.async_send(*received);
        co_await ws.async_close();
    }(*this));
    std::string all;
    events expected;
    for (int i = 0; i != 500; ++i) {
        all += text_frame(std::to_string(i));
        expected.push_back(test::text(std::to_string(i)));
    }
    wire->deliver(all + close_frame(1000));
    context.settle();
    expected.push_back(test::closed(ws_close_code::normal));
    CHECK(said() == expected);
    wire->end();
    context.settle();
    CHECK(wire->closed);
    CHECK(failure_code() == error::closed);  // async_close() of what has been closed
}

TEST_CASE_METHOD(fixture, "WebSocket tokens: errors as values", "[io][ws][tokens]") {
    std::vector<error_code> seen;
    run([](fixture& f, std::vector<error_code>& codes) -> net::awaitable<void> {
        auto ws = f.make();
        error_code ec;
        const auto token = [&] { return net::redirect_error(net::use_awaitable, ec); };
        co_await ws.async_receive(token());
        codes.push_back(ec);
        co_await ws.async_accept(test::upgrade, {}, {}, token());
        codes.push_back(ec);
        co_await ws.async_receive(token());
        codes.push_back(ec);
        co_await ws.async_send("late", token());
        codes.push_back(ec);
        codes.push_back(co_await ws.async_closed());
    }(*this, seen));
    wire->reset();
    context.settle();
    CHECK_FALSE(failure);
    const error_code reset = net::error::connection_reset;
    CHECK(seen == std::vector<error_code>{error::not_accepted, {}, reset, reset, reset});
}

TEST_CASE("WebSocket tokens: a context that is destroyed takes its coroutines and their streams with it",
          "[io][ws][tokens]") {
    std::array<std::shared_ptr<test::wire>, 8> wires;
    {
        fixture f;
        for (std::size_t i = 0; i != wires.size(); ++i) {
            f.wire = wires[i] = std::make_shared<test::wire>();
            f.run([](fixture& on, std::size_t where) -> net::awaitable<void> {
                if (where >= 6) {
                    auto fresh = on.make();
                    if (where == 6) co_await fresh.async_accept();
                    co_await fresh.async_handshake("test", "/");
                }
                auto ws = on.open(one_message);
                if (where == 0) co_await ws.async_closed();
                if (where == 1) co_await ws.async_sleep(1h);
                if (where == 2) co_await ws.async_receive();
                on.wire->room = 0;
                ws.send("x");
                if (where == 3) co_await ws.async_drained();
                if (where == 4) co_await ws.async_send("y");
                co_await ws.async_close();
                FAIL("nothing completes");
            }(f, i));
        }
    }
    for (const auto& w : wires) CHECK(w->closed);
}

// SPDX-License-Identifier: BSL-1.0

// The asynchronous operations of a stream as futures, and awaited.

#include <weir/sse_stream.hpp>

#include WEIR_ASIO(awaitable.hpp)
#include WEIR_ASIO(io_context.hpp)
#include WEIR_ASIO(redirect_error.hpp)
#include WEIR_ASIO(use_awaitable.hpp)
#include WEIR_ASIO(use_future.hpp)

#include <array>
#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "support/counting_allocator.hpp"
#include "support/memory_stream.hpp"
#include "support/stream_fixture.hpp"

namespace {

using namespace std::chrono_literals;
namespace net = weir::net;
using weir::error;
using weir::error_code;

const weir::request_view get{.method = "GET", .target = "/events"};
const weir::wait one_message{.max_messages = 1};

}  // namespace

TEST_CASE_METHOD(test::stream_fixture, "completion tokens: with use_future", "[io][tokens]") {
    // With an allocator that is not empty: GCC 12 with -fsanitize takes an empty one, in Asio, for uninitialized. Asio
    // may free its part of a future on a thread of its own, later.
    static test::allocation_count count;
    const auto token = [] { return net::use_future.rebind(test::counting_allocator<char>{count}); };
    auto out = make();
    auto accepted = out.async_accept(get, {}, token());
    auto sent = out.async_send({.data = "x"}, token());
    auto closed = out.async_closed(token());
    context.settle();
    accepted.get();
    sent.get();
    wire->end();
    context.settle();
    CHECK(closed.get() == error::peer_closed);
    auto late = out.async_send({.data = "x"}, token());
    context.settle();
    CHECK_THROWS_AS(late.get(), weir::system_error);
}

TEST_CASE_METHOD(test::stream_fixture, "completion tokens: a coroutine may own the stream that it writes",
                 "[io][tokens]") {
    int ticks = 0;
    run([](test::stream_fixture& f, int& n) -> net::awaitable<void> {
        auto out = f.make(one_message);
        co_await out.async_accept(get);
        for (;; ++n) {
            co_await out.async_send({.event = "tick", .id = weir::event_id(static_cast<unsigned>(n)), .data = "x"});
            co_await out.async_sleep(1s);
        }
    }(*this, ticks));
    context.pass(10500ms);
    CHECK(ticks == 10);
    CHECK(wire->written.find("id: 10\n") != std::string::npos);
    wire->end();
    context.settle();
    CHECK(failure_code() == error::peer_closed);
    CHECK(wire->closed);
}

TEST_CASE_METHOD(test::stream_fixture, "completion tokens: a coroutine can have errors as values", "[io][tokens]") {
    std::vector<error_code> seen;
    run([](test::stream_fixture& f, std::vector<error_code>& codes) -> net::awaitable<void> {
        auto out = f.make();
        error_code ec;
        const auto token = [&] { return net::redirect_error(net::use_awaitable, ec); };
        co_await out.async_send({.data = "early"}, token());
        codes.push_back(ec);
        co_await out.async_accept(get, {}, token());
        codes.push_back(ec);
        co_await out.async_drained(token());
        codes.push_back(ec);
        co_await out.async_sleep(1s, token());
        codes.push_back(ec);
        codes.push_back(co_await out.async_closed());
        co_await out.async_send({.data = "late"}, token());
        codes.push_back(ec);
    }(*this, seen));
    context.pass(2s);
    wire->reset();
    context.settle();
    CHECK_FALSE(failure);
    const error_code reset = net::error::connection_reset;
    CHECK(seen == std::vector<error_code>{error::not_accepted, {}, {}, {}, reset, reset});
}

TEST_CASE("completion tokens: a context that is destroyed takes its coroutines and their streams with it",
          "[io][tokens]") {
    std::array<std::shared_ptr<test::wire>, 5> wires;
    {
        test::stream_fixture f;
        for (std::size_t i = 0; i != wires.size(); ++i) {
            f.wire = wires[i] = std::make_shared<test::wire>();
            f.run([](test::stream_fixture& on, std::size_t where) -> net::awaitable<void> {
                auto out = on.open(one_message);
                if (where == 0) co_await out.async_closed();
                if (where == 1) co_await out.async_sleep(1h);
                on.wire->room = 0;
                out.send({.data = "x"});
                if (where == 2) co_await out.async_drained();
                if (where == 3) co_await out.async_send({.data = "y"});
                out.close();
                co_await out.async_closed();
                FAIL("nothing completes");
            }(f, i));
        }
    }
    for (const auto& w : wires) CHECK(w->closed);
}

// SPDX-License-Identifier: BSL-1.0

// What a WebSocket stream receives: as messages, in pieces, by calls.

#include <weir/ws_stream.hpp>

#include WEIR_CANCELLATION(bind_cancellation_slot.hpp)
#include WEIR_CANCELLATION(cancellation_signal.hpp)
#include WEIR_ASIO(error.hpp)

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <stdexcept>
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
using test::close_frame;
using test::closed;
using test::events;
using test::text_frame;
using weir::error;
using weir::error_code;
using weir::ws_close_code;
using weir::ws_message;
using fixture = test::ws_fixture<>;
using role = weir::ws::role;

}  // namespace

// ---- receiving ----

TEST_CASE_METHOD(fixture, "ws_stream: a received message stays as it is until the next receive", "[ws_stream]") {
    auto ws = open();
    std::optional<ws_message> held;
    ws.async_receive([&](error_code, std::optional<ws_message> m) { held = m; });
    wire->deliver(text_frame("held"));
    context.settle();
    for (int i = 0; i != 100; ++i) {
        wire->deliver(text_frame(std::to_string(i)));
        context.settle();
    }
    REQUIRE(held);
    CHECK(held->text() == "held");
    CHECK(held->is_text());
    for (int i = 0; i != 100; ++i) {
        ws.async_receive(remember_message());
        context.settle();
        CHECK(message == std::to_string(i));
    }
}

TEST_CASE_METHOD(fixture, "ws_stream: one receive at a time", "[ws_stream]") {
    auto ws = open();
    std::optional<std::string> first;
    ws.async_receive([&](error_code, std::optional<ws_message> m) { first = m->text(); });
    ws.async_receive(remember_message());
    context.settle();
    CHECK(*outcome == error::already_receiving);
    wire->deliver(text_frame("x"));
    context.settle();
    CHECK(first == "x");
}

TEST_CASE_METHOD(fixture, "ws_stream: a cancelled receive loses nothing", "[ws_stream]") {
    const auto type = GENERATE(cancellation::cancellation_type::terminal, cancellation::cancellation_type::total);
    auto ws = open();
    cancellation::cancellation_signal signal;
    ws.async_receive(cancellation::bind_cancellation_slot(signal.slot(), remember_message()));
    const std::string frame = text_frame("kept");
    wire->deliver(frame.substr(0, 3));
    context.settle();
    SECTION("cancelled in the middle of the message") {
        signal.emit(type);
        context.settle();
        CHECK(*outcome == net::error::operation_aborted);
        wire->deliver(frame.substr(3));
        context.settle();
        ws.async_receive(remember_message());
    }
    SECTION("cancelled when the message is on its way to the handler") {
        wire->deliver(frame.substr(3));
        while (context.loop(), !wire->waits_to_read()) context.step();
        context.step();
        signal.emit(type);
    }
    context.settle();
    CHECK(message == "kept");
}

TEST_CASE_METHOD(fixture, "ws_stream: async_receive_some takes a message of any size as it comes", "[ws_stream]") {
    auto ws = make();
    ws.limits({.max_message_bytes = 5});
    CHECK(ws.begin(role::server) == error::none);
    std::vector<std::string> pieces;
    bool last = false;
    const auto next = [&] {
        ws.async_receive_some([&](error_code ec, std::optional<ws_message> m) {
            REQUIRE_FALSE(ec);
            pieces.emplace_back(m->text());
            last = m->last();
        });
        context.settle();
    };
    next();
    const std::string frame = text_frame("much too long");
    wire->deliver(frame.substr(0, 10));
    context.settle();
    CHECK(pieces == std::vector<std::string>{"much"});
    CHECK_FALSE(last);
    wire->deliver(frame.substr(10));
    next();
    CHECK(pieces.back() == " too long");
    CHECK(last);
    // Whole messages again.
    ws.async_receive(remember_message());
    wire->deliver(text_frame("short"));
    context.settle();
    CHECK(message == "short");
}

TEST_CASE_METHOD(fixture, "ws_stream: what is not taken makes the peer wait, and nothing is lost", "[ws_stream]") {
    auto ws = open();
    constexpr int count = 10'000;
    const std::string padding(100, '.');
    for (int i = 0; i != count; ++i) wire->deliver(text_frame(std::to_string(i) + padding));
    context.settle();
    CHECK(wire->unread() > 100'000);
    CHECK_FALSE(wire->waits_to_read());
    for (int i = 0; i != count; ++i) {
        ws.async_receive(remember_message());
        context.settle();
        REQUIRE(message == std::to_string(i) + padding);
    }
    CHECK(wire->unread() == 0);
    CHECK(wire->waits_to_read());
}

TEST_CASE_METHOD(fixture, "ws_stream: pings are answered with no receive pending", "[ws_stream]") {
    auto ws = open();
    wire->deliver(test::frame{.code = 9, .payload = "are you there?"}.from_client());
    context.settle();
    CHECK(said() == events{test::pong("are you there?")});
}

TEST_CASE_METHOD(fixture, "ws_stream: a fault of the peer's is told to both sides, and the connection ended",
                 "[ws_stream]") {
    auto ws = open();
    ws.async_closed([&](error_code, error_code why) { reason = why; });
    wire->deliver(text_frame("before") + test::frame{.payload = "unmasked"}.from_server() + text_frame("after"));
    context.settle();
    ws.async_receive(remember_message());
    context.settle();
    CHECK(message == "before");
    CHECK(wire->written.empty());
    ws.send("answer");
    ws.async_receive(remember_message());
    context.settle();
    CHECK(*outcome == error::bad_mask);
    REQUIRE(said().size() == 2);
    CHECK(said()[0] == test::text("answer"));
    CHECK(said()[1].code == ws_close_code::protocol_error);
    CHECK(wire->said_goodbye);
    CHECK_FALSE(wire->closed);
    wire->end();
    context.settle();
    CHECK(wire->closed);
    CHECK(*reason == error::bad_mask);
}

TEST_CASE_METHOD(fixture, "ws_stream: a peer that goes without a close frame is an error", "[ws_stream]") {
    auto ws = open();
    ws.async_receive(remember_message());
    SECTION("its last byte") {
        wire->end();
        context.settle();
        CHECK(*outcome == error::peer_closed);
    }
    SECTION("within a frame") {
        wire->deliver(text_frame("cut").substr(0, 7));
        wire->end();
        context.settle();
        CHECK(*outcome == error::peer_closed);
    }
    SECTION("a reset") {
        wire->reset();
        context.settle();
        CHECK(*outcome == net::error::connection_reset);
    }
    CHECK(*outcome == weir::condition::closed);
    CHECK(ws.close_reason().code == ws_close_code::abnormal);
    CHECK(wire->closed);
    ws.async_receive(remember_message());
    context.settle();
    CHECK(*outcome == weir::condition::closed);
}

// ---- the callback form ----

TEST_CASE_METHOD(fixture, "ws_stream: messages, pongs and the end are delivered by calls", "[ws_stream]") {
    auto ws = make();
    std::vector<std::string> seen;
    ws.handle_with({.on_message = [&](ws_message m) { seen.emplace_back(m.text()); },
                    .on_pong = [&](std::string_view payload) { seen.push_back("pong " + std::string{payload}); }});
    ws.on_close([&](error_code why) { seen.push_back("closed " + why.message()); });
    CHECK(ws.accept(test::upgrade, {}, text_frame("early")) == error::none);
    CHECK(seen.empty());
    context.settle();
    CHECK(seen == std::vector<std::string>{"early"});
    wire->deliver(text_frame("a") + test::frame{.code = 10, .payload = "p"}.from_client() + text_frame("b") +
                  close_frame(1000));
    context.settle();
    CHECK(seen == std::vector<std::string>{"early", "a", "pong p", "b"});
    wire->end();
    context.settle();
    CHECK(seen.back() == "closed " + error_code{}.message());
    CHECK(context.idle());
}

TEST_CASE_METHOD(fixture, "ws_stream: what is answered from within on_message leaves in one write", "[ws_stream]") {
    auto ws = open();
    context.settle();
    ws.on_message([&](ws_message m) { ws.send(m); });
    context.settle();
    std::string all;
    for (int i = 0; i != 16; ++i) all += text_frame(std::to_string(i));
    wire->deliver(all);
    context.settle();
    CHECK(wire->writes == 1);
    CHECK(said().size() == 16);
    CHECK(said().back() == test::text("15"));
}

TEST_CASE_METHOD(fixture, "ws_stream: on_drained is called when everything sent has been written, and only then",
                 "[ws_stream]") {
    auto ws = open();
    int calls = 0;
    ws.handle_with({.on_drained = [&] { ++calls; }});
    context.settle();
    const int before = calls;
    wire->room = 0;
    ws.send("x");
    context.settle();
    CHECK(calls == before);
    wire->make_room(100);
    context.settle();
    CHECK(calls == before + 1);
    // It may send, and be called again.
    ws.handle_with({.on_drained = [&] {
        if (++calls < 10) ws.send("more");
    }});
    ws.send("x");
    context.settle();
    CHECK(calls == 10);
    CHECK(context.idle() == false);
}

TEST_CASE_METHOD(fixture, "ws_stream: a message that was received is not delivered again", "[ws_stream]") {
    auto ws = open();
    wire->deliver(text_frame("1") + text_frame("2") + text_frame("3"));
    ws.async_receive(remember_message());
    context.settle();
    CHECK(message == "1");
    std::vector<std::string> seen;
    ws.on_message([&](ws_message m) { seen.emplace_back(m.text()); });
    context.settle();
    CHECK(seen == std::vector<std::string>{"2", "3"});
}

TEST_CASE_METHOD(fixture, "ws_stream: paused, messages wait; resumed, they come", "[ws_stream]") {
    auto ws = open();
    std::vector<std::string> seen;
    ws.on_message([&](ws_message m) {
        seen.emplace_back(m.text());
        if (seen.size() == 2) ws.pause();
    });
    wire->deliver(text_frame("1") + text_frame("2") + text_frame("3") + text_frame("4"));
    context.settle();
    CHECK(seen == std::vector<std::string>{"1", "2"});
    wire->deliver(text_frame("5"));
    context.settle();
    CHECK(seen.size() == 2);
    CHECK(wire->unread() != 0);
    context.pass(10min);  // a peer that is not read cannot be told dead
    ws.resume();
    CHECK(seen.size() == 2);
    context.settle();
    CHECK(seen == std::vector<std::string>{"1", "2", "3", "4", "5"});
    ws.resume();
    ws.pause();
    ws.resume();
    wire->deliver(text_frame("6"));
    context.settle();
    CHECK(seen.back() == "6");
}

TEST_CASE_METHOD(fixture, "ws_stream: a handler may destroy, close, abort, or replace itself", "[ws_stream]") {
    std::optional<decltype(open())> ws{open()};
    int calls = 0;
    const auto owned = std::make_shared<int>(1);
    std::weak_ptr<int> watched = owned;
    ws->on_message([&, keep = owned](ws_message m) {
        ++calls;
        const std::string copy{m.text()};
        if (copy == "destroy") ws.reset();
        if (copy == "close") ws->close(weir::ws_close_code{4000}, "enough");
        if (copy == "abort") ws->abort();
        if (copy == "replace") ws->on_message([&](ws_message) { calls += 100; });
        if (copy == "drop") ws->on_message({});
        if (copy == "move") {
            auto other = std::move(*ws);
            *ws = std::move(other);
        }
        CHECK(m.text() == copy);
        CHECK(*keep == 1);
    });
    const auto after = [&](const std::string& what) {
        wire->deliver(text_frame(what) + text_frame("after"));
        context.settle();
    };
    SECTION("destroy") {
        after("destroy");
        CHECK(said() == events{closed(ws_close_code::normal)});
    }
    SECTION("close") {
        after("close");
        CHECK(said() == events{closed(ws_close_code{4000}, "enough")});
    }
    SECTION("abort") {
        after("abort");
        CHECK(calls == 1);
        CHECK(wire->closed);
    }
    SECTION("replace") {
        after("replace");
        CHECK(calls == 101);
    }
    SECTION("drop") {
        after("drop");
        CHECK(calls == 1);
        ws->async_receive(remember_message());
        context.settle();
        CHECK(message == "after");
    }
    SECTION("move") {
        after("move");
        CHECK(calls == 2);
    }
    wire->deliver(close_frame(1000));
    wire->end();
    context.settle();
    CHECK(wire->closed);
    ws.reset();
    CHECK(context.idle());
    CHECK(watched.use_count() == 1);  // the handlers have gone with the session
}

TEST_CASE_METHOD(fixture, "ws_stream: an exception that leaves a handler ends the session, and goes to the executor",
                 "[ws_stream]") {
    auto ws = open();
    ws.on_close([&](error_code why) { reason = why; });
    SECTION("on_message") {
        ws.on_message([](ws_message) { throw std::runtime_error{"no"}; });
        wire->deliver(text_frame("x") + text_frame("y"));
    }
    SECTION("on_message, of what came before it") {
        wire->deliver(text_frame("x"));
        context.settle();
        ws.on_message([](ws_message) { throw std::runtime_error{"no"}; });
    }
    SECTION("on_pong") {
        ws.handle_with({.on_pong = [](std::string_view) { throw std::runtime_error{"no"}; }});
        wire->deliver(test::frame{.code = 10}.from_client());
    }
    SECTION("on_drained") {
        ws.handle_with({.on_drained = [] { throw std::runtime_error{"no"}; }});
        ws.send("x");
    }
    CHECK_THROWS_AS(context.settle(), std::runtime_error);
    context.settle();
    CHECK(wire->closed);
    CHECK(*reason == error::closed);
    CHECK(context.idle());
}

TEST_CASE_METHOD(fixture, "ws_stream: handlers that own the stream go with the session", "[ws_stream]") {
    auto ws = std::make_shared<decltype(open())>(open());
    std::weak_ptr watched = ws;
    ws->handle_with({.on_message = [ws](ws_message m) { ws->send(m); }, .on_drained = [ws] {}});
    ws->on_close([ws](error_code) {});
    ws.reset();
    wire->deliver(text_frame("x"));
    context.settle();
    CHECK(said() == events{test::text("x")});
    CHECK_FALSE(watched.expired());
    wire->deliver(close_frame(1000));
    wire->end();
    context.settle();
    CHECK(watched.expired());
    CHECK(context.idle());
}

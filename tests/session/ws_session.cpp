// SPDX-License-Identifier: BSL-1.0

#include <weir/session/ws_session.hpp>

#include <weir/config.hpp>
#include <weir/error.hpp>
#include <weir/policy/heartbeat.hpp>
#include <weir/policy/stall.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <deque>
#include <functional>
#include <initializer_list>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "support/errc.hpp"
#include "support/fake_websocket.hpp"

using namespace std::literals;
using test::ended_well;
using test::fake_websocket;
using test::message_of;
using test::opcode;
using test::operation;
using test::phase;
using test::role;
using weir::error;
using weir::ws::close_code;
using weir::ws::message_view;

namespace {

constexpr weir::no_heartbeat silence;
const auto reset_by_peer = test::code_of(std::errc::connection_reset);

/// What a client sends, in one string.
std::string client_sends(std::initializer_list<std::string_view> texts) {
    std::string wire;
    for (const auto t : texts) wire += test::text(role::client, t);
    return wire;
}

/// A session whose peer has taken one byte of a message, and nothing since.
template <class Session>
void block(Session& s) {
    s.line.room = 1;
    REQUIRE(s.send("xx", {}) == error::none);
    s.settle();
    REQUIRE(s.stats().blocked);
}

}  // namespace

// ---- receiving ----

TEST_CASE("ws session: a message completes the receive that waits", "[session][ws]") {
    fake_websocket s{silence};
    s.opened();
    const auto first = s.receive();
    CHECK_FALSE(first->done);
    s.get("\x81\x85\x11\x22\x33\x44\x79\x47\x5f\x28\x7e"sv);  // FIN text, masked, "hello"
    CHECK(message_of(first) == "hello");
    CHECK(first->received->is_text());
    CHECK(first->received->last());
    const auto second = s.receive();
    s.get("\x82\x82\x11\x22\x33\x44\x11\xdd"sv);  // FIN binary, masked, 00 ff
    CHECK(message_of(second) == "\0\xff"sv);
    CHECK(second->received->is_binary());
}

TEST_CASE("ws session: messages that nobody waits for are kept, in order", "[session][ws]") {
    fake_websocket s{silence};
    s.opened();
    s.get(client_sends({"one", "two"}));
    s.get_text("three");
    for (const auto t : {"one", "two", "three"}) CHECK(message_of(s.receive()) == t);
    CHECK_FALSE(s.receive()->done);
}

TEST_CASE("ws session: bytes may come in any pieces", "[session][ws]") {
    const std::string wire = client_sends({"one", "", "three"}) + test::frame(role::client, opcode::text, "fo", false) +
                             test::frame(role::client, opcode::ping, "p") +
                             test::frame(role::client, opcode::continuation, "ur");
    for (std::size_t size = 1; size <= wire.size(); ++size) {
        fake_websocket s{silence};
        s.opened();
        for (std::size_t at = 0; at < wire.size(); at += size) s.get(std::string_view{wire}.substr(at, size));
        for (const auto t : {"one", "", "three", "four"}) CHECK(message_of(s.receive()) == t);
        CHECK(s.output() == "pong(p)");
    }
}

TEST_CASE("ws session: one receive at a time", "[session][ws]") {
    fake_websocket s{silence};
    CHECK(s.receive()->failed_with(error::not_accepted));
    s.opened();
    const auto first = s.receive(), second = s.receive();
    CHECK(second->failed_with(error::already_receiving));
    CHECK_FALSE(first->done);
    s.get_text("x");
    CHECK(message_of(first) == "x");
    CHECK_FALSE(s.receive()->done);
}

TEST_CASE("ws session: a cancelled receive loses no message", "[session][ws]") {
    fake_websocket s{silence};
    s.opened();
    const auto first = s.receive();
    s.cancel(first);
    CHECK(first->ec == test::code_of(std::errc::operation_canceled));
    s.get_text("x");
    CHECK(message_of(s.receive()) == "x");
    s.get_text("y");
    const auto second = s.receive();
    s.cancel(second);  // too late is no harm
    CHECK(message_of(second) == "y");
}

TEST_CASE("ws session: a message is valid until the next receive, whatever comes meanwhile", "[session][ws]") {
    // Short ones live within the object that holds them, so that moving it would move them.
    const std::string payload = GENERATE("hi"s, std::string(100, 'h'));
    fake_websocket s{silence};
    s.opened();
    const auto first = s.receive();
    s.get_text(payload);
    for (int i = 0; i != 200; ++i) s.get_text("message " + std::to_string(i));
    s.settle();
    CHECK(message_of(first) == payload);
    const auto second = s.receive();
    CHECK(message_of(second) == "message 0");
    s.get_close();
    s.terminate(error::closed);
    s.settle();
    CHECK(message_of(second) == "message 0");
}

TEST_CASE("ws session: what was taken is forgotten, although there is always something more", "[session][ws]") {
    // Memory that grew with every message received would make this test take a gigabyte.
    fake_websocket s{silence};
    s.opened();
    s.get_text("first");
    const std::string wire = test::text(role::client, std::string(1000, 'x'));
    for (int i = 0; i != 200'000; ++i) {
        s.get(wire);
        REQUIRE(s.receive()->succeeded());
    }
}

TEST_CASE("ws session: messages in pieces are received as they come", "[session][ws]") {
    fake_websocket s{silence};
    s.opened();
    const auto one = s.receive_some();
    s.get_frame(opcode::text, "ab", false);
    CHECK(message_of(one) == "ab");
    CHECK_FALSE(one->received->last());
    s.get_frame(opcode::continuation, "cd", false);
    s.get_frame(opcode::continuation, "ef", true);
    CHECK(message_of(s.receive_some()) == "cd");
    const auto last = s.receive_some();
    CHECK(message_of(last) == "ef");
    CHECK(last->received->last());
}

TEST_CASE("ws session: what is left of a message that was received in pieces is no message", "[session][ws]") {
    fake_websocket s{silence};
    s.opened();
    s.receive_some();
    s.get_frame(opcode::text, "ab", false);
    SECTION("it comes before the receive") {
        s.get_frame(opcode::continuation, "cd", true);
        s.get_text("whole");
        CHECK(message_of(s.receive()) == "whole");
    }
    SECTION("it comes after the receive") {
        const auto whole = s.receive();
        s.get_frame(opcode::continuation, "cd", true);
        CHECK_FALSE(whole->done);
        s.get_text("whole");
        CHECK(message_of(whole) == "whole");
    }
    SECTION("a handler does not get it, either") {
        std::vector<std::string> got;
        s.get_frame(opcode::continuation, "cd", false);
        s.handle_with({.on_message = [&](message_view m) { got.emplace_back(m.text()); }});
        s.settle();
        s.get_frame(opcode::continuation, "ef", true);
        s.get_frame(opcode::text, "who", false);
        s.get_frame(opcode::continuation, "le", true);
        CHECK(got == std::vector{"whole"s});
    }
}

TEST_CASE("ws session: how a message is received is decided when it is asked for", "[session][ws]") {
    fake_websocket s{silence};
    s.opened();
    SECTION("headers whole, bodies in pieces, all there at once") {
        std::string wire;
        for (int i = 0; i != 3; ++i) {
            wire += test::text(role::client, "header") + test::frame(role::client, opcode::text, "bo", false) +
                    test::frame(role::client, opcode::continuation, "dy");
        }
        const auto first = s.receive();
        s.get(wire);
        for (int i = 0; i != 3; ++i) {
            CHECK(message_of(i == 0 ? first : s.receive()) == "header");
            std::string body;
            for (bool last = false; !last;) {
                const auto piece = s.receive_some();
                body += message_of(piece);
                last = piece->received->last();
            }
            CHECK(body == "body");
        }
        CHECK_FALSE(s.receive()->done);
    }
    SECTION("one that has come whole is one piece, and says nothing about the next") {
        s.get_text("one");
        CHECK(message_of(s.receive_some()) == "one");
        s.get_frame(opcode::text, "tw", false);
        const auto two = s.receive();
        s.get_frame(opcode::continuation, "o", true);
        CHECK(message_of(two) == "two");
    }
    SECTION("one larger than allowed comes in pieces, if it is asked for so") {
        s.get_text("one");
        s.receive_some();
        const std::string large(2'000'000, 'x');
        const std::string wire = test::text(role::client, large);
        std::string got;
        s.get(std::string_view{wire}.substr(0, 1'000'000));
        got += message_of(s.receive_some());
        const auto rest = s.receive_some();
        s.get(std::string_view{wire}.substr(1'000'000));
        got += message_of(rest);
        CHECK(rest->received->last());
        CHECK(got == large);
    }
}

TEST_CASE("ws session: what came with the handshake is received, after the turn", "[session][ws]") {
    fake_websocket s{silence};
    s.begin(weir::ws::connection{role::server, s.options, s.at}, "(101)",
            client_sends({"early", "bird"}).substr(0, 15));
    const auto first = s.receive();
    s.get(client_sends({"early", "bird"}).substr(15));
    s.settle();
    CHECK(s.line.output == "(101)");
    CHECK(message_of(first) == "early");
    CHECK(message_of(s.receive()) == "bird");
    CHECK(s.reading);
}

// ---- what observers are told ----

TEST_CASE("ws session: what comes is observed, message by message and to the byte", "[session][ws][observer]") {
    fake_websocket s{silence};
    s.opened();
    const std::string wire = client_sends({"one", "two", ""}) + test::frame(role::client, opcode::ping, "p");
    s.get(wire);
    CHECK(s.seen.messages_received == 3);
    CHECK(s.seen.bytes_received == wire.size());
    SECTION("in any pieces") {
        for (const char c : wire) s.get({&c, 1});
        CHECK(s.seen.messages_received == 6);
        CHECK(s.seen.bytes_received == 2 * wire.size());
    }
    SECTION("a message of several frames is one, whether it is received in pieces or not") {
        const bool pieces = GENERATE(false, true);
        for (int i = 0; i != 3; ++i) s.receive();
        const auto next = pieces ? s.receive_some() : s.receive();
        s.get_frame(opcode::text, "ab", false);
        CHECK(s.seen.messages_received == 3);
        s.get_frame(opcode::continuation, "cd", true);
        CHECK(s.seen.messages_received == 4);
        CHECK(next->done);
    }
}

TEST_CASE("ws session: what was read and waits is observed when it is looked at, and once", "[session][ws][observer]") {
    fake_websocket s{silence};
    s.opened();
    s.pause(true);
    const std::string wire = client_sends({"one", "two"});
    s.get(std::string_view{wire}.substr(0, 12));
    s.get(std::string_view{wire}.substr(12));
    CHECK(s.seen.bytes_received == 0);
    s.pause(false);
    s.settle();
    CHECK(s.seen.messages_received == 2);
    CHECK(s.seen.bytes_received == wire.size());
}

TEST_CASE("ws session: a message is observed before the application, which may end the session",
          "[session][ws][observer]") {
    fake_websocket s{silence};
    s.opened();
    std::size_t seen = 0;
    s.handle_with({.on_message = [&](message_view) {
        seen = s.seen.messages_received;
        s.terminate(error::closed);
    }});
    s.settle();
    s.get(client_sends({"one", "two"}));
    CHECK(seen == 1);
    CHECK(s.seen.messages_received == 1);
    CHECK(s.seen.bytes_received == client_sends({"one"}).size());
    CHECK(s.seen.closed.size() == 1);
}

// ---- backpressure on the peer ----

TEST_CASE("ws session: reading pauses while too much waits, and goes on", "[session][ws]") {
    fake_websocket s{silence};
    s.opened();
    int sent = 0;
    std::size_t most = 0;
    SECTION("in messages") {
        most = 256;
        while (s.reading && sent != 1000) s.get_text(std::to_string(sent++));
    }
    SECTION("in bytes") {
        most = 66;
        while (s.reading && sent != 1000) s.get_text(std::to_string(sent++) + std::string(1000, ' '));
    }
    CHECK(static_cast<std::size_t>(sent) <= most);
    CHECK(static_cast<std::size_t>(sent) >= most - 1);
    // What had been read already waits behind them.
    const std::string more = test::text(role::client, "late") + test::frame(role::client, opcode::ping, "p");
    for (const char c : more) s.get({&c, 1});
    CHECK_FALSE(s.reading);
    CHECK(s.output().empty());
    for (int i = 0; i != sent; ++i) {
        const auto next = s.receive();
        REQUIRE(message_of(next).substr(0, std::to_string(i).size()) == std::to_string(i));
    }
    CHECK(s.reading);
    CHECK(message_of(s.receive()) == "late");
    s.settle();
    CHECK(s.output() == "pong(p)");
}

TEST_CASE("ws session: a message of any size is received, and those behind it wait", "[session][ws]") {
    fake_websocket s{silence};
    s.opened();
    const std::string large(500'000, 'x');
    s.get(test::text(role::client, large) + client_sends({"a", "b"}));
    CHECK_FALSE(s.reading);
    CHECK(message_of(s.receive()) == large);
    CHECK(message_of(s.receive()) == "a");
    CHECK(message_of(s.receive()) == "b");
    CHECK(s.reading);
}

TEST_CASE("ws session: pause makes the peer wait, resume goes on where it was", "[session][ws]") {
    fake_websocket s{silence};
    s.opened();
    s.get_text("one");
    s.pause(true);
    s.pause(true);
    CHECK_FALSE(s.reading);
    s.get(client_sends({"two", "three"}));  // had been read already
    CHECK(message_of(s.receive()) == "one");
    const auto two = s.receive();
    CHECK_FALSE(two->done);
    s.pause(false);
    s.pause(false);
    s.settle();
    CHECK(message_of(two) == "two");
    CHECK(s.reading);
    CHECK(message_of(s.receive()) == "three");
}

TEST_CASE("ws session: pause before the beginning", "[session][ws]") {
    fake_websocket s{silence};
    s.pause(true);
    s.reading = true;  // as a stream begins
    s.opened();
    s.get_text("one");
    CHECK_FALSE(s.reading);
    const auto one = s.receive();
    CHECK_FALSE(one->done);
    s.pause(false);
    s.settle();
    CHECK(message_of(one) == "one");
    CHECK(s.reading);
}

// ---- handlers ----

namespace {

/// Remembers what a session calls.
struct listener {
    std::vector<std::string> got{};
    std::function<void(std::string_view)> then{};

    weir::detail::ws_handlers handlers() {
        return {.on_message = [this](message_view m) { hear(m.text()); },
                .on_pong = [this](std::string_view payload) { hear("pong " + std::string{payload}); },
                .on_drained = [this] { hear("drained"); }};
    }
    weir::detail::ws_handlers messages() {
        return {.on_message = [this](message_view m) { hear(m.text()); }};
    }
    void hear(std::string_view what) {
        got.emplace_back(what);
        if (then) then(got.back());
    }
};

using words = std::vector<std::string>;

}  // namespace

TEST_CASE("ws session: handlers are called as things happen", "[session][ws][handlers]") {
    fake_websocket s{silence};
    listener app;
    s.handle_with(app.handlers());
    s.opened();
    s.get_text("one");
    s.get(test::frame(role::client, opcode::pong, "p") + client_sends({"two"}));
    CHECK(app.got == words{"one", "pong p", "two"});
}

TEST_CASE("ws session: messages that came before their handler go to it at the end of the turn",
          "[session][ws][handlers]") {
    fake_websocket s{silence};
    s.opened();
    s.get(client_sends({"one", "two"}));
    listener app;
    s.handle_with(app.messages());
    CHECK(app.got.empty());  // never from within
    s.get_text("three");     // before the turn ends: still in order
    s.settle();
    CHECK(app.got == words{"one", "two", "three"});
    s.get_text("four");
    CHECK(app.got.back() == "four");
}

TEST_CASE("ws session: what was received otherwise does not go to a handler, too", "[session][ws][handlers]") {
    fake_websocket s{silence};
    s.opened();
    const auto one = s.receive();
    s.get(client_sends({"one", "two"}));
    REQUIRE(one->done);
    listener app;
    s.handle_with(app.messages());
    CHECK(message_of(one) == "one");  // until the turn ends
    s.settle();
    CHECK(app.got == words{"two"});
    s.get_text("three");
    CHECK(app.got == words{"two", "three"});
}

TEST_CASE("ws session: a handler may replace itself", "[session][ws][handlers]") {
    fake_websocket s{silence};
    s.opened();
    listener second;
    auto state = std::make_shared<std::string>("alive");
    const std::weak_ptr<std::string> watch = state;
    words first;
    const bool before = GENERATE(false, true);
    if (before) s.get(client_sends({"one", "two"}));
    s.handle_with({.on_message = [&s, &second, &first, state = std::move(state)](message_view m) {
        s.handle_with(second.messages());
        first.push_back(*state + " " + std::string{m.text()});  // the closure is still there
    }});
    if (!before) s.get(client_sends({"one", "two"}));
    s.settle();
    CHECK(first == words{"alive one"});
    CHECK(second.got == words{"two"});
    CHECK(watch.expired());
}

TEST_CASE("ws session: a handler may take itself away, and messages wait again", "[session][ws][handlers]") {
    fake_websocket s{silence};
    s.opened();
    listener app{.then = [&](std::string_view) { s.handle_with({}); }};
    s.handle_with(app.messages());
    s.get(client_sends({"one", "two"}));
    s.settle();
    CHECK(app.got == words{"one"});
    CHECK(message_of(s.receive()) == "two");
}

TEST_CASE("ws session: a handler may pause", "[session][ws][handlers]") {
    fake_websocket s{silence};
    s.opened();
    listener app{.then = [&](std::string_view) { s.pause(true); }};
    const bool before = GENERATE(false, true);
    if (before) s.get(client_sends({"one", "two", "three"}));
    s.handle_with(app.messages());
    if (!before) s.get(client_sends({"one", "two", "three"}));
    s.settle();
    CHECK(app.got == words{"one"});
    CHECK_FALSE(s.reading);
    s.pause(false);
    s.settle();
    CHECK(app.got == words{"one", "two"});
    s.pause(false);
    s.settle();
    CHECK(app.got == words{"one", "two", "three"});
    s.pause(false);
    s.settle();
    CHECK(s.reading);
}

TEST_CASE("ws session: a handler may end the session", "[session][ws][handlers]") {
    fake_websocket s{silence};
    s.opened();
    listener app{.then = [&](std::string_view) { s.terminate(error::closed); }};
    const bool before = GENERATE(false, true);
    if (before) s.get(client_sends({"one", "two"}));
    s.handle_with(app.handlers());
    if (!before) {
        s.get(client_sends({"one", "two"}) + test::frame(role::client, opcode::ping, "p") +
              test::close(role::client, close_code::normal));
    }
    s.settle();
    CHECK(app.got == words{"one"});
    CHECK(s.state() == phase::closed);
    CHECK(s.line.closed == 1);
    CHECK(s.line.output.empty());
    CHECK_FALSE(s.handlers().on_message);
}

TEST_CASE("ws session: a handler may close in good order", "[session][ws][handlers]") {
    fake_websocket s{silence};
    s.opened();
    listener app{.then = [&](std::string_view text) {
        CHECK(s.send("answer", {}) == (text == "one" ? error::none : error::closed));
        s.start_close(close_code::going_away, "bye");
    }};
    s.handle_with(app.messages());
    s.get(client_sends({"one", "two"}));
    s.settle();
    CHECK(s.output() == "text(answer) close(1001 bye)");
    CHECK(app.got == words{"one", "two"});  // what the peer had sent before it knew
    s.get_close(close_code::going_away);
    CHECK(s.line.send_shut);
}

TEST_CASE("ws session: handlers are destroyed when the session has ended, not while they run",
          "[session][ws][handlers]") {
    auto state = std::make_shared<int>(7);
    const std::weak_ptr<int> watch = state;
    fake_websocket s{silence};
    s.opened();
    int seen = 0;
    s.handle_with({.on_message = [&, state = std::move(state)](message_view) {
        s.terminate(error::closed);
        seen = *state;
    }});
    s.settle();
    CHECK_FALSE(watch.expired());
    s.get_text("x");
    CHECK(seen == 7);
    CHECK_FALSE(watch.expired());
    s.settle();
    CHECK(watch.expired());
    s.handle_with({.on_message = [](message_view) {}});  // comes late, changes nothing
    CHECK_FALSE(s.handlers().on_message);
    CHECK_FALSE(s.turn_end_wanted);
}

TEST_CASE("ws session: an exception that leaves a handler ends the session, and goes on", "[session][ws][handlers]") {
    fake_websocket s{silence};
    s.opened();
    const auto end = s.ended();
    const auto fail = [](auto&&...) { throw std::runtime_error{"no"}; };
    SECTION("from on_message, while bytes come") {
        s.handle_with({.on_message = fail});
        CHECK_THROWS_AS(s.get(client_sends({"one", "two"})), std::runtime_error);
    }
    SECTION("from on_message, at the end of a turn") {
        s.get_text("one");
        s.handle_with({.on_message = fail});
        CHECK_THROWS_AS(s.settle(), std::runtime_error);
    }
    SECTION("from on_pong") {
        s.handle_with({.on_pong = fail});
        CHECK_THROWS_AS(s.get_frame(opcode::pong), std::runtime_error);
    }
    SECTION("from on_drained") {
        s.handle_with({.on_drained = fail});
        s.send("x", {});
        CHECK_THROWS_AS(s.settle(), std::runtime_error);
    }
    CHECK(s.state() == phase::closed);
    CHECK(end->reason == error::closed);
    s.settle();
    CHECK(s.line.closed == 1);
}

TEST_CASE("ws session: on_drained is called once whenever what was sent has been written", "[session][ws][handlers]") {
    fake_websocket s{silence};
    listener app;
    s.handle_with(app.handlers());
    s.opened();
    s.settle();
    CHECK(app.got == words{});
    SECTION("in one turn") {
        s.send("one", {});
        s.send("two", {});
        CHECK(app.got == words{});
        s.settle();
    }
    SECTION("once a reader takes it") {
        block(s);
        s.send("one", {});
        s.settle();
        CHECK(app.got == words{});
        s.unblock();
        CHECK(app.got == words{});  // never from within
        s.settle();
    }
    SECTION("written from where it is") {
        s.send(std::string(100'000, 'x'), {});
        CHECK(app.got == words{});
        s.settle();
    }
    SECTION("waiting in the transport's own buffer") {
        s.line.buffered = 100'000;
        s.send(std::string(50'000, 'x'), {});
        s.settle();
        CHECK(app.got == words{});
        s.deliver();
        s.settle();
    }
    SECTION("in pieces") {
        s.async_send_some("a", false);
        s.settle();
    }
    CHECK(app.got == words{"drained"});
    s.settle();
    s.get_frame(opcode::ping);  // answered, which the application need not know
    s.settle();
    CHECK(app.got == words{"drained"});
    CHECK_FALSE(s.turn_end_wanted);
}

TEST_CASE("ws session: on_drained may send more", "[session][ws][handlers]") {
    fake_websocket s{silence};
    s.opened();
    int left = 3;
    s.handle_with({.on_drained = [&] {
        if (left-- > 0) s.send(std::to_string(left), {});
    }});
    s.send("go", {});
    s.settle();
    CHECK(s.output() == "text(go) text(2) text(1) text(0)");
    CHECK(left == -1);
}

TEST_CASE("ws session: nothing is called once the session has ended", "[session][ws][handlers]") {
    fake_websocket s{silence};
    s.opened();
    listener app{.then = [&](std::string_view) { s.terminate(error::closed); }};
    s.get_text("one");
    s.send("x", {});
    s.settle();
    s.handle_with(app.handlers());
    s.send("y", {});
    s.settle();  // written, and "one" called for: both are due
    CHECK(app.got == words{"one"});
}

// ---- what is answered in one turn leaves in one write ----

namespace {

/// An event loop: what is posted runs in order. The application echoes, one message after the other.
template <class Session>
struct echo_loop {
    Session& s;
    std::deque<std::function<void()>> posted{};
    std::size_t turns = 0;
    bool taking = true;

    explicit echo_loop(Session& session) : s(session) {
        s.on_schedule = [this] {
            posted.emplace_back([this] {
                ++turns;
                s.end_turn();
            });
        };
    }
    void receive() {
        s.receive([this](const test::completion& c) {
            if (c.ec || !c.received) return;
            posted.emplace_back([this, m = *c.received] {
                s.send(m, {});
                if (taking) receive();
            });
        });
    }
    void run() {
        for (int steps = 0; !posted.empty(); ++steps) {
            REQUIRE(steps < 100'000);
            const auto next = std::move(posted.front());
            posted.pop_front();
            next();
        }
    }
};

}  // namespace

TEST_CASE("ws session: the answers to what came at once leave in few writes", "[session][ws]") {
    fake_websocket s{silence};
    s.opened();
    echo_loop app{s};
    app.receive();
    std::string sent, expected;
    for (int i = 0; i != 16; ++i) {
        sent += test::text(role::client, std::to_string(i));
        expected += (i == 0 ? "text(" : " text(") + std::to_string(i) + ")";
    }
    s.get(sent);
    app.run();
    CHECK(s.output() == expected);
    CHECK(s.line.writes.size() <= 3);
}

TEST_CASE("ws session: an application that stops taking messages keeps no answer back", "[session][ws]") {
    fake_websocket s{silence};
    s.opened();
    echo_loop app{s};
    app.receive();
    SECTION("after the first") { app.taking = false; }
    SECTION("after some") {
        s.on_taken = [](auto) {};
        app.posted.emplace_back(
            [&] { app.posted.emplace_back([&] { app.posted.emplace_back([&] { app.taking = false; }); }); });
    }
    s.get(client_sends({"1", "2", "3", "4", "5", "6", "7", "8"}));
    app.run();
    CHECK(s.output().starts_with("text(1)"));
    CHECK(app.turns < 10);
    // Neither what it sends later.
    s.line.output.clear();
    const std::size_t turns = app.turns;
    for (int i = 0; i != 10; ++i) {
        s.send("more", {});
        app.run();
    }
    CHECK(s.line.output.size() == 10 * 6);
    CHECK(app.turns - turns <= 11);
}

TEST_CASE("ws session: no answer is kept back while messages keep coming", "[session][ws]") {
    // Two steps forward, one step back: what waits is never the same in two turns.
    fake_websocket s{silence};
    s.opened();
    s.get(client_sends({"1", "2", "3", "4", "5", "6"}));
    REQUIRE(s.receive()->succeeded());
    std::size_t longest = 0, turns = 0;
    for (int i = 0; i != 500; ++i) {
        REQUIRE(s.receive()->succeeded());
        s.send("answer", {});
        if (i % 2 == 0) s.get(client_sends({"a", "b"}));
        const std::size_t before = s.line.writes.size();
        s.end_turn();
        turns = s.line.writes.size() == before ? turns + 1 : 0;
        longest = std::max(longest, turns);
    }
    CHECK(longest <= 8);
}

// ---- the peer closes ----

TEST_CASE("ws session: RFC 6455 5.5.1: a close frame is answered with its code", "[session][ws][rfc6455-5.5.1]") {
    fake_websocket s{silence};
    s.opened();
    const auto next = s.receive(), end = s.ended();
    s.get("\x88\x85\x11\x22\x33\x44\x12\xca\x51\x3d\x74"sv);  // 1000 "bye"
    CHECK(s.output() == "close(1000)");
    CHECK(ended_well(next));
    CHECK(s.peer_reason().code == close_code::normal);
    CHECK(s.peer_reason().text == "bye");
    // "the server MUST close the underlying TCP connection immediately" §7.1.1
    CHECK(s.line.send_shut);
    CHECK_FALSE(end->done);
    s.on_peer_closed();
    CHECK(end->succeeded());
    CHECK_FALSE(end->reason);
    CHECK(ended_well(s.receive()));
    CHECK(s.peer_reason().text == "bye");
}

TEST_CASE("ws session: RFC 6455 7.1.1: a client waits for the server to close", "[session][ws][rfc6455-7.1.1]") {
    fake_websocket s{silence};
    s.opened(role::client);
    const auto end = s.ended();
    s.get("\x88\x02\x03\xe8"sv);
    CHECK(s.output() == "close(1000)");
    CHECK_FALSE(s.line.send_shut);
    SECTION("which it does") { s.on_peer_closed(); }
    SECTION("but not for ever") {
        s.advance(5s - 1ms);
        CHECK_FALSE(end->done);
        s.advance(1ms);
    }
    CHECK(s.line.closed == 1);
    CHECK(end->succeeded());
    CHECK_FALSE(end->reason);
}

TEST_CASE("ws session: before the end that the peer announces, the application answers what came before it",
          "[session][ws]") {
    fake_websocket s{silence};
    s.opened();
    const auto one = s.receive();
    s.get(client_sends({"one", "two"}) + test::close(role::client, close_code::normal));
    s.settle();
    CHECK(s.line.output.empty());
    CHECK(s.state() == phase::open);
    CHECK(s.send(*one->received, {}) == error::none);
    const auto two = s.receive();
    CHECK(message_of(two) == "two");
    s.settle();
    CHECK(s.output() == "text(one)");
    CHECK(s.send(*two->received, {}) == error::none);
    CHECK(ended_well(s.receive()));
    CHECK(s.send("late", {}) == error::closed);
    s.settle();
    CHECK(s.output() == "text(one) text(two) close(1000)");
    CHECK(s.line.send_shut);
}

TEST_CASE("ws session: a handler has dealt with what it was called with", "[session][ws][handlers]") {
    fake_websocket s{silence};
    s.opened();
    const bool before = GENERATE(false, true);
    const std::string wire = client_sends({"one", "two"}) + test::close(role::client, close_code::normal);
    if (before) s.get(wire);
    listener app{.then = [&](std::string_view text) { s.send(text, {}); }};
    s.handle_with(app.messages());
    if (!before) s.get(wire);
    s.settle();
    CHECK(s.output() == "text(one) text(two) close(1000)");
    CHECK(s.line.send_shut);
}

TEST_CASE("ws session: the peer's end waits 5 s for the application, no longer", "[session][ws]") {
    fake_websocket s{silence};
    s.opened();
    s.get(client_sends({"one", "two"}) + test::close(role::client, close_code::normal));
    bool taken = false;
    SECTION("nobody receives") {}
    SECTION("the application looks at the first one") { taken = s.receive()->done; }
    SECTION("it is paused") { s.pause(true); }
    s.advance(5s - 1ms);
    CHECK(s.output().empty());
    CHECK(s.state() == phase::open);
    s.advance(1ms);
    CHECK(s.output() == "close(1000)");
    CHECK(s.line.send_shut);
    // What came before the end is still there.
    if (!taken) CHECK(message_of(s.receive()) == "one");
    CHECK(message_of(s.receive()) == "two");
    CHECK(ended_well(s.receive()));
    s.on_peer_closed();
    CHECK(ended_well(s.receive()));
    CHECK_FALSE(s.end_reason());
}

TEST_CASE("ws session: after the peer's close frame everything is ignored", "[session][ws][rfc6455-1.4]") {
    fake_websocket s{silence};
    s.opened();
    s.get_text("one");
    s.get_close();
    s.get_text("two");
    s.get_frame(opcode::ping, "p");
    s.get("\xff\xff\xff");
    CHECK(message_of(s.receive()) == "one");
    CHECK(ended_well(s.receive()));
    s.get_text("three");
    s.settle();
    CHECK(s.output() == "close(1000)");
    CHECK(ended_well(s.receive()));
    CHECK_FALSE(s.end_reason());
}

TEST_CASE("ws session: RFC 6455 7.1.5: a close frame without a code, and none at all", "[session][ws][rfc6455-7.1.5]") {
    fake_websocket s{silence};
    s.opened();
    CHECK(s.peer_reason().code == close_code::abnormal);
    SECTION("without a code") {
        s.get("\x88\x80\x11\x22\x33\x44"sv);
        s.settle();
        CHECK(s.line.output == "\x88\x00"sv);
        CHECK(s.peer_reason().code == close_code::no_status);
    }
    SECTION("none") {
        const auto next = s.receive();
        s.on_peer_closed();
        CHECK(s.peer_reason().code == close_code::abnormal);
        CHECK(next->failed_with(error::peer_closed));
        CHECK(s.receive()->failed_with(error::peer_closed));
    }
}

TEST_CASE("ws session: the peer is not asked for life once it has closed", "[session][ws][heartbeat]") {
    fake_websocket s{weir::ping_every{500ms, 500ms}};
    s.opened();
    s.get(client_sends({"one"}) + test::close(role::client, close_code::normal));
    s.advance(5s);
    CHECK(s.output() == "close(1000)");
    CHECK_FALSE(s.end_reason());
}

// ---- the peer breaks the protocol ----

namespace {

struct fault {
    std::string bytes;
    error reason;
    std::string_view farewell;
};

fault some_fault(int which) {
    switch (which) {
        case 0: return {"\x81\x01x", error::bad_mask, "close(1002 frame masked by a server or not masked by a client)"};
        case 1: return {test::text(role::client, "\xff"), error::bad_utf8, "close(1007 text is not UTF-8)"};
        default:
            return {"\x81\xff\x00\x00\x00\x00\x10\x00\x00\x00"s + "\x11\x22\x33\x44", error::message_too_large,
                    "close(1009 message too large)"};
    }
}

}  // namespace

TEST_CASE("ws session: RFC 6455 7.1.7: a fault is told, and the connection closed", "[session][ws][rfc6455-7.1.7]") {
    const fault f = some_fault(GENERATE(0, 1, 2));
    const bool peer_closes = GENERATE(false, true);
    CAPTURE(f.farewell, peer_closes);
    fake_websocket s{silence};
    s.opened();
    const auto end = s.ended();
    SECTION("at once, if nothing waits") {
        const auto next = s.receive();
        s.get(f.bytes);
        CHECK(next->failed_with(f.reason));
        CHECK(s.output() == f.farewell);
    }
    SECTION("after the application has dealt with what came before") {
        s.get_text("one");
        s.get(f.bytes);
        CHECK(s.output().empty());
        CHECK(s.send(message_of(s.receive()), {}) == error::none);
        CHECK(s.receive()->failed_with(f.reason));
        s.settle();
        CHECK(s.output() == "text(one) " + std::string{f.farewell});
    }
    SECTION("after 5 s") {
        s.get_text("one");
        s.get(f.bytes);
        s.advance(5s);
        CHECK(s.output() == f.farewell);
        CHECK(message_of(s.receive()) == "one");
        CHECK(s.receive()->failed_with(f.reason));
    }
    CHECK(s.line.send_shut);
    s.get_text("two");  // nobody listens any more
    CHECK(s.receive()->failed_with(f.reason));
    if (peer_closes) {
        s.on_peer_closed();
    } else {
        s.advance(5s);
    }
    CHECK(end->succeeded());
    CHECK(end->reason == f.reason);
    CHECK(s.line.closed == 1);
}

TEST_CASE("ws session: a fault stays the reason, whatever happens before it is told", "[session][ws]") {
    fake_websocket s{silence};
    s.opened();
    const auto end = s.ended();
    s.get_text("one");
    s.get("\x81\x01x");
    SECTION("the application closes") {
        s.close(error::none);
        s.settle();
        CHECK(s.output() == "close(1002 frame masked by a server or not masked by a client)");
        s.on_peer_closed();
    }
    SECTION("the peer leaves") { s.on_peer_closed(); }
    SECTION("nobody does anything") { s.advance(10s); }
    CHECK(end->reason == error::bad_mask);
    CHECK(message_of(s.receive()) == "one");
    CHECK(s.receive()->failed_with(error::bad_mask));
}

TEST_CASE("ws session: a fault after our close frame is the reason, and ends the waiting", "[session][ws]") {
    fake_websocket s{silence};
    s.opened();
    const auto end = s.async_close();
    s.settle();
    CHECK_FALSE(s.line.send_shut);
    s.get("\x81\x01x");
    CHECK(s.line.send_shut);
    CHECK(s.output() == "close(1000)");
    s.on_peer_closed();
    CHECK(end->failed_with(error::bad_mask));
}

// ---- this side closes ----

TEST_CASE("ws session: what was sent is written, then a close frame, then the peer answers", "[session][ws]") {
    const role self = GENERATE(role::server, role::client);
    fake_websocket s{silence};
    s.opened(self);
    const auto next = s.receive();
    s.send("one", {});
    const auto end = s.async_close(close_code{4000}, "done");
    CHECK(s.send("two", {}) == error::closed);
    CHECK(s.ping({}) == error::closed);
    CHECK(s.start_close(close_code::normal, {}) == error::closed);
    s.settle();
    CHECK(s.output() == "text(one) close(4000 done)");
    CHECK(s.state() == phase::lingering);
    CHECK_FALSE(s.line.send_shut);  // the peer's close frame comes first
    CHECK_FALSE(next->done);
    s.advance(4s);
    s.get_close(close_code{4000});
    CHECK(ended_well(next));
    CHECK(s.line.send_shut == (self == role::server));
    CHECK_FALSE(end->done);
    s.on_peer_closed();
    CHECK(end->succeeded());
    CHECK(s.seen.closed == std::vector{make_error_code(error::none)});
    CHECK(s.closing()->succeeded());
}

TEST_CASE("ws session: close codes that may not be sent are the caller's fault", "[session][ws][rfc6455-7.4]") {
    fake_websocket s{silence};
    CHECK(s.start_close(close_code::normal, {}) == error::not_accepted);
    s.opened();
    CHECK(s.start_close(close_code::abnormal, {}) == error::bad_argument);
    CHECK(s.start_close(close_code{999}, {}) == error::bad_argument);
    CHECK(s.state() == phase::open);
    CHECK(s.start_close(close_code::no_status, {}) == error::none);
    s.settle();
    CHECK(s.line.output == "\x88\x00"sv);
}

TEST_CASE("ws session: a peer that does not answer a close frame is waited for 5 s", "[session][ws]") {
    fake_websocket s{silence};
    s.opened(GENERATE(role::server, role::client));
    const auto next = s.receive(), end = s.async_close();
    s.settle();
    s.advance(5s - 1ms);
    CHECK_FALSE(end->done);
    s.advance(1ms);
    CHECK(end->failed_with(error::close_timed_out));
    CHECK(next->failed_with(error::close_timed_out));
    CHECK(s.line.closed == 1);
}

TEST_CASE("ws session: a server whose peer has answered waits for it to close, 5 s at most", "[session][ws]") {
    fake_websocket s{silence};
    s.opened();
    const auto end = s.async_close();
    s.settle();
    s.advance(4s);
    s.get_close();
    CHECK(s.line.send_shut);
    s.advance(5s);
    CHECK(end->succeeded());
    CHECK_FALSE(s.end_reason());
}

TEST_CASE("ws session: both sides close at once", "[session][ws][rfc6455-7.1.1]") {
    const role self = GENERATE(role::server, role::client);
    fake_websocket s{silence};
    s.opened(self);
    const auto end = s.async_close(close_code{4001});
    SECTION("before ours is written") {
        s.get_close(close_code{4002});
        s.settle();
    }
    SECTION("after ours is written") {
        s.settle();
        s.get_close(close_code{4002});
    }
    CHECK(s.output() == "close(4001)");
    CHECK(s.peer_reason().code == close_code{4002});
    CHECK(s.line.send_shut == (self == role::server));
    s.settle();
    s.on_peer_closed();
    CHECK(end->succeeded());
}

TEST_CASE("ws session: close while blocked: the close frame comes last, and the peer is waited for from then on",
          "[session][ws]") {
    fake_websocket s{silence};
    s.opened();
    block(s);
    s.send("more", {});
    const auto end = s.async_close();
    s.settle();
    s.advance(20s);
    CHECK_FALSE(end->done);
    s.unblock();
    CHECK(s.output() == "text(xx) text(more) close(1000)");
    s.advance(5s - 1ms);
    CHECK_FALSE(end->done);
    SECTION("it answers") {
        s.get_close();
        s.on_peer_closed();
        CHECK(end->succeeded());
    }
    SECTION("it does not") {
        s.advance(1ms);
        CHECK(end->failed_with(error::close_timed_out));
    }
}

TEST_CASE("ws session: the peer's answer is heard although it was made to wait", "[session][ws]") {
    fake_websocket s{silence};
    s.opened();
    const bool blocked = GENERATE(false, true);
    if (blocked) block(s);
    bool full = false;
    SECTION("because the application had paused") {
        s.pause(true);
        s.get_text("one");
    }
    SECTION("because there was too much") {
        full = true;
        while (s.reading) s.get_text("message");
        s.get_text("one more");
    }
    REQUIRE_FALSE(s.reading);
    const auto end = s.async_close();
    s.settle();
    CHECK(s.reading);
    s.get_close();
    if (blocked) s.unblock();
    s.settle();
    CHECK(s.line.send_shut);
    s.on_peer_closed();
    CHECK(end->succeeded());
    if (full) CHECK(message_of(s.receive()) == "message");
}

TEST_CASE("ws session: close does not wait for the application to take what it has received", "[session][ws]") {
    const bool at_once = GENERATE(false, true);
    fake_websocket s{silence};
    s.opened();
    SECTION("it looks at a message") {
        s.get_text("one");
        s.receive();
    }
    SECTION("messages wait") { s.get(client_sends({"one", "two"})); }
    const auto end = s.async_close();
    if (!at_once) s.settle();
    s.get_close();
    s.settle();
    CHECK(s.line.send_shut);
    s.on_peer_closed();
    CHECK(end->succeeded());
}

TEST_CASE("ws session: the application may close after the peer has, before it has dealt with everything",
          "[session][ws]") {
    fake_websocket s{silence};
    s.opened();
    s.get(client_sends({"one", "two"}) + test::close(role::client, close_code{4002}));
    REQUIRE(s.receive()->done);
    const auto end = s.async_close(close_code{4001});
    s.settle();
    CHECK(s.output() == "close(4001)");
    CHECK(s.line.send_shut);
    CHECK(message_of(s.receive()) == "two");
    CHECK(ended_well(s.receive()));
    s.advance(1s);
    s.on_peer_closed();
    CHECK(end->succeeded());
}

TEST_CASE("ws session: messages that come while it closes are received by who receives", "[session][ws]") {
    fake_websocket s{silence};
    s.opened();
    SECTION("one after the other") {
        const auto one = s.receive();
        s.async_close();
        s.get(client_sends({"one", "two", "three"}) + test::close(role::client, close_code::normal));
        CHECK(message_of(one) == "one");
        CHECK(message_of(s.receive()) == "two");
        CHECK(message_of(s.receive()) == "three");
        CHECK(ended_well(s.receive()));
    }
    SECTION("nobody receives") {
        s.async_close();
        s.get(client_sends({"one", "two"}));
        const auto next = s.receive();
        CHECK_FALSE(next->done);
        s.get_close();
        CHECK(ended_well(next));
    }
    SECTION("all of them, and the peer waits meanwhile") {
        const auto one = s.receive();
        s.async_close();
        for (int i = 0; i != 1'000; ++i) s.get_text(std::to_string(i));
        CHECK_FALSE(s.reading);
        CHECK(message_of(one) == "0");
        for (int i = 1; i != 1'000; ++i) REQUIRE(message_of(s.receive()) == std::to_string(i));
        const auto next = s.receive();
        CHECK(s.reading);
        s.get_close();
        CHECK(ended_well(next));
    }
    SECTION("who stops receiving does not keep the peer's close frame waiting") {
        s.async_close();
        for (int i = 0; i != 1'000; ++i) s.get_text(std::to_string(i));
        CHECK(s.reading);
        s.get_close();
    }
    s.settle();
    CHECK(s.line.send_shut);
}

TEST_CASE("ws session: expiring tells the peer that this side goes away", "[session][ws]") {
    fake_websocket s{silence};
    s.opened();
    const auto next = s.receive(), end = s.ended();
    s.expire_at(s.at + 1min);
    s.advance(1min);
    CHECK(s.output() == "close(1001)");
    s.get_close(close_code::going_away);
    CHECK(next->failed_with(error::expired));
    s.on_peer_closed();
    CHECK(end->reason == error::expired);
}

TEST_CASE("ws session: close while a message is being sent in pieces", "[session][ws]") {
    fake_websocket s{silence};
    s.opened();
    CHECK(s.async_send_some("a", false)->succeeded());
    const auto whole = s.async_send("whole");
    CHECK_FALSE(whole->done);
    const auto end = s.async_close();
    CHECK(whole->failed_with(error::closed));
    CHECK(s.async_send_some("b", true)->failed_with(error::closed));
    s.settle();
    CHECK(s.output() == "text-(a) close(1000)");
    s.get_close();
    s.on_peer_closed();
    CHECK(end->succeeded());
}

// ---- the end of the connection ----

TEST_CASE("ws session: a connection that ends without a close frame", "[session][ws]") {
    fake_websocket s{silence};
    s.opened(GENERATE(role::server, role::client));
    const auto end = s.ended();
    SECTION("while open") {
        const auto next = s.receive();
        s.on_peer_closed();
        CHECK(next->failed_with(error::peer_closed));
    }
    SECTION("within a message") {
        const auto next = s.receive();
        s.get_frame(opcode::text, "ab", false);
        s.on_peer_closed();
        CHECK(next->failed_with(error::peer_closed));
    }
    SECTION("while closing") {
        block(s);
        const auto closed = s.async_close();
        s.settle();
        s.on_peer_closed();
        CHECK(closed->failed_with(error::peer_closed));
    }
    SECTION("while the answer is awaited") {
        const auto closed = s.async_close();
        s.settle();
        s.on_peer_closed();
        CHECK(closed->failed_with(error::peer_closed));
    }
    CHECK(end->reason == error::peer_closed);
    CHECK(s.line.closed == 1);
    CHECK(s.timer == weir::never);
}

TEST_CASE("ws session: a connection that ends after the peer's close frame has ended well", "[session][ws]") {
    fake_websocket s{silence};
    s.opened(GENERATE(role::server, role::client));
    const auto end = s.ended();
    SECTION("before ours") {
        s.get_text("one");
        s.get_close();
        s.on_peer_closed();
        CHECK(message_of(s.receive()) == "one");
    }
    SECTION("before ours can be written") {
        block(s);
        s.get_close();
        s.on_peer_closed();
    }
    SECTION("after ours") {
        s.get_close();
        s.on_peer_closed();
    }
    CHECK(ended_well(s.receive()));
    CHECK(end->succeeded());
    CHECK_FALSE(end->reason);
}

TEST_CASE("ws session: receive after the end yields what came before, then the reason", "[session][ws]") {
    fake_websocket s{silence};
    s.opened();
    s.get(client_sends({"one", "two", "three"}));
    CHECK(message_of(s.receive()) == "one");
    weir::error_code reason;
    SECTION("a broken connection") { s.terminate(reason = reset_by_peer); }
    SECTION("the peer is gone") { s.on_peer_closed(), reason = make_error_code(error::peer_closed); }
    SECTION("aborted") { s.terminate(reason = make_error_code(error::closed)); }
    CHECK(message_of(s.receive()) == "two");
    CHECK(message_of(s.receive()) == "three");
    for (int i = 0; i != 3; ++i) CHECK(s.receive()->ec == reason);
}

TEST_CASE("ws session: a refused handshake is closed at once", "[session][ws]") {
    fake_websocket s{silence};
    const auto end = s.ended();
    s.refuse("403 no", error::origin_refused);
    s.settle();
    CHECK(s.line.output == "403 no");
    CHECK(s.line.send_shut);
    s.get("GET / HTTP/1.1");  // nobody reads it
    s.on_peer_closed();
    CHECK(s.receive()->failed_with(error::origin_refused));
    CHECK(end->reason == error::origin_refused);
}

TEST_CASE("ws session: pending operations of a session that is destroyed are destroyed", "[session][ws]") {
    operation next, end;
    {
        fake_websocket s{silence};
        s.opened();
        next = s.receive(), end = s.closing();
    }
    CHECK(next->destroyed);
    CHECK(end->destroyed);
}

TEST_CASE("ws session: what comes after the end changes nothing", "[session][ws]") {
    fake_websocket s{silence};
    s.opened();
    s.get_text("one");
    s.terminate(error::closed);
    s.get_text("two");
    s.get_close();
    s.pause(true);
    s.pause(false);
    s.on_turn_end();
    s.on_timer();
    s.on_writable();
    s.on_peer_closed();
    CHECK(s.line.output.empty());
    CHECK_FALSE(s.turn_end_wanted);
    CHECK(message_of(s.receive()) == "one");
    CHECK(s.receive()->failed_with(error::closed));
}

// ---- pings ----

TEST_CASE("ws session: RFC 6455 5.5.2: a ping is answered by a pong with the same payload",
          "[session][ws][rfc6455-5.5.2]") {
    fake_websocket s{silence};
    s.opened();
    s.get("\x89\x82\x11\x22\x33\x44\x79\x4b"sv);  // masked, "hi"
    CHECK(s.line.output == "\x8a\x02hi"sv);
    CHECK_FALSE(s.turn_end_wanted);  // without another turn
}

TEST_CASE("ws session: pings are answered before what waits", "[session][ws]") {
    fake_websocket s{silence};
    s.opened();
    SECTION("while blocked, behind the message that is on the wire in part") {
        block(s);
        s.send("more", {});
        s.get_frame(opcode::ping, "p");
        s.unblock();
        CHECK(s.output() == "text(xx) pong(p) text(more)");
    }
    SECTION("but not before the head of the handshake") {
        fake_websocket fresh{silence};
        fresh.opened_with("HEAD");
        fresh.ping("p");
        fresh.settle();
        CHECK(fresh.line.output.starts_with("HEAD"));
        CHECK(fresh.line.output.size() > 4);
    }
    SECTION("within a message that is sent in pieces") {
        s.async_send_some("a", false);
        s.settle();
        s.get_frame(opcode::ping, "p");
        s.async_send_some("b", true);
        s.settle();
        CHECK(s.output() == "text-(a) pong(p) more(b)");
    }
    SECTION("not once closing") {
        s.async_close();
        s.get_frame(opcode::ping, "p");
        s.settle();
        s.get_frame(opcode::ping, "q");
        s.settle();
        CHECK(s.output() == "close(1000)");
    }
}

TEST_CASE("ws session: pings that the application is too slow for do not pile up", "[session][ws]") {
    fake_websocket s{silence};
    s.opened();
    s.options.max_pongs_per_second = 0;
    block(s);
    for (int i = 0; i != 10'000; ++i) s.get_frame(opcode::ping, std::string(100, 'p'));
    CHECK(s.stats().queued_bytes < 2000);
    s.unblock();
    s.get_frame(opcode::ping, "now");
    CHECK(s.output().ends_with("pong(now)"));
}

TEST_CASE("ws session: a flood of pings is answered 100 times a second, and the newest one", "[session][ws]") {
    fake_websocket s{silence};
    s.opened();
    for (int i = 0; i != 500; ++i) s.get_frame(opcode::ping, std::to_string(i));
    const std::string first = s.output();
    CHECK(first.ends_with("pong(98) pong(99)"));
    s.advance(999ms);
    CHECK(s.output() == first);
    s.advance(1ms);
    CHECK(s.output() == first + " pong(499)");
}

// ---- heartbeats ----

TEST_CASE("ws session: a silent peer is pinged, and given up", "[session][ws][heartbeat]") {
    fake_websocket s{};  // the default
    s.opened();
    const auto next = s.receive();
    s.advance(30s - 1ms);
    CHECK(s.line.output.empty());
    s.advance(1ms);
    CHECK(s.line.output == "\x89\x00"sv);
    CHECK(s.seen.heartbeats == 1);
    SECTION("it answers") {
        s.advance(9s);
        s.get_frame(opcode::pong);
        s.advance(30s);
        CHECK(s.output() == "ping() ping()");
        CHECK(s.state() == phase::open);
    }
    SECTION("it says anything else") {
        s.get("\x81");
        s.advance(20s);
        CHECK(s.state() == phase::open);
    }
    SECTION("it does not answer") {
        s.advance(10s - 1ms);
        CHECK(s.state() == phase::open);
        s.advance(1ms);
        CHECK(next->failed_with(error::unresponsive));
        CHECK(s.output() == "ping()");
    }
}

TEST_CASE("ws session: a peer that the application makes wait is not given up", "[session][ws][heartbeat]") {
    fake_websocket s{weir::ping_every{30s, 10s}};
    s.opened();
    SECTION("paused") { s.pause(true); }
    SECTION("full, with more behind") {
        while (s.reading) s.get_text("message");
        s.get_text("one more");
    }
    SECTION("just full") {
        while (s.reading) s.get_text("message");
    }
    REQUIRE_FALSE(s.reading);
    s.advance(1h + 5s);
    CHECK(s.state() == phase::open);
    CHECK(s.seen.heartbeats >= 100);
    // Its answers are behind what it sent: it has the whole patience from now on.
    s.pause(false);
    s.receive();
    s.receive();
    s.settle();
    CHECK(s.reading);
    s.ring();
    CHECK(s.state() == phase::open);
    s.advance(29s);
    CHECK(s.state() == phase::open);
    s.advance(20s);
    CHECK(s.end_reason() == error::unresponsive);
}

TEST_CASE("ws session: more pings are no reason to wait longer", "[session][ws][heartbeat]") {
    fake_websocket s{weir::ping_every{30s, 10s}};
    s.opened();
    const bool excused = GENERATE(false, true);
    if (excused) {
        s.pause(true);
        s.advance(45s);
        s.pause(false);
        s.settle();
    }
    int seconds = 0;
    for (; s.state() == phase::open && seconds != 100; ++seconds) {
        if (!excused) s.ping("is anybody there?");
        s.settle();
        s.advance(1s);
    }
    CHECK(s.end_reason() == error::unresponsive);
    CHECK(seconds <= 40);
    CHECK(s.seen.heartbeats <= 2);
}

TEST_CASE("ws session: a ping that can't be written is no reason to give up the peer", "[session][ws][heartbeat]") {
    fake_websocket s{weir::ping_every{30s, 10s}, weir::stall_after{0s}};
    s.opened();
    block(s);
    s.advance(1h);
    CHECK(s.state() == phase::open);
    CHECK(s.stats().queued_bytes < 100);
}

TEST_CASE("ws session: pings of the application's own", "[session][ws]") {
    fake_websocket s{silence};
    CHECK(s.ping({}) == error::not_accepted);
    s.opened();
    listener app;
    s.handle_with(app.handlers());
    CHECK(s.ping(std::string(126, 'x')) == error::bad_argument);
    CHECK(s.ping("p") == error::none);
    s.settle();
    CHECK(s.output() == "ping(p)");
    s.get_frame(opcode::pong, "p");
    CHECK(app.got == words{"pong p"});
    block(s);
    while (s.ping(std::string(100, 'x')) == error::none) REQUIRE(s.stats().queued_bytes < 2000);
    CHECK(s.ping({}) == error::refused);  // enough of them wait
    s.unblock();
    CHECK(s.ping({}) == error::none);
}

TEST_CASE("ws session: whether messages wait is known, after the end, too", "[session][ws]") {
    fake_websocket s{silence};
    s.opened();
    CHECK_FALSE(s.messages_waiting());
    s.get(client_sends({"one", "two"}));
    CHECK(s.messages_waiting());
    CHECK(message_of(s.receive()) == "one");
    s.terminate(error::closed);
    s.settle();
    CHECK(s.messages_waiting());
    CHECK(message_of(s.receive()) == "two");
    CHECK_FALSE(s.messages_waiting());
}

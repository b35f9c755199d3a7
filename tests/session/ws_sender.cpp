// SPDX-License-Identifier: BSL-1.0

#include <weir/session/ws_sender.hpp>

#include <weir/error.hpp>
#include <weir/policy/backpressure.hpp>
#include <weir/policy/heartbeat.hpp>
#include <weir/policy/stall.hpp>
#include <weir/ws/prepared_message.hpp>

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "catch.hpp"
#include "support/errc.hpp"
#include "support/fake_websocket.hpp"

using namespace std::literals;
using test::chaining_codec;
using test::fake_websocket;
using test::opcode;
using test::operation;
using test::phase;
using test::role;
using weir::admission;
using weir::error;
using weir::outbox_facts;
using weir::ws::message_view;

namespace {

constexpr weir::no_heartbeat silence;
const auto reset_by_peer = test::code_of(std::errc::connection_reset);

std::string many(std::size_t size, char c = 'x') { return std::string(size, c); }

/// The transport takes no more.
template <class Session>
void block(Session& s, std::string_view with = "xx") {
    s.line.room = 1;
    REQUIRE(s.send(with, {}) == error::none);
    s.settle();
    REQUIRE(s.stats().blocked);
}

template <class Session>
void unblock(Session& s) {
    s.unblock();
    s.settle();
}

}  // namespace

// ---- messages ----

TEST_CASE("ws sender: messages are frames", "[session][ws][rfc6455-5.6]") {
    fake_websocket s{silence};
    CHECK(s.send("early", {}) == error::not_accepted);
    s.opened();
    CHECK(s.send("hi", {}) == error::none);
    CHECK(s.send(message_view::binary("\x00\xff"sv), {}) == error::none);
    CHECK(s.async_send("")->succeeded());
    CHECK(s.line.writes.empty());
    s.settle();
    CHECK(s.line.output == "\x81\x02hi\x82\x02\x00\xff\x81\x00"sv);
    CHECK(s.line.writes.size() == 1);
    CHECK(s.stats().messages_sent == 3);
}

TEST_CASE("ws sender: RFC 6455 5.3: a client masks what it sends", "[session][ws][rfc6455-5.3]") {
    fake_websocket s{silence};
    s.opened(role::client);
    s.send("hi", {});
    s.settle();
    CHECK(s.line.output == "\x81\x82\x11\x22\x33\x44\x79\x4b"sv);
    const std::string large = many(100'000);
    s.send(large, {});  // masked, it can't be written from where it is
    s.settle();
    CHECK(test::in_words(std::string_view{s.line.output}.substr(8), role::client) == "text(" + large + ")");
}

TEST_CASE("ws sender: a message prepared for many is sent as it is, where that is right", "[session][ws]") {
    const weir::ws::prepared_message message{"hello"};
    fake_websocket s{silence};
    SECTION("to a client, uncompressed") {
        s.opened();
        s.send(message, {});
        s.settle();
        CHECK(s.line.output == message.wire());
    }
    SECTION("to a client, compressed") {
        s.opened(role::server, std::make_unique<chaining_codec>());
        s.send(message, {});
        s.settle();
        CHECK(s.output() == "text*([<hello])");
    }
    SECTION("to a server") {
        s.opened(role::client);
        s.send(message, {});
        s.settle();
        CHECK(s.output() == "text(hello)");
    }
}

// ---- policies ----

TEST_CASE("ws sender: policies are told the size on the wire", "[session][ws][policy]") {
    const role self = GENERATE(role::server, role::client);
    const std::size_t mask = self == role::client ? 4 : 0;
    std::vector<outbox_facts> asked;
    bool wait = false;
    fake_websocket s{[&](const outbox_facts& f) noexcept {
                         if (f.reviewing()) return admission::accept;
                         asked.push_back(f);
                         return wait ? admission::wait : admission::accept;
                     },
                     silence};
    s.opened(self);
    s.send("x", {});
    s.send("", {});
    s.send(many(200), {});
    s.send(many(100'000), {});
    REQUIRE(asked.size() == 4);
    CHECK(asked[0].incoming_bytes == 3 + mask);
    CHECK(asked[1].incoming_bytes == 2 + mask);
    CHECK(asked[2].incoming_bytes == 204 + mask);
    CHECK(asked[2].bytes == 5 + 2 * mask);
    CHECK(asked[2].messages == 2);
    CHECK(asked[3].incoming_bytes == 100'010 + mask);
    s.settle();
    // Those that wait are as large as the others, and never nothing: that would be a review.
    asked.clear();
    wait = true;
    const auto empty = s.async_send(""), piece = s.async_send_some("", false);
    CHECK_FALSE(empty->done);
    s.cancel(empty);
    s.settle();
    CHECK_FALSE(piece->done);
    CHECK(asked.size() >= 3);
    for (const auto& facts : asked) CHECK(facts.incoming_bytes == 2 + mask);
}

TEST_CASE("ws sender: what a full outbox means is the policy's decision", "[session][ws][policy]") {
    SECTION("refuse") {
        fake_websocket s{weir::refuse{.max_messages = 2}, silence};
        s.opened();
        block(s);
        CHECK(s.send("1", {}) == error::none);
        CHECK(s.send("2", {}) == error::refused);
        CHECK(s.async_send("3")->failed_with(error::refused));
        unblock(s);
        CHECK(s.output() == "text(xx) text(1)");
    }
    SECTION("wait") {
        fake_websocket s{weir::wait{.max_messages = 2}, silence};
        s.opened();
        block(s);
        CHECK(s.async_send("1")->succeeded());
        const auto two = s.async_send("2"), three = s.async_send(message_view::binary("3"));
        CHECK(s.send("4", {}) == error::refused);
        CHECK_FALSE(two->done);
        unblock(s);
        CHECK(two->succeeded());
        CHECK(three->succeeded());
        CHECK(s.output() == "text(xx) text(1) text(2) binary(3)");
    }
    SECTION("drop_oldest") {
        fake_websocket s{weir::drop_oldest{.max_messages = 3}, silence};
        s.opened();
        block(s);
        for (const auto t : {"1", "2", "3", "4"}) CHECK(s.send(t, {}) == error::none);
        CHECK(s.stats().dropped.oldest == 2);
        unblock(s);
        CHECK(s.output() == "text(xx) text(3) text(4)");
    }
    SECTION("drop_newest") {
        fake_websocket s{weir::drop_newest{.max_messages = 2}, silence};
        s.opened();
        block(s);
        CHECK(s.send("1", {}) == error::none);
        CHECK(s.send("2", {}) == error::dropped);
        CHECK(s.async_send("3")->failed_with(error::dropped));
        CHECK(s.stats().dropped.newest == 2);
        unblock(s);
        CHECK(s.output() == "text(xx) text(1)");
    }
    SECTION("keep_latest") {
        fake_websocket s{weir::keep_latest{}, silence};
        s.opened();
        block(s);
        s.send("a1", "a");
        s.send("b1", "b");
        s.send("a2", "a");
        CHECK(s.async_send("b2", "b")->succeeded());
        CHECK(s.stats().dropped.replaced == 2);
        unblock(s);
        CHECK(s.output() == "text(xx) text(a2) text(b2)");
    }
    SECTION("close_slow") {
        fake_websocket s{weir::close_slow{.max_messages = 2}, silence};
        s.opened();
        block(s);
        CHECK(s.send("1", {}) == error::none);
        CHECK(s.send("2", {}) == error::slow_reader);
        CHECK(s.end_reason() == error::slow_reader);
    }
}

TEST_CASE("ws sender: heartbeats and answers are not what makes an outbox full", "[session][ws][policy]") {
    fake_websocket s{weir::refuse{.max_bytes = 8}, silence};
    s.opened();
    s.line.room = 0;
    s.get_frame(opcode::ping, many(100));
    CHECK(s.send("one", {}) == error::none);
    CHECK(s.send("two", {}) == error::refused);
}

// ---- large messages, written from where they are ----

TEST_CASE("ws sender: a large message is written at once, and not copied", "[session][ws][in_place]") {
    const std::string large = many(16 * 1024);
    fake_websocket s{silence};
    s.opened();
    s.send("before", {});
    s.send(large, {});
    CHECK(s.output() == "text(before) text(" + large + ")");
    CHECK(s.line.writes.size() == 2);
    CHECK(s.stats().messages_sent == 2);
    CHECK(s.stats().bytes_sent == s.line.output.size());
    CHECK(s.outbox().empty());
    s.settle();
    CHECK(s.line.writes.size() == 2);
}

TEST_CASE("ws sender: what the transport does not take of a large message stays in order", "[session][ws][in_place]") {
    const std::string large = many(16 * 1024);
    const std::string wire = test::text(role::server, "before") + test::text(role::server, large);
    const std::string ping = test::frame(role::server, opcode::ping, "p");
    const std::string after = test::text(role::server, "after");
    for (std::size_t room = 0; room <= wire.size() + 1; ++room) {
        CAPTURE(room);
        fake_websocket s{weir::drop_oldest{.max_messages = 2}, silence};
        s.opened();
        s.line.room = room;
        s.send("before", {});
        REQUIRE(s.send(large, {}) == error::none);
        REQUIRE(s.ping("p") == error::none);
        REQUIRE(s.send("after", {}) == error::none);
        s.settle();
        s.take(room % 7 + 1);
        unblock(s);
        // Of three messages two fit; what is on the wire in part is one of them, and nobody overtakes within it.
        std::string expected;
        if (room < 8) {
            expected = room == 0 ? ping + wire.substr(8) + after : wire.substr(0, 8) + ping + after;
        } else if (room == 8) {
            expected = wire.substr(0, 8) + ping + wire.substr(8) + after;
        } else {
            expected = wire + ping + after;
        }
        REQUIRE(s.line.output == expected);
        REQUIRE(s.stats().messages_sent + s.stats().dropped.total() == 3);
        REQUIRE(s.stats().bytes_sent == expected.size());
    }
}

TEST_CASE("ws sender: what is left of a large message is in the queue that is observed", "[session][ws][in_place]") {
    fake_websocket s{silence};
    s.opened();
    s.line.room = 1000;
    s.send(many(16 * 1024), {});
    REQUIRE(s.seen.blocked.size() == 1);
    CHECK(s.seen.blocked[0].queued_messages == 1);
    CHECK(s.seen.blocked[0].queued_bytes == 16 * 1024 + 4 - 1000);
}

TEST_CASE("ws sender: a large message in part on the wire is not replaced, and counts for close_slow",
          "[session][ws][in_place]") {
    const std::string large = many(16 * 1024);
    SECTION("keep_latest") {
        fake_websocket s{weir::keep_latest{}, silence};
        s.opened();
        s.line.room = 1000;
        s.send(large, "k");
        s.send(many(16 * 1024, 'y'), "k");
        s.send("latest", "k");
        CHECK(s.stats().dropped.replaced == 1);
        unblock(s);
        CHECK(s.output() == "text(" + large + ") text(latest)");
    }
    SECTION("close_slow") {
        fake_websocket s{weir::close_slow{.max_bytes = 20'000}, silence};
        s.opened();
        s.line.room = 1000;
        CHECK(s.send(large, {}) == error::none);
        CHECK(s.stats().queued_messages == 1);
        CHECK(s.stats().queued_bytes == 16 * 1024 + 4 - 1000);
        CHECK(s.send(large, {}) == error::slow_reader);
        CHECK(s.stats().dropped.unsent == 1);
    }
}

TEST_CASE("ws sender: whoever waits until everything is written waits for large messages, too",
          "[session][ws][in_place]") {
    const std::string large = many(50'000);
    SECTION("taken at once") {
        fake_websocket s{silence};
        s.opened();
        s.send("small", {});
        const auto all = s.drained();
        s.send(large, {});
        s.settle();
        CHECK(all->succeeded());
    }
    SECTION("waiting for room") {
        fake_websocket s{weir::wait{.max_messages = 1}, silence};
        s.opened();
        block(s);
        const auto send = s.async_send(large), all = s.drained();
        s.take(100);  // of those, 97 are for the large one
        CHECK(send->succeeded());
        CHECK_FALSE(all->done);
        unblock(s);
        CHECK(all->succeeded());
    }
    SECTION("behind a small one, both waiting for room") {
        fake_websocket s{weir::wait{.max_bytes = 60'000}, silence};
        s.opened();
        block(s, many(59'000));
        const auto small = s.async_send(many(2000)), send = s.async_send(large), all = s.drained();
        s.take(60'000);
        s.settle();
        CHECK(small->succeeded());
        CHECK_FALSE(all->done);
        unblock(s);
        CHECK(send->succeeded());
        CHECK(all->succeeded());
    }
    SECTION("in a transport with a buffer of its own") {
        fake_websocket s{silence};
        s.line.buffered = 60'000;
        s.opened();
        s.send(large, {});
        s.send(large, {});
        const auto all = s.drained();
        s.settle();
        CHECK_FALSE(all->done);
        CHECK(s.stats().queued_bytes == 100'008);
        s.deliver();
        s.settle();
        CHECK_FALSE(all->done);
        s.deliver();
        s.settle();
        CHECK(all->succeeded());
        CHECK(s.output() == "text(" + large + ") text(" + large + ")");
    }
}

TEST_CASE("ws sender: a large message that finds the transport broken was not sent", "[session][ws][in_place]") {
    fake_websocket s{silence};
    s.opened();
    s.line.failure = reset_by_peer;
    const bool async = GENERATE(false, true);
    if (async) {
        CHECK(s.async_send(many(20'000))->failed_with(error::closed));
    } else {
        CHECK(s.send(many(20'000), {}) == error::closed);
    }
    CHECK(s.end_reason() == reset_by_peer);
    CHECK(s.stats().dropped.total() == 0);
}

TEST_CASE("ws sender: a large message that waited for room and finds the transport broken", "[session][ws][in_place]") {
    fake_websocket s{weir::wait{.max_messages = 1}, silence};
    s.opened();
    block(s);
    const auto send = s.async_send(many(20'000));
    s.take(3);  // to the end of the one before
    CHECK(send->succeeded());
    const auto next = s.async_send(many(20'000));
    s.line.failure = reset_by_peer;
    s.unblock();
    CHECK(next->ec == reset_by_peer);
}

TEST_CASE("ws sender: a reader that takes nothing of a large message is given up in time", "[session][ws][in_place]") {
    fake_websocket s{silence};
    s.opened();
    s.advance(1h);
    s.line.room = GENERATE(std::size_t{0}, std::size_t{1000});
    s.send(many(20'000), {});
    s.settle();
    s.advance(30s - 1ms);
    CHECK(s.state() == phase::open);
    s.advance(1ms);
    CHECK(s.end_reason() == error::stalled);
}

// ---- messages in pieces ----

TEST_CASE("ws sender: RFC 6455 5.4: a message in pieces", "[session][ws][rfc6455-5.4]") {
    fake_websocket s{silence};
    s.opened();
    CHECK(s.async_send_some("a", false)->succeeded());
    CHECK(s.async_send_some("b", false)->succeeded());
    CHECK(s.async_send_some("", true)->succeeded());
    s.settle();
    CHECK(s.line.output ==
          "\x01\x01"
          "a\x00\x01"
          "b\x80\x00"sv);
    CHECK(s.stats().messages_sent == 1);
    CHECK(s.async_send_some("whole", true)->succeeded());
    s.settle();
    CHECK(s.output() == "text-(a) more-(b) more() text(whole)");
}

TEST_CASE("ws sender: while a message is sent in pieces, other messages wait and pings do not", "[session][ws]") {
    fake_websocket s{silence};
    s.opened();
    s.async_send_some("a", false);
    CHECK(s.send("no", {}) == error::refused);
    const auto whole = s.async_send("whole"), all = s.drained();
    s.ping("p");
    s.settle();
    CHECK(s.output() == "ping(p) text-(a)");
    CHECK_FALSE(whole->done);
    s.async_send_some("b", false);
    s.ping("q");
    s.settle();
    CHECK_FALSE(all->done);
    s.async_send_some("c", true);
    s.settle();
    CHECK(whole->succeeded());
    CHECK(all->succeeded());
    CHECK(s.output() == "ping(p) text-(a) ping(q) more-(b) more(c) text(whole)");
}

TEST_CASE("ws sender: one piece at a time", "[session][ws]") {
    fake_websocket s{weir::wait{.max_bytes = 10}, silence};
    s.opened();
    block(s, "xxxxxxxx");
    const auto first = s.async_send_some("first", false);
    CHECK_FALSE(first->done);
    CHECK(s.async_send_some("second", false)->failed_with(error::already_sending));
    const auto whole = s.async_send("whole");
    SECTION("then the next") {
        unblock(s);
        CHECK(first->succeeded());
        CHECK_FALSE(whole->done);
        CHECK(s.async_send_some("second", true)->succeeded());
        s.settle();
        CHECK(whole->succeeded());
        CHECK(s.output() == "text(xxxxxxxx) text-(first) more(second) text(whole)");
    }
    SECTION("cancelled, it was never begun") {
        s.cancel(first);
        unblock(s);
        CHECK(whole->succeeded());
        CHECK(s.output() == "text(xxxxxxxx) text(whole)");
    }
}

TEST_CASE("ws sender: pieces overtake messages that wait, within their own message", "[session][ws]") {
    fake_websocket s{weir::wait{.max_bytes = 20}, silence};
    s.opened();
    CHECK(s.async_send_some("a", false)->succeeded());
    s.settle();
    s.line.room = 0;
    CHECK(s.async_send_some(many(18), false)->succeeded());
    s.settle();
    const auto whole = s.async_send("whole"), piece = s.async_send_some("b", true);
    CHECK_FALSE(piece->done);
    unblock(s);
    CHECK(piece->order < whole->order);
    CHECK(s.output() == "text-(a) more-(" + many(18) + ") more(b) text(whole)");
}

TEST_CASE("ws sender: pieces do not grow without bound", "[session][ws][policy]") {
    fake_websocket s{weir::wait{.max_bytes = 1000}, silence};
    s.opened();
    s.line.room = 0;
    int taken = 0;
    operation last;
    while (taken != 100 && (last = s.async_send_some(many(98), false))->done) ++taken;
    CHECK(taken == 10);
    CHECK(s.stats().queued_bytes == 1000);
    unblock(s);
    CHECK(last->succeeded());
    CHECK(s.outbox().empty());
}

TEST_CASE("ws sender: many small pieces do not grow without bound, either", "[session][ws][policy]") {
    fake_websocket s{weir::wait{.max_messages = 10}, silence};
    s.opened();
    s.line.room = 0;
    int taken = 0;
    while (taken != 100 && s.async_send_some("x", false)->done) ++taken;
    CHECK(taken == 10);
}

TEST_CASE("ws sender: no piece of a message is ever dropped", "[session][ws][policy]") {
    SECTION("drop_oldest: whole messages go, behind it and before it") {
        fake_websocket s{weir::drop_oldest{.max_messages = 3}, silence};
        s.opened();
        block(s);
        s.send("1", {});
        CHECK(s.async_send_some("a", false)->succeeded());
        CHECK(s.async_send_some("b", false)->succeeded());
        CHECK(s.async_send_some("c", true)->succeeded());
        CHECK(s.send("2", {}) == error::none);
        CHECK(s.send("3", {}) == error::none);
        CHECK(s.stats().dropped.oldest == 2);
        unblock(s);
        CHECK(s.output() == "text(xx) text-(a) more-(b) more(c) text(3)");
    }
    SECTION("drop_newest: a piece that continues waits instead") {
        fake_websocket s{weir::drop_newest{.max_messages = 2}, silence};
        s.opened();
        s.async_send_some("a", false);
        s.settle();
        s.line.room = 0;
        CHECK(s.async_send_some("b", false)->succeeded());
        CHECK(s.async_send_some("c", false)->succeeded());
        const auto last = s.async_send_some("d", true);
        CHECK_FALSE(last->done);
        unblock(s);
        CHECK(last->succeeded());
        CHECK(s.output() == "text-(a) more-(b) more-(c) more(d)");
        CHECK(s.stats().dropped.total() == 0);
    }
    SECTION("age") {
        fake_websocket s{weir::drop_oldest{.max_age = 1s}, silence, weir::stall_after{0s}};
        s.opened();
        s.line.room = 0;
        s.async_send_some("a", false);
        s.async_send_some("b", true);
        s.send("1", {});
        s.settle();
        s.advance(1min);
        CHECK(s.stats().dropped.outdated == 1);
        unblock(s);
        CHECK(s.output() == "text-(a) more(b)");
    }
}

// ---- compression ----

TEST_CASE("ws sender: messages refer to those before as long as they are written at once", "[session][ws][deflate]") {
    fake_websocket s{silence};
    s.opened(role::server, std::make_unique<chaining_codec>());
    s.send("first", {});
    s.send("second", {});
    s.send("no", {});  // too short to be compressed
    s.settle();
    s.send("third", {});
    s.settle();
    CHECK(s.output() == "text*([<first]) text*([first<second]) text(no) text*([second<third])");
}

TEST_CASE("ws sender: what others refer to is not dropped", "[session][ws][deflate]") {
    fake_websocket s{weir::drop_oldest{.max_messages = 3}, silence};
    s.opened(role::server, std::make_unique<chaining_codec>());
    s.line.room = 1;
    s.send("first", {});
    s.send("second", {});
    s.settle();  // both were meant to be written at once
    REQUIRE(s.stats().blocked);
    for (const auto t : {"third", "fourth", "fifth", "sixth"}) CHECK(s.send(t, {}) == error::none);
    CHECK(s.stats().dropped.oldest == 3);
    unblock(s);
    s.send("seventh", {});  // may not refer to what may have been dropped
    s.send("eighth", {});
    s.settle();
    CHECK(s.output() ==
          "text*([<first]) text*([first<second]) text*([<sixth]) text*([<seventh]) text*([seventh<eighth])");
}

TEST_CASE("ws sender: without a history nothing is isolated or kept", "[session][ws][deflate]") {
    fake_websocket s{weir::drop_oldest{.max_messages = 2}, silence};
    s.opened(role::server, std::make_unique<chaining_codec>(false));
    s.line.room = 1;
    for (const auto t : {"first", "second"}) s.send(t, {});
    s.settle();
    for (const auto t : {"third", "fourth"}) s.send(t, {});
    CHECK(s.stats().dropped.oldest == 2);
    unblock(s);
    CHECK(s.output() == "text*([<first]) text*([<fourth])");
}

TEST_CASE("ws sender: keys work for compressed messages once the reader is behind", "[session][ws][deflate]") {
    fake_websocket s{weir::keep_latest{}, silence};
    s.opened(role::server, std::make_unique<chaining_codec>());
    s.line.room = 1;
    s.send("price 1", "k");
    s.settle();
    for (const auto t : {"price 2", "price 3", "price 4"}) s.send(t, "k");
    CHECK(s.stats().dropped.replaced == 2);
    unblock(s);
    s.send("price 5", "k");
    s.settle();
    CHECK(s.output() == "text*([<price 1]) text*([<price 4]) text*([<price 5])");
}

TEST_CASE("ws sender: pieces are compressed, and refer to what was certainly sent", "[session][ws][deflate]") {
    fake_websocket s{weir::drop_oldest{.max_messages = 2}, silence};
    s.opened(role::server, std::make_unique<chaining_codec>());
    SECTION("at once") {
        s.send("first", {});
        s.async_send_some("a", false);
        s.async_send_some("b", true);
        s.settle();
        CHECK(s.output() == "text*([<first]) text-*([first<a]) more([a<b])");
    }
    SECTION("behind a message that may be dropped") {
        s.line.room = 1;
        s.send("first", {});
        s.settle();
        s.send("second", {});
        s.async_send_some("a", false);  // takes the place of the second
        s.async_send_some("b", true);
        unblock(s);
        s.send("third", {});
        s.settle();
        CHECK(s.output() == "text*([<first]) text-*([<a]) more([a<b]) text*([<third])");
    }
}

TEST_CASE("ws sender: what is refused has not been compressed", "[session][ws][deflate]") {
    fake_websocket s{weir::wait{.max_messages = 2}, silence};
    s.opened(role::server, std::make_unique<chaining_codec>());
    s.send("first", {});
    s.send("second", {});
    s.line.room = 1;
    CHECK(s.send("third", {}) == error::refused);
    const auto fourth = s.async_send("fourth");
    s.cancel(fourth);
    unblock(s);
    s.send("fifth", {});
    s.settle();
    CHECK(s.output() == "text*([<first]) text*([first<second]) text*([second<fifth])");
}

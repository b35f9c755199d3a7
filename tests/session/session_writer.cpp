// SPDX-License-Identifier: BSL-1.0

#include <weir/session/session_writer.hpp>

#include <weir/error.hpp>
#include <weir/policy/heartbeat.hpp>

#include <chrono>
#include <cstddef>
#include <string>

#include "catch.hpp"
#include "support/errc.hpp"
#include "support/fake_session.hpp"

using namespace std::literals;
using test::fake_session;
using test::phase;
using weir::error;

namespace {

constexpr weir::no_heartbeat silence;
using cork = test::plain_protocol::cork;

}  // namespace

TEST_CASE("session writer: what is sent under a cork leaves when it is drawn, in one write", "[session][writer]") {
    fake_session s{silence};
    s.opened();
    {
        const cork outer{s};
        s.send("one");
        {
            const cork inner{s};
            s.send("two");
        }
        s.queue_urgent("!");
        CHECK(s.line.writes.empty());
        CHECK_FALSE(s.turn_end_wanted);
    }
    CHECK(s.line.output == "!onetwo");
    CHECK(s.line.writes.size() == 1);
    CHECK_FALSE(s.turn_end_wanted);
    s.send("three");  // and as ever afterwards
    CHECK(s.turn_end_wanted);
    s.end_turn();
    CHECK(s.line.output == "!onetwothree");
}

TEST_CASE("session writer: under a cork, what a turn was asked for waits for the turn", "[session][writer]") {
    fake_session s{silence};
    s.opened();
    s.send("one");
    {
        const cork c{s};
        s.send("two");
    }
    CHECK(s.line.writes.empty());
    s.end_turn();
    CHECK(s.line.output == "onetwo");
    CHECK(s.line.writes.size() == 1);
}

TEST_CASE("session writer: a turn may be asked for under a cork", "[session][writer]") {
    fake_session s{silence};
    s.opened();
    const int turns = s.turns;
    {
        const cork c{s};
        s.request_turn();
        s.request_turn();
        s.send("one");
    }
    CHECK(s.line.output == "one");
    CHECK(s.turn_end_wanted);
    s.send("two");  // leaves in that turn
    s.end_turn();
    CHECK(s.line.output == "onetwo");
    CHECK(s.turns == turns + 1);
    CHECK_FALSE(s.turn_end_wanted);
}

TEST_CASE("session writer: a cork on a blocked transport, and on one that fails", "[session][writer]") {
    fake_session s{silence};
    s.opened();
    SECTION("blocked") {
        s.line.room = 1;
        {
            const cork c{s};
            s.send("one");
        }
        {
            const cork c{s};
            s.send("two");
        }
        CHECK(s.line.output == "o");
        CHECK(s.line.writes.size() == 1);
        s.unblock();
        CHECK(s.line.output == "onetwo");
    }
    SECTION("failing") {
        s.line.failure = test::code_of(std::errc::connection_reset);
        {
            const cork c{s};
            s.send("one");
        }
        CHECK(s.state() == phase::closed);
    }
    SECTION("over before it is drawn") {
        const cork c{s};
        s.send("one");
        s.terminate(error::closed);
    }
}

TEST_CASE("session writer: a transport that takes no more is observed, with what waits",
          "[session][writer][observer]") {
    fake_session s{silence};
    s.opened();
    s.line.room = 4;
    s.send("one");
    s.end_turn();
    CHECK(s.seen.blocked.empty());
    s.send("two");
    s.send("three");
    s.end_turn();
    REQUIRE(s.seen.blocked.size() == 1);
    CHECK(s.seen.blocked[0].queued_messages == 2);
    CHECK(s.seen.blocked[0].queued_bytes == 7);
    s.send("four");
    s.end_turn();
    CHECK(s.seen.blocked.size() == 1);  // as before
    s.take(2);
    REQUIRE(s.seen.blocked.size() == 2);
    CHECK(s.seen.blocked[1].queued_messages == 2);
    CHECK(s.seen.blocked[1].queued_bytes == 9);
    s.unblock();
    CHECK(s.seen.blocked.size() == 2);
}

TEST_CASE("session writer: what a transport has accepted and not passed on does not block it",
          "[session][writer][observer]") {
    fake_session s{silence};
    s.opened();
    s.line.buffered = 4;
    s.send("one");
    s.end_turn();
    CHECK(s.seen.blocked.empty());
    s.send("seventy");
    s.deliver();
    REQUIRE(s.seen.blocked.size() == 1);
    CHECK(s.seen.blocked[0].queued_messages == 1);
    CHECK(s.seen.blocked[0].queued_bytes == 7);
}

TEST_CASE("session writer: a turn without anything to write", "[session][writer]") {
    fake_session s{silence};
    s.opened();
    const int turns = s.turns;
    s.request_turn();
    s.end_turn();
    CHECK(s.turns == turns + 1);
    CHECK(s.line.writes.empty());
    s.terminate(error::closed);
    s.on_turn_end();
    CHECK(s.turns == turns + 2);  // the protocol may have something to put away
}

TEST_CASE("session writer: while more is coming, turns pass without a write", "[session][writer]") {
    fake_session s{silence};
    s.opened();
    s.coming = 3;
    s.send("one");
    for (int i = 0; i != 3; ++i) {
        s.end_turn();
        CHECK(s.line.writes.empty());
        s.send("more");
    }
    s.end_turn();
    CHECK(s.line.output == "onemoremoremore");
    CHECK(s.line.writes.size() == 1);
    CHECK_FALSE(s.turn_end_wanted);
}

TEST_CASE("session writer: urgent pieces overtake at boundaries, wherever the transport blocks", "[session][writer]") {
    const std::string data = "onetwothree";
    for (std::size_t first = 0; first <= data.size(); ++first) {
        for (std::size_t then = 1; then <= 4; ++then) {
            CAPTURE(first, then);
            fake_session s{silence};
            s.opened();
            s.line.room = first;
            for (const auto text : {"one", "two", "three"}) s.send(text);
            s.end_turn();
            s.queue_urgent("!a");
            s.end_turn();
            s.queue_urgent("!b");
            s.end_turn();
            while (s.line.wants_writable) s.take(then);
            const std::size_t boundary = first == 0 ? 0 : first <= 3 ? 3 : first <= 6 ? 6 : 11;
            // What was not blocked has been overtaken by nothing.
            CHECK(s.line.output == std::string{data}.insert(boundary, "!a!b"));
            CHECK(s.stats().messages_sent == 3);
            CHECK(s.stats().bytes_sent == s.line.output.size());
        }
    }
}

TEST_CASE("session writer: urgent pieces are bytes that wait", "[session][writer]") {
    fake_session s{silence};
    s.opened();
    s.line.room = 0;
    s.queue_urgent("!");
    const auto all = s.drained();
    s.end_turn();
    CHECK(s.stats().queued_bytes == 1);
    CHECK(s.stats().queued_messages == 0);
    CHECK_FALSE(all->done);
    s.advance(29s);
    CHECK(s.state() == phase::open);
    SECTION("taken") {
        s.unblock();
        CHECK(all->succeeded());
    }
    SECTION("never taken") {
        s.advance(1s);
        CHECK(s.end_reason() == error::stalled);
    }
}

TEST_CASE("session writer: the end of what was sent is told once", "[session][writer]") {
    fake_session s{silence};
    s.opened("(head)");
    CHECK(s.drains == 0);
    s.send("one");
    s.end_turn();
    CHECK(s.drains == 1);
    s.request_turn();
    s.end_turn();
    s.queue_urgent("!");
    s.end_turn();
    CHECK(s.drains == 1);
    s.line.room = 2;
    s.send("two");
    s.end_turn();
    CHECK(s.drains == 1);
    s.unblock();
    CHECK(s.drains == 2);
    s.send("three");
    s.close(error::none);
    s.end_turn();
    CHECK(s.drains == 2);
}

TEST_CASE("session writer: whether a message has begun is known until the transport has all of it",
          "[session][writer]") {
    fake_session s{silence};
    s.opened("(head)");
    s.line.room = 2;
    s.send("one");
    s.send("two");
    CHECK_FALSE(s.message_begun());
    s.end_turn();
    CHECK(s.message_begun());
    s.unblock();
    CHECK_FALSE(s.message_begun());
}

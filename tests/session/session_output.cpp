// SPDX-License-Identifier: BSL-1.0

#include <weir/session/session_output.hpp>

#include <weir/error.hpp>
#include <weir/policy/any_policy.hpp>

#include <array>
#include <chrono>
#include <cstddef>
#include <deque>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "catch.hpp"
#include "support/errc.hpp"
#include "support/fake_session.hpp"
#include "support/wire_model.hpp"

using namespace std::literals;
using test::fake_session;
using test::phase;
using weir::admission;
using weir::error;
using weir::outbox_facts;

namespace {

constexpr weir::no_heartbeat silence;
const auto reset_by_peer = test::code_of(std::errc::connection_reset);

struct one_per_key {
    static constexpr bool by_key = true;
    admission operator()(const outbox_facts& f) const noexcept {
        return f.same_key_waiting ? admission::replace : admission::accept;
    }
};

/// A message of that many bytes.
std::string bytes(std::size_t size, char c = 'x') { return std::string(size, c); }

}  // namespace

// ---- writing ----

TEST_CASE("session output: what is sent in one turn leaves in one write", "[session][output]") {
    fake_session s;
    s.open("(head)");
    CHECK(s.send("one") == error::none);
    CHECK(s.send("two") == error::none);
    const auto three = s.async_send("three");
    CHECK(three->succeeded());
    CHECK(s.line.writes.empty());
    s.end_turn();
    CHECK(s.line.output == "(head)onetwothree");
    CHECK(s.line.writes.size() == 1);
    s.send("four");
    s.send("five");
    s.end_turn();
    CHECK(s.line.writes.size() == 2);
    CHECK(s.line.output == "(head)onetwothreefourfive");
    s.end_turn();
    CHECK(s.line.writes.size() == 2);
}

TEST_CASE("session output: before and after its life nothing is sent", "[session][output]") {
    fake_session s;
    CHECK(s.send("early") == error::not_accepted);
    CHECK(s.async_send("early")->failed_with(error::not_accepted));
    s.opened("(head)");
    s.close(error::none);
    CHECK(s.send("late") == error::closed);
    CHECK(s.async_send("late")->failed_with(error::closed));
    s.end_turn();
    CHECK(s.line.output == "(head)");
    CHECK(s.stats().dropped.total() == 0);
}

TEST_CASE("session output: a blocked transport is left alone until it is writable", "[session][output]") {
    fake_session s;
    s.opened();
    s.line.room = 4;
    s.send("onetwo");
    s.end_turn();
    CHECK(s.stats().blocked);
    CHECK(s.line.writes.size() == 1);
    s.send("three");
    CHECK_FALSE(s.turn_end_wanted);
    CHECK(s.line.writes.size() == 1);
    s.take(3);
    CHECK(s.line.output == "onetwot");
    CHECK(s.stats().blocked);
    s.unblock();
    CHECK(s.line.output == "onetwothree");
    CHECK(s.line.writes.size() == 3);
    CHECK_FALSE(s.stats().blocked);
    CHECK_FALSE(s.line.wants_writable);
}

TEST_CASE("session output: a transport with a buffer of its own is waited for, too", "[session][output]") {
    fake_session s;
    s.line.buffered = 4;
    s.opened();
    s.send("abcdefghij");
    s.end_turn();
    CHECK(s.line.in_flight == "abcd");
    CHECK(s.stats().blocked);
    CHECK(s.stats().queued_bytes == 10);
    CHECK(s.stats().messages_sent == 0);
    s.deliver(3);
    CHECK(s.line.output == "abc");
    CHECK(s.line.in_flight == "d");
    s.deliver();
    CHECK(s.line.in_flight == "efgh");
    s.deliver();
    CHECK(s.line.in_flight == "ij");
    CHECK(s.stats().messages_sent == 1);
    CHECK(s.stats().queued_bytes == 2);
    CHECK(s.stats().blocked);
    s.deliver();
    CHECK(s.line.output == "abcdefghij");
    CHECK_FALSE(s.stats().blocked);
    CHECK(s.stats().queued_bytes == 0);
}

TEST_CASE("session output: a write that fails ends the session with its error", "[session][output]") {
    fake_session s;
    s.opened();
    const auto end = s.ended();
    s.send("one");
    s.send("two");
    s.line.failure = reset_by_peer;
    s.end_turn();
    CHECK(s.state() == phase::closed);
    CHECK(s.end_reason() == reset_by_peer);
    REQUIRE(end->succeeded());
    CHECK(end->reason == reset_by_peer);
    CHECK(s.stats().dropped.unsent == 2);
    CHECK(s.seen.dropped.unsent == 2);
    CHECK(s.seen.closed == std::vector<weir::error_code>{reset_by_peer});
}

TEST_CASE("session output: a send that finds the transport broken is told that the session is closed",
          "[session][output]") {
    fake_session s{weir::close_slow{.max_messages = 1}};
    s.opened();
    s.send("one");
    s.line.failure = reset_by_peer;
    CHECK(s.send("two") == error::closed);  // it was not the policy that ended it
    CHECK(s.end_reason() == reset_by_peer);
}

TEST_CASE("session output: other sessions get their turn after 4 MiB", "[session][output]") {
    fake_session s{weir::keep_latest{.max_bytes = 0}};
    s.opened();
    s.line.room = 0;
    s.send("x", "first");
    s.end_turn();
    std::string expected = "x";
    for (int i = 0; i != 80; ++i) {
        s.send(bytes(150'000, static_cast<char>('0' + i)), "key" + std::to_string(i));
        if (i % 2 == 1) expected += bytes(150'000, static_cast<char>('0' + i));
    }
    for (int i = 0; i != 80; i += 2) s.send("*", "key" + std::to_string(i));
    expected += bytes(40, '*');
    CHECK(s.stats().dropped.replaced == 40);

    s.line.writes.clear();
    s.unblock();  // 41 pieces of memory and 6 MB
    CHECK(s.line.writes.size() == 2);
    CHECK(s.turn_end_wanted);
    CHECK_FALSE(s.stats().blocked);
    s.end_turn();
    CHECK(s.line.writes.size() == 3);
    CHECK(s.line.output == expected);
    CHECK_FALSE(s.turn_end_wanted);
}

TEST_CASE("session output: figures", "[session][output]") {
    fake_session s;
    s.opened("(head)");
    s.line.room = 7;
    s.send("aaaa");
    s.send("bbbb");
    s.end_turn();
    const weir::session_stats stats = s.stats();
    CHECK(stats.messages_sent == 1);
    CHECK(stats.bytes_sent == 13);
    CHECK(stats.queued_messages == 1);
    CHECK(stats.queued_bytes == 1);
    CHECK(stats.blocked);
    CHECK(s.seen.messages == 1);
    CHECK(s.seen.bytes == 13);
}

// ---- policies, end to end ----

TEST_CASE("session output: full within one turn is flushed before anybody suffers", "[session][output]") {
    const auto policy = GENERATE(
        values<weir::any_backpressure>({weir::refuse{.max_messages = 3}, weir::wait{.max_messages = 3},
                                        weir::drop_oldest{.max_messages = 3}, weir::drop_newest{.max_messages = 3},
                                        weir::keep_latest{.max_messages = 3}, weir::close_slow{.max_messages = 3}}));
    fake_session s{policy};
    s.opened();
    for (const auto text : {"1", "2", "3", "4", "5", "6", "7", "8"}) CHECK(s.send(text, "key") == error::none);
    CHECK(s.line.writes.size() == 2);
    s.end_turn();
    CHECK(s.line.output == "12345678");
    CHECK(s.stats().dropped.total() == 0);
    CHECK(s.seen.refused == 0);
}

TEST_CASE("session output: an empty outbox takes one message of any size", "[session][output]") {
    const auto policy = GENERATE(values<weir::any_backpressure>(
        {weir::refuse{.max_bytes = 3}, weir::wait{.max_bytes = 3}, weir::drop_oldest{.max_bytes = 3},
         weir::drop_newest{.max_bytes = 3}, weir::keep_latest{.max_bytes = 3}, weir::close_slow{.max_bytes = 3}}));
    fake_session s{policy};
    s.opened("(head)");
    s.line.room = 2;
    CHECK(s.send("larger than allowed") == error::none);
    s.end_turn();
    s.unblock();
    CHECK(s.async_send("this one, too")->succeeded());
    s.end_turn();
    CHECK(s.line.output == "(head)larger than allowedthis one, too");
    CHECK(s.stats().dropped.total() == 0);
}

TEST_CASE("session output: drop_oldest keeps the newest, and what is partly on the wire", "[session][output]") {
    fake_session s{weir::drop_oldest{.max_messages = 3}};
    s.opened();
    s.line.room = 1;
    s.send("11");
    s.end_turn();
    for (const auto text : {"22", "33", "44", "55"}) CHECK(s.send(text) == error::none);
    CHECK(s.stats().queued_messages == 3);
    CHECK(s.stats().dropped.oldest == 2);
    CHECK(s.seen.dropped.oldest == 2);
    s.unblock();
    CHECK(s.line.output == "114455");
    CHECK(s.stats().messages_sent == 3);
}

TEST_CASE("session output: drop_oldest that has nothing left to drop accepts", "[session][output]") {
    fake_session s{weir::drop_oldest{.max_bytes = 4}};
    s.opened();
    s.line.room = 1;
    s.send("1111");
    s.end_turn();
    CHECK(s.send("2222") == error::none);  // behind the one on the wire, which stays
    CHECK(s.send("3333") == error::none);
    CHECK(s.stats().dropped.oldest == 1);
    s.unblock();
    CHECK(s.line.output == "11113333");
}

TEST_CASE("session output: drop_newest keeps what waits", "[session][output]") {
    fake_session s{weir::drop_newest{.max_messages = 2}};
    s.opened();
    s.line.room = 0;
    s.send("11");
    s.end_turn();
    CHECK(s.send("22") == error::none);
    CHECK(s.send("33") == error::dropped);
    CHECK(s.async_send("44")->failed_with(error::dropped));
    CHECK(s.stats().dropped.newest == 2);
    CHECK(s.seen.dropped.newest == 2);
    s.unblock();
    CHECK(s.line.output == "1122");
}

TEST_CASE("session output: refuse says no to both kinds of sending", "[session][output]") {
    fake_session s{weir::refuse{.max_messages = 2}};
    s.opened();
    s.line.room = 0;
    s.send("11");
    s.end_turn();
    CHECK(s.send("22") == error::none);
    CHECK(s.send("33") == error::refused);
    CHECK(s.async_send("44")->failed_with(error::refused));
    CHECK(s.seen.refused == 2);
    CHECK(s.stats().dropped.total() == 0);
    s.unblock();
    CHECK(s.send("55") == error::none);
    s.end_turn();
    CHECK(s.line.output == "112255");
}

TEST_CASE("session output: close_slow ends the session of a slow reader", "[session][output]") {
    fake_session s{weir::close_slow{.max_messages = 2}};
    s.opened();
    s.line.room = 1;
    const auto end = s.ended();
    s.send("11");
    s.end_turn();
    CHECK(s.send("22") == error::none);
    SECTION("send") { CHECK(s.send("33") == error::slow_reader); }
    SECTION("async_send") { CHECK(s.async_send("33")->failed_with(error::slow_reader)); }
    CHECK(s.state() == phase::closed);
    CHECK(end->reason == error::slow_reader);
    CHECK(s.line.output == "1");
    CHECK(s.stats().dropped.unsent == 2);
    CHECK(s.seen.closed.size() == 1);
}

TEST_CASE("session output: keep_latest shows every message to a reader that keeps up", "[session][output]") {
    fake_session s{weir::keep_latest{}};
    s.opened();
    s.send("a1", "a");
    s.send("a2", "a");
    s.end_turn();
    s.send("a3", "a");
    s.end_turn();
    CHECK(s.line.output == "a1a2a3");
    CHECK(s.stats().dropped.total() == 0);
}

TEST_CASE("session output: keep_latest replaces by key once the reader is behind", "[session][output]") {
    fake_session s{weir::keep_latest{}};
    s.opened();
    s.line.room = 1;
    s.send("a1", "a");
    s.end_turn();
    s.send("a2", "a");  // a1 is partly on the wire
    s.send("b1", "b");
    s.send("n1");
    s.send("a3", "a");
    s.send("n2");
    s.send("b2", "b");
    CHECK(s.stats().dropped.replaced == 2);
    CHECK(s.seen.dropped.replaced == 2);
    CHECK(s.stats().queued_messages == 5);
    s.unblock();
    CHECK(s.line.output == "a1n1a3n2b2");
}

TEST_CASE("session output: keep_latest drops the oldest of other keys when it is full", "[session][output]") {
    fake_session s{weir::keep_latest{.max_messages = 3}};
    s.opened();
    s.line.room = 0;
    s.send("a1", "a");
    s.end_turn();
    s.send("b1", "b");
    s.send("c1", "c");
    s.send("b2", "b");  // takes the place of b1: room enough
    CHECK(s.stats().dropped.oldest == 0);
    s.send("d1", "d");
    CHECK(s.stats().dropped.oldest == 1);
    CHECK(s.stats().dropped.replaced == 1);
    s.unblock();
    CHECK(s.line.output == "c1b2d1");
}

TEST_CASE("session output: heartbeats and heads are not what makes an outbox full", "[session][output]") {
    fake_session s{weir::refuse{.max_bytes = 8}, weir::no_heartbeat{}};
    s.line.room = 0;
    s.opened(bytes(100, 'h'));
    CHECK(s.send("one") == error::none);
    CHECK(s.send("two") == error::refused);
    s.unblock();
    CHECK(s.line.output == bytes(100, 'h') + "one");
}

TEST_CASE("session output: messages too old are dropped although nobody sends", "[session][output]") {
    fake_session s{weir::drop_oldest{.max_age = 2s}, silence};
    s.opened();
    s.line.room = 1;
    s.send("11");
    s.send("22");
    s.end_turn();
    s.advance(1s);
    s.send("33");
    s.advance(900ms);
    CHECK(s.stats().dropped.total() == 0);
    s.advance(400ms);
    CHECK(s.stats().dropped.outdated == 1);
    CHECK(s.seen.dropped.outdated == 1);
    s.advance(1s);
    CHECK(s.stats().dropped.outdated == 2);
    s.advance(5s);
    CHECK(s.stats().queued_messages == 1);  // the one partly on the wire
    s.unblock();
    CHECK(s.line.output == "11");
}

TEST_CASE("session output: a message that became too old is not sent, even if nobody has looked", "[session][output]") {
    fake_session s{weir::drop_oldest{.max_age = 2s}, silence};
    s.opened();
    s.line.room = 0;
    s.send("old");
    s.end_turn();
    s.at += 2s + 1ns;
    s.send("new");
    s.unblock();
    CHECK(s.line.output == "new");
    CHECK(s.stats().dropped.total() == 1);
}

TEST_CASE("session output: close_slow by age needs no further message", "[session][output]") {
    fake_session s{weir::close_slow{.max_age = 2s}, silence};
    s.opened();
    s.line.room = 0;
    s.send("old");
    s.end_turn();
    s.advance(2s);
    CHECK(s.state() == phase::open);
    s.advance(260ms);
    CHECK(s.state() == phase::closed);
    CHECK(s.end_reason() == error::slow_reader);
}

TEST_CASE("session output: age is looked after again when a blocked outbox had become empty", "[session][output]") {
    fake_session s{weir::drop_oldest{.max_age = 1s}, silence, weir::stall_after{0s}};
    s.opened();
    s.line.room = 0;
    for (int round = 1; round != 5; ++round) {
        s.send("message");
        s.end_turn();
        s.advance(10s);
        CHECK(s.stats().dropped.outdated == static_cast<unsigned>(round));
        CHECK(s.outbox().empty());
    }
}

TEST_CASE("session output: a policy of one's own", "[session][output]") {
    SECTION("a lambda") {
        fake_session s{
            [](const outbox_facts& f) noexcept { return f.blocked ? admission::refuse : admission::accept; }};
        s.opened();
        s.line.room = 1;
        CHECK(s.send("11") == error::none);
        CHECK(s.send("22") == error::none);
        s.end_turn();
        CHECK(s.send("33") == error::refused);
        s.unblock();
        CHECK(s.line.output == "1122");
    }
    SECTION("with keys") {
        fake_session s{one_per_key{}};
        s.opened();
        s.line.room = 0;
        for (const auto text : {"a1", "b1", "a2", "a3"}) s.send(text, std::string_view{text}.substr(0, 1));
        s.end_turn();
        s.send("b2", "b");
        s.unblock();
        CHECK(s.line.output == "a3b2");
        CHECK(s.stats().dropped.replaced == 3);
    }
    SECTION("replace without keys has nothing to replace and accepts") {
        fake_session s{[](const outbox_facts&) noexcept { return admission::replace; }};
        s.opened();
        s.line.room = 0;
        CHECK(s.send("a1", "a") == error::none);
        s.end_turn();
        CHECK(s.send("a2", "a") == error::none);
        s.unblock();
        CHECK(s.line.output == "a1a2");
    }
    SECTION("drop_oldest whatever the facts") {
        fake_session s{
            [](const outbox_facts& f) noexcept { return f.reviewing() ? admission::accept : admission::drop_oldest; }};
        s.opened();
        s.line.room = 0;
        CHECK(s.send("1") == error::none);
        s.end_turn();
        CHECK(s.send("2") == error::none);
        CHECK(s.send("3") == error::none);
        s.unblock();
        CHECK(s.line.output == "3");
    }
    SECTION("need not know of reviews: a reader that keeps up is never reviewed") {
        fake_session s{
            [](const outbox_facts& f) noexcept { return f.messages > 0 ? admission::close : admission::accept; }};
        s.opened();
        for (const char* text : {"1", "2", "3"}) {
            CHECK(s.send(text) == error::none);
            s.end_turn();
        }
        CHECK(s.line.output == "123");
    }
    SECTION("is told the truth") {
        std::vector<outbox_facts> asked;
        fake_session s{[&](const outbox_facts& f) noexcept { return asked.push_back(f), admission::accept; }, silence};
        s.opened();
        s.line.room = 3;
        s.send("11");
        s.at += 5ms;
        s.send("2222");
        s.end_turn();
        s.at += 7ms;
        asked.clear();
        s.send("333");
        REQUIRE(asked.size() == 1);
        CHECK(asked[0].bytes == 3);
        CHECK(asked[0].messages == 1);
        CHECK(asked[0].oldest_age == 0ms);  // the one that waits is partly written
        CHECK(asked[0].incoming_bytes == 3);
        CHECK(asked[0].blocked);
        s.at += 9ms;
        s.send("4");
        CHECK(asked[1].bytes == 6);
        CHECK(asked[1].messages == 2);
        CHECK(asked[1].oldest_age == 9ms);
    }
}

// ---- async_send ----

TEST_CASE("session output: async_send waits for room, in order", "[session][output]") {
    fake_session s{weir::wait{.max_messages = 2}};
    s.opened();
    s.line.room = 0;
    s.send("a");
    s.send("b");
    s.end_turn();
    CHECK(s.send("no") == error::refused);
    const auto c = s.async_send("c"), d = s.async_send("d"), e = s.async_send("e");
    CHECK_FALSE(c->done);
    s.take(1);
    CHECK(c->succeeded());
    CHECK_FALSE(d->done);
    s.unblock();
    s.end_turn();
    CHECK(d->succeeded());
    CHECK(e->succeeded());
    CHECK(d->order < e->order);
    CHECK(s.line.output == "abcde");
}

TEST_CASE("session output: send does not overtake those who wait", "[session][output]") {
    fake_session s{weir::wait{.max_bytes = 10}};
    s.opened();
    s.line.room = 0;
    s.send("12345678");
    s.end_turn();
    const auto large = s.async_send("large");
    const auto small = s.async_send("s");
    CHECK(s.send("t") == error::refused);  // would fit
    CHECK_FALSE(small->done);              // would fit, too
    CHECK(s.seen.refused == 1);
    s.unblock();
    CHECK(large->order == 1);
    CHECK(small->order == 2);
    CHECK(s.send("t") == error::none);
    s.end_turn();
    CHECK(s.line.output == "12345678largest");
}

TEST_CASE("session output: a cancelled async_send leaves nothing on the wire", "[session][output]") {
    fake_session s{weir::wait{.max_messages = 1}};
    s.opened();
    s.line.room = 0;
    s.send("a");
    s.end_turn();
    const auto b = s.async_send("b"), c = s.async_send("c"), d = s.async_send("d");
    s.cancel(c);
    CHECK(c->ec == test::code_of(std::errc::operation_canceled));
    CHECK_FALSE(b->done);
    s.unblock();
    while (s.turn_end_wanted) s.end_turn();
    CHECK(s.line.output == "abd");
    CHECK(b->succeeded());
    CHECK(d->succeeded());
    s.cancel(d);  // too late is no harm
    CHECK(d->succeeded());
}

TEST_CASE("session output: whoever stood behind a cancelled async_send goes on", "[session][output]") {
    // Large messages wait for ever here.
    fake_session s{
        [](const outbox_facts& f) noexcept { return f.incoming_bytes > 3 ? admission::wait : admission::accept; }};
    s.opened();
    s.send("a");
    const auto large = s.async_send("large"), small = s.async_send("s"), all = s.drained();
    s.end_turn();
    CHECK(s.line.output == "a");
    CHECK_FALSE(small->done);
    CHECK_FALSE(all->done);
    SECTION("one that fits") {
        s.cancel(large);
        s.end_turn();
        CHECK(small->succeeded());
        s.end_turn();
        CHECK(s.line.output == "as");
        CHECK(all->succeeded());
    }
    SECTION("only one who waits for the rest") {
        s.cancel(small);
        s.cancel(large);
        CHECK(large->ec == test::code_of(std::errc::operation_canceled));
        s.end_turn();
        CHECK(all->succeeded());
        CHECK(s.line.output == "a");
    }
}

TEST_CASE("session output: async_send takes what a policy of one's own decides for each", "[session][output]") {
    fake_session s{[](const outbox_facts& f) noexcept {
        if (f.reviewing() || !f.blocked) return f.incoming_bytes == 2 ? admission::refuse : admission::accept;
        return admission::wait;
    }};
    s.opened();
    s.line.room = 0;
    s.send("a");
    s.end_turn();
    const auto b = s.async_send("b"), cc = s.async_send("cc"), d = s.async_send("d");
    s.unblock();
    s.end_turn();
    CHECK(b->succeeded());
    CHECK(cc->failed_with(error::refused));
    CHECK(d->succeeded());
    CHECK(s.seen.refused == 1);
    CHECK(s.line.output == "abd");
}

TEST_CASE("session output: those who wait when a flush fails learn why", "[session][output]") {
    fake_session s{weir::wait{.max_messages = 1}};
    s.opened();
    s.line.room = 0;
    s.send("a");
    s.end_turn();
    const auto b = s.async_send("b"), c = s.async_send("c");
    s.line.failure = reset_by_peer;
    s.unblock();
    CHECK(b->ec == reset_by_peer);
    CHECK(c->ec == reset_by_peer);
    CHECK(b->order < c->order);
    CHECK(s.stats().dropped.unsent == 1);  // a: the others were never taken
}

TEST_CASE("session output: a failure while one who waits is let in", "[session][output]") {
    fake_session s{weir::wait{.max_messages = 1}};
    s.opened();
    s.send("a");
    s.line.failure = reset_by_peer;
    const auto b = s.async_send("b");  // full, so it flushes first
    CHECK(b->ec == reset_by_peer);
    CHECK(s.state() == phase::closed);
    CHECK(s.async_send("c")->ec == reset_by_peer);
}

// ---- async_drained ----

TEST_CASE("session output: drained completes when everything is written", "[session][output]") {
    fake_session s;
    CHECK(s.drained()->succeeded());
    s.opened();
    CHECK(s.drained()->succeeded());
    s.line.room = 1;
    s.send("abc");
    const auto first = s.drained();
    CHECK_FALSE(first->done);
    s.end_turn();
    const auto second = s.drained();
    s.take(1);
    CHECK_FALSE(first->done);
    s.take(1);
    CHECK(first->succeeded());
    CHECK(second->succeeded());
    CHECK(first->order < second->order);
}

TEST_CASE("session output: drained waits for async_send, too", "[session][output]") {
    fake_session s{weir::wait{.max_messages = 1}};
    s.opened();
    s.line.room = 0;
    s.send("a");
    s.end_turn();
    const auto b = s.async_send("b"), c = s.async_send("c");
    const auto all = s.drained();
    s.take(1);
    CHECK(b->succeeded());
    CHECK_FALSE(all->done);
    s.unblock();
    while (s.turn_end_wanted) s.end_turn();
    CHECK(c->succeeded());
    CHECK(all->succeeded());
    CHECK(c->order < all->order);
    CHECK(s.line.output == "abc");
}

TEST_CASE("session output: drained waits for what the transport has still in its own buffer", "[session][output]") {
    fake_session s;
    s.line.buffered = 100;
    s.opened();
    s.send("abc");
    const auto all = s.drained();
    s.end_turn();
    CHECK(s.outbox().empty());
    CHECK_FALSE(all->done);
    CHECK_FALSE(s.drained()->done);
    s.deliver(2);
    CHECK_FALSE(all->done);
    s.deliver();
    CHECK(all->succeeded());
}

TEST_CASE("session output: drained completes when what was left is dropped", "[session][output]") {
    fake_session s{weir::drop_oldest{.max_age = 1s}, silence};
    s.opened();
    s.line.room = 0;
    s.send("abc");
    s.end_turn();
    const auto all = s.drained();
    s.advance(2s);
    CHECK(s.stats().dropped.outdated == 1);
    CHECK(s.stats().blocked);
    CHECK(all->succeeded());
    CHECK(s.drained()->succeeded());
}

TEST_CASE("session output: drained fails with the reason when the session ends first", "[session][output]") {
    fake_session s;
    s.opened();
    s.line.room = 0;
    s.send("abc");
    s.end_turn();
    const auto all = s.drained();
    s.on_peer_closed();
    CHECK(all->failed_with(error::peer_closed));
    CHECK(s.drained()->failed_with(error::peer_closed));
}

TEST_CASE("session output: drained may be cancelled", "[session][output]") {
    fake_session s;
    s.opened();
    s.send("abc");
    const auto one = s.drained(), two = s.drained();
    s.cancel(one);
    CHECK(one->ec == test::code_of(std::errc::operation_canceled));
    s.end_turn();
    CHECK(two->succeeded());
}

// ---- whatever happens ----

namespace {

/// Anything at all, with a memory that policies should not have.
struct chaos {
    std::mt19937* random;
    static constexpr bool by_key = true;

    admission operator()(const outbox_facts& f) const noexcept {
        constexpr std::array answers{admission::accept,      admission::accept,      admission::accept,
                                     admission::refuse,      admission::wait,        admission::drop_oldest,
                                     admission::drop_newest, admission::drop_oldest, admission::replace};
        if (f.reviewing()) return (*random)() % 16 == 0 ? admission::drop_oldest : admission::accept;
        return (*random)() % 2000 == 0 ? admission::close : answers[(*random)() % answers.size()];
    }
};

class random_session {
public:
    explicit random_session(unsigned seed) : random_(seed), session_(some_policy(), weir::comment_every{}) {
        session_.line.buffered = seed % 3 == 0 ? 1 + below(40) : 0;
        session_.on_taken = [this](std::string_view bytes) { model_.take(bytes); };
        session_.on_dropped = [this](const weir::messages_dropped& what) {
            if (!pending_.empty()) model_.offering(pending_.front().key);
            model_.drop(what);
        };
        session_.on_heartbeat = [this] { model_.control("(beat)"); };
        session_.last_chunk = "(end)";
        model_.control("(head)");
        session_.open("(head)");
    }

    void step() {
        switch (below(16)) {
            case 0:
            case 1:
            case 2:
            case 3: send(); break;
            case 4:
            case 5: async_send(); break;
            case 6:
                for (auto n = below(10); n != 0; --n) send();
                break;
            case 7: cancel(); break;
            case 8:
            case 9: take(1 + below(100)); break;
            case 10: take(below(4) == 0 ? std::size_t{100'000} : 5); break;
            case 11: session_.wake_in_vain(); break;
            case 12: session_.advance(std::chrono::milliseconds{below(400)}); break;
            case 13: session_.line.room = below(30); break;
            default: session_.end_turn(); break;
        }
        check();
    }

    /// Ends in good order or not; then nothing may be left.
    void finish() {
        if (below(2) == 0) {
            if (session_.state() == phase::open) model_.control("(end)");
            session_.close(error::none);
            check();
            for (int i = 0; i != 20'000 && session_.state() < phase::lingering; ++i) {
                take(1 + below(1000));
                session_.end_turn();
                check();
            }
            REQUIRE(session_.state() >= phase::lingering);
        }
        session_.terminate(error::peer_closed);
        check();
        REQUIRE(pending_.empty());
        REQUIRE(session_.stats().queued_bytes == 0);
        REQUIRE(session_.outbox().empty());
    }

    bool over() const { return session_.state() == phase::closed; }
    const test::wire_model& model() const { return model_; }

private:
    struct waiting_message {
        std::string text, key;
        test::operation op;
    };

    std::size_t below(std::size_t n) { return random_() % n; }

    weir::any_backpressure some_policy() {
        const std::size_t most = below(3) == 0 ? 0 : 1 + below(200);
        const std::size_t count = below(3) == 0 ? 0 : 1 + below(12);
        const weir::milliseconds age{below(3) == 0 ? 1 + below(1500) : 0};
        switch (below(7)) {
            case 0: return weir::refuse{most, count, age};
            case 1: return weir::wait{most, count, age};
            case 2: return weir::drop_oldest{most, count, age};
            case 3: return weir::drop_newest{most, count, age};
            case 4: return weir::keep_latest{most, count, age};
            case 5:
                return below(4) != 0 ? weir::any_backpressure{weir::wait{most, count, age}}
                                     : weir::any_backpressure{weir::close_slow{most, count, age}};
            default: return chaos{&random_};
        }
    }
    std::string key() {
        constexpr std::array keys{"", "a", "b", "c"};
        return keys[below(keys.size())];
    }
    // No two messages are alike.
    std::string text() { return "<" + std::to_string(++serial_) + bytes(below(below(8) == 0 ? 150 : 12), '.') + ">"; }

    void send() {
        const std::string t = text(), k = key();
        model_.offering(k);
        if (session_.send(t, k) == error::none) model_.accept(t, k);
    }
    void async_send() {
        const std::string t = text(), k = key();
        pending_.push_back({t, k, nullptr});
        // Only the first in the queue can be taken; the others are told when the session ends.
        const auto op = session_.async_send(t, k, [this, t](const test::completion& c) {
            const auto at = std::ranges::find(pending_, t, &waiting_message::text);
            if (at == pending_.end()) return in_order_ = false, void();
            if (at != pending_.begin() && !c.ec) in_order_ = false;
            if (!c.ec) model_.accept(at->text, at->key);
            pending_.erase(at);
        });
        if (!op->done) pending_.back().op = op;
    }
    void cancel() {
        if (!pending_.empty()) session_.cancel(pending_[below(pending_.size())].op);
    }
    void take(std::size_t n) {
        if (session_.line.buffered != 0) return session_.deliver(n);
        session_.take(n);
    }
    void check() {
        REQUIRE(in_order_);
        model_.check(session_.stats(), session_.line.in_flight.size());
    }

    std::mt19937 random_;
    int serial_ = 0;
    bool in_order_ = true;
    test::wire_model model_;
    std::deque<waiting_message> pending_;
    fake_session<weir::any_backpressure, weir::comment_every> session_;
};

}  // namespace

TEST_CASE("session output: whatever happens, the wire is whole messages in order, less those reported dropped",
          "[session][output]") {
    std::uint64_t sent = 0, dropped = 0;
    for (unsigned seed = 1; seed != 1001; ++seed) {
        CAPTURE(seed);
        random_session run{seed};
        for (int i = 0; i != 300 && !run.over(); ++i) run.step();
        run.finish();
        sent += run.model().sent();
        dropped += run.model().dropped();
    }
    CHECK(sent > 10'000);
    CHECK(dropped > 10'000);
}

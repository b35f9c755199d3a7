// SPDX-License-Identifier: BSL-1.0

#include <weir/session/session.hpp>

#include <weir/error.hpp>
#include <weir/policy/heartbeat.hpp>
#include <weir/policy/stall.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "catch.hpp"
#include "support/errc.hpp"
#include "support/fake_session.hpp"

using namespace std::literals;
using test::fake_session;
using test::operation;
using test::phase;
using test::t0;
using weir::error;

namespace {

constexpr weir::no_heartbeat silence;
const auto reset_by_peer = test::code_of(std::errc::connection_reset);

/// A session whose reader has taken one byte of two, and nothing since.
template <class Session>
void block(Session& s) {
    s.line.room = 1;
    s.send("xx");
    s.end_turn();
    REQUIRE(s.stats().blocked);
}

}  // namespace

// ---- beginning ----

TEST_CASE("session: begins with its head", "[session]") {
    fake_session s;
    CHECK(s.state() == phase::fresh);
    CHECK(s.timers.empty());
    s.open("(head)");
    CHECK(s.state() == phase::open);
    CHECK(s.seen.opened == 1);
    CHECK(s.line.writes.empty());
    s.end_turn();
    CHECK(s.line.output == "(head)");
    CHECK_FALSE(s.end_reason());
}

TEST_CASE("session: idle, it holds no buffer, no write, and one deadline", "[session]") {
    fake_session s;
    s.opened("(head)");
    s.send("message");
    s.end_turn();
    CHECK(s.outbox().empty());
    CHECK_FALSE(s.line.wants_writable);
    CHECK_FALSE(s.turn_end_wanted);
    CHECK(s.timers == std::vector{t0 + 15s});
}

TEST_CASE("session: the deadline moves only forward, once per look and not per message", "[session]") {
    fake_session s;
    s.opened();
    for (int i = 0; i != 1000; ++i) {
        s.at += 10ms;
        s.send("message");
        s.end_turn();
    }
    CHECK(s.timers.size() == 1);
    s.advance(10s);  // 20 s after the beginning, 10 s after the last message
    CHECK(s.timers == std::vector{t0 + 15s, t0 + 25s});
    CHECK(s.seen.heartbeats == 0);
    s.advance(5s);
    CHECK(s.seen.heartbeats == 1);
    CHECK(s.timers.size() == 3);
}

TEST_CASE("session: without heartbeat and deadline it sets no timer once its head is written", "[session]") {
    fake_session s{silence};
    s.opened("(head)");
    s.advance(1min);
    CHECK(s.timer == weir::never);
    s.timers.clear();
    s.send("message");
    s.end_turn();
    CHECK(s.timers.empty());
}

// ---- refusing ----

TEST_CASE("session: a refusal is written, said goodbye to, and ended", "[session]") {
    fake_session s;
    const auto end = s.ended();
    s.refuse("406 no", error::not_acceptable);
    CHECK(s.send("x") == error::closed);
    s.end_turn();
    CHECK(s.line.output == "406 no");
    CHECK(s.state() == phase::lingering);
    CHECK(s.line.send_shut);
    CHECK_FALSE(end->done);
    s.on_peer_closed();
    CHECK(end->succeeded());
    CHECK(end->reason == error::not_acceptable);
    CHECK(s.line.closed == 1);
    // Whoever counts the sessions that are open counts neither its beginning nor its end.
    CHECK(s.seen.opened == 0);
    CHECK(s.seen.closed.empty());
}

TEST_CASE("session: a refusal that nobody reads does not wait for ever", "[session]") {
    fake_session s{weir::stall_after{0s}};
    s.line.room = 3;
    s.refuse("406 no", error::not_acceptable);
    s.end_turn();
    s.advance(29s);
    CHECK(s.state() == phase::closing);
    s.advance(2s);
    CHECK(s.state() == phase::closed);
    CHECK(s.end_reason() == error::not_acceptable);
}

// ---- ending in good order ----

TEST_CASE("session: close writes what waits, the last words, and the farewell", "[session]") {
    fake_session s;
    s.last_chunk = "(end)";
    s.opened("(head)");
    const auto end = s.ended();
    s.send("one");
    s.close(error::none, "(retry)");
    CHECK(s.state() == phase::closing);
    CHECK(s.send("two") == error::closed);
    const auto all = s.drained();
    s.close(error::draining, "(again)");  // once is enough
    s.end_turn();
    CHECK(s.line.output == "(head)one(retry)(end)");
    CHECK(s.line.writes.size() == 2);
    CHECK(all->succeeded());
    CHECK(s.state() == phase::lingering);
    CHECK(s.line.send_shut);
    CHECK(s.line.closed == 0);
    CHECK_FALSE(end->done);
    s.on_peer_closed();
    CHECK(s.state() == phase::closed);
    CHECK(s.line.closed == 1);
    REQUIRE(end->succeeded());
    CHECK_FALSE(end->reason);
    CHECK(s.seen.closed == std::vector{make_error_code(error::none)});
    CHECK(s.timer == weir::never);
}

TEST_CASE("session: the reason of a close is what waiters learn", "[session]") {
    fake_session s{weir::wait{.max_messages = 1}, silence};
    s.opened();
    block(s);
    const auto send = s.async_send("b"), nap = s.sleep(1h), all = s.drained(), end = s.ended();
    s.close(error::draining);
    CHECK(send->failed_with(error::draining));
    CHECK(nap->failed_with(error::draining));
    CHECK_FALSE(all->done);
    CHECK_FALSE(end->done);
    s.unblock();
    CHECK(all->succeeded());
    CHECK(s.line.output == "xx");
    s.on_peer_closed();
    CHECK(end->reason == error::draining);
}

TEST_CASE("session: close without a reason tells waiters that it is closed", "[session]") {
    fake_session s{weir::wait{.max_messages = 1}, silence};
    s.opened();
    block(s);
    const auto send = s.async_send("b"), nap = s.sleep(1h);
    s.close(error::none);
    CHECK(send->failed_with(error::closed));
    CHECK(nap->failed_with(error::closed));
}

TEST_CASE("session: close before the beginning ends at once", "[session]") {
    fake_session s;
    const auto end = s.ended();
    s.close(error::draining);
    CHECK(s.state() == phase::closed);
    CHECK(end->reason == error::draining);
    CHECK(s.line.closed == 1);
    CHECK(s.line.output.empty());
    CHECK(s.seen.closed.empty());
}

TEST_CASE("session: close with nothing to say still says goodbye", "[session]") {
    fake_session s{silence};
    s.opened();
    s.close(error::none);
    CHECK_FALSE(s.line.send_shut);  // handlers first
    s.end_turn();
    CHECK(s.line.send_shut);
    CHECK(s.line.writes.empty());
}

TEST_CASE("session: close after a long silence is not overdue", "[session]") {
    fake_session s{silence};
    s.opened();
    s.send("message");
    s.end_turn();
    s.advance(1h);
    s.close(error::none);
    s.advance(0s);  // a deadline that had passed would ring first
    CHECK(s.state() == phase::closing);
    s.end_turn();
    CHECK(s.state() == phase::lingering);
}

TEST_CASE("session: close while blocked waits for the reader", "[session]") {
    fake_session s{silence};
    s.last_chunk = "(end)";
    s.opened();
    block(s);
    s.close(error::none);
    s.end_turn();
    CHECK(s.line.output == "x");
    s.advance(20s);
    CHECK(s.state() == phase::closing);
    s.unblock();
    CHECK(s.line.output == "xx(end)");
    CHECK(s.line.send_shut);
}

TEST_CASE("session: close while blocked with nothing left to write waits for nobody", "[session]") {
    fake_session s{weir::drop_oldest{.max_age = 1s}, silence};
    s.opened();
    s.line.room = 0;
    s.send("message");
    s.end_turn();
    s.advance(2s);
    REQUIRE(s.outbox().empty());
    REQUIRE(s.stats().blocked);
    s.close(error::none);
    s.end_turn();
    CHECK(s.state() == phase::lingering);
    CHECK(s.line.send_shut);
    s.unblock();  // comes late, changes nothing
    CHECK(s.state() == phase::lingering);
}

TEST_CASE("session: closing takes as long as it makes progress", "[session]") {
    fake_session s{silence, weir::stall_after{0s}};
    s.opened();
    block(s);
    s.send(std::string(40, 'y'));
    s.close(error::none);
    for (int i = 0; i != 20; ++i) {
        s.advance(25s);
        REQUIRE(s.state() == phase::closing);
        s.take(1);
    }
    s.advance(29s);
    CHECK(s.state() == phase::closing);
    s.advance(2s);
    CHECK(s.state() == phase::closed);
    CHECK(s.end_reason() == error::stalled);
    CHECK(s.stats().dropped.unsent == 1);
}

TEST_CASE("session: a stricter stall policy holds while closing, too", "[session]") {
    fake_session s{silence, weir::stall_after{5s}};
    s.opened();
    block(s);
    s.close(error::draining);
    s.advance(5s);
    CHECK(s.state() == phase::closed);
    CHECK(s.end_reason() == error::draining);  // why it was closed, not how it went
}

TEST_CASE("session: a peer that does not close is waited for 5 s", "[session]") {
    fake_session s;
    s.opened();
    const auto end = s.ended();
    s.advance(1h + 14s);
    s.close(error::none);
    s.end_turn();
    s.advance(5s - 1ms);
    CHECK(s.state() == phase::lingering);
    CHECK(s.line.closed == 0);
    s.advance(1ms);
    CHECK(s.state() == phase::closed);
    CHECK(s.line.closed == 1);
    CHECK(end->succeeded());
    CHECK_FALSE(end->reason);
}

// ---- ending at once ----

TEST_CASE("session: a peer that goes away is noticed at once", "[session]") {
    fake_session s{weir::wait{.max_messages = 1}, silence};
    s.opened();
    block(s);
    const auto send = s.async_send("b"), nap = s.sleep(1h), all = s.drained(), end = s.ended();
    s.on_peer_closed();
    for (const auto& op : {send, nap, all}) CHECK(op->failed_with(error::peer_closed));
    CHECK(end->succeeded());
    CHECK(end->reason == error::peer_closed);
    CHECK(s.line.closed == 1);
    CHECK(s.timer == weir::never);
    CHECK(s.stats().dropped.unsent == 1);
    CHECK(s.stats().queued_bytes == 0);
    CHECK(s.ended()->succeeded());
    CHECK(s.ended()->reason == error::peer_closed);
    CHECK(s.sleep(1s)->failed_with(error::peer_closed));
}

TEST_CASE("session: a peer that goes away while closing", "[session]") {
    fake_session s{silence};
    s.opened();
    block(s);
    SECTION("without a reason: that is the reason") {
        s.close(error::none);
        s.on_peer_closed();
        CHECK(s.end_reason() == error::peer_closed);
    }
    SECTION("with a reason: it stays") {
        s.close(error::draining);
        s.on_peer_closed();
        CHECK(s.end_reason() == error::draining);
    }
    CHECK(s.stats().dropped.unsent == 1);
}

TEST_CASE("session: terminate twice is terminate once", "[session]") {
    fake_session s;
    s.opened();
    s.terminate(error::closed);
    s.terminate(reset_by_peer);
    CHECK(s.end_reason() == error::closed);
    CHECK(s.line.closed == 1);
    CHECK(s.seen.closed.size() == 1);
}

TEST_CASE("session: what comes after the end changes nothing", "[session]") {
    fake_session s;
    s.opened();
    block(s);
    s.send("y");
    s.terminate(error::closed);
    const auto output = s.line.output;
    s.on_turn_end();
    s.on_timer();
    s.on_received({});
    s.on_peer_closed();
    s.on_writable();
    s.close(error::draining);
    s.expire_at(t0);
    CHECK(s.line.output == output);
    CHECK(s.end_reason() == error::closed);
    CHECK(s.timer == weir::never);
    CHECK_FALSE(s.turn_end_wanted);
}

TEST_CASE("session: pending operations of a session that is destroyed are destroyed", "[session]") {
    operation send, nap, all, end;
    {
        fake_session s{weir::wait{.max_messages = 1}};
        s.opened();
        block(s);
        send = s.async_send("b"), nap = s.sleep(1h), all = s.drained(), end = s.ended();
    }
    for (const auto& op : {send, nap, all, end}) {
        CHECK(op->destroyed);
        CHECK_FALSE(op->done);
    }
}

namespace {

/// One of everything, to be cut off at any point.
template <class Session>
std::vector<std::function<void()>> story(Session& s, std::vector<operation>& ops) {
    return {
        [&] { ops.push_back(s.ended()); },
        [&] { s.open("(head)"); },
        [&] { s.send("one"); },
        [&] { ops.push_back(s.drained()); },
        [&] { s.end_turn(); },
        [&] { s.line.room = 1; },
        [&] { s.send("two"), s.send("three"); },
        [&] { s.end_turn(); },
        [&] { ops.push_back(s.async_send("four")); },
        [&] { ops.push_back(s.async_send("five")); },
        [&] { ops.push_back(s.drained()); },
        [&] { ops.push_back(s.sleep(300ms)); },
        [&] { ops.push_back(s.sleep(1h)); },
        [&] { s.advance(400ms); },
        [&] { s.cancel(ops[2]); },
        [&] { s.take(3); },
        [&] { s.take(4); },
        [&] { s.unblock(); },
        [&] { s.end_turn(); },
        [&] { s.advance(16s); },
        [&] { s.send("six"); },
        [&] { s.close(error::draining, "(retry)"); },
        [&] { ops.push_back(s.drained()); },
        [&] { s.end_turn(); },
        [&] { s.advance(4s); },
        [&] { s.on_peer_closed(); },
    };
}

template <class Session>
void check_over(Session& s, const std::vector<operation>& ops) {
    CHECK(s.state() == phase::closed);
    CHECK(s.line.closed == 1);
    CHECK(s.seen.closed.size() == static_cast<std::size_t>(s.seen.opened));
    CHECK(s.outbox().empty());
    CHECK(s.timer == weir::never);
    for (const auto& op : ops) CHECK(op->done);
    const weir::session_stats stats = s.stats();
    CHECK(stats.queued_messages == 0);
    CHECK(stats.messages_sent == s.seen.messages);
    CHECK(stats.bytes_sent == s.seen.bytes);
    CHECK(stats.dropped.total() == s.seen.dropped.total());
    CHECK(stats.bytes_sent == s.line.output.size());
}

constexpr std::string_view whole = "(head)onetwothreefive(beat)six(retry)(end)";

}  // namespace

TEST_CASE("session: may be terminated at every point", "[session]") {
    std::size_t steps = 1;
    for (std::size_t cut = 0; cut <= steps; ++cut) {
        CAPTURE(cut);
        fake_session s{weir::wait{.max_messages = 2}};
        s.last_chunk = "(end)";
        std::vector<operation> ops;
        const auto all = story(s, ops);
        steps = all.size();
        for (std::size_t i = 0; i != cut; ++i) all[i]();
        const std::string before = s.line.output;
        const bool over = s.state() == phase::closed;
        s.terminate(reset_by_peer);
        s.end_turn();
        s.advance(1h);
        CHECK(s.line.output == before);
        CHECK(whole.starts_with(s.line.output));
        check_over(s, ops);
        if (cut == steps) {
            CHECK(over);
            CHECK(s.line.output == whole);
            CHECK(s.end_reason() == error::draining);
        }
    }
}

TEST_CASE("session: any write may fail", "[session]") {
    std::size_t writes = 1;
    for (std::size_t good = 0; good <= writes; ++good) {
        CAPTURE(good);
        fake_session s{weir::wait{.max_messages = 2}};
        s.last_chunk = "(end)";
        std::vector<operation> ops;
        const auto all = story(s, ops);
        for (const auto& step : all) {
            if (s.state() == phase::closed) break;
            if (s.line.writes.size() >= good) s.line.failure = reset_by_peer;
            step();
        }
        writes = std::max(writes, s.line.writes.size());
        CHECK(whole.starts_with(s.line.output));
        check_over(s, ops);
    }
    CHECK(writes > 4);
}

// ---- a maximum life ----

TEST_CASE("session: expires in good order", "[session]") {
    fake_session s{silence};
    s.last_chunk = "(end)";
    s.opened();
    const auto end = s.ended(), nap = s.sleep(2min);
    s.expire_at(t0 + 1min);
    s.advance(1min - 1ms);
    CHECK(s.state() == phase::open);
    s.advance(1ms);
    CHECK(s.state() == phase::lingering);
    CHECK(s.line.output == "(end)");
    CHECK(nap->failed_with(error::expired));
    s.on_peer_closed();
    CHECK(end->reason == error::expired);
}

TEST_CASE("session: the time given last is when it expires", "[session]") {
    fake_session s{silence};
    s.opened();
    s.expire_at(t0 + 1min);
    SECTION("later") {
        s.expire_at(t0 + 2min);
        s.advance(119s);
        CHECK(s.state() == phase::open);
        s.advance(1s);
        CHECK(s.end_reason() == error::expired);
    }
    SECTION("earlier") {
        s.expire_at(t0 + 1s);
        s.advance(1s);
        CHECK(s.end_reason() == error::expired);
    }
    SECTION("never") {
        s.expire_at(weir::never);
        s.advance(100h);
        CHECK(s.state() == phase::open);
    }
    SECTION("in the past: soon, not from within") {
        s.expire_at(t0 - 1s);
        CHECK(s.state() == phase::open);
        s.advance(0s);
        CHECK(s.end_reason() == error::expired);
    }
}

TEST_CASE("session: a life may be limited before it begins", "[session]") {
    fake_session s{silence};
    s.expire_at(t0 + 1min);
    SECTION("and be over after that") {
        s.opened("(head)");
        s.advance(1min);
        CHECK(s.line.output == "(head)");
        CHECK(s.end_reason() == error::expired);
    }
    SECTION("and be over before that") {
        const auto end = s.ended();
        s.advance(1min);
        CHECK(s.state() == phase::closed);
        CHECK(end->reason == error::expired);
    }
}

TEST_CASE("session: a session that is closing expires no more", "[session]") {
    fake_session s{silence};
    s.opened();
    block(s);
    s.expire_at(t0 + 1s);
    s.close(error::draining);
    s.expire_at(t0 + 2s);
    s.advance(10s);
    CHECK(s.state() == phase::closing);
    s.unblock();
    CHECK(s.state() == phase::lingering);
    s.expire_at(s.at + 1h);
    s.advance(5s);
    CHECK(s.state() == phase::closed);
    CHECK(s.end_reason() == error::draining);
}

// ---- sleeping ----

TEST_CASE("session: sleepers are woken at their deadlines", "[session]") {
    fake_session s;
    s.opened();
    const auto third = s.sleep(3s), first = s.sleep(1s), second = s.sleep(2s);
    s.advance(1s - 1ns);
    CHECK_FALSE(first->done);
    s.advance(1ns);
    CHECK(first->succeeded());
    CHECK_FALSE(second->done);
    s.advance(10s);
    CHECK(second->succeeded());
    CHECK(third->succeeded());
    CHECK(second->order == 2);
    CHECK(third->order == 3);
    CHECK(s.timers.size() == 6);  // the heartbeat's, 3 s, 1 s; then 2 s, 3 s, the heartbeat's
}

TEST_CASE("session: a sleep of no time ends soon, not from within", "[session]") {
    fake_session s;
    s.opened();
    const auto nap = s.sleep(0s);
    CHECK_FALSE(nap->done);
    s.advance(0s);
    CHECK(nap->succeeded());
}

TEST_CASE("session: a sleep may be cancelled, and does not end before the beginning", "[session]") {
    fake_session s{silence};
    CHECK(s.sleep(1s)->failed_with(error::not_accepted));
    s.opened();
    const auto nap = s.sleep(1s);
    s.cancel(nap);
    CHECK(nap->ec == test::code_of(std::errc::operation_canceled));
    s.advance(2s);
    CHECK(s.timers.size() == 1);
    const auto for_ever = s.sleep(weir::duration::max());
    s.advance(1000h);
    CHECK_FALSE(for_ever->done);
}

// ---- heartbeats ----

TEST_CASE("session: beats after each interval of silence", "[session][heartbeat]") {
    fake_session s{weir::comment_every{10s}};
    s.opened("(head)");
    s.advance(10s - 1ms);
    CHECK(s.line.output == "(head)");
    s.advance(1ms);
    CHECK(s.line.output == "(head)(beat)");
    CHECK(s.seen.heartbeats == 1);
    s.advance(25s);
    CHECK(s.line.output == "(head)(beat)(beat)(beat)");
    CHECK(s.timers.size() == 4);
    CHECK(s.stats().messages_sent == 0);
}

TEST_CASE("session: what is sent puts the next beat off", "[session][heartbeat]") {
    fake_session s{weir::comment_every{10s}};
    s.opened();
    for (int i = 0; i != 20; ++i) {
        s.advance(9s);
        s.send("m");
        s.end_turn();
    }
    CHECK(s.seen.heartbeats == 0);
    s.advance(10s);
    CHECK(s.seen.heartbeats == 1);
}

TEST_CASE("session: the salt makes beats up to a tenth earlier", "[session][heartbeat]") {
    for (int value = 0; value != 256; ++value) {
        CAPTURE(value);
        fake_session s{test::salt{static_cast<std::uint8_t>(value)}, weir::comment_every{10s}};
        s.opened();
        s.advance(9s);
        CHECK(s.seen.heartbeats == 0);
        s.advance(1s);
        CHECK(s.seen.heartbeats == 1);
    }
}

TEST_CASE("session: no beat while bytes are unsent, and one soon after", "[session][heartbeat]") {
    fake_session s{weir::comment_every{10s}, weir::stall_after{0s}};
    s.opened();
    block(s);
    s.advance(64s);
    CHECK(s.seen.heartbeats == 0);
    s.unblock();
    s.advance(10s);
    CHECK(s.seen.heartbeats == 1);
    CHECK(s.line.output == "xx(beat)");
}

TEST_CASE("session: no beat once it is closing", "[session][heartbeat]") {
    fake_session s{weir::comment_every{1s}};
    s.opened();
    s.close(error::none);
    s.end_turn();
    s.advance(1h);
    CHECK(s.seen.heartbeats == 0);
    CHECK(s.line.output.empty());
}

TEST_CASE("session: a heartbeat policy may give up on a silent peer", "[session][heartbeat]") {
    fake_session s{[](const weir::liveness& l) noexcept -> weir::heartbeat_decision {
        if (l.now - l.last_received >= 20s) return weir::give_up{};
        if (l.now - l.last_sent >= 5s) return weir::beat{};
        return weir::wait_until{std::min(l.last_sent + 5s, l.last_received + 20s)};
    }};
    s.opened();
    const auto end = s.ended();
    s.advance(15s);
    s.on_received({});
    s.advance(19s);
    CHECK(s.state() == phase::open);
    CHECK(s.seen.heartbeats == 6);
    s.advance(1s);
    CHECK(s.state() == phase::closed);
    CHECK(end->reason == error::unresponsive);
}

TEST_CASE("session: a policy that always beats is asked now and then, not in a loop", "[session][heartbeat]") {
    fake_session s{[](const weir::liveness&) noexcept { return weir::beat{}; }};
    s.opened();
    s.advance(10s);
    CHECK(s.seen.heartbeats >= 10);
    CHECK(s.seen.heartbeats <= 50);
}

TEST_CASE("session: policies that name the past are asked now and then, not in a loop", "[session][heartbeat]") {
    int asked = 0;
    fake_session s{
        [&](const weir::liveness& l) noexcept { return ++asked, weir::wait_until{l.now - 1h}; },
        [&](const weir::progress& p) noexcept -> weir::stall_decision { return ++asked, weir::wait_until{p.now}; }};
    s.opened();
    block(s);
    s.advance(10s);
    CHECK(asked >= 10);
    CHECK(asked <= 100);
}

TEST_CASE("session: a beat that can't be written ends the session", "[session][heartbeat]") {
    fake_session s{weir::comment_every{10s}};
    s.opened();
    s.line.failure = reset_by_peer;
    s.advance(10s);
    CHECK(s.state() == phase::closed);
    CHECK(s.end_reason() == reset_by_peer);
    CHECK(s.timer == weir::never);
}

// ---- stalls ----

TEST_CASE("session: a reader that takes nothing is given up after the patience", "[session][stall]") {
    fake_session s{silence};
    s.opened();
    s.advance(5s);
    const auto end = s.ended();
    block(s);
    s.advance(30s - 1ms);
    CHECK(s.state() == phase::open);
    s.advance(1ms);
    CHECK(s.state() == phase::closed);
    CHECK(end->reason == error::stalled);
}

TEST_CASE("session: what is sent to a dead reader does not keep it alive", "[session][stall]") {
    fake_session s{weir::drop_oldest{.max_messages = 5}};
    s.opened();
    block(s);
    for (int i = 0; i != 29; ++i) {
        s.advance(1s);
        CHECK(s.send("more") == error::none);
        s.end_turn();
    }
    CHECK(s.state() == phase::open);
    s.advance(1s);
    CHECK(s.end_reason() == error::stalled);
}

TEST_CASE("session: a dead reader is found even where nothing waits for long", "[session][stall]") {
    // The transport takes nothing more, at a message's end: whatever is dropped leaves the outbox empty.
    const auto check = [](auto& s) {
        s.opened();
        s.line.room = 0;
        for (int i = 0; i != 45 && s.state() == phase::open; ++i) {
            s.send("price", "key");
            s.end_turn();
            s.advance(1s);
        }
        CHECK(s.end_reason() == error::stalled);
        CHECK(s.at <= t0 + 32s);
    };
    SECTION("because newer ones replace it") {
        fake_session s{weir::keep_latest{}, silence};
        check(s);
    }
    SECTION("because only one may wait") {
        fake_session s{weir::drop_oldest{.max_messages = 1}, silence};
        check(s);
    }
    SECTION("because it becomes too old") {
        fake_session s{weir::drop_oldest{.max_age = 300ms}, silence};
        check(s);
    }
}

TEST_CASE("session: a reader that takes a byte now and then is not stalled", "[session][stall]") {
    fake_session s{silence};
    s.opened();
    block(s);
    s.send(std::string(1000, 'y'));
    for (int i = 0; i != 100; ++i) {
        s.advance(29s);
        REQUIRE(s.state() == phase::open);
        s.take(1);
    }
    s.advance(31s);
    CHECK(s.end_reason() == error::stalled);
}

TEST_CASE("session: a transport that only says it were writable makes no progress", "[session][stall]") {
    fake_session s{silence};
    s.opened();
    block(s);
    for (int i = 0; i != 29; ++i) {
        s.advance(1s);
        s.wake_in_vain();
    }
    CHECK(s.state() == phase::open);
    s.advance(1s);
    CHECK(s.end_reason() == error::stalled);
}

TEST_CASE("session: what leaves the transport's own buffer is progress", "[session][stall]") {
    fake_session s{silence};
    s.line.buffered = 64;
    s.opened();
    s.send(std::string(100, 'y'));
    s.end_turn();
    SECTION("a byte now and then") {
        for (int i = 0; i != 90; ++i) {
            s.advance(20s);
            REQUIRE(s.state() == phase::open);
            s.deliver(1);
        }
    }
    SECTION("while closing, too") {
        s.close(error::none);
        for (int i = 0; i != 90; ++i) {
            s.advance(20s);
            REQUIRE(s.state() == phase::closing);
            s.deliver(1);
        }
    }
    CHECK(s.line.output.size() == 90);
    s.advance(61s);
    CHECK(s.end_reason() == error::stalled);
}

TEST_CASE("session: a message after a long silence has the whole patience", "[session][stall]") {
    fake_session s{silence};
    s.opened();
    s.advance(1h);
    s.line.room = 0;
    s.send("message");
    s.end_turn();
    s.advance(29s);
    CHECK(s.state() == phase::open);
    s.advance(1s);
    CHECK(s.end_reason() == error::stalled);
}

TEST_CASE("session: patience of zero is endless", "[session][stall]") {
    fake_session s{silence, weir::stall_after{0s}};
    s.opened();
    block(s);
    s.advance(2h);
    CHECK(s.state() == phase::open);
    s.unblock();
    CHECK(s.line.output == "xx");
}

TEST_CASE("session: a stall policy of one's own", "[session][stall]") {
    fake_session s{silence, [](const weir::progress& p) noexcept -> weir::stall_decision {
                       if (p.bytes_unsent > 100) return weir::give_up{};
                       return weir::wait_until{p.now + 1s};
                   }};
    s.opened();
    block(s);
    s.advance(1h);
    CHECK(s.state() == phase::open);
    s.send(std::string(100, 'y'));
    s.advance(1s);
    CHECK(s.end_reason() == error::stalled);
}

// ---- what a protocol adds ----

TEST_CASE("session: a protocol has a deadline of its own", "[session][protocol]") {
    fake_session s{silence};
    s.look_at = t0 + 7s;
    s.opened();
    const int before = s.looks;
    s.advance(7s - 1ms);
    CHECK(s.looks == before);
    s.look_at = weir::never;
    s.advance(1ms);
    CHECK(s.looks == before + 1);
    s.advance(1h);
    CHECK(s.looks == before + 1);
}

TEST_CASE("session: bytes go to the protocol of a session that has begun", "[session][protocol]") {
    fake_session s{silence};
    std::string bytes = "abc";
    const auto get = [&] { s.on_received(std::as_writable_bytes(std::span{bytes})); };
    get();
    CHECK(s.received.empty());
    SECTION("accepted") {
        s.opened();
        get();
        get();
        CHECK(s.received == "abcabc");
    }
    SECTION("refused") {
        s.refuse("404 no", error::not_found);
        get();
        CHECK(s.received.empty());
    }
}

TEST_CASE("session: the protocol learns of the end, once", "[session][protocol]") {
    fake_session s{silence};
    s.opened();
    s.terminate(error::closed);
    s.terminate(error::closed);
    s.on_peer_closed();
    CHECK(s.ends == 1);
}

TEST_CASE("session: a peer that is to say goodbye is waited for", "[session][protocol]") {
    using weir::detail::parting;
    fake_session s{silence};
    s.parting = parting::awaited;
    s.leaves_first = GENERATE(false, true);
    s.opened();
    const auto end = s.ended();
    s.close(error::none);
    s.end_turn();
    CHECK(s.state() == phase::lingering);
    CHECK_FALSE(s.line.send_shut);
    SECTION("it says goodbye") {
        s.parting = parting::received;
        s.finish();
        s.finish();
        CHECK(s.line.send_shut != s.leaves_first);
        s.on_peer_closed();
        CHECK_FALSE(end->reason);
    }
    SECTION("it says goodbye, and never closes") {
        s.parting = parting::received;
        s.finish();
        s.advance(5s);
        CHECK_FALSE(end->reason);
    }
    SECTION("it does not") {
        s.advance(5s);
        CHECK(end->reason == error::close_timed_out);
    }
    SECTION("it leaves without") {
        s.on_peer_closed();
        CHECK(end->reason == error::peer_closed);
    }
    SECTION("it is not waited for any more") {
        s.terminate(error::closed);
        CHECK(end->reason == error::closed);
    }
    CHECK(end->succeeded());
}

TEST_CASE("session: a refusal waits for no goodbye", "[session][protocol]") {
    fake_session s{silence};
    s.parting = weir::detail::parting::awaited;
    s.leaves_first = true;
    s.refuse("406 no", error::not_acceptable);
    s.end_turn();
    CHECK(s.line.send_shut);
}

TEST_CASE("session: who waits for a good end is told of a bad one", "[session][protocol]") {
    fake_session s{silence};
    s.opened();
    const auto ended = s.wait_for(test::waiter::kind::ended), received = s.wait_for(test::waiter::kind::receive);
    SECTION("good") {
        s.close(error::none);
        s.end_turn();
        s.on_peer_closed();
        CHECK(ended->succeeded());
        CHECK(received->succeeded());
        CHECK(s.wait_for(test::waiter::kind::ended)->succeeded());
    }
    SECTION("bad") {
        s.on_peer_closed();
        CHECK(ended->failed_with(error::peer_closed));
        CHECK(received->failed_with(error::peer_closed));
        CHECK(s.wait_for(test::waiter::kind::ended)->failed_with(error::peer_closed));
    }
}

TEST_CASE("session: what a heartbeat policy is told of a peer", "[session][protocol][heartbeat]") {
    std::vector<weir::liveness> asked;
    fake_session s{[&](const weir::liveness& l) noexcept { return asked.push_back(l), weir::wait_until{l.now + 1s}; }};
    s.opened();
    s.advance(4s);
    s.on_received({});
    s.last_asked = t0 + 2s;
    s.advance(2s);
    s.send("x");
    s.end_turn();
    SECTION("that answers") {
        s.advance(1s);
        CHECK(asked.back().last_received == t0 + 4s);
        s.excuse_silence();
        s.advance(1s);
        CHECK(asked.back().last_received == t0 + 7s);
    }
    SECTION("that only listens") {
        s.answers = false;
        s.advance(1s);
        CHECK(asked.back().last_received == t0 + 6s);
    }
    CHECK(asked.back().last_asked == t0 + 2s);
    CHECK(asked.back().last_sent == t0 + 6s);
}

TEST_CASE("session: a heartbeat for which there is no room is no heartbeat", "[session][protocol][heartbeat]") {
    fake_session s{weir::comment_every{10s}};
    s.beats = false;
    s.opened();
    s.advance(12s);
    CHECK(s.seen.heartbeats == 0);
    s.beats = true;
    s.advance(1s);
    CHECK(s.seen.heartbeats == 1);
}

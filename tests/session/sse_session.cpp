// SPDX-License-Identifier: BSL-1.0

#include <weir/session/sse_session.hpp>

#include <weir/error.hpp>
#include <weir/policy/heartbeat.hpp>
#include <weir/policy/stall.hpp>
#include <weir/sse/encoder.hpp>

#include <algorithm>
#include <chrono>
#include <concepts>
#include <span>
#include <string>
#include <vector>

#include "catch.hpp"
#include "support/fake_session.hpp"

using namespace std::literals;
using test::fake_sse;
using test::phase;
using weir::error;
using weir::sse::framing;

namespace {

void get(auto& s, std::string bytes) { s.on_received(std::as_writable_bytes(std::span{bytes})); }

}  // namespace

TEST_CASE("sse session: comments keep it alive, in the framing of the stream", "[session][sse]") {
    STATIC_REQUIRE(std::same_as<weir::detail::sse_session::default_heartbeat, weir::comment_every>);
    fake_sse s{};
    const bool chunked = GENERATE(false, true);
    if (chunked) s.framing_ = framing::chunked;
    s.opened("(head)");
    CHECK(s.framing() == (chunked ? framing::chunked : framing::plain));
    s.advance(15s);
    CHECK(s.line.output == (chunked ? "(head)3\r\n:\n\n\r\n" : "(head):\n\n"));
    CHECK(s.seen.heartbeats == 1);
}

TEST_CASE("sse session: ends with a last chunk where there are chunks", "[session][sse]") {
    fake_sse s{weir::no_heartbeat{}};
    const bool chunked = GENERATE(false, true);
    if (chunked) s.framing_ = framing::chunked;
    s.opened();
    s.send("message");
    s.close(error::none, "(retry)");
    s.end_turn();
    CHECK(s.line.output == (chunked ? "message(retry)0\r\n\r\n" : "message(retry)"));
    CHECK(s.line.send_shut);  // nobody says goodbye here
    s.on_peer_closed();
    CHECK_FALSE(s.end_reason());
}

TEST_CASE("sse session: what a client says to a stream is observed, and nothing else", "[session][sse][observer]") {
    fake_sse s{weir::no_heartbeat{}};
    s.opened();
    get(s, "GET / HTTP/1.1\r\n");
    CHECK(s.seen.bytes_received == 16);
    CHECK(s.seen.messages_received == 0);
    s.send("message");
    s.end_turn();
    CHECK(s.line.output == "message");
}

TEST_CASE("sse session: messages wait for room as they are encoded", "[session][sse]") {
    fake_sse s{weir::wait{.max_messages = 1}, weir::no_heartbeat{}};
    s.opened();
    s.line.room = 0;
    s.send("one");
    s.end_turn();
    const auto two = s.async_send("two");
    CHECK_FALSE(two->done);
    s.unblock();
    s.end_turn();
    CHECK(two->succeeded());
    CHECK(s.line.output == "onetwo");
}

TEST_CASE("sse session: what the peer says is read and dropped", "[session][sse]") {
    fake_sse s{weir::no_heartbeat{}};
    s.opened();
    get(s, "GET / HTTP/1.1\r\n\r\n");
    CHECK(s.state() == phase::open);
    CHECK(s.reading);
    CHECK(s.line.output.empty());
    const auto end = s.ended();
    s.on_peer_closed();
    CHECK(end->reason == error::peer_closed);
}

TEST_CASE("sse session: what was sent counts as heard, since peers only listen", "[session][sse][heartbeat]") {
    std::vector<weir::liveness> asked;
    fake_sse s{[&](const weir::liveness& l) noexcept { return asked.push_back(l), weir::wait_until{l.now + 1s}; }};
    s.opened();
    s.advance(3s);
    s.send("message");
    s.end_turn();
    s.advance(2s);
    CHECK(asked.back().last_received == test::t0 + 3s);
    get(s, "x");
    s.advance(1s);
    CHECK(asked.back().last_received == test::t0 + 5s);
    CHECK(asked.back().last_sent == test::t0 + 3s);
    CHECK(asked.back().last_asked == weir::time_point{});
}

namespace {

/// A day of a stream, and what it looks like from outside.
template <class Heartbeat>
std::string a_day_with(Heartbeat heartbeat) {
    fake_sse s{test::salt{100}, heartbeat, weir::stall_after{0s}};
    s.opened("(head)");
    std::string story;
    const auto look = [&] { story += std::to_string(s.seen.heartbeats) + s.line.output + "\n"; };
    s.advance(1min), look();
    for (int i = 0; i != 10; ++i) s.send("message"), s.end_turn(), s.advance(14s), look();
    s.line.room = 1;
    s.send("blocked"), s.end_turn(), s.advance(5min), look();
    s.unblock(), look();
    s.advance(5min), look();
    get(s, "the peer speaks"), s.advance(10s), look();
    s.advance(24h), look();
    return story + std::to_string(static_cast<int>(s.state())) + " " + std::to_string(s.timers.size());
}

}  // namespace

TEST_CASE("sse session: ping_every is comment_every", "[session][sse][heartbeat]") {
    const std::string comments = a_day_with(weir::comment_every{15s});
    CHECK(a_day_with(weir::ping_every{15s, 1s}) == comments);
    CHECK(a_day_with(weir::ping_every{15s, 0s}) == comments);
    CHECK(std::ranges::count(comments, ':') > 100);
}

// SPDX-License-Identifier: BSL-1.0

#include <weir/sans_io.hpp>

#include <weir/policy/backpressure.hpp>
#include <weir/policy/heartbeat.hpp>
#include <weir/policy/observer.hpp>
#include <weir/policy/stall.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <random>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "support/driven_machine.hpp"
#include "support/fake_websocket.hpp"

#if defined(ASIO_DETAIL_CONFIG_HPP) || defined(BOOST_ASIO_DETAIL_CONFIG_HPP)
#error "weir/sans_io.hpp has brought Asio along"
#endif

using namespace std::literals;
using test::driven_machine;
using test::event_request;
using test::in_words;
using test::role;
using test::socket_request;
using weir::error;
using weir::milliseconds;
using weir::ws_close_code;

namespace {

constexpr weir::no_heartbeat silence;

/// What is behind the response's head.
std::string body_of(std::string_view response) {
    const auto end = response.find("\r\n\r\n");
    REQUIRE(end != std::string_view::npos);
    return std::string{response.substr(end + 4)};
}

std::size_t count_of(std::string_view part, std::string_view text) {
    std::size_t n = 0;
    for (auto at = text.find(part); at != text.npos; at = text.find(part, at + 1)) ++n;
    return n;
}

/// An event stream that has no head, so that its output is nothing but events.
template <class... Policies>
struct stream_of {
    explicit stream_of(Policies... policies) : out(std::move(policies)...) {
        CHECK(out.begin(weir::sse::framing::plain, line.now) == error::none);
        line.settle();
    }
    error send(std::string_view data, std::string_view key = {}) {
        return out.send({.data = data, .key = key}, line.now);
    }

    weir::sse_machine<Policies...> out;
    driven_machine line{out};
};

/// A WebSocket that has no head, so that its output is nothing but frames.
template <class... Policies>
struct socket_of {
    explicit socket_of(Policies... policies) : ws(std::move(policies)...) {
        CHECK(ws.begin(role::server, line.now) == error::none);
        line.settle();
    }
    /// Takes what has come, in words.
    std::string messages() {
        std::string all;
        while (const auto message = ws.next_message(line.now)) {
            all.append(all.empty() ? "" : " ").append(message->text());
        }
        return all;
    }
    void echo() {
        line.serve = [this] {
            while (const auto message = ws.next_message(line.now)) ws.send(*message, line.now);
        };
    }
    std::string said() { return in_words(line.take(), role::server); }

    weir::ws_machine<Policies...> ws;
    driven_machine line{ws};
};

std::string client_text(std::string_view payload) { return test::text(role::client, payload); }
std::string client_close(ws_close_code code) { return test::close(role::client, code); }

}  // namespace

// ---- event streams ----

TEST_CASE("sse machine: a request is answered with a head, and events follow in the same write", "[sans_io][sse]") {
    weir::sse_machine out;
    driven_machine line{out};
    CHECK(out.send({.data = "early"}, line.now) == error::not_accepted);
    CHECK(out.accept(event_request, line.now) == error::none);
    CHECK(out.send({.event = "tick", .id = "1", .data = "one"}, line.now) == error::none);
    CHECK(out.wants_write());
    CHECK(out.wants_read());
    line.settle();
    CHECK(line.writes == 1);
    CHECK(line.sent.starts_with("HTTP/1.1 200 OK\r\n"));
    CHECK(line.sent.find("event: tick\nid: 1\ndata: one\n\n") != std::string::npos);
    CHECK_FALSE(out.wants_write());
    CHECK(out.drained());
    CHECK(out.accept(event_request, line.now) == error::closed);
}

TEST_CASE("sse machine: a refusal is a complete response, and the end", "[sans_io][sse]") {
    weir::sse_machine out;
    driven_machine line{out};
    auto request = event_request;
    request.method = "DELETE";
    CHECK(out.accept(request, line.now) == error::method_not_allowed);
    CHECK_FALSE(out.is_open());
    line.settle();
    CHECK(line.sent.starts_with("HTTP/1.1 405 "));
    CHECK(line.shut);
    CHECK_FALSE(out.closed());
    line.hang_up();
    CHECK(out.closed());
    CHECK(out.end_reason() == error::method_not_allowed);
}

TEST_CASE("sse machine: who comes back is known by the last id", "[sans_io][sse]") {
    weir::sse_machine out;
    auto fields = std::vector(test::event_fields.begin(), test::event_fields.end());
    fields.push_back({"Last-Event-ID", "41"});
    auto request = event_request;
    request.fields = fields;
    CHECK(out.accept(request, {}) == error::none);
    CHECK(out.last_event_id().number() == 41u);
    CHECK_FALSE(out.last_event_id_refused());
}

TEST_CASE("sse machine: however much the transport takes at a time, the same bytes leave", "[sans_io][sse]") {
    std::optional<std::string> whole;
    for (std::size_t size : {driven_machine::unlimited, std::size_t{1}, std::size_t{2}, std::size_t{3}, std::size_t{7},
                             std::size_t{100}}) {
        weir::sse_machine out{silence};
        driven_machine line{out};
        line.max_write = size;
        CHECK(out.accept(event_request, line.now) == error::none);
        for (int n = 0; n != 20; ++n) out.send({.data = std::string(static_cast<std::size_t>(n) * 9, 'x')}, line.now);
        out.close(line.now);
        line.settle();
        CHECK(line.shut);
        if (!whole) whole = line.sent;
        CHECK(line.sent == *whole);
    }
}

TEST_CASE("sse machine: what is to be written stays until it is, whatever is called", "[sans_io][sse]") {
    stream_of s{silence, weir::drop_oldest{.max_messages = 2}};
    s.send("first");
    const weir::bytes_view before = s.out.output(s.line.now);
    const std::string text{weir::as_text(before)};
    for (int n = 0; n != 100; ++n) s.send("more");
    s.line.now += 1s;
    s.out.on_deadline(s.line.now);
    const weir::bytes_view after = s.out.output(s.line.now);
    CHECK(after.data() == before.data());
    CHECK(weir::as_text(after) == text);
    s.out.written(3, s.line.now);
    CHECK(s.out.output(s.line.now).data() == before.data() + 3);
    s.line.settle();
    CHECK(s.line.sent == text.substr(3) + "data: more\n\ndata: more\n\n");
    CHECK(s.out.stats().dropped.oldest == 98);
}

TEST_CASE("sse machine: output is at most 64 KiB at a time", "[sans_io][sse]") {
    stream_of s{silence};
    s.send(std::string(200'000, 'x'));
    std::size_t total = 0;
    for (auto out = s.out.output(s.line.now); !out.empty(); out = s.out.output(s.line.now)) {
        CHECK(out.size() <= 65'536);
        total += out.size();
        s.out.written(out.size(), s.line.now);
    }
    CHECK(total == 200'000 + "data: \n\n"sv.size());
    CHECK(s.out.stats().messages_sent == 1);
}

TEST_CASE("sse machine: silence is broken by a comment when the policy says so", "[sans_io][sse]") {
    stream_of s{weir::comment_every{15s}};
    CHECK(s.out.deadline() > s.line.now + 13s);
    CHECK(s.out.deadline() <= s.line.now + 15s);
    s.line.advance(12s);
    CHECK(s.line.sent.empty());
    s.line.advance(3s);
    CHECK(s.line.take() == ":\n\n");
    s.line.advance(60s);
    CHECK(count_of(":\n\n", s.line.sent) >= 4);
}

TEST_CASE("sse machine: before its deadline nothing happens", "[sans_io][sse]") {
    stream_of s{weir::comment_every{15s}};
    s.out.on_deadline(s.line.now + 1s);
    s.line.settle();
    CHECK(s.line.sent.empty());
    CHECK(s.out.deadline() < weir::never);
}

TEST_CASE("sse machine: a reader that takes nothing is given up, one that takes a byte now and then is not",
          "[sans_io][sse]") {
    stream_of s{silence, weir::stall_after{30s}};
    s.line.advance(3600s);  // silence before is no stall
    s.line.room = 0;
    s.send("waits");
    s.line.settle();
    s.line.advance(29s);
    CHECK(s.out.is_open());
    s.line.room = 1;
    s.line.settle();
    s.line.advance(29s);
    CHECK(s.out.is_open());
    s.line.advance(2s);
    CHECK(s.out.closed());
    CHECK(s.out.end_reason() == error::stalled);
}

TEST_CASE("sse machine: a full outbox is the policy's decision", "[sans_io][sse]") {
    SECTION("wait refuses, as nobody can wait here, until everything is written") {
        stream_of s{silence, weir::wait{.max_messages = 3}};
        s.line.room = 0;
        for (int n = 0; n != 3; ++n) CHECK(s.send("x") == error::none);
        CHECK(s.send("x") == error::refused);
        s.line.settle();
        CHECK_FALSE(s.out.drained());
        s.line.room = driven_machine::unlimited;
        s.line.settle();
        CHECK(s.out.drained());
        CHECK(s.send("x") == error::none);
        CHECK(s.out.stats().refused == 1);
    }
    SECTION("keep_latest replaces behind a reader that is slow") {
        stream_of s{silence, weir::keep_latest{}};
        s.send("1", "price");
        s.send("2", "price");
        s.line.settle();
        CHECK(s.line.take() == "data: 1\n\ndata: 2\n\n");  // one that keeps up sees everything
        s.line.room = 4;
        s.send("3", "price");
        s.line.settle();
        for (const auto data : {"4", "5", "6"}) CHECK(s.send(data, "price") == error::none);
        s.line.room = driven_machine::unlimited;
        s.line.settle();
        CHECK(s.line.take() == "data: 3\n\ndata: 6\n\n");
        CHECK(s.out.stats().dropped.replaced == 2);
    }
    SECTION("drop_newest says so") {
        stream_of s{silence, weir::drop_newest{.max_messages = 1}};
        s.send("first");
        CHECK(s.send("second") == error::dropped);
    }
    SECTION("close_slow ends the session") {
        stream_of s{silence, weir::close_slow{.max_messages = 1}};
        s.send("first");
        CHECK(s.send("second") == error::slow_reader);
        CHECK(s.out.closed());
        CHECK(s.out.output(s.line.now).empty());
    }
    SECTION("what is older than it may be is dropped while the reader is slow") {
        stream_of s{silence, weir::drop_oldest{.max_age = 2s}};
        s.line.room = 1;
        s.send("first");
        s.line.settle();
        s.send("second");
        s.line.advance(1s);
        s.send("third");
        s.line.advance(1500ms);
        s.line.room = driven_machine::unlimited;
        s.line.settle();
        CHECK(s.line.sent == "data: first\n\ndata: third\n\n");
    }
}

TEST_CASE("sse machine: closing writes what was sent, last words, and waits for the peer", "[sans_io][sse]") {
    weir::sse_machine out{silence};
    driven_machine line{out};
    CHECK(out.accept(event_request, line.now) == error::none);
    out.send({.data = "last"}, line.now);
    out.close(3s, line.now);
    CHECK(out.send({.data = "late"}, line.now) == error::closed);
    line.settle();
    const std::string body = body_of(line.sent);
    CHECK(body.ends_with("retry: 3000\n\n\r\n0\r\n\r\n"));
    CHECK(body.find("data: last\n\n") != body.npos);
    CHECK(line.shut);
    SECTION("which goes") {
        line.hang_up();
        CHECK(out.closed());
        CHECK_FALSE(out.end_reason());
    }
    SECTION("which does not, for 5 s") {
        line.advance(5s);
        CHECK(out.closed());
        CHECK_FALSE(out.end_reason());
    }
}

TEST_CASE("sse machine: what ends it is its end's reason", "[sans_io][sse]") {
    stream_of s{silence};
    SECTION("the peer has gone") {
        s.line.hang_up();
        CHECK(s.out.end_reason() == error::peer_closed);
    }
    SECTION("the transport has failed") {
        s.out.failed(make_error_code(std::errc::connection_reset), s.line.now);
        CHECK(s.out.end_reason() == std::errc::connection_reset);
    }
    SECTION("the application has had enough") {
        s.send("lost");
        s.out.abort(s.line.now);
        CHECK(s.out.end_reason() == error::closed);
        CHECK(s.out.stats().dropped.unsent == 1);
    }
    s.line.settle();
    CHECK(s.out.closed());
    CHECK(s.send("late") == error::closed);
    s.line.get("whatever");
    s.out.written(1000, s.line.now);
    s.line.hang_up();
    CHECK(s.line.sent.empty());
}

TEST_CASE("sse machine: it can be given a time to live", "[sans_io][sse]") {
    stream_of s{silence};
    s.out.expire_at(s.line.now + 60s);
    s.line.advance(59s);
    CHECK(s.out.is_open());
    s.line.advance(1s);
    CHECK_FALSE(s.out.is_open());
    CHECK(s.line.shut);
    CHECK(s.out.end_reason() == error::expired);
}

TEST_CASE("sse machine: time that goes backwards stands still", "[sans_io][sse]") {
    stream_of s{weir::comment_every{15s}};
    s.line.advance(10s);
    CHECK(s.out.send({.data = "x"}, s.line.now - 9s) == error::none);
    s.line.settle();
    s.line.take();
    s.line.advance(12s);
    CHECK(s.line.sent.empty());
}

TEST_CASE("sse machine: a source is asked when it says so, and not while its reader is behind", "[sans_io][sse]") {
    stream_of s{silence, weir::stall_after{0s}};
    int asked = 0;
    s.out.ask([&](weir::time_point now) {
        s.send(std::to_string(++asked));
        if (asked == 5) s.out.close(now);
        return now + 1s;
    });
    CHECK(asked == 0);
    CHECK(s.out.deadline() <= s.line.now);
    s.line.advance(0s);
    CHECK(s.line.take() == "data: 1\n\n");
    s.line.advance(1s);
    CHECK(s.line.take() == "data: 2\n\n");
    s.line.get("chatter");
    CHECK(asked == 2);
    s.line.room = 0;
    s.line.advance(60s);
    CHECK(asked == 3);
    s.line.room = driven_machine::unlimited;
    s.line.settle();
    s.line.advance(0s);
    CHECK(s.line.take() == "data: 3\n\ndata: 4\n\n");
    s.line.advance(3s);
    CHECK(asked == 5);
    CHECK(s.line.shut);
}

TEST_CASE("sse machine: a source can put another in its place", "[sans_io][sse]") {
    stream_of s{silence};
    s.out.ask([&](weir::time_point) {
        s.send("first");
        s.out.ask([&](weir::time_point) { return s.send("second"), weir::never; });
        return weir::never;
    });
    s.line.advance(0s);
    s.line.advance(0s);
    CHECK(s.line.sent == "data: first\n\ndata: second\n\n");
}

namespace {

struct life_observer {
    struct seen {
        int opened = 0;
        std::size_t received = 0, written = 0, blocked = 0;
        std::vector<weir::error_code> closed;
    };
    seen* to;

    void operator()(const weir::session_opened&) const noexcept { ++to->opened; }
    void operator()(const weir::messages_received& what) const noexcept { to->received += what.bytes; }
    void operator()(const weir::messages_written& what) const noexcept { to->written += what.messages; }
    void operator()(const weir::session_blocked&) const noexcept { ++to->blocked; }
    void operator()(const weir::session_closed& what) const noexcept { to->closed.push_back(what.reason); }
    void operator()(const auto&) const noexcept {}
};

}  // namespace

TEST_CASE("sse machine: an observer sees the whole life, its end in the destructor included", "[sans_io][sse]") {
    life_observer::seen seen;
    {
        stream_of s{silence, life_observer{&seen}};
        CHECK(seen.opened == 1);
        s.send("one");
        s.send("two");
        CHECK(seen.written == 0);
        s.line.settle();
        CHECK(seen.written == 2);
        s.line.get("chatter");
        CHECK(seen.received == 7);
        CHECK(seen.blocked == 0);
    }
    REQUIRE(seen.closed.size() == 1);
    CHECK(seen.closed[0] == error::closed);
}

// ---- WebSockets ----

TEST_CASE("ws machine: a request is answered, and what came behind it is a message", "[sans_io][ws]") {
    weir::ws_machine ws{silence};
    driven_machine line{ws};
    CHECK(ws.accept(socket_request, line.now, {}, client_text("early") + client_text("bird")) == error::none);
    line.serve = [&] {
        while (const auto message = ws.next_message(line.now)) ws.send(*message, line.now);
    };
    line.settle();
    CHECK(line.sent.starts_with("HTTP/1.1 101 "));
    CHECK(line.sent.find("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=") != std::string::npos);
    CHECK(in_words(body_of(line.sent), role::server) == "text(early) text(bird)");
    CHECK(line.writes == 1);
}

TEST_CASE("ws machine: a refusal is a complete response, and the end", "[sans_io][ws]") {
    weir::ws_machine ws;
    driven_machine line{ws};
    CHECK(ws.accept(event_request, line.now) == error::bad_upgrade);
    line.settle();
    CHECK(line.sent.starts_with("HTTP/1.1 426 "));
    CHECK(line.shut);
    line.hang_up();
    CHECK(ws.closed());
}

TEST_CASE("ws machine: however the peer's bytes are cut, the same frames answer them", "[sans_io][ws]") {
    using test::opcode;
    const std::string sent =
        client_text("hello") + test::frame(role::client, opcode::ping, "are you there") +
        test::frame(role::client, opcode::text, "in ", false) + test::frame(role::client, opcode::ping, "") +
        test::frame(role::client, opcode::continuation, "parts") +
        test::frame(role::client, opcode::binary, std::string(300, 'b')) + client_close(ws_close_code::normal);
    const std::string answer =
        "text(hello) pong(are you there) pong() text(in parts) binary(" + std::string(300, 'b') + ") close(1000)";
    const auto answered = [&](std::size_t first, std::size_t rest) {
        socket_of s{silence};
        s.echo();
        s.line.get(std::string_view{sent}.substr(0, first));
        for (std::size_t at = first; at < sent.size(); at += rest) s.line.get(std::string_view{sent}.substr(at, rest));
        CHECK(s.line.shut);
        s.line.hang_up();
        CHECK(s.ws.closed());
        CHECK_FALSE(s.ws.end_reason());
        CHECK(s.ws.close_reason().code == ws_close_code::normal);
        // Pongs overtake messages: which one they overtake is a question of what came in one piece.
        return s.said();
    };
    const auto sorted = [](std::string words) {
        std::string pongs, rest;
        for (std::size_t at = 0; at < words.size();) {
            const std::size_t end = std::min(words.find(") ", at), words.size() - 1) + 1;
            (words.substr(at, 4) == "pong" ? pongs : rest).append(words, at, end - at).append(" ");
            at = end + 1;
        }
        return pongs + rest;
    };
    for (std::size_t first = 0; first <= sent.size(); ++first) {
        REQUIRE(sorted(answered(first, sent.size())) == sorted(answer));
    }
    CHECK(sorted(answered(0, 1)) == sorted(answer));
}

TEST_CASE("ws machine: a peer that is not listened to has to wait", "[sans_io][ws]") {
    socket_of s{silence};
    std::string many;
    for (int n = 0; n != 300; ++n) many += client_text(std::to_string(n));
    s.line.get(many);
    CHECK_FALSE(s.ws.wants_read());
    int next = 0;
    while (const auto message = s.ws.next_message(s.line.now)) CHECK(message->text() == std::to_string(next++));
    CHECK(next == 300);
    s.line.settle();
    CHECK(s.ws.wants_read());
}

TEST_CASE("ws machine: the peer's close frame is answered behind the answers to what came before it", "[sans_io][ws]") {
    socket_of s{silence};
    s.line.get(client_text("question") + client_close(ws_close_code::going_away));
    CHECK(s.ws.is_open());
    SECTION("as soon as nothing is left") {
        CHECK(s.messages() == "question");
        CHECK_FALSE(s.ws.is_open());
        s.line.settle();
        CHECK(s.said() == "close(1001)");
    }
    SECTION("or after 5 s") {
        s.line.advance(5s);
        CHECK_FALSE(s.ws.is_open());
        CHECK(s.said() == "close(1001)");
    }
    CHECK(s.line.shut);
    s.line.hang_up();
    CHECK_FALSE(s.ws.end_reason());
}

TEST_CASE("ws machine: closing waits 5 s for the peer's close frame", "[sans_io][ws]") {
    socket_of s{silence};
    CHECK(s.ws.close(ws_close_code{999}, "", s.line.now) == error::bad_argument);
    s.ws.send("last"sv, s.line.now);
    CHECK(s.ws.close(ws_close_code{4000}, "enough", s.line.now) == error::none);
    s.line.settle();
    CHECK(s.said() == "text(last) close(4000 enough)");
    CHECK_FALSE(s.line.shut);
    SECTION("which comes") {
        s.line.get(client_close(ws_close_code{4000}));
        CHECK(s.line.shut);
        s.line.hang_up();
        CHECK_FALSE(s.ws.end_reason());
    }
    SECTION("which does not") {
        s.line.advance(5s);
        CHECK(s.ws.closed());
        CHECK(s.ws.end_reason() == error::close_timed_out);
    }
}

TEST_CASE("ws machine: a peer that does not answer a ping is given up", "[sans_io][ws]") {
    socket_of s{weir::ping_every{30s, 10s}};
    s.line.advance(30s);
    CHECK(s.said() == "ping()");
    SECTION("it answers") {
        s.line.get(test::frame(role::client, test::opcode::pong, ""));
        s.line.advance(20s);
        CHECK(s.ws.is_open());
    }
    SECTION("it does not") {
        s.line.advance(10s);
        CHECK(s.ws.end_reason() == error::unresponsive);
        CHECK(s.ws.closed());
    }
}

TEST_CASE("ws machine: a fault of the peer's is named in the close frame", "[sans_io][ws]") {
    socket_of s{silence};
    s.echo();
    std::string code;
    SECTION("no mask") {
        s.line.get(test::text(role::server, "hello"));
        code = "1002";
    }
    SECTION("half of a character") {
        s.line.get(client_text("\xc3"));
        code = "1007";
    }
    SECTION("too large") {
        s.line.get(
            "\x81\xff\x00\x00\x00\x00\x7f\xff\xff\xff"
            "\x11\x22\x33\x44"sv);
        code = "1009";
    }
    CHECK(s.said().starts_with("close(" + code));
    CHECK(s.line.shut);
    CHECK(s.ws.end_reason());
}

TEST_CASE("ws machine: limits are those that were set", "[sans_io][ws]") {
    weir::ws_machine ws{silence};
    driven_machine line{ws};
    ws.limits({.max_message_bytes = 4});
    CHECK(ws.begin(role::server, line.now) == error::none);
    line.get(client_text("12345"));
    line.serve = [&] { CHECK_FALSE(ws.next_message(line.now)); };
    line.settle();
    CHECK(in_words(line.sent, role::server) == "close(1009 message too large)");
}

TEST_CASE("ws machine: messages in pieces, both ways", "[sans_io][ws]") {
    using test::opcode;
    socket_of s{silence};
    CHECK_FALSE(s.ws.next_piece(s.line.now));
    s.line.get(test::frame(role::client, opcode::text, "one ", false));
    const auto first = s.ws.next_piece(s.line.now);
    REQUIRE(first);
    CHECK(first->text() == "one ");
    CHECK_FALSE(first->last());
    CHECK(s.ws.send_piece(*first, s.line.now) == error::none);
    CHECK(s.ws.send("not now"sv, s.line.now) == error::refused);
    s.line.get(test::frame(role::client, opcode::continuation, "two"));
    const auto second = s.ws.next_piece(s.line.now);
    REQUIRE(second);
    CHECK(second->last());
    CHECK(s.ws.send_piece(*second, s.line.now) == error::none);
    CHECK(s.ws.send("now"sv, s.line.now) == error::none);
    s.line.settle();
    CHECK(s.said() == "text-(one ) more(two) text(now)");
}

TEST_CASE("ws machine: a piece that finds no room can be sent again", "[sans_io][ws]") {
    socket_of s{silence, weir::wait{.max_messages = 1}};
    CHECK(s.ws.send("in the way"sv, s.line.now) == error::none);
    CHECK(s.ws.send_piece({"a piece", false, false}, s.line.now) == error::refused);
    s.line.settle();
    CHECK(s.ws.send_piece({"a piece", false, false}, s.line.now) == error::none);
    s.line.settle();
    CHECK(s.said() == "text(in the way) text-(a piece)");
    s.ws.abort(s.line.now);
    CHECK(s.ws.send_piece({"late", false, true}, s.line.now) == error::closed);
}

TEST_CASE("ws machine: keep_latest goes by the key that a message has", "[sans_io][ws]") {
    socket_of s{silence, weir::keep_latest{}};
    s.line.room = 1;
    s.ws.send("a1"sv, s.line.now, "a");
    s.line.settle();
    for (const auto text : {"a2"sv, "b1"sv, "a3"sv}) s.ws.send(text, s.line.now, text.substr(0, 1));
    s.line.room = driven_machine::unlimited;
    s.line.settle();
    CHECK(s.said() == "text(a1) text(b1) text(a3)");
}

TEST_CASE("ws machine: a long message is written in order with what was sent before it", "[sans_io][ws]") {
    socket_of s{silence};
    const std::string longest(300'000, 'x');
    s.ws.send("before"sv, s.line.now);
    s.ws.send(longest, s.line.now);
    s.ws.send("behind"sv, s.line.now);
    CHECK(s.line.sent.empty());
    s.line.max_write = 1000;
    s.line.settle();
    CHECK(s.said() == "text(before) text(" + longest + ") text(behind)");
}

TEST_CASE("ws machine: two machines can talk to each other", "[sans_io][ws]") {
    weir::ws_machine server{silence}, client{silence};
    driven_machine here{server}, there{client};
    CHECK(server.begin(role::server, here.now) == error::none);
    CHECK(client.begin(role::client, there.now) == error::none);
    here.serve = [&] {
        while (const auto message = server.next_message(here.now)) server.send(*message, here.now);
    };
    client.send("hello"sv, there.now);
    there.settle();
    here.get(there.take());
    there.get(here.take());
    const auto answer = client.next_message(there.now);
    REQUIRE(answer);
    CHECK(answer->text() == "hello");
}

TEST_CASE("ws machine: messages can be delivered by calls", "[sans_io][ws]") {
    weir::ws_machine ws{silence};
    driven_machine line{ws};
    int drained = 0;
    ws.handle_with({.on_message = [&](weir::ws_message message) { ws.send(message, ws.now()); },
                    .on_drained = [&] { ++drained; }});
    CHECK(ws.accept(socket_request, line.now, {}, client_text("early")) == error::none);
    line.settle();
    line.get(client_text("one") + client_text("two"));
    CHECK(in_words(body_of(line.sent), role::server) == "text(early) text(one) text(two)");
    CHECK(line.writes == 3);  // the head, what answers the early one, what answers the other two
    CHECK(drained == 2);
    ws.pause();
    CHECK_FALSE(ws.wants_read());
    ws.resume();
    line.settle();
    CHECK(ws.wants_read());
    line.get(client_close(ws_close_code::normal));
    CHECK(line.shut);
}

TEST_CASE("ws machine: what an application throws reaches whoever drives it, and is the end", "[sans_io][ws]") {
    socket_of s{silence};
    s.ws.on_message([](weir::ws_message) { throw 7; });
    CHECK_THROWS_AS(s.line.get(client_text("x")), int);
    CHECK(s.ws.closed());
    CHECK(s.ws.output(s.line.now).empty());
}

namespace {

/// What perform() needs of a transport, with a script.
struct scripted_transport {
    std::vector<std::string> incoming = {};  ///< one for each read; "": would block; then the end
    std::size_t room = 1'000'000;
    weir::error_code failure = {};
    std::string sent = {};
    int reads = 0, goodbyes = 0;

    std::size_t read_some(weir::mutable_bytes_view buffer, weir::error_code& ec) {
        ++reads;
        if (incoming.empty()) return 0;
        const std::string next = incoming.front();
        incoming.erase(incoming.begin());
        if (next.empty()) ec = make_error_code(std::errc::operation_would_block);
        std::ranges::copy(weir::as_bytes(next), buffer.data());
        return next.size();
    }
    std::size_t write_some(weir::bytes_view bytes, weir::error_code& ec) {
        const std::size_t taken = std::min(room, bytes.size());
        if (failure) return ec = failure, 0;
        if (taken == 0) return ec = make_error_code(std::errc::resource_unavailable_try_again), 0;
        sent.append(weir::as_text(bytes.first(taken)));
        room -= taken;
        return taken;
    }
    void shut_down_sending() { ++goodbyes; }
    void watch(bool reading, bool writing, weir::time_point at) {
        CHECK(closed == 0);
        watches = {reading, writing};
        deadline = at;
    }
    void close() { ++closed; }

    struct {
        bool reading, writing;
    } watches = {};
    weir::time_point deadline = {};
    int closed = 0;
};

}  // namespace

TEST_CASE("perform: reads, answers and writes as far as the transport goes along", "[sans_io][perform]") {
    const weir::time_point now = test::t0;
    weir::ws_machine ws{silence};
    CHECK(ws.begin(role::server, now) == error::none);
    ws.on_message([&](weir::ws_message message) { ws.send(message, ws.now()); });
    scripted_transport line{.incoming = {client_text("one"), client_text("two"), ""}, .room = 3};
    perform(ws, line, now);
    CHECK(line.watches.writing);
    CHECK(line.watches.reading);
    CHECK(line.deadline == ws.deadline());
    line.room = 1000;
    line.incoming = {client_close(ws_close_code::normal), ""};
    perform(ws, line, now);
    CHECK(in_words(line.sent, role::server) == "text(one) text(two) close(1000)");
    CHECK(line.goodbyes == 1);
    CHECK_FALSE(line.watches.writing);
    CHECK(line.closed == 0);
    perform(ws, line, now);
    CHECK(ws.closed());
    CHECK(line.goodbyes == 1);
    CHECK(line.closed == 1);
}

TEST_CASE("perform: others get their turn", "[sans_io][perform]") {
    weir::ws_machine ws{silence};
    CHECK(ws.begin(role::server, test::t0) == error::none);
    scripted_transport line{.incoming = std::vector(10, client_text("x"))};
    perform(ws, line, test::t0);
    CHECK(line.reads == 4);
}

TEST_CASE("perform: a transport that fails is the end", "[sans_io][perform]") {
    weir::sse_machine out{silence};
    CHECK(out.begin(weir::sse::framing::plain, test::t0) == error::none);
    out.send({.data = "x"}, test::t0);
    scripted_transport line{.incoming = {""}, .failure = make_error_code(std::errc::connection_reset)};
    perform(out, line, test::t0);
    CHECK(out.closed());
    CHECK(out.end_reason() == std::errc::connection_reset);
    CHECK(line.closed == 1);
}

TEST_CASE("perform: a transport that takes nothing is not asked again at once", "[sans_io][perform]") {
    struct : scripted_transport {
        std::size_t write_some(weir::bytes_view, weir::error_code&) { return ++writes, std::size_t{0}; }
        int writes = 0;
    } line;
    line.incoming = {""};
    weir::sse_machine out{silence};
    CHECK(out.begin(weir::sse::framing::plain, test::t0) == error::none);
    out.send({.data = "x"}, test::t0);
    perform(out, line, test::t0);
    CHECK(line.writes == 1);
    CHECK(line.watches.writing);
}

TEST_CASE("perform: who sends whenever everything is written leaves the others their turn", "[sans_io][perform]") {
    const std::string piece(8192, 'x');
    weir::ws_machine ws{silence};
    CHECK(ws.begin(role::server, test::t0) == error::none);
    ws.handle_with({.on_drained = [&] { ws.send(piece, ws.now()); }});
    ws.send(piece, test::t0);
    scripted_transport line{.incoming = {""}, .room = 100'000'000};
    perform(ws, line, test::t0);
    CHECK(line.sent.size() < 1'000'000);
    CHECK(line.watches.writing);
}

TEST_CASE("perform: what answers the peer's last bytes leaves, although its end is there", "[sans_io][perform]") {
    weir::ws_machine ws{silence};
    CHECK(ws.begin(role::server, test::t0) == error::none);
    ws.on_message([&](weir::ws_message message) { ws.send(message, ws.now()); });
    scripted_transport line{.incoming = {client_text("last") + client_close(ws_close_code::normal)}};
    perform(ws, line, test::t0);
    CHECK(in_words(line.sent, role::server) == "text(last) close(1000)");
}

TEST_CASE("sse machine: a source that throws is the session's end", "[sans_io][sse]") {
    weir::sse_machine out{silence};
    CHECK(out.begin(weir::sse::framing::plain, test::t0) == error::none);
    out.ask([](weir::time_point) -> weir::time_point { throw std::runtime_error{"no more"}; });
    CHECK_THROWS_AS(out.on_deadline(test::t0), std::runtime_error);
    CHECK(out.closed());
}

TEST_CASE("sse machine: a source can end the asking", "[sans_io][sse]") {
    weir::sse_machine out{silence};
    CHECK(out.begin(weir::sse::framing::plain, test::t0) == error::none);
    int asked = 0;
    out.ask([&](weir::time_point now) {
        ++asked;
        out.ask(nullptr);
        return now;
    });
    for (int i = 0; i != 5; ++i) out.on_deadline(test::t0 + i * 1s);
    CHECK(asked == 1);
}

TEST_CASE("ws machine: a handler that runs survives what it calls", "[sans_io][ws]") {
    socket_of s;
    std::string seen;
    const auto captured = std::make_shared<std::string>("of the handler that runs");
    SECTION("the end, and what is written then") {
        s.ws.on_message([&, captured](weir::ws_message) {
            s.ws.abort(s.ws.now());
            s.ws.output(s.ws.now());
            seen = *captured;
        });
    }
    SECTION("another handler in its place") {
        s.ws.on_message([&, captured](weir::ws_message) {
            s.ws.on_message([](weir::ws_message) {});
            s.ws.output(s.ws.now());
            seen = *captured;
        });
    }
    s.line.get(client_text("x"));
    CHECK(seen == "of the handler that runs");
}

TEST_CASE("take over: a machine of either kind is made, and has answered", "[sans_io]") {
    std::unique_ptr<weir::machine> live;
    auto& out = weir::take_over<weir::sse_machine>(live, event_request, {}, test::t0, silence, weir::keep_latest{});
    CHECK(live.get() == &out);
    CHECK(out.is_open());
    CHECK(weir::as_text(out.output(test::t0)).starts_with("HTTP/1.1 200 "));
    auto& ws = weir::take_over<weir::ws_machine>(live, socket_request, client_text("early"), test::t0, silence);
    CHECK(live.get() == &ws);
    REQUIRE(ws.next_message(test::t0));
    weir::take_over<weir::ws_machine>(live, event_request, {}, test::t0);
    CHECK_FALSE(live->is_open());
    CHECK(weir::as_text(live->output(test::t0)).starts_with("HTTP/1.1 426 "));
}

TEST_CASE("ws machine: whatever the peer sends, it ends in time", "[sans_io][ws][hostile]") {
    std::mt19937 random{20'240'601};
    const std::string good = client_text("hello") + test::frame(role::client, test::opcode::ping, "x") +
                             client_text(std::string(200, 'y')) + client_close(ws_close_code::normal);
    for (int round = 0; round != 500; ++round) {
        std::string bytes = good;
        for (int n = 0; n != 1 + round % 4; ++n) bytes[random() % bytes.size()] = static_cast<char>(random());
        socket_of s{weir::ping_every{30s, 10s}};
        s.echo();
        s.line.max_write = 1 + random() % 64;
        for (std::size_t at = 0; at < bytes.size();) {
            const std::size_t size = std::min<std::size_t>(1 + random() % 40, bytes.size() - at);
            s.line.get(std::string_view{bytes}.substr(at, size));
            at += size;
        }
        s.line.advance(60s);
        REQUIRE(s.ws.closed());
        REQUIRE(in_words(s.line.sent, role::server).find("fault") == std::string::npos);
    }
}

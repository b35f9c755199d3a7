// SPDX-License-Identifier: BSL-1.0

#include <weir/ws/connection.hpp>

#include <weir/deflate.hpp>
#include <weir/ws/prepared_message.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "support/allocations.hpp"
#include "support/ws_frames.hpp"

using namespace std::literals;
using namespace test;
using weir::error;
using weir::never;
using weir::time_point;
using weir::ws::close_code;
using weir::ws::connection;
using weir::ws::connection_options;
using weir::ws::event;
using weir::ws::event_kind;
using weir::ws::masking_key;
using weir::ws::message_view;
using weir::ws::role;

namespace {

constexpr time_point t0{std::chrono::hours{1}};
constexpr unsigned continuation = 0, binary_code = 2, close_frame = 8, ping_frame = 9, pong_frame = 10;

const connection_options defaults;

/// Keys that can be told apart: 00000001, 00000002, ...
std::uint8_t last_key = 0;
masking_key counted_key() { return {std::byte{0}, std::byte{0}, std::byte{0}, std::byte{++last_key}}; }

events feed(connection& c, std::string_view bytes, time_point now = t0,
            std::size_t step = std::numeric_limits<std::size_t>::max()) {
    return receive(bytes, [&](weir::mutable_bytes_view& in) { return c.receive(in, now); }, [&] { return step; });
}

struct peers {
    connection_options options = {};
    connection server{role::server, options, t0};
    connection client{role::client, options, t0};
};

std::unique_ptr<weir::ws::message_codec> make_codec(role self, std::size_t threshold = 0) {
    return weir::deflate_frames{.threshold = threshold}.make_codec(self, {});
}

/// One side, and what the other side makes of its bytes.
struct listener {
    connection c;
    explicit listener(role speaker, const connection_options& options = defaults, bool compressed = false)
        : c(speaker == role::server ? role::client : role::server, options, t0,
            compressed ? make_codec(speaker == role::server ? role::client : role::server) : nullptr) {}

    events hear(connection& speaker) { return feed(c, speaker.take_output()); }
};

std::string pings(std::size_t from, std::size_t to) {
    std::string bytes;
    for (std::size_t i = from; i < to; ++i) {
        bytes += frame{.code = ping_frame, .payload = std::to_string(i)}.from_client();
    }
    return bytes;
}

std::string pongs(std::initializer_list<int> numbers) {
    std::string bytes;
    for (const int i : numbers) bytes += frame{.code = pong_frame, .payload = std::to_string(i)}.from_server();
    return bytes;
}

}  // namespace

// ---- §5.1, §5.3, §6.1: sending ----

TEST_CASE("RFC 6455 5.1: what a server sends is never masked", "[ws][connection][rfc6455-5.1]") {
    connection c{role::server, defaults, t0};
    CHECK(c.send("Hello"));
    CHECK(c.send(message_view::binary("\x01\x02")));
    CHECK(c.ping("p", t0));
    CHECK(c.send_piece({"Hel", false, false}));
    CHECK(c.send_piece({"lo", false, true}));
    CHECK(c.close(close_code::normal, "bye", t0));
    CHECK(to_hex(c.take_output()) == to_hex("81 05 48656c6c6f 82 02 0102 89 01 70 01 03 48656c 80 02 6c6f"
                                            "88 05 03e8 627965"_hex));
}

TEST_CASE("RFC 6455 5.3: what a client sends is masked, each frame with a key of its own",
          "[ws][connection][rfc6455-5.3]") {
    last_key = 0;
    const connection_options options{.masking_keys = counted_key};
    connection c{role::client, options, t0};
    CHECK(c.send(message_view::binary("\0\0\0\0\0"sv)));
    CHECK(c.ping("\0\0\0\0"sv, t0));
    CHECK(c.send_piece({"\0\0\0\0"sv, true, false}));
    CHECK(c.send_piece({"\0\0\0\0"sv, true, true}));
    CHECK(feed(c, "89 04 00000000"_hex) == events{ping("\0\0\0\0"s)});
    CHECK(c.close(close_code::normal, {}, t0));
    CHECK(to_hex(c.take_output()) == to_hex("82 85 00000001 0000000100"
                                            "89 84 00000002 00000002"
                                            "02 84 00000003 00000003 80 84 00000004 00000004"
                                            "8a 84 00000005 00000005"
                                            "88 82 00000006 03e8"_hex));
}

TEST_CASE("RFC 6455 5.3: a client's keys come from the system unless told otherwise", "[ws][connection][rfc6455-5.3]") {
    connection c{role::client, defaults, t0};
    const std::string zeros(4, '\0');
    for (int i = 0; i < 3; ++i) CHECK(c.send(message_view::binary(zeros)));
    const std::string out = c.take_output();
    REQUIRE(out.size() == 30);
    CHECK(out.substr(2, 8) != out.substr(12, 8));
    CHECK(out.substr(12, 8) != out.substr(22, 8));
}

TEST_CASE("RFC 6455 6.1: a message of any size is one frame with the shortest length",
          "[ws][connection][rfc6455-6.1]") {
    for (const std::size_t size : {0U, 1U, 125U, 126U, 65535U, 65536U, 100'000U}) {
        connection c{role::server, defaults, t0};
        const std::string payload(size, 'x');
        CHECK(c.send(payload));
        CHECK(c.take_output() == frame{.payload = payload}.from_server());
        CHECK(c.send(message_view::binary(payload)));
        CHECK(c.take_output() == frame{.code = binary_code, .payload = payload}.from_server());
    }
}

TEST_CASE("RFC 6455 5.4: a message in pieces is a first frame, continuations, and a final one",
          "[ws][connection][rfc6455-5.4]") {
    connection c{role::server, defaults, t0};
    CHECK(c.send_piece({"a", true, false}));
    CHECK(c.send_piece({"", true, false}));
    CHECK(c.send_piece({"b", true, false}));
    CHECK(c.send_piece({"", true, true}));
    CHECK(to_hex(c.take_output()) == to_hex("02 01 61 00 00 00 01 62 80 00"_hex));
    // Text or binary: the first piece says it.
    CHECK(c.send_piece({"a", false, false}));
    CHECK(c.send_piece({"b", true, true}));
    CHECK(to_hex(c.take_output()) == to_hex("01 01 61 80 01 62"_hex));
    // One piece only: no fragment.
    CHECK(c.send_piece({"a", false, true}));
    CHECK(to_hex(c.take_output()) == to_hex("81 01 61"_hex));
}

TEST_CASE("RFC 6455 5.4: control frames come between pieces, other messages do not", "[ws][connection][rfc6455-5.4]") {
    connection c{role::server, defaults, t0};
    CHECK(c.send_piece({"a", false, false}));
    CHECK_FALSE(c.send("other"));
    CHECK(c.ping("p", t0));
    CHECK(feed(c, frame{.code = ping_frame, .payload = "q"}.from_client()) == events{ping("q")});
    CHECK(c.send_piece({"b", false, true}));
    CHECK(c.send("other"));
    CHECK(to_hex(c.take_output()) == to_hex("01 01 61 89 01 70 8a 01 71 80 01 62 81 05 6f74686572"_hex));
}

TEST_CASE("RFC 6455 5.5.1: a close frame may come within a message in pieces", "[ws][connection][rfc6455-5.5.1]") {
    connection c{role::server, defaults, t0};
    CHECK(c.send_piece({"a", false, false}));
    CHECK(c.close(close_code::going_away, {}, t0));
    CHECK_FALSE(c.send_piece({"b", false, true}));
    CHECK(to_hex(c.take_output()) == to_hex("01 01 61 88 02 03e9"_hex));
}

TEST_CASE("connection: output is there once", "[ws][connection]") {
    connection c{role::server, defaults, t0};
    CHECK_FALSE(c.has_output());
    CHECK(c.take_output().empty());
    CHECK(c.send("x"));
    CHECK(c.has_output());
    CHECK(c.take_output() == "81 01 78"_hex);
    CHECK_FALSE(c.has_output());
    CHECK(c.take_output().empty());
}

// ---- §5.5.2, §5.5.3: ping and pong ----

TEST_CASE("RFC 6455 5.5.2: a ping is answered by a pong with the same payload", "[ws][connection][rfc6455-5.5.2]") {
    for (std::size_t size = 0; size <= 125; ++size) {
        const std::string payload(size, static_cast<char>(size));
        for (const std::size_t step : {1000U, 1U}) {
            connection c{role::server, defaults, t0};
            REQUIRE(feed(c, frame{.code = ping_frame, .payload = payload}.from_client(), t0, step) ==
                    events{ping(payload)});
            REQUIRE(c.take_output() == frame{.code = pong_frame, .payload = payload}.from_server());
        }
    }
}

TEST_CASE("RFC 6455 5.5.2: a ping within a message is answered before it ends", "[ws][connection][rfc6455-5.5.2]") {
    connection c{role::server, defaults, t0};
    feed(c,
         frame{.payload = "Hel", .fin = false}.from_client() + frame{.code = ping_frame, .payload = "p"}.from_client());
    CHECK(to_hex(c.take_output()) == to_hex("8a 01 70"_hex));
}

TEST_CASE("RFC 6455 5.5.3: a pong that nobody asked for is told, and not answered", "[ws][connection][rfc6455-5.5.3]") {
    connection c{role::server, defaults, t0};
    CHECK(feed(c, frame{.code = pong_frame, .payload = "p"}.from_client()) == events{pong("p")});
    CHECK_FALSE(c.has_output());
}

TEST_CASE("RFC 6455 5.5.2: a ping of more than 125 bytes is cut", "[ws][connection][rfc6455-5.5.2]") {
    connection c{role::server, defaults, t0};
    CHECK(c.ping(std::string(1000, 'x'), t0));
    CHECK(c.take_output() == frame{.code = ping_frame, .payload = std::string(125, 'x')}.from_server());
}

TEST_CASE("RFC 6455 5.5.3: of pings beyond the rate the newest is answered, when the second is over",
          "[ws][connection][rfc6455-5.5.3]") {
    const connection_options options{.max_pongs_per_second = 3};
    connection c{role::server, options, t0};
    CHECK(feed(c, pings(0, 9), t0 + 200ms).size() == 9);
    CHECK(c.take_output() == pongs({0, 1, 2}));
    CHECK(c.deadline() == t0 + 1200ms);
    feed(c, pings(9, 10), t0 + 900ms);
    CHECK_FALSE(c.has_output());
    CHECK_FALSE(c.on_time(t0 + 1199ms));
    CHECK_FALSE(c.has_output());
    CHECK_FALSE(c.on_time(t0 + 1200ms));
    CHECK(c.take_output() == pongs({9}));
    CHECK(c.deadline() == never);
    CHECK_FALSE(c.on_time(t0 + 1200ms));
    CHECK_FALSE(c.has_output());
    // It counts in the second that has begun.
    feed(c, pings(20, 30), t0 + 2s);
    CHECK(c.take_output() == pongs({20, 21}));
    CHECK(c.deadline() == t0 + 2200ms);
}

TEST_CASE("RFC 6455 5.5.3: a pong put off is not sent after that for a later ping", "[ws][connection][rfc6455-5.5.3]") {
    const connection_options options{.max_pongs_per_second = 1};
    connection c{role::server, options, t0};
    feed(c, pings(0, 3));
    // on_time() is late, and a ping comes first.
    feed(c, pings(3, 4), t0 + 1500ms);
    CHECK(c.take_output() == pongs({0, 3}));
    CHECK(c.deadline() == never);
    CHECK_FALSE(c.on_time(t0 + 10s));
    CHECK_FALSE(c.has_output());
}

TEST_CASE("RFC 6455 5.5.3: without a rate every ping is answered", "[ws][connection][rfc6455-5.5.3]") {
    const connection_options options{.max_pongs_per_second = 0};
    connection c{role::server, options, t0};
    feed(c, pings(0, 5000));
    std::string expected;
    for (int i = 0; i < 5000; ++i) expected += pongs({i});
    CHECK(c.take_output() == expected);
    CHECK(c.deadline() == never);
}

TEST_CASE("RFC 6455 5.5.2: a flood of pings is answered with little", "[ws][connection][rfc6455-5.5.2]") {
    connection c{role::server, defaults, t0};
    for (int i = 0; i < 10'000; ++i) feed(c, frame{.code = ping_frame, .payload = "flood"}.from_client());
    CHECK(c.take_output().size() == 100 * "8a 05 666c6f6f64"_hex.size());
    CHECK(c.deadline() == t0 + 1s);
}

TEST_CASE("RFC 6455 5.5.1: pings are not answered after a close frame", "[ws][connection][rfc6455-5.5.1]") {
    const connection_options options{.max_pongs_per_second = 1, .close_timeout = 0ms};
    connection sent{role::server, options, t0};
    feed(sent, pings(0, 2));
    sent.close(close_code::normal, {}, t0);
    sent.take_output();
    CHECK(feed(sent, pings(2, 3)) == events{ping("2")});
    CHECK(sent.deadline() == never);  // nor is the pong that was put off
    CHECK_FALSE(sent.has_output());

    connection come{role::server, options, t0};
    feed(come, pings(0, 2) + frame{.code = close_frame}.from_client());
    come.take_output();
    CHECK(come.deadline() == never);
    CHECK_FALSE(come.on_time(t0 + 1h));
    CHECK_FALSE(come.has_output());
}

// ---- §5.5.1, §7: closing ----

TEST_CASE("RFC 6455 5.5.1: a close frame is answered with its code", "[ws][connection][rfc6455-5.5.1]") {
    for (const unsigned code : {1000U, 1001U, 1002U, 1003U, 1007U, 1011U, 1014U, 3000U, 4999U}) {
        connection c{role::server, defaults, t0};
        CHECK(feed(c, frame{.code = close_frame, .payload = close_payload(code, "reason")}.from_client()) ==
              events{closed(close_code{static_cast<std::uint16_t>(code)}, "reason")});
        CHECK(c.close_received());
        CHECK_FALSE(c.finished());
        CHECK_FALSE(c.has_output());
        c.end(t0);
        CHECK(c.take_output() == frame{.code = close_frame, .payload = close_payload(code)}.from_server());
        CHECK(c.finished());
        CHECK(c.failure() == error::none);
        CHECK(c.deadline() == never);
    }
}

TEST_CASE("RFC 6455 5.5.1: a close frame without a code is answered without one", "[ws][connection][rfc6455-5.5.1]") {
    connection c{role::server, defaults, t0};
    CHECK(feed(c, frame{.code = close_frame}.from_client()) == events{closed()});
    c.end(t0);
    CHECK(c.take_output() == "88 00"_hex);
}

TEST_CASE("RFC 6455 5.5.1: what is being sent may be finished before a close frame is answered",
          "[ws][connection][rfc6455-5.5.1]") {
    connection c{role::server, defaults, t0};
    CHECK(c.send_piece({"a", false, false}));
    feed(c, frame{.code = close_frame, .payload = close_payload(1000)}.from_client());
    CHECK(c.send_piece({"b", false, true}));
    CHECK(c.send("c"));
    c.end(t0);
    CHECK_FALSE(c.send("d"));
    CHECK(to_hex(c.take_output()) == to_hex("01 01 61 80 01 62 81 01 63 88 02 03e8"_hex));
}

TEST_CASE("RFC 6455 5.5.1: an answer of the application's own is the answer", "[ws][connection][rfc6455-5.5.1]") {
    connection c{role::server, defaults, t0};
    feed(c, frame{.code = close_frame, .payload = close_payload(1000)}.from_client());
    CHECK(c.close(close_code{4001}, "mine", t0));
    CHECK(c.finished());
    c.end(t0);
    CHECK(c.take_output() == frame{.code = close_frame, .payload = close_payload(4001, "mine")}.from_server());
}

TEST_CASE("RFC 6455 5.5.1: nothing is sent after a close frame", "[ws][connection][rfc6455-5.5.1]") {
    for (const role self : {role::server, role::client}) {
        connection c{self, defaults, t0};
        CHECK(c.close(close_code::normal, {}, t0));
        CHECK(c.close_sent());
        CHECK_FALSE(c.finished());
        c.take_output();
        CHECK_FALSE(c.send("x"));
        CHECK_FALSE(c.send_piece({"x", false, true}));
        CHECK_FALSE(c.ping("x", t0));
        CHECK_FALSE(c.close(close_code::normal, {}, t0));
        c.end(t0);
        feed(c, frame{.code = ping_frame}.bytes(self == role::server));
        CHECK_FALSE(c.has_output());
    }
}

TEST_CASE("RFC 6455 7.1.2: messages are received until the peer's close frame comes",
          "[ws][connection][rfc6455-7.1.2]") {
    connection c{role::client, defaults, t0};
    c.close(close_code::normal, {}, t0);
    CHECK(feed(c, "81 01 78 88 02 03e8 81 01 79"_hex) == events{text("x"), closed(close_code::normal)});
    CHECK(c.finished());
    CHECK(c.deadline() == never);
    c.take_output();
    c.end(t0);
    CHECK_FALSE(c.has_output());
}

TEST_CASE("RFC 6455 7.1.5: both sides close at once, and each has the other's code",
          "[ws][connection][rfc6455-7.1.5]") {
    peers p;
    p.server.close(close_code::going_away, "s", t0);
    p.client.close(close_code::normal, "c", t0);
    const std::string to_client = p.server.take_output(), to_server = p.client.take_output();
    CHECK(feed(p.client, to_client) == events{closed(close_code::going_away, "s")});
    CHECK(feed(p.server, to_server) == events{closed(close_code::normal, "c")});
    p.client.end(t0);
    p.server.end(t0);
    CHECK_FALSE(p.client.has_output());
    CHECK_FALSE(p.server.has_output());
    CHECK(p.client.finished());
    CHECK(p.server.finished());
}

TEST_CASE("RFC 6455 7.4: codes that may not be sent are refused", "[ws][connection][rfc6455-7.4]") {
    for (const unsigned code : {0U, 999U, 1004U, 1006U, 1015U, 1016U, 2999U, 5000U, 65535U}) {
        connection c{role::server, defaults, t0};
        CHECK_FALSE(c.close(close_code{static_cast<std::uint16_t>(code)}, {}, t0));
        CHECK_FALSE(c.close_sent());
        CHECK_FALSE(c.has_output());
    }
    connection c{role::server, defaults, t0};
    CHECK(c.close(close_code::no_status, "not sent", t0));
    CHECK(c.take_output() == "88 00"_hex);
}

TEST_CASE("RFC 6455 5.5: a reason is cut at 123 bytes, between two characters", "[ws][connection][rfc6455-5.5]") {
    connection c{role::server, defaults, t0};
    const std::string fits(123, 'r');
    CHECK(c.close(close_code::normal, fits, t0));
    CHECK(c.take_output() == frame{.code = close_frame, .payload = close_payload(1000, fits)}.from_server());

    connection d{role::server, defaults, t0};
    CHECK(d.close(close_code::normal, std::string(122, 'r') + "\xe2\x82\xac", t0));
    CHECK(d.take_output() ==
          frame{.code = close_frame, .payload = close_payload(1000, std::string(122, 'r'))}.from_server());
}

TEST_CASE("RFC 6455 7.1.7: failing the connection tells the peer, once, with the code that fits",
          "[ws][connection][rfc6455-7.1.7]") {
    struct fault {
        std::string bytes;
        error what;
        close_code code;
    };
    const auto protocol = close_code::protocol_error, payload = close_code::invalid_payload;
    const std::vector<fault> faults{
        {"83"_hex, error::bad_opcode, protocol},
        {"91"_hex, error::reserved_bits, protocol},
        {"81 80"_hex, error::bad_mask, protocol},
        {"81 7e 0001"_hex, error::length_not_minimal, protocol},
        {"81 7f 80"_hex, error::bad_length, protocol},
        {"09"_hex, error::control_fragmented, protocol},
        {"89 7e"_hex, error::control_too_long, protocol},
        {"80 00"_hex, error::unexpected_continuation, protocol},
        {"01 00 01 00"_hex, error::message_unfinished, protocol},
        {"88 01 00"_hex, error::bad_close, protocol},
        {"88 02 03ed"_hex, error::bad_close, protocol},
        {"88 03 03e8 ff"_hex, error::bad_utf8, payload},
        {"81 01 ff"_hex, error::bad_utf8, payload},
        {"c1 01 06"_hex, error::bad_deflate, payload},
        {"82 7f 0000000000100001"_hex, error::message_too_large, close_code::message_too_big},
    };
    for (const fault& f : faults) {
        const connection_options options{.masking_keys = counted_key};
        connection c{role::client, options, t0, f.what == error::bad_deflate ? make_codec(role::client) : nullptr};
        CAPTURE(to_hex(f.bytes));
        CHECK(feed(c, f.bytes + "81 01 78 89 00 88 02 03e8"_hex) == events{failed(f.what)});
        CHECK(c.failure() == f.what);
        CHECK_FALSE(c.finished());
        c.end(t0);
        CHECK(c.finished());
        CHECK(c.deadline() == never);
        listener server{role::client};
        const events told = server.hear(c);
        REQUIRE(told.size() == 1);
        CHECK(told[0] == closed(f.code, weir::message(f.what)));

        c.end(t0);
        CHECK_FALSE(c.close(close_code::normal, {}, t0));
        CHECK_FALSE(c.send("x"));
        CHECK(feed(c, "81 01 78 89 00 88 02 03e8"_hex).empty());
        CHECK_FALSE(c.has_output());
        CHECK_FALSE(c.on_time(t0 + 1h));
    }
}

TEST_CASE("RFC 6455 7.1.7: a fault after this side's close frame is not told", "[ws][connection][rfc6455-7.1.7]") {
    connection c{role::client, defaults, t0};
    c.close(close_code::normal, {}, t0);
    c.take_output();
    CHECK(feed(c, "83"_hex) == events{failed(error::bad_opcode)});
    c.end(t0);
    CHECK_FALSE(c.has_output());
    CHECK(c.finished());
    CHECK(c.deadline() == never);
}

TEST_CASE("connection: end() does nothing while nothing has ended", "[ws][connection]") {
    connection c{role::server, defaults, t0};
    c.end(t0);
    CHECK_FALSE(c.has_output());
    CHECK_FALSE(c.close_sent());
    CHECK(c.send("x"));
}

// ---- time ----

TEST_CASE("close_timeout: a peer that does not answer a close frame", "[ws][connection][rfc6455-7.1.1]") {
    const connection_options options{.ping_interval = 1s, .close_timeout = 5s};
    connection c{role::server, options, t0};
    c.close(close_code::normal, {}, t0 + 300ms);
    c.take_output();
    CHECK(c.deadline() == t0 + 5300ms);
    CHECK(feed(c, frame{.payload = "late"}.from_client(), t0 + 5s) == events{text("late")});
    CHECK(c.deadline() == t0 + 5300ms);  // bytes do not prolong it
    CHECK_FALSE(c.on_time(t0 + 5299ms));
    const event e = c.on_time(t0 + 5300ms);
    CHECK(e.what == event_kind::failed);
    CHECK(e.error == error::close_timed_out);
    CHECK(c.failure() == error::close_timed_out);
    CHECK(c.finished());
    CHECK(c.deadline() == never);
    CHECK_FALSE(c.on_time(t0 + 1h));
    CHECK_FALSE(c.has_output());
    CHECK(feed(c, frame{.payload = "too late"}.from_client(), t0 + 6s).empty());
}

TEST_CASE("close_timeout: 0 waits as long as it takes", "[ws][connection]") {
    const connection_options options{.close_timeout = 0ms};
    connection c{role::server, options, t0};
    c.close(close_code::normal, {}, t0);
    CHECK(c.deadline() == never);
    CHECK_FALSE(c.on_time(t0 + 100h));
}

TEST_CASE("ping_interval: a ping after so much silence, and any bytes are no silence", "[ws][connection]") {
    const connection_options options{.ping_interval = 30s};
    connection c{role::server, options, t0};
    CHECK(c.deadline() == t0 + 30s);
    feed(c, frame{.claimed_size = 1000}.from_client().substr(0, 1), t0 + 10s);
    CHECK(c.last_received() == t0 + 10s);
    weir::mutable_bytes_view nothing;
    CHECK_FALSE(c.receive(nothing, t0 + 39s));
    CHECK(c.deadline() == t0 + 40s);
    CHECK_FALSE(c.on_time(t0 + 39s));
    CHECK_FALSE(c.has_output());
    CHECK_FALSE(c.on_time(t0 + 40s));
    CHECK(c.take_output() == "89 00"_hex);
    CHECK(c.last_ping() == t0 + 40s);
    CHECK_FALSE(c.on_time(t0 + 40s));  // once
    CHECK_FALSE(c.has_output());
}

TEST_CASE("pong_timeout: not a byte within this time of a ping", "[ws][connection]") {
    const connection_options options{.ping_interval = 30s, .pong_timeout = 10s};
    connection c{role::server, options, t0};
    c.on_time(t0 + 30s);
    c.take_output();
    CHECK(c.deadline() == t0 + 40s);
    CHECK_FALSE(c.on_time(t0 + 39s));
    SECTION("any byte will do") {
        feed(c, "81"_hex, t0 + 39s);
        CHECK(c.deadline() == t0 + 69s);
        CHECK_FALSE(c.on_time(t0 + 40s));
        CHECK_FALSE(c.has_output());
    }
    SECTION("the connection has failed then") {
        CHECK(c.on_time(t0 + 40s).error == error::unresponsive);
        CHECK(c.failure() == error::unresponsive);
        CHECK(c.deadline() == never);
        CHECK_FALSE(c.on_time(t0 + 41s));
        CHECK(feed(c, frame{.payload = "after all"}.from_client(), t0 + 41s).empty());
        CHECK_FALSE(c.has_output());
    }
}

TEST_CASE("pong_timeout: pings of the application do not prolong it", "[ws][connection]") {
    const connection_options options{.ping_interval = 30s, .pong_timeout = 10s};
    connection c{role::server, options, t0};
    c.on_time(t0 + 30s);
    for (int i = 31; i < 40; ++i) CHECK(c.ping("are you there", t0 + std::chrono::seconds{i}));
    CHECK(c.deadline() == t0 + 40s);
    CHECK(c.on_time(t0 + 40s).error == error::unresponsive);

    connection asked_by_the_application{role::server, options, t0};
    CHECK(asked_by_the_application.ping({}, t0 + 5s));
    CHECK(asked_by_the_application.deadline() == t0 + 15s);
    feed(asked_by_the_application, frame{.code = pong_frame}.from_client(), t0 + 6s);
    CHECK(asked_by_the_application.deadline() == t0 + 36s);
}

TEST_CASE("ping_interval: 0 is never a ping, and silence is nothing to fail for", "[ws][connection]") {
    const connection_options options{.ping_interval = 0ms, .pong_timeout = 10s};
    connection c{role::server, options, t0};
    CHECK(c.deadline() == never);
    CHECK(c.ping({}, t0 + 1s));
    CHECK(c.deadline() == never);
    CHECK_FALSE(c.on_time(t0 + 1h));
}

TEST_CASE("ping_interval: a ping that is due earlier does not bring forward a pong", "[ws][connection]") {
    const connection_options options{.max_pongs_per_second = 1, .ping_interval = 600ms};
    connection c{role::server, options, t0};
    feed(c, pings(0, 2), t0);
    c.take_output();
    CHECK(c.deadline() == t0 + 600ms);
    CHECK_FALSE(c.on_time(t0 + 600ms));
    CHECK(c.take_output() == "89 00"_hex);
    CHECK(c.deadline() == t0 + 1s);
    CHECK_FALSE(c.on_time(t0 + 1s));
    CHECK(c.take_output() == pongs({1}));
}

TEST_CASE("pong_timeout: 0 goes on asking", "[ws][connection]") {
    const connection_options options{.ping_interval = 30s, .pong_timeout = 0ms};
    connection c{role::server, options, t0};
    for (int i = 1; i < 5; ++i) {
        const time_point now = t0 + i * 30s;
        CHECK(c.deadline() == now);
        CHECK_FALSE(c.on_time(now));
        CHECK(c.take_output() == "89 00"_hex);
    }
    CHECK(c.failure() == error::none);
}

TEST_CASE("on_time: late, it does what is due and no more", "[ws][connection]") {
    const connection_options options{.max_pongs_per_second = 1, .ping_interval = 30s, .pong_timeout = 10s};
    connection c{role::server, options, t0};
    feed(c, pings(0, 2));
    c.take_output();
    CHECK(c.deadline() == t0 + 1s);
    CHECK_FALSE(c.on_time(t0 + 100s));
    CHECK(c.take_output() == pongs({1}) + "89 00"_hex);
    CHECK(c.deadline() == t0 + 110s);
}

TEST_CASE("deadline: after on_time() it lies in the future, whatever the options", "[ws][connection]") {
    for (const auto ping_interval : {0ms, 1ms, 700ms, -5ms}) {
        for (const auto pong_timeout : {0ms, 1ms, 900ms, -5ms}) {
            for (const auto close_timeout : {0ms, 1ms, -5ms}) {
                const connection_options options{.max_pongs_per_second = 1,
                                                 .ping_interval = ping_interval,
                                                 .pong_timeout = pong_timeout,
                                                 .close_timeout = close_timeout};
                connection c{role::server, options, t0};
                time_point now = t0;
                for (int i = 0; i < 300; ++i, now += 97ms) {
                    if (i % 3 == 0) feed(c, pings(0, 3), now);
                    if (i % 50 == 7) c.ping({}, now);
                    if (i == 250) c.close(close_code::normal, {}, now);
                    c.on_time(now);
                    REQUIRE(c.deadline() > now);
                    c.take_output();
                    REQUIRE_FALSE(c.on_time(now));
                    REQUIRE_FALSE(c.has_output());
                }
            }
        }
    }
}

TEST_CASE("ping_interval: a peer that has closed is not asked any more", "[ws][connection]") {
    const connection_options options{.ping_interval = 30s, .pong_timeout = 10s};
    connection c{role::server, options, t0};
    c.on_time(t0 + 30s);
    c.take_output();
    feed(c, frame{.code = close_frame}.from_client(), t0 + 31s);
    CHECK(c.deadline() == never);
    CHECK_FALSE(c.on_time(t0 + 1h));
    c.end(t0 + 1h);
    CHECK(c.take_output() == "88 00"_hex);
}

TEST_CASE("connection_options: times without end are no times in the past", "[ws][connection]") {
    const auto longest = weir::milliseconds::max();
    const connection_options options{.ping_interval = longest, .pong_timeout = longest, .close_timeout = longest};
    connection c{role::server, options, t0};
    CHECK(c.deadline() == never);
    c.ping({}, t0 + 1s);
    CHECK(c.deadline() == never);
    c.close(close_code::normal, {}, t0);
    CHECK(c.deadline() == never);
}

TEST_CASE("connection_options: not a temporary, which would be gone", "[ws][connection]") {
    STATIC_REQUIRE(std::is_constructible_v<connection, role, const connection_options&, time_point>);
    STATIC_REQUIRE_FALSE(std::is_constructible_v<connection, role, connection_options, time_point>);
}

// ---- limits ----

TEST_CASE("max_message_bytes: 1 MiB unless set otherwise, 0 is none", "[ws][connection]") {
    const auto announced = [](std::uint64_t size) {
        return frame{.code = binary_code, .claimed_size = size}.from_server();
    };
    connection fits{role::client, defaults, t0};
    CHECK(feed(fits, announced(1024 * 1024)).empty());
    connection over{role::client, defaults, t0};
    CHECK(feed(over, announced(1024 * 1024 + 1)) == events{failed(error::message_too_large)});
    const connection_options unlimited{.max_message_bytes = 0};
    connection any{role::client, unlimited, t0};
    CHECK(feed(any, announced(std::uint64_t{1} << 62)).empty());
}

// ---- compression ----

TEST_CASE("RFC 7692 7.2.1: messages from the threshold on are compressed, RSV1 on the first frame",
          "[ws][connection][rfc7692-7.2.1]") {
    connection c{role::server, defaults, t0, make_codec(role::server, 5)};
    CHECK(c.compresses());
    CHECK(c.send("four"));
    CHECK(to_hex(c.take_output()) == to_hex("81 04 666f7572"_hex));
    CHECK(c.send("Hello"));
    const std::string compressed = c.take_output();
    CHECK(compressed[0] == '\xc1');
    CHECK(compressed.substr(compressed.size() - 4) != "0000ffff"_hex);
    CHECK(c.send_piece({"a", true, false}));
    CHECK(c.send_piece({"", true, false}));
    CHECK(c.send_piece({"b", true, true}));

    listener client{role::server, defaults, true};
    CHECK(feed(client.c, compressed) == events{text("Hello")});
    const std::string pieces = c.take_output();
    CHECK(pieces[0] == '\x42');
    CHECK(feed(client.c, pieces) == events{binary("ab")});
}

TEST_CASE("RFC 7692 6.1: control frames are never compressed", "[ws][connection][rfc7692-6.1]") {
    const std::string payload(125, 'x');
    connection c{role::server, defaults, t0, make_codec(role::server)};
    CHECK(c.ping(payload, t0));
    CHECK(c.take_output() == frame{.code = ping_frame, .payload = payload}.from_server());
    feed(c, frame{.code = ping_frame, .payload = payload}.from_client());
    CHECK(c.take_output() == frame{.code = pong_frame, .payload = payload}.from_server());
    CHECK(c.close(close_code::normal, payload.substr(2), t0));
    CHECK(c.take_output() ==
          frame{.code = close_frame, .payload = close_payload(1000, payload.substr(2))}.from_server());
}

TEST_CASE("connection: what transforms a message, and forgetting its history", "[ws][connection]") {
    connection plain{role::server, defaults, t0};
    CHECK_FALSE(plain.transforms(1000));
    CHECK_FALSE(plain.has_history());
    CHECK_FALSE(plain.compresses());
    connection client{role::client, defaults, t0};
    CHECK(client.transforms(0));
    CHECK(client.is_client());
    connection c{role::server, defaults, t0, make_codec(role::server, 10)};
    CHECK_FALSE(c.transforms(9));
    CHECK(c.transforms(10));
    CHECK(c.has_history());

    // Of three messages the second gets lost.
    const std::string payload = "the same text, the same text";
    listener other{role::server, defaults, true};
    c.send(payload);
    CHECK(other.hear(c) == events{text(payload)});
    c.send(payload + "!");
    c.take_output();
    c.forget_history();
    c.send(payload);
    CHECK(other.hear(c) == events{text(payload)});
}

// ---- views and memory ----

TEST_CASE("connection: whole messages, pings aside, allocate nothing", "[ws][connection]") {
    connection c{role::server, defaults, t0};
    std::string bytes;
    for (const std::size_t size : {0U, 1U, 125U, 126U, 70'000U}) {
        bytes += frame{.payload = std::string(size, 'x')}.from_client();
        bytes += frame{.code = binary_code, .payload = std::string(size, 'x')}.from_client();
        bytes += frame{.code = pong_frame}.from_client();
    }
    bytes += frame{.code = close_frame, .payload = close_payload(1000, "bye")}.from_client();
    auto in = std::as_writable_bytes(std::span{bytes});
    const std::size_t before = allocations;
    std::size_t count = 0;
    bool inside = true;
    while (const event e = c.receive(in, t0)) {
        ++count;
        const std::string_view payload = e.payload.text();
        inside = inside && (payload.empty() || (payload.data() > bytes.data() &&
                                                payload.data() + payload.size() <= bytes.data() + bytes.size()));
    }
    const std::size_t made = allocations - before;
    CHECK(made == 0);
    CHECK(inside);
    CHECK(count == 16);
}

TEST_CASE("connection: encoding into a prepared buffer allocates nothing", "[ws][connection]") {
    for (const role self : {role::server, role::client}) {
        connection c{self, defaults, t0};
        c.send("the first key is drawn from the system");
        c.take_output();
        const std::string message(1000, 'x');
        std::string out(2000, '\0'), scratch;
        const std::size_t before = allocations;
        const auto whole = c.encode(message, scratch);
        const std::size_t size = static_cast<std::size_t>(whole.write(out.data()) - out.data());
        const auto first = c.encode_piece({message, false, false}, scratch);
        const auto last = c.encode_piece({message, false, true}, scratch);
        const std::size_t made = allocations - before;
        CHECK(made == 0);
        CHECK(whole.size() == size);
        CHECK_FALSE(first.fin);
        CHECK(last.code == weir::ws::opcode::continuation);
        listener other{self};
        CHECK(feed(other.c, out.substr(0, size)) == events{text(message)});
    }
}

TEST_CASE("RFC 6455 5.4: fragments without end and without content take no memory", "[ws][connection][rfc6455-5.4]") {
    connection c{role::client, defaults, t0};
    std::string batch, control;
    for (int i = 0; i < 1000; ++i) batch += "00 00"_hex;
    for (int i = 0; i < 1000; ++i) control += "8a 00 00 00"_hex;
    std::string first = "01 00"_hex;
    auto in = std::as_writable_bytes(std::span{first});
    CHECK_FALSE(c.receive(in, t0));
    const std::size_t before = allocations;
    std::size_t count = 0;
    for (int i = 0; i < 1000; ++i) {
        in = std::as_writable_bytes(std::span{i % 2 == 0 ? batch : control});
        while (c.receive(in, t0)) ++count;
    }
    const std::size_t made = allocations - before;
    CHECK(made <= 1);
    CHECK(count == 500'000);
}

TEST_CASE("RFC 7692 7.2.2: compressed fragments without content take no memory", "[ws][connection][rfc7692-7.2.2]") {
    connection c{role::client, defaults, t0, make_codec(role::client)};
    std::string batch, first = "42 05 000000ffff"_hex;  // an empty block
    for (int i = 0; i < 1000; ++i) batch += "00 05 000000ffff"_hex;
    auto in = std::as_writable_bytes(std::span{first});
    CHECK_FALSE(c.receive(in, t0));
    const std::size_t before = allocations;
    bool any = false;
    for (int i = 0; i < 100; ++i) {
        in = std::as_writable_bytes(std::span{batch});
        any = any || c.receive(in, t0);
    }
    const std::size_t made = allocations - before;
    CHECK(made == 0);
    CHECK_FALSE(any);
}

TEST_CASE("connection: byte by byte, a long message is copied a few times and not once a byte", "[ws][connection]") {
    connection c{role::client, defaults, t0};
    std::string bytes = frame{.code = binary_code, .payload = std::string(200'000, 'x')}.from_server();
    const std::size_t before = allocations;
    std::size_t size = 0;
    for (char& byte : bytes) {
        auto in = std::as_writable_bytes(std::span{&byte, 1});
        while (const event e = c.receive(in, t0)) size = e.payload.size();
    }
    const std::size_t made = allocations - before;
    CHECK(size == 200'000);
    CHECK(made < 40);
}

TEST_CASE("connection: closing, it holds no pong that will not be sent", "[ws][connection]") {
    const connection_options options{.max_pongs_per_second = 1};
    connection c{role::server, options, t0};
    const std::size_t held = allocations - frees;
    feed(c, pings(0, 3));
    c.close(close_code::normal, {}, t0);
    c.take_output();
    const std::size_t left = allocations - frees - held;
    CHECK(left == 0);
}

TEST_CASE("connection: idle, it holds no memory beside itself", "[ws][connection]") {
    connection c{role::server, defaults, t0};
    const std::string payload(1000, 'x');
    const std::vector<std::string> dealings{
        frame{.payload = payload}.from_client(),
        frame{.payload = payload, .fin = false}.from_client() + frame{.code = continuation}.from_client(),
        frame{.code = ping_frame, .payload = "ping"}.from_client(),
        frame{.payload = payload, .fin = false}.from_client() + frame{.code = close_frame}.from_client(),
    };
    for (const std::string& dealing : dealings) {
        for (const std::size_t step : {std::size_t{3}, dealing.size()}) {
            std::string bytes = dealing;
            const std::size_t held = allocations - frees;
            for (std::size_t at = 0; at < bytes.size(); at += step) {
                auto in = std::as_writable_bytes(std::span{bytes}.subspan(at, std::min(step, bytes.size() - at)));
                while (c.receive(in, t0)) continue;
            }
            c.take_output();
            const std::size_t left = allocations - frees - held;
            CHECK(left == 0);
            CHECK(c.failure() == error::none);
        }
    }
    CHECK(c.close_received());
}

TEST_CASE("RFC 6455 5.5.1: a close frame within a message, in parts like it", "[ws][connection][rfc6455-5.5.1]") {
    connection c{role::server, defaults, t0};
    const std::string bytes = frame{.payload = std::string(100'000, 'x'), .fin = false}.from_client() +
                              frame{.code = close_frame, .payload = close_payload(1001, "reason")}.from_client();
    CHECK(feed(c, bytes, t0, 7) == events{closed(close_code::going_away, "reason")});
    CHECK(feed(c, "00"_hex).empty());
    c.end(t0);
    CHECK(c.take_output() == frame{.code = close_frame, .payload = close_payload(1001)}.from_server());
}

TEST_CASE("connection: may be moved between any two bytes", "[ws][connection]") {
    const std::string bytes = frame{.payload = "Hel", .fin = false}.from_client() +
                              frame{.code = ping_frame, .payload = "p"}.from_client() +
                              frame{.code = continuation, .payload = "lo"}.from_client();
    auto c = std::make_unique<connection>(role::server, defaults, t0);
    events all;
    for (const char byte : bytes) {
        for (const received& r : feed(*c, {&byte, 1})) all.push_back(r);
        c = std::make_unique<connection>(std::move(*c));
    }
    CHECK(all == events{ping("p"), text("Hello")});
    CHECK(to_hex(c->take_output()) == to_hex("8a 01 70"_hex));
}

TEST_CASE("prepared_message: what a connection without compression would send", "[ws][connection]") {
    for (const std::size_t size : {0U, 5U, 126U, 65536U}) {
        const std::string payload(size, 'x');
        connection c{role::server, defaults, t0};
        c.send(payload);
        CHECK(c.take_output() == weir::ws::prepared_message{payload}.wire());
        c.send(message_view::binary(payload));
        CHECK(c.take_output() == weir::ws::prepared_message{message_view::binary(payload)}.wire());
    }
}

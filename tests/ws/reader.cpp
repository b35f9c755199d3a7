// SPDX-License-Identifier: BSL-1.0

#include <weir/ws/reader.hpp>

#include <weir/deflate.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "support/ws_frames.hpp"

using namespace std::literals;
using namespace test;
using weir::error;
using weir::ws::close_code;
using weir::ws::event_kind;
using weir::ws::reader;
using weir::ws::role;

namespace {

constexpr std::size_t no_limit = 0;
constexpr std::size_t everything = std::numeric_limits<std::size_t>::max();
constexpr unsigned continuation = 0, text_code = 1, binary_code = 2, close_frame = 8, ping_frame = 9, pong_frame = 10;

std::unique_ptr<weir::ws::message_codec> make_codec(role self) {
    return weir::deflate_frames{.threshold = 0}.make_codec(self, {});
}

struct reading {
    role self = role::server;
    std::size_t limit = no_limit;
    bool compressed = false;
    bool pieces = false;

    template <class NextSize>
    events operator()(std::string_view bytes, NextSize&& next_size) const {
        reader in{self};
        in.read_in_pieces(pieces);
        const auto codec = compressed ? make_codec(self) : nullptr;
        return receive(
            bytes, [&](weir::mutable_bytes_view& rest) { return in.next(rest, limit, codec.get()); }, next_size);
    }
    events whole(std::string_view bytes) const {
        return (*this)(bytes, [] { return everything; });
    }
    events in_steps(std::string_view bytes, std::size_t step) const {
        return (*this)(bytes, [&] { return step; });
    }
};

/// The same events however the bytes are cut: whole, byte by byte, in two at every place.
void check(const reading& how, std::string_view bytes, const events& expected) {
    CHECK(how.whole(bytes) == expected);
    CHECK(joined(how.in_steps(bytes, 1)) == expected);
    for (std::size_t cut = 1; cut < std::min<std::size_t>(bytes.size(), 300); ++cut) {
        bool first = true;
        CAPTURE(cut);
        REQUIRE(joined(how(bytes, [&] { return std::exchange(first, false) ? cut : everything; })) == expected);
    }
}

/// As a server reads them, masked, and as a client does.
void check_both(const std::vector<frame>& frames, const events& expected, bool compressed = false,
                std::size_t limit = no_limit) {
    std::string masked, unmasked;
    for (const frame& f : frames) {
        masked += f.from_client();
        unmasked += f.from_server();
    }
    check({.self = role::server, .limit = limit, .compressed = compressed}, masked, expected);
    check({.self = role::client, .limit = limit, .compressed = compressed}, unmasked, expected);
}

/// The error comes with the last byte of `bytes` and not before; what follows is swallowed.
void check_fails_at_end(const reading& how, std::string_view bytes, error expected) {
    CAPTURE(to_hex(bytes.substr(0, 32)), bytes.size());
    for (const event_kind never : {event_kind::failed, event_kind::close}) {
        const events before = how.whole(bytes.substr(0, bytes.size() - 1));
        CHECK(std::ranges::none_of(before, [&](const received& r) { return r.what == never; }));
    }
    const std::string more = std::string{bytes} + frame{.payload = "more"}.bytes(how.self == role::server);
    for (const std::size_t step : {everything, std::size_t{1}}) {
        const events all = how.in_steps(more, step);
        REQUIRE_FALSE(all.empty());
        CHECK(all.back() == failed(expected));
        CHECK(std::ranges::count(all, event_kind::failed, &received::what) == 1);
    }
}

const reading server{}, client{.self = role::client};

}  // namespace

// ---- §5.1, §5.3: masking ----

TEST_CASE("RFC 6455 5.1: a server closes on a frame that is not masked", "[ws][reader][rfc6455-5.1]") {
    for (const unsigned code : {text_code, binary_code, close_frame, ping_frame, pong_frame}) {
        check_fails_at_end(server, frame{.code = code, .payload = ""}.from_server(), error::bad_mask);
    }
    check_fails_at_end(server, frame{.fin = false}.from_client() + "80 00"_hex, error::bad_mask);
}

TEST_CASE("RFC 6455 5.1: a client closes on a masked frame", "[ws][reader][rfc6455-5.1]") {
    for (const unsigned code : {text_code, binary_code, close_frame, ping_frame, pong_frame}) {
        const std::string bytes = frame{.code = code, .payload = ""}.from_client();
        check_fails_at_end(client, bytes.substr(0, 2), error::bad_mask);
    }
}

TEST_CASE("RFC 6455 5.3: any masking key, zero too, is taken off", "[ws][reader][rfc6455-5.3]") {
    using key = std::array<unsigned char, 4>;
    for (const key& each : {key{0, 0, 0, 0}, key{0xff, 0xff, 0xff, 0xff}, key{1, 2, 3, 4}}) {
        check(server, frame{.payload = "masked \xc3\xa4", .key = each}.from_client(), {text("masked \xc3\xa4")});
        check(server, frame{.code = binary_code, .payload = "\0\x01"s, .key = each}.from_client(), {binary("\0\x01"s)});
        check(server, frame{.code = ping_frame, .payload = "hello", .key = each}.from_client(), {ping("hello")});
    }
}

// ---- §5.2: the frame ----

TEST_CASE("RFC 6455 5.2: payloads at every edge of the length's forms", "[ws][reader][rfc6455-5.2]") {
    for (const std::size_t size : {0U, 1U, 125U, 126U, 127U, 128U, 65535U, 65536U, 70000U}) {
        CAPTURE(size);
        const std::string payload(size, 'x');
        CHECK(server.whole(frame{.payload = payload}.from_client()) == events{text(payload)});
        CHECK(client.whole(frame{.payload = payload}.from_server()) == events{text(payload)});
        CHECK(server.in_steps(frame{.payload = payload}.from_client(), 1) == events{text(payload)});
        CHECK(client.in_steps(frame{.payload = payload}.from_server(), 4099) == events{text(payload)});
    }
}

TEST_CASE("RFC 6455 5.2: a length that is not minimal fails the connection", "[ws][reader][rfc6455-5.2]") {
    for (const std::size_t size : {0U, 1U, 125U}) {
        const std::string short_form = frame{.claimed_size = size, .length_size = 2}.from_server();
        check_fails_at_end(client, short_form, error::length_not_minimal);
        const std::string long_form = frame{.claimed_size = size, .length_size = 8}.from_server();
        check_fails_at_end(client, long_form, error::length_not_minimal);
    }
    const std::string long_form = frame{.claimed_size = 65535, .length_size = 8}.from_client();
    check_fails_at_end(server, long_form.substr(0, 10), error::length_not_minimal);
}

TEST_CASE("RFC 6455 5.2: the top bit of a 64-bit length is 0, told by its first byte", "[ws][reader][rfc6455-5.2]") {
    const std::string bytes = frame{.claimed_size = std::uint64_t{1} << 63, .length_size = 8}.from_client();
    check_fails_at_end(server, bytes.substr(0, 3), error::bad_length);
    check_fails_at_end(client, "82 7f ff"_hex, error::bad_length);
}

TEST_CASE("RFC 6455 5.2: the longest length there is waits for its payload", "[ws][reader][rfc6455-5.2]") {
    const std::uint64_t longest = (std::uint64_t{1} << 63) - 1;
    const std::string bytes = frame{.code = binary_code, .payload = "begin", .claimed_size = longest}.from_client();
    CHECK(server.whole(bytes).empty());
    CHECK(joined(reading{.pieces = true}.in_steps(bytes, 1)) == events{piece("begin", true, false)});
}

TEST_CASE("RFC 6455 5.2: reserved opcodes fail the connection, on the first byte", "[ws][reader][rfc6455-5.2]") {
    for (const unsigned code : {3U, 4U, 5U, 6U, 7U, 11U, 12U, 13U, 14U, 15U}) {
        check_fails_at_end(server, frame{.code = code}.from_client().substr(0, 1), error::bad_opcode);
        check_fails_at_end(client, frame{.code = code}.from_server().substr(0, 1), error::bad_opcode);
    }
}

TEST_CASE("RFC 6455 5.2: reserved bits without an extension fail the connection", "[ws][reader][rfc6455-5.2]") {
    for (const unsigned code : {text_code, binary_code, close_frame, ping_frame, pong_frame}) {
        for (unsigned reserved = 1; reserved < 8; ++reserved) {
            const std::string bytes = frame{.code = code, .reserved = reserved}.from_client();
            check_fails_at_end(server, bytes.substr(0, 1), error::reserved_bits);
        }
    }
}

// ---- §5.4: fragmentation ----

TEST_CASE("RFC 6455 5.4: a message in fragments is put together", "[ws][reader][rfc6455-5.4]") {
    check_both({{.payload = "Hel", .fin = false}, {.code = continuation, .payload = "lo"}}, {text("Hello")});
    check_both({{.code = binary_code, .payload = "\0\x01"s, .fin = false},
                {.code = continuation, .payload = "\x02", .fin = false},
                {.code = continuation, .payload = "\xff"}},
               {binary("\0\x01\x02\xff"s)});
}

TEST_CASE("RFC 6455 5.4: fragments may be empty, all of them", "[ws][reader][rfc6455-5.4]") {
    check_both({{.fin = false}, {.code = continuation}}, {text("")});
    check_both({{.fin = false}, {.code = continuation, .fin = false}, {.code = continuation, .payload = "x"}},
               {text("x")});
    check_both({{.payload = "x", .fin = false}, {.code = continuation, .fin = false}, {.code = continuation}},
               {text("x")});
    check_both({{}, {.code = binary_code}}, {text(""), binary("")});
}

TEST_CASE("RFC 6455 5.4: control frames come between fragments, and are seen at once", "[ws][reader][rfc6455-5.4]") {
    check_both({{.payload = "Hel", .fin = false},
                {.code = ping_frame, .payload = "ping"},
                {.code = continuation, .payload = "lo", .fin = false},
                {.code = pong_frame, .payload = "pong"},
                {.code = ping_frame},
                {.code = continuation, .payload = "!"}},
               {ping("ping"), pong("pong"), ping(), text("Hello!")});
}

TEST_CASE("RFC 6455 5.4: a continuation of nothing fails the connection", "[ws][reader][rfc6455-5.4]") {
    check_fails_at_end(client, "80 00"_hex, error::unexpected_continuation);
    check_fails_at_end(client, "00 00"_hex, error::unexpected_continuation);
    check_fails_at_end(client, "81 01 78 80 01"_hex, error::unexpected_continuation);
    check_fails_at_end(client, "01 01 78 80 01 78 80 01"_hex, error::unexpected_continuation);
    check_fails_at_end(client, "89 00 80 00"_hex, error::unexpected_continuation);
}

TEST_CASE("RFC 6455 5.4: a new message within a fragmented one fails the connection", "[ws][reader][rfc6455-5.4]") {
    for (const unsigned code : {text_code, binary_code}) {
        for (const bool fin : {false, true}) {
            const std::string again = frame{.code = code, .fin = fin}.from_server();
            check_fails_at_end(client, "01 01 78"_hex + again, error::message_unfinished);
            check_fails_at_end(client, "02 00"_hex + again, error::message_unfinished);
            check_fails_at_end(client, "01 00 00 00 89 00"_hex + again, error::message_unfinished);
        }
    }
}

TEST_CASE("RFC 6455 5.4: 65,537 fragments are one message", "[ws][reader][rfc6455-5.4]") {
    std::string bytes = frame{.payload = "0", .fin = false}.from_client(), expected = "0";
    for (int i = 1; i < 65'536; ++i) {
        const std::string one(1, static_cast<char>('0' + i % 10));
        bytes += frame{.code = continuation, .payload = one, .fin = false}.from_client();
        expected += one;
    }
    bytes += frame{.code = continuation, .payload = "end"}.from_client();
    expected += "end";
    CHECK(server.whole(bytes) == events{text(expected)});
    CHECK(server.in_steps(bytes, 1) == events{text(expected)});
    CHECK(joined(reading{.pieces = true}.whole(bytes)) == events{piece(expected, false, true)});
}

TEST_CASE("RFC 6455 5.4: several messages in one buffer come in order", "[ws][reader][rfc6455-5.4]") {
    check_both({{.payload = "one"},
                {.code = binary_code, .payload = "two"},
                {.code = ping_frame, .payload = "three"},
                {.payload = "fo", .fin = false},
                {.code = continuation, .payload = "ur"},
                {.payload = ""},
                {.code = pong_frame},
                {.code = close_frame}},
               {text("one"), binary("two"), ping("three"), text("four"), text(""), pong(), closed()});
}

// ---- §5.5: control frames ----

TEST_CASE("RFC 6455 5.5: a fragmented control frame fails the connection", "[ws][reader][rfc6455-5.5]") {
    for (const unsigned code : {close_frame, ping_frame, pong_frame}) {
        const std::string first(1, frame{.code = code, .fin = false}.from_client()[0]);
        check_fails_at_end(server, first, error::control_fragmented);
        check_fails_at_end(client, "01 01 78"_hex + first, error::control_fragmented);
    }
}

TEST_CASE("RFC 6455 5.5: a control frame of more than 125 bytes fails the connection", "[ws][reader][rfc6455-5.5]") {
    for (const unsigned code : {close_frame, ping_frame, pong_frame}) {
        const std::string too_long = frame{.code = code, .payload = std::string(126, 'x')}.from_client();
        check_fails_at_end(server, too_long.substr(0, 2), error::control_too_long);
        const std::string hidden = frame{.code = code, .payload = "x", .length_size = 8}.from_server();
        check_fails_at_end(client, hidden.substr(0, 2), error::control_too_long);
    }
}

TEST_CASE("RFC 6455 5.5.2, 5.5.3: pings and pongs of every size, however cut", "[ws][reader][rfc6455-5.5.2]") {
    for (std::size_t size = 0; size <= 125; ++size) {
        std::string payload;
        for (std::size_t i = 0; i < size; ++i) payload += static_cast<char>(i * 2 + 1);
        CAPTURE(size);
        const std::string bytes = frame{.code = ping_frame, .payload = payload}.from_client() +
                                  frame{.code = pong_frame, .payload = payload}.from_client();
        const events expected{ping(payload), pong(payload)};
        REQUIRE(server.whole(bytes) == expected);
        for (const std::size_t step : {1U, 2U, 3U, 7U, 64U}) REQUIRE(server.in_steps(bytes, step) == expected);
    }
}

TEST_CASE("RFC 6455 5.5: a control frame in parts within a message in parts", "[ws][reader][rfc6455-5.5]") {
    check_both({{.payload = std::string(40, 'a'), .fin = false},
                {.code = ping_frame, .payload = std::string(60, 'p')},
                {.code = continuation, .payload = std::string(40, 'b')},
                {.code = ping_frame, .payload = "q"}},
               {ping(std::string(60, 'p')), text(std::string(40, 'a') + std::string(40, 'b')), ping("q")});
}

// ---- §5.5.1, §7: closing ----

TEST_CASE("RFC 6455 5.5.1: a close frame with nothing, a code, a code and a reason", "[ws][reader][rfc6455-5.5.1]") {
    check_both({{.code = close_frame}}, {closed()});
    check_both({{.code = close_frame, .payload = close_payload(1000)}}, {closed(close_code::normal)});
    check_both({{.code = close_frame, .payload = close_payload(1001, "bye \xe2\x82\xac")}},
               {closed(close_code::going_away, "bye \xe2\x82\xac")});
    const std::string longest(123, 'r');
    check_both({{.code = close_frame, .payload = close_payload(4999, longest)}}, {closed(close_code{4999}, longest)});
}

TEST_CASE("RFC 6455 5.5.1: a close frame of one byte fails the connection", "[ws][reader][rfc6455-5.5.1]") {
    check_fails_at_end(client, "88 01 03"_hex, error::bad_close);
}

TEST_CASE("RFC 6455 7.4: every code a close frame can carry, and no other", "[ws][reader][rfc6455-7.4]") {
    for (unsigned code = 0; code <= 0xffff; ++code) {
        const std::string bytes = frame{.code = close_frame, .payload = close_payload(code)}.from_client();
        const bool valid = (code >= 1000 && code <= 1014 && code != 1004 && code != 1005 && code != 1006) ||
                           (code >= 3000 && code <= 4999);
        const events all = server.whole(bytes);
        CAPTURE(code);
        REQUIRE(all == events{valid ? closed(close_code{static_cast<std::uint16_t>(code)}) : failed(error::bad_close)});
    }
}

TEST_CASE("RFC 6455 5.5.1: a reason that is not UTF-8 fails the connection", "[ws][reader][rfc6455-5.5.1]") {
    for (const auto& reason : {"\xff"s, "\xc3"s, "ok \xed\xa0\x80"s, "\xc0\xaf"s}) {
        check_fails_at_end(client, frame{.code = close_frame, .payload = close_payload(1000, reason)}.from_server(),
                           error::bad_utf8);
    }
}

TEST_CASE("RFC 6455 5.5.1: what comes after a close frame is swallowed", "[ws][reader][rfc6455-5.5.1]") {
    const std::string close = "88 02 03e8"_hex;
    for (const auto& after : {"81 01 78"_hex, "88 02 03e8"_hex, "89 00"_hex, "ff ff ff"_hex, "81"_hex}) {
        check(client, close + after, {closed(close_code::normal)});
    }
}

TEST_CASE("RFC 6455 5.5.1: a close frame ends a message that is open", "[ws][reader][rfc6455-5.5.1]") {
    check_both({{.payload = "never fini", .fin = false}, {.code = close_frame, .payload = close_payload(1000)}},
               {closed(close_code::normal)});
}

TEST_CASE("RFC 6455 7.1.7: after a fault everything is swallowed", "[ws][reader][rfc6455-7.1.7]") {
    for (const auto& fault : {"83"_hex, "80 00"_hex, "88 01 00"_hex, "81 01 ff"_hex}) {
        const events all = client.whole(fault + "81 01 78 88 02 03e8 89 00"_hex);
        CHECK(all.size() == 1);
        CHECK(all.front().what == event_kind::failed);
    }
}

// ---- limits ----

TEST_CASE("max_message_bytes: exactly as many are taken, one more is not", "[ws][reader]") {
    const std::string ten(10, 'x');
    check_both({{.payload = ten}, {.code = binary_code, .payload = ten}}, {text(ten), binary(ten)}, false, 10);
    check_both({{.payload = "12345", .fin = false}, {.code = continuation, .payload = "67890"}}, {text("1234567890")},
               false, 10);
    check_both({{.payload = ten, .fin = false}, {.code = continuation}}, {text(ten)}, false, 10);

    const reading limited{.self = role::client, .limit = 10};
    check_fails_at_end(limited, "81 0b"_hex, error::message_too_large);
    check_fails_at_end(limited, "01 05 3132333435 80 06"_hex, error::message_too_large);
    check_fails_at_end(limited, "01 0a 31323334353637383930 00 01"_hex, error::message_too_large);
}

TEST_CASE("max_message_bytes: what a header declares is enough, whatever it declares", "[ws][reader]") {
    const reading limited{.limit = 10};
    for (const std::uint64_t size : {std::uint64_t{11}, std::uint64_t{126}, std::uint64_t{65'536},
                                     std::uint64_t{1} << 32, (std::uint64_t{1} << 63) - 1}) {
        check_fails_at_end(limited, frame{.claimed_size = size}.from_client(), error::message_too_large);
        // What a 64-bit sum would wrap.
        const std::string first = frame{.payload = "x", .fin = false}.from_client();
        check_fails_at_end(limited, first + frame{.code = continuation, .claimed_size = size}.from_client(),
                           error::message_too_large);
    }
}

TEST_CASE("max_message_bytes: a limit lowered within a message holds", "[ws][reader]") {
    reader in{role::client};
    std::string bytes = "01 04 31323334"_hex, more = "80 01 35"_hex;
    auto rest = std::as_writable_bytes(std::span{bytes});
    CHECK_FALSE(in.next(rest, 10, nullptr));
    rest = std::as_writable_bytes(std::span{more});
    CHECK(in.next(rest, 2, nullptr).error == error::message_too_large);
}

TEST_CASE("max_message_bytes: control frames and pieces are not under it", "[ws][reader]") {
    const reading limited{.self = role::client, .limit = 1};
    check(limited, "89 05 68656c6c6f"_hex, {ping("hello")});
    const reading pieces{.self = role::client, .limit = 1, .pieces = true};
    check(pieces, "81 05 68656c6c6f"_hex, {piece("hello", false, true)});
}

TEST_CASE("RFC 7692 7.2.2: max_message_bytes is of the inflated message", "[ws][reader][rfc7692-7.2.2]") {
    const std::string hello = "c1 07 f248cdc9c90700"_hex;  // "Hello"
    check({.self = role::client, .limit = 5, .compressed = true}, hello, {text("Hello")});
    check({.self = role::client, .limit = 4, .compressed = true}, hello, {failed(error::message_too_large)});
    // Longer compressed than inflated: a stored block.
    check({.self = role::client, .limit = 5, .compressed = true}, "c1 0b 000500faff48656c6c6f00"_hex, {text("Hello")});
}

// ---- §8.1: UTF-8 ----

TEST_CASE("RFC 6455 8.1: fails at the first impossible byte, in the middle of a frame", "[ws][reader][rfc6455-8.1]") {
    for (const auto& wrong : {"\xff"s, "ok\x80"s, "\xc0"s, "\xc1"s, "\xc3\x28"s, "\xe0\x80"s, "\xe2\x82\x28"s,
                              "\xed\xa0"s, "\xf0\x80"s, "\xf4\x90"s, "\xf5"s, "\xf0\x9f\x98\x28"s}) {
        const std::string announced = frame{.payload = wrong, .claimed_size = 1000}.from_client();
        check_fails_at_end(server, announced, error::bad_utf8);
        const std::string first = frame{.payload = "before \xe2\x82\xac", .fin = false}.from_client();
        const std::string second = frame{.code = continuation, .payload = wrong, .claimed_size = 1000}.from_client();
        check_fails_at_end(server, first + second, error::bad_utf8);
        check_fails_at_end({.pieces = true}, first + second, error::bad_utf8);
    }
}

TEST_CASE("RFC 6455 8.1: a character may be split over frames, with a ping between", "[ws][reader][rfc6455-8.1]") {
    const std::string characters = "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80";
    for (std::size_t cut = 0; cut <= characters.size(); ++cut) {
        check_both({{.payload = characters.substr(0, cut), .fin = false},
                    {.code = ping_frame, .payload = "\xff"},
                    {.code = continuation, .payload = characters.substr(cut)}},
                   {ping("\xff"), text(characters)});
    }
    std::vector<frame> bytes{{.fin = false}};
    for (const char c : characters) bytes.push_back({.code = continuation, .payload = {c}, .fin = false});
    bytes.push_back({.code = continuation});
    check_both(bytes, {text(characters)});
}

TEST_CASE("RFC 6455 8.1: text that ends within a character fails the connection", "[ws][reader][rfc6455-8.1]") {
    for (const auto& end : {"\xc3"s, "\xe2\x82"s, "\xf0\x9f\x98"s}) {
        check_fails_at_end(client, frame{.payload = "x" + end}.from_server(), error::bad_utf8);
        check_fails_at_end(client, frame{.payload = end, .fin = false}.from_server() + "80 00"_hex, error::bad_utf8);
        check_fails_at_end({.self = role::client, .pieces = true},
                           frame{.payload = end, .fin = false}.from_server() + "80 00"_hex, error::bad_utf8);
    }
}

TEST_CASE("RFC 6455 8.1: a message begins anew, and binary data may be anything", "[ws][reader][rfc6455-8.1]") {
    check_both({{.code = binary_code, .payload = "\xff\xc3"}, {.payload = "\xc3\xa4"}, {.code = binary_code}},
               {binary("\xff\xc3"), text("\xc3\xa4"), binary("")});
}

// ---- RFC 7692 ----

TEST_CASE("RFC 7692 7.2.3: the document's examples", "[ws][reader][rfc7692-7.2.3]") {
    const reading in{.self = role::client, .compressed = true};
    check(in, "c1 07 f248cdc9c90700"_hex, {text("Hello")});                                  // .1
    check(in, "41 03 f248cd 80 04 c9c90700"_hex, {text("Hello")});                           // .1
    check(in, "c1 07 f248cdc9c90700 c1 05 f200110000"_hex, {text("Hello"), text("Hello")});  // .2
    check(in, "c1 0b 000500faff48656c6c6f00"_hex, {text("Hello")});                          // .3
    check(in, "c1 08 f348cdc9c9070000"_hex, {text("Hello")});                                // .4
    check(in, "c1 0d f248050000 00ffff cac9c90700"_hex, {text("Hello")});                    // .5
    check(in, "c1 01 00"_hex, {text("")});                                                   // .6
}

TEST_CASE("RFC 7692 6.1: RSV1 on a continuation or a control frame fails the connection", "[ws][reader][rfc7692-6.1]") {
    const reading in{.self = role::client, .compressed = true};
    check_fails_at_end(in, "41 03 f248cd c0"_hex, error::reserved_bits);
    check_fails_at_end(in, "01 03 48656c c0"_hex, error::reserved_bits);
    for (const auto& control : {"c8"_hex, "c9"_hex, "ca"_hex}) {
        check_fails_at_end(in, control, error::reserved_bits);
        check_fails_at_end(in, "41 03 f248cd"_hex + control, error::reserved_bits);
    }
    for (const auto& others : {"a1"_hex, "91"_hex, "e1"_hex, "d1"_hex, "f1"_hex, "b1"_hex}) {
        check_fails_at_end(in, others, error::reserved_bits);
    }
}

TEST_CASE("RFC 7692 6: messages may be compressed or not, one by one", "[ws][reader][rfc7692-6]") {
    const reading in{.self = role::client, .compressed = true};
    check(in, "81 02 6869 c1 07 f248cdc9c90700 01 01 68 89 00 80 01 69 c2 07 f248cdc9c90700"_hex,
          {text("hi"), text("Hello"), ping(), text("hi"), binary("Hello")});
}

TEST_CASE("RFC 7692 7.2.2: control frames between compressed fragments are not inflated",
          "[ws][reader][rfc7692-7.2.2]") {
    const reading in{.self = role::client, .compressed = true};
    check(in, "41 01 f2 89 02 f248 00 00 00 02 48cd 8a 00 80 04 c9c90700"_hex,
          {ping("\xf2\x48"), pong(), text("Hello")});
}

TEST_CASE("RFC 7692 7.2.2: what cannot be inflated fails the connection", "[ws][reader][rfc7692-7.2.2]") {
    const reading in{.self = role::client, .compressed = true};
    check(in, "c1 01 06"_hex, {failed(error::bad_deflate)});            // the reserved kind of block
    check(in, "c1 05 000500fbff"_hex, {failed(error::bad_deflate)});    // a stored block's length and its check
    check(in, "c1 06 000500faff48"_hex, {failed(error::bad_deflate)});  // cut off
    check(in, "c1 05 f200110000"_hex, {failed(error::bad_deflate)});    // a distance before the beginning
}

TEST_CASE("RFC 6455 8.1: compressed text is checked as it is inflated", "[ws][reader][rfc7692-7.2.2]") {
    const reading in{.self = role::client, .compressed = true};
    // A stored block of "ok", ff; announced longer than what has come.
    check(in, "c1 20 000300fcff6f6bff"_hex, {failed(error::bad_utf8)});
    check_fails_at_end(in, "41 08 000300fcff6f6bff"_hex, error::bad_utf8);
    check_fails_at_end(in, "c1 07 000100feffc300"_hex, error::bad_utf8);  // ends within a character
    check(in, "c2 09 000300fcff6f6bff00"_hex, {binary("ok\xff")});
    check(in, "41 06 000100feffc3 80 07 000100feffa400"_hex, {text("\xc3\xa4")});
}

// ---- pieces ----

TEST_CASE("read_in_pieces: what has come is delivered, and the end is told", "[ws][reader]") {
    const reading in{.self = role::client, .pieces = true};
    CHECK(in.in_steps("82 03 010203"_hex, 3) == events{piece("\x01", true, false), piece("\x02\x03", true, true)});
    CHECK(in.whole("02 01 01 00 00 00 01 02 80 01 03"_hex) ==
          events{piece("\x01", true, false), piece("\x02", true, false), piece("\x03", true, true)});
    CHECK(in.whole("02 01 01 80 00"_hex) == events{piece("\x01", true, false), piece("", true, true)});
    CHECK(in.whole("82 00"_hex) == events{piece("", true, true)});
    CHECK(in.whole("81 01 78 81 01 79"_hex) == events{piece("x", false, true), piece("y", false, true)});
}

TEST_CASE("read_in_pieces: a piece of text may end within a character", "[ws][reader]") {
    const reading in{.self = role::client, .pieces = true};
    CHECK(in.in_steps("81 03 e282ac"_hex, 3) == events{piece("\xe2", false, false), piece("\x82\xac", false, true)});
    CHECK(in.whole("01 02 e282 89 00 80 01 ac"_hex) ==
          events{piece("\xe2\x82", false, false), ping(), piece("\xac", false, true)});
}

TEST_CASE("read_in_pieces: decided at the beginning of a message", "[ws][reader]") {
    reader in{role::client};
    events all;
    const auto feed = [&](std::string bytes) {
        auto rest = std::as_writable_bytes(std::span{bytes});
        while (const auto e = in.next(rest, no_limit, nullptr)) all.push_back(copy_of(e));
    };
    feed("01 01 61"_hex);
    CHECK(in.within_message());
    in.read_in_pieces(true);
    feed("80 01 62"_hex);
    CHECK_FALSE(in.within_message());
    CHECK(std::exchange(all, {}) == events{text("ab")});
    feed("01 01 63"_hex);
    in.read_in_pieces(false);
    feed("00 01 64 80 01 65 81 01 66"_hex);
    CHECK(all == events{piece("c", false, false), piece("d", false, false), piece("e", false, true), text("f")});
}

TEST_CASE("read_in_pieces: compressed, the same bytes however cut", "[ws][reader]") {
    std::mt19937 random{7};
    std::string data;
    while (data.size() < 40'000) data.append(1 + random() % 90, static_cast<char>('a' + random() % 26));
    const auto codec = make_codec(role::server);
    std::string compressed;
    codec->compress(weir::as_bytes(data), true, compressed);
    const std::string half = compressed.substr(0, compressed.size() / 2);
    const std::string bytes = frame{.payload = half, .fin = false, .reserved = 4}.from_server() +
                              frame{.code = continuation, .payload = compressed.substr(half.size())}.from_server();

    const reading pieces{.self = role::client, .limit = 1, .compressed = true, .pieces = true};
    const events expected{piece(data, false, true)};
    CHECK(joined(pieces.whole(bytes)) == expected);
    CHECK(joined(pieces.in_steps(bytes, 1)) == expected);
    CHECK(joined(pieces(bytes, [&] { return random() % 900; })) == expected);
    const reading whole{.self = role::client, .compressed = true};
    CHECK(whole(bytes, [&] { return random() % 900; }) == events{text(data)});
}

TEST_CASE("RFC 7692 8: a bomb of 1 GiB in pieces stays small, whole it fails at the limit", "[ws][reader]") {
    // Zeros that refer to no other piece, so that they can be repeated.
    std::string kilobyte;
    const auto codec = weir::deflate_frames{.level = 9}.make_codec(
        role::server, {.server_no_context_takeover = true, .client_no_context_takeover = true});
    codec->compress(weir::as_bytes(std::string(1 << 20, '\0')), false, kilobyte);
    REQUIRE(kilobyte.size() < 1200);

    reader in{role::client};
    in.read_in_pieces(true);
    const auto inflating = make_codec(role::client);
    std::uint64_t total = 0;
    std::size_t largest = 0;
    const auto feed = [&](std::string bytes) {
        auto rest = std::as_writable_bytes(std::span{bytes});
        while (const auto e = in.next(rest, no_limit, inflating.get())) {
            REQUIRE(e.what == event_kind::piece);
            total += e.payload.size();
            largest = std::max(largest, e.payload.size());
        }
    };
    feed(frame{.code = binary_code, .fin = false, .reserved = 4}.from_server());
    for (int i = 0; i < 1024; ++i) {
        feed(frame{.code = continuation, .payload = kilobyte, .fin = false}.from_server());
    }
    CHECK(total == 1 << 30);
    CHECK(largest <= 600 * 1024);

    const std::string at_once =
        frame{.code = binary_code, .payload = kilobyte, .fin = false, .reserved = 4}.from_server();
    CHECK(reading{.self = role::client, .limit = 1 << 19, .compressed = true}.whole(at_once) ==
          events{failed(error::message_too_large)});
}

// ---- views ----

TEST_CASE("reader: a whole message is a view of the input, unmasked where it lies", "[ws][reader]") {
    std::string bytes = frame{.payload = "first"}.from_client() +
                        frame{.code = ping_frame, .payload = "p"}.from_client() + frame{.fin = false}.from_client() +
                        frame{.code = continuation, .payload = "third"}.from_client();
    reader in{role::server};
    auto rest = std::as_writable_bytes(std::span{bytes});
    const auto lies_at = [&](const weir::ws::event& e) { return e.payload.text().data() - bytes.data(); };
    CHECK(lies_at(in.next(rest, no_limit, nullptr)) == 6);
    CHECK(lies_at(in.next(rest, no_limit, nullptr)) == 17);
    CHECK(lies_at(in.next(rest, no_limit, nullptr)) == 30);  // behind a fragment without anything in it
    CHECK_FALSE(in.next(rest, no_limit, nullptr));
    CHECK(bytes.substr(6, 5) == "first");
}

TEST_CASE("reader: take_payload copies what lies in the input, and moves what was put together", "[ws][reader]") {
    reader in{role::client};
    std::string whole = "81 05 68656c6c6f"_hex;
    auto rest = std::as_writable_bytes(std::span{whole});
    const auto copied = in.next(rest, no_limit, nullptr);
    CHECK(in.take_payload(copied) == "hello");
    CHECK(copied.payload.text() == "hello");

    const std::string payload(1000, 'x');
    std::string first = frame{.payload = payload, .fin = false}.from_server(), second = "80 01 79"_hex;
    rest = std::as_writable_bytes(std::span{first});
    CHECK_FALSE(in.next(rest, no_limit, nullptr));
    rest = std::as_writable_bytes(std::span{second});
    const auto moved = in.next(rest, no_limit, nullptr);
    const char* const before = moved.payload.text().data();
    const std::string taken = in.take_payload(moved);
    CHECK(taken == payload + "y");
    CHECK(taken.data() == before);
    CHECK_FALSE(in.next(rest, no_limit, nullptr));

    // The next one begins with nothing.
    first = "01 01 61"_hex;
    second = "80 01 62"_hex;
    rest = std::as_writable_bytes(std::span{first});
    CHECK_FALSE(in.next(rest, no_limit, nullptr));
    rest = std::as_writable_bytes(std::span{second});
    CHECK(in.take_payload(in.next(rest, no_limit, nullptr)) == "ab");
}

TEST_CASE("reader: nothing in, nothing out, at any point", "[ws][reader]") {
    const std::string bytes = frame{.payload = "Hel", .fin = false}.from_client() +
                              frame{.code = ping_frame, .payload = "ping"}.from_client() +
                              frame{.code = continuation, .payload = "lo"}.from_client();
    reader in{role::server};
    events all;
    for (char c : bytes) {
        auto rest = std::as_writable_bytes(std::span{&c, 1});
        while (const auto e = in.next(rest, no_limit, nullptr)) all.push_back(copy_of(e));
        weir::mutable_bytes_view nothing;
        REQUIRE_FALSE(in.next(nothing, no_limit, nullptr));
    }
    CHECK(all == events{ping("ping"), text("Hello")});
}

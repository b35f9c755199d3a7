// SPDX-License-Identifier: BSL-1.0

#include <weir/ws/close_code.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "catch.hpp"

using namespace std::literals;
using weir::close_code_for;
using weir::error;
using weir::ws::close_code;
using weir::ws::close_result;

namespace {

close_result decode(std::string_view payload) { return weir::ws::decode_close(weir::as_bytes(payload)); }

std::string encode(close_code code, std::string_view text) {
    std::array<std::byte, weir::ws::max_close_size> memory;
    return std::string{weir::as_text(weir::ws::encode_close({code, text}, memory))};
}

std::string payload_of(unsigned code, std::string_view text = {}) {
    return std::string{static_cast<char>(code >> 8), static_cast<char>(code & 0xff)} + std::string{text};
}

bool known_to_be_sent(unsigned code) {
    constexpr unsigned registered[] = {1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014};
    for (const unsigned each : registered) {
        if (code == each) return true;
    }
    return code >= 3000 && code < 5000;
}

}  // namespace

TEST_CASE("RFC 6455 7.4: which of all codes may be on the wire", "[ws][close][rfc6455-7.4]") {
    std::size_t wrong = 0;
    for (unsigned code = 0; code <= 0xffff; ++code) {
        const bool expected = known_to_be_sent(code);
        if (may_be_sent(close_code{static_cast<std::uint16_t>(code)}) != expected) ++wrong;
        const std::string payload = payload_of(code, "why");
        const close_result result = decode(payload);
        if (result.error != (expected ? error::none : error::bad_close)) ++wrong;
        if (expected && static_cast<unsigned>(result.reason.code) != code) ++wrong;
        if (expected && result.reason.text != "why") ++wrong;
    }
    CHECK(wrong == 0);
    STATIC_REQUIRE_FALSE(may_be_sent(close_code::no_status));
    STATIC_REQUIRE_FALSE(may_be_sent(close_code::abnormal));
    STATIC_REQUIRE_FALSE(may_be_sent(close_code::tls_handshake));
    STATIC_REQUIRE(may_be_sent(close_code::bad_gateway));
    STATIC_REQUIRE(may_be_sent(close_code{4999}));
}

TEST_CASE("RFC 6455 5.5.1: a close frame without a body has no status", "[ws][close][rfc6455-5.5.1]") {
    CHECK(decode("").error == error::none);
    CHECK(decode("").reason.code == close_code::no_status);
    CHECK(decode("").reason.text.empty());
}

TEST_CASE("RFC 6455 5.5.1: a body of one byte has no room for a code", "[ws][close][rfc6455-5.5.1]") {
    CHECK(decode("\x03").error == error::bad_close);
}

TEST_CASE("RFC 6455 5.5.1: a code alone, and one with a reason", "[ws][close][rfc6455-5.5.1]") {
    CHECK(decode("\x03\xe8").error == error::none);
    CHECK(decode("\x03\xe8").reason.code == close_code::normal);
    CHECK(decode("\x03\xe8").reason.text.empty());
    const auto payload = "\x03\xe9 caf\xc3\xa9"sv;
    CHECK(decode(payload).reason.code == close_code::going_away);
    CHECK(decode(payload).reason.text == " caf\xc3\xa9");
    CHECK(decode(payload).reason.text.data() == payload.data() + 2);
}

TEST_CASE("RFC 6455 5.5.1: a reason is UTF-8", "[ws][close][rfc6455-5.5.1]") {
    const auto* const text = GENERATE("\xff", "a\xc3", "\xed\xa0\x80", "\xc0\xaf", "\xe2\x82\xac\x80");
    CHECK(decode(payload_of(1000, text)).error == error::bad_utf8);
    CHECK(decode(payload_of(1005, text)).error == error::bad_close);
}

TEST_CASE("RFC 6455 5.5.1: the code is written in network byte order, the reason behind it",
          "[ws][close][rfc6455-5.5.1]") {
    CHECK(encode(close_code::normal, "") == "\x03\xe8");
    CHECK(encode(close_code::message_too_big, "too big") == "\x03\xf1too big");
    CHECK(encode(close_code{4999}, "\xc3\xa9") == "\x13\x87\xc3\xa9");
}

TEST_CASE("RFC 6455 7.4.1: no code that must not be sent is ever written", "[ws][close][rfc6455-7.4.1]") {
    for (const auto code : {close_code::no_status, close_code::abnormal, close_code::tls_handshake, close_code{1004},
                            close_code{0}, close_code{2999}, close_code{5000}}) {
        CHECK(encode(code, "text").empty());
    }
}

TEST_CASE("RFC 6455 5.5: a reason is cut to what fits a control frame, between characters",
          "[ws][close][rfc6455-5.5]") {
    const auto character = GENERATE("x"s, "\xc3\xa9"s, "\xe2\x82\xac"s, "\xf0\x9f\x98\x80"s);
    for (std::size_t prefix = 0; prefix <= 130; ++prefix) {
        std::string text(prefix, 'p');
        while (text.size() < 140) text += character;
        const std::string payload = encode(close_code::normal, text);
        CAPTURE(prefix, character);
        REQUIRE(payload.size() <= 125);
        REQUIRE(decode(payload).error == error::none);
        REQUIRE(text.starts_with(decode(payload).reason.text));
        // The next character would not have fit.
        const std::size_t next = payload.size() - 2 < prefix ? 1 : character.size();
        REQUIRE(payload.size() + next > 125);
    }
    const std::string fits(123, 'x');
    CHECK(encode(close_code::normal, fits) == "\x03\xe8" + fits);
}

TEST_CASE("encode_close: text that is not UTF-8 is cut as well as can be", "[ws][close]") {
    CHECK(encode(close_code::normal, std::string(200, '\x80')) == "\x03\xe8");
}

TEST_CASE("RFC 6455 7.4.1: what the peer is told of each error", "[ws][close][rfc6455-7.4.1]") {
    STATIC_REQUIRE(close_code_for(error::none) == close_code::normal);
    STATIC_REQUIRE(close_code_for(error::closed) == close_code::normal);
    STATIC_REQUIRE(close_code_for(error::peer_closed) == close_code::normal);
    STATIC_REQUIRE(close_code_for(error::draining) == close_code::going_away);
    STATIC_REQUIRE(close_code_for(error::expired) == close_code::going_away);
    STATIC_REQUIRE(close_code_for(error::bad_utf8) == close_code::invalid_payload);
    STATIC_REQUIRE(close_code_for(error::bad_deflate) == close_code::invalid_payload);
    STATIC_REQUIRE(close_code_for(error::message_too_large) == close_code::message_too_big);
    STATIC_REQUIRE(close_code_for(error::slow_reader) == close_code::policy_violation);
    STATIC_REQUIRE(close_code_for(error::refused) == close_code::policy_violation);
    STATIC_REQUIRE(close_code_for(error::unresponsive) == close_code::policy_violation);
    STATIC_REQUIRE(close_code_for(error::bad_argument) == close_code::internal_error);
    for (const error e : {error::bad_opcode, error::reserved_bits, error::bad_mask, error::length_not_minimal,
                          error::bad_length, error::control_fragmented, error::control_too_long,
                          error::unexpected_continuation, error::message_unfinished, error::bad_close}) {
        CHECK(close_code_for(e) == close_code::protocol_error);
    }
}

TEST_CASE("close_code_for: total, and always a code that may be sent", "[ws][close]") {
    for (int e = 0; e <= static_cast<int>(error::not_accepted) + 1; ++e) {
        CHECK(may_be_sent(close_code_for(static_cast<error>(e))));
    }
}

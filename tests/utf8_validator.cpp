// SPDX-License-Identifier: BSL-1.0

#include <weir/utf8_validator.hpp>

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "catch.hpp"

using namespace std::literals;
using weir::is_utf8;
using weir::utf8_validator;

namespace {

/// How far the text could still become UTF-8, told by the plain decoder: the index of the first impossible byte, or the
/// text's size. `whole`: it does not end within a sequence either.
struct verdict {
    std::size_t possible;
    bool whole;
    bool operator==(const verdict&) const = default;
};

verdict judge_plainly(std::string_view text) {
    std::size_t at = 0;
    while (at < text.size()) {
        const auto front = weir::detail::front_of(text.substr(at));
        if (front.well_formed) {
            at += front.size;
            continue;
        }
        const bool hopeless = weir::detail::utf8_lead_of(static_cast<unsigned char>(text[at])).size == 0;
        return {hopeless ? at : at + front.size, false};
    }
    return {at, true};
}

/// The same, told by the validator a byte at a time.
verdict judge_bytewise(std::string_view text) {
    utf8_validator validator;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (!validator.feed(text.substr(i, 1))) return {i, false};
    }
    return {text.size(), validator.complete()};
}

/// The validator agrees with the plain decoder on the place of the fault, and in one piece on there being one.
bool agrees(std::string_view text) {
    const verdict expected = judge_plainly(text);
    utf8_validator validator;
    const bool possible = validator.feed(text);
    return judge_bytewise(text) == expected && possible == (expected.possible == text.size()) &&
           validator.complete() == expected.whole && is_utf8(text) == expected.whole;
}

std::string encode(char32_t c) {
    const auto tail = [&](int shift) { return static_cast<char>(0x80 | (c >> shift & 0x3f)); };
    if (c < 0x80) return {static_cast<char>(c)};
    if (c < 0x800) return {static_cast<char>(0xc0 | c >> 6), tail(0)};
    if (c < 0x10000) return {static_cast<char>(0xe0 | c >> 12), tail(6), tail(0)};
    return {static_cast<char>(0xf0 | c >> 18), tail(12), tail(6), tail(0)};
}

bool is_surrogate(char32_t c) { return c >= 0xd800 && c <= 0xdfff; }

const std::string mixed =
    "\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5, ASCII enough for a block of the vectorised search, "
    "\xf0\x9f\x98\x80\xe2\x82\xac\xc3\xbc\xf4\x8f\xbf\xbf and once more ASCII that goes on for a while, \xed\x9f\xbf";

}  // namespace

TEST_CASE("RFC 3629 3: every character from U+0000 to U+10FFFF but the surrogates", "[utf8][rfc3629-3]") {
    std::string all;
    std::size_t wrong = 0;
    for (char32_t c = 0; c <= 0x10ffff; ++c) {
        const std::string text = encode(c);
        if (is_utf8(text) == is_surrogate(c)) ++wrong;
        if (!is_surrogate(c)) all += text;
    }
    CHECK(wrong == 0);
    CHECK(is_utf8(all));
}

TEST_CASE("RFC 3629 4: all sequences of one to three bytes, to the first impossible one", "[utf8][rfc3629-4]") {
    std::size_t wrong = 0;
    for (unsigned bytes = 0; bytes < 1U << 16; ++bytes) {
        const char text[] = {static_cast<char>(bytes >> 8), static_cast<char>(bytes)};
        if (!agrees({text, 1}) || !agrees({text, 2})) ++wrong;
    }
    // Those that begin with ASCII are the two bytes after it.
    for (unsigned bytes = 0x80U << 16; bytes < 1U << 24; ++bytes) {
        const char text[] = {static_cast<char>(bytes >> 16), static_cast<char>(bytes >> 8), static_cast<char>(bytes)};
        if (!agrees({text, 3})) ++wrong;
    }
    CHECK(wrong == 0);
}

TEST_CASE("RFC 3629 4: sequences of four bytes at the edges of each range", "[utf8][rfc3629-4]") {
    const std::string edges = "\x7f\x80\x8f\x90\x9f\xa0\xbf\xc0\xff"s + '\0';
    std::size_t wrong = 0;
    for (int lead = 0xe0; lead <= 0xff; ++lead) {
        for (const char second : edges) {
            for (const char third : edges) {
                for (const char fourth : edges) {
                    if (!agrees(std::string{static_cast<char>(lead), second, third, fourth, 'x'})) ++wrong;
                }
            }
        }
    }
    CHECK(wrong == 0);
}

TEST_CASE("RFC 3629 10: overlong forms, surrogates, too large ones: refused at the byte that shows it",
          "[utf8][rfc3629-10]") {
    struct fault {
        std::string_view text;
        std::size_t at;
    };
    const auto [text, at] = GENERATE(values<fault>({{"\xc0\x80", 0},          // overlong U+0000
                                                    {"\xc1\xbf", 0},          // overlong U+007F
                                                    {"\xe0\x80\x80", 1},      // overlong U+0000
                                                    {"\xe0\x9f\xbf", 1},      // overlong U+07FF
                                                    {"\xf0\x80\x80\x80", 1},  // overlong U+0000
                                                    {"\xf0\x8f\xbf\xbf", 1},  // overlong U+FFFF
                                                    {"\xed\xa0\x80", 1},      // U+D800
                                                    {"\xed\xbf\xbf", 1},      // U+DFFF
                                                    {"\xf4\x90\x80\x80", 1},  // U+110000
                                                    {"\xf5\x80\x80\x80", 0},  // U+140000
                                                    {"\xff", 0},
                                                    {"a\x80", 1},             // a continuation of nothing
                                                    {"\xe2\x82\xac\xac", 3},  // one too many
                                                    {"\xe2\x82\x41", 2},      // one too few
                                                    {"\xf0\x9f\x98\xf0", 3}}));
    CAPTURE(text);
    CHECK(judge_bytewise(text) == verdict{at, false});
    CHECK(judge_plainly(text) == verdict{at, false});
    CHECK_FALSE(is_utf8(text));
}

TEST_CASE("RFC 6455 8.1: text cut anywhere is the same text", "[utf8][ws][rfc6455-8.1]") {
    REQUIRE(is_utf8(mixed));
    const std::string_view text = mixed;
    for (std::size_t first = 0; first <= text.size(); ++first) {
        for (std::size_t second = first; second <= text.size(); ++second) {
            utf8_validator validator;
            REQUIRE(validator.feed(text.substr(0, first)));
            REQUIRE(validator.complete() == judge_plainly(text.substr(0, first)).whole);
            REQUIRE(validator.feed(text.substr(first, second - first)));
            REQUIRE(validator.feed(text.substr(second)));
            REQUIRE(validator.complete());
        }
    }
}

TEST_CASE("utf8_validator: a fault is found wherever it is, at every alignment", "[utf8]") {
    const char fault = GENERATE('\x80', '\xff', '\xc3', '\xf0');
    for (std::size_t size = 0; size <= 200; ++size) {
        // Memory of exactly this size, so that a sanitizer sees a look beyond it.
        std::vector<char> memory(size, 'x');
        const std::string_view text{memory.data(), size};
        REQUIRE(is_utf8(text));
        for (std::size_t at = 0; at < size; ++at) {
            memory[at] = fault;
            REQUIRE_FALSE(is_utf8(text));
            REQUIRE_FALSE(is_utf8(text.substr(at)));
            REQUIRE(is_utf8(text.substr(at + 1)));
            utf8_validator validator;
            const bool may_end = at + 1 == size && fault != '\x80' && fault != '\xff';
            REQUIRE(validator.feed(text) == may_end);
            REQUIRE_FALSE(validator.complete());
            memory[at] = 'x';
        }
    }
}

TEST_CASE("utf8_validator: ASCII is skipped on any processor, never a byte that is not", "[utf8]") {
    for (std::size_t size = 0; size <= 200; ++size) {
        std::vector<char> memory(size, '\x7f');
        const char* const first = memory.data();
        const char* const last = first + size;
        REQUIRE(weir::detail::skip_ascii(first, last) <= last);
        REQUIRE(weir::detail::skip_ascii_portable(first, last) + 8 > last);
        for (std::size_t at = 0; at < size; ++at) {
            memory[at] = '\x80';
            REQUIRE(weir::detail::skip_ascii(first, last) <= first + at);
            REQUIRE(weir::detail::skip_ascii_portable(first, last) <= first + at);
            REQUIRE(weir::detail::skip_ascii_portable(first, last) + 8 > first + at);
            memory[at] = '\x7f';
        }
    }
}

TEST_CASE("utf8_validator: ASCII within a sequence is a fault, however much of it there is", "[utf8]") {
    const std::string ascii(GENERATE(1U, 7U, 8U, 31U, 32U, 64U, 200U), 'x');
    for (const auto cut : {"\xc3"sv, "\xe2\x82"sv, "\xf0"sv, "\xf0\x9f\x98"sv}) {
        std::string before;
        for (const auto character : {""sv, "\xe2\x82\xac"sv, "\xc3\xa9"sv, "\xc3\xa9"sv, "\xe2\x82\xac"sv, "\xc3\xa9"sv,
                                     "\xc3\xa9"sv, "\xe2\x82\xac"sv, "\xf0\x9f\x98\x80"sv, "\xe2\x82\xac"sv}) {
            before += character;
            const std::string text = before + std::string{cut};
            utf8_validator whole, pieces;
            REQUIRE_FALSE(whole.feed(text + ascii + "\xac"));
            REQUIRE(pieces.feed(text));
            REQUIRE_FALSE(pieces.feed(ascii));
        }
    }
}

TEST_CASE("utf8_validator: once wrong it stays wrong until it is reset", "[utf8]") {
    utf8_validator validator;
    CHECK(validator.complete());
    CHECK_FALSE(validator.feed("\xff"));
    CHECK_FALSE(validator.feed(""));
    CHECK_FALSE(validator.feed("fine again"));
    CHECK_FALSE(validator.complete());
    validator.reset();
    CHECK(validator.complete());
    CHECK(validator.feed({}));
    CHECK(validator.feed("\xe2\x82"));
    CHECK_FALSE(validator.complete());
    CHECK(validator.feed({}));
    CHECK(validator.feed("\xac"));
    CHECK(validator.complete());
}

TEST_CASE("utf8_validator: small, and known at compile time", "[utf8]") {
    STATIC_REQUIRE(sizeof(utf8_validator) <= 4);
    STATIC_REQUIRE(is_utf8("caf\xc3\xa9"));
    STATIC_REQUIRE_FALSE(is_utf8("caf\xc3"));
    STATIC_REQUIRE_FALSE(is_utf8("\xed\xa0\x80"));
}

// SPDX-License-Identifier: BSL-1.0

#include <weir/utf8.hpp>

#include <string>
#include <string_view>

#include "catch.hpp"

using weir::is_plain_utf8;
using weir::replace_malformed;
using namespace std::literals;

namespace {

const std::string mark = "\xef\xbf\xbd";

}  // namespace

TEST_CASE("Encoding, UTF-8 decoder: well-formed text is left alone", "[utf8]") {
    const auto* const text =
        GENERATE("", "ascii", "\xc2\x80", "\xdf\xbf", "\xe0\xa0\x80", "\xed\x9f\xbf", "\xee\x80\x80", "\xef\xbf\xbf",
                 "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf", "a\xe2\x82\xac\xf0\x9f\x98\x80z");
    CHECK(replace_malformed(text) == text);
}

TEST_CASE("Encoding, UTF-8 decoder: one U+FFFD for each maximal subpart", "[utf8]") {
    CHECK(replace_malformed("\x80") == mark);
    CHECK(replace_malformed("\xc0\x80") == mark + mark);             // overlong NUL
    CHECK(replace_malformed("\xe0\x80\x80") == mark + mark + mark);  // overlong
    CHECK(replace_malformed("\xed\xa0\x80") == mark + mark + mark);  // a surrogate
    CHECK(replace_malformed("\xf4\x90\x80\x80") == mark + mark + mark + mark);
    CHECK(replace_malformed("\xf5") == mark);
    CHECK(replace_malformed("\xe2\x82") == mark);         // cut short by the end
    CHECK(replace_malformed("\xe2\x82x") == mark + "x");  // and by another character
    CHECK(replace_malformed("\xf0\x9f\x98\xe2\x82\xac") == mark + "\xe2\x82\xac");
    CHECK(replace_malformed("a\xff"
                            "b") == "a" + mark + "b");
}

TEST_CASE("RFC 3629 4: well-formed text of every length", "[utf8]") {
    for (const auto text : {""sv, "a ~"sv, "\xc2\xa0"sv, "\xc3\xbc"sv, "\xdf\xbf"sv, "\xe0\xa0\x80"sv, "\xed\x9f\xbf"sv,
                            "\xee\x80\x80"sv, "\xef\xbf\xbf"sv, "\xf0\x90\x80\x80"sv, "\xf4\x8f\xbf\xbf"sv,
                            "a\xe2\x82\xac"
                            "b\xf0\x9f\x98\x80"sv}) {
        CAPTURE(text);
        CHECK(is_plain_utf8(text));
    }
}

TEST_CASE("RFC 3629 3: overlong forms, surrogates, strays and cut sequences are refused", "[utf8]") {
    for (const auto text :
         {"\x80"sv, "\xbf"sv, "\xc0\x80"sv, "\xc1\xbf"sv, "\xc2"sv, "\xc2 "sv, "\xc2\xc2"sv, "\xe0\x9f\xbf"sv,
          "\xe2\x82"sv, "\xe2\x82 "sv, "\xed\xa0\x80"sv, "\xed\xbf\xbf"sv, "\xf0\x8f\xbf\xbf"sv, "\xf0\x9f\x98"sv,
          "\xf4\x90\x80\x80"sv, "\xf5\x80\x80\x80"sv, "\xff"sv, "a\xfe"sv}) {
        CAPTURE(text);
        CHECK_FALSE(is_plain_utf8(text));
    }
}

TEST_CASE("control characters of both blocks are refused", "[utf8]") {
    for (const auto text : {"\0"sv, "a\n"sv, "\r"sv, "\t"sv, "\x1b[31m"sv, "\x7f"sv, "\xc2\x80"sv, "\xc2\x9f"sv}) {
        CHECK_FALSE(is_plain_utf8(text));
    }
}

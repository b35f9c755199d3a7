// SPDX-License-Identifier: BSL-1.0

#include <weir/sse/utf8.hpp>

#include <string>

#include "catch.hpp"

using weir::sse::replace_malformed;

namespace {

const std::string mark = "\xef\xbf\xbd";

}  // namespace

TEST_CASE("Encoding, UTF-8 decoder: well-formed text is left alone", "[sse][utf8]") {
    const auto* const text =
        GENERATE("", "ascii", "\xc2\x80", "\xdf\xbf", "\xe0\xa0\x80", "\xed\x9f\xbf", "\xee\x80\x80", "\xef\xbf\xbf",
                 "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf", "a\xe2\x82\xac\xf0\x9f\x98\x80z");
    CHECK(replace_malformed(text) == text);
}

TEST_CASE("Encoding, UTF-8 decoder: one U+FFFD for each maximal subpart", "[sse][utf8]") {
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

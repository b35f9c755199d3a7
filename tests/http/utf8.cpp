// SPDX-License-Identifier: BSL-1.0
#include <weir/http/utf8.hpp>

#include "catch.hpp"

#include <string_view>

namespace http = weir::http;
using namespace std::literals;

TEST_CASE("RFC 3629 4: well-formed text of every length", "[http][utf8]") {
    for (const auto text : {""sv, "a ~"sv, "\xc2\xa0"sv, "\xc3\xbc"sv, "\xdf\xbf"sv, "\xe0\xa0\x80"sv, "\xed\x9f\xbf"sv,
                            "\xee\x80\x80"sv, "\xef\xbf\xbf"sv, "\xf0\x90\x80\x80"sv, "\xf4\x8f\xbf\xbf"sv,
                            "a\xe2\x82\xac"
                            "b\xf0\x9f\x98\x80"sv}) {
        CAPTURE(text);
        CHECK(http::is_plain_utf8(text));
    }
}

TEST_CASE("RFC 3629 3: overlong forms, surrogates, strays and cut sequences are refused", "[http][utf8]") {
    for (const auto text :
         {"\x80"sv, "\xbf"sv, "\xc0\x80"sv, "\xc1\xbf"sv, "\xc2"sv, "\xc2 "sv, "\xc2\xc2"sv, "\xe0\x9f\xbf"sv,
          "\xe2\x82"sv, "\xe2\x82 "sv, "\xed\xa0\x80"sv, "\xed\xbf\xbf"sv, "\xf0\x8f\xbf\xbf"sv, "\xf0\x9f\x98"sv,
          "\xf4\x90\x80\x80"sv, "\xf5\x80\x80\x80"sv, "\xff"sv, "a\xfe"sv}) {
        CAPTURE(text);
        CHECK_FALSE(http::is_plain_utf8(text));
    }
}

TEST_CASE("control characters of both blocks are refused", "[http][utf8]") {
    for (const auto text : {"\0"sv, "a\n"sv, "\r"sv, "\t"sv, "\x1b[31m"sv, "\x7f"sv, "\xc2\x80"sv, "\xc2\x9f"sv}) {
        CHECK_FALSE(http::is_plain_utf8(text));
    }
}

// SPDX-License-Identifier: BSL-1.0
#include <weir/http/grammar.hpp>

#include "catch.hpp"

#include <string_view>

namespace http = weir::http;
using namespace std::literals;

TEST_CASE("RFC 9110 5.6.2: a token has no separators, no spaces and no control characters", "[http][grammar]") {
    CHECK(http::is_token("Last-Event-ID"));
    CHECK(http::is_token("!#$%&'*+-.^_`|~09azAZ"));
    CHECK_FALSE(http::is_token(""));
    for (const char c : "\0\t\r\n \"(),/:;<=>?@[\\]{}\x7f\x80\xff"sv) {
        CAPTURE(static_cast<int>(c));
        CHECK_FALSE(http::is_token_char(c));
    }
}

TEST_CASE("RFC 9110 5.5: a field value has no control character but the tab", "[http][grammar]") {
    CHECK(http::is_field_value(""));
    CHECK(http::is_field_value("text/plain; a=\"b\"\t\xc3\xbc"));
    for (int i = 0; i < 256; ++i) {
        const bool allowed = i == '\t' || (i >= 0x20 && i != 0x7f);
        CAPTURE(i);
        CHECK(http::is_field_value_char(static_cast<char>(i)) == allowed);
    }
}

TEST_CASE("RFC 3986 2.3: the characters that mean themselves everywhere in a URI", "[http][grammar]") {
    for (const char c : "azAZ09-._~"sv) CHECK(http::is_unreserved_char(c));
    for (const char c : "%/?#[]@!$&'()*+,;=: \x80"sv) CHECK_FALSE(http::is_unreserved_char(c));
}

TEST_CASE("RFC 9110 5.6.3: white space around a value is spaces and tabs, nothing else", "[http][grammar]") {
    CHECK(http::trim_ows(" \t a b\t ") == "a b");
    CHECK(http::trim_ows(" \t ").empty());
    CHECK(http::trim_ows("\v a") == "\v a");
}

TEST_CASE("RFC 9110 5.1: names are compared without case, in ASCII only", "[http][grammar]") {
    CHECK(http::equal_ignoring_case("CoNtEnT-LeNgTh", "content-length"));
    CHECK_FALSE(http::equal_ignoring_case("content-length", "content-lengt"));
    CHECK_FALSE(http::equal_ignoring_case("@", "`"));  // differ in the bit that tells letters' case
    CHECK_FALSE(http::equal_ignoring_case("[", "{"));
    CHECK_FALSE(http::equal_ignoring_case("\xc4", "\xe4"));
}

TEST_CASE("RFC 5234: hexadecimal digits", "[http][grammar]") {
    CHECK(http::hex_value('0') == 0);
    CHECK(http::hex_value('9') == 9);
    CHECK(http::hex_value('a') == 10);
    CHECK(http::hex_value('F') == 15);
    for (const char c : "gG/:@` \0"sv) CHECK(http::hex_value(c) == -1);
}

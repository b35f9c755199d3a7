// SPDX-License-Identifier: BSL-1.0
#include <weir/http/target.hpp>

#include "catch.hpp"

#include <string>
#include <string_view>

namespace http = weir::http;
using namespace std::literals;

TEST_CASE("RFC 3986 2.1: percent-encoded bytes are decoded, once", "[http][target]") {
    CHECK(http::percent_decode("a%20b%C3%bc%2f") == "a b\xc3\xbc/");
    CHECK(http::percent_decode("%2541") == "%41");
    CHECK(http::percent_decode("%00x") == "\0x"s);
    CHECK(http::percent_decode("") == "");
    CHECK(http::percent_decode("a+b") == "a+b");
    CHECK(http::percent_decode("a+b%2B", http::plus::space) == "a b+");
}

TEST_CASE("RFC 3986 2.1: a '%' without two hexadecimal digits is refused", "[http][target]") {
    for (const auto text : {"%"sv, "%4"sv, "%zz"sv, "%4g"sv, "a%"sv, "%%41"sv, "% 41"sv, "%u0041"sv, "%-1"sv}) {
        CAPTURE(text);
        CHECK_FALSE(http::percent_decode(text));
        CHECK_FALSE(http::valid_encoding(text));
    }
    CHECK(http::valid_encoding("a%20%ff"));
    CHECK(http::valid_encoding(""));
}

TEST_CASE("RFC 3986 2.3: an encoded unreserved character is that character", "[http][target]") {
    CHECK(http::percent_decode("%41%7a%30%2D%2e%5F%7E") == "Az0-._~");
    CHECK(http::decode_path("/%7euser/%61") == "/~user/a");
}

TEST_CASE("RFC 3986 3.3: a path is decoded segment by segment", "[http][target]") {
    CHECK(http::decode_path("/") == "/");
    CHECK(http::decode_path("/a/b%20c/") == "/a/b c/");
    CHECK(http::decode_path("//a") == "//a");
    CHECK(http::decode_path("/a+b;c=d,%25") == "/a+b;c=d,%");
    CHECK(http::decode_path("/...") == "/...");
    CHECK(http::decode_path("/.well-known") == "/.well-known");
    CHECK(http::decode_path("*") == "*");
}

TEST_CASE("RFC 3986 7.3: what would be another path after decoding is refused", "[http][target]") {
    for (const auto path :
         {""sv,          "a"sv,       "/%"sv,    "/%zz"sv,    "/a%2fb"sv, "/a%2Fb"sv, "/%00"sv,      "/a%00.html"sv,
          "/a%0d%0ab"sv, "/%7f"sv,    "/.."sv,   "/a/../b"sv, "/a/.."sv,  "/./a"sv,   "/%2e%2e/a"sv, "/.%2E"sv,
          "/%2e"sv,      "/..%2fa"sv, "/a\\b"sv, "/..%5ca"sv, "/%5C"sv,   "/a\0b"sv}) {
        CAPTURE(path);
        CHECK_FALSE(http::decode_path(path));
    }
}

TEST_CASE("WHATWG URL: parameters of a query, undecoded and in order", "[http][target]") {
    std::string seen;
    const auto collect = [&](std::string_view name, std::string_view value) {
        seen.append(name).append("=").append(value).append(";");
        return name != "stop";
    };
    http::for_each_parameter("a=1&&b&c=&=d&e=f=g&%41=+", collect);
    CHECK(seen == "a=1;b=;c=;=d;e=f=g;%41=+;");
    seen.clear();
    http::for_each_parameter("a&stop&b", collect);
    CHECK(seen == "a=;stop=;");
}

TEST_CASE("WHATWG URL: a parameter is looked up by its decoded name, the first wins", "[http][target]") {
    const auto query = "na+me=a+b%2B&x=1&x=2&%79=3&bad=%zz&%zz=4&empty"sv;
    CHECK(http::query_parameter(query, "na me") == "a b+");
    CHECK(http::query_parameter(query, "na+me", http::plus::literal) == "a+b+");
    CHECK(http::query_parameter(query, "x") == "1");
    CHECK(http::query_parameter(query, "y") == "3");
    CHECK(http::query_parameter(query, "empty") == "");
    CHECK_FALSE(http::query_parameter(query, "bad"));
    CHECK_FALSE(http::query_parameter(query, "absent"));
    CHECK_FALSE(http::query_parameter("", "x"));
}

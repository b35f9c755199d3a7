// SPDX-License-Identifier: BSL-1.0
#include <weir/http/response.hpp>

#include "catch.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace http = weir::http;
using weir::error;
using namespace std::literals;

TEST_CASE("RFC 9112 4: a head is a status line, fields and an empty line", "[http][response]") {
    const std::vector<http::field_view> fields{{"A", "b"}, {"C", ""}};
    std::string out = "before ";
    CHECK(http::append_head(out, 200, fields) == error::none);
    CHECK(out == "before HTTP/1.1 200 OK\r\nA: b\r\nC: \r\n\r\n");
    out.clear();
    CHECK(http::append_head(out, 599, {}) == error::none);
    CHECK(out == "HTTP/1.1 599 Unknown\r\n\r\n");
}

TEST_CASE("RFC 9112 11.1: what would split the response is refused, and nothing is written", "[http][response]") {
    for (const auto& bad : {http::field_view{"A", "b\r\nSet-Cookie: x=y"},
                            {"A", "b\nC: d"},
                            {"A", "b\rc"},
                            {"A", "b\0c"sv},
                            {"A", "\x7f"},
                            {"", "b"},
                            {"A B", "c"},
                            {"A:", "b"},
                            {"A\r\nB", "c"},
                            {"A\0"sv, "b"}}) {
        CAPTURE(bad.name, bad.value);
        CHECK_FALSE(http::is_sendable(bad));
        std::string out = "before";
        CHECK(http::append_field(out, bad.name, bad.value) == error::bad_argument);
        CHECK(http::append_head(out, 200, std::vector{http::field_view{"X", "y"}, bad}) == error::bad_argument);
        CHECK(out == "before");
        CHECK(http::make_response(200, "text/plain", "body", std::vector{bad}) == http::error_response(500));
    }
    std::string out;
    CHECK(http::append_head(out, 99, {}) == error::bad_argument);
    CHECK(http::append_head(out, 1000, {}) == error::bad_argument);
    CHECK(out.empty());
    CHECK(http::make_response(200, "text/plain\r\nX: y", "") == http::error_response(500));
}

TEST_CASE("RFC 9112 6.2: a whole response says how long it is, and whether the connection ends", "[http][response]") {
    CHECK(http::make_response(200, "text/html", "<p>") ==
          "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 3\r\nConnection: close\r\n\r\n<p>");
    const std::vector<http::field_view> extra{{"X", "y"}};
    CHECK(http::make_response(200, "", "", extra, {.keep_alive = true}) ==
          "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX: y\r\n\r\n");
    CHECK(http::make_response(200, "", "body", {}, {.keep_alive = true, .head_only = true}) ==
          "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n");
}

TEST_CASE("RFC 9110 8.6: 204 and 304 have no body and no length", "[http][response]") {
    CHECK(http::make_response(204, "text/plain", "body", {}, {.keep_alive = true}) ==
          "HTTP/1.1 204 No Content\r\n\r\n");
    CHECK(http::is_bodiless(101));
    CHECK(http::is_bodiless(304));
    CHECK_FALSE(http::is_bodiless(200));
}

TEST_CASE("RFC 9110 15: a refusal says its status in words", "[http][response]") {
    CHECK(http::error_response(error::head_too_large) ==
          "HTTP/1.1 431 Request Header Fields Too Large\r\nContent-Type: text/plain; charset=utf-8\r\n"
          "Content-Length: 36\r\nConnection: close\r\n\r\n431 Request Header Fields Too Large\n");
    const std::vector<http::field_view> allow{{"Allow", "GET"}};
    CHECK(http::error_response(error::method_not_allowed, allow, {.keep_alive = true, .head_only = true}) ==
          "HTTP/1.1 405 Method Not Allowed\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 23\r\n"
          "Allow: GET\r\n\r\n");
}

TEST_CASE("RFC 9110 15.1: every status that an error maps to has a phrase", "[http][response]") {
    for (int e = 0; weir::message(static_cast<error>(e)) != "unknown error"s; ++e) {
        CAPTURE(e);
        CHECK(http::reason_phrase(weir::http_status_for(static_cast<error>(e))) != "Unknown");
    }
}

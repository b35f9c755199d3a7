// SPDX-License-Identifier: BSL-1.0
#include <weir/http/request_writer.hpp>

#include <weir/http/request_parser.hpp>

#include <string>
#include <string_view>
#include <vector>

#include "catch.hpp"

namespace http = weir::http;
using weir::error;
using namespace std::literals;

namespace {

std::string text_of(const http::client_request& request) {
    const auto result = http::serialize_request(request);
    if (result.error == error::none) return result.text;
    CHECK(result.text.empty());
    return weir::message(result.error);
}

std::string with_field(std::string_view name, std::string_view value) {
    const std::vector<http::field_view> fields{{"A", "b"}, {name, value}};
    return text_of({.authority = "a", .fields = fields});
}

const std::string bad_argument = weir::message(error::bad_argument);

}  // namespace

TEST_CASE("RFC 9112 3: a request, Host first, then the fields in order", "[http][request_writer][rfc9112-3]") {
    CHECK(text_of({.authority = "example.com"}) == "GET / HTTP/1.1\r\nHost: example.com\r\n\r\n");
    const std::vector<http::field_view> fields{{"Accept", "text/event-stream"}, {"X", ""}, {"x", "\xc3\xbc \tb"}};
    CHECK(
        text_of({.method = "DELETE", .authority = "[::1]:8080", .target = "/a/b?c=d", .fields = fields}) ==
        "DELETE /a/b?c=d HTTP/1.1\r\nHost: [::1]:8080\r\nAccept: text/event-stream\r\nX: \r\nx: \xc3\xbc \tb\r\n\r\n");
}

TEST_CASE("RFC 9110 8.6: a length goes with a body, and with a method that has one", "[http][request_writer]") {
    CHECK(text_of({.method = "POST", .authority = "a", .body = "{\r\n\r\n\0}"sv}) ==
          "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 7\r\n\r\n{\r\n\r\n\0}"s);
    for (const auto method : {"POST"sv, "PUT"sv, "PATCH"sv}) {
        CHECK(text_of({.method = method, .authority = "a"}) ==
              std::string{method} + " / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
    }
    CHECK(text_of({.authority = "a", .body = "x"}) == "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx");
    CHECK(text_of({.method = "DELETE", .authority = "a"}) == "DELETE / HTTP/1.1\r\nHost: a\r\n\r\n");
}

TEST_CASE("RFC 9112 3: what would be another request is refused", "[http][request_writer][rfc9112-3]") {
    for (const auto method : {""sv, "GET "sv, "G T"sv, "GET\r\n"sv, "G\0T"sv, "(GET)"sv, "CONNECT"sv}) {
        CAPTURE(method);
        CHECK(text_of({.method = method, .authority = "a"}) == bad_argument);
    }
    for (const auto target :
         {""sv, "a"sv, "*"sv, "http://a/"sv, "/a b"sv, "/a\r\nB: c"sv, "/#a"sv, "/\xc3\xbc"sv, "/\0"sv}) {
        CAPTURE(target);
        CHECK(text_of({.authority = "a", .target = target}) == bad_argument);
    }
    for (const auto authority : {""sv, "a b"sv, "a\r\nB: c"sv, "u@a"sv, "a:b"sv, "a/"sv, "[::1"sv, "a,b"sv}) {
        CAPTURE(authority);
        CHECK(text_of({.authority = authority}) == bad_argument);
    }
}

TEST_CASE("RFC 9110 5.5: fields that would end a line are refused", "[http][request_writer][rfc9110-5.5]") {
    CHECK(with_field("X", "y").ends_with("A: b\r\nX: y\r\n\r\n"));
    for (const auto name : {""sv, "a b"sv, "a:"sv, "a\r\nb"sv, "\xc3\xbc"sv})
        CHECK(with_field(name, "x") == bad_argument);
    for (const auto value : {"a\r\nb: c"sv, "a\n"sv, "\r"sv, "\0"sv, "\x7f"sv}) {
        CHECK(with_field("x", value) == bad_argument);
    }
}

TEST_CASE("RFC 9112 6: what frames or governs the message is not the application's", "[http][request_writer]") {
    for (const auto name : {"host"sv, "Content-Length"sv, "TRANSFER-ENCODING"sv, "Trailer"sv, "TE"sv, "Connection"sv,
                            "Keep-Alive"sv, "Proxy-Connection"sv, "upgrade"sv, "Expect"sv}) {
        CAPTURE(name);
        CHECK(http::is_reserved_field(name));
        CHECK(with_field(name, "1") == bad_argument);
    }
    for (const auto name : {"Accept"sv, "Authorization"sv, "Content-Type"sv, "Hosts"sv, ""sv}) {
        CHECK_FALSE(http::is_reserved_field(name));
    }
}

TEST_CASE("a server of this library reads what is written", "[http][request_writer]") {
    const std::vector<http::field_view> fields{{"Accept", "text/event-stream"}};
    const auto text = text_of({.method = "PUT", .authority = "a:81", .target = "/x?y", .fields = fields, .body = "z"});
    http::request_parser parser;
    REQUIRE(parser.parse(text) == http::request_parser::status::complete);
    CHECK(parser.request().method == "PUT");
    CHECK(parser.request().target == "/x?y");
    CHECK(parser.request().authority() == "a:81");
    CHECK(parser.request().fields.find("accept") == "text/event-stream");
    CHECK(parser.body() == http::body_framing{http::body_kind::length, 1});
    CHECK(parser.request().keep_alive());
    CHECK(text.substr(parser.head_size()) == "z");
}

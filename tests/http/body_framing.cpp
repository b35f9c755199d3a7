// SPDX-License-Identifier: BSL-1.0
#include <weir/http/body_framing.hpp>

#include "catch.hpp"

#include <string_view>
#include <vector>

namespace http = weir::http;
using weir::error;
using namespace std::literals;

namespace {

http::body_framing_result framing_of(std::vector<http::field_view> fields,
                                     http::version version = http::version::http_1_1) {
    return http::request_body_framing({.method = "POST", .target = "/", .version = version, .fields = fields});
}

error error_of(std::vector<http::field_view> fields) { return framing_of(std::move(fields)).error; }

}  // namespace

TEST_CASE("RFC 9112 6.3: how a request's body is delimited", "[http][body_framing]") {
    using enum http::body_kind;
    CHECK(framing_of({}).framing == http::body_framing{none, 0});
    CHECK(framing_of({{"Content-Length", "0"}}).framing == http::body_framing{none, 0});
    CHECK(framing_of({{"content-length", "0042"}}).framing == http::body_framing{length, 42});
    CHECK(framing_of({{"Transfer-Encoding", "Chunked"}}).framing == http::body_framing{chunked, 0});
    CHECK(framing_of({{"Transfer-Encoding", ", chunked ,"}}).framing == http::body_framing{chunked, 0});
    CHECK(error_of({{"Content-Length", "18446744073709551615"}}) == error::none);
}

TEST_CASE("RFC 9110 8.6: a Content-Length is digits, once", "[http][body_framing]") {
    for (const auto text : {""sv, " "sv, "+1"sv, "-1"sv, "1.0"sv, "0x1"sv, "1e3"sv, "1 2"sv, "5, 5"sv, "5,"sv, "five"sv,
                            "18446744073709551616"sv, "99999999999999999999999"sv}) {
        CAPTURE(text);
        CHECK(error_of({{"Content-Length", text}}) == error::bad_content_length);
    }
    CHECK(error_of({{"Content-Length", "5"}, {"Content-Length", "6"}}) == error::bad_content_length);
    CHECK(error_of({{"Content-Length", "5"}, {"content-length", "5"}}) == error::bad_content_length);
}

TEST_CASE("RFC 9112 6.1: Transfer-Encoding is chunked once, alone, and in HTTP/1.1 only", "[http][body_framing]") {
    CHECK(error_of({{"Transfer-Encoding", "chunked"}, {"Content-Length", "5"}}) == error::bad_content_length);
    CHECK(error_of({{"Transfer-Encoding", "gzip"}, {"Content-Length", "x"}}) == error::bad_content_length);
    CHECK(framing_of({{"Transfer-Encoding", "chunked"}}, http::version::http_1_0).error == error::bad_body);
    for (const auto text :
         {"gzip"sv, "gzip, chunked"sv, "identity"sv, "xchunked"sv, "chunked;q=1"sv, "\"chunked\""sv}) {
        CAPTURE(text);
        CHECK(error_of({{"Transfer-Encoding", text}}) == error::unsupported_coding);
    }
    for (const auto text : {""sv, ","sv, "chunked, chunked"sv, "chunked, gzip"sv}) {
        CAPTURE(text);
        CHECK(error_of({{"Transfer-Encoding", text}}) == error::bad_body);
    }
    CHECK(error_of({{"Transfer-Encoding", "chunked"}, {"Transfer-Encoding", "chunked"}}) == error::bad_body);
    CHECK(error_of({{"Transfer-Encoding", "chunked"}, {"Transfer-Encoding", "identity"}}) == error::bad_body);
}

namespace {

http::body_framing_result framing_of_response(int status, std::vector<http::field_view> fields,
                                              std::string_view method = "GET",
                                              http::version version = http::version::http_1_1) {
    return http::response_body_framing({.status = status, .version = version, .fields = fields}, method);
}

error error_of_response(std::vector<http::field_view> fields) {
    return framing_of_response(200, std::move(fields)).error;
}

}  // namespace

TEST_CASE("RFC 9112 6.3: how a response's body is delimited", "[http][body_framing][rfc9112-6.3]") {
    using enum http::body_kind;
    for (const int status : {200, 201, 205, 206, 301, 404, 500, 999}) {
        CHECK(framing_of_response(status, {}).framing == http::body_framing{until_close, 0});
        CHECK(framing_of_response(status, {{"Content-Length", "42"}}).framing == http::body_framing{length, 42});
        CHECK(framing_of_response(status, {{"Content-Length", "0"}}).framing == http::body_framing{none, 0});
        CHECK(framing_of_response(status, {{"Transfer-Encoding", "Chunked"}}).framing ==
              http::body_framing{chunked, 0});
    }
    CHECK(framing_of_response(200, {{"Connection", "keep-alive"}}).framing == http::body_framing{until_close, 0});
    CHECK(framing_of_response(200, {}, "GET", http::version::http_1_0).framing.kind == until_close);
    CHECK(framing_of_response(200, {{"Content-Length", "1"}}, "GET", http::version::http_1_0).framing.kind == length);
}

TEST_CASE("RFC 9112 6.3: 1xx, 204, 304 and answers to HEAD have no body, whatever the fields say",
          "[http][body_framing][rfc9112-6.3]") {
    const auto bodiless = [](int status, std::string_view method) {
        for (const auto& field : std::vector<http::field_view>{{"Content-Length", "5"},
                                                               {"Content-Length", "x"},
                                                               {"Transfer-Encoding", "chunked"},
                                                               {"Transfer-Encoding", "gzip"},
                                                               {"Server", "x"}}) {
            const auto result = framing_of_response(status, {field}, method);
            if (result.error != error::none || result.framing != http::body_framing{}) return false;
        }
        return true;
    };
    for (const int status : {100, 101, 103, 199, 204, 304}) CHECK(bodiless(status, "GET"));
    for (const int status : {200, 404, 500}) CHECK(bodiless(status, "HEAD"));
    for (const int status : {200, 299}) CHECK(bodiless(status, "CONNECT"));
    CHECK_FALSE(bodiless(200, "GET"));
    CHECK_FALSE(bodiless(200, "head"));
    CHECK_FALSE(bodiless(407, "CONNECT"));
}

// curl, Node and Python's http.client disagree on most of these: what follows is a response to one, a body to another.
TEST_CASE("RFC 9112 6.3: a response that could be read in two ways is refused", "[http][body_framing][rfc9112-6.3]") {
    CHECK(error_of_response({{"Transfer-Encoding", "chunked"}, {"Content-Length", "5"}}) == error::bad_content_length);
    CHECK(error_of_response({{"Content-Length", "5"}, {"Content-Length", "6"}}) == error::bad_content_length);
    CHECK(error_of_response({{"Content-Length", "5"}, {"content-length", "5"}}) == error::bad_content_length);
    for (const auto text : {""sv, "5, 5"sv, "-1"sv, "+5"sv, "5 "sv, "0x5"sv, "18446744073709551616"sv}) {
        CAPTURE(text);
        CHECK(error_of_response({{"Content-Length", text}}) == error::bad_content_length);
    }
    CHECK(error_of_response({{"Transfer-Encoding", "chunked"}, {"Transfer-Encoding", "chunked"}}) == error::bad_body);
    for (const auto text : {""sv, "chunked, chunked"sv, "chunked, gzip"sv}) {
        CAPTURE(text);
        CHECK(error_of_response({{"Transfer-Encoding", text}}) == error::bad_body);
    }
}

TEST_CASE("RFC 9112 6.1: of a response's transfer codings only chunked is understood", "[http][body_framing]") {
    for (const auto text : {"gzip, chunked"sv, "gzip"sv, "identity"sv, "chunked;q=1"sv, "\"chunked\""sv}) {
        CAPTURE(text);
        CHECK(error_of_response({{"Transfer-Encoding", text}}) == error::unsupported_coding);
    }
}

TEST_CASE("RFC 9112 6.1: Transfer-Encoding in HTTP/1.0 is faulty framing", "[http][body_framing][rfc9112-6.1]") {
    const auto result = framing_of_response(200, {{"Transfer-Encoding", "chunked"}}, "GET", http::version::http_1_0);
    CHECK(result.error == error::bad_body);
}

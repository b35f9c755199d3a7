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

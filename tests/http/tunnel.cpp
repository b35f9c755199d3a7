// SPDX-License-Identifier: BSL-1.0
#include <weir/http/tunnel.hpp>

#include <weir/http/body_framing.hpp>

#include <string>
#include <string_view>
#include <vector>

#include "catch.hpp"

namespace http = weir::http;
using weir::error;
using namespace std::literals;

TEST_CASE("RFC 9110 9.3.6: a tunnel's end always has a port", "[http][tunnel][rfc9110-9.3.6]") {
    const auto end = [](std::string_view text) { return http::tunnel_authority(http::parse_url(text).value()); };
    CHECK(end("https://example.com/a?b") == "example.com:443");
    CHECK(end("ws://example.com") == "example.com:80");
    CHECK(end("wss://example.com:8443/") == "example.com:8443");
    CHECK(end("http://example.com:080/") == "example.com:80");
    CHECK(end("https://[2001:db8::1]/") == "[2001:db8::1]:443");
    CHECK(end("http://[::1]:81/") == "[::1]:81");
}

TEST_CASE("RFC 9112 3.2.3: the request for a tunnel", "[http][tunnel][rfc9112-3.2.3]") {
    const std::vector<http::field_view> fields{{"Proxy-Authorization", "Basic eDp5"}};
    CHECK(http::connect_request("example.com:443", fields).text ==
          "CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\nProxy-Authorization: Basic eDp5\r\n\r\n");
    CHECK(http::connect_request("[::1]:80").text == "CONNECT [::1]:80 HTTP/1.1\r\nHost: [::1]:80\r\n\r\n");
}

TEST_CASE("RFC 9110 9.3.6: a request that cannot be sent is refused", "[http][tunnel][rfc9110-9.3.6]") {
    for (const auto authority : {""sv, "a"sv, "a:"sv, "a:0"sv, "a:000"sv, "a:65536"sv, "a:b"sv, ":1"sv, "[::1]"sv,
                                 "::1:80"sv, "a:1 "sv, "a:1\r\nB: c"sv, "http://a:1"sv, "u@a:1"sv, "a:1/"sv}) {
        CAPTURE(authority);
        const auto result = http::connect_request(authority);
        CHECK(result.error == error::bad_argument);
        CHECK(result.text.empty());
    }
    for (const auto& field : std::vector<http::field_view>{{"Host", "b"},
                                                           {"Content-Length", "1"},
                                                           {"Transfer-Encoding", "chunked"},
                                                           {"a b", "c"},
                                                           {"a", "b\r\nc: d"}}) {
        const std::vector<http::field_view> fields{field};
        CHECK(http::connect_request("a:1", fields).error == error::bad_argument);
    }
}

TEST_CASE("RFC 9110 9.3.6: any 2xx opens the tunnel, nothing else does", "[http][tunnel][rfc9110-9.3.6]") {
    for (const int status : {200, 201, 204, 299})
        CHECK(http::check_connect_response({.status = status}) == error::none);
    for (const int status : {0, 100, 101, 199, 300, 302, 307, 400, 403, 407, 500, 502, 504, 999}) {
        CHECK(http::check_connect_response({.status = status}) == error::proxy_refused);
    }
}

TEST_CASE("RFC 9110 9.3.6: an open tunnel has no body, whatever the fields say", "[http][tunnel][rfc9110-9.3.6]") {
    for (const auto& field : std::vector<http::field_view>{
             {"Content-Length", "5"}, {"Content-Length", "x"}, {"Transfer-Encoding", "chunked"}}) {
        const std::vector<http::field_view> fields{field};
        const http::response_view response{.status = 200, .fields = fields};
        CHECK(http::check_connect_response(response) == error::none);
        const auto result = http::response_body_framing(response, "CONNECT");
        CHECK(result.error == error::none);
        CHECK(result.framing.kind == http::body_kind::none);
    }
}

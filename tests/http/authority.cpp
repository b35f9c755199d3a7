// SPDX-License-Identifier: BSL-1.0
#include <weir/http/authority.hpp>

#include "catch.hpp"

#include <string_view>

namespace http = weir::http;
using namespace std::literals;

TEST_CASE("RFC 3986 3.2: host and port are taken apart", "[http][authority]") {
    struct row {
        std::string_view text, host, port;
    };
    for (const auto& [text, host, port] :
         {row{"example.com", "example.com", ""}, row{"example.com:8080", "example.com", "8080"},
          row{"localhost:", "localhost", ""}, row{"127.0.0.1:80", "127.0.0.1", "80"}, row{"[::1]", "[::1]", ""},
          row{"[::ffff:1.2.3.4]:65535", "[::ffff:1.2.3.4]", "65535"}, row{"my_service-1", "my_service-1", ""},
          row{"x%2Dy", "x%2Dy", ""}}) {
        CAPTURE(text);
        const auto parsed = http::parse_authority(text);
        REQUIRE(parsed);
        CHECK(parsed->host == host);
        CHECK(parsed->port == port);
    }
}

TEST_CASE("RFC 9110 7.2: what is no host and port is refused", "[http][authority]") {
    for (
        const auto text :
        {""sv,          ":80"sv,        "a b"sv,     "a\tb"sv,    "a/b"sv,  "a?b"sv,         "a#b"sv,
         "user@host"sv, "a:b@host:1"sv, "a:80:80"sv, "a:8x"sv,    "a:-1"sv, "a:65536"sv,     "a:99999999999999999999"sv,
         "::1"sv,       "[::1"sv,       "[::1]x"sv,  "[::1]:x"sv, "[]"sv,   "[g::]"sv,       "[:]"sv,
         "a,b"sv,       "a%2"sv,        "a%zz"sv,    "a\0b"sv,    "a\\b"sv, "\xc3\xbc.de"sv, "http://a"sv}) {
        CAPTURE(text);
        CHECK_FALSE(http::parse_authority(text));
    }
}

TEST_CASE("RFC 6454 4: an origin of the request's own host, whatever the default port's form", "[http][authority]") {
    CHECK(http::same_host("http://example.com", "example.com"));
    CHECK(http::same_host("http://example.com", "example.com:80"));
    CHECK(http::same_host("http://example.com:80", "EXAMPLE.com"));
    CHECK(http::same_host("https://example.com", "example.com:443"));
    CHECK(http::same_host("https://example.com", "example.com"));
    CHECK(http::same_host("http://localhost:8080", "localhost:8080"));
    CHECK(http::same_host("HTTP://[::1]:8080", "[::1]:8080"));
}

TEST_CASE("RFC 6454 4: an origin of another host, port or form is not the request's own", "[http][authority]") {
    for (const auto origin :
         {"null"sv, ""sv, "example.com"sv, "http://"sv, "http://example.com.evil.net"sv, "http://evilexample.com"sv,
          "http://sub.example.com"sv, "http://example.com:8080"sv, "https://example.com:80"sv,
          "http://example.com@evil.net"sv, "http://evil.net@example.com"sv, "http://example.com/"sv,
          "file://example.com"sv, "chrome-extension://example.com"sv, "http://example.com http://example.com"sv}) {
        CAPTURE(origin);
        CHECK_FALSE(http::same_host(origin, "example.com"));
    }
    CHECK_FALSE(http::same_host("http://example.com", ""));
    CHECK_FALSE(http::same_host("http://example.com", "example.com:443"));
}

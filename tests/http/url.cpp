// SPDX-License-Identifier: BSL-1.0
#include <weir/http/url.hpp>

#include <string>
#include <string_view>

#include "catch.hpp"

namespace http = weir::http;
using namespace std::literals;

namespace {

// host port authority target
std::string parts(std::string_view text) {
    const auto url = http::parse_url(text);
    if (!url) return "malformed";
    return url->scheme + ' ' + url->host + ' ' + std::to_string(url->port) + ' ' + url->authority + ' ' + url->target;
}

}  // namespace

TEST_CASE("RFC 6455 3: a URL is taken apart", "[http][url][rfc6455-3]") {
    CHECK(parts("ws://example.com/chat?room=1") == "ws example.com 80 example.com /chat?room=1");
    CHECK(parts("wss://example.com:8443/") == "wss example.com 8443 example.com:8443 /");
    CHECK(parts("http://localhost:3000/a/b") == "http localhost 3000 localhost:3000 /a/b");
    CHECK(parts("https://127.0.0.1/a//b/../c?d?e/f") == "https 127.0.0.1 443 127.0.0.1 /a//b/../c?d?e/f");
}

TEST_CASE("RFC 6455 3: the scheme, in any case, decides on port and TLS", "[http][url][rfc6455-3]") {
    CHECK(parts("WsS://a/") == "wss a 443 a /");
    CHECK(parts("HTTP://a/") == "http a 80 a /");
    CHECK(http::parse_url("wss://a")->secure());
    CHECK(http::parse_url("https://a")->secure());
    CHECK_FALSE(http::parse_url("ws://a")->secure());
    CHECK_FALSE(http::parse_url("http://a")->secure());
}

TEST_CASE("RFC 9110 7.2: the scheme's own port is left out of the authority", "[http][url][rfc9110-7.2]") {
    CHECK(parts("ws://a:80/") == "ws a 80 a /");
    CHECK(parts("wss://a:443/") == "wss a 443 a /");
    CHECK(parts("ws://a:443/") == "ws a 443 a:443 /");
    CHECK(parts("ws://a:/") == "ws a 80 a /");
    CHECK(parts("ws://a:65535") == "ws a 65535 a:65535 /");
}

TEST_CASE("RFC 3986 3.2.2: an address in brackets is resolved without them", "[http][url][rfc3986-3.2.2]") {
    CHECK(parts("ws://[::1]/x") == "ws ::1 80 [::1] /x");
    CHECK(parts("ws://[2001:db8::1]:8080/x") == "ws 2001:db8::1 8080 [2001:db8::1]:8080 /x");
    CHECK(parts("wss://[::1]:443") == "wss ::1 443 [::1] /");
}

TEST_CASE("RFC 6455 3: without a path it is /", "[http][url][rfc6455-3]") {
    CHECK(parts("ws://a") == "ws a 80 a /");
    CHECK(parts("ws://a?x=/y") == "ws a 80 a /?x=/y");
    CHECK(parts("ws://a:8080?x") == "ws a 8080 a:8080 /?x");
    CHECK(parts("ws://a/?") == "ws a 80 a /?");
}

TEST_CASE("RFC 3986 3.5: the fragment stays with the client", "[http][url][rfc3986-3.5]") {
    CHECK(parts("ws://a#b") == "ws a 80 a /");
    CHECK(parts("ws://a/b?c#d/e?f#g") == "ws a 80 a /b?c");
    CHECK(parts("ws://a#@b/") == "ws a 80 a /");
}

TEST_CASE("RFC 3986 2.1: percent-encoding is passed on", "[http][url][rfc3986-2.1]") {
    CHECK(parts("ws://a/%2F%0d%0a?%C3%BC") == "ws a 80 a /%2F%0d%0a?%C3%BC");
}

TEST_CASE("RFC 3986 3: what is no URL, or none of ours", "[http][url][rfc3986-3]") {
    for (const auto text : {""sv,
                            "ws"sv,
                            "ws:"sv,
                            "ws:/a"sv,
                            "ws:a"sv,
                            "//a/"sv,
                            "://a/"sv,
                            "/a"sv,
                            "a.example"sv,
                            "a.example:80/"sv,
                            "ftp://a/"sv,
                            "wsx://a/"sv,
                            "w s://a/"sv,
                            " ws://a/"sv,
                            "ws://a/ "sv,
                            "ws://"sv,
                            "ws:///x"sv,
                            "ws://?x"sv,
                            "ws://#x"sv,
                            "ws://:80/"sv,
                            "ws://a:0/"sv,
                            "ws://a:65536/"sv,
                            "ws://a:-1/"sv,
                            "ws://a:8o/"sv,
                            "ws://a:80:80/"sv,
                            "ws://user@a/"sv,
                            "ws://user:pw@a/"sv,
                            "ws://@a/"sv,
                            "ws://good.example\\@evil.example/"sv,
                            "ws://a,b/"sv,
                            "ws://[::1"sv,
                            "ws://::1/"sv,
                            "ws://[::1]x/"sv,
                            "ws://[g::]/"sv,
                            "ws://a b/"sv,
                            "ws://a/b c"sv,
                            "ws://a/\r\nX:y"sv,
                            "ws://a/\0"sv,
                            "ws://a/\t"sv,
                            "ws://a/#\n"sv,
                            "ws://\xc3\xbc.example/"sv,
                            "ws://a/\xc3\xbc"sv,
                            "ftp://x/?ws://a/"sv}) {
        CAPTURE(text);
        CHECK(parts(text) == "malformed");
    }
}

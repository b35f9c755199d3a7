// SPDX-License-Identifier: BSL-1.0
#include <weir/http/redirect.hpp>

#include <string>
#include <string_view>
#include <vector>

#include "catch.hpp"

namespace http = weir::http;
using weir::error;
using namespace std::literals;

namespace {

http::redirect follow(std::string_view from, std::string_view location, int status = 307,
                      std::string_view method = "GET") {
    const std::vector<http::field_view> fields{{"Server", "x"}, {"location", location}};
    return http::follow_redirect(status, method, http::parse_url(from).value(), fields);
}

std::string destination(std::string_view from, std::string_view location) {
    const auto next = follow(from, location);
    return next.error == error::none ? to_string(next.to) : weir::message(next.error);
}

const std::string bad_redirect = weir::message(error::bad_redirect);

}  // namespace

TEST_CASE("RFC 9110 15.4: five statuses redirect", "[http][redirect][rfc9110-15.4]") {
    for (int status = 0; status < 1000; ++status) {
        const bool expected = status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
        if (http::is_redirect(status) != expected) CHECK(status == -1);
    }
    CHECK(follow("http://a/", "/b", 301).error == error::none);
    CHECK(follow("http://a/", "/b", 200).error == error::bad_argument);
    CHECK(follow("http://a/", "/b", 304).error == error::bad_argument);
}

TEST_CASE("RFC 9110 10.2.2: Location is a reference to be resolved", "[http][redirect][rfc9110-10.2.2]") {
    CHECK(destination("http://a/b/c?d", "e") == "http://a/b/e");
    CHECK(destination("http://a/b/c?d", "../e?f#g") == "http://a/e?f");
    CHECK(destination("http://a/b", "//x/y") == "http://x/y");
    CHECK(destination("http://a/b", "http://a:8080/y") == "http://a:8080/y");
    CHECK(destination("ws://a/b", "c") == "ws://a/c");
}

TEST_CASE("a Location that is missing, empty, repeated or malformed is refused", "[http][redirect]") {
    const auto from = http::parse_url("http://a/b").value();
    const std::vector<http::field_view> none{{"Server", "x"}};
    const std::vector<http::field_view> two{{"Location", "/c"}, {"Location", "/d"}};
    const std::vector<http::field_view> equal{{"Location", "/c"}, {"LOCATION", "/c"}};
    for (const auto& fields : {none, two, equal}) {
        CHECK(http::follow_redirect(302, "GET", from, fields).error == error::bad_redirect);
    }
    for (const auto location : {""sv, "/a b"sv, "\xc3\xbc"sv, "http://"sv, "http://u@x/"sv, "http:x"sv}) {
        CAPTURE(location);
        CHECK(destination("http://a/b", location) == bad_redirect);
    }
}

TEST_CASE("a redirect leads neither to another protocol nor out of TLS", "[http][redirect]") {
    CHECK(destination("http://a/", "https://a/") == "https://a/");
    CHECK(destination("ws://a/", "wss://a/") == "wss://a/");
    CHECK(destination("https://a/", "https://b/") == "https://b/");
    CHECK(destination("https://a/", "http://a/") == bad_redirect);
    CHECK(destination("wss://a/", "ws://a/") == bad_redirect);
    for (const auto scheme : {"ws://a/"sv, "wss://a/"sv}) {
        CHECK(destination("http://a/", scheme) == bad_redirect);
        CHECK(destination("https://a/", scheme) == bad_redirect);
        CHECK(destination(scheme, "http://a/") == bad_redirect);
        CHECK(destination(scheme, "https://a/") == bad_redirect);
    }
    CHECK(destination("http://a/", "ftp://a/") == bad_redirect);
    CHECK(destination("http://a/", "javascript:alert(1)") == bad_redirect);
    CHECK(destination("http://a/", "file:///etc/passwd") == bad_redirect);
}

TEST_CASE("RFC 9110 15.4.4: 303 asks with GET, 301 and 302 by custom after POST", "[http][redirect][rfc9110-15.4]") {
    const auto to_get = [](int status, std::string_view method) {
        return follow("http://a/", "/b", status, method).to_get;
    };
    for (const int status : {301, 302}) {
        CHECK(to_get(status, "POST"));
        for (const auto method : {"GET"sv, "HEAD"sv, "PUT"sv, "PATCH"sv, "DELETE"sv, "post"sv}) {
            CHECK_FALSE(to_get(status, method));
        }
    }
    for (const auto method : {"POST"sv, "PUT"sv, "DELETE"sv, "OPTIONS"sv}) {
        CHECK(to_get(303, method));
        CHECK_FALSE(to_get(307, method));
        CHECK_FALSE(to_get(308, method));
    }
    CHECK_FALSE(to_get(303, "GET"));
    CHECK_FALSE(to_get(303, "HEAD"));
}

TEST_CASE("another origin is another scheme, host or port", "[http][redirect]") {
    CHECK_FALSE(follow("http://a/b", "/c").cross_origin);
    CHECK_FALSE(follow("http://a/b", "//A:80/c").cross_origin);
    CHECK(follow("http://a/b", "https://a/b").cross_origin);
    CHECK(follow("http://a/b", "//a:81/b").cross_origin);
    CHECK(follow("http://a/b", "//b.a/b").cross_origin);
}

TEST_CASE("RFC 9110 15.4: secrets, and what is not known, do not cross origins", "[http][redirect][rfc9110-15.4]") {
    for (const auto name : {"Accept"sv, "accept-language"sv, "USER-AGENT"sv, "Cache-Control"sv, "Content-Type"sv,
                            "Content-Encoding"sv, "Content-Language"sv}) {
        CHECK(http::may_cross_origin(name));
    }
    for (const auto name : {"Authorization"sv, "Proxy-Authorization"sv, "Cookie"sv, "X-Api-Key"sv, "X-Auth-Token"sv,
                            "Origin"sv, "Referer"sv, "If-None-Match"sv, "Accept-"sv, "Accep"sv, ""sv}) {
        CHECK_FALSE(http::may_cross_origin(name));
    }
}

TEST_CASE("WHATWG Fetch: the fields that describe a body go with it", "[http][redirect]") {
    for (const auto name : {"content-type"sv, "Content-Encoding"sv, "Content-Language"sv, "Content-Location"sv}) {
        CHECK(http::describes_body(name));
    }
    for (const auto name : {"Accept"sv, "Content"sv, "Content-Types"sv, ""sv}) CHECK_FALSE(http::describes_body(name));
}

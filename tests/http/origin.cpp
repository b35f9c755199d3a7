// SPDX-License-Identifier: BSL-1.0
#include <weir/http/origin.hpp>

#include "catch.hpp"

#include <array>
#include <string_view>
#include <vector>

namespace http = weir::http;

namespace {

http::origin_kind classify(std::vector<http::field_view> fields, std::vector<std::string_view> allowed = {}) {
    fields.push_back({"Host", "example.com"});
    return http::classify_origin({.method = "GET", .target = "/", .fields = fields}, allowed);
}

}  // namespace

TEST_CASE("RFC 6454 7: no Origin is not foreign", "[http][origin]") {
    CHECK(classify({}) == http::origin_kind::absent);
    CHECK(classify({{"origin", "https://example.com"}}) == http::origin_kind::same_host);
}

TEST_CASE("RFC 6454 7: an allow-list is compared exactly", "[http][origin]") {
    const std::vector<std::string_view> allowed{"https://app.example", "https://b.example:8443"};
    CHECK(classify({{"Origin", "https://app.example"}}, allowed) == http::origin_kind::listed);
    CHECK(classify({{"Origin", "https://b.example:8443"}}, allowed) == http::origin_kind::listed);
    for (const std::string_view origin :
         {"http://app.example", "https://app.example:443", "https://app.example/", "https://app.example.evil.net",
          "https://evilapp.example", "https://x.app.example", "https://app.example@evil.net", "https://APP.example",
          "https://b.example", "null", "", "*", "https://app.example, https://app.example"}) {
        CAPTURE(origin);
        CHECK(classify({{"Origin", origin}}, allowed) == http::origin_kind::foreign);
    }
}

TEST_CASE("RFC 6454 7: null, the wildcard and two origins are foreign unless listed as such", "[http][origin]") {
    CHECK(classify({{"Origin", "null"}}, {"null"}) == http::origin_kind::listed);
    CHECK(classify({{"Origin", "null"}}, {"*"}) == http::origin_kind::foreign);
    CHECK(classify({{"Origin", "*"}}, {"*"}) == http::origin_kind::foreign);
    CHECK(classify({{"Origin", "https://a"}, {"Origin", "https://a"}}, {"https://a"}) == http::origin_kind::foreign);
}

TEST_CASE("RFC 9112 3.2.2: the host of an absolute target is the request's own, whatever Host says", "[http][origin]") {
    const std::vector<http::field_view> fields{{"Host", "other.example"}, {"Origin", "https://example.com"}};
    const auto kind = [&](std::string_view target) {
        return http::classify_origin({.method = "GET", .target = target, .fields = fields}, {});
    };
    CHECK(kind("http://example.com/x") == http::origin_kind::same_host);
    CHECK(kind("http://other.example/x") == http::origin_kind::foreign);
    CHECK(kind("/x") == http::origin_kind::foreign);
}

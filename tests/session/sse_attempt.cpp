// SPDX-License-Identifier: BSL-1.0
#include <weir/session/sse_attempt.hpp>

#include <string>
#include <string_view>
#include <vector>

#include "catch.hpp"

using namespace std::literals;
using weir::error;
using weir::detail::attempt_route;
namespace http = weir::http;

namespace {

error follow(attempt_route& route, int status, std::string_view location, unsigned max = 20) {
    const std::vector<http::field_view> fields{{"Location", location}};
    return route.follow(status, fields, max);
}

weir::sse_attempt post() {
    return {.url = "http://a.example/x",
            .fields = {{"Content-Type", "text/plain"}, {"Cookie", "c"}, {"User-Agent", "weir"}},
            .body = "ask"};
}

}  // namespace

TEST_CASE("attempt_route: begins where the attempt says, over HTTP alone", "[session][sse_attempt]") {
    attempt_route route;
    CHECK(route.begin({.url = "https://a.example"}) == error::none);
    CHECK(route.where().secure());
    CHECK(route.method() == "GET");
    CHECK(route.begin({.url = "wss://a.example"}) == error::bad_argument);
    CHECK(route.begin({.url = "/x"}) == error::bad_argument);
}

TEST_CASE("RFC 9110 15.4: a redirect keeps the request, or makes a GET of it", "[session][sse_attempt][rfc9110-15.4]") {
    attempt_route kept;
    REQUIRE(kept.begin(post()) == error::none);
    CHECK(kept.method() == "POST");
    CHECK(follow(kept, 307, "/y") == error::none);
    CHECK(kept.request("gzip").text ==
          "POST /y HTTP/1.1\r\nHost: a.example\r\nAccept: text/event-stream\r\nCache-Control: no-cache\r\n"
          "Accept-Encoding: gzip\r\nContent-Type: text/plain\r\nCookie: c\r\nUser-Agent: weir\r\nContent-Length: "
          "3\r\n\r\nask");
    CHECK(follow(kept, 302, "/z") == error::none);
    CHECK(kept.method() == "GET");
    CHECK(follow(kept, 308, "/z") == error::none);
    CHECK(kept.request("").text ==
          "GET /z HTTP/1.1\r\nHost: a.example\r\nAccept: text/event-stream\r\nCache-Control: no-cache\r\nCookie: "
          "c\r\nUser-Agent: weir\r\n\r\n");
    CHECK(kept.effects().to_get);
    CHECK_FALSE(kept.effects().cross_origin);
    CHECK(kept.redirects() == 3);
}

TEST_CASE("attempt_route: another origin gets nothing that may be a secret", "[session][sse_attempt]") {
    attempt_route route;
    REQUIRE(route.begin(post()) == error::none);
    CHECK(follow(route, 307, "https://a.example/x") == error::none);
    const auto text = route.request("").text;
    CHECK(text.find("Cookie") == std::string::npos);
    CHECK(text.find("User-Agent: weir") != std::string::npos);
    CHECK(text.ends_with("\r\n\r\nask"));
    CHECK(route.effects().cross_origin);
}

TEST_CASE("attempt_route: a way ends at a bad redirect, and at one too many", "[session][sse_attempt]") {
    attempt_route route;
    REQUIRE(route.begin(post()) == error::none);
    CHECK(route.follow(302, {}, 20) == error::bad_redirect);
    CHECK(follow(route, 302, "ws://a.example/") == error::bad_redirect);
    CHECK(follow(route, 302, "/y", 0) == error::too_many_redirects);
    CHECK(follow(route, 302, "/y", 1) == error::none);
    CHECK(follow(route, 302, "/y", 1) == error::too_many_redirects);
    REQUIRE(route.begin(post()) == error::none);
    CHECK(follow(route, 302, "/y", 1) == error::none);
}

TEST_CASE("redirect_effects: add up, and are applied to what comes after", "[session][sse_attempt]") {
    weir::detail::redirect_effects effects;
    auto attempt = post();
    effects.apply_to(attempt);
    CHECK(attempt.fields.size() == 3);
    CHECK(attempt.body == "ask");
    effects.add({.cross_origin = true});
    effects.add({.to_get = true});
    effects.apply_to(attempt);
    CHECK(attempt.fields == std::vector<std::pair<std::string, std::string>>{{"User-Agent", "weir"}});
    CHECK(attempt.method == "GET");
    CHECK(attempt.body.empty());
}

TEST_CASE("sse_attempt: a field that is set replaces those of its name", "[session][sse_attempt]") {
    weir::sse_attempt attempt{.fields = {{"authorization", "old"}, {"Accept", "x"}, {"Authorization", "older"}}};
    attempt.set("Authorization", "new");
    CHECK(attempt.fields ==
          std::vector<std::pair<std::string, std::string>>{{"Accept", "x"}, {"Authorization", "new"}});
}

TEST_CASE("sse_attempt: what cannot be sent is named", "[session][sse_attempt]") {
    using weir::detail::fault_of;
    CHECK(fault_of({.url = "http://localhost/"}).empty());
    CHECK(fault_of({.url = "localhost:8080"}) == "no URL of http or https: localhost:8080");
    CHECK(fault_of({.url = "ws://localhost"}) == "no URL of http or https: ws://localhost");
    CHECK(fault_of({.url = "http://a/", .fields = {{"Token", "x\n"}}}) == "a field that cannot be sent: Token");
    CHECK(fault_of({.url = "http://a/", .fields = {{"Host", "b"}}}) == "a field that cannot be sent: Host");
    CHECK(fault_of({.url = "http://a/", .fields = {{"last-event-id", "1"}}}) ==
          "a field that cannot be sent: last-event-id");
    CHECK(fault_of({.url = "http://a/", .method = "GE T"}) == "a method that cannot be sent: GE T");
}

// SPDX-License-Identifier: BSL-1.0
#include <weir/http/router.hpp>

#include "catch.hpp"

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

namespace http = weir::http;
using weir::error;

namespace {

using routes = std::initializer_list<std::pair<std::string_view, std::string_view>>;

// Each route's value is its own pattern with its method before it.
http::router<std::string> make_router(routes list) {
    http::router<std::string> out;
    for (const auto& [method, pattern] : list) {
        REQUIRE(out.add(method, pattern, std::string{method} + ' ' + std::string{pattern}) == error::none);
    }
    return out;
}

std::string find(const http::router<std::string>& router, std::string_view method, std::string_view path) {
    const auto found = router.find(method, path);
    if (found.error == error::method_not_allowed) return "405 " + found.allow;
    if (found.error != error::none) return "404";
    auto out = *found.value;
    for (const auto& [name, value] : found.parameters) out.append(" ").append(name).append("=").append(value);
    return out;
}

}  // namespace

TEST_CASE("a path is matched segment by segment, exactly", "[http][router]") {
    const auto router = make_router({{"GET", "/"}, {"GET", "/a"}, {"GET", "/a/b"}, {"GET", "/a/b/"}});
    CHECK(find(router, "GET", "/") == "GET /");
    CHECK(find(router, "GET", "/a") == "GET /a");
    CHECK(find(router, "GET", "/a/b") == "GET /a/b");
    CHECK(find(router, "GET", "/a/b/") == "GET /a/b/");
    for (const std::string_view path : {"", "*", "/a/", "/A", "/a/b/c", "//", "//a", "/ab"}) {
        CAPTURE(path);
        CHECK(find(router, "GET", path) == "404");
    }
}

TEST_CASE("parameters take one segment, and the rest takes all", "[http][router]") {
    const auto router = make_router({{"GET", "/rooms/{room}/{user}"}, {"GET", "/files/{path...}"}});
    CHECK(find(router, "GET", "/rooms/lobby/a b") == "GET /rooms/{room}/{user} room=lobby user=a b");
    CHECK(find(router, "GET", "/rooms/lobby/") == "404");
    CHECK(find(router, "GET", "/rooms//x") == "404");
    CHECK(find(router, "GET", "/rooms/a/b/c") == "404");
    CHECK(find(router, "GET", "/files/a/b.css") == "GET /files/{path...} path=a/b.css");
    CHECK(find(router, "GET", "/files/") == "GET /files/{path...} path=");
    CHECK(find(router, "GET", "/files") == "404");
}

TEST_CASE("the more literal pattern wins, whatever the order of adding", "[http][router]") {
    for (const auto& list : {routes{{"GET", "/{rest...}"}, {"GET", "/a/{b}"}, {"GET", "/a/b"}, {"GET", "/{a}/b"}},
                             routes{{"GET", "/{a}/b"}, {"GET", "/a/b"}, {"GET", "/a/{b}"}, {"GET", "/{rest...}"}}}) {
        const auto router = make_router(list);
        CHECK(find(router, "GET", "/a/b") == "GET /a/b");
        CHECK(find(router, "GET", "/a/c") == "GET /a/{b} b=c");
        CHECK(find(router, "GET", "/c/b") == "GET /{a}/b a=c");
        CHECK(find(router, "GET", "/c/d") == "GET /{rest...} rest=c/d");
    }
}

TEST_CASE("RFC 9110 15.5.6: another method of a known path is 405, with what is allowed", "[http][router]") {
    const auto router = make_router({{"POST", "/a"}, {"GET", "/a"}, {"PUT", "/{x}"}, {"PUT", "/a"}, {"POST", "/b"}});
    CHECK(find(router, "DELETE", "/a") == "405 POST, GET, HEAD, PUT");
    CHECK(find(router, "GET", "/b") == "405 PUT, POST");
    CHECK(find(router, "HEAD", "/b") == "405 PUT, POST");
    CHECK(find(router, "PUT", "/b") == "PUT /{x} x=b");
    CHECK(find(router, "get", "/a") == "405 POST, GET, HEAD, PUT");
    CHECK(find(router, "GET", "/a/b") == "404");
}

TEST_CASE("RFC 9110 9.3.2: HEAD is answered by GET, unless it has a route", "[http][router]") {
    const auto router = make_router({{"GET", "/a"}, {"GET", "/b"}, {"HEAD", "/b"}, {"", "/c"}, {"GET", "/c"}});
    CHECK(find(router, "HEAD", "/a") == "GET /a");
    CHECK(find(router, "HEAD", "/b") == "HEAD /b");
    CHECK(find(router, "HEAD", "/c") == "GET /c");
    CHECK(find(router, "OPTIONS", "/c") == " /c");
}

TEST_CASE("the path decides first, then the method: a catch-all hides no literal route", "[http][router]") {
    const auto router = make_router({{"GET", "/{path...}"}, {"", "/events"}, {"POST", "/{x}"}, {"HEAD", "/{path...}"}});
    CHECK(find(router, "GET", "/events") == " /events");
    CHECK(find(router, "HEAD", "/events") == " /events");
    CHECK(find(router, "POST", "/events") == " /events");
    CHECK(find(router, "GET", "/page") == "GET /{path...} path=page");
    CHECK(find(router, "POST", "/page") == "POST /{x} x=page");
}

TEST_CASE("a pattern that could never be meant is refused", "[http][router]") {
    http::router<int> router;
    for (const std::string_view pattern : {"", "a", "{a}", "/{", "/}", "/{}", "/{a", "/a}", "/x{a}", "/{a}x", "/{a}{b}",
                                           "/{...}", "/{a...}/b", "/{a.b}", "/{a}/{a}", "/{a}/{a...}", "/{{a}}"}) {
        CAPTURE(pattern);
        CHECK(router.add("GET", pattern, 1) == error::bad_argument);
    }
    CHECK(router.add("GE T", "/", 1) == error::bad_argument);
    CHECK(router.empty());
    CHECK(router.add("GET", "/{a}/x", 1) == error::none);
    CHECK(router.add("GET", "/{b}/x", 2) == error::bad_argument);
    CHECK(router.add("POST", "/{b}/x", 3) == error::none);
    CHECK(router.add("GET", "/{b...}", 4) == error::none);
    CHECK(*router.find("GET", "/1/x").value == 1);
}

// SPDX-License-Identifier: BSL-1.0
#include <weir/http/message.hpp>

#include <weir/http/request_parser.hpp>
#include <weir/http/response.hpp>
#include <weir/http/router.hpp>

#include "catch.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace http = weir::http;
using weir::error;
using namespace std::literals;

namespace {

// A request as a server would build it: from a buffer that holds more than the head, and is gone afterwards.
std::pair<http::request, error> build(std::string_view head, std::string_view body = {},
                                      const std::vector<http::path_parameter>& parameters = {}) {
    http::request_builder builder;
    std::string received = std::string{head} + "what follows";
    REQUIRE(builder.parser().parse(received) == http::request_parser::status::complete);
    const error e = builder.set_head(received, "192.0.2.1");
    builder.body() = body;
    builder.set_parameters(parameters);
    received.assign(received.size(), '#');
    return {builder.get(), e};
}

}  // namespace

TEST_CASE("message: a request owns its head", "[http][message]") {
    const auto [request, e] = build(
        "POST /rooms/gr%C3%BCn?a=1&b=x+y%21&bad=%zz HTTP/1.1\r\nHost: example.com\r\nX-Thing:  one \r\nx-thing: two\r\n"
        "Cookie: id=7; other=8\r\n\r\n",
        "the body", {{"room", "gr\u00fcn"}});
    REQUIRE(e == error::none);
    CHECK(request.method() == "POST");
    CHECK(request.target() == "/rooms/gr%C3%BCn?a=1&b=x+y%21&bad=%zz");
    CHECK(request.path() == "/rooms/gr\u00fcn");
    CHECK(request.body() == "the body");
    CHECK(request.remote_address() == "192.0.2.1");

    CHECK(request.header("X-Thing") == "one");
    CHECK(request.header("HOST") == "example.com");
    CHECK(request.header("missing").empty());
    CHECK(request.param("room") == "gr\u00fcn");
    CHECK(request.param("Room").empty());
    CHECK(request.query("a") == "1");
    CHECK(request.query("b") == "x y!");
    CHECK(request.query("bad") == std::nullopt);
    CHECK(request.query("missing") == std::nullopt);
    CHECK(request.cookie("other") == "8");
    CHECK(request.cookie("missing") == std::nullopt);
    CHECK(request.view().fields.size() == 4);
    CHECK(request.view().version == http::version::http_1_1);
}

TEST_CASE("message: views of a request live as long as any copy", "[http][message]") {
    std::optional<http::request> first =
        build("GET /a HTTP/1.1\r\nHost: x\r\nA: a long enough value for the heap\r\n\r\n").first;
    const http::request copy = *first;
    const std::string_view value = first->header("A");
    CHECK(copy.header("A").data() == value.data());
    first.reset();
    CHECK(value == "a long enough value for the heap");
    CHECK(copy.path() == "/a");
}

TEST_CASE("message: a request of one's own making is empty", "[http][message]") {
    const http::request request;
    CHECK(request.method().empty());
    CHECK(request.path().empty());
    CHECK(request.body().empty());
    CHECK(request.header("Host").empty());
    CHECK(request.query("a") == std::nullopt);
}

TEST_CASE("message: the path of other forms of target", "[http][message]") {
    CHECK(build("GET http://example.com/a%20b?c HTTP/1.1\r\nHost: example.com\r\n\r\n").first.path() == "/a b");
    CHECK(build("GET http://example.com HTTP/1.1\r\nHost: example.com\r\n\r\n").first.path() == "/");
    CHECK(build("OPTIONS * HTTP/1.1\r\nHost: example.com\r\n\r\n").first.path() == "*");
}

TEST_CASE("message: a path that cannot be decoded safely is refused", "[http][message]") {
    const auto refused = [](std::string_view path) {
        return build("GET " + std::string{path} + " HTTP/1.1\r\nHost: x\r\n\r\n").second;
    };
    CHECK(refused("/%") == error::bad_encoding);
    CHECK(refused("/%zz") == error::bad_encoding);
    CHECK(refused("/a%2fb") == error::bad_encoding);
    CHECK(refused("/%2e%2e/etc") == error::bad_encoding);
    CHECK(refused("/../etc") == error::bad_encoding);
    CHECK(refused("/a%00b") == error::bad_encoding);
    CHECK(refused("/a") == error::none);
}

TEST_CASE("message: the limits of a head are the builder's", "[http][message]") {
    http::request_builder builder{{.max_head_bytes = 64, .max_fields = 100, .max_target_bytes = 8}};
    CHECK(builder.parser().parse("GET /more-than-eight HTTP/1.1\r\n") == http::request_parser::status::failed);
    CHECK(builder.parser().error() == error::target_too_long);
}

TEST_CASE("message: a response is written with its length and its fields", "[http][message]") {
    CHECK(http::serialize({.body = "hi\n"}, {.keep_alive = true}) ==
          "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 3\r\n\r\nhi\n");
    CHECK(http::serialize({.status = 201, .body = "{}", .content_type = "application/json", .fields = {{"X-A", "1"}}},
                          {}) ==
          "HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nContent-Length: 2\r\nConnection: close\r\n"
          "X-A: 1\r\n\r\n{}");
    CHECK(http::serialize({}, {.keep_alive = true}) ==
          "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 0\r\n\r\n");
}

TEST_CASE("RFC 9110 9.3.2: the answer to HEAD is the same without a body", "[http][message]") {
    CHECK(http::serialize({.body = "hi\n"}, {.keep_alive = true, .head_only = true}) ==
          "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 3\r\n\r\n");
}

TEST_CASE("RFC 9112 6.3: 204 and 304 have neither a body nor a length", "[http][message]") {
    CHECK(http::serialize({.status = 204, .body = "no"}, {.keep_alive = true}) == "HTTP/1.1 204 No Content\r\n\r\n");
    CHECK(http::serialize({.status = 304, .body = "no", .fields = {{"ETag", "\"1\""}}}, {.keep_alive = true}) ==
          "HTTP/1.1 304 Not Modified\r\nETag: \"1\"\r\n\r\n");
}

TEST_CASE("message: what would be another response becomes one of status 500", "[http][message]") {
    const std::string failed =
        "HTTP/1.1 500 Internal Server Error\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 26\r\n\r\n"
        "500 Internal Server Error\n";
    const auto sent = [](http::response r) { return http::serialize(r, {.keep_alive = true}); };
    CHECK(sent({.fields = {{"X", "a\r\nSet-Cookie: b"}}}) == failed);
    CHECK(sent({.fields = {{"X\n", "a"}}}) == failed);
    CHECK(sent({.fields = {{"", "a"}}}) == failed);
    CHECK(sent({.fields = {{"X", "a\0b"s}}}) == failed);
    CHECK(sent({.content_type = "text/html\r\nX: y"}) == failed);
    CHECK(sent({.status = 99}) == failed);
    CHECK(sent({.status = 1000}) == failed);
}

TEST_CASE("message: how a response is framed is not the handler's to say", "[http][message]") {
    const auto status_with = [](std::string name, std::string value) {
        const auto text = http::serialize({.body = "hi", .fields = {{std::move(name), std::move(value)}}}, {});
        return text.substr(0, 12);
    };
    CHECK(status_with("Content-Length", "1") == "HTTP/1.1 500");
    CHECK(status_with("transfer-encoding", "chunked") == "HTTP/1.1 500");
    CHECK(status_with("CONNECTION", "keep-alive") == "HTTP/1.1 500");
    CHECK(status_with("Content-Language", "en") == "HTTP/1.1 200");
}

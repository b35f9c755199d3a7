// SPDX-License-Identifier: BSL-1.0
#include <weir/sse/handshake.hpp>

#include <weir/http/response.hpp>

#include "catch.hpp"

#include <array>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace http = weir::http;
namespace sse = weir::sse;
using sse::accept_options;
using sse::framing;
using weir::error;
using namespace std::literals;

namespace {

using fields = std::vector<http::field_view>;

constexpr std::string_view stream_fields =
    "Content-Type: text/event-stream\r\nCache-Control: no-cache, no-transform\r\nX-Accel-Buffering: no\r\n"
    "Vary: Accept\r\n";

sse::handshake_result request(std::string_view method, const fields& more = {}, const accept_options& options = {},
                              std::string_view target = "/ticks", http::version version = http::version::http_1_1) {
    fields all{{"Host", "example.com"}};
    all.insert(all.end(), more.begin(), more.end());
    return sse::handshake({.method = method, .target = target, .version = version, .fields = all}, options);
}

sse::handshake_result get(const fields& more = {}, const accept_options& options = {}) {
    return request("GET", more, options);
}

bool has_line(const sse::handshake_result& result, std::string_view line) {
    const auto head = result.response.substr(0, result.response.find("\r\n\r\n") + 2);
    return head.find("\r\n" + std::string{line} + "\r\n") != std::string::npos;
}

bool mentions(const sse::handshake_result& result, std::string_view text) {
    return result.response.find(text) != std::string::npos;
}

int status_of(const sse::handshake_result& result) { return std::stoi(result.response.substr(9, 3)); }

std::string id_from_query(std::string_view query) {
    return request("GET", {}, {}, "/t?" + std::string{query}).last_event_id;
}

const std::array app_origin{"https://app.example"sv};
const std::array any_origin{"*"sv};

}  // namespace

TEST_CASE("SSE server 1-3, 5, 7: the head with its first comment, chunked", "[sse][handshake]") {
    const auto result = get();
    CHECK(result.refusal == error::none);
    CHECK(result.body_framing == framing::chunked);
    CHECK(result.keep_alive);
    CHECK(result.response ==
          "HTTP/1.1 200 OK\r\n" + std::string{stream_fields} + "Transfer-Encoding: chunked\r\n\r\n3\r\n:\n\n\r\n");
}

TEST_CASE("SSE server 5, 6: HTTP/1.0 is close-delimited, never chunked", "[sse][handshake]") {
    for (const auto& more : {fields{}, fields{{"Connection", "keep-alive"}}}) {
        const auto result = request("GET", more, {}, "/", http::version::http_1_0);
        CHECK(result.body_framing == framing::plain);
        CHECK_FALSE(result.keep_alive);
        CHECK(result.response == "HTTP/1.1 200 OK\r\n" + std::string{stream_fields} + "Connection: close\r\n\r\n:\n\n");
    }
}

TEST_CASE("SSE server 5: close-delimited on request", "[sse][handshake]") {
    const auto result = get({}, {.close_delimited = true});
    CHECK(result.body_framing == framing::plain);
    CHECK_FALSE(result.keep_alive);
    CHECK(has_line(result, "Connection: close"));
    CHECK_FALSE(mentions(result, "chunked"));
}

TEST_CASE("RFC 9112 9.6: a connection that will end says so, and is chunked all the same", "[sse][handshake]") {
    for (const auto& result : {get({{"Connection", "close"}}), get({}, {.keep_alive = false})}) {
        CHECK(result.body_framing == framing::chunked);
        CHECK_FALSE(result.keep_alive);
        CHECK(has_line(result, "Connection: close"));
        CHECK(has_line(result, "Transfer-Encoding: chunked"));
    }
}

TEST_CASE("SSE server 4: neither Connection nor Transfer-Encoding on HTTP/2", "[sse][handshake]") {
    for (const auto& result : {request("GET", {}, {.keep_alive = false}, "/", http::version::http_2),
                               request("DELETE", {}, {.keep_alive = false}, "/", http::version::http_2)}) {
        CHECK(result.body_framing == framing::plain);
        CHECK_FALSE(mentions(result, "Connection:"));
        CHECK_FALSE(mentions(result, "Transfer-Encoding:"));
    }
}

TEST_CASE("SSE server 7, 22: comment and retry go with the head, in the framing", "[sse][handshake]") {
    const accept_options options{.first_comment = "hello\r\nthere", .retry = weir::milliseconds{1500}};
    const auto chunked = get({}, options).response;
    CHECK(chunked.ends_with("\r\n\r\n11\r\n: hello\n: there\n\n\r\nd\r\nretry: 1500\n\n\r\n"));
    const auto plain = request("GET", {}, options, "/", http::version::http_1_0).response;
    CHECK(plain.ends_with("\r\n\r\n: hello\n: there\n\nretry: 1500\n\n"));
}

TEST_CASE("SSE server 8: HEAD has the fields of GET, no body, and ends at once", "[sse][handshake]") {
    for (const auto version : {http::version::http_1_0, http::version::http_1_1}) {
        const auto head = request("HEAD", {}, {}, "/", version);
        const auto whole = request("GET", {}, {}, "/", version).response;
        CHECK(head.refusal == error::no_body);
        CHECK(head.response == whole.substr(0, whole.find("\r\n\r\n") + 4));
    }
}

TEST_CASE("SSE server 8: other methods are 405, with what is allowed", "[sse][handshake]") {
    for (const std::string_view method : {"POST", "PUT", "DELETE", "get", ""}) {
        CAPTURE(method);
        const auto result = request(method);
        CHECK(result.refusal == error::method_not_allowed);
        CHECK(status_of(result) == 405);
        CHECK(has_line(result, "Allow: GET, HEAD, OPTIONS"));
        CHECK(result.keep_alive);
        CHECK(result.body_framing == framing::plain);
    }
    CHECK(request("POST", {}, {.post = true}).refusal == error::none);
    CHECK(has_line(request("PUT", {}, {.post = true}), "Allow: GET, HEAD, POST, OPTIONS"));
    CHECK(has_line(request("GET", {}, {.get = false, .post = true}), "Allow: POST, OPTIONS"));
    CHECK(request("HEAD", {}, {.get = false, .post = true}).refusal == error::method_not_allowed);
}

TEST_CASE("SSE server 9: Accept is honoured", "[sse][handshake]") {
    for (const std::string_view accept :
         {"*/*", "text/*", "text/event-stream", "application/json, text/event-stream", ""}) {
        CAPTURE(accept);
        CHECK(get({{"Accept", accept}}).refusal == error::none);
    }
    for (const std::string_view accept : {"text/event-stream;q=0", "text/html", "application/json", "*/*;q=0"}) {
        CAPTURE(accept);
        const auto result = get({{"Accept", accept}});
        CHECK(result.refusal == error::not_acceptable);
        CHECK(status_of(result) == 406);
        CHECK(has_line(result, "Vary: Accept"));
        CHECK_FALSE(mentions(result, "event-stream"));
        CHECK(result.keep_alive);
    }
    const auto head = request("HEAD", {{"Accept", "text/html"}});
    CHECK(status_of(head) == 406);
    CHECK(head.response.ends_with("\r\n\r\n"));
}

TEST_CASE("SSE server 10: stop is 204, without body and length", "[sse][handshake]") {
    const auto result = get({{"Accept", "text/event-stream"}}, {.stop = true});
    CHECK(result.refusal == error::stop_requested);
    CHECK(result.response == "HTTP/1.1 204 No Content\r\n\r\n");
    CHECK(request("DELETE", {}, {.stop = true}).refusal == error::method_not_allowed);
}

TEST_CASE("SSE server 11: without a list, a foreign page gets no CORS fields", "[sse][handshake]") {
    for (const std::string_view origin : {"https://evil.example", "null", "", "https://example.com.evil.net"}) {
        CAPTURE(origin);
        const auto result = get({{"Origin", origin}});
        CHECK(result.refusal == error::none);
        CHECK_FALSE(mentions(result, "Access-Control"));
    }
}

TEST_CASE("SSE server 11, 23: a route that takes POST refuses a foreign origin", "[sse][handshake]") {
    const fields evil{{"Origin", "https://evil.example"}};
    for (const std::string_view method : {"POST", "GET", "OPTIONS"}) {
        CAPTURE(method);
        const auto result = request(method, evil, {.post = true});
        CHECK(result.refusal == error::origin_refused);
        CHECK(status_of(result) == 403);
        CHECK_FALSE(mentions(result, "Access-Control"));
        CHECK(request(method, {{"Origin", "http://example.com"}}, {.post = true}).refusal != error::origin_refused);
        CHECK(request(method, {}, {.post = true}).refusal != error::origin_refused);
    }
}

TEST_CASE("SSE server 11: a listed origin is echoed, and the answer varies with it", "[sse][handshake]") {
    const auto listed = get({{"Origin", "https://app.example"}}, {.allowed_origins = app_origin});
    CHECK(listed.refusal == error::none);
    CHECK(has_line(listed, "Access-Control-Allow-Origin: https://app.example"));
    CHECK(has_line(listed, "Vary: Origin"));
    CHECK_FALSE(mentions(listed, "Allow-Credentials"));

    const auto with_cookies =
        get({{"Origin", "https://app.example"}}, {.allowed_origins = app_origin, .allow_credentials = true});
    CHECK(has_line(with_cookies, "Access-Control-Allow-Credentials: true"));

    const auto absent = get({}, {.allowed_origins = app_origin, .allow_credentials = true});
    CHECK(absent.refusal == error::none);
    CHECK(has_line(absent, "Vary: Origin"));
    CHECK_FALSE(mentions(absent, "Access-Control"));

    const auto own = get({{"Origin", "https://example.com"}}, {.allowed_origins = app_origin});
    CHECK(own.refusal == error::none);
    CHECK_FALSE(mentions(own, "Access-Control"));

    for (const std::string_view origin : {"https://evil.example", "null", "https://app.example.evil.net"}) {
        CAPTURE(origin);
        const auto foreign = get({{"Origin", origin}}, {.allowed_origins = app_origin, .allow_credentials = true});
        CHECK(foreign.refusal == error::origin_refused);
        CHECK(has_line(foreign, "Vary: Origin"));
        CHECK_FALSE(mentions(foreign, "Access-Control"));
    }
}

TEST_CASE("SSE server 11: refusals of a listed origin can be read by its pages", "[sse][handshake]") {
    const auto result =
        get({{"Origin", "https://app.example"}, {"Accept", "text/html"}}, {.allowed_origins = app_origin});
    CHECK(result.refusal == error::not_acceptable);
    CHECK(has_line(result, "Access-Control-Allow-Origin: https://app.example"));
}

TEST_CASE("SSE server 11: the wildcard allows everyone, but never with credentials", "[sse][handshake]") {
    const fields page{{"Origin", "https://any.example"}};
    const auto open = get(page, {.allowed_origins = any_origin});
    CHECK(open.refusal == error::none);
    CHECK(has_line(open, "Access-Control-Allow-Origin: *"));

    for (const auto& origin : {page, fields{{"Origin", "*"}}, fields{{"Origin", "null"}}}) {
        const auto closed = get(origin, {.allowed_origins = any_origin, .allow_credentials = true});
        CHECK(closed.refusal == error::origin_refused);
        CHECK_FALSE(mentions(closed, "Access-Control"));
    }
}

TEST_CASE("SSE server 11: null can be listed, but not with credentials", "[sse][handshake]") {
    const std::array null_origin{"null"sv};
    const fields page{{"Origin", "null"}};
    CHECK(has_line(get(page, {.allowed_origins = null_origin}), "Access-Control-Allow-Origin: null"));
    const auto closed = get(page, {.allowed_origins = null_origin, .allow_credentials = true});
    CHECK(closed.refusal == error::origin_refused);
    CHECK_FALSE(mentions(closed, "Access-Control"));
}

TEST_CASE("SSE server 11: OPTIONS is answered, with the fields that event sources send", "[sse][handshake]") {
    const auto preflight =
        request("OPTIONS", {{"Origin", "https://app.example"}, {"Access-Control-Request-Method", "GET"}},
                {.post = true, .allowed_origins = app_origin, .allow_credentials = true});
    CHECK(preflight.refusal == error::no_body);
    CHECK(status_of(preflight) == 204);
    CHECK(has_line(preflight, "Access-Control-Allow-Origin: https://app.example"));
    CHECK(has_line(preflight, "Access-Control-Allow-Credentials: true"));
    CHECK(has_line(preflight, "Access-Control-Allow-Methods: GET, HEAD, POST, OPTIONS"));
    CHECK(has_line(preflight, "Access-Control-Allow-Headers: Last-Event-ID, Authorization, Content-Type"));
    CHECK(has_line(preflight, "Vary: Origin"));
    CHECK_FALSE(mentions(preflight, "Content-Length"));
    CHECK(preflight.response.ends_with("\r\n\r\n"));

    const auto plain = request("OPTIONS", {{"Origin", "https://evil.example"}});
    CHECK(plain.response == "HTTP/1.1 204 No Content\r\nAllow: GET, HEAD, OPTIONS\r\n\r\n");
    CHECK(plain.keep_alive);
}

TEST_CASE("SSE server 13: the last event id comes from the field, else from the query", "[sse][handshake]") {
    CHECK(get({{"last-event-id", "e1-42"}}).last_event_id == "e1-42");
    CHECK(get({{"Last-Event-ID", "\xe2\x82\xac 1"}}).last_event_id == "\xe2\x82\xac 1");
    CHECK(id_from_query("last_event_id=7") == "7");
    CHECK(id_from_query("x=1&lastEventId=a%2Bb+c%C3%BC") == "a+b c\xc3\xbc");
    CHECK(id_from_query("lastEventId=2&last_event_id=1") == "1");
    CHECK(id_from_query("last_event_id=1&last_event_id=2") == "1");
    CHECK(id_from_query("Last_Event_Id=1&lastevent=2").empty());
    const auto both = request("GET", {{"Last-Event-ID", "new"}}, {}, "/t?last_event_id=old");
    CHECK(both.last_event_id == "new");
    CHECK_FALSE(both.last_event_id_refused);
    CHECK_FALSE(get().last_event_id_refused);
    CHECK(request("POST", {{"Last-Event-ID", "5"}}, {.post = true}).last_event_id == "5");
}

TEST_CASE("SSE server 12: an id that is over-long, no text or full of controls never gets in", "[sse][handshake]") {
    const auto check_refused = [](const sse::handshake_result& result) {
        CHECK(result.refusal == error::none);
        CHECK(result.last_event_id.empty());
        CHECK(result.last_event_id_refused);
    };
    for (const auto id : {"a\tb"sv, "\x1b[2J"sv, "a\0b"sv, "a\r\nb"sv, "\x7f"sv, "\xff"sv, "\xc3"sv,
                          "\xc2\x9b"
                          "2J"sv}) {
        check_refused(get({{"Last-Event-ID", id}}));
    }
    check_refused(get({{"Last-Event-ID", "1"}, {"Last-Event-ID", "2"}}));
    check_refused(get({{"Last-Event-ID", std::string(257, 'x')}}));
    for (const std::string_view query : {"%00", "%0a", "%0d%0adata:x", "%ff", "%zz", "%", "%1b[2J"}) {
        CAPTURE(query);
        check_refused(request("GET", {}, {}, "/t?last_event_id=" + std::string{query}));
    }
    check_refused(request("GET", {{"Last-Event-ID", "\x01"}}, {}, "/t?last_event_id=old"));

    CHECK(get({{"Last-Event-ID", std::string(256, 'x')}}).last_event_id.size() == 256);
    CHECK(get({{"Last-Event-ID", std::string(999, 'x')}}, {.max_last_event_id_bytes = 0}).last_event_id.size() == 999);
    check_refused(get({{"Last-Event-ID", "abcd"}}, {.max_last_event_id_bytes = 3}));
}

TEST_CASE("SSE server 14: extra fields are sent, defaults replaced, and injection refused", "[sse][handshake]") {
    const fields good{{"X-Trace", "abc"}, {"cache-control", "no-store, no-transform"}, {"Set-Cookie", "a=b"}};
    const auto result = get({}, {.extra_fields = good});
    CHECK(result.refusal == error::none);
    CHECK(has_line(result, "X-Trace: abc"));
    CHECK(has_line(result, "cache-control: no-store, no-transform"));
    CHECK_FALSE(mentions(result, "no-cache"));

    for (const auto& bad : {http::field_view{"X", "a\r\nY: b"},
                            {"X", "a\nb"},
                            {"X", "a\0b"sv},
                            {"X Y", "a"},
                            {"", "a"},
                            {"content-type", "text/html"},
                            {"Content-Length", "5"},
                            {"transfer-encoding", "gzip"},
                            {"Connection", "upgrade"}}) {
        CAPTURE(bad.name, bad.value);
        const fields extra{{"X-Good", "1"}, bad};
        const auto refused = get({{"Origin", "https://app.example"}}, {.extra_fields = extra});
        CHECK(refused.refusal == error::bad_argument);
        CHECK(refused.response == http::error_response(500, {}, {.keep_alive = true}));
    }
    const fields cors{{"Access-Control-Allow-Origin", "https://x.example"}};
    CHECK(get({}, {.extra_fields = cors}).refusal == error::none);
    CHECK(get({}, {.allowed_origins = app_origin, .extra_fields = cors}).refusal == error::bad_argument);
}

TEST_CASE("SSE server 12: what the client sent does not come back in the response", "[sse][handshake]") {
    const fields hostile{{"Origin", "https://marker.example"}, {"Last-Event-ID", "marker"}, {"Accept", "text/marker"}};
    for (const std::string_view method : {"GET", "HEAD", "POST", "OPTIONS", "marker"}) {
        CHECK_FALSE(mentions(request(method, hostile, {}, "/marker?last_event_id=marker"), "marker"));
        CHECK_FALSE(mentions(request(method, {hostile[0], hostile[1]}, {}, "/marker"), "marker"));
    }
}

// SPDX-License-Identifier: BSL-1.0
#include <weir/sse/client_request.hpp>

#include <string>
#include <string_view>
#include <vector>

#include "catch.hpp"

using namespace std::literals;
using weir::error;
namespace http = weir::http;
namespace sse = weir::sse;

namespace {

const http::url where = *http::parse_url("http://a.example/x?y");
const std::string start = " /x?y HTTP/1.1\r\nHost: a.example\r\n";
const std::string accept = "Accept: text/event-stream\r\n";
const std::string no_cache = "Cache-Control: no-cache\r\n";

std::string text_of(const sse::client_request& request) {
    const auto result = sse::serialize_client_request(request, where);
    CHECK(result.error == error::none);
    return result.text;
}

}  // namespace

TEST_CASE("WHATWG HTML, server-sent events: what a client sends", "[sse][client_request]") {
    CHECK(text_of({}) == "GET" + start + accept + no_cache + "\r\n");
    CHECK(text_of({.last_event_id = "5", .coding = "gzip"}) ==
          "GET" + start + accept + no_cache + "Accept-Encoding: gzip\r\nLast-Event-ID: 5\r\n\r\n");
    CHECK(text_of({.body = "{}"}) == "POST" + start + accept + no_cache + "Content-Length: 2\r\n\r\n{}");
    CHECK(text_of({.method = "PUT"}).starts_with("PUT "));
}

TEST_CASE("event stream client: a field of the application's replaces a default", "[sse][client_request]") {
    const std::vector<http::field_view> fields{{"accept", "application/json, text/event-stream"},
                                               {"CACHE-CONTROL", "max-age=0"},
                                               {"Accept-Encoding", "identity"},
                                               {"X", "y"}};
    CHECK(text_of({.fields = fields, .coding = "gzip"}) ==
          "GET" + start +
              "accept: application/json, text/event-stream\r\nCACHE-CONTROL: max-age=0\r\nAccept-Encoding: "
              "identity\r\nX: "
              "y\r\n\r\n");
}

TEST_CASE("event stream client: what cannot be sent is refused, an id is left out", "[sse][client_request]") {
    for (const auto& field : {http::field_view{"Host", "b"}, {"last-event-id", "1"}, {"X", "a\nb"}, {"", "x"}}) {
        const std::vector<http::field_view> fields{field};
        const auto result = sse::serialize_client_request({.fields = fields}, where);
        CHECK(result.error == error::bad_argument);
        CHECK(result.text.empty());
    }
    CHECK(sse::serialize_client_request({.method = "G T"}, where).error == error::bad_argument);

    for (const auto& id : {std::string(sse::max_sent_last_event_id + 1, 'x'), "a\nb"s, "a\0"s}) {
        const auto result = sse::serialize_client_request({.last_event_id = id}, where);
        CHECK(result.text == "GET" + start + accept + no_cache + "\r\n");
        CHECK(result.last_event_id_left_out);
    }
    const std::string longest(sse::max_sent_last_event_id, '\xff');
    const auto result = sse::serialize_client_request({.last_event_id = longest}, where);
    CHECK(result.text.ends_with("Last-Event-ID: " + longest + "\r\n\r\n"));
    CHECK_FALSE(result.last_event_id_left_out);
    CHECK_FALSE(sse::serialize_client_request({}, where).last_event_id_left_out);
}

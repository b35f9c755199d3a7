// SPDX-License-Identifier: BSL-1.0
#include <weir/http/accept.hpp>

#include "catch.hpp"

#include <string_view>
#include <vector>

namespace http = weir::http;

namespace {

int weight_of(std::vector<std::string_view> lines) {
    std::vector<http::field_view> fields;
    for (const auto line : lines) fields.push_back({"accept", line});
    return http::accepted_weight(fields, "text", "event-stream");
}

}  // namespace

TEST_CASE("RFC 9110 12.4.2: weights", "[http][accept]") {
    CHECK(http::parse_weight("0") == 0);
    CHECK(http::parse_weight("1") == 1000);
    CHECK(http::parse_weight("0.") == 0);
    CHECK(http::parse_weight("0.5") == 500);
    CHECK(http::parse_weight("0.125") == 125);
    CHECK(http::parse_weight("1.000") == 1000);
    for (const std::string_view text : {"", "2", "1.001", "0.1234", ".5", "0,5", "-1", "0.x", "00", "1 "}) {
        CAPTURE(text);
        CHECK_FALSE(http::parse_weight(text));
    }
}

TEST_CASE("RFC 9110 12.5.1: what accepts an event stream", "[http][accept]") {
    CHECK(weight_of({}) == 1000);
    CHECK(weight_of({""}) == 1000);
    CHECK(weight_of({"*/*"}) == 1000);
    CHECK(weight_of({"text/*;q=0.3"}) == 300);
    CHECK(weight_of({"TEXT/Event-Stream"}) == 1000);
    CHECK(weight_of({"application/json, text/event-stream"}) == 1000);
    CHECK(weight_of({"application/json", "text/event-stream; charset=utf-8 ; Q=0.5"}) == 500);
    CHECK(weight_of({"text/html;level=\"a,b;q=0\", */*;q=0.8"}) == 800);
}

TEST_CASE("RFC 9110 12.5.1: what does not", "[http][accept]") {
    for (const std::string_view line :
         {"text/event-stream;q=0", "text/event-stream; q=0.000, */*", "text/html", "text/*;q=0, */*", "*/*;q=0", "text",
          "*/event-stream", "text/event-stream;q=x", "text/event-streams", "application/*"}) {
        CAPTURE(line);
        CHECK(weight_of({line}) == 0);
    }
}

TEST_CASE("RFC 9110 12.5.1: the most specific range decides, in any order", "[http][accept]") {
    CHECK(weight_of({"text/event-stream;q=0.1, text/*;q=0.5, */*"}) == 100);
    CHECK(weight_of({"*/*", "text/*;q=0.5", "text/event-stream;q=0.1"}) == 100);
    CHECK(weight_of({"*/*;q=0.9, text/*;q=0.5"}) == 500);
    CHECK(weight_of({"text/event-stream;q=0, text/event-stream;q=0.2"}) == 200);
}

// SPDX-License-Identifier: BSL-1.0
#include <weir/sse/answer.hpp>

#include <string_view>
#include <vector>

#include "catch.hpp"

using namespace std::literals;
using weir::error;
namespace http = weir::http;
namespace sse = weir::sse;

namespace {

sse::answer judged(int status, std::vector<http::field_view> fields) {
    return sse::judge_answer({.status = status, .fields = fields});
}

bool is_stream(std::string_view type) {
    const std::vector<http::field_view> fields{{"content-type", type}};
    return sse::is_event_stream(fields);
}

std::optional<weir::milliseconds> retry_after(std::string_view value) {
    const std::vector<http::field_view> fields{{"Retry-After", value}};
    return sse::retry_after(fields);
}

}  // namespace

TEST_CASE("WHATWG HTML, server-sent events: what an answer means", "[sse][answer]") {
    const http::field_view type{"Content-Type", "text/event-stream"};
    CHECK(judged(200, {type}).kind == sse::answer_kind::stream);
    CHECK(judged(200, {type}).error == error::none);
    CHECK(judged(200, {}).kind == sse::answer_kind::refusal);
    CHECK(judged(200, {}).error == error::not_event_stream);
    CHECK(judged(200, {type, type}).error == error::not_event_stream);
    for (const int status : {101, 201, 206, 300, 304, 404, 500, 999}) {
        CHECK(judged(status, {type}).kind == sse::answer_kind::refusal);
        CHECK(judged(status, {type}).error == error::unexpected_status);
    }
    for (const int status : {301, 302, 303, 307, 308}) CHECK(judged(status, {type}).kind == sse::answer_kind::redirect);
    CHECK(judged(204, {type}).kind == sse::answer_kind::stop);
    CHECK(judged(204, {}).error == error::stop_requested);
}

TEST_CASE("WHATWG HTML, server-sent events: the type's essence alone counts", "[sse][answer]") {
    for (const auto type : {"text/event-stream"sv, "TEXT/EVENT-STREAM"sv, "text/event-stream;"sv,
                            "text/event-stream \t;a=b"sv, "text/event-stream;a=\"b,c\""sv}) {
        CHECK(is_stream(type));
    }
    for (const auto type :
         {""sv, ";"sv, "text/event-stream,"sv, ",text/event-stream"sv, "text/event-stream;a=b,text/plain"sv,
          "text/event-stream x"sv, "text/ event-stream"sv, "text/event-strea"sv, "event-stream"sv}) {
        CAPTURE(type);
        CHECK_FALSE(is_stream(type));
    }
}

TEST_CASE("RFC 9110 10.2.3: Retry-After in seconds, without overflow; a date says nothing here",
          "[sse][answer][rfc9110-10.2.3]") {
    CHECK(retry_after("120") == 120s);
    CHECK(retry_after("0") == 0s);
    CHECK(retry_after("0000000000000000000000001") == 1s);
    for (const auto value : {""sv, "-1"sv, "1.5"sv, "1s"sv, "Fri, 01 Jan 2027 00:00:00 GMT"sv})
        CHECK_FALSE(retry_after(value));
    for (const auto value : {"9223372036854775807"sv, "9223372036854776"sv, "99999999999999999999999999"sv}) {
        CHECK(retry_after(value) == weir::milliseconds::max());
    }
    CHECK(retry_after("9223372036854774") == 9223372036854774s);
    CHECK_FALSE(sse::retry_after({}));
}

TEST_CASE("event stream client: which refusals may pass", "[sse][answer]") {
    for (int status = 100; status < 1000; ++status) {
        const bool passes = status == 429 || status == 500 || status == 502 || status == 503 || status == 504;
        CHECK(sse::may_pass(status) == passes);
    }
}

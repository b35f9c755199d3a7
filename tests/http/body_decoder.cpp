// SPDX-License-Identifier: BSL-1.0
#include <weir/http/body_decoder.hpp>

#include "catch.hpp"

#include <string>
#include <string_view>

namespace http = weir::http;
using weir::error;
using status = http::body_decoder::status;
using enum http::body_kind;
using namespace std::literals;

namespace {

std::string decode(http::body_framing framing, std::string_view text, std::size_t step, http::body_limits limits = {}) {
    http::body_decoder decoder{framing, limits};
    std::string out;
    auto result = status::need_more;
    do {
        auto in = text.substr(0, step);
        const auto offered = in.size();
        result = decoder.feed(in, [&](std::string_view piece) { out += piece; });
        text.remove_prefix(offered - in.size());
    } while (result == status::need_more && !text.empty());
    if (result == status::need_more) return out + "|need more";
    if (result == status::failed) return weir::message(decoder.error());
    CHECK(decoder.received() == out.size());
    return out + "|" + std::string{text};
}

}  // namespace

TEST_CASE("RFC 9112 6.3: a body ends where its framing says, and what follows is left", "[http][body_decoder]") {
    for (const std::size_t step : {1U, 2U, 3U, 1000U}) {
        CHECK(decode({none, 0}, "GET /", step) == "|GET /");
        CHECK(decode({none, 0}, "", step) == "|");
        CHECK(decode({length, 5}, "helloGET /", step) == "hello|GET /");
        CHECK(decode({length, 5}, "hell", step) == "hell|need more");
        CHECK(decode({chunked, 0}, "2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\nGET /", step) == "hello|GET /");
        CHECK(decode({chunked, 0}, "2\r\nhexx", step) == weir::message(error::bad_body));
    }
}

TEST_CASE("RFC 9110 15.5.14: a length beyond the limit fails before a byte came", "[http][body_decoder]") {
    http::body_decoder decoder{{length, 6}, {.max_body_bytes = 5}};
    std::string_view nothing;
    CHECK(decoder.error() == error::body_too_large);
    CHECK(decoder.next(nothing) == status::failed);
    CHECK(decode({length, 5}, "hello", 1, {.max_body_bytes = 5}) == "hello|");
    CHECK(decode({length, 5'000'000}, std::string(5'000'000, 'x'), 1 << 20, {.max_body_bytes = 0}).size() == 5'000'001);
    CHECK(weir::http_status_for(error::body_too_large) == 413);
}

TEST_CASE("RFC 9110 15.5.14: a chunk beyond the limit fails at its size", "[http][body_decoder]") {
    const http::body_limits limits{.max_body_bytes = 5};
    CHECK(decode({chunked, 0}, "2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n", 1, limits) == "hello|");
    for (const std::size_t step : {1U, 1000U}) {
        CHECK(decode({chunked, 0}, "2\r\nhe\r\n4\r\n", step, limits) == weir::message(error::body_too_large));
        CHECK(decode({chunked, 0}, "2\r\nhe\r\n4\r\nllo!\r\n", step, limits) == weir::message(error::body_too_large));
        CHECK(decode({chunked, 0}, "ffffffffffffffff\r\n", step, limits) == weir::message(error::body_too_large));
        CHECK(decode({chunked, 0}, "1\r\na\r\nffffffffffffffff\r\n", step) == weir::message(error::body_too_large));
    }
}

TEST_CASE("RFC 9112 7.1: a size line is judged when it is whole, however it arrives", "[http][body_decoder]") {
    const http::body_limits limits{.max_body_bytes = 5};
    for (const std::size_t step : {1U, 1000U}) {
        CHECK(decode({chunked, 0}, "fffff\x98", step, limits) == weir::message(error::bad_body));
        CHECK(decode({chunked, 0}, "fffff", step, limits) == "|need more");
    }
}

TEST_CASE("a huge chunk without a limit does not wrap the count", "[http][body_decoder]") {
    CHECK(decode({chunked, 0}, "1\r\na\r\nffffffffffffffff\r\nxyz", 1, {.max_body_bytes = 0}) == "axyz|need more");
}

TEST_CASE("pieces are views of what was fed", "[http][body_decoder]") {
    http::body_decoder decoder{{length, 3}};
    const auto text = "abcdef"s;
    std::string_view in{text};
    REQUIRE(decoder.next(in) == status::data);
    CHECK(decoder.data().data() == text.data());
    CHECK(in == "def");
    CHECK(decoder.next(in) == status::complete);
}

TEST_CASE("RFC 9112 6.3: a body up to the connection's end takes everything", "[http][body_decoder][rfc9112-6.3]") {
    for (const std::size_t step : {1U, 2U, 1000U}) {
        CHECK(decode({until_close, 0}, "", step) == "|need more");
        CHECK(decode({until_close, 0}, "0\r\n\r\nHTTP/1.1 200 OK", step) == "0\r\n\r\nHTTP/1.1 200 OK|need more");
    }
    CHECK(decode({until_close, 0}, std::string(3'000'000, 'x'), 1 << 16, {.max_body_bytes = 0}).size() == 3'000'010);
}

TEST_CASE("a body up to the connection's end fails at the first byte beyond the limit", "[http][body_decoder]") {
    const http::body_limits limits{.max_body_bytes = 5};
    for (const std::size_t step : {1U, 3U, 1000U}) {
        CHECK(decode({until_close, 0}, "hello", step, limits) == "hello|need more");
        CHECK(decode({until_close, 0}, "hello!", step, limits) == weir::message(error::body_too_large));
    }
    http::body_decoder decoder{{until_close, 0}, limits};
    auto in = "hello!"sv;
    REQUIRE(decoder.next(in) == status::data);
    CHECK(decoder.data() == "hello");
    CHECK(decoder.complete_at_end());
    REQUIRE(decoder.next(in) == status::failed);
    CHECK(decoder.received() == 5);
    CHECK_FALSE(decoder.complete_at_end());
}

TEST_CASE("RFC 9112 8: where the connection may end, and where that cuts a body off",
          "[http][body_decoder][rfc9112-8]") {
    // For every beginning of `text`: '+' where the body is whole if the connection ends after it.
    const auto whole_after = [](http::body_framing framing, std::string_view text) {
        std::string out;
        for (std::size_t size = 0; size <= text.size(); ++size) {
            http::body_decoder decoder{framing};
            auto in = text.substr(0, size);
            decoder.feed(in, [](std::string_view) {});
            out += decoder.complete_at_end() ? '+' : '-';
        }
        return out;
    };
    CHECK(whole_after({none, 0}, "") == "+");
    CHECK(whole_after({length, 3}, "abc") == "---+");
    CHECK(whole_after({until_close, 0}, "abc") == "++++");
    CHECK(whole_after({chunked, 0}, "1\r\na\r\n0\r\n\r\n") == "-----------+");
    CHECK(whole_after({chunked, 0}, "0\r\nA: b\r\n\r\n") == "-----------+");
    CHECK(whole_after({chunked, 0}, "1\r\nab") == "------");
}

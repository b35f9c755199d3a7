// SPDX-License-Identifier: BSL-1.0
#include <weir/http/chunked_decoder.hpp>

#include "catch.hpp"

#include <string>
#include <string_view>

namespace http = weir::http;
using weir::error;
using status = http::chunked_decoder::status;
using namespace std::literals;

namespace {

// Decodes pieces of `step` bytes. The result: the data, then "|", and what follows the body or why it failed.
std::string decode_in_steps(std::string_view text, std::size_t step, http::chunk_limits limits) {
    http::chunked_decoder decoder{limits};
    std::string out;
    while (true) {
        auto in = text.substr(0, step);
        const auto offered = in.size();
        auto result = decoder.next(in);
        for (; result == status::data; result = decoder.next(in)) out += decoder.data();
        text.remove_prefix(offered - in.size());
        if (result == status::failed) return out + "|" + weir::message(decoder.error());
        if (result == status::complete) return out + "|" + std::string{text};
        if (text.empty()) return out + "|need more";
    }
}

std::string decode(std::string_view text, http::chunk_limits limits = {}) {
    const auto whole = decode_in_steps(text, text.size() + 1, limits);
    for (const std::size_t step : {1U, 2U, 3U, 5U}) CHECK(decode_in_steps(text, step, limits) == whole);
    return whole;
}

void check_refused(std::string_view text, error expected = error::bad_body, http::chunk_limits limits = {}) {
    CAPTURE(text);
    const auto result = decode(text, limits);
    CHECK(result.substr(result.find('|') + 1) == weir::message(expected));
}

}  // namespace

TEST_CASE("RFC 9112 7.1: chunks are joined, and what follows the body is left", "[http][chunked_decoder]") {
    CHECK(decode("5\r\nhello\r\n0\r\n\r\n") == "hello|");
    CHECK(decode("1\r\na\r\nA\r\n0123456789\r\n00\r\n\r\nGET /") == "a0123456789|GET /");
    CHECK(decode("0\r\n\r\n") == "|");
    CHECK(decode("2\r\n\r\n\r\n0\r\n\r\n") == "\r\n|");
    CHECK(decode("5\r\nhel") == "hel|need more");
    CHECK(decode("00000000000000fF\r\n" + std::string(255, 'x') + "\r\n0\r\n\r\n") == std::string(255, 'x') + "|");
}

TEST_CASE("RFC 9112 7.1.1: extensions are passed over", "[http][chunked_decoder]") {
    CHECK(decode("1;a\r\nx\r\n0;b=c;d=\"e;\\\"\t\xc3\";f\r\n\r\n") == "x|");
    CHECK(decode("1;a=\"\"\r\nx\r\n0\r\n\r\n") == "x|");
}

TEST_CASE("RFC 9112 7.1.2: trailers are checked and dropped", "[http][chunked_decoder]") {
    CHECK(decode("1\r\nx\r\n0\r\nDigest: abc\r\nContent-Length: 7\r\n\r\nrest") == "x|rest");
}

TEST_CASE("RFC 9112 7.1: malformed chunk sizes", "[http][chunked_decoder]") {
    for (const auto text : {"\r\n"sv, ";a\r\n"sv, "x\r\n"sv, "0x5\r\nhello\r\n"sv, "+5\r\n"sv, "-1\r\n"sv, " 5\r\n"sv,
                            "5 \r\n"sv, "5\t\r\n"sv, "5\0\r\n"sv, "5g\r\n"sv, "5\n"sv, "5\rhello"sv, "5\r\r\n"sv,
                            "11111111111111111\r\n"sv, "00000000000000005\r\n"sv, "fffffffffffffffff\r\n"sv}) {
        check_refused(text);
    }
}

TEST_CASE("RFC 9112 7.1: a chunk ends with CRLF and nothing else", "[http][chunked_decoder]") {
    for (const auto text : {"5\r\nhelloXX0\r\n\r\n"sv, "5\r\nhello\n0\r\n\r\n"sv, "5\r\nhello\rX0\r\n\r\n"sv,
                            "5\r\nhello0\r\n\r\n"sv, "5\r\nhello!\r\n0\r\n\r\n"sv}) {
        check_refused(text);
    }
}

TEST_CASE("RFC 9112 7.1.1: malformed extensions, and line ends hidden in them", "[http][chunked_decoder]") {
    for (const auto text : {"1;\r\nx"sv, "1; a\r\nx"sv, "1;a =b\r\nx"sv, "1;=b\r\nx"sv, "1;a=\r\nx"sv, "1;a=b c\r\nx"sv,
                            "1;a\nx"sv, "1;a\rx"sv, "1;a=b\n"sv, "1;a=b\rx"sv, "1;a=\"\n"sv, "1;a=\"\r\n\"\r\nx"sv,
                            "1;a=\"\\\n"sv, "1;a=\"b\"c\r\nx"sv, "1;a=\"b\"\n"sv, "1;a=\"\0\""sv, "1;;a\r\nx"sv}) {
        check_refused(text);
    }
}

TEST_CASE("CVE-2024-22019: extensions are bounded, over the whole body", "[http][chunked_decoder]") {
    const http::chunk_limits limits{.max_extension_bytes = 6};
    CHECK(decode("1;abc\r\nx\r\n0;a\r\n\r\n", limits) == "x|");
    check_refused("1;abc\r\nx\r\n0;ab\r\n\r\n", error::head_too_large, limits);
    check_refused("1;a=\"" + std::string(5000, 'x'), error::head_too_large);
    CHECK(decode("1;" + std::string(9000, 'a') + "\r\nx\r\n0\r\n\r\n", {.max_extension_bytes = 0}) == "x|");
}

TEST_CASE("CVE-2023-30589 in trailers: field lines are held to the head's rules", "[http][chunked_decoder]") {
    for (const auto trailer : {"a: \rb: c\r\n"sv, "a: b\n"sv, " a: b\r\n"sv, "a : b\r\n"sv, ": b\r\n"sv, "a\r\n"sv,
                               "a: b\r\n c\r\n"sv, "a: \0\r\n"sv, "\n"sv, "\rX"sv}) {
        check_refused("0\r\n" + std::string{trailer} + "\r\n");
    }
}

TEST_CASE("trailers are bounded", "[http][chunked_decoder]") {
    const auto body = "0\r\na: b\r\nc: d\r\n\r\n"s;
    CHECK(decode(body, {.max_trailer_bytes = body.size() - 3, .max_trailer_fields = 2}) == "|");
    check_refused(body, error::head_too_large, {.max_trailer_bytes = body.size() - 4});
    check_refused(body, error::too_many_fields, {.max_trailer_fields = 1});
    check_refused("0\r\na: " + std::string(9000, 'x'), error::head_too_large);
    CHECK(decode(body, {.max_trailer_bytes = 0, .max_trailer_fields = 0}) == "|");
}

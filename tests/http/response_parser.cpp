// SPDX-License-Identifier: BSL-1.0
#include <weir/http/response_parser.hpp>

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "catch.hpp"

namespace http = weir::http;
using weir::error;
using status = http::response_parser::status;
using namespace std::literals;

namespace {

std::string failed(error e) { return "failed: "s + weir::message(e); }

// A parse written out, so that two of them can be compared.
std::string describe(const http::response_parser& parser, status result) {
    if (result == status::need_more) return "need more";
    if (result == status::failed) return failed(parser.error());
    const auto& response = parser.response();
    auto out = std::to_string(response.status) + (response.version == http::version::http_1_0 ? " 1.0 <" : " 1.1 <");
    out.append(response.reason).append(">");
    for (const auto& [name, value] : response.fields) out.append(" ").append(name).append("=<").append(value) += '>';
    return out + " " + std::to_string(parser.head_size());
}

// Offers prefixes of `text` of the sizes given, each in a buffer of its own that is gone with the next.
std::string parse_growing(std::string_view text, const std::vector<std::size_t>& sizes, http::head_limits limits) {
    http::response_parser parser{limits};
    std::unique_ptr<char[]> buffer;
    for (const auto size : sizes) {
        auto moved = std::make_unique<char[]>(size);
        text.copy(moved.get(), size);
        buffer = std::move(moved);
        const auto result = parser.parse({buffer.get(), size});
        if (result != status::need_more) return describe(parser, result);
    }
    return describe(parser, status::need_more);
}

// Whole, byte by byte, at every split, and with more behind it: all must agree.
std::string parse(std::string_view text, http::head_limits limits = {}) {
    const auto whole = parse_growing(text, {text.size()}, limits);
    std::vector<std::size_t> bytewise;
    for (std::size_t size = 0; size <= text.size(); ++size) bytewise.push_back(size);
    CHECK(parse_growing(text, bytewise, limits) == whole);
    for (const auto split : bytewise) {
        const auto pieces = parse_growing(text, {split, text.size()}, limits);
        if (pieces != whole) CHECK(pieces == whole);
    }
    const auto trailing = std::string{text} + "\r\n\x81\x02hi";
    if (whole != "need more") CHECK(parse_growing(trailing, {trailing.size()}, limits) == whole);
    return whole;
}

// The fault is the last byte of `text`, and is noticed there, not before.
void check_fault(std::string_view text, error expected) {
    CAPTURE(text);
    CHECK(parse(text.substr(0, text.size() - 1)) == "need more");
    CHECK(parse(text) == failed(expected));
}

}  // namespace

TEST_CASE("RFC 9112 4: a head, however it arrives", "[http][response_parser]") {
    CHECK(parse("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection:Upgrade\r\n\r\n") ==
          "101 1.1 <Switching Protocols> Upgrade=<websocket> Connection=<Upgrade> 76");
    CHECK(parse("HTTP/1.0 404 Not Found\r\n\r\n") == "404 1.0 <Not Found> 26");
    CHECK(parse("HTTP/1.1 200 OK\r\na: \t b c \t\r\nA:\r\na:d:e\r\n\r\n") == "200 1.1 <OK> a=<b c> A=<> a=<d:e> 42");
    CHECK(parse("").starts_with("need more"));
    CHECK(parse("HTTP/1.1 200 OK\r\na: b\r\n\r") == "need more");
}

TEST_CASE("RFC 9112 4: the reason is anything on the line, or nothing", "[http][response_parser]") {
    CHECK(parse("HTTP/1.1 200 \r\n\r\n") == "200 1.1 <> 17");
    CHECK(parse("HTTP/1.1 299 \tsome  \xc3\xbc \r\n\r\n") == "299 1.1 <\tsome  \xc3\xbc > 27");
    CHECK(parse("HTTP/1.1 999 HTTP/1.1 200 OK\r\n\r\n") == "999 1.1 <HTTP/1.1 200 OK> 32");
}

TEST_CASE("RFC 9112 4: a status line of any other shape fails where it departs", "[http][response_parser]") {
    for (const auto text : {"\r"sv,
                            "\n"sv,
                            " "sv,
                            "h"sv,
                            "HTTPS"sv,
                            "HTTP/x"sv,
                            "HTTP/1,"sv,
                            "HTTP/1.x"sv,
                            "HTTP/1.10"sv,
                            "HTTP/1.1\t"sv,
                            "HTTP/1.1\r"sv,
                            "HTTP/1.1  "sv,
                            "HTTP/1.1 x"sv,
                            "HTTP/1.1 0"sv,
                            "HTTP/1.1 +"sv,
                            "HTTP/1.1 2 "sv,
                            "HTTP/1.1 20\r"sv,
                            "HTTP/1.1 2000"sv,
                            "HTTP/1.1 200\r"sv,
                            "HTTP/1.1 200\t"sv,
                            "HTTP/1.1 200 O\n"sv,
                            "HTTP/1.1 200 O\0"sv,
                            "HTTP/1.1 200 O\x7f"sv,
                            "HTTP/1.1 200 OK\rx"sv,
                            "HTTP/1.1 200 OK\r\r"sv,
                            "\x81"sv,
                            "G"sv}) {
        check_fault(text, error::bad_status_line);
    }
}

TEST_CASE("RFC 9110 2.5: versions other than 1.0 and 1.1 are refused", "[http][response_parser]") {
    for (const auto text : {"HTTP/1.2"sv, "HTTP/1.9"sv, "HTTP/2.0"sv, "HTTP/0.9"sv, "HTTP/3.1"sv}) {
        check_fault(text, error::unsupported_version);
    }
}

TEST_CASE("RFC 9112 5: field lines that others might read differently are refused", "[http][response_parser]") {
    const auto line = "HTTP/1.1 101 x\r\n"s;
    for (const auto text : {" "sv, "\t"sv, ":"sv, "\n"sv, "a "sv, "a\r"sv, "a\n"sv, "a: b\n"sv, "a: b\rc"sv, "a: b\0"sv,
                            "a: b\x7f"sv, "a: b\r\n "sv, "a: b\r\n\t"sv, "a: b\r\n\n"sv, "\rx"sv, "("sv, "\xc3"sv}) {
        const auto whole = line + std::string{text};
        check_fault(whole, error::bad_field);
    }
}

TEST_CASE("head limits: bytes, with the last one allowed", "[http][response_parser]") {
    const auto text = "HTTP/1.1 200 OK\r\nabc: defg\r\n\r\n"sv;
    CHECK(parse(text, {.max_head_bytes = text.size()}).starts_with("200"));
    CHECK(parse(text, {.max_head_bytes = text.size() - 1}) == failed(error::head_too_large));
    CHECK(parse(text, {.max_head_bytes = 1}) == failed(error::head_too_large));
    CHECK(parse(text, {.max_head_bytes = 0}).starts_with("200"));
    const auto reason = "HTTP/1.1 200 " + std::string(20'000, 'x') + "\r\n\r\n";
    http::response_parser parser;
    CHECK(parser.parse(reason) == status::failed);
    CHECK(parser.error() == error::head_too_large);
    CHECK(parser.parse(reason) == status::failed);
}

TEST_CASE("head limits: fields", "[http][response_parser]") {
    const auto text = "HTTP/1.1 200 OK\r\na: 1\r\nb: 2\r\n\r\n"sv;
    CHECK(parse(text, {.max_fields = 2}).starts_with("200"));
    CHECK(parse(text, {.max_fields = 1}) == failed(error::too_many_fields));
    std::string many = "HTTP/1.1 200 OK\r\n";
    for (int i = 0; i < 101; ++i) many += "a:\r\n";
    http::response_parser strict, lax{{.max_fields = 0}};
    CHECK(strict.parse(many + "\r\n") == status::failed);
    CHECK(strict.error() == error::too_many_fields);
    CHECK(lax.parse(many + "\r\n") == status::complete);
}

TEST_CASE("RFC 9110 15.2: interim responses are parsed one after the other", "[http][response_parser]") {
    auto text = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 101 y\r\n\r\n\x81"sv;
    http::response_parser parser;
    for (const int expected : {100, 103, 101}) {
        REQUIRE(parser.parse(text) == status::complete);
        CHECK(parser.response().status == expected);
        CHECK(parser.response().fields.contains("Link") == (expected == 103));
        text.remove_prefix(parser.head_size());
        parser.reset();
    }
    CHECK(text == "\x81");
}

TEST_CASE("a moved parser still holds its response, and a reset one is ready", "[http][response_parser]") {
    const auto text = "HTTP/1.1 200 OK\r\nHost: a\r\n\r\n"s;
    http::response_parser parser;
    REQUIRE(parser.parse(text) == status::complete);
    auto moved = std::move(parser);
    CHECK(moved.response().fields.find("Host") == "a");

    moved.reset();
    REQUIRE(moved.parse("x") == status::failed);
    CHECK(moved.response().status == 0);
    CHECK(moved.response().fields.empty());
    moved.reset();
    CHECK(moved.parse(text) == status::complete);
}

// SPDX-License-Identifier: BSL-1.0
#include <weir/http/head_scanner.hpp>

#include "catch.hpp"

#include <string>
#include <string_view>

namespace http = weir::http;
using weir::error;
using status = http::head_scanner::status;
using namespace std::literals;

namespace {

error error_of(std::string_view text, http::head_limits limits = {}) {
    http::head_scanner scanner{limits};
    return scanner.scan(text) == status::failed ? scanner.error() : error::none;
}

// The fault is the last byte of `text`, and is noticed there, not before.
void check_fault(std::string_view text, error expected) {
    CAPTURE(text);
    CHECK(error_of(text.substr(0, text.size() - 1)) == error::none);
    CHECK(error_of(text) == expected);
}

}  // namespace

TEST_CASE("RFC 9112 2.1: the head is measured, however it arrives", "[http][head_scanner]") {
    const auto head = "GET /a?b HTTP/1.0\r\nHost: a\r\nX: y\r\n\r\n"s;
    const auto text = head + "GET /next";
    http::head_scanner whole;
    REQUIRE(whole.scan(text) == status::complete);
    CHECK(whole.head_size() == head.size());
    CHECK(whole.method_offset() == 0);
    CHECK(text.substr(whole.target_offset(), whole.target_size()) == "/a?b");
    CHECK(whole.field_count() == 2);
    CHECK(whole.version() == http::version::http_1_0);

    http::head_scanner bytewise;
    for (std::size_t size = 0; size < head.size(); ++size) {
        REQUIRE(bytewise.scan(text.substr(0, size)) == status::need_more);
    }
    CHECK(bytewise.scan(head) == status::complete);
    CHECK(bytewise.target_offset() == whole.target_offset());
    CHECK(bytewise.target_size() == whole.target_size());
}

TEST_CASE("RFC 9112 2.2: one empty line before the request line is skipped, a second is not", "[http][head_scanner]") {
    http::head_scanner scanner;
    REQUIRE(scanner.scan("\r\nGET / HTTP/1.1\r\n\r\n") == status::complete);
    CHECK(scanner.method_offset() == 2);
    CHECK(scanner.head_size() == 20);
    check_fault("\r\n\r", error::bad_request_line);
    check_fault("\n", error::bad_request_line);
    check_fault("\rG", error::bad_request_line);
}

TEST_CASE("RFC 9112 3: a request line of any other shape fails where it departs", "[http][head_scanner]") {
    for (const auto text : {" "sv,
                            "\x16"sv,
                            "{"sv,
                            "GET\r"sv,
                            "GET\n"sv,
                            "GET\t"sv,
                            "G\0"sv,
                            "GET  "sv,
                            "GET \r"sv,
                            "GET /\r"sv,
                            "GET /\n"sv,
                            "GET /\t"sv,
                            "GET /\0"sv,
                            "GET /\x7f"sv,
                            "GET /\xc3"sv,
                            "GET /a b"sv,
                            "GET /  "sv,
                            "GET / h"sv,
                            "GET / HTTPS"sv,
                            "GET / HTTP/x"sv,
                            "GET / HTTP/1,"sv,
                            "GET / HTTP/1.x"sv,
                            "GET / HTTP/1.1 "sv,
                            "GET / HTTP/1.1\n"sv,
                            "GET / HTTP/1.10"sv,
                            "GET / HTTP/11"sv,
                            "GET / HTTP/1.1\r\r"sv}) {
        check_fault(text, error::bad_request_line);
    }
}

TEST_CASE("RFC 9110 15.6.6: versions other than 1.0 and 1.1 are unsupported, not malformed", "[http][head_scanner]") {
    for (const auto text : {"GET / HTTP/2.0\r"sv, "PRI * HTTP/2.0\r"sv, "GET / HTTP/0.9\r"sv, "GET / HTTP/1.2\r"sv,
                            "GET / HTTP/3.0\r"sv}) {
        check_fault(text, error::unsupported_version);
    }
}

TEST_CASE("RFC 9110 15.5.15: the target's limit holds to the byte", "[http][head_scanner]") {
    const http::head_limits limits{.max_target_bytes = 4};
    CHECK(error_of("GET /123 HTTP/1.1\r\n\r\n", limits) == error::none);
    CHECK(error_of("GET /123", limits) == error::none);
    CHECK(error_of("GET /1234", limits) == error::target_too_long);
    CHECK(error_of("GET /1234", {.max_target_bytes = 0}) == error::none);
}

TEST_CASE("RFC 6585 5: the head's limit holds to the byte", "[http][head_scanner]") {
    const auto head = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"s;
    CHECK(error_of(head, {.max_head_bytes = head.size()}) == error::none);
    CHECK(error_of(head + "more", {.max_head_bytes = head.size()}) == error::none);
    CHECK(error_of(head, {.max_head_bytes = head.size() - 1}) == error::head_too_large);
    CHECK(error_of(head.substr(0, 20), {.max_head_bytes = 20}) == error::head_too_large);
    CHECK(error_of("GET /12345", {.max_head_bytes = 8}) == error::target_too_long);
    CHECK(error_of("GET /" + std::string(100'000, 'a'), {.max_head_bytes = 0, .max_target_bytes = 0}) == error::none);
    CHECK(error_of(head, {.max_fields = 1}) == error::none);
    CHECK(error_of("GET / HTTP/1.1\r\na:\r\nb", {.max_fields = 1}) == error::too_many_fields);
}

TEST_CASE("RFC 9112 5: faults of fields are the field scanner's", "[http][head_scanner]") {
    check_fault("GET / HTTP/1.1\r\nHost ", error::bad_field);
    check_fault("GET / HTTP/1.1\r\n ", error::bad_field);
}

// SPDX-License-Identifier: BSL-1.0
#include <weir/http/field_scanner.hpp>

#include "catch.hpp"

#include <string>
#include <string_view>

namespace http = weir::http;
using weir::error;
using namespace std::literals;

namespace {

// Feeds `text` in two pieces, and returns how many bytes belong to the section.
std::size_t scan(http::field_scanner& scanner, std::string_view text, std::size_t split) {
    const auto first = scanner.scan(text.substr(0, split));
    return first < split ? first : first + scanner.scan(text.substr(split));
}

}  // namespace

TEST_CASE("RFC 9112 5: a field section ends with an empty line, wherever it is cut", "[http][field_scanner]") {
    const auto section = "Host: a\r\nX-Empty:\r\nx: \xc3\xbc\t\r\n\r\n"s;
    const auto text = section + "what follows";
    for (std::size_t split = 0; split <= text.size(); ++split) {
        http::field_scanner scanner{0};
        CHECK(scan(scanner, text, split) == section.size());
        CHECK(scanner.complete());
        CHECK(scanner.count() == 3);
        CHECK(scanner.error() == error::none);
    }
}

TEST_CASE("RFC 9112 2.2, 5.1, 5.2: a bad byte is refused as soon as it is there", "[http][field_scanner]") {
    // Each text ends with the byte that is at fault.
    for (const auto text : {"a\r"sv,        "a\n"sv,         "a "sv,         "a\t"sv,     "a\0"sv,     ":"sv,
                            " "sv,          "\t"sv,          "\n"sv,         "\0"sv,      "a: b\n"sv,  "a: b\0"sv,
                            "a: b\rc"sv,    "a: b\r\r"sv,    "a: \r\r"sv,    "a: \x7f"sv, "a: \x0b"sv, "a: b\r\n "sv,
                            "a: b\r\n\t"sv, "a: b\r\n\r "sv, "a: b\r\n\n"sv, "a\xc3"sv,   "(a"sv}) {
        CAPTURE(text);
        http::field_scanner before{0};
        before.scan(text.substr(0, text.size() - 1));
        const bool early = text.front() == '(';  // the fault is the first byte there
        CHECK((before.error() == error::none) != early);

        http::field_scanner scanner{0};
        scanner.scan(text);
        CHECK(scanner.error() == error::bad_field);
        CHECK(scanner.scan("\r\n\r\n") == 0);
        CHECK_FALSE(scanner.complete());
    }
}

TEST_CASE("RFC 6585 5: field lines are counted against the limit", "[http][field_scanner]") {
    http::field_scanner enough{2};
    enough.scan("a:\r\nb:\r\n\r\n");
    CHECK(enough.complete());
    http::field_scanner one_less{1};
    one_less.scan("a:\r\nb");
    CHECK(one_less.error() == error::too_many_fields);
}

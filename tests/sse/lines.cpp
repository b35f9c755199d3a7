// SPDX-License-Identifier: BSL-1.0

#include <weir/sse/lines.hpp>

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "catch.hpp"

using namespace std::literals;

namespace {

std::vector<std::string> lines_of(std::string_view text) {
    std::vector<std::string> lines;
    weir::sse::for_each_line(text, [&](std::string_view line) { lines.emplace_back(line); });
    return lines;
}

using find_function = const char* (*)(const char*, const char*) noexcept;

/// The first line end at each place of texts of each size, with every other byte around it as a distraction.
void check_every_place(find_function find, char line_end, char distraction) {
    for (std::size_t size = 0; size <= 300; ++size) {
        std::string text(size, distraction);
        const char* const first = text.data();
        REQUIRE(find(first, first + size) == first + size);
        for (std::size_t at = 0; at < size; ++at) {
            text[at] = line_end;
            if (at + 1 < size) text[at + 1] = '\n';
            REQUIRE(find(first, first + size) == first + at);
            text[at] = distraction;
            if (at + 1 < size) text[at + 1] = distraction;
        }
    }
}

}  // namespace

TEST_CASE("event stream, end-of-line: CR, LF and CRLF end a line, nothing else does", "[sse][lines]") {
    CHECK(lines_of("") == std::vector{""s});
    CHECK(lines_of("a") == std::vector{"a"s});
    CHECK(lines_of("a\n") == std::vector{"a"s, ""s});
    CHECK(lines_of("a\nb\rc\r\nd") == std::vector{"a"s, "b"s, "c"s, "d"s});
    CHECK(lines_of("\n\r\r\n") == std::vector{""s, ""s, ""s, ""s});
    CHECK(lines_of("\v\f\x1c\xc2\x85\xe2\x80\xa8\0"sv).size() == 1);
}

TEST_CASE("find_line_end: the first one is found wherever it is, among any other bytes", "[sse][lines]") {
    const char line_end = GENERATE('\r', '\n');
    const char distraction = GENERATE('x', '\t', '\x0b', '\x0e', '\0', '\x8a', '\xff');
    check_every_place(weir::sse::find_line_end, line_end, distraction);
    check_every_place(weir::sse::detail::find_line_end_portable, line_end, distraction);
}

TEST_CASE("find_line_end: beyond the portable search's window", "[sse][lines]") {
    std::string text(10'000, 'x');
    text[4096] = '\n';
    text[4095] = '\r';
    CHECK(weir::sse::find_line_end(text.data(), text.data() + text.size()) == text.data() + 4095);
    CHECK(weir::sse::detail::find_line_end_portable(text.data(), text.data() + text.size()) == text.data() + 4095);
}

// SPDX-License-Identifier: BSL-1.0
#include <weir/http/cookie.hpp>

#include "catch.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace http = weir::http;

TEST_CASE("RFC 6265 4.2: cookies are found by name, in every line, the first wins", "[http][cookie]") {
    const std::vector<http::field_view> fields{{"Cookie", "a=1; b=2=3;c=\"x y\";a=4"}, {"X", "d=5"}, {"cookie", "d=6"}};
    CHECK(http::find_cookie(fields, "a") == "1");
    CHECK(http::find_cookie(fields, "b") == "2=3");
    CHECK(http::find_cookie(fields, "c") == "x y");
    CHECK(http::find_cookie(fields, "d") == "6");
    CHECK_FALSE(http::find_cookie(fields, "A"));
    CHECK_FALSE(http::find_cookie(fields, "2"));
    CHECK_FALSE(http::find_cookie({}, "a"));
}

TEST_CASE("RFC 6265 5.4: what is no cookie is skipped", "[http][cookie]") {
    const std::vector<http::field_view> fields{{"Cookie", "; junk;=x; \t e = f ;g=; h=\"; i=\"\";"}};
    std::string seen;
    http::for_each_cookie(fields, [&](std::string_view name, std::string_view value) {
        seen.append(name).append("=").append(value).append("|");
        return true;
    });
    CHECK(seen == "e=f|g=|h=\"|i=|");
}

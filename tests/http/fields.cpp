// SPDX-License-Identifier: BSL-1.0
#include <weir/http/fields.hpp>

#include "catch.hpp"

#include <array>
#include <string>
#include <string_view>
#include <vector>

namespace http = weir::http;

namespace {

std::vector<std::string> elements_of(std::vector<std::string_view> lines) {
    std::vector<http::field_view> fields{{"Other", "x"}};
    for (const auto line : lines) fields.push_back({"List", line});
    std::vector<std::string> out;
    http::fields_view{fields}.for_each_element("list", [&](std::string_view element) { out.emplace_back(element); });
    return out;
}

using list = std::vector<std::string>;

}  // namespace

TEST_CASE("RFC 9110 5.1: fields are found by name in any case", "[http][fields]") {
    const std::array fields{http::field_view{"Host", "a"}, http::field_view{"COOKIE", "x=1"},
                            http::field_view{"cookie", "y=2"}};
    const http::fields_view view{fields};
    CHECK(view.size() == 3);
    CHECK(view.find("host") == "a");
    CHECK(view.find("Cookie") == "x=1");
    CHECK(view.find("Hos") == std::nullopt);
    CHECK(view.count("cookie") == 2);
    CHECK(view.count("accept") == 0);
    CHECK(view.contains("cookie"));
    CHECK_FALSE(http::fields_view{}.contains("host"));
}

TEST_CASE("RFC 9110 5.3: lines of a name come in order, and false stops", "[http][fields]") {
    const std::vector<http::field_view> fields{{"a", "1"}, {"b", "2"}, {"A", "3"}, {"a", "4"}};
    std::string seen;
    http::fields_view{fields}.for_each("a", [&](std::string_view value) { seen += value; });
    CHECK(seen == "134");
    http::fields_view{fields}.for_each("a", [&](std::string_view value) {
        seen += value;
        return value != "3";
    });
    CHECK(seen == "13413");
}

TEST_CASE("RFC 9110 5.6.1: a list spans lines, and its empty elements do not count", "[http][fields]") {
    CHECK(elements_of({"a, b ,c"}) == list{"a", "b", "c"});
    CHECK(elements_of({",a,, \t ,b,"}) == list{"a", "b"});
    CHECK(elements_of({"a", "", "b,c"}) == list{"a", "b", "c"});
    CHECK(elements_of({"", " , "}).empty());
    CHECK(elements_of({}).empty());
}

TEST_CASE("RFC 9110 5.6.4: a comma within a quoted string does not separate", "[http][fields]") {
    CHECK(elements_of({R"(a="x,y", b)"}) == list{R"(a="x,y")", "b"});
    CHECK(elements_of({R"(a="x\",y", b)"}) == list{R"(a="x\",y")", "b"});
    CHECK(elements_of({R"(a="x\\", b)"}) == list{R"(a="x\\")", "b"});
    CHECK(elements_of({R"(a\, b)"}) == list{"a\\", "b"});  // a backslash quotes within a quoted string only
    CHECK(elements_of({R"(a="never, closed)", "b"}) == list{R"(a="never, closed)", "b"});
    CHECK(elements_of({R"("\)", "b"}) == list{R"("\)", "b"});
}

TEST_CASE("RFC 9110 7.6.1: a token is found in any line, any place, any case, as a whole", "[http][fields]") {
    const std::vector<http::field_view> fields{{"Connection", "keep-alive, , Upgrade"}, {"connection", "x-close"}};
    const http::fields_view view{fields};
    CHECK(view.has_token("connection", "upgrade"));
    CHECK(view.has_token("connection", "KEEP-ALIVE"));
    CHECK(view.has_token("connection", "x-close"));
    CHECK_FALSE(view.has_token("connection", "close"));
    CHECK_FALSE(view.has_token("connection", ""));
}

// SPDX-License-Identifier: BSL-1.0
#include <weir/ws/extension.hpp>

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "catch.hpp"

namespace http = weir::http;
namespace ws = weir::ws;
using namespace std::literals;

namespace {

// The list written out: "name(parameter=<value> parameter)", or "malformed".
std::string read(const std::vector<std::string_view>& lines) {
    std::vector<http::field_view> fields{{"Host", "a"}};
    for (const auto& line : lines) fields.push_back({"sec-websocket-Extensions", line});
    std::string out;
    const bool valid = ws::for_each_extension(fields, [&](const ws::extension_view& extension) {
        out.append(extension.name()).append("(");
        extension.for_each_parameter([&](const ws::extension_parameter& parameter) {
            out.append(out.ends_with('(') ? "" : " ").append(parameter.name);
            if (parameter.value) out.append("=<").append(*parameter.value).append(">");
        });
        out += ')';
    });
    return valid ? out : "malformed";
}

std::string read(std::string_view line) { return read(std::vector{line}); }

}  // namespace

TEST_CASE("RFC 6455 9.1: extensions and their parameters, in order", "[ws][extension][rfc6455-9.1]") {
    CHECK(read("foo") == "foo()");
    CHECK(read("foo, bar; baz=2") == "foo()bar(baz=<2>)");
    CHECK(read("deflate-stream; a; b=1; c=\"2\", x") == "deflate-stream(a b=<1> c=<2>)x()");
    CHECK(read("!#$%&'*+-.^_`|~09azAZ; !=!") == "!#$%&'*+-.^_`|~09azAZ(!=<!>)");
}

TEST_CASE("RFC 6455 11.3.2: several field lines are one list", "[ws][extension][rfc6455-11.3.2]") {
    CHECK(read({"a; x"sv, "b"sv, "c, d"sv}) == "a(x)b()c()d()");
    CHECK(read({"a"sv, ""sv}) == "a()");
    CHECK(read({"a"sv, "b;"sv}) == "malformed");
    CHECK(read(std::vector<std::string_view>{}).empty());
}

TEST_CASE("RFC 6455 9.1: white space and empty elements as RFC 2616 allows them", "[ws][extension][rfc6455-9.1]") {
    CHECK(read(" a ;\tx = 1 ; y , b ") == "a(x=<1> y)b()");
    CHECK(read("a;x = \"1\"") == "a(x=<1>)");
    CHECK(read(",a,, ,b,") == "a()b()");
}

TEST_CASE("RFC 6455 9.1: a quoted value must be a token once it is unquoted", "[ws][extension][rfc6455-9.1]") {
    CHECK(read(R"(a; x="1\0")") == R"(a(x=<1\0>))");
    for (const auto line :
         {R"(a; x="")"sv, R"(a; x="b c")"sv, R"(a; x="b,c")"sv, R"(a; x="b;c")"sv, R"(a; x="\"")"sv, R"(a; x="\\")"sv,
          R"(a; x="b\")"sv, R"(a; x="\ ")"sv, R"(a; x="b)"sv, R"(a; x=")"sv, R"(a; x=b")"sv, R"(a; x="b"c)"sv,
          R"(a; x="b""c")"sv, R"(a; x='b c')"sv, R"("a")"sv, R"(a; "x")"sv, R"(a; "x"=1)"sv, "a; x=\"\xc3\xbc\""sv}) {
        CAPTURE(line);
        CHECK(read(line) == "malformed");
    }
}

TEST_CASE("RFC 6455 9.1: what departs from the grammar is malformed as a whole", "[ws][extension][rfc6455-9.1]") {
    for (const auto line : {""sv,
                            " "sv,
                            ","sv,
                            ";"sv,
                            "a;"sv,
                            "a; "sv,
                            "a;;x"sv,
                            "; x"sv,
                            "a b"sv,
                            "a; x y"sv,
                            "a; =1"sv,
                            "a; x="sv,
                            "a; x=1=2"sv,
                            "a; x==1"sv,
                            "a=1"sv,
                            "a; (x)"sv,
                            "a/b"sv,
                            "a; x=b/c"sv,
                            "a\0b"sv,
                            "\xc3\xbc"sv,
                            "a; x=\x7f"sv,
                            "good, bad bad"sv,
                            "bad bad, good"sv,
                            "good; x, good; ="sv,
                            "a;, b"sv,
                            "a; x=\\1"sv}) {
        CAPTURE(line);
        CHECK(read(line) == "malformed");
    }
}

TEST_CASE("extensions: nothing behind a fault is visited, and visits may stop", "[ws][extension]") {
    std::size_t visited = 0;
    const std::vector<http::field_view> fields{{"Sec-WebSocket-Extensions", "a; x; y; z, b, c d, e"}};
    CHECK_FALSE(ws::for_each_extension(fields, [&](const auto&) { ++visited; }));
    CHECK(visited == 2);

    std::string names;
    ws::extension_view::parse("a; x; y; z")->for_each_parameter([&](const auto& parameter) {
        names += parameter.name;
        return parameter.name != "y";
    });
    CHECK(names == "xy");
}

TEST_CASE("extensions: known at compile time as well", "[ws][extension]") {
    STATIC_REQUIRE(ws::extension_view::parse("a; x=1")->name() == "a");
    STATIC_REQUIRE_FALSE(ws::extension_view::parse("a;").has_value());
}

TEST_CASE("extensions: a flood of them is read once", "[ws][extension]") {
    std::string elements, parameters = "a", quotes = "a";
    for (int i = 0; i < 200'000; ++i) {
        elements += "a,";
        parameters += ";x";
        quotes += ";x=\"1\\2\"";
    }
    CHECK(read(elements).size() == 200'000 * 3);
    CHECK(read(parameters).size() == 200'000 * 2 + 2);
    CHECK(read(quotes) != "malformed");
    CHECK(read(quotes + '"') == "malformed");
    CHECK(read(std::string(400'000, ',')) == "malformed");
    CHECK(read(std::string(400'000, '"')) == "malformed");
}

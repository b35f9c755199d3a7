// SPDX-License-Identifier: BSL-1.0

#include <weir/adapt/host_request.hpp>

#include <weir/http/request_view.hpp>

#include <string_view>
#include <utility>
#include <vector>

#include "catch.hpp"

namespace {

using weir::adapt::host_request;
using weir::http::version;

TEST_CASE("host request: it is a view of what the host has", "[adapt]") {
    const std::string_view target = "/events?count=3", value = "text/event-stream";
    host_request request{"GET", target, version::http_1_1};
    CHECK(request.fields.empty());
    request.add("Accept", value);
    request.add("last-event-id", "7");
    const weir::request_view& view = request;
    CHECK(view.method == "GET");
    CHECK(view.path() == "/events");
    CHECK(view.query() == "count=3");
    CHECK(view.target.data() == target.data());
    REQUIRE(view.fields.size() == 2);
    CHECK(view.fields.find("accept")->data() == value.data());
    CHECK(view.fields.find("Last-Event-ID") == "7");
}

TEST_CASE("host request: repeated fields are kept, in order, and the white space around values is not", "[adapt]") {
    host_request request{"GET", "/", version::http_1_0};
    for (const std::string_view value : {"a", " b\t", "", " \t "}) request.add("X", value);
    CHECK(request.version == version::http_1_0);
    CHECK(request.fields.count("x") == 4);
    std::vector<std::string_view> values;
    request.fields.for_each("X", [&](std::string_view value) { values.push_back(value); });
    CHECK(values == std::vector<std::string_view>{"a", "b", "", ""});
}

TEST_CASE("host request: moved, its views stay good", "[adapt]") {
    host_request first{"GET", "/", version::http_1_1};
    for (int i = 0; i != 100; ++i) first.add("Name", "value");
    const weir::request_view before = first;
    host_request second{std::move(first)};
    host_request third{"POST", "*", version::http_1_0};
    third = std::move(second);
    CHECK(third.method == "GET");
    CHECK(before.fields.begin() == third.fields.begin());
    CHECK(third.fields.count("name") == 100);
}

}  // namespace

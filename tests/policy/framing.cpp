// SPDX-License-Identifier: BSL-1.0

#include <weir/policy/framing.hpp>

#include "catch.hpp"

using weir::request_view;
using weir::sse::framing;

namespace {

struct may_throw {
    framing operator()(const request_view&) const { return framing::plain; }
};

/// As somebody would who knows a client that can't read chunks.
struct plain_for_one_path {
    framing operator()(const request_view& request) const noexcept {
        return request.path() == "/plain" ? framing::plain : framing::chunked;
    }
};

}  // namespace

TEST_CASE("framing: the stock policies give every request the same answer", "[policy][framing]") {
    for (const auto version : {weir::http::version::http_1_0, weir::http::version::http_1_1}) {
        const request_view request{.method = "GET", .target = "/", .version = version};
        CHECK(weir::chunk_framing{}(request) == framing::chunked);
        CHECK(weir::close_delimited{}(request) == framing::plain);
    }
}

TEST_CASE("framing: a policy of one's own may look at the request", "[policy][framing]") {
    STATIC_REQUIRE(weir::framing_policy<plain_for_one_path>);
    STATIC_REQUIRE_FALSE(weir::framing_policy<may_throw>);
    CHECK(plain_for_one_path{}({.method = "GET", .target = "/plain?x"}) == framing::plain);
    CHECK(plain_for_one_path{}({.method = "GET", .target = "/other"}) == framing::chunked);
}

// SPDX-License-Identifier: BSL-1.0

#include <weir/ws/deflate_agreement.hpp>

#include "catch.hpp"

using weir::ws::deflate_agreement;

TEST_CASE("RFC 7692 7.1: without parameters, contexts are kept and windows are the largest", "[ws][rfc7692-7.1]") {
    constexpr deflate_agreement agreed;
    STATIC_REQUIRE_FALSE(agreed.server_no_context_takeover);
    STATIC_REQUIRE_FALSE(agreed.client_no_context_takeover);
    STATIC_REQUIRE(agreed.server_max_window_bits == 15);
    STATIC_REQUIRE(agreed.client_max_window_bits == 15);
}

TEST_CASE("RFC 7692 7.1: agreements are the same if all four parameters are", "[ws][rfc7692-7.1]") {
    STATIC_REQUIRE(deflate_agreement{} == deflate_agreement{});
    STATIC_REQUIRE(deflate_agreement{} != deflate_agreement{.server_no_context_takeover = true});
    STATIC_REQUIRE(deflate_agreement{} != deflate_agreement{.client_no_context_takeover = true});
    STATIC_REQUIRE(deflate_agreement{} != deflate_agreement{.server_max_window_bits = 8});
    STATIC_REQUIRE(deflate_agreement{} != deflate_agreement{.client_max_window_bits = 8});
}

// SPDX-License-Identifier: BSL-1.0

#include <weir/src.hpp>

#include <weir/session/outbox.hpp>
#include <weir/sse/handshake.hpp>

#include <string_view>

#include "catch.hpp"

// That a program of several files links, in both modes, is for tests/separate to show.

TEST_CASE("src.hpp: together with the header of a body it is no second definition", "[src]") {
    weir::outbox waiting;
    waiting.push_urgent("ping");
    CHECK(waiting.bytes() == 4);
    CHECK(weir::sse::handshake({.method = "GET", .target = "/"}).refusal == weir::error::none);
}

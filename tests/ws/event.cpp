// SPDX-License-Identifier: BSL-1.0

#include <weir/ws/event.hpp>

#include "catch.hpp"

using weir::ws::event;
using weir::ws::event_kind;

TEST_CASE("event: nothing is false, whatever has arrived is true", "[ws][event]") {
    CHECK_FALSE(event{});
    for (const event_kind what : {event_kind::message, event_kind::piece, event_kind::ping, event_kind::pong,
                                  event_kind::close, event_kind::failed}) {
        CHECK(event{.what = what});
    }
    const event nothing;
    CHECK(nothing.payload.empty());
    CHECK(nothing.code == weir::ws::close_code::no_status);
    CHECK(nothing.error == weir::error::none);
}

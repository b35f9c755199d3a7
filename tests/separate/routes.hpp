// SPDX-License-Identifier: BSL-1.0
#pragma once

// What the two files of this program share.

#include <weir/hub.hpp>
#include <weir/server.hpp>

namespace test {

/// An event stream of the hub's at /events, and a WebSocket at /echo.
void add_routes(weir::server& app, weir::hub& hub);

}  // namespace test

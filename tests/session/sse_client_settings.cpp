// SPDX-License-Identifier: BSL-1.0
#include <weir/session/sse_client_settings.hpp>

#include "catch.hpp"

TEST_CASE("sse_client_settings: as the standard has it, unless one says otherwise", "[session][sse_client]") {
    const weir::detail::sse_client_settings settings;
    CHECK(settings.reconnect_to == weir::sse_reconnect_to::original_url);
    CHECK(settings.max_redirects == 20);
    CHECK_FALSE(settings.retry_server_errors);
    CHECK(settings.end_marker.empty());
    CHECK(settings.error_event.empty());
    CHECK(settings.decoding == nullptr);
    const weir::sse_failure none;
    CHECK(none.status == 0);
    CHECK(none.text.empty());
}

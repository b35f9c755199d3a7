// SPDX-License-Identifier: BSL-1.0

#include <weir/session/session_host.hpp>

#include <type_traits>

#include "catch.hpp"

using weir::detail::session_host;

TEST_CASE("session host: an interface to derive from, not to own by", "[session][session_host]") {
    STATIC_REQUIRE(std::is_abstract_v<session_host>);
    STATIC_REQUIRE_FALSE(std::is_destructible_v<session_host>);
    STATIC_REQUIRE_FALSE(std::is_copy_constructible_v<session_host>);
    STATIC_REQUIRE_FALSE(std::is_copy_assignable_v<session_host>);
}

TEST_CASE("session stats: a session that has done nothing", "[session][session_host]") {
    const weir::session_stats stats;
    CHECK(stats.messages_sent == 0);
    CHECK(stats.bytes_sent == 0);
    CHECK(stats.queued_messages == 0);
    CHECK(stats.queued_bytes == 0);
    CHECK(stats.dropped.total() == 0);
    CHECK_FALSE(stats.blocked);
}

// SPDX-License-Identifier: BSL-1.0
#include <weir/server/jitter.hpp>

#include <chrono>
#include <set>

#include "catch.hpp"

using namespace std::chrono_literals;
using weir::detail::random_up_to;
using weir::detail::retry_message;

TEST_CASE("jitter: within the bounds, and over all of them", "[server][jitter]") {
    std::set<weir::milliseconds> seen;
    for (int i = 0; i != 1000; ++i) seen.insert(random_up_to(3ms));
    CHECK(seen == std::set<weir::milliseconds>{0ms, 1ms, 2ms, 3ms});
    CHECK(random_up_to(0ms) == 0ms);
    CHECK(random_up_to(-5ms) == 0ms);
}

TEST_CASE("jitter: a retry message is one block in the stream's framing", "[server][jitter]") {
    CHECK(retry_message(weir::sse::framing::plain, 0ms) == "retry: 0\n\n");
    CHECK(retry_message(weir::sse::framing::chunked, 0ms) == "a\r\nretry: 0\n\n\r\n");
}

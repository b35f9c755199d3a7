// SPDX-License-Identifier: BSL-1.0
#include <weir/server/jitter.hpp>

#include <chrono>
#include <set>
#include <string>
#include <string_view>

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
    const std::string plain = retry_message(weir::sse::framing::plain);
    CHECK(plain.size() == std::string_view{"retry: 2000\n\n"}.size());
    CHECK(plain.starts_with("retry: "));
    CHECK(plain.ends_with("\n\n"));
    const std::string chunked = retry_message(weir::sse::framing::chunked);
    CHECK(chunked.starts_with("d\r\nretry: "));
    CHECK(chunked.ends_with("\n\n\r\n"));
}

TEST_CASE("jitter: clients come back after 1 to 3 s, and not in step", "[server][jitter]") {
    std::set<int> seen;
    for (int i = 0; i != 1000; ++i) seen.insert(std::stoi(retry_message(weir::sse::framing::plain).substr(7)));
    CHECK(*seen.begin() >= 1'000);
    CHECK(*seen.rbegin() <= 3'000);
    CHECK(seen.size() > 500);  // of 2001, evenly spread: 787 on average
}

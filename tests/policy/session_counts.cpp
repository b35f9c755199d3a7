// SPDX-License-Identifier: BSL-1.0

#include <weir/policy/session_counts.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <set>
#include <string_view>
#include <system_error>
#include <thread>
#include <vector>

#include "catch.hpp"
#include "support/errc.hpp"

using namespace std::literals;
using weir::drop_reason;
using weir::error;
using weir::detail::decades;
using weir::detail::ending_kind;
using weir::detail::ending_names;
using weir::detail::session_counts;

namespace {

std::string_view ending_of(const weir::error_code& reason) {
    return ending_names[static_cast<std::size_t>(weir::detail::ending_kind_of(reason))];
}
std::string_view ending_of(error e) { return ending_of(weir::make_error_code(e)); }

}  // namespace

TEST_CASE("session counts: sessions are open until they are closed", "[policy][session_counts]") {
    session_counts counts;
    CHECK(counts.open() == 0);
    for (int i = 0; i != 3; ++i) counts.count(weir::session_opened{});
    CHECK(counts.open() == 3);
    counts.count(weir::session_closed{});
    counts.count(weir::session_closed{make_error_code(error::unresponsive)});
    CHECK(counts.open() == 1);
    CHECK(counts.opened.value() == 3);
    CHECK(counts.closed[static_cast<std::size_t>(ending_kind::none)].value() == 1);
    CHECK(counts.closed[static_cast<std::size_t>(ending_kind::unresponsive)].value() == 1);
}

TEST_CASE("session counts: an end that is seen before its beginning is no session less", "[policy][session_counts]") {
    session_counts counts;
    counts.count(weir::session_closed{});
    CHECK(counts.open() == 0);
}

TEST_CASE("session counts: what goes out and what comes in", "[policy][session_counts]") {
    session_counts counts;
    counts.count(weir::messages_written{2, 30});
    counts.count(weir::messages_written{0, 5});
    counts.count(weir::messages_received{1, 70});
    counts.count(weir::messages_received{0, 9});
    counts.count(weir::messages_received{2, 0});
    const auto total = counts.total();
    CHECK(total.messages_sent == 2);
    CHECK(total.bytes_sent == 35);
    CHECK(total.messages_received == 3);
    CHECK(total.bytes_received == 79);
}

TEST_CASE("session counts: drops have a reason each", "[policy][session_counts]") {
    session_counts counts;
    std::uint64_t n = 0;
    for (const auto reason : {drop_reason::oldest, drop_reason::newest, drop_reason::replaced, drop_reason::outdated,
                              drop_reason::unsent, drop_reason::lagging, drop_reason::expired}) {
        CHECK(static_cast<std::size_t>(reason) == n);
        counts.count(weir::messages_dropped{reason, ++n});
    }
    REQUIRE(weir::detail::drop_names.size() == n);
    for (std::size_t i = 0; i != n; ++i) CHECK(counts.dropped[i].value() == i + 1);
    CHECK(weir::detail::drop_names[static_cast<std::size_t>(drop_reason::unsent)] == "unsent");
    CHECK(weir::detail::drop_names[static_cast<std::size_t>(drop_reason::expired)] == "expired");
    counts.count(weir::message_refused{});
    counts.count(weir::heartbeat_sent{});
    counts.count(weir::heartbeat_sent{});
    CHECK(counts.refused.value() == 1);
    CHECK(counts.heartbeats.value() == 2);
}

TEST_CASE("session counts: a distribution counts a bound's own value below it", "[policy][session_counts]") {
    decades<10> d;
    for (const std::uint64_t value : {0u, 10u, 11u, 100u, 100'000u, 100'001u, 4'000'000'000u}) d.add(value);
    CHECK(d.count(0) == 2);
    CHECK(d.count(1) == 2);
    CHECK(d.count(2) == 0);
    CHECK(d.count(3) == 0);
    CHECK(d.count(4) == 1);
    CHECK(d.count(5) == 2);
    CHECK(d.sum() == 4'000'200'122u);
}

TEST_CASE("session counts: how much waited when a transport blocked, and how far a subscriber was behind",
          "[policy][session_counts]") {
    session_counts counts;
    counts.count(weir::session_blocked{3, 2'000});
    counts.count(weir::subscriber_lagged{200, 50'000, 1500ms});
    counts.count(weir::subscriber_lagged{1, 10, -1s});  // no clock of ours goes back
    CHECK(counts.queued_messages.count(1) == 1);
    CHECK(counts.queued_bytes.count(1) == 1);
    CHECK(counts.queued_bytes.sum() == 2'000);
    CHECK(counts.lag_messages.sum() == 201);
    CHECK(counts.lag_bytes.count(2) == 1);
    CHECK(counts.lag_microseconds.count(0) == 1);
    CHECK(counts.lag_microseconds.count(3) == 1);
    CHECK(counts.lag_microseconds.sum() == 1'500'000);
}

TEST_CASE("session counts: an end is named by its error, by the error's condition, or as the transport's",
          "[policy][session_counts]") {
    CHECK(ending_of(error::none) == "none");
    CHECK(ending_of(error::closed) == "closed");
    CHECK(ending_of(error::peer_closed) == "peer_closed");
    CHECK(ending_of(error::draining) == "draining");
    CHECK(ending_of(error::slow_reader) == "slow_reader");
    CHECK(ending_of(error::message_too_large) == "message_too_large");
    CHECK(ending_of(error::stalled) == "stalled");
    CHECK(ending_of(error::unresponsive) == "unresponsive");
    CHECK(ending_of(error::close_timed_out) == "close_timed_out");
    CHECK(ending_of(error::expired) == "expired");
    CHECK(ending_of(error::bad_utf8) == "protocol_violation");
    CHECK(ending_of(error::origin_refused) == "refused");
    CHECK(ending_of(error::line_too_long) == "limit_exceeded");
    CHECK(ending_of(error::request_timed_out) == "timed_out");
    CHECK(ending_of(error::not_accepted) == "misuse");
    CHECK(ending_of(test::code_of(std::errc::connection_reset)) == "transport");
    CHECK(ending_of(test::code_of(std::errc::no_space_on_device)) == "transport");
    CHECK(std::set<std::string_view>(ending_names.begin(), ending_names.end()).size() == ending_names.size());
}

TEST_CASE("session counts: nothing is lost between threads", "[policy][session_counts]") {
    session_counts counts;
    constexpr std::size_t threads = 20, times = 1'000;  // more than have numbers of their own
    {
        std::vector<std::jthread> all;
        for (std::size_t i = 0; i != threads; ++i) {
            all.emplace_back([&] {
                for (std::size_t n = 0; n != times; ++n) {
                    counts.count(weir::session_opened{});
                    counts.count(weir::messages_written{1, 10});
                    counts.count(weir::messages_received{1, 20});
                    counts.count(weir::session_closed{});
                }
            });
        }
    }
    CHECK(counts.open() == 0);
    CHECK(counts.opened.value() == threads * times);
    const auto total = counts.total();
    CHECK(total.messages_sent == threads * times);
    CHECK(total.bytes_sent == 10 * threads * times);
    CHECK(total.messages_received == threads * times);
    CHECK(total.bytes_received == 20 * threads * times);
}

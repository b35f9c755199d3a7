// SPDX-License-Identifier: BSL-1.0

#include <weir/io/ws_client_waiting.hpp>

#include WEIR_ASIO(io_context.hpp)

#include <cstdint>
#include <vector>

#include "catch.hpp"

namespace net = weir::net;
using weir::error_code;

TEST_CASE("ws client waiting: one of several is cancelled, by its number", "[io][ws_client]") {
    net::io_context context;
    std::vector<std::uint64_t> cancelled;
    weir::detail::ws_client_waiting_list list;
    for (const std::uint64_t n : {1u, 2u, 3u}) {
        const auto done = [&cancelled, n](error_code ec) {
            if (ec == net::error::operation_aborted) cancelled.push_back(n);
        };
        list.push_back({n, weir::detail::keep_handler<error_code>(done, context.get_executor(), [] {}), "text"});
    }
    CHECK(list.front().view() == weir::ws::message_view{"text"});
    CHECK_FALSE(cancel_waiting(list, 4));
    CHECK(cancel_waiting(list, 2));
    CHECK_FALSE(cancel_waiting(list, 2));
    CHECK(cancelled.empty());  // not from within
    context.poll();
    CHECK(cancelled == std::vector<std::uint64_t>{2});
    CHECK(list.size() == 2);
}

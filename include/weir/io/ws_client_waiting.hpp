// SPDX-License-Identifier: BSL-1.0
#pragma once

// Operations of a WebSocket client's of which several may wait. Layer: io.

#include <weir/config.hpp>
#include <weir/error.hpp>
#include <weir/io/completion.hpp>
#include <weir/ws/message.hpp>

#include WEIR_ASIO(error.hpp)

#include <algorithm>
#include <cstdint>
#include <deque>
#include <string>
#include <utility>

namespace weir::detail {

/// One of them, known by its number.
struct ws_client_waiting {
    std::uint64_t number;
    completion_ptr<error_code> done;
    std::string payload{};  ///< to be sent, once there is room
    bool binary = false;

    ws::message_view view() const noexcept { return {payload, binary}; }
};
using ws_client_waiting_list = std::deque<ws_client_waiting>;

/// Takes one out and completes it as cancelled. False: it is not there.
inline bool cancel_waiting(ws_client_waiting_list& list, std::uint64_t number) {
    const auto found = std::ranges::find(list, number, &ws_client_waiting::number);
    if (found == list.end()) return false;
    completion_ptr<error_code> cancelled = std::move(found->done);
    list.erase(found);
    complete(cancelled, error_code{net::error::operation_aborted});
    return true;
}

}  // namespace weir::detail

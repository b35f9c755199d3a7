// SPDX-License-Identifier: BSL-1.0
#pragma once

// What has arrived on a WebSocket. Layer: protocol. RFC 6455 §5

#include <weir/error.hpp>
#include <weir/ws/close_code.hpp>
#include <weir/ws/message.hpp>

#include <cstdint>
#include <string_view>

namespace weir::ws {

/// What has arrived.
enum class event_kind : std::uint8_t {
    none,     ///< nothing more until more bytes come
    message,  ///< a whole message
    piece,    ///< the next piece of a message that is read in pieces
    ping,     ///< the answer is on its way
    pong,     ///< the answer to a ping, or none that was asked for
    close,    ///< the peer closes: `code` and `payload`, the reason; nothing comes after it
    failed,   ///< the peer broke the protocol or a limit, as `error` says; nothing comes after it
};

/// One thing that has arrived.
struct event {
    event_kind what = event_kind::none;       ///< says which of the others have a meaning
    message_view payload = {};                ///< of a message, a piece, a ping or a pong, or the reason of a close
    close_code code = close_code::no_status;  ///< of close
    weir::error error = weir::error::none;    ///< of failed

    /// Whether something has arrived.
    explicit operator bool() const noexcept { return what != event_kind::none; }
};

}  // namespace weir::ws

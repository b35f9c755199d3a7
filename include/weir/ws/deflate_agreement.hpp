// SPDX-License-Identifier: BSL-1.0
#pragma once

// What the two sides of a connection have agreed on about compression. Layer: protocol. RFC 7692 §7.1

#include <cstdint>

namespace weir::ws {

/// Which side of a connection.
enum class role : std::uint8_t {
    server,  ///< accepts, and does not mask
    client,  ///< connects, and masks
};

/// The four parameters of permessage-deflate, as they hold for both directions. RFC 7692 §7.1
struct deflate_agreement {
    bool server_no_context_takeover = false;   ///< the server compresses each message by itself
    bool client_no_context_takeover = false;   ///< the client compresses each message by itself
    std::uint8_t server_max_window_bits = 15;  ///< 8 to 15: the largest window that the server compresses with
    std::uint8_t client_max_window_bits = 15;  ///< 8 to 15: the largest window that the client compresses with

    friend bool operator==(const deflate_agreement&, const deflate_agreement&) = default;
};

}  // namespace weir::ws

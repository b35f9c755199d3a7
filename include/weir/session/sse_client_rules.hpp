// SPDX-License-Identifier: BSL-1.0
#pragma once

// Which ends of an event stream, and which failures to begin one, a client can do something about by coming back.
// Layer: session. WHATWG HTML, server-sent events, "processing model"

#include <weir/config.hpp>
#include <weir/error.hpp>
#include <weir/time.hpp>

#include <chrono>
#include <string_view>

namespace weir::detail {

/// The longest time that a server can ask for: can be added to any time.
inline constexpr milliseconds longest_floor = std::chrono::hours{24 * 365};

/// Whether it is how a peer ends what it sends. By name, since this header includes no Asio.
inline bool is_end_of_stream(const error_code& ec) noexcept {
    constexpr int eof = 2;
    return !ec || (ec.value() == eof && ec.category().name() == std::string_view{"asio.misc"});
}

/// "Unless the user agent knows that to be futile": whether the same request would fail so again, after anything but an
/// answer that is a refusal. What the network is at fault for, or a body that was cut off or garbled, may pass.
inline bool is_futile(const error_code& reason) noexcept {
    if (reason.category() != category()) return false;
    const auto e = static_cast<error>(reason.value());
    switch (e) {
        case error::bad_redirect:
        case error::too_many_redirects:
        case error::unsupported_coding:
        case error::reported_by_server:
        // The certificate is what it is, and coming back would tell an impostor more.
        case error::untrusted_server: return true;
        // It may have needed the network.
        case error::hook_failed: return false;
        default: break;
    }
    // After an event beyond a limit of ours, it would be sent again; an option that cannot be used stays so.
    const condition kind = condition_of(e);
    return kind == condition::limit_exceeded || kind == condition::misuse;
}

}  // namespace weir::detail

// SPDX-License-Identifier: BSL-1.0
#pragma once

// Which ends of a WebSocket, and which failures to begin one, a client can do something about by coming back.
// Layer: session. RFC 6455 §7.2, §7.4; IANA "WebSocket Close Code Number Registry"; RFC 9110 §15

#include <weir/config.hpp>
#include <weir/error.hpp>
#include <weir/ws/close_code.hpp>

#include <cstdint>

namespace weir::detail {

/// What the server's close frame means for a client that comes back.
enum class after_close : std::uint8_t {
    done,       ///< nothing is left to do
    come_back,  ///< not the client's fault: another connection, perhaps to another server, may do better
    futile,     ///< the same client would be told the same again
};

/// Total. Codes that have no meaning of their own here mean that the server wants the client to come back.
constexpr after_close what_follows(ws::close_code code) noexcept {
    using ws::close_code;
    switch (code) {
        // "meaning that the purpose for which the connection was established has been fulfilled" §7.4.1
        case close_code::normal: return after_close::done;
        // What this client does, or is: another connection does not change that. §7.4.1
        case close_code::protocol_error:
        case close_code::unsupported_data:
        case close_code::invalid_payload:
        case close_code::policy_violation:
        case close_code::message_too_big:
        // "the server didn't return them in the response message": nor will it the next time. §7.4.1
        case close_code::mandatory_extension: return after_close::futile;
        // A server that goes down, restarts, is overloaded, met a condition it did not expect, or has a bad gateway
        // behind it; a close frame that says nothing, and none at all. §7.4.1, IANA registry
        case close_code::going_away:
        case close_code::no_status:
        case close_code::abnormal:
        case close_code::internal_error:
        case close_code::service_restart:
        case close_code::try_again_later:
        case close_code::bad_gateway:
        case close_code::tls_handshake: break;
    }
    // 3000 to 4999 mean what libraries and applications agreed on, which nobody knows here. §7.4.2
    return after_close::come_back;
}

/// Whether the same request would be answered so again. RFC 9110 §15
constexpr bool is_final_status(int status) noexcept {
    switch (status) {
        case 408:  // Request Timeout: "the client MAY repeat the request"
        case 425:  // Too Early: to be sent again without early data. RFC 8470 §5.2
        case 429:  // Too Many Requests: for now. RFC 6585 §4
            return false;
        default: break;
    }
    // A server's error may pass. Redirects are not followed, which RFC 6455 §4.1 leaves to the client, as browsers do
    // not; and what answers 200 is no WebSocket server.
    return status / 100 != 5;
}

/// Whether another attempt is futile: after a handshake that was answered with `status` (0: it was not), or a
/// connection that failed.
inline bool is_permanent(const error_code& reason, int status) noexcept {
    if (reason.category() != category()) return false;  // a network's errors pass
    const auto e = static_cast<error>(reason.value());
    switch (e) {
        case error::handshake_rejected: return is_final_status(status);
        // The application's own doing, by abort() or by an exception.
        case error::closed: return true;
        // Its certificate is what it is, and coming back would tell an impostor more.
        case error::untrusted_server: return true;
        // Cut off in the middle of something; a hook may have needed the network.
        case error::truncated:
        case error::hook_failed: return false;
        default: break;
    }
    switch (condition_of(e)) {
        // Our side has failed the connection, and told the server why: it would send the same again.
        case condition::protocol_violation:
        case condition::limit_exceeded: return true;
        // An option that cannot be used.
        case condition::misuse: return true;
        case condition::closed:
        case condition::refused:
        case condition::timed_out: break;
    }
    return false;
}

}  // namespace weir::detail

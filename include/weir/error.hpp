// SPDX-License-Identifier: BSL-1.0
#pragma once

// What can go wrong, grouped by who is at fault, and what the peer is told of it. Layer: ground.

#include <weir/config.hpp>

#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>

namespace weir {

/// What happened. Compare an error_code with `weir::condition` to learn what kind of thing it is.
enum class error {
    none = 0,

    // The connection is over: condition::closed.
    closed,       ///< this side ended the session
    peer_closed,  ///< the peer closed the connection
    draining,     ///< the server is shutting down

    // The peer broke HTTP: condition::protocol_violation, status 400 unless noted.
    bad_request_line,               ///< method, target or line malformed. RFC 9112 §3
    bad_field,                      ///< a malformed field line: space before the colon, fold, bare CR, NUL. RFC 9112 §5
    bad_host,                       ///< Host missing, repeated or malformed. RFC 9112 §3.2
    bad_content_length,             ///< repeated, not a number, or beside Transfer-Encoding. RFC 9112 §6.3
    bad_body,                       ///< malformed chunked framing. RFC 9112 §7.1
    bad_encoding,                   ///< malformed percent-encoding. RFC 3986 §2.1
    unsupported_version,            ///< not HTTP/1.0 or HTTP/1.1; status 505. RFC 9110 §15.6.6
    unsupported_method,             ///< a method this server has never heard of, or CONNECT; status 501. RFC 9110 §9.1
    unsupported_coding,             ///< a transfer or content coding that is not known; status 501. RFC 9112 §6.1
    bad_upgrade,                    ///< no WebSocket upgrade where one is needed; status 426. RFC 6455 §4.2.1
    bad_websocket_version,          ///< Sec-WebSocket-Version malformed, missing or repeated. RFC 6455 §4.2.1
    unsupported_websocket_version,  ///< another version than 13; status 426. RFC 6455 §4.2.2
    bad_websocket_key,              ///< Sec-WebSocket-Key missing, repeated or not 16 bytes in base64. RFC 6455 §4.2.1
    bad_subprotocol,                ///< Sec-WebSocket-Protocol malformed, or one that was not offered. RFC 6455 §4.1
    bad_extension,                  ///< Sec-WebSocket-Extensions malformed, or one that was not offered. RFC 6455 §9.1
    bad_upgrade_response,           ///< a 101 whose Upgrade, Connection or Sec-WebSocket-Accept is wrong. RFC 6455 §4.1
    bad_status_line,                ///< of a response. RFC 9112 §4
    bad_redirect,                   ///< Location missing, malformed, of a scheme not ours, or from https to http
    too_many_redirects,             ///< more hops than allowed; a loop. RFC 9110 §15.4
    not_event_stream,               ///< the answer's Content-Type is another one. WHATWG HTML, server-sent events

    // The peer broke the WebSocket protocol: condition::protocol_violation, close code 1002 unless noted.
    bad_opcode,               ///< reserved opcode 0x3-0x7 or 0xb-0xf. RFC 6455 §5.2
    reserved_bits,            ///< RSV1-3 set without an extension that gives them a meaning. RFC 6455 §5.2
    bad_mask,                 ///< a client's frame unmasked, or a server's masked. RFC 6455 §5.1
    length_not_minimal,       ///< a longer length form than needed. RFC 6455 §5.2
    bad_length,               ///< a 64-bit length with the top bit set. RFC 6455 §5.2
    control_fragmented,       ///< a control frame without FIN. RFC 6455 §5.5
    control_too_long,         ///< a control frame of more than 125 bytes. RFC 6455 §5.5
    unexpected_continuation,  ///< a continuation frame with nothing to continue. RFC 6455 §5.4
    message_unfinished,       ///< a new message before the fragmented one has ended. RFC 6455 §5.4
    bad_close,                ///< a close frame of one byte, or with a code that may not be sent. RFC 6455 §7.4
    bad_utf8,                 ///< text or close reason is not UTF-8; close code 1007. RFC 6455 §8.1
    bad_deflate,              ///< compressed data that cannot be inflated; close code 1007. RFC 7692 §7.2.2
    truncated,                ///< the stream ended within a message

    // The request was well-formed, and the answer is no: condition::refused.
    not_found,           ///< no such resource; status 404
    method_not_allowed,  ///< status 405, with Allow
    not_acceptable,      ///< the client does not accept an event stream; status 406
    origin_refused,      ///< the origin is not on the allow-list; status 403
    stop_requested,      ///< the application asks the client not to come back; status 204
    no_body,             ///< HEAD or OPTIONS: the answer is complete without a stream; status 200
    refused,             ///< the backpressure policy refused a message; status 503
    dropped,             ///< the backpressure policy dropped the message at hand; status 503
    handshake_rejected,  ///< the server answered the WebSocket handshake with another status than 101
    unexpected_status,   ///< the server answered the request for an event stream with another status than 200
    reported_by_server,  ///< an event of the type by which the server reports errors
    proxy_refused,       ///< the proxy did not open a tunnel. RFC 9110 §9.3.6
    untrusted_server,    ///< the server's certificate is not trusted, or is for another name. RFC 9525

    // A limit of ours: condition::limit_exceeded.
    target_too_long,    ///< request target; status 414
    head_too_large,     ///< request head; status 431
    too_many_fields,    ///< request head; status 431
    body_too_large,     ///< request body; status 413
    line_too_long,      ///< SSE line
    event_too_large,    ///< SSE event
    message_too_large,  ///< WebSocket message, after inflation; close code 1009. RFC 6455 §7.4.1
    slow_reader,        ///< the backpressure policy closed the session; status 503

    // Time ran out: condition::timed_out.
    request_timed_out,    ///< the request was not complete in time; status 408
    handshake_timed_out,  ///< the server's answer to a WebSocket handshake was not complete in time
    connect_timed_out,    ///< a client had no answer in time, from name resolution to the end of the response's head
    read_timed_out,       ///< a client received nothing for too long
    stalled,              ///< bytes to send and none accepted in time
    unresponsive,         ///< the heartbeat policy gave up
    close_timed_out,      ///< the peer did not answer a close frame in time. RFC 6455 §7.1.1
    expired,              ///< the session reached its maximum life

    // The caller is at fault: condition::misuse, status 500.
    bad_argument,       ///< a value that cannot be sent
    already_receiving,  ///< a second receive while one is pending
    already_sending,    ///< a second piece of a message while one is waiting
    no_tls,             ///< an https or wss URL, and nothing that does TLS
    hook_failed,        ///< a hook of the application's threw what is not a system_error
    not_connected,      ///< sending while there is no connection, where nothing is kept for the next one
    not_accepted,       ///< sending before accept()
};

/// What kind of thing an error is: `if (ec == weir::condition::timed_out)`.
enum class condition {
    closed = 1,          ///< the connection is over, nobody is at fault; a reset counts, a lost end of stream too
    protocol_violation,  ///< the peer broke the protocol
    refused,             ///< a well-formed request or message was turned down
    limit_exceeded,      ///< a limit of ours
    timed_out,           ///< a deadline of ours
    misuse,              ///< the caller
};

/// The text for humans; never empty.
constexpr const char* message(error e) noexcept {
    switch (e) {
        case error::none: return "no error";
        case error::closed: return "session closed";
        case error::peer_closed: return "peer closed the connection";
        case error::draining: return "server is draining";
        case error::bad_request_line: return "malformed request line";
        case error::bad_field: return "malformed header field";
        case error::bad_host: return "missing, repeated or malformed Host";
        case error::bad_content_length: return "conflicting or malformed Content-Length";
        case error::bad_body: return "malformed body framing";
        case error::bad_encoding: return "malformed percent-encoding";
        case error::unsupported_version: return "unsupported HTTP version";
        case error::unsupported_method: return "unsupported method";
        case error::unsupported_coding: return "unsupported transfer or content coding";
        case error::bad_upgrade: return "not a WebSocket upgrade";
        case error::bad_websocket_version: return "malformed Sec-WebSocket-Version";
        case error::unsupported_websocket_version: return "unsupported WebSocket version";
        case error::bad_websocket_key: return "malformed Sec-WebSocket-Key";
        case error::bad_subprotocol: return "malformed or unexpected Sec-WebSocket-Protocol";
        case error::bad_extension: return "malformed or unexpected Sec-WebSocket-Extensions";
        case error::bad_upgrade_response: return "malformed answer to the WebSocket handshake";
        case error::bad_status_line: return "malformed status line";
        case error::bad_opcode: return "reserved opcode";
        case error::reserved_bits: return "reserved bits set";
        case error::bad_mask: return "frame masked by a server or not masked by a client";
        case error::length_not_minimal: return "frame length not in its shortest form";
        case error::bad_length: return "frame length out of range";
        case error::control_fragmented: return "fragmented control frame";
        case error::control_too_long: return "control frame too long";
        case error::unexpected_continuation: return "continuation of nothing";
        case error::message_unfinished: return "new message within a fragmented one";
        case error::bad_close: return "malformed close frame";
        case error::bad_utf8: return "text is not UTF-8";
        case error::bad_deflate: return "compressed data cannot be inflated";
        case error::bad_redirect: return "redirected without a usable Location";
        case error::too_many_redirects: return "too many redirects";
        case error::not_event_stream: return "answer is not text/event-stream";
        case error::truncated: return "stream ended within a message";
        case error::not_found: return "not found";
        case error::method_not_allowed: return "method not allowed";
        case error::not_acceptable: return "client does not accept text/event-stream";
        case error::origin_refused: return "origin not allowed";
        case error::stop_requested: return "client asked not to reconnect";
        case error::no_body: return "request answered without a stream";
        case error::refused: return "refused by the backpressure policy";
        case error::dropped: return "dropped by the backpressure policy";
        case error::handshake_rejected: return "WebSocket handshake rejected";
        case error::unexpected_status: return "answered with another status than 200";
        case error::reported_by_server: return "server reported an error";
        case error::proxy_refused: return "refused by the proxy";
        case error::untrusted_server: return "server's certificate is not trusted";
        case error::target_too_long: return "request target too long";
        case error::head_too_large: return "request head too large";
        case error::too_many_fields: return "too many header fields";
        case error::body_too_large: return "request body too large";
        case error::line_too_long: return "line too long";
        case error::event_too_large: return "event too large";
        case error::message_too_large: return "message too large";
        case error::slow_reader: return "reader too slow";
        case error::request_timed_out: return "request not complete in time";
        case error::handshake_timed_out: return "WebSocket handshake not complete in time";
        case error::connect_timed_out: return "not connected in time";
        case error::read_timed_out: return "nothing received in time";
        case error::stalled: return "no progress while sending";
        case error::unresponsive: return "peer unresponsive";
        case error::close_timed_out: return "close frame not answered in time";
        case error::expired: return "session reached its maximum life";
        case error::bad_argument: return "value cannot be sent";
        case error::already_receiving: return "a receive is already pending";
        case error::already_sending: return "a piece is already waiting to be sent";
        case error::no_tls: return "URL needs TLS, which was not given";
        case error::hook_failed: return "application's hook failed";
        case error::not_connected: return "not connected";
        case error::not_accepted: return "session not accepted yet";
    }
    return "unknown error";
}

/// The kind of an error; total. `error::none` has none and yields condition{}.
constexpr condition condition_of(error e) noexcept {
    if (e == error::none) return condition{};
    if (e <= error::draining) return condition::closed;
    if (e <= error::truncated) return condition::protocol_violation;
    if (e <= error::untrusted_server) return condition::refused;
    if (e <= error::slow_reader) return condition::limit_exceeded;
    if (e <= error::expired) return condition::timed_out;
    return condition::misuse;
}

/// The HTTP status that tells a peer of an error, as long as no response has begun; total. RFC 9110 §15
constexpr int http_status_for(error e) noexcept {
    switch (e) {
        case error::none:
        case error::no_body: return 200;
        case error::stop_requested: return 204;
        case error::origin_refused: return 403;
        case error::not_found: return 404;
        case error::method_not_allowed: return 405;
        case error::not_acceptable: return 406;
        case error::request_timed_out: return 408;
        case error::body_too_large: return 413;
        case error::target_too_long: return 414;
        case error::bad_upgrade:
        case error::unsupported_websocket_version: return 426;
        case error::head_too_large:
        case error::too_many_fields: return 431;
        case error::unsupported_method:
        case error::unsupported_coding: return 501;
        case error::unsupported_version: return 505;
        default: break;
    }
    switch (condition_of(e)) {
        case condition::protocol_violation: return 400;
        case condition::misuse: return 500;
        default: return 503;
    }
}

const error_category& category() noexcept;

namespace detail {

// How the ends of a connection look that the transport reports: on every system, in Asio, and in its TLS streams. The
// last two are told by name, since this header includes no Asio. Older Asio has a category for the system's own errors,
// which says of none what it means in general.
inline bool is_lost_connection(const error_code& ec) noexcept {
    constexpr int eof = 2, stream_truncated = 1;
    const std::string_view origin = ec.category().name();
    for (const std::errc lost : {std::errc::connection_reset, std::errc::broken_pipe, std::errc::connection_aborted}) {
        const int value = static_cast<int>(lost);
        if (ec == error_condition{value, WEIR_SYSTEM::generic_category()}) return true;
        // Standalone Asio's own category for the system's errors, which maps few of them to conditions.
        if (origin == "asio.system" && ec.value() == value) return true;
    }
    return (origin == "asio.misc" && ec.value() == eof) ||
           (origin == "asio.ssl.stream" && ec.value() == stream_truncated);
}

struct condition_category_type final : error_category {
    const char* name() const noexcept override { return "weir.condition"; }
    std::string message(int value) const override {
        switch (static_cast<condition>(value)) {
            case condition::closed: return "closed";
            case condition::protocol_violation: return "protocol violation";
            case condition::refused: return "refused";
            case condition::limit_exceeded: return "limit exceeded";
            case condition::timed_out: return "timed out";
            case condition::misuse: return "misuse";
        }
        return "unknown condition";
    }
    bool equivalent(const error_code& ec, int value) const noexcept override {
        if (static_cast<condition>(value) == condition::closed && is_lost_connection(ec)) return true;
        return error_category::equivalent(ec, value);
    }
};

inline const error_category& condition_category() noexcept {
    static const condition_category_type instance;
    return instance;
}

struct category_type final : error_category {
    const char* name() const noexcept override { return "weir"; }
    std::string message(int value) const override { return weir::message(static_cast<error>(value)); }
    error_condition default_error_condition(int value) const noexcept override {
        return {static_cast<int>(condition_of(static_cast<error>(value))), condition_category()};
    }
};

}  // namespace detail

/// The category of weir::error.
inline const error_category& category() noexcept {
    static const detail::category_type instance;
    return instance;
}

/// An error as an error_code; error::none as none at all.
inline error_code make_error_code(error e) noexcept {
    return e == error::none ? error_code{} : error_code{static_cast<int>(e), category()};
}

/// A condition, to compare an error_code with.
inline error_condition make_error_condition(condition c) noexcept {
    return {static_cast<int>(c), detail::condition_category()};
}

}  // namespace weir

template <>
struct WEIR_SYSTEM::is_error_code_enum<weir::error> : std::true_type {};
template <>
struct WEIR_SYSTEM::is_error_condition_enum<weir::condition> : std::true_type {};

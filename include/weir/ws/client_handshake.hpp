// SPDX-License-Identifier: BSL-1.0
#pragma once

// The client's side of the opening handshake: the request, and the check of its answer. Layer: protocol.
// RFC 6455 §4.1; RFC 7692 §5.1

#include <weir/config.hpp>
#include <weir/error.hpp>
#include <weir/http/fields.hpp>
#include <weir/http/response_parser.hpp>
#include <weir/ws/deflate_agreement.hpp>
#include <weir/ws/deflate_offer.hpp>

#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace weir::ws {

/// What a client asks for. Owns nothing: the texts are needed until check_response() returns.
struct connect_options {
    /// The subprotocols that are spoken, the preferred one first; tokens, each once.
    std::span<const std::string_view> subprotocols = {};
    /// Added to the request: Authorization, Cookie, Origin. One that is the handshake's own, Host among them, or frames
    /// a body is error::bad_argument.
    std::span<const http::field_view> extra_fields = {};
    /// What is wanted of compression; null: none is offered.
    const deflate_options* deflate = nullptr;
};

/// The head that asks for a WebSocket.
struct upgrade_request_result {
    weir::error error = weir::error::none;  ///< none, or what is wrong
    std::string text;                       ///< empty after an error
};

/// What a server's answer means.
struct connect_result {
    /// none: what follows the head are frames. Anything else: the connection cannot be used as a WebSocket.
    weir::error error = weir::error::none;
    int status = 0;                            ///< of the answer
    std::string subprotocol;                   ///< the one that the server chose; empty: none
    std::optional<deflate_agreement> deflate;  ///< absent: nothing is compressed
};

/// Writes the request. `authority`: host and port, as http::parse_url() yields them; `target`: path and query; `key`:
/// by make_key(). Errors: bad_argument for a value that cannot be sent.
upgrade_request_result upgrade_request(std::string_view authority, std::string_view target, std::string_view key,
                                       const connect_options& options = {});

/// Checks the answer to upgrade_request() with the same key and options. Interim answers, 1xx other than 101, are the
/// caller's to pass over. Errors: handshake_rejected for any status but 101, which is HTTP's to act upon;
/// bad_upgrade_response; bad_subprotocol and bad_extension for what was not offered, or not so. RFC 6455 §4.1
connect_result check_response(const http::response_view& response, std::string_view key,
                              const connect_options& options = {});

}  // namespace weir::ws

#include WEIR_BODIES(weir/ws/client_handshake.ipp)

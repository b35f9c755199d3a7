// SPDX-License-Identifier: BSL-1.0
#pragma once

// From a request to the 101 that begins a WebSocket, or to the response that refuses it. Layer: protocol.
// RFC 6455 §4.2, §10.2; RFC 7692 §5.1; RFC 9110 §7.8, §15.5.22

#include <weir/config.hpp>
#include <weir/error.hpp>
#include <weir/http/fields.hpp>
#include <weir/http/grammar.hpp>
#include <weir/http/request_view.hpp>
#include <weir/ws/deflate_agreement.hpp>
#include <weir/ws/deflate_offer.hpp>

#include <algorithm>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace weir::ws {

/// How a route accepts WebSockets. Owns nothing: the texts are needed until handshake() returns.
struct accept_options {
    /// Origins whose pages may connect, as browsers send them: "https://app.example". Compared exactly. The request's
    /// own host is always allowed, and so is a request without Origin, which no browser sends. "null" is what any page
    /// can take on, and "*" allows every page: cookies come along, so that page then acts as the user.
    std::span<const std::string_view> allowed_origins = {};

    /// The subprotocols that are spoken, the preferred one first. The first that the client offers is chosen. With none
    /// in common the connection goes on without one, as RFC 6455 has it; a browser that offered some ends it then.
    std::span<const std::string_view> subprotocols = {};

    /// Added to the 101: Set-Cookie, say. One that is the handshake's own or frames a body is error::bad_argument.
    std::span<const http::field_view> extra_fields = {};

    /// What is wanted of compression; null: none.
    const deflate_options* deflate = nullptr;

    bool keep_alive = true;  ///< false: a refusal announces `Connection: close`, whatever the client wants
};

/// What to do with a request.
struct handshake_result {
    /// none: send `response`, and frames from then on. Anything else: send `response`, which is complete, and that is
    /// all.
    weir::error refusal = weir::error::none;
    /// The head of the 101, with a 100 before it if the client waits for one; or the whole refusal.
    std::string response;
    /// The one that was chosen; empty: none.
    std::string subprotocol;
    /// Absent: nothing is compressed.
    std::optional<deflate_agreement> deflate;
    /// Whether the connection can carry another request after a refusal.
    bool keep_alive = false;
};

/// Answers the request for a WebSocket. Pure; what came behind the request's head are the first frames.
///
/// The request may be from anybody's parser, if that refuses what would make two readers see two requests: bare CR and
/// LF, folds, white space before the colon. Errors are in the result: method_not_allowed (for everything but GET),
/// bad_host, bad_upgrade (no Upgrade and Connection, or HTTP/1.0, in which they count for nothing), bad_content_length,
/// unsupported_coding, bad_body (also for a body that is well-formed), bad_websocket_version,
/// unsupported_websocket_version, bad_websocket_key, bad_subprotocol, bad_extension, origin_refused,
/// unsupported_version (for HTTP/2), and bad_argument for an extra field that cannot be sent.
handshake_result handshake(const http::request_view& request, const accept_options& options = {});

/// The subprotocol to speak: the first of `ours` that the fields offer; empty: none. Empty optional: an offer is
/// malformed, or none at all in a field that is there. RFC 6455 §4.2.2, §11.3.4
constexpr std::optional<std::string_view> choose_subprotocol(const http::fields_view& fields,
                                                             std::span<const std::string_view> ours) {
    constexpr std::string_view name = "Sec-WebSocket-Protocol";
    bool any = false, valid = true;
    auto best = ours.size();
    fields.for_each_element(name, [&](std::string_view offered) {
        any = true;
        valid = http::is_token(offered);
        const auto better = ours.first(best);
        best = static_cast<std::size_t>(std::find(better.begin(), better.end(), offered) - better.begin());
        return valid;
    });
    if (!valid || (!any && fields.contains(name))) return std::nullopt;
    return best < ours.size() ? ours[best] : std::string_view{};
}

}  // namespace weir::ws

#include WEIR_BODIES(weir/ws/handshake.ipp)

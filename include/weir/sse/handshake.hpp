// SPDX-License-Identifier: BSL-1.0
#pragma once

// From a request to an event stream's response head, or to the response that refuses it. Layer: protocol.
// WHATWG HTML, server-sent events; Fetch, CORS protocol; RFC 9110 §9.3.2, §12.5.1; RFC 9112 §6.1

#include <weir/config.hpp>
#include <weir/error.hpp>
#include <weir/http/fields.hpp>
#include <weir/http/request_view.hpp>
#include <weir/sse/encoder.hpp>
#include <weir/time.hpp>

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace weir::sse {

/// How a route accepts event streams. Owns nothing: the texts are needed until handshake() returns.
struct accept_options {
    /// Methods answered with a stream. HEAD goes with GET, and OPTIONS is always answered.
    bool get = true;
    bool post = false;  ///< see above

    /// Origins whose pages may read the stream, as browsers send them: "https://app.example". Compared exactly. With a
    /// list, other origins are refused, except the request's own host. Without one, a GET from elsewhere is answered
    /// and the browser keeps the page from reading it; on a route that takes POST it is refused, because there the
    /// request itself is what does harm. Neither "*", which allows every origin,
    /// nor "null", which any page can take on, counts together with allow_credentials.
    std::span<const std::string_view> allowed_origins = {};
    /// Lets those pages send cookies (`withCredentials`).
    bool allow_credentials = false;
    /// Fields those pages may send beside Last-Event-ID, Authorization and Content-Type: "X-Api-Key".
    std::span<const std::string_view> allowed_headers = {};

    /// Added to the head. One with the name of a default (Cache-Control, X-Accel-Buffering) replaces it; those that
    /// frame or type the response, and CORS fields beside `allowed_origins`, are error::bad_argument.
    std::span<const http::field_view> extra_fields = {};

    /// The first comment, sent with the head so that proxies pass the head on at once; empty: an empty comment.
    std::string_view first_comment = {};
    /// The reconnection time to begin with; absent: the browser's own.
    std::optional<milliseconds> retry = std::nullopt;

    bool close_delimited = false;               ///< never chunk: the stream ends with the connection
    bool keep_alive = true;                     ///< false: announce `Connection: close`, whatever the client wants
    bool stop = false;                          ///< answer 204: browsers do not reconnect
    std::size_t max_last_event_id_bytes = 256;  ///< 0 = off
};

/// What to do with a request.
struct handshake_result {
    /// none: send `response` and begin the stream. Anything else: send `response`, which is complete, and that is all;
    /// no_body (HEAD, OPTIONS) and stop_requested are no failures.
    weir::error refusal = weir::error::none;
    /// Head and first comment, already in the framing; or the whole refusal.
    std::string response;
    /// How the blocks of the stream are framed.
    framing body_framing = framing::plain;
    /// The id that the client saw last: from the Last-Event-ID field, else from the query parameter `last_event_id` or
    /// `lastEventId`. UTF-8, no control characters, bounded. Empty: none.
    std::string last_event_id;
    /// The client named an id that was over-long, no UTF-8, repeated, or had control characters; last_event_id is
    /// empty. A log of missed events should report a gap then. It is no refusal: a browser would take that for the end
    /// of the stream, and it cannot help sending the id it was once given.
    bool last_event_id_refused = false;
    /// Whether the connection can carry another request after this response, provided that the body of this one has
    /// been read.
    bool keep_alive = false;
};

/// Answers the request for an event stream. Pure; errors are in the result: method_not_allowed, origin_refused,
/// stop_requested, not_acceptable, no_body, and bad_argument for an extra field that cannot be sent.
handshake_result handshake(const http::request_view& request, const accept_options& options = {});

/// The CORS fields that a response of the application's own needs, a 401 say, for pages to see it. Views of the request
/// and of the options.
std::vector<http::field_view> cors_fields(const http::request_view& request, const accept_options& options);

}  // namespace weir::sse

#include WEIR_BODIES(weir/sse/handshake.ipp)

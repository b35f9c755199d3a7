// SPDX-License-Identifier: BSL-1.0
#pragma once

// A tunnel through a proxy: the request for one, and the check of its answer. Layer: protocol. RFC 9110 §9.3.6

#include <weir/error.hpp>
#include <weir/http/authority.hpp>
#include <weir/http/fields.hpp>
#include <weir/http/reference.hpp>
#include <weir/http/request_writer.hpp>
#include <weir/http/response_parser.hpp>
#include <weir/http/url.hpp>

#include <string>
#include <string_view>

namespace weir::http {

/// Where a tunnel to that URL's server ends: "example.com:443", "[::1]:80". "There is no default port; a client MUST
/// send the port number even if the CONNECT request is based on a URI reference that contains an authority component
/// with an elided port".
inline std::string tunnel_authority(const url& to) { return bracketed_host(to) + ':' + std::to_string(to.port); }

/// Writes the request for a tunnel to `authority`, host and port. `proxy_fields` are for the proxy alone, such as
/// Proxy-Authorization; what is for the server goes through the tunnel.
/// Errors: bad_argument for an authority that is malformed or without a port, and for fields as in serialize_request().
inline request_text_result connect_request(std::string_view authority, const fields_view& proxy_fields = {});

/// Checks the proxy's answer. none: the tunnel is open, and its bytes follow the head, whatever the fields say of a
/// body; proxy_refused: there is none, and the answer's status says why. Interim answers, 1xx, are the caller's to pass
/// over.
constexpr error check_connect_response(const response_view& response) noexcept {
    // "Any 2xx (Successful) response indicates that the sender (and all inbound proxies) will switch to tunnel mode
    // immediately after the response header section; data received after that header section is from the server
    // identified by the request target."
    // "A client MUST ignore any Content-Length or Transfer-Encoding header fields received in a successful response to
    // CONNECT."
    return response.status >= 200 && response.status < 300 ? error::none : error::proxy_refused;
}

inline request_text_result connect_request(std::string_view authority, const fields_view& proxy_fields) {
    const auto parts = parse_authority(authority);
    // "A server MUST reject a CONNECT request that targets an empty or invalid port number"
    if (!parts || parts->port.find_first_not_of('0') == std::string_view::npos) return {.error = error::bad_argument};
    std::string text;
    // the authority-form of a target, and the same for Host. RFC 9112 §3.2, §3.2.3
    const auto result = detail::append_request_head(text, "CONNECT", authority, authority, proxy_fields);
    if (result != error::none) return {.error = result};
    return {error::none, text.append("\r\n")};
}

}  // namespace weir::http

// SPDX-License-Identifier: BSL-1.0
#pragma once

// Takes apart the address that a client is to connect to. Layer: protocol. RFC 3986 §3, RFC 6455 §3, RFC 9110 §4.2

#include <weir/http/authority.hpp>
#include <weir/http/grammar.hpp>

#include <charconv>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace weir::http {

/// An absolute URL of a scheme that this library speaks. Owns its texts.
struct url {
    std::string scheme;      ///< "ws", "wss", "http" or "https", in small letters
    std::string host;        ///< to be resolved: a name, or an address without brackets
    std::uint16_t port = 0;  ///< the scheme's own, 80 or 443, where the URL names none
    std::string authority;   ///< for Host: host and port as written, without the scheme's own port
    std::string target;      ///< path and query as written, "/" at least; no fragment, for that stays with the client

    /// Whether the connection goes through TLS.
    bool secure() const noexcept { return scheme == "wss" || scheme == "https"; }

    friend bool operator==(const url&, const url&) = default;
};

/// Parses a URL. Empty optional: malformed, of another scheme, with user information, without a host, with port 0, or
/// with a character that no URL has as it stands: white space, control characters, anything but ASCII.
std::optional<url> parse_url(std::string_view text);

namespace detail {

/// The port of a scheme; 0: none of ours.
constexpr std::uint16_t default_port_of(std::string_view scheme) noexcept {
    if (scheme == "ws" || scheme == "http") return 80;
    return scheme == "wss" || scheme == "https" ? std::uint16_t{443} : std::uint16_t{0};
}

}  // namespace detail

inline std::optional<url> parse_url(std::string_view text) {
    const auto scheme_end = text.find("://");
    if (scheme_end == std::string_view::npos) return std::nullopt;
    if (!detail::all_in_class(text, detail::visible_class)) return std::nullopt;
    url parsed;
    for (const char c : text.substr(0, scheme_end)) parsed.scheme += to_lower(c);
    const auto default_port = detail::default_port_of(parsed.scheme);
    if (default_port == 0) return std::nullopt;

    const auto rest = text.substr(scheme_end + 3, text.find('#', scheme_end + 3) - (scheme_end + 3));
    const auto whole = rest.substr(0, rest.find_first_of("/?"));
    const auto parts = parse_authority(whole);
    if (!parts) return std::nullopt;
    const bool bracketed = parts->host.starts_with('[');
    parsed.host = bracketed ? parts->host.substr(1, parts->host.size() - 2) : parts->host;

    // no digits at all: "example.com:" means the scheme's own port
    parsed.port = default_port;
    std::from_chars(parts->port.data(), parts->port.data() + parts->port.size(), parsed.port);
    if (parsed.port == 0) return std::nullopt;
    parsed.authority = parsed.port == default_port ? parts->host : whole;

    parsed.target = rest.substr(whole.size());
    if (!parsed.target.starts_with('/')) parsed.target.insert(0, 1, '/');
    return parsed;
}

}  // namespace weir::http

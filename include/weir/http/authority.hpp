// SPDX-License-Identifier: BSL-1.0
#pragma once

// Host and port, as Host, an absolute target and an origin name them. Layer: protocol. RFC 3986 §3.2, RFC 9110 §7.2

#include <weir/http/grammar.hpp>

#include <cstddef>
#include <optional>
#include <string_view>

namespace weir::http {

/// A host and a port, both as written; the port is empty when there is none.
struct authority {
    std::string_view host;  ///< a name or an address; one of IPv6 in brackets
    std::string_view port;  ///< digits; empty: none was given
};

/// Parses `host`, `host:port`, `[v6]` or `[v6]:port`. Empty optional: malformed.
/// Stricter than RFC 3986 on purpose: user information and the sub-delimiters (`,`, `;`, `=` and so on) are refused,
/// since no real host has them and a merged or forged Host does.
constexpr std::optional<authority> parse_authority(std::string_view text) noexcept;

/// Whether `origin` (the value of an Origin field) names the host and port of `host_and_port` (the value of Host).
/// The scheme's default port is the same as none; the scheme itself is not compared, as a proxy may have ended TLS.
constexpr bool same_host(std::string_view origin, std::string_view host_and_port) noexcept;

namespace detail {

constexpr bool is_port(std::string_view text) noexcept {
    unsigned value = 0;
    for (const char c : text) {
        if (!is_digit(c)) return false;
        value = value * 10 + static_cast<unsigned>(c - '0');
        if (value > 65535) return false;
    }
    return true;  // empty is allowed by the grammar: "example.com:"
}

constexpr bool is_host_name(std::string_view text) noexcept {
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (is_unreserved_char(text[i])) continue;
        const bool encoded =
            text[i] == '%' && i + 2 < text.size() && hex_value(text[i + 1]) >= 0 && hex_value(text[i + 2]) >= 0;
        if (!encoded) return false;
        i += 2;
    }
    return !text.empty();
}

constexpr bool is_ipv6(std::string_view text) noexcept {
    std::size_t colons = 0;
    for (const char c : text) {
        if (c == ':') ++colons;
        if (c != ':' && c != '.' && hex_value(c) < 0) return false;
    }
    return colons >= 2 && text.size() <= 45;
}

}  // namespace detail

constexpr std::optional<authority> parse_authority(std::string_view text) noexcept {
    const bool bracketed = text.starts_with('[');
    const auto host_end = bracketed ? text.find(']') : text.find(':');
    if (bracketed && host_end == std::string_view::npos) return std::nullopt;

    const auto host = text.substr(0, bracketed ? host_end + 1 : host_end);
    auto rest = text.substr(host.size());
    if (bracketed ? !detail::is_ipv6(host.substr(1, host.size() - 2)) : !detail::is_host_name(host))
        return std::nullopt;
    if (rest.empty()) return authority{host, {}};
    if (rest.front() != ':') return std::nullopt;
    rest.remove_prefix(1);
    if (!detail::is_port(rest)) return std::nullopt;
    return authority{host, rest};
}

constexpr bool same_host(std::string_view origin, std::string_view host_and_port) noexcept {
    const auto scheme_end = origin.find("://");
    if (scheme_end == std::string_view::npos) return false;  // "null" and anything else that is no origin
    const auto scheme = origin.substr(0, scheme_end);
    const std::string_view default_port = equal_ignoring_case(scheme, "https") ? "443" : "80";
    if (!equal_ignoring_case(scheme, "https") && !equal_ignoring_case(scheme, "http")) return false;

    const auto theirs = parse_authority(origin.substr(scheme_end + 3));
    const auto ours = parse_authority(host_and_port);
    if (!theirs || !ours) return false;
    const auto their_port = theirs->port.empty() ? default_port : theirs->port;
    const auto our_port = ours->port.empty() ? default_port : ours->port;
    return equal_ignoring_case(theirs->host, ours->host) && their_port == our_port;
}

}  // namespace weir::http

// SPDX-License-Identifier: BSL-1.0
#pragma once

// Where a reference leads that was found at a URL, such as a Location; and what two URLs have in common.
// Layer: protocol. RFC 3986 §5, RFC 6454

#include <weir/http/grammar.hpp>
#include <weir/http/url.hpp>

#include <optional>
#include <string>
#include <string_view>

namespace weir::http {

/// Resolves a reference, absolute or relative, against the URL it was found at; the fragment is dropped. Empty
/// optional: malformed, of a scheme that is not ours, or anything else that parse_url() refuses. RFC 3986 §5.2
/// Strict: `http:path`, without a host, is refused and not taken for a relative one, and a '\' is no '/'.
std::optional<url> resolve_reference(const url& base, std::string_view reference);

/// Whether scheme, host and port agree. Two spellings of one address are two hosts: the safe mistake. RFC 6454 §5
constexpr bool same_origin(const url& a, const url& b) noexcept {
    return a.scheme == b.scheme && a.port == b.port && equal_ignoring_case(a.host, b.host);
}

/// `host` as a URL has it, an IPv6 address in brackets: what goes before ":443". RFC 3986 §3.2.2
inline std::string bracketed_host(const url& of) {
    return of.host.find(':') == std::string::npos ? of.host : '[' + of.host + ']';
}

/// The whole URL, without a fragment: parse_url() of it yields the same.
inline std::string to_string(const url& whole) { return whole.scheme + "://" + whole.authority + whole.target; }

/// The origin as text: scheme and host in small letters, and the port unless it is the scheme's own. RFC 6454 §6.2
inline std::string origin_of(const url& of) {
    auto text = of.scheme + "://" + bracketed_host(of);
    for (char& c : text) c = to_lower(c);
    if (of.port != detail::default_port_of(of.scheme)) text.append(1, ':').append(std::to_string(of.port));
    return text;
}

namespace detail {

/// Takes "." and ".." out of a target's path, as if one walked along it; its query stays. RFC 3986 §5.2.4
inline std::string without_dot_segments(std::string_view target) {
    auto rest = target.substr(0, target.find('?'));
    const auto query = target.substr(rest.size());
    std::string out;
    while (!rest.empty()) {
        const auto segment = rest.substr(0, rest.find('/', 1));  // with the '/' before it
        rest.remove_prefix(segment.size());
        const bool up = segment == "/..";
        if (!up && segment != "/.") {
            out.append(segment);
            continue;
        }
        if (up && !out.empty()) out.resize(out.rfind('/'));  // ".." of the root is the root
        if (rest.empty()) out.push_back('/');                // "/b/." and "/b/c/.." name the folder: "/b/"
    }
    return out.append(query);
}

/// "A path segment that contains a colon character (e.g., "this:that") cannot be used as the first segment of a
/// relative-path reference, as it would be mistaken for a scheme name." RFC 3986 §4.2
constexpr bool has_scheme(std::string_view reference) noexcept {
    const auto end = reference.find_first_of(":/?");
    return end != std::string_view::npos && reference[end] == ':';
}

}  // namespace detail

// The cases of RFC 3986 §5.2.2, in its order.
inline std::optional<url> resolve_reference(const url& base, std::string_view reference) {
    if (!detail::all_in_class(reference, detail::visible_class)) return std::nullopt;
    reference = reference.substr(0, reference.find('#'));

    const bool absolute = detail::has_scheme(reference);
    if (absolute || reference.starts_with("//")) {
        auto to = parse_url(absolute ? std::string{reference} : base.scheme + ':' + std::string{reference});
        if (to) to->target = detail::without_dot_segments(to->target);
        return to;
    }
    url to = base;
    if (reference.empty()) return to;  // the query stays too
    const auto path = std::string_view{base.target}.substr(0, base.target.find('?'));
    if (reference.starts_with('?')) {
        to.target = path;
        to.target += reference;
        return to;
    }
    // "excluding any characters after the right-most "/" in the base URI path" §5.2.3
    std::string merged{reference.starts_with('/') ? std::string_view{} : path.substr(0, path.rfind('/') + 1)};
    to.target = detail::without_dot_segments(merged.append(reference));
    return to;
}

}  // namespace weir::http

// SPDX-License-Identifier: BSL-1.0
#pragma once

// A request head by view, from this library's parser or from anyone else's. Layer: protocol. RFC 9112 §3

#include <weir/http/fields.hpp>
#include <weir/http/grammar.hpp>

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace weir::http {

/// Of HTTP, as far as it matters here.
enum class version : std::uint8_t {
    http_1_0,  ///< nothing is chunked, and connections end unless both sides say otherwise
    http_1_1,  ///< the rule
    http_2,    ///< for requests that another server has read
};

/// A request head. Owns nothing: valid as long as the text and the field lines it refers to.
struct request_view {
    std::string_view method = {};                     ///< case-sensitive
    std::string_view target = {};                     ///< as received: not decoded, with the query
    http::version version = http::version::http_1_1;  ///< of the request line
    fields_view fields = {};                          ///< the field lines, in order

    /// The target's path, not decoded: "/" for an absolute target without one, "*" for OPTIONS of the whole server.
    constexpr std::string_view path() const noexcept;

    /// What follows the first '?' of the target, not decoded; empty: there is none.
    constexpr std::string_view query() const noexcept;

    /// Whom the request is for: the absolute target's host and port, which outrank Host, else the value of Host;
    /// empty: neither is there. RFC 9112 §3.2.2
    constexpr std::string_view authority() const noexcept;

    /// Whether the client will reuse the connection after the response. RFC 9112 §9.3
    constexpr bool keep_alive() const {
        if (version == http::version::http_2) return true;
        if (fields.has_token("Connection", "close")) return false;
        return version == http::version::http_1_1 || fields.has_token("Connection", "keep-alive");
    }

    /// Whether the client waits for `100 Continue`; never true of HTTP/1.0. RFC 9110 §10.1.1
    constexpr bool expects_continue() const {
        return version != http::version::http_1_0 && fields.has_token("Expect", "100-continue");
    }
};

namespace detail {

/// An absolute target without its scheme: "host:port/path?query"; empty: the target has another form.
constexpr std::string_view after_scheme(std::string_view target) noexcept {
    for (const std::string_view scheme : {"http://", "https://"}) {
        if (equal_ignoring_case(target.substr(0, scheme.size()), scheme)) return target.substr(scheme.size());
    }
    return {};
}

constexpr std::string_view without_fragment(std::string_view target) noexcept {
    return target.substr(0, target.find('#'));
}

}  // namespace detail

constexpr std::string_view request_view::path() const noexcept {
    auto rest = detail::without_fragment(target);
    rest = rest.substr(0, rest.find('?'));
    const auto absolute = detail::after_scheme(rest);
    if (absolute.empty()) return rest.starts_with('/') || rest == "*" ? rest : std::string_view{};
    const auto slash = absolute.find('/');
    return slash == std::string_view::npos ? std::string_view{"/"} : absolute.substr(slash);
}

constexpr std::string_view request_view::query() const noexcept {
    const auto whole = detail::without_fragment(target);
    const auto mark = whole.find('?');
    return mark == std::string_view::npos ? std::string_view{} : whole.substr(mark + 1);
}

constexpr std::string_view request_view::authority() const noexcept {
    const auto absolute = detail::after_scheme(target);
    if (!absolute.empty()) return absolute.substr(0, absolute.find_first_of("/?#"));
    return fields.find("Host").value_or(std::string_view{});
}

}  // namespace weir::http

namespace weir {
using http::request_view;
}  // namespace weir

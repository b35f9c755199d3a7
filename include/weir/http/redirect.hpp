// SPDX-License-Identifier: BSL-1.0
#pragma once

// What a redirect means for the request that met it: where it goes, as what, and with which fields. Layer: protocol.
// RFC 9110 §15.4, WHATWG Fetch "HTTP-redirect fetch"

#include <weir/error.hpp>
#include <weir/http/fields.hpp>
#include <weir/http/grammar.hpp>
#include <weir/http/reference.hpp>
#include <weir/http/url.hpp>

#include <algorithm>
#include <array>
#include <string_view>

namespace weir::http {

/// The next request. How many there may be in a row is the caller's to count.
struct redirect {
    weir::error error = weir::error::none;  ///< none, or what is wrong
    url to = {};                            ///< where it goes; without meaning after an error
    bool to_get = false;        ///< with the method GET, without a body and without the fields that describe one
    bool cross_origin = false;  ///< to another origin: with fewer of the application's fields, see may_cross_origin()
};

/// Whether a status sends a request elsewhere. Not 300, which lets choose; not 304, nor 305 and 306, which are history.
constexpr bool is_redirect(int status) noexcept {
    return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

/// Decides what follows the answer `status` with `answer` as its fields to a request of `method` at `from`.
/// Errors: bad_redirect (Location missing, empty, malformed or repeated, even if equal; of another family of schemes,
/// http and https being one, ws and wss the other; from TLS to none), bad_argument (the status is no redirect).
inline redirect follow_redirect(int status, std::string_view method, const url& from, const fields_view& answer);

/// Whether a field describes a request's body, and goes when the body goes. WHATWG Fetch, "request-body-header name"
constexpr bool describes_body(std::string_view field_name) noexcept {
    constexpr auto names =
        std::to_array<std::string_view>({"Content-Type", "Content-Encoding", "Content-Language", "Content-Location"});
    return std::ranges::any_of(names, [&](auto name) { return equal_ignoring_case(name, field_name); });
}

/// Whether a field that the application gave goes along to another origin. What may carry a secret does not, and of a
/// field that is not known nobody can tell; so these are all: what says which answer is wanted, and what the body is.
constexpr bool may_cross_origin(std::string_view field_name) noexcept {
    constexpr auto names = std::to_array<std::string_view>({"Accept", "Accept-Language", "User-Agent", "Cache-Control",
                                                            "Content-Type", "Content-Encoding", "Content-Language"});
    return std::ranges::any_of(names, [&](auto name) { return equal_ignoring_case(name, field_name); });
}

namespace detail {

/// 303 says so, whatever the method was. Of 301 and 302: "For historical reasons, a user agent MAY change the request
/// method from POST to GET for the subsequent request", and all do. RFC 9110 §15.4.2 to §15.4.4
constexpr bool becomes_get(int status, std::string_view method) noexcept {
    if (status == 303) return method != "GET" && method != "HEAD";
    return (status == 301 || status == 302) && method == "POST";
}

/// What is spoken, and how privately, must not get worse on the way.
constexpr bool may_lead_to(const url& from, const url& to) noexcept {
    return from.scheme.starts_with("ws") == to.scheme.starts_with("ws") && (to.secure() || !from.secure());
}

}  // namespace detail

inline redirect follow_redirect(int status, std::string_view method, const url& from, const fields_view& answer) {
    if (!is_redirect(status)) return {.error = error::bad_argument};
    const auto location = answer.find("Location").value_or(std::string_view{});
    if (location.empty() || answer.count("Location") > 1) return {.error = error::bad_redirect};
    auto to = resolve_reference(from, location);
    if (!to || !detail::may_lead_to(from, *to)) return {.error = error::bad_redirect};
    const bool cross_origin = !same_origin(from, *to);
    return {error::none, *std::move(to), detail::becomes_get(status, method), cross_origin};
}

}  // namespace weir::http

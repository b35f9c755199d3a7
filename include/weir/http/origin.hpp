// SPDX-License-Identifier: BSL-1.0
#pragma once

// Where a request comes from, as a browser says it, and whether that is allowed. Layer: protocol. RFC 6454 §7

#include <weir/http/authority.hpp>
#include <weir/http/fields.hpp>
#include <weir/http/request_view.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace weir::http {

/// Where a request says that it comes from.
enum class origin_kind : std::uint8_t {
    absent,     ///< no Origin field: not a browser, or a browser's same-origin GET
    same_host,  ///< the host and port that the request is for
    listed,     ///< on the allow-list
    foreign,    ///< anything else, with "null", an empty Origin and two of them
};

/// Classifies a request's origin. Entries of the list are compared exactly, as `scheme://host[:port]`: no suffixes, no
/// patterns; "null" is allowed only by an entry "null". An entry "*" matches nothing here: what it means is the
/// caller's.
constexpr origin_kind classify_origin(const request_view& request, std::span<const std::string_view> allowed) noexcept {
    const auto count = request.fields.count("Origin");
    if (count == 0) return origin_kind::absent;
    if (count > 1) return origin_kind::foreign;
    const auto origin = *request.fields.find("Origin");
    for (const auto& entry : allowed) {
        if (entry == origin && entry != "*") return origin_kind::listed;
    }
    return same_host(origin, request.authority()) ? origin_kind::same_host : origin_kind::foreign;
}

}  // namespace weir::http

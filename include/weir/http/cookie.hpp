// SPDX-License-Identifier: BSL-1.0
#pragma once

// Cookies of a request, by view. Layer: protocol. RFC 6265 §4.2, §5.4

#include <weir/http/fields.hpp>
#include <weir/http/grammar.hpp>

#include <cstddef>
#include <optional>
#include <string_view>

namespace weir::http {

/// Calls `visit(name, value)` for every cookie, over all Cookie lines, in order; `visit` returns false to stop. A pair
/// of double quotes around the value is taken off; nothing is decoded. What has no '=' is skipped.
/// Cookies are the client's to forge: they identify only what the server can verify.
template <class Visit>
constexpr void for_each_cookie(const fields_view& fields, Visit&& visit) {
    fields.for_each("Cookie", [&](std::string_view rest) {
        while (!rest.empty()) {
            const auto pair = rest.substr(0, rest.find(';'));
            rest.remove_prefix(pair.size() < rest.size() ? pair.size() + 1 : pair.size());
            const auto equals = pair.find('=');
            if (equals == std::string_view::npos) continue;
            const auto name = trim_ows(pair.substr(0, equals));
            auto value = trim_ows(pair.substr(equals + 1));
            if (value.size() >= 2 && value.starts_with('"') && value.ends_with('"')) {
                value = value.substr(1, value.size() - 2);
            }
            if (!name.empty() && !visit(name, value)) return false;
        }
        return true;
    });
}

/// The value of the first cookie of that name (compared exactly); a view of the field's text. Empty optional: none.
constexpr std::optional<std::string_view> find_cookie(const fields_view& fields, std::string_view name) {
    std::optional<std::string_view> found;
    for_each_cookie(fields, [&](std::string_view cookie_name, std::string_view value) {
        if (cookie_name == name) found = value;
        return !found.has_value();
    });
    return found;
}

}  // namespace weir::http

// SPDX-License-Identifier: BSL-1.0
#pragma once

// Percent-decoding of paths and queries, strictly. Layer: protocol. RFC 3986 §2.1, §3.3, §3.4

#include <weir/http/grammar.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace weir::http {

/// What a '+' stands for: itself, or, as browsers encode forms and queries, a space.
enum class plus : std::uint8_t {
    literal,  ///< a '+', as in paths
    space,    ///< a space, as in queries
};

/// Decodes every %XX. Empty optional: a '%' that two hexadecimal digits do not follow. The result may hold any byte,
/// NUL included.
inline std::optional<std::string> percent_decode(std::string_view text, plus mode = plus::literal) {
    std::string out;
    out.reserve(text.size());
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '%') {
            out.push_back(text[i] == '+' && mode == plus::space ? ' ' : text[i]);
            continue;
        }
        if (text.size() - i < 3) return std::nullopt;
        const int high = hex_value(text[i + 1]);
        const int low = hex_value(text[i + 2]);
        if (high < 0 || low < 0) return std::nullopt;
        out.push_back(static_cast<char>(high * 16 + low));
        i += 2;
    }
    return out;
}

/// Decodes a path for routing and for files, so that its segments are those of the result, split at '/'.
/// Empty optional: refused, with error::bad_encoding to say. Refused is what is malformed, and what only an attack
/// sends: an encoded '/', a '\' in any form, a control character in any form (NUL above all), and the segments "." and
/// ".." in any form, which clients resolve before they send. The path must begin with '/', or be "*".
std::optional<std::string> decode_path(std::string_view path);

/// Calls `visit(name, value)` for every parameter of a query, neither decoded; value is empty without '='. `visit`
/// returns false to stop. Source: WHATWG URL, application/x-www-form-urlencoded parsing
template <class Visit>
constexpr void for_each_parameter(std::string_view query, Visit&& visit) {
    while (!query.empty()) {
        const auto pair = query.substr(0, query.find('&'));
        query.remove_prefix(pair.size() < query.size() ? pair.size() + 1 : pair.size());
        if (pair.empty()) continue;
        const auto equals = pair.find('=');
        const auto value = equals == std::string_view::npos ? std::string_view{} : pair.substr(equals + 1);
        if (!visit(pair.substr(0, equals), value)) return;
    }
}

/// The decoded value of the first parameter with that (decoded) name. Empty optional: there is none, or its value is
/// malformed; valid_encoding() tells them apart.
inline std::optional<std::string> query_parameter(std::string_view query, std::string_view name,
                                                  plus mode = plus::space) {
    std::optional<std::string> found;
    for_each_parameter(query, [&](std::string_view raw_name, std::string_view raw_value) {
        if (raw_name != name && percent_decode(raw_name, mode) != name) return true;
        found = percent_decode(raw_value, mode);
        return false;
    });
    return found;
}

/// Whether every '%' is followed by two hexadecimal digits.
constexpr bool valid_encoding(std::string_view text) noexcept {
    for (auto at = text.find('%'); at != std::string_view::npos; at = text.find('%', at + 3)) {
        if (text.size() - at < 3 || hex_value(text[at + 1]) < 0 || hex_value(text[at + 2]) < 0) return false;
    }
    return true;
}

namespace detail {

constexpr bool is_safe_segment(std::string_view decoded) noexcept {
    if (decoded == "." || decoded == "..") return false;
    for (const char c : decoded) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte < 0x20 || byte == 0x7f || c == '/' || c == '\\') return false;
    }
    return true;
}

}  // namespace detail

inline std::optional<std::string> decode_path(std::string_view path) {
    if (path == "*") return std::string{path};
    if (!path.starts_with('/')) return std::nullopt;
    std::string out;
    out.reserve(path.size());
    while (!path.empty()) {
        path.remove_prefix(1);
        const auto segment = path.substr(0, path.find('/'));
        const auto decoded = percent_decode(segment);
        if (!decoded || !detail::is_safe_segment(*decoded)) return std::nullopt;
        out.append(1, '/').append(*decoded);
        path.remove_prefix(segment.size());
    }
    return out;
}

}  // namespace weir::http

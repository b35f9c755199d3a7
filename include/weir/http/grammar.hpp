// SPDX-License-Identifier: BSL-1.0
#pragma once

// Characters of HTTP and what is compared without case. Layer: protocol. RFC 9110 §5.6, RFC 9112 §3

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace weir::http {

namespace detail {

enum char_class : std::uint8_t {
    token_class = 1,        // tchar
    field_value_class = 2,  // HTAB, SP, VCHAR, obs-text
    visible_class = 4,      // VCHAR
    unreserved_class = 8,   // RFC 3986 §2.3
};

constexpr bool is_letter(unsigned char c) noexcept { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

constexpr std::uint8_t classify(unsigned char c) noexcept {
    const bool visible = c > 0x20 && c < 0x7f;
    const bool alphanumeric = is_letter(c) || (c >= '0' && c <= '9');
    const bool in_token = alphanumeric || (visible && std::string_view{"!#$%&'*+-.^_`|~"}.find(static_cast<char>(c)) !=
                                                          std::string_view::npos);
    const bool unreserved = alphanumeric || c == '-' || c == '.' || c == '_' || c == '~';
    const bool in_field_value = c == '\t' || c == ' ' || visible || c >= 0x80;
    return static_cast<std::uint8_t>((in_token ? token_class : 0) | (in_field_value ? field_value_class : 0) |
                                     (visible ? visible_class : 0) | (unreserved ? unreserved_class : 0));
}

inline constexpr auto char_classes = [] {
    std::array<std::uint8_t, 256> table{};
    for (std::size_t i = 0; i < table.size(); ++i) table[i] = classify(static_cast<unsigned char>(i));
    return table;
}();

constexpr bool in_class(char c, char_class wanted) noexcept {
    return (char_classes[static_cast<unsigned char>(c)] & wanted) != 0;
}

constexpr bool all_in_class(std::string_view text, char_class wanted) noexcept {
    for (const char c : text) {
        if (!in_class(c, wanted)) return false;
    }
    return true;
}

}  // namespace detail

/// A character of a token: method, field name, parameter name. RFC 9110 §5.6.2
constexpr bool is_token_char(char c) noexcept { return detail::in_class(c, detail::token_class); }

/// A character of a field value: no control character but HTAB. RFC 9110 §5.5
constexpr bool is_field_value_char(char c) noexcept { return detail::in_class(c, detail::field_value_class); }

/// A printable ASCII character other than the space.
constexpr bool is_visible_char(char c) noexcept { return detail::in_class(c, detail::visible_class); }

/// A character that means itself in every part of a URI. RFC 3986 §2.3
constexpr bool is_unreserved_char(char c) noexcept { return detail::in_class(c, detail::unreserved_class); }

/// A decimal digit of ASCII.
constexpr bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }

/// Optional white space: a space or a tab. RFC 9110 §5.6.3
constexpr bool is_ows(char c) noexcept { return c == ' ' || c == '\t'; }

/// The value of a hexadecimal digit, or -1.
constexpr int hex_value(char c) noexcept {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

/// Whether `text` may be a method or a field name: a token, not empty.
constexpr bool is_token(std::string_view text) noexcept {
    return !text.empty() && detail::all_in_class(text, detail::token_class);
}

/// Whether `text` can stand as a field's value without ending it: no CR, no LF, no NUL, no other control character.
constexpr bool is_field_value(std::string_view text) noexcept {
    return detail::all_in_class(text, detail::field_value_class);
}

/// `text` without the white space around it.
constexpr std::string_view trim_ows(std::string_view text) noexcept {
    while (!text.empty() && is_ows(text.front())) text.remove_prefix(1);
    while (!text.empty() && is_ows(text.back())) text.remove_suffix(1);
    return text;
}

/// A letter of ASCII in lower case; any other byte as it is.
constexpr char to_lower(char c) noexcept { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; }

/// Compares ASCII letters without case, everything else exactly: field names, tokens, host names.
constexpr bool equal_ignoring_case(std::string_view a, std::string_view b) noexcept {
    if (a.size() != b.size()) return false;
    for (std::size_t i = 0; i < a.size(); ++i) {
        if (to_lower(a[i]) != to_lower(b[i])) return false;
    }
    return true;
}

}  // namespace weir::http

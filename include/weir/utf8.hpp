// SPDX-License-Identifier: BSL-1.0
#pragma once

// Whether bytes are UTF-8, and what to show for those that are not. Layer: ground.
// RFC 3629 §4; WHATWG Encoding, "UTF-8 decoder"; Unicode §3.9, substitution of maximal subparts

#include <cstddef>
#include <string>
#include <string_view>

namespace weir {

/// The text with U+FFFD for each malformed part, as every browser shows it. One allocation for well-formed text.
std::string replace_malformed(std::string_view text);

/// Whether `text` is UTF-8 without control characters (U+0000 to U+001F, U+007F to U+009F): what can be logged and
/// passed on in a field without changing what surrounds it.
constexpr bool is_plain_utf8(std::string_view text) noexcept;

namespace detail {

/// The front of a text: a whole UTF-8 sequence, or the longest start of one that can be replaced as a unit.
struct utf8_front {
    std::size_t size;
    bool well_formed;
};

/// What may follow a lead byte. Only the second byte's range depends on the lead: it keeps out overlong forms,
/// surrogates, and what is beyond U+10FFFF.
struct utf8_lead {
    std::size_t size;
    unsigned char second_min, second_max;
};

constexpr utf8_lead utf8_lead_of(unsigned char lead) noexcept {
    if (lead < 0x80) return {1, 0, 0};
    if (lead < 0xc2) return {0, 0, 0};
    if (lead < 0xe0) return {2, 0x80, 0xbf};
    if (lead == 0xe0) return {3, 0xa0, 0xbf};
    if (lead == 0xed) return {3, 0x80, 0x9f};
    if (lead < 0xf0) return {3, 0x80, 0xbf};
    if (lead == 0xf0) return {4, 0x90, 0xbf};
    if (lead < 0xf4) return {4, 0x80, 0xbf};
    if (lead == 0xf4) return {4, 0x80, 0x8f};
    return {0, 0, 0};
}

/// `text` must not be empty.
constexpr utf8_front front_of(std::string_view text) noexcept {
    utf8_lead lead = utf8_lead_of(static_cast<unsigned char>(text.front()));
    if (lead.size == 0) return {1, false};
    for (std::size_t i = 1; i < lead.size; ++i) {
        if (i == text.size()) return {i, false};
        const auto byte = static_cast<unsigned char>(text[i]);
        if (byte < lead.second_min || byte > lead.second_max) return {i, false};
        lead.second_min = 0x80;
        lead.second_max = 0xbf;
    }
    return {lead.size, true};
}

}  // namespace detail

inline std::string replace_malformed(std::string_view text) {
    std::string out;
    out.reserve(text.size());
    while (!text.empty()) {
        const detail::utf8_front front = detail::front_of(text);
        out += front.well_formed ? text.substr(0, front.size) : std::string_view{"\xef\xbf\xbd"};
        text.remove_prefix(front.size);
    }
    return out;
}

constexpr bool is_plain_utf8(std::string_view text) noexcept {
    while (!text.empty()) {
        const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
        const detail::utf8_front front = detail::front_of(text);
        if (!front.well_formed || byte(0) < 0x20 || byte(0) == 0x7f) return false;
        if (byte(0) == 0xc2 && byte(1) < 0xa0) return false;  // U+0080 to U+009F
        text.remove_prefix(front.size);
    }
    return true;
}

}  // namespace weir

// SPDX-License-Identifier: BSL-1.0
#pragma once

// An event's text as the standard's "UTF-8 decode" leaves it. Layer: protocol.
// WHATWG Encoding, "UTF-8 decoder"; Unicode §3.9, substitution of maximal subparts

#include <cstddef>
#include <string>
#include <string_view>

namespace weir::sse {

/// The text with U+FFFD for each malformed part, as every browser shows it. The decoder leaves the bytes as they came:
/// line ends and field names are ASCII, so to replace afterwards comes to the same. One allocation for well-formed
/// text.
std::string replace_malformed(std::string_view text);

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

}  // namespace weir::sse

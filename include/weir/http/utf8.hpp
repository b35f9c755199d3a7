// SPDX-License-Identifier: BSL-1.0
#pragma once

// Whether bytes are UTF-8, and free of control characters. Layer: protocol. RFC 3629 §4

#include <cstddef>
#include <string_view>

namespace weir::http {

namespace detail {

/// Size of the well-formed sequence at the front of `text`, in bytes; 0: there is none.
constexpr std::size_t utf8_sequence_size(std::string_view text) noexcept {
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    const auto lead = byte(0);
    if (lead < 0x80) return 1;
    const std::size_t size = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
    if (lead < 0xc2 || lead > 0xf4 || text.size() < size) return 0;
    // The second byte is what excludes overlong forms, surrogates and what lies beyond U+10FFFF.
    const unsigned char low = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
    const unsigned char high = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
    if (byte(1) < low || byte(1) > high) return 0;
    for (std::size_t i = 2; i < size; ++i) {
        if (byte(i) < 0x80 || byte(i) > 0xbf) return 0;
    }
    return size;
}

}  // namespace detail

/// Whether `text` is UTF-8 without control characters (U+0000 to U+001F, U+007F to U+009F): what can be logged and
/// passed on in a field without changing what surrounds it.
constexpr bool is_plain_utf8(std::string_view text) noexcept {
    while (!text.empty()) {
        const auto size = detail::utf8_sequence_size(text);
        const auto lead = static_cast<unsigned char>(text.front());
        if (size == 0 || lead < 0x20 || lead == 0x7f) return false;
        if (lead == 0xc2 && static_cast<unsigned char>(text[1]) < 0xa0) return false;  // U+0080 to U+009F
        text.remove_prefix(size);
    }
    return true;
}

}  // namespace weir::http

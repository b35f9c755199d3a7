// SPDX-License-Identifier: BSL-1.0
#pragma once

// Where lines end in an event stream: at CR, LF and CRLF, and nowhere else. Layer: protocol.
// WHATWG HTML, server-sent events, "parsing an event stream": end-of-line

#include <weir/config.hpp>

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace weir::sse {

/// The first CR or LF in [first, last), or `last`. At memory speed.
const char* find_line_end(const char* first, const char* last) noexcept;

/// Where the next line begins, after the CR, LF or CRLF at `end` < `last`.
constexpr const char* after_line_end(const char* end, const char* last) noexcept {
    const bool crlf = *end == '\r' && end + 1 != last && end[1] == '\n';
    return end + (crlf ? 2 : 1);
}

/// Calls `on_line` with each line of the text, without its end. There is always one more than there are line ends: ""
/// is one empty line, and "a\n" is "a" and an empty one.
template <class OnLine>
void for_each_line(std::string_view text, OnLine on_line) {
    const char* first = text.data();
    const char* const last = first + text.size();
    for (;;) {
        const char* const end = find_line_end(first, last);
        on_line(std::string_view{first, static_cast<std::size_t>(end - first)});
        if (end == last) return;
        first = after_line_end(end, last);
    }
}

namespace detail {

/// On any processor: the C library's vectorised search, twice. Out of line, so that its callers stay small enough to be
/// inlined themselves.
[[gnu::noinline]] inline const char* find_line_end_portable(const char* first, const char* last) noexcept {
    // A window, so that text full of CR without any LF is not searched for the LF to its end from every line.
    constexpr std::size_t window = 2048;
    while (first != last) {
        const std::size_t size = std::min(static_cast<std::size_t>(last - first), window);
        const auto* const lf = static_cast<const char*>(std::memchr(first, '\n', size));
        const std::size_t searched = lf ? static_cast<std::size_t>(lf - first) : size;
        if (const void* const cr = std::memchr(first, '\r', searched)) return static_cast<const char*>(cr);
        if (lf) return lf;
        first += size;
    }
    return last;
}

// 32 bytes the compiler computes with at once. Never a parameter: how it is passed depends on the processor.
using byte_vector [[gnu::vector_size(32), gnu::may_alias]] = char;

/// A bit for each of the 32 bytes from `from` that is CR or LF.
WEIR_AVX2_FUNCTION inline std::uint32_t line_end_bits(const char* from) noexcept {
    byte_vector bytes;
    std::memcpy(&bytes, from, sizeof bytes);
    const byte_vector line_ends = (bytes == '\n') | (bytes == '\r');
    return static_cast<std::uint32_t>(WEIR_AVX2_SIGN_BITS(line_ends));
}

/// Whether one of the 128 bytes from `from` is a control character up to CR: nearly always a line end.
WEIR_AVX2_FUNCTION inline bool may_have_line_end(const char* from) noexcept {
    using unsigned_vector [[gnu::vector_size(32)]] = unsigned char;
    unsigned_vector a, b, c, d;
    std::memcpy(&a, from, sizeof a);
    std::memcpy(&b, from + 32, sizeof b);
    std::memcpy(&c, from + 64, sizeof c);
    std::memcpy(&d, from + 96, sizeof d);
    const unsigned_vector ab = a < b ? a : b, cd = c < d ? c : d;
    const unsigned_vector lowest = ab < cd ? ab : cd;
    const byte_vector found = lowest <= '\r';
    return WEIR_AVX2_SIGN_BITS(found) != 0;
}

/// At least 32 bytes.
WEIR_AVX2_FUNCTION inline const char* find_line_end_avx2(const char* first, const char* last) noexcept {
    for (; last - first >= 128; first += 128) {
        if (!may_have_line_end(first)) continue;
        for (int at = 0; at < 128; at += 32) {
            if (const std::uint32_t bits = line_end_bits(first + at)) return first + at + std::countr_zero(bits);
        }
    }
    for (; last - first >= 32; first += 32) {
        if (const std::uint32_t bits = line_end_bits(first)) return first + std::countr_zero(bits);
    }
    if (first == last) return last;
    // The last 32 bytes once more, for those of them that are new.
    const std::uint32_t bits = line_end_bits(last - 32);
    return bits != 0 ? last - 32 + std::countr_zero(bits) : last;
}

}  // namespace detail

inline const char* find_line_end(const char* first, const char* last) noexcept {
    if (first != last && *first == '\n') return first;  // every event ends with an empty line
    if (last - first >= 32 && WEIR_CPU_HAS_AVX2()) return detail::find_line_end_avx2(first, last);
    return detail::find_line_end_portable(first, last);
}

}  // namespace weir::sse

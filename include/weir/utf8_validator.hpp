// SPDX-License-Identifier: BSL-1.0
#pragma once

// Whether text that comes in pieces is UTF-8, known at the first byte that cannot be. Layer: ground.
// RFC 3629 §4; RFC 6455 §8.1

#include <weir/config.hpp>
#include <weir/utf8.hpp>

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <type_traits>

namespace weir {

namespace detail {

constexpr const char* skip_ascii(const char* first, const char* last) noexcept;

/// UTF-8 as a state machine: a state is what the bytes to come have to be.
class utf8_automaton {
public:
    /// Where the state's successor is found in the row of a byte.
    using state = std::uint8_t;
    static constexpr state failed = 0;    ///< and every byte leads here again
    static constexpr state boundary = 6;  ///< not within a sequence

    consteval utf8_automaton();

    /// One shift for each byte, whatever the text: there is no branch to mispredict.
    constexpr state run(state from, const char* first, const char* last) const noexcept {
        std::uint64_t at = from;
        for (; first != last; ++first) at = rows_[static_cast<unsigned char>(*first)] >> (at & 63);
        return at & 63;
    }

private:
    /// The state in which `expected.size` bytes are still to come, the next one within the range.
    consteval state state_for(utf8_lead expected);

    // For each byte the successors of all states, six bits each: enough to say how far the next row is to be shifted.
    std::array<std::uint64_t, 256> rows_{};
    std::array<utf8_lead, 8> expected_{};  // of the states after `boundary`
    std::size_t expected_count_ = 0;
};

}  // namespace detail

/// Checks text that comes in pieces, cut anywhere. One byte large.
class utf8_validator {
public:
    /// Checks the next piece. False once no bytes that may follow could make the text UTF-8, and ever after.
    constexpr bool feed(std::string_view piece) noexcept;

    /// Whether what was fed so far is UTF-8 as it stands: without a fault, and not ending within a sequence.
    constexpr bool complete() const noexcept { return state_ == detail::utf8_automaton::boundary; }

    /// Begins a new text.
    constexpr void reset() noexcept { state_ = detail::utf8_automaton::boundary; }

private:
    detail::utf8_automaton::state state_ = detail::utf8_automaton::boundary;
};

/// Whether the whole text is UTF-8. RFC 3629 §4
constexpr bool is_utf8(std::string_view text) noexcept {
    utf8_validator validator;
    return validator.feed(text) && validator.complete();
}

namespace detail {

consteval utf8_automaton::utf8_automaton() {
    for (unsigned byte = 0; byte < 256; ++byte) {
        const utf8_lead lead = utf8_lead_of(static_cast<unsigned char>(byte));
        if (lead.size == 0) continue;
        const std::uint64_t next = state_for({lead.size - 1, lead.second_min, lead.second_max});
        rows_[byte] |= next << boundary;
    }
}

consteval utf8_automaton::state utf8_automaton::state_for(utf8_lead expected) {
    if (expected.size == 0) return boundary;
    std::size_t index = 0;
    for (; index < expected_count_; ++index) {
        const utf8_lead& known = expected_[index];
        const bool same_range = known.second_min == expected.second_min && known.second_max == expected.second_max;
        if (known.size == expected.size && same_range) break;
    }
    const auto found = static_cast<state>(boundary + 6 * (index + 1));
    if (index < expected_count_) return found;

    expected_[expected_count_++] = expected;
    const std::uint64_t next = state_for({expected.size - 1, 0x80, 0xbf});
    for (unsigned byte = expected.second_min; byte <= expected.second_max; ++byte) rows_[byte] |= next << found;
    return found;
}

inline constexpr utf8_automaton automaton;

// What the compiler computes with at once. Never a parameter: how it is passed depends on the processor.
using text_vector [[gnu::vector_size(32), gnu::may_alias]] = char;

/// A bit for each of the 32 bytes from `from` that is not ASCII.
WEIR_AVX2_FUNCTION inline std::uint32_t non_ascii_bits(const char* from) noexcept {
    text_vector bytes;
    std::memcpy(&bytes, from, sizeof bytes);
    return static_cast<std::uint32_t>(WEIR_AVX2_SIGN_BITS(bytes));
}

/// Whether all of the 128 bytes from `from` are ASCII.
WEIR_AVX2_FUNCTION inline bool is_ascii_128(const char* from) noexcept {
    text_vector a, b, c, d;
    std::memcpy(&a, from, sizeof a);
    std::memcpy(&b, from + 32, sizeof b);
    std::memcpy(&c, from + 64, sizeof c);
    std::memcpy(&d, from + 96, sizeof d);
    const text_vector all = (a | b) | (c | d);
    return WEIR_AVX2_SIGN_BITS(all) == 0;
}

/// At least 32 bytes.
WEIR_AVX2_FUNCTION inline const char* skip_ascii_avx2(const char* first, const char* last) noexcept {
    while (last - first >= 128 && is_ascii_128(first)) first += 128;
    for (; last - first >= 32; first += 32) {
        if (const std::uint32_t bits = non_ascii_bits(first)) return first + std::countr_zero(bits);
    }
    if (first == last) return last;
    // The last 32 bytes once more, for those of them that are new.
    const std::uint32_t bits = non_ascii_bits(last - 32);
    return bits != 0 ? last - 32 + std::countr_zero(bits) : last;
}

/// On any processor; may stop up to 7 bytes early.
inline const char* skip_ascii_portable(const char* first, const char* last) noexcept {
    for (std::uint64_t word; last - first >= 8; first += 8) {
        std::memcpy(&word, first, 8);
        if ((word & 0x8080'8080'8080'8080) != 0) break;
    }
    return first;
}

/// Past ASCII at the front of the text, most or all of it.
constexpr const char* skip_ascii(const char* first, const char* last) noexcept {
    if (std::is_constant_evaluated()) return first;
    if (last - first >= 32 && WEIR_CPU_HAS_AVX2()) return skip_ascii_avx2(first, last);
    return skip_ascii_portable(first, last);
}

}  // namespace detail

constexpr bool utf8_validator::feed(std::string_view piece) noexcept {
    // So many bytes go through the state machine before the next look for ASCII.
    constexpr std::ptrdiff_t stride = 16;
    const char* first = piece.data();
    const char* const last = first + piece.size();
    while (first != last) {
        if (complete()) first = detail::skip_ascii(first, last);
        const char* const end = first + std::min(last - first, stride);
        state_ = detail::automaton.run(state_, first, end);
        if (state_ == detail::utf8_automaton::failed) return false;
        first = end;
    }
    return state_ != detail::utf8_automaton::failed;
}

}  // namespace weir

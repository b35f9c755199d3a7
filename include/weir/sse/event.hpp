// SPDX-License-Identifier: BSL-1.0
#pragma once

// What is sent as one server-sent event, in types that cannot hold what would break the stream. Layer: protocol.
// WHATWG HTML, server-sent events, "parsing an event stream"

#include <weir/time.hpp>

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>

namespace weir {

namespace detail {

/// Whether the text fits on one line of a stream: CR and LF would end it, and an id with NUL is ignored by clients.
constexpr bool fits_one_line(std::string_view text) noexcept {
    return std::none_of(text.begin(), text.end(), [](char c) { return c == '\r' || c == '\n' || c == '\0'; });
}

/// Text that is not known to fit when it is compiled.
template <class Text>
concept text_but_no_literal = std::is_convertible_v<const Text&, std::string_view> && !std::is_array_v<Text>;

void text_contains_cr_lf_or_nul();  // never defined: its name is the compiler's message for a bad literal

template <std::size_t N>
consteval std::string_view one_line(const char (&literal)[N]) {
    const std::string_view text{literal, N - 1};
    if (!fits_one_line(text) || literal[N - 1] != '\0') text_contains_cr_lf_or_nul();
    return text;
}

/// As from_chars, but the whole text must be digits. Too large: `ec` is result_out_of_range.
inline std::from_chars_result parse_digits(std::string_view text, auto& value) noexcept {
    const bool digits = std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
    if (text.empty() || !digits) return {text.data(), std::errc::invalid_argument};
    return std::from_chars(text.data(), text.data() + text.size(), value);
}

constexpr std::size_t decimal_size(std::uint64_t n) noexcept {
    std::size_t size = 1;
    for (; n >= 10; n /= 10) ++size;
    return size;
}

}  // namespace detail

/// The type of an event: what `addEventListener` is given. A view; the text must outlive it.
/// Invariant: no CR, LF or NUL. Empty: no `event:` line, and clients see "message".
class event_name {
public:
    constexpr event_name() noexcept = default;
    /// From a literal. One with CR, LF or NUL does not compile.
    template <std::size_t N>
    consteval event_name(const char (&literal)[N]) : text_{detail::one_line(literal)} {}
    /// Text of any other origin goes through parse(): the parameter's name is the compiler's message.
    template <detail::text_but_no_literal Text>
    event_name(const Text& use_event_name_parse) = delete;

    /// From text of any origin. Empty result: it has CR, LF or NUL.
    static constexpr std::optional<event_name> parse(std::string_view text) noexcept {
        if (!detail::fits_one_line(text)) return std::nullopt;
        event_name name;
        name.text_ = text;
        return name;
    }

    /// As it was given.
    constexpr std::string_view text() const noexcept { return text_; }
    /// Whether there is no name, and clients see "message".
    constexpr bool empty() const noexcept { return text_.empty(); }

private:
    std::string_view text_;
};

/// The id of an event: what a client sends back as Last-Event-ID. A number held inside, or a view of text that must
/// outlive it. Invariant: no CR, LF or NUL. Absent: no `id:` line, and the client keeps the id it has; empty text: the
/// client forgets it.
class event_id {
public:
    constexpr event_id() noexcept = default;
    /// From a literal. One with CR, LF or NUL does not compile.
    template <std::size_t N>
    consteval event_id(const char (&literal)[N]) : event_id{detail::one_line(literal)} {}
    /// Text of any other origin goes through parse(): the parameter's name is the compiler's message.
    template <detail::text_but_no_literal Text>
    event_id(const Text& use_event_id_parse) = delete;
    /// A number, written in decimal.
    constexpr explicit event_id(std::uint64_t n) noexcept : value_{n}, kind_{kind::number} {}

    /// From text of any origin. Empty result: it has CR, LF or NUL.
    static constexpr std::optional<event_id> parse(std::string_view text) noexcept {
        if (!detail::fits_one_line(text)) return std::nullopt;
        return event_id{text};
    }

    /// Whether there is an id; false: absent.
    constexpr bool has_value() const noexcept { return kind_ != kind::absent; }
    /// The id as a number; empty unless the whole text is decimal digits and fits.
    std::optional<std::uint64_t> number() const noexcept;
    /// The id's text, unless it was made from a number. Valid as long as what it was made from.
    constexpr std::string_view text() const noexcept {
        return kind_ == kind::text ? std::string_view{text_, value_} : std::string_view{};
    }
    /// The id's text, owned.
    std::string str() const {
        std::string text(size(), '\0');
        write(text.data());
        return text;
    }

    /// Bytes of the id's text.
    constexpr std::size_t size() const noexcept {
        return kind_ == kind::number ? detail::decimal_size(value_) : value_;
    }
    /// Writes size() bytes, and returns the end.
    char* write(char* out) const noexcept;

    /// The same text, or both absent.
    friend bool operator==(const event_id& a, const event_id& b) {
        return a.has_value() == b.has_value() && a.str() == b.str();
    }

private:
    enum class kind : std::uint8_t { absent, text, number };

    constexpr explicit event_id(std::string_view text) noexcept
        : text_{text.data()}, value_{text.size()}, kind_{kind::text} {}

    const char* text_ = nullptr;
    std::uint64_t value_ = 0;  // the number, or the text's size
    kind kind_ = kind::absent;
};

/// One event to send. Its texts are views, and are read while it is being sent only.
struct sse_event {
    event_name event{};  ///< empty: "message"
    event_id id{};       ///< absent: the client keeps the id it has
    /// Any bytes; clients decode them as UTF-8. Split into lines at CR, LF and CRLF, which the client joins with LF.
    std::string_view data{};
    std::optional<milliseconds> retry{};  ///< how long clients wait before they reconnect; negative counts as zero
    /// Never on the wire: what `keep_latest` conflates by. Empty: the event's name.
    std::string_view key{};
};

inline std::optional<std::uint64_t> event_id::number() const noexcept {
    if (kind_ == kind::number) return value_;
    std::uint64_t value = 0;
    if (detail::parse_digits({text_, value_}, value).ec != std::errc{}) return std::nullopt;
    return value;
}

inline char* event_id::write(char* out) const noexcept {
    if (kind_ == kind::number) return std::to_chars(out, out + size(), value_).ptr;
    if (value_ != 0) std::memcpy(out, text_, value_);
    return out + value_;
}

}  // namespace weir

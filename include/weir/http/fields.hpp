// SPDX-License-Identifier: BSL-1.0
#pragma once

// Field lines of a message, by view: look-up by name and list-valued fields. Layer: protocol. RFC 9110 §5

#include <weir/http/grammar.hpp>

#include <concepts>
#include <cstddef>
#include <optional>
#include <span>
#include <string_view>
#include <type_traits>
#include <utility>

namespace weir::http {

/// One field line: a view of its name and of its value, without the white space around it.
struct field_view {
    std::string_view name;   ///< as it was written; compared in any case
    std::string_view value;  ///< without white space around it

    friend bool operator==(const field_view&, const field_view&) = default;
};

/// The field lines of a message, in order. Owns nothing: valid as long as the lines and the text they refer to.
class fields_view {
public:
    constexpr fields_view() noexcept = default;
    /// Of lines that outlive this view.
    constexpr fields_view(std::span<const field_view> lines) noexcept : lines_{lines} {}
    /// From a vector, an array or any other contiguous range of field_view, which must outlive this view.
    template <class Range>
        requires(std::convertible_to<const Range&, std::span<const field_view>> &&
                 !std::same_as<Range, std::span<const field_view>> && !std::same_as<Range, fields_view>)
    constexpr fields_view(const Range& lines) noexcept : lines_{lines} {}

    /// The first line.
    constexpr auto begin() const noexcept { return lines_.begin(); }
    /// Behind the last line.
    constexpr auto end() const noexcept { return lines_.end(); }
    /// The number of lines.
    constexpr std::size_t size() const noexcept { return lines_.size(); }
    /// Whether there is no line.
    constexpr bool empty() const noexcept { return lines_.empty(); }

    /// The value of the first line of that name, in any case; empty optional: there is none.
    constexpr std::optional<std::string_view> find(std::string_view name) const noexcept {
        for (const auto& line : lines_) {
            if (equal_ignoring_case(line.name, name)) return line.value;
        }
        return std::nullopt;
    }

    /// How many lines of that name there are.
    constexpr std::size_t count(std::string_view name) const noexcept {
        std::size_t total = 0;
        for (const auto& line : lines_) total += equal_ignoring_case(line.name, name) ? std::size_t{1} : 0;
        return total;
    }

    /// Whether there is a line of that name.
    constexpr bool contains(std::string_view name) const noexcept { return find(name).has_value(); }

    /// Calls `visit(value)` for every line of that name, in order. `visit` may return bool: false stops.
    template <class Visit>
    constexpr void for_each(std::string_view name, Visit&& visit) const;

    /// Calls `visit(element)` for every element of a comma-separated list, over all lines of that name. Elements are
    /// trimmed, empty ones skipped, and a comma within a quoted string does not separate. `visit` may return bool:
    /// false stops. RFC 9110 §5.6.1
    template <class Visit>
    constexpr void for_each_element(std::string_view name, Visit&& visit) const;

    /// Whether a list-valued field has an element equal to `token` in any case: `has_token("Connection", "close")`.
    constexpr bool has_token(std::string_view name, std::string_view token) const {
        bool found = false;
        for_each_element(name, [&](std::string_view element) {
            found = equal_ignoring_case(element, token);
            return !found;
        });
        return found;
    }

private:
    std::span<const field_view> lines_;
};

/// Takes the text before the next `separator` off the front of `rest`; quoted strings are not searched. The pieces
/// of `a;b="c;d"` at ';' are `a` and `b="c;d"`. A quote that is never closed reaches to the end. RFC 9110 §5.6.4
constexpr std::string_view take_until(std::string_view& rest, char separator) noexcept {
    bool quoted = false;
    std::size_t end = 0;
    for (; end < rest.size() && (quoted || rest[end] != separator); ++end) {
        if (rest[end] == '"') quoted = !quoted;
        if (quoted && rest[end] == '\\' && end + 1 < rest.size()) ++end;
    }
    const auto piece = rest.substr(0, end);
    rest.remove_prefix(end < rest.size() ? end + 1 : end);
    return piece;
}

namespace detail {

/// Calls a visitor that returns bool, or nothing at all; false means stop.
template <class Visit>
constexpr bool goes_on(Visit& visit, std::string_view text) {
    if constexpr (std::is_void_v<std::invoke_result_t<Visit&, std::string_view>>) {
        visit(text);
        return true;
    } else {
        return visit(text);
    }
}

}  // namespace detail

template <class Visit>
constexpr void fields_view::for_each(std::string_view name, Visit&& visit) const {
    for (const auto& line : lines_) {
        if (equal_ignoring_case(line.name, name) && !detail::goes_on(visit, line.value)) return;
    }
}

template <class Visit>
constexpr void fields_view::for_each_element(std::string_view name, Visit&& visit) const {
    for_each(name, [&](std::string_view rest) {
        while (!rest.empty()) {
            const auto element = trim_ows(take_until(rest, ','));
            if (!element.empty() && !detail::goes_on(visit, element)) return false;
        }
        return true;
    });
}

}  // namespace weir::http

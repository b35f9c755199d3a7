// SPDX-License-Identifier: BSL-1.0
#pragma once

// Finds what answers a method and a path. Layer: protocol. RFC 9110 §9.1, §15.5.5, §15.5.6

#include <weir/error.hpp>
#include <weir/http/grammar.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace weir::http {

/// What a parameter of a pattern stood for: `{room}` and "lobby".
struct path_parameter {
    std::string_view name;   ///< a view of the router's pattern
    std::string_view value;  ///< a view of the path that was looked up
};

/// Routes, each a method, a pattern and a value of the application's (a handler, say).
///
/// A pattern begins with '/'. A segment `{name}` matches one segment that is not empty; `{name...}` as the last one
/// matches all the rest, with its slashes, even if empty. Everything else matches itself. Of several patterns that
/// match, the one that is more literal wins, segment by segment from the left, whatever the order of adding.
///
/// Look-up compares the path with each pattern: meant for the dozens of routes of a program, not for thousands.
/// Thread-safe as long as nothing is added.
template <class T>
class router {
public:
    /// Adds a route; an empty method answers every method that no other route of the same path answers.
    /// error::bad_argument: no valid pattern, a name twice in it, or the same method with the same shape of path
    /// before.
    [[nodiscard]] error add(std::string_view method, std::string_view pattern, T value);

    /// What a look-up has found.
    struct match {
        weir::error error = weir::error::not_found;  ///< none, not_found or method_not_allowed
        const T* value = nullptr;                    ///< if none
        std::vector<path_parameter> parameters;      ///< if none
        std::string allow;                           ///< if method_not_allowed: the value for the Allow field
    };

    /// Looks up a decoded path (see decode_path). GET routes answer HEAD too, unless one for HEAD is there.
    match find(std::string_view method, std::string_view path) const;

    /// Whether no route has been added.
    bool empty() const noexcept { return routes_.empty(); }

private:
    enum class segment_kind : std::uint8_t { literal, parameter, rest };  // in order of precedence

    struct segment {
        segment_kind kind;
        std::string text;  // the literal, or the parameter's name
    };

    struct route {
        std::string method;
        std::vector<segment> segments;
        T value;
    };

    static std::optional<std::vector<segment>> parse(std::string_view pattern);
    static std::optional<segment> parse_segment(std::string_view text);
    static bool matches(const route& candidate, std::string_view path) noexcept;
    static bool precedes(const route& a, const route& b) noexcept;
    static bool same_shape(const std::vector<segment>& a, const std::vector<segment>& b) noexcept;
    static std::vector<path_parameter> parameters_of(const route& found, std::string_view path);

    const route* best(std::string_view method, std::string_view path) const noexcept;
    std::string allowed_methods(std::string_view path) const;

    std::vector<route> routes_;
};

namespace detail {

/// Takes a segment off a path that begins with '/': "/a/b" yields "a" and leaves "/b".
constexpr std::string_view take_segment(std::string_view& path) noexcept {
    path.remove_prefix(1);
    const auto segment = path.substr(0, path.find('/'));
    path.remove_prefix(segment.size());
    return segment;
}

}  // namespace detail

template <class T>
error router<T>::add(std::string_view method, std::string_view pattern, T value) {
    auto segments = parse(pattern);
    if (!segments || (!method.empty() && !is_token(method))) return error::bad_argument;
    for (const auto& known : routes_) {
        if (known.method == method && same_shape(known.segments, *segments)) return error::bad_argument;
    }
    routes_.push_back({std::string{method}, std::move(*segments), std::move(value)});
    return error::none;
}

template <class T>
typename router<T>::match router<T>::find(std::string_view method, std::string_view path) const {
    const auto* found = best(method, path);

    match result;
    if (found != nullptr) {
        result.error = error::none;
        result.value = &found->value;
        result.parameters = parameters_of(*found, path);
        return result;
    }
    result.allow = allowed_methods(path);
    if (!result.allow.empty()) result.error = error::method_not_allowed;
    return result;
}

template <class T>
const typename router<T>::route* router<T>::best(std::string_view method, std::string_view path) const noexcept {
    // The path decides first, then the method: a catch-all for GET does not hide a literal route for any method.
    const auto rank = [method](const route& r) {
        if (r.method == method) return 0;
        if (method == "HEAD" && r.method == "GET") return 1;
        return r.method.empty() ? 2 : 3;
    };
    const route* found = nullptr;
    for (const auto& known : routes_) {
        if (rank(known) == 3 || !matches(known, path)) continue;
        const bool better =
            found == nullptr || precedes(known, *found) || (!precedes(*found, known) && rank(known) < rank(*found));
        if (better) found = &known;
    }
    return found;
}

template <class T>
std::string router<T>::allowed_methods(std::string_view path) const {
    std::vector<std::string_view> methods;
    const auto add = [&](std::string_view method) {
        if (std::find(methods.begin(), methods.end(), method) == methods.end()) methods.push_back(method);
    };
    for (const auto& known : routes_) {
        if (!matches(known, path)) continue;
        add(known.method);
        if (known.method == "GET") add("HEAD");
    }
    std::string out;
    for (const auto& method : methods) out.append(out.empty() ? "" : ", ").append(method);
    return out;
}

template <class T>
bool router<T>::matches(const route& candidate, std::string_view path) noexcept {
    for (const auto& expected : candidate.segments) {
        if (!path.starts_with('/')) return false;  // at its end, or "*"
        if (expected.kind == segment_kind::rest) return true;
        const auto actual = detail::take_segment(path);
        if (expected.kind == segment_kind::literal ? actual != expected.text : actual.empty()) return false;
    }
    return path.empty();
}

template <class T>
bool router<T>::precedes(const route& a, const route& b) noexcept {
    return std::lexicographical_compare(a.segments.begin(), a.segments.end(), b.segments.begin(), b.segments.end(),
                                        [](const segment& x, const segment& y) { return x.kind < y.kind; });
}

template <class T>
bool router<T>::same_shape(const std::vector<segment>& a, const std::vector<segment>& b) noexcept {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const segment& x, const segment& y) {
        return x.kind == y.kind && (x.kind != segment_kind::literal || x.text == y.text);
    });
}

template <class T>
std::vector<path_parameter> router<T>::parameters_of(const route& found, std::string_view path) {
    std::vector<path_parameter> out;
    for (const auto& [kind, text] : found.segments) {
        if (kind == segment_kind::rest) {
            out.push_back({text, path.substr(1)});
            break;
        }
        const auto actual = detail::take_segment(path);
        if (kind == segment_kind::parameter) out.push_back({text, actual});
    }
    return out;
}

template <class T>
auto router<T>::parse(std::string_view pattern) -> std::optional<std::vector<segment>> {
    if (!pattern.starts_with('/')) return std::nullopt;
    std::vector<segment> out;
    while (!pattern.empty()) {
        auto next = parse_segment(detail::take_segment(pattern));
        if (!next) return std::nullopt;
        if (next->kind == segment_kind::rest && !pattern.empty()) return std::nullopt;
        const bool twice =
            next->kind != segment_kind::literal && std::any_of(out.begin(), out.end(), [&](const auto& s) {
                return s.kind != segment_kind::literal && s.text == next->text;
            });
        if (twice) return std::nullopt;
        out.push_back(std::move(*next));
    }
    return out;
}

template <class T>
auto router<T>::parse_segment(std::string_view text) -> std::optional<segment> {
    if (text.find_first_of("{}") == std::string_view::npos) return segment{segment_kind::literal, std::string{text}};
    if (!text.starts_with('{') || !text.ends_with('}')) return std::nullopt;
    auto name = text.substr(1, text.size() - 2);
    const bool rest = name.ends_with("...");
    if (rest) name.remove_suffix(3);
    if (name.empty() || name.find_first_of("{}.") != std::string_view::npos) return std::nullopt;
    return segment{rest ? segment_kind::rest : segment_kind::parameter, std::string{name}};
}

}  // namespace weir::http

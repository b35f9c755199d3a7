// SPDX-License-Identifier: BSL-1.0
#pragma once

// The elements of Sec-WebSocket-Extensions, of offers and of answers, by view. Layer: protocol. RFC 6455 §9.1

#include <weir/http/fields.hpp>
#include <weir/http/grammar.hpp>

#include <cstddef>
#include <optional>
#include <string_view>
#include <type_traits>

namespace weir::ws {

/// A parameter of an extension.
struct extension_parameter {
    std::string_view name;  ///< in any case
    /// Absent: the name stands alone. Otherwise a token, without quotes if it came in quotes; a backslash in it is not
    /// part of the token, but makes a quoted-pair with the character that follows.
    std::optional<std::string_view> value;
};

/// One extension with its parameters. Owns nothing: valid as long as the field it was read from.
class extension_view {
public:
    /// The extension's name.
    constexpr std::string_view name() const noexcept { return name_; }

    /// Calls `visit(const extension_parameter&)` for every parameter, in order. `visit` may return bool: false stops.
    template <class Visit>
    constexpr void for_each_parameter(Visit&& visit) const;

    /// Reads one element of the list. Empty optional: a grammar error.
    static constexpr std::optional<extension_view> parse(std::string_view element);

private:
    std::string_view name_;
    std::string_view parameters_;
};

/// Calls `visit(const extension_view&)` for every extension of the fields, of which several are one list. False: a
/// grammar error. What was visited before does not count then, and nothing after it is visited. Linear in the fields'
/// size.
template <class Visit>
constexpr bool for_each_extension(const http::fields_view& fields, Visit&& visit);

namespace detail {

/// The inside of a quoted-string that means a token: "the value after quoted-string unescaping MUST conform to the
/// 'token' ABNF". A backslash is no token character, so here it always makes a pair.
constexpr bool is_quoted_token(std::string_view text) noexcept {
    for (std::size_t at = 0; at < text.size(); ++at) {
        if (text[at] == '\\') ++at;
        if (at == text.size() || !http::is_token_char(text[at])) return false;
    }
    return !text.empty();
}

/// `token [ "=" (token | quoted-string) ]`. The grammar is that of RFC 2616, which allows white space around the "=".
constexpr std::optional<extension_parameter> parse_extension_parameter(std::string_view text) noexcept {
    const auto equals = text.find('=');
    const auto name = http::trim_ows(text.substr(0, equals));
    if (!http::is_token(name)) return std::nullopt;
    if (equals == std::string_view::npos) return extension_parameter{name, std::nullopt};

    auto value = http::trim_ows(text.substr(equals + 1));
    if (http::is_token(value)) return extension_parameter{name, value};
    if (value.size() < 2 || value.front() != '"' || value.back() != '"') return std::nullopt;
    value = value.substr(1, value.size() - 2);
    if (!is_quoted_token(value)) return std::nullopt;
    return extension_parameter{name, value};
}

}  // namespace detail

constexpr std::optional<extension_view> extension_view::parse(std::string_view element) {
    if (element.ends_with(';')) return std::nullopt;
    extension_view extension;
    extension.name_ = http::trim_ows(http::take_until(element, ';'));
    extension.parameters_ = element;
    if (!http::is_token(extension.name_)) return std::nullopt;
    while (!element.empty()) {
        if (!detail::parse_extension_parameter(http::take_until(element, ';'))) return std::nullopt;
    }
    return extension;
}

template <class Visit>
constexpr void extension_view::for_each_parameter(Visit&& visit) const {
    for (auto rest = parameters_; !rest.empty();) {
        const auto parameter = detail::parse_extension_parameter(http::take_until(rest, ';'));
        if constexpr (std::is_void_v<std::invoke_result_t<Visit&, const extension_parameter&>>) {
            visit(*parameter);
        } else {
            if (!visit(*parameter)) return;
        }
    }
}

template <class Visit>
constexpr bool for_each_extension(const http::fields_view& fields, Visit&& visit) {
    constexpr std::string_view name = "Sec-WebSocket-Extensions";
    bool any = false, valid = true;
    fields.for_each_element(name, [&](std::string_view element) {
        const auto extension = extension_view::parse(element);
        any = true;
        valid = extension.has_value();
        if (valid) visit(*extension);
        return valid;
    });
    // "1#extension": a field without an element is malformed as well
    return valid && (any || !fields.contains(name));
}

}  // namespace weir::ws

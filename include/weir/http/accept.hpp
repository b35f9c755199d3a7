// SPDX-License-Identifier: BSL-1.0
#pragma once

// What a client's Accept fields say about one media type. Layer: protocol. RFC 9110 §12.5.1, §12.4.2

#include <weir/http/fields.hpp>
#include <weir/http/grammar.hpp>

#include <algorithm>
#include <optional>
#include <string_view>

namespace weir::http {

/// A weight in thousandths, from 0 (not acceptable) to 1000. Empty optional: `text` is no qvalue.
constexpr std::optional<int> parse_weight(std::string_view text) noexcept {
    if (text.empty() || text.size() > 5 || (text[0] != '0' && text[0] != '1')) return std::nullopt;
    if (text.size() > 1 && text[1] != '.') return std::nullopt;
    int weight = (text[0] - '0') * 1000;
    int unit = 100;
    for (const char c : text.substr(std::min<std::size_t>(text.size(), 2))) {
        if (!is_digit(c)) return std::nullopt;
        weight += (c - '0') * unit;
        unit /= 10;
    }
    return weight <= 1000 ? std::optional{weight} : std::nullopt;
}

/// An element of an Accept field.
struct media_range {
    std::string_view type;     ///< or "*"
    std::string_view subtype;  ///< or "*"
    int weight = 1000;         ///< in thousandths; 0: not acceptable

    /// Whether a media type falls into this range.
    constexpr bool matches(std::string_view wanted_type, std::string_view wanted_subtype) const noexcept {
        return (type == "*" || equal_ignoring_case(type, wanted_type)) &&
               (subtype == "*" || equal_ignoring_case(subtype, wanted_subtype));
    }
    /// 0 for "*/*", 1 for "text/*", 2 for a whole type.
    constexpr int specificity() const noexcept { return (type == "*" ? 0 : 1) + (subtype == "*" ? 0 : 1); }
};

/// Parses a range; parameters other than the weight are passed over. Empty optional: malformed.
constexpr std::optional<media_range> parse_media_range(std::string_view element) noexcept {
    const auto name = trim_ows(take_until(element, ';'));
    const auto slash = name.find('/');
    if (slash == std::string_view::npos) return std::nullopt;
    media_range range{name.substr(0, slash), name.substr(slash + 1)};
    if (!is_token(range.type) || !is_token(range.subtype)) return std::nullopt;
    if (range.type == "*" && range.subtype != "*") return std::nullopt;
    while (!element.empty()) {
        const auto parameter = trim_ows(take_until(element, ';'));
        if (!equal_ignoring_case(parameter.substr(0, 2), "q=")) continue;
        const auto weight = parse_weight(parameter.substr(2));
        if (!weight) return std::nullopt;
        range.weight = *weight;
    }
    return range;
}

/// How much the client wants `type/subtype`, in thousandths; 0: it does not. Without an Accept field, or with an empty
/// one, everything is wanted. The most specific range that matches decides: `text/event-stream;q=0, */*` is a refusal.
/// A malformed range counts for nothing.
constexpr int accepted_weight(const fields_view& fields, std::string_view type, std::string_view subtype) {
    bool any = false;
    int specificity = -1;
    int weight = 0;
    fields.for_each_element("Accept", [&](std::string_view element) {
        any = true;
        const auto range = parse_media_range(element);
        if (!range || !range->matches(type, subtype) || range->specificity() < specificity) return;
        weight = range->specificity() > specificity ? range->weight : std::max(weight, range->weight);
        specificity = range->specificity();
    });
    return any ? weight : 1000;
}

}  // namespace weir::http

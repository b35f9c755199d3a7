// SPDX-License-Identifier: BSL-1.0
#pragma once

// Names of topics, patterns that match many of them, and what one subscriber wants. Layer: session. MQTT 5 §4.7

#include <weir/utf8_validator.hpp>

#include <algorithm>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace weir {

/// In bytes, of names and patterns alike. MQTT 5 §4.7.3
inline constexpr std::size_t max_topic_size = 65'535;

/// Whether messages can be published to `text`: levels split by '/', any of them may be empty, all in well-formed
/// UTF-8 without NUL and wildcards, 1 to `max_topic_size` bytes. MQTT 5 §4.7.3
constexpr bool is_topic_name(std::string_view text) noexcept;

/// Whether `text` can be subscribed to: a name, or one in which '+' stands for a whole level, '#' for the last ones.
/// MQTT 5 §4.7.1
constexpr bool is_topic_pattern(std::string_view text) noexcept;

/// Whether `pattern`, for which is_topic_pattern holds, is more than a name.
constexpr bool has_wildcard(std::string_view pattern) noexcept;

/// Whether `pattern` matches `name`, byte by byte: case matters, nothing is normalized. Reads both at most once,
/// whatever they hold; the answer has a meaning where is_topic_pattern and is_topic_name hold. MQTT 5 §4.7
constexpr bool topic_matches(std::string_view pattern, std::string_view name) noexcept;

/// The names and patterns that one subscriber wants: each is valid, and there once. Thread-safe as a container is.
class topic_set {
public:
    topic_set() = default;

    /// Nothing if there are no topics, or one is neither name nor pattern. One that is given twice counts once.
    static std::optional<topic_set> parse(std::span<const std::string_view> topics);

    /// Whether messages of the topic `name` are wanted. Costs a binary search among the names, and topic_matches for
    /// each pattern until one does.
    bool contains(std::string_view name) const noexcept;

    /// False: `topic` is neither name nor pattern, or it is here already.
    bool add(std::string_view topic);
    /// Takes out a name or a pattern as it was put in. False: it is not here; a pattern that matches it stays.
    bool remove(std::string_view topic) noexcept;

    /// Whether nothing is wanted.
    bool empty() const noexcept { return names_.empty() && patterns_.empty(); }
    /// Names and patterns together.
    std::size_t size() const noexcept { return names_.size() + patterns_.size(); }

    /// The name, if it is one name and nothing else; otherwise null. Valid until the set changes, as are the spans.
    const std::string* single_name() const noexcept {
        return names_.size() == 1 && patterns_.empty() ? &names_.front() : nullptr;
    }
    /// In the order of their bytes.
    std::span<const std::string> names() const noexcept { return names_; }
    /// In the order of their bytes.
    std::span<const std::string> patterns() const noexcept { return patterns_; }

private:
    std::vector<std::string>& list_of(std::string_view topic) noexcept {
        return has_wildcard(topic) ? patterns_ : names_;
    }

    std::vector<std::string> names_, patterns_;  // sorted
};

namespace detail {

/// What holds for names and patterns alike. MQTT 5 §4.7.3
constexpr bool is_topic_text(std::string_view text) noexcept {
    // "All Topic Names and Topic Filters MUST be at least one character long"; they "MUST NOT include the null
    // character (Unicode U+0000)"; the limit is what a length of 16 bits can say.
    return !text.empty() && text.size() <= max_topic_size && text.find('\0') == text.npos && is_utf8(text);
}

constexpr std::string_view topic_wildcards = "+#";

}  // namespace detail

constexpr bool has_wildcard(std::string_view pattern) noexcept {
    return pattern.find_first_of(detail::topic_wildcards) != pattern.npos;
}

constexpr bool is_topic_name(std::string_view text) noexcept {
    // "The wildcard characters can be used in Topic Filters, but MUST NOT be used within a Topic Name". MQTT 5 §4.7.1
    return detail::is_topic_text(text) && !has_wildcard(text);
}

constexpr bool is_topic_pattern(std::string_view text) noexcept {
    if (!detail::is_topic_text(text)) return false;
    std::size_t i = text.find_first_of(detail::topic_wildcards);
    for (; i != text.npos; i = text.find_first_of(detail::topic_wildcards, i + 1)) {
        // '+' "MUST occupy an entire level of the filter"; '#' "MUST be the last character specified in the Topic
        // Filter". MQTT 5 §4.7.1.2, §4.7.1.3
        const bool begins_level = i == 0 || text[i - 1] == '/';
        const bool ends_level = i + 1 == text.size() || (text[i] == '+' && text[i + 1] == '/');
        if (!begins_level || !ends_level) return false;
    }
    return true;
}

constexpr bool topic_matches(std::string_view pattern, std::string_view name) noexcept {
    // "The Server MUST NOT match Topic Filters starting with a wildcard character (# or +) with Topic Names beginning
    // with a $ character". MQTT 5 §4.7.2
    if (name.starts_with('$') && (pattern.starts_with('#') || pattern.starts_with('+'))) return false;
    std::size_t at = 0;  // in the name
    for (std::size_t i = 0; i < pattern.size(); ++i) {
        if (pattern[i] == '#') return true;
        if (pattern[i] == '+') {
            at = std::min(name.find('/', at), name.size());
            continue;
        }
        // "The multi-level wildcard represents the parent and any number of child levels". MQTT 5 §4.7.1.2
        if (at == name.size()) return pattern.substr(i) == "/#";
        if (pattern[i] != name[at++]) return false;
    }
    return at == name.size();
}

inline std::optional<topic_set> topic_set::parse(std::span<const std::string_view> topics) {
    if (topics.empty() || !std::ranges::all_of(topics, is_topic_pattern)) return std::nullopt;
    std::vector<std::string_view> sorted(topics.begin(), topics.end());
    std::ranges::sort(sorted);
    sorted.erase(std::unique(sorted.begin(), sorted.end()), sorted.end());
    const auto patterns = static_cast<std::size_t>(std::ranges::count_if(sorted, has_wildcard));
    topic_set set;
    set.names_.reserve(sorted.size() - patterns);
    set.patterns_.reserve(patterns);
    for (const std::string_view topic : sorted) set.list_of(topic).emplace_back(topic);
    return set;
}

inline bool topic_set::contains(std::string_view name) const noexcept {
    if (std::ranges::binary_search(names_, name)) return true;
    return std::ranges::any_of(patterns_, [&](std::string_view pattern) { return topic_matches(pattern, name); });
}

inline bool topic_set::add(std::string_view topic) {
    if (!is_topic_pattern(topic)) return false;
    auto& list = list_of(topic);
    const auto place = std::ranges::lower_bound(list, topic);
    if (place != list.end() && *place == topic) return false;
    list.emplace(place, topic);
    return true;
}

inline bool topic_set::remove(std::string_view topic) noexcept {
    auto& list = list_of(topic);
    const auto place = std::ranges::lower_bound(list, topic);
    if (place == list.end() || *place != topic) return false;
    list.erase(place);
    return true;
}

}  // namespace weir

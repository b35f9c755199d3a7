// SPDX-License-Identifier: BSL-1.0

// What matches what is what MQTT 5 4.7 says, told level by level; sets say the same as their members.

#include <weir/session/topic.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

namespace {

using namespace weir;

void require(bool condition) {
    if (!condition) std::abort();
}

std::vector<std::string_view> levels_of(std::string_view topic) {
    std::vector<std::string_view> levels;
    for (;;) {
        const std::size_t end = std::min(topic.find('/'), topic.size());
        levels.push_back(topic.substr(0, end));
        if (end == topic.size()) return levels;
        topic.remove_prefix(end + 1);
    }
}

bool matches_by_levels(std::string_view pattern, std::string_view name) {
    const auto wanted = levels_of(pattern), given = levels_of(name);
    if (name.front() == '$' && (wanted[0] == "#" || wanted[0] == "+")) return false;
    for (std::size_t i = 0; i != wanted.size(); ++i) {
        if (wanted[i] == "#") return true;
        if (i == given.size() || (wanted[i] != "+" && wanted[i] != given[i])) return false;
        if (i + 1 == given.size() && i + 2 == wanted.size() && wanted[i + 1] == "#") return true;
    }
    return wanted.size() == given.size();
}

bool is_pattern_by_levels(std::string_view pattern) {
    const auto levels = levels_of(pattern);
    for (std::size_t i = 0; i != levels.size(); ++i) {
        const bool wild = levels[i].find_first_of("+#") != std::string_view::npos;
        if (wild && levels[i] != "+" && (levels[i] != "#" || i + 1 != levels.size())) return false;
    }
    return true;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    // A name, then patterns, one on each line.
    std::string_view text{reinterpret_cast<const char*>(data), size};
    const auto next_line = [&] {
        const std::string_view line = text.substr(0, text.find('\n'));
        text.remove_prefix(std::min(line.size() + 1, text.size()));
        return line;
    };
    const std::string_view name = next_line();
    topic_set set;
    std::vector<std::string_view> added;
    bool wanted = false;
    while (!text.empty()) {
        const std::string_view pattern = next_line();
        static_cast<void>(topic_matches(pattern, name));  // whatever the bytes
        if (is_topic_pattern(pattern)) require(is_pattern_by_levels(pattern));
        if (is_topic_name(pattern)) require(is_topic_pattern(pattern) && !has_wildcard(pattern));
        const bool is_new = std::find(added.begin(), added.end(), pattern) == added.end();
        require(set.add(pattern) == (is_topic_pattern(pattern) && is_new));
        if (!is_topic_pattern(pattern)) continue;
        added.push_back(pattern);
        if (!is_topic_name(name)) continue;
        require(topic_matches(pattern, name) == matches_by_levels(pattern, name));
        wanted = wanted || topic_matches(pattern, name);
    }
    if (is_topic_name(name)) require(set.contains(name) == wanted);
    for (const std::string_view pattern : added) set.remove(pattern);
    require(set.empty());
    return 0;
}

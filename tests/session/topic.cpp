// SPDX-License-Identifier: BSL-1.0

#include <weir/session/topic.hpp>

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "catch.hpp"

using namespace std::literals;
using weir::has_wildcard;
using weir::is_topic_name;
using weir::is_topic_pattern;
using weir::topic_matches;
using weir::topic_set;

namespace {

using texts = std::vector<std::string_view>;

std::optional<topic_set> parse(const texts& topics) { return topic_set::parse(topics); }

template <class Strings>
texts views(const Strings& strings) {
    return {strings.begin(), strings.end()};
}

std::string repeated(std::string_view text, std::size_t times) {
    std::string out;
    for (std::size_t i = 0; i < times; ++i) out += text;
    return out;
}

/// All texts of 1 to `longest` characters of the alphabet.
std::vector<std::string> all_texts(std::string_view alphabet, std::size_t longest) {
    std::vector<std::string> out{""};
    for (std::size_t from = 0, length = 0; length < longest; ++length) {
        const std::size_t to = out.size();
        for (; from < to; ++from) {
            for (const char c : alphabet) out.push_back(out[from] + c);
        }
    }
    out.erase(out.begin());
    return out;
}

texts levels_of(std::string_view text) {
    texts levels;
    for (auto slash = text.find('/'); slash != text.npos; slash = text.find('/')) {
        levels.push_back(text.substr(0, slash));
        text.remove_prefix(slash + 1);
    }
    levels.push_back(text);
    return levels;
}

/// The rules as they are told, level by level.
bool model_is_pattern(std::string_view text) {
    const texts levels = levels_of(text);
    for (std::size_t i = 0; i < levels.size(); ++i) {
        if (levels[i] == "#" && i + 1 != levels.size()) return false;
        if (levels[i].size() > 1 && has_wildcard(levels[i])) return false;
    }
    return true;
}

bool model_matches(std::string_view pattern, std::string_view name) {
    const texts wanted = levels_of(pattern), given = levels_of(name);
    if (given[0].starts_with('$') && has_wildcard(wanted[0])) return false;
    for (std::size_t i = 0; i < wanted.size(); ++i) {
        if (wanted[i] == "#") return i <= given.size();
        if (i == given.size()) return false;
        if (wanted[i] != "+" && wanted[i] != given[i]) return false;
    }
    return wanted.size() == given.size();
}

}  // namespace

TEST_CASE("MQTT 5 4.7.3: what is a topic name", "[session][topic]") {
    STATIC_REQUIRE(is_topic_name("news"));
    for (const auto name : {"a"sv, "news/sport"sv, "/"sv, "//"sv, "/finance"sv, "sport/"sv, "Accounts payable"sv,
                            "$SYS/uptime"sv, "$"sv, "caf\xc3\xa9/\xf0\x9f\x8d\xb5"sv, "a\nb"sv, "a*b"sv}) {
        CAPTURE(name);
        CHECK(is_topic_name(name));
        CHECK(is_topic_pattern(name));
        CHECK_FALSE(has_wildcard(name));
    }
}

TEST_CASE("MQTT 5 4.7.3: what is neither name nor pattern", "[session][topic]") {
    STATIC_REQUIRE_FALSE(is_topic_name(""));
    for (const auto text : {""sv, "\0"sv, "a/\0"sv, "a\0b"sv, "\xff"sv, "a/\xc3"sv, "\xc0\xaf"sv, "\xed\xa0\x80"sv,
                            "+/\0"sv, "\xff/#"sv, "\xc3/#"sv}) {
        CAPTURE(text);
        CHECK_FALSE(is_topic_name(text));
        CHECK_FALSE(is_topic_pattern(text));
    }
}

TEST_CASE("MQTT 5 4.7.3: a name has 65,535 bytes at most, and so has a pattern", "[session][topic]") {
    const std::string longest(65'535, 'a');
    CHECK(is_topic_name(longest));
    CHECK_FALSE(is_topic_name(longest + 'a'));
    CHECK(is_topic_pattern(longest.substr(2) + "/#"));
    CHECK_FALSE(is_topic_pattern(longest.substr(1) + "/#"));
}

TEST_CASE("MQTT 5 4.7.1: where wildcards may stand", "[session][topic]") {
    STATIC_REQUIRE(is_topic_pattern("a/+/#"));
    for (const auto pattern :
         {"#"sv, "+"sv, "/#"sv, "/+"sv, "+/"sv, "sport/#"sv, "+/tennis/#"sv, "sport/+/player"sv, "+/+"sv, "$SYS/#"sv}) {
        CAPTURE(pattern);
        CHECK(is_topic_pattern(pattern));
        CHECK(has_wildcard(pattern));
        CHECK_FALSE(is_topic_name(pattern));
    }
    for (const auto text : {"sport+"sv, "+sport"sv, "a/+b/c"sv, "a/b+/c"sv, "++"sv, "sport#"sv, "#sport"sv, "a/b#"sv,
                            "a/#/b"sv, "#/"sv, "##"sv, "+#"sv, "#+"sv, "#/#"sv, "+/b+"sv}) {
        CAPTURE(text);
        CHECK_FALSE(is_topic_pattern(text));
        CHECK_FALSE(is_topic_name(text));
    }
}

TEST_CASE("MQTT 5 4.7.1.2: '#' matches the parent and everything below it", "[session][topic]") {
    STATIC_REQUIRE(topic_matches("sport/#", "sport"));
    CHECK(topic_matches("sport/tennis/#", "sport/tennis"));
    CHECK(topic_matches("sport/tennis/#", "sport/tennis/"));
    CHECK(topic_matches("sport/tennis/#", "sport/tennis/final/score"));
    CHECK_FALSE(topic_matches("sport/tennis/#", "sport"));
    CHECK_FALSE(topic_matches("sport/tennis/#", "sport/"));
    CHECK_FALSE(topic_matches("sport/tennis/#", "sport/tennis2"));
    CHECK_FALSE(topic_matches("sport/#", "Sport/tennis"));
    CHECK(topic_matches("#", "sport"));
    CHECK(topic_matches("#", "/"));
    CHECK(topic_matches("/#", "/"));
    CHECK(topic_matches("/#", "/sport"));
    CHECK_FALSE(topic_matches("/#", "sport"));
}

TEST_CASE("MQTT 5 4.7.1.3: '+' matches one whole level, an empty one too", "[session][topic]") {
    STATIC_REQUIRE(topic_matches("sport/+", "sport/tennis"));
    CHECK(topic_matches("sport/+", "sport/"));
    CHECK_FALSE(topic_matches("sport/+", "sport"));
    CHECK_FALSE(topic_matches("sport/+", "sport/tennis/final"));
    CHECK(topic_matches("sport/+/final", "sport/tennis/final"));
    CHECK(topic_matches("sport/+/final", "sport//final"));
    CHECK_FALSE(topic_matches("sport/+/final", "sport/final"));
    CHECK(topic_matches("+/+", "/finance"));
    CHECK(topic_matches("/+", "/finance"));
    CHECK_FALSE(topic_matches("+", "/finance"));
    CHECK(topic_matches("+/tennis/#", "sport/tennis"));
    CHECK(topic_matches("+/#", "sport"));
    CHECK_FALSE(topic_matches("+/+/#", "sport"));
}

TEST_CASE("MQTT 5 4.7.2: names that begin with '$' are not for patterns that begin with a wildcard",
          "[session][topic]") {
    CHECK_FALSE(topic_matches("#", "$SYS"));
    CHECK_FALSE(topic_matches("#", "$SYS/uptime"));
    CHECK_FALSE(topic_matches("+/uptime", "$SYS/uptime"));
    CHECK_FALSE(topic_matches("+", "$"));
    CHECK(topic_matches("$SYS/#", "$SYS"));
    CHECK(topic_matches("$SYS/#", "$SYS/uptime"));
    CHECK(topic_matches("$SYS/+", "$SYS/uptime"));
    CHECK(topic_matches("$SYS/uptime", "$SYS/uptime"));
    CHECK(topic_matches("#", "money/$"));
    CHECK(topic_matches("+/+", "money/$"));
    CHECK(topic_matches("/#", "/$SYS"));
}

TEST_CASE("MQTT 5 4.7.3: a name matches itself and nothing else, nothing is normalized", "[session][topic]") {
    CHECK(topic_matches("news/sport", "news/sport"));
    CHECK_FALSE(topic_matches("news/sport", "news/sports"));
    CHECK_FALSE(topic_matches("news/sports", "news/sport"));
    CHECK_FALSE(topic_matches("ACCOUNTS", "Accounts"));
    CHECK_FALSE(topic_matches("finance", "/finance"));
    CHECK_FALSE(topic_matches("a//b", "a/b"));
    CHECK_FALSE(topic_matches("\xc3\xa9", "e\xcc\x81"));  // the same to the eye
}

TEST_CASE("topic: every short pattern on every short name is as the rules say", "[session][topic]") {
    const auto names = all_texts("a/$", 5);
    std::size_t patterns = 0;
    std::vector<std::string> wrong;
    for (const auto& pattern : all_texts("a/$+#", 5)) {
        if (is_topic_pattern(pattern) != model_is_pattern(pattern)) wrong.push_back(pattern);
        if (!model_is_pattern(pattern)) continue;
        ++patterns;
        for (const auto& name : names) {
            if (topic_matches(pattern, name) != model_matches(pattern, name)) wrong.push_back(pattern + " on " + name);
        }
    }
    CHECK(wrong == std::vector<std::string>{});
    CHECK(patterns > 500);
}

TEST_CASE("topic: names and patterns of the greatest depth", "[session][topic]") {
    const std::string empty_levels(65'535, '/');
    const std::string name = repeated("a/", 32'767) + 'a';
    const std::string any_level = repeated("+/", 32'767) + '+';
    const std::string any_depth = repeated("+/", 32'767) + '#';
    REQUIRE(is_topic_pattern(any_level));
    REQUIRE(is_topic_pattern(any_depth));
    CHECK(topic_matches(any_level, name));
    CHECK_FALSE(topic_matches(any_level, empty_levels));  // twice as deep
    CHECK(topic_matches(any_depth, name));
    CHECK(topic_matches(any_depth, empty_levels));
    CHECK(topic_matches(any_depth, name.substr(2)));  // its parent
    CHECK_FALSE(topic_matches(any_depth, name.substr(4)));
}

TEST_CASE("topic: matching what is neither a pattern nor a name is safe", "[session][topic]") {
    for (const auto& pattern : all_texts("a/+#", 4)) {
        for (const auto& name : all_texts("a/+#", 3)) static_cast<void>(topic_matches(pattern, name));
        CHECK_FALSE(topic_matches("", pattern));
    }
    CHECK_FALSE(topic_matches("a", ""));
    CHECK(topic_matches("\xff/#", "\xff/a"));
}

TEST_CASE("topic set: is made of names and patterns, each once, in order", "[session][topic_set]") {
    const auto set = parse({"b/#", "news", "a/+", "news", "$SYS", "b/#", "\xc3\xa9"});
    REQUIRE(set);
    CHECK(views(set->names()) == texts{"$SYS", "news", "\xc3\xa9"});
    CHECK(views(set->patterns()) == texts{"a/+", "b/#"});
    CHECK(set->size() == 5);
    CHECK_FALSE(set->empty());
}

TEST_CASE("topic set: one fault, and there is none", "[session][topic_set]") {
    CHECK_FALSE(parse({}));
    CHECK_FALSE(parse({""}));
    CHECK_FALSE(parse({"news", "a/#/b"}));
    CHECK_FALSE(parse({"\xff", "news"}));
    CHECK(parse({"news"}));
}

TEST_CASE("topic set: contains what a name is or a pattern matches", "[session][topic_set]") {
    const auto set = parse({"news", "weather", "sport/+", "alarm/#"});
    REQUIRE(set);
    for (const auto name : {"news"sv, "weather"sv, "sport/tennis"sv, "alarm"sv, "alarm/fire/3"sv}) {
        CAPTURE(name);
        CHECK(set->contains(name));
    }
    for (const auto name : {"new"sv, "news/today"sv, "sport"sv, "sport/tennis/final"sv, "zoo"sv, ""sv}) {
        CAPTURE(name);
        CHECK_FALSE(set->contains(name));
    }
    CHECK_FALSE(topic_set{}.contains("news"));
}

TEST_CASE("topic set: adds what is valid and new", "[session][topic_set]") {
    topic_set set;
    CHECK(set.empty());
    CHECK(set.add("news"));
    CHECK(set.add("b/#"));
    CHECK(set.add("alarm"));
    CHECK(set.add("a/#"));
    CHECK_FALSE(set.add("news"));
    CHECK_FALSE(set.add("b/#"));
    CHECK_FALSE(set.add(""));
    CHECK_FALSE(set.add("b#"));
    CHECK(set.add("b/c"));  // although a pattern matches it
    CHECK(views(set.names()) == texts{"alarm", "b/c", "news"});
    CHECK(views(set.patterns()) == texts{"a/#", "b/#"});
    CHECK(set.contains("news"));
    CHECK(set.contains("b"));
}

TEST_CASE("topic set: adds a text of its own", "[session][topic_set]") {
    auto set = parse({"news/of/today/and/tomorrow"});
    REQUIRE(set);
    CHECK_FALSE(set->add(set->names()[0]));
    CHECK(set->add(std::string_view{set->names()[0]}.substr(0, 20)));
    CHECK(views(set->names()) == texts{"news/of/today/and/to", "news/of/today/and/tomorrow"});
    CHECK(set->remove(set->names()[0]));
    CHECK(views(set->names()) == texts{"news/of/today/and/tomorrow"});
}

TEST_CASE("topic set: removes what is there as it was put in", "[session][topic_set]") {
    auto set = parse({"news", "sport", "sport/#", "alarm"});
    REQUIRE(set);
    CHECK(set->remove("sport"));
    CHECK_FALSE(set->remove("sport"));
    CHECK_FALSE(set->remove("sport/tennis"));
    CHECK_FALSE(set->remove("sport/+"));
    CHECK_FALSE(set->remove(""));
    CHECK(set->contains("sport"));  // by the pattern
    CHECK(set->remove("sport/#"));
    CHECK_FALSE(set->contains("sport"));
    CHECK(views(set->names()) == texts{"alarm", "news"});
    CHECK(set->remove("news"));
    CHECK(set->remove("alarm"));
    CHECK(set->empty());
    CHECK(set->size() == 0);
}

TEST_CASE("topic set: has a single name when it is that and nothing else", "[session][topic_set]") {
    CHECK(topic_set{}.single_name() == nullptr);
    CHECK(parse({"sport/#"})->single_name() == nullptr);
    auto set = parse({"news", "news"});
    REQUIRE(set);
    REQUIRE(set->single_name() != nullptr);
    CHECK(*set->single_name() == "news");
    set->add("sport/#");
    CHECK(set->single_name() == nullptr);
    set->remove("sport/#");
    CHECK(set->single_name() != nullptr);
    set->add("alarm");
    CHECK(set->single_name() == nullptr);
}

TEST_CASE("topic set: is a value, and a small one", "[session][topic_set]") {
    STATIC_REQUIRE(sizeof(topic_set) <= 2 * sizeof(std::vector<std::string>));
    auto set = parse({"news", "sport/#"});
    REQUIRE(set);
    const topic_set copy = *set;
    topic_set moved = std::move(*set);
    moved.remove("news");
    CHECK_FALSE(moved.contains("news"));
    CHECK(copy.contains("news"));
    *set = copy;
    CHECK(set->size() == 2);
}

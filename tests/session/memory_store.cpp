// SPDX-License-Identifier: BSL-1.0

#include <weir/session/memory_store.hpp>

#include <weir/session/message_store.hpp>
#include <weir/session/published_message.hpp>
#include <weir/session/topic.hpp>
#include <weir/time.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "support/store_laws.hpp"

using namespace std::chrono_literals;
using test::message;
using test::topics;
using weir::history_limits;
using weir::memory_store;
using weir::message_ptr;
using weir::time_point;

namespace {

constexpr time_point t0 = time_point{} + 1h;

/// Appends to the topic, and says which number it got.
std::uint64_t append(memory_store& store, std::string_view topic, std::string_view data = {}, time_point at = t0) {
    store.append(message(store.last() + 1, topic, data, {}, at));
    return store.last();
}

/// The sequence numbers that are read: " 1 2 3".
std::string read(const memory_store& store, const std::vector<std::string_view>& names, std::uint64_t after = 0) {
    std::vector<message_ptr> out(1'000);
    out.resize(store.read(topics(names), after, out));
    std::string numbers;
    for (const auto& m : out) numbers += " " + std::to_string(m->sequence());
    return numbers;
}

bool lost(const memory_store& store, const std::vector<std::string_view>& names, std::uint64_t after) {
    return store.backlog(topics(names), after).lost;
}

}  // namespace

static_assert(weir::message_store<memory_store>);
static_assert(!std::is_copy_constructible_v<memory_store>);

TEST_CASE("memory_store: obeys the laws, whatever its limits", "[session][memory_store]") {
    const std::vector<history_limits> all_limits{
        {},
        {.messages = 0, .bytes = 0},
        {.messages = 1},
        {.messages = 5},
        {.messages = 40},
        {.bytes = 1},
        {.bytes = 30},
        {.messages = 0, .bytes = 200},
        {.age = 1ms},
        {.messages = 0, .age = 10s},
        {.messages_per_topic = 1},
        {.messages = 0, .bytes = 0, .messages_per_topic = 3},
        {.messages = 6, .messages_per_topic = 2},
        {.messages = 20, .bytes = 100, .age = 30s, .messages_per_topic = 7},
    };
    for (const history_limits& limits : all_limits) {
        INFO("messages " << limits.messages << ", bytes " << limits.bytes << ", age " << limits.age.count()
                         << ", of a topic " << limits.messages_per_topic);
        test::check_store_laws([&] { return memory_store{limits}; });
    }
}

TEST_CASE("memory_store: by default the newest 1,000 messages and 16 MiB are kept", "[session][memory_store]") {
    memory_store store;
    SECTION("messages") {
        for (int i = 0; i != 1'000; ++i) append(store, "a");
        CHECK(store.backlog(topics({"a"}), 0).messages == 1'000);
        append(store, "b");
        CHECK(store.backlog(topics({"a"}), 0).messages == 999);
        CHECK(store.backlog(topics({"#"}), 0).messages == 1'000);
        CHECK(store.complete_after() == 1);
    }
    SECTION("bytes") {
        const std::string mebibyte(1024 * 1024 - 1, 'x');
        for (int i = 0; i != 16; ++i) append(store, "a", mebibyte);
        CHECK(store.backlog(topics({"a"}), 0).bytes == 16 * 1024 * 1024);
        append(store, "a");
        CHECK(store.backlog(topics({"a"}), 0).messages == 16);
    }
    SECTION("however old") {
        append(store, "a");
        store.trim(weir::never);
        CHECK(read(store, {"a"}) == " 1");
    }
}

TEST_CASE("memory_store: as many bytes as fit, of topic and data alike", "[session][memory_store]") {
    memory_store store{{.bytes = 10}};
    append(store, "a", "four");
    append(store, "b", "four");
    CHECK(read(store, {"#"}) == " 1 2");
    append(store, "a");  // one byte is one too many
    CHECK(read(store, {"#"}) == " 2 3");
    append(store, "b", "too much for it");
    CHECK(read(store, {"#"}) == "");
    CHECK(lost(store, {"b"}, 3));
    CHECK(store.last() == 4);
    append(store, "b", "123456789");
    CHECK(read(store, {"#"}) == " 5");
}

TEST_CASE("memory_store: what has reached the age is forgotten when it is trimmed, not before",
          "[session][memory_store]") {
    memory_store store{{.age = 10s}};
    append(store, "a", "", t0);
    append(store, "b", "", t0 + 1s);
    append(store, "a", "", t0 + 20s);
    CHECK(read(store, {"#"}) == " 1 2 3");
    store.trim(t0 + 10s - 1ns);
    CHECK(read(store, {"#"}) == " 1 2 3");
    store.trim(t0 + 10s);
    CHECK(read(store, {"#"}) == " 2 3");
    CHECK(lost(store, {"a"}, 0));
    CHECK_FALSE(lost(store, {"b"}, 0));
    CHECK(store.backlog(topics({"#"}), 0).oldest == t0 + 1s);
    store.trim(t0 + 1h);
    CHECK(read(store, {"#"}) == "");
    CHECK(store.backlog(topics({"#"}), 0).oldest == weir::never);
    CHECK(store.last() == 3);
}

TEST_CASE("memory_store: a topic with too many messages costs the others nothing", "[session][memory_store]") {
    memory_store store{{.messages_per_topic = 2}};
    append(store, "quiet");
    for (int i = 0; i != 5; ++i) append(store, "busy");
    append(store, "quiet");
    CHECK(read(store, {"busy"}) == " 5 6");
    CHECK(read(store, {"quiet"}) == " 1 7");
    CHECK(read(store, {"#"}) == " 1 5 6 7");
    CHECK(read(store, {"#"}, 5) == " 6 7");
    CHECK(lost(store, {"busy"}, 3));
    CHECK_FALSE(lost(store, {"busy"}, 4));
    CHECK_FALSE(lost(store, {"quiet"}, 0));
    CHECK(store.complete_after() == 4);
}

TEST_CASE("memory_store: what one topic had too many of does not count for all", "[session][memory_store]") {
    memory_store store{{.messages = 4, .messages_per_topic = 2}};
    append(store, "quiet");
    for (int i = 0; i != 3; ++i) append(store, "busy");
    append(store, "other");
    CHECK(read(store, {"#"}) == " 1 3 4 5");
    append(store, "other");
    CHECK(read(store, {"#"}) == " 3 4 5 6");
}

TEST_CASE("memory_store: what a busy topic has lost takes no room, although a quiet one has older messages",
          "[session][memory_store]") {
    // Each reading would pass all that was lost before, and all of them take minutes.
    memory_store store{{.messages_per_topic = 1}};
    append(store, "quiet");
    for (int i = 0; i != 200'000; ++i) {
        const std::uint64_t newest = append(store, "busy");
        if (store.backlog(topics({"quiet", "busy"}), 0).messages != 2) REQUIRE(newest == 2);
    }
    CHECK(read(store, {"+"}) == " 1 200001");
}

TEST_CASE("memory_store: a message that is forgotten is gone", "[session][memory_store]") {
    memory_store store{{.messages = 3, .messages_per_topic = 2}};
    std::vector<std::weak_ptr<const weir::published_message>> all;
    for (const char* const topic : {"a", "b", "b", "b", "c", "d"}) {
        const message_ptr m = message(store.last() + 1, topic, "", "key");
        all.push_back(m);
        store.append(m);
    }
    CHECK(read(store, {"#"}) == " 4 5 6");
    for (std::size_t i = 0; i != all.size(); ++i) CHECK(all[i].expired() == (i < 3));
}

TEST_CASE("memory_store: a message supersedes the kept one with its key", "[session][memory_store]") {
    memory_store store{{.messages = 3}};
    const auto put = [&](std::string_view topic, std::string_view key) {
        const message_ptr m = message(store.last() + 1, topic, "", key);
        store.append(m);
        return m;
    };
    const message_ptr first = put("a", "a key too long to be stored within a string");
    const message_ptr other_topic = put("b", first->key());
    const message_ptr second = put("a", first->key());
    CHECK(first->superseded());
    CHECK_FALSE(other_topic->superseded());
    put("c", "");
    CHECK(read(store, {"#"}) == " 2 3 4");  // the older one is gone, the key is not
    const message_ptr third = put("a", first->key());
    CHECK(second->superseded());
    for (int i = 0; i != 3; ++i) put("c", "");
    put("a", first->key());
    CHECK_FALSE(third->superseded());  // it was forgotten before
}

TEST_CASE("memory_store: quiet topics of which nothing is left are not told of a gap", "[session][memory_store]") {
    memory_store store{{.messages = 2}};
    append(store, "quiet");
    for (int i = 0; i != 10; ++i) append(store, "busy");
    CHECK(lost(store, {"quiet"}, 0));
    CHECK_FALSE(lost(store, {"quiet"}, 1));
    CHECK_FALSE(lost(store, {"never"}, 0));
    CHECK_FALSE(lost(store, {"q/#"}, 0));
    CHECK_FALSE(lost(store, {"quiet", "never"}, 1));
    CHECK(lost(store, {"quiet/#"}, 0));
    CHECK_FALSE(lost(store, {"quiet/#"}, 1));

    CHECK(append(store, "quiet") == 12);
    CHECK(lost(store, {"quiet"}, 0));
    CHECK_FALSE(lost(store, {"quiet"}, 1));
}

TEST_CASE("memory_store: it remembers the 1,024 topics that fell silent last", "[session][memory_store]") {
    memory_store store{{.messages = 1}};
    for (int i = 1; i <= 1'025; ++i) append(store, "topic " + std::to_string(i));
    CHECK_FALSE(lost(store, {"never"}, 0));  // 1,024 are silent

    SECTION("of others something may be lost") {
        append(store, "topic 1026");
        CHECK(lost(store, {"never"}, 0));
        CHECK_FALSE(lost(store, {"never"}, 1));
        CHECK(lost(store, {"topic 1"}, 0));
        CHECK_FALSE(lost(store, {"topic 1"}, 1));
        CHECK(lost(store, {"topic 2"}, 1));
        CHECK_FALSE(lost(store, {"topic 2"}, 2));
        CHECK(lost(store, {"never/#"}, 0));
        CHECK_FALSE(lost(store, {"never/#"}, 1));

        append(store, "topic 1");  // its record is a new one
        CHECK(lost(store, {"topic 1"}, 0));
        CHECK_FALSE(lost(store, {"topic 1"}, 1));
        append(store, "topic 1");
        CHECK(lost(store, {"topic 1"}, 1026));
        CHECK_FALSE(lost(store, {"topic 1"}, 1027));
    }
    SECTION("one that speaks again is the last to be forgotten") {
        append(store, "topic 1");
        append(store, "topic 1026");
        append(store, "topic 1027");
        CHECK_FALSE(lost(store, {"topic 1"}, 1026));
        CHECK(lost(store, {"topic 1"}, 1025));
        CHECK(lost(store, {"never"}, 2));  // the topics 2 and 3 are forgotten
        CHECK_FALSE(lost(store, {"never"}, 3));
    }
}

TEST_CASE("memory_store: the epoch is eight random characters, or the one it is given", "[session][memory_store]") {
    const memory_store store;
    CHECK(store.epoch().size() == 8);
    CHECK(store.epoch().find_first_not_of("0123456789abcdefghijklmnopqrstuvwxyz") == std::string_view::npos);
    CHECK(store.epoch() != memory_store{}.epoch());
    memory_store given{{}, "an epoch that was given"};
    CHECK(given.epoch() == "an epoch that was given");
    CHECK(memory_store{std::move(given)}.epoch() == "an epoch that was given");
}

TEST_CASE("memory_store: a fifo is as large as what is in it asks for", "[session][memory_store]") {
    weir::detail::fifo<std::shared_ptr<int>> items;
    const auto push = [&](int n) {
        items.make_room();
        items.push_back(std::make_shared<int>(n));
    };
    const auto content = [&] {
        std::vector<int> numbers;
        for (const auto& item : std::as_const(items).items()) numbers.push_back(*item);
        return numbers;
    };
    CHECK(items.empty());
    for (int i = 0; i != 10; ++i) push(i);
    const std::weak_ptr<int> first = items.front();
    for (int i = 0; i != 7; ++i) items.pop_front();
    CHECK(first.expired());
    push(10);
    CHECK(items.size() == 4);
    CHECK(content() == std::vector{7, 8, 9, 10});
    items.erase_if([](const auto& item) { return *item % 2 == 0; });
    CHECK(content() == std::vector{7, 9});
    for (int i = 0; i != 2; ++i) items.pop_front();
    CHECK(items.empty());
    for (int i = 0; i != 1'000; ++i) {
        push(i);
        if (items.size() > 3) items.pop_front();
    }
    CHECK(content() == std::vector{997, 998, 999});
    CHECK(items.capacity() <= 8);

    for (int i = 0; i != 1'000; ++i) push(i);
    CHECK(items.capacity() >= 1'003);
    while (items.size() != 5) items.pop_front();
    push(1'000);
    CHECK(content() == std::vector{995, 996, 997, 998, 999, 1'000});
    CHECK(items.capacity() == 10);
}

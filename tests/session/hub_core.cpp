// SPDX-License-Identifier: BSL-1.0

#include <weir/session/hub_core.hpp>

#include <weir/policy/lag.hpp>
#include <weir/session/memory_store.hpp>
#include <weir/session/message_store.hpp>
#include <weir/session/published_message.hpp>
#include <weir/session/topic.hpp>
#include <weir/time.hpp>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "support/fake_hub.hpp"

using namespace std::literals;
using test::fake_core;
using test::t0;
using weir::message_ptr;
using weir::subscribed;

namespace {

constexpr std::uint64_t no_end = std::numeric_limits<std::uint64_t>::max();

/// A loop that writes down what it is given.
class notebook final : public weir::detail::message_sink {
public:
    void put(message_ptr message) override {
        text += std::to_string(message->sequence()).append(":").append(message->data()).append(" ");
    }
    void put(weir::presence_change change) override {
        text += (change.joined ? '+' : '-') + change.member + '@' + change.topic + ' ';
    }
    void put_close(weir::milliseconds) override { text += "close "; }
    std::string take() { return std::exchange(text, {}); }

    std::string text;
};

weir::topic_set set(std::vector<std::string_view> topics) {
    return weir::topic_set::parse(topics).value_or(weir::topic_set{});
}

struct hub {
    explicit hub(weir::history_limits limits = {}, std::function<void(const weir::presence_change&)> on_presence = {})
        : core(weir::detail::any_store{weir::memory_store{limits, "epoch"}}, weir::message_format{.with_ids = true},
               {.lag = weir::skip_oldest{}, .on_presence = std::move(on_presence)}) {}

    std::uint64_t publish(std::string_view topic, std::string_view data = {}) {
        return core.publish(topic, {.data = data}, at);
    }
    fake_core::place enter(std::vector<std::string_view> topics, std::string_view after = {}, bool oldest = false) {
        return core.enter(set(topics), after, oldest, sink, at);
    }
    void leave(const std::string& topic) { core.leave(topic, sink); }
    /// Sequences read, and what else the answer says.
    std::string read(std::vector<std::string_view> topics, std::uint64_t after, std::size_t room,
                     std::uint64_t until = no_end) {
        std::vector<message_ptr> out(room);
        const auto got = core.read(set(topics), after, until, out);
        std::string text;
        for (std::size_t i = 0; i != got.count; ++i) text += std::to_string(out[i]->sequence()) + ' ';
        for (std::size_t i = got.count; i != room; ++i) CHECK(out[i] == nullptr);
        text += "through " + std::to_string(got.through);
        return text + (got.at_end ? " end" : "") + (got.lost ? " lost" : "");
    }

    fake_core core;
    notebook sink, other;
    weir::time_point at = t0;
};

}  // namespace

// ---- publishing ----

TEST_CASE("hub core: messages are numbered for all topics together", "[session][hub_core]") {
    hub h;
    CHECK(h.core.last_id() == "epoch-0");
    CHECK(h.publish("a") == 1);
    CHECK(h.publish("b") == 2);
    CHECK(h.publish("a/b") == 3);
    CHECK(h.core.last_id() == "epoch-3");
    CHECK(h.core.id_of(2) == "epoch-2");
    CHECK(h.core.last() == 3);
    CHECK(h.core.stats().published == 3);
}

TEST_CASE("hub core: what is no topic name is not published", "[session][hub_core]") {
    hub h;
    h.enter({"#"});
    for (const auto name : {""sv, "+"sv, "a/#"sv, "a\0b"sv, "\xff"sv}) CHECK(h.publish(name) == 0);
    CHECK(h.core.last() == 0);
    CHECK(h.core.stats().published == 0);
    CHECK(h.sink.text.empty());
}

TEST_CASE("hub core: a loop is put what its subscribers want, once", "[session][hub_core]") {
    hub h;
    h.enter({"a", "a/+", "a/#"});
    h.enter({"a"});
    h.core.enter(set({"b"}), {}, false, h.other, h.at);
    h.publish("a", "1");
    h.publish("a/x", "2");
    h.publish("b", "3");
    h.publish("c", "4");
    CHECK(h.sink.take() == "1:1 2:2 ");
    CHECK(h.other.take() == "3:3 ");
}

TEST_CASE("hub core: a topic is left when the last subscription has left it", "[session][hub_core]") {
    hub h;
    h.enter({"a"});
    h.enter({"a", "#"});
    h.leave("a");
    h.publish("a", "1");
    CHECK(h.sink.take() == "1:1 ");
    h.leave("#");
    h.publish("a", "2");
    h.publish("b", "3");
    CHECK(h.sink.take() == "2:2 ");
    h.leave("a");
    h.publish("a", "4");
    CHECK(h.sink.take() == "");
}

TEST_CASE("hub core: MQTT 5 4.7.2: wildcards in front do not match names that begin with a dollar sign",
          "[session][hub_core]") {
    hub h;
    h.enter({"#", "+/x"});
    h.publish("$sys/x", "1");
    CHECK(h.sink.take() == "");
    h.enter({"$sys/#"});
    h.publish("$sys/x", "2");
    CHECK(h.sink.take() == "2:2 ");
}

// ---- places ----

TEST_CASE("hub core: without an id one begins with what comes, or with what is kept", "[session][hub_core]") {
    hub h;
    h.publish("a");
    h.publish("a");
    const auto live = h.enter({"a"});
    CHECK(live.how == subscribed::live);
    CHECK(live.after == 2);
    CHECK(live.newest == 2);
    const auto oldest = h.enter({"a"}, {}, true);
    CHECK(oldest.how == subscribed::live);
    CHECK(oldest.after == 0);
    CHECK(oldest.newest == 2);
    CHECK(h.enter({"b"}, {}, true).after == 2);
}

TEST_CASE("hub core: one that begins with what is kept has lost nothing by what is not", "[session][hub_core]") {
    hub h{{.messages = 2}};
    for (const auto t : {"a", "a", "b", "a"}) h.publish(t);
    CHECK(h.enter({"a"}, {}, true).after == 3);
    CHECK(h.enter({"b"}, {}, true).after == 2);
    CHECK(h.enter({"a", "b"}, {}, true).after == 2);
    CHECK(h.enter({"c"}, {}, true).after == 4);
}

TEST_CASE("hub core: with an id one begins behind it", "[session][hub_core]") {
    hub h;
    for (int i = 0; i != 3; ++i) h.publish("a");
    for (std::uint64_t i = 0; i != 4; ++i) {
        const bool oldest_too = i % 2 != 0;  // which makes no difference
        const auto place = h.enter({"a"}, h.core.id_of(i), oldest_too);
        CHECK(place.how == subscribed::recovered);
        CHECK(place.after == i);
        CHECK(place.newest == 3);
    }
}

TEST_CASE("hub core: what is no id of this hub's is a gap, and one begins with what is kept", "[session][hub_core]") {
    hub h;
    for (int i = 0; i != 3; ++i) h.publish("a");
    for (const auto id : {"other-2",
                          "epoch-4",
                          "epoch-",
                          "epoch",
                          "epoch-0x2",
                          "epoch--0",
                          "epoch--1",
                          "epoch-+2",
                          "epoch- 2",
                          "epoch-2 ",
                          "epoch-2-2",
                          "-2",
                          "2",
                          "-0",
                          "EPOCH-2",
                          "epoch2-2",
                          "epoc-2",
                          " ",
                          "epoch-18446744073709551616",
                          "epoch-18446744073709551615",
                          "epoch-99999999999999999999999999999999999",
                          "\xff\xfe",
                          "epoch-\xc2\xb2"}) {
        CAPTURE(id);
        const auto place = h.enter({"a"}, id);
        CHECK(place.how == subscribed::gap);
        CHECK(place.after == 0);
        CHECK(place.newest == 3);
    }
    CHECK(h.enter({"a"}, "epoch-2\0"sv).how == subscribed::gap);
    CHECK(h.enter({"a"}, std::string(100'000, '9')).how == subscribed::gap);
}

TEST_CASE("hub core: an epoch with digits at its end is not taken for another", "[session][hub_core]") {
    fake_core core{weir::detail::any_store{weir::memory_store{{}, "e1"}}, weir::message_format{}, {}};
    notebook sink;
    core.publish("a", {}, t0);
    CHECK(core.enter(set({"a"}), "e-1", false, sink, t0).how == subscribed::gap);
    CHECK(core.enter(set({"a"}), "e11", false, sink, t0).how == subscribed::gap);
    CHECK(core.enter(set({"a"}), "e1-1", false, sink, t0).how == subscribed::recovered);
}

TEST_CASE("hub core: a gap is there only if what is not kept was wanted", "[session][hub_core]") {
    hub h{{.messages = 2}};
    h.publish("a");  // 1, lost
    h.publish("b");  // 2, lost
    h.publish("a");
    h.publish("a");
    CHECK(h.enter({"a"}, h.core.id_of(0)).how == subscribed::gap);
    CHECK(h.enter({"a"}, h.core.id_of(1)).how == subscribed::recovered);
    CHECK(h.enter({"b"}, h.core.id_of(1)).how == subscribed::gap);
    CHECK(h.enter({"b"}, h.core.id_of(2)).how == subscribed::recovered);
    CHECK(h.enter({"a", "b"}, h.core.id_of(1)).how == subscribed::gap);
    CHECK(h.enter({"c"}, h.core.id_of(0)).how == subscribed::recovered);
    CHECK(h.enter({"#"}, h.core.id_of(1)).how == subscribed::gap);
    CHECK(h.enter({"+"}, h.core.id_of(2)).how == subscribed::recovered);
}

TEST_CASE("hub core: what is too old is forgotten before one enters", "[session][hub_core]") {
    hub h{{.age = 10s}};
    h.publish("a");
    h.at += 10s;
    CHECK(h.enter({"a"}, h.core.id_of(0)).how == subscribed::gap);
    CHECK(h.read({"a"}, 0, 4) == "through 1 end lost");
}

// ---- reading ----

TEST_CASE("hub core: reading goes on where it stopped, as far as there is something", "[session][hub_core]") {
    hub h;
    CHECK(h.read({"a"}, 0, 2) == "through 0 end");
    for (const auto t : {"a", "b", "a", "a", "b"}) h.publish(t);
    CHECK(h.read({"a"}, 0, 2) == "1 3 through 3");
    CHECK(h.read({"a"}, 3, 2) == "4 through 5 end");
    CHECK(h.read({"a"}, 0, 3) == "1 3 4 through 4");
    CHECK(h.read({"a"}, 4, 3) == "through 5 end");
    CHECK(h.read({"a", "b"}, 1, 16) == "2 3 4 5 through 5 end");
    CHECK(h.read({"c"}, 0, 1) == "through 5 end");
}

TEST_CASE("hub core: reading stops where it is told to", "[session][hub_core]") {
    hub h;
    for (const auto t : {"a", "b", "a", "a", "b"}) h.publish(t);
    CHECK(h.read({"a"}, 0, 8, 3) == "1 3 through 3 end");
    CHECK(h.read({"a"}, 0, 2, 3) == "1 3 through 3");
    CHECK(h.read({"a"}, 3, 2, 3) == "through 3 end");
    CHECK(h.read({"a"}, 0, 1, 2) == "1 through 1");
    CHECK(h.read({"a"}, 1, 1, 2) == "through 2 end");
    CHECK(h.read({"a"}, 0, 2, 2) == "1 through 2 end");
    CHECK(h.read({"a"}, 5, 2, 5) == "through 5 end");
}

TEST_CASE("hub core: reading says what was lost", "[session][hub_core]") {
    hub h{{.messages = 2}};
    for (const auto t : {"a", "b", "a", "b"}) h.publish(t);
    CHECK(h.read({"a"}, 0, 8) == "3 through 4 end lost");
    CHECK(h.read({"a"}, 1, 8) == "3 through 4 end");
    CHECK(h.read({"b"}, 1, 8) == "4 through 4 end lost");
    CHECK(h.read({"b"}, 2, 8) == "4 through 4 end");
    CHECK(h.read({"c"}, 0, 8) == "through 4 end");
}

// ---- presence ----

TEST_CASE("hub core: members are there as long as one of their sessions is", "[session][hub_core][presence]") {
    hub h{{}, [](const weir::presence_change&) {}};
    h.core.join("room", "ann", h.sink);
    h.core.join("room", "ann", h.other);
    h.core.join("room", "bob", h.other);
    h.core.join("hall", "ann", h.sink);
    CHECK(h.core.members("room") == std::vector{"ann"s, "bob"s});
    CHECK(h.core.members("hall") == std::vector{"ann"s});
    CHECK(h.core.members("cellar").empty());
    CHECK(h.sink.take() == "+ann@room +ann@hall ");
    CHECK(h.other.take() == "+bob@room ");
    h.core.part("room", "ann", h.sink);
    CHECK(h.core.members("room") == std::vector{"ann"s, "bob"s});
    h.core.part("room", "ann", h.other);
    h.core.part("room", "bob", h.other);
    CHECK(h.core.members("room").empty());
    CHECK(h.sink.take() == "");
    CHECK(h.other.take() == "-ann@room -bob@room ");
    h.core.join("room", "ann", h.sink);
    CHECK(h.sink.take() == "+ann@room ");
}

TEST_CASE("hub core: where nobody asks who comes and goes, no loop is woken for it", "[session][hub_core][presence]") {
    hub h;
    h.core.join("room", "ann", h.sink);
    CHECK(h.core.members("room") == std::vector{"ann"s});
    h.core.part("room", "ann", h.sink);
    CHECK(h.sink.text.empty());
}

TEST_CASE("hub core: subscribers are counted", "[session][hub_core]") {
    hub h;
    h.core.count_subscriber(true);
    h.core.count_subscriber(true);
    h.core.count_behind(true);
    CHECK(h.core.stats().subscribers == 2);
    CHECK(h.core.stats().behind == 1);
    h.core.count_subscriber(false);
    h.core.count_behind(false);
    CHECK(h.core.stats().subscribers == 1);
    CHECK(h.core.stats().behind == 0);
}

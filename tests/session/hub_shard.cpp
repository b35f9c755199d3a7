// SPDX-License-Identifier: BSL-1.0

#include <weir/session/hub_shard.hpp>

#include <weir/bytes.hpp>
#include <weir/session/published_message.hpp>
#include <weir/session/topic.hpp>

#include <array>
#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "catch.hpp"
#include "support/fake_hub.hpp"

using namespace std::literals;
using test::fake_hub;
using weir::message_ptr;
using weir::wire_form;
using weir::detail::channel;
using weir::detail::log_window;
using weir::detail::turn_frames;

namespace {

message_ptr message(std::uint64_t sequence, std::string_view data) {
    static const auto format = std::make_shared<const weir::message_format>();
    return std::make_shared<const weir::published_message>(format, "a", weir::hub_event{.data = data}, sequence,
                                                           test::t0);
}

std::string all_of(const turn_frames& frames) {
    std::string text;
    for (const weir::bytes_view piece : frames.pieces()) text += weir::as_text(piece);
    CHECK(text.size() == frames.size());
    return text;
}

}  // namespace

// ---- frames of a turn ----

TEST_CASE("turn frames: one message is written from where it is", "[session][hub_shard]") {
    const std::array messages{message(1, "one")};
    turn_frames frames;
    CHECK(frames.empty());
    frames.make(messages, wire_form::websocket, nullptr);
    CHECK_FALSE(frames.empty());
    REQUIRE(frames.pieces().size() == 1);
    const std::string_view encoded = messages[0]->encoded(wire_form::websocket);
    CHECK(frames.pieces()[0].data() == weir::as_bytes(encoded).data());
    CHECK(all_of(frames) == encoded);
}

TEST_CASE("turn frames: several messages are one piece", "[session][hub_shard]") {
    const std::array messages{message(1, "one"), message(2, ""), message(3, "three")};
    turn_frames frames;
    frames.make(messages, wire_form::websocket, nullptr);
    CHECK(frames.pieces().size() == 1);
    CHECK(all_of(frames) == "\x81\x03one\x81\x00\x81\x05three"sv);
    frames.clear();
    CHECK(frames.empty());
    frames.make(std::span{messages}.first(2), wire_form::websocket, nullptr);
    CHECK(all_of(frames) == "\x81\x03one\x81\x00"sv);
}

TEST_CASE("turn frames: what a number of bytes is in messages", "[session][hub_shard]") {
    const std::array messages{message(1, "one"), message(2, ""), message(3, "three")};  // of 5, 2 and 7 bytes
    turn_frames frames;
    frames.make(messages, wire_form::websocket, nullptr);
    const std::array<std::size_t, 15> expected{0, 0, 0, 0, 0, 1, 1, 2, 2, 2, 2, 2, 2, 2, 3};
    for (std::size_t bytes = 0; bytes != expected.size(); ++bytes) CHECK(frames.messages_in(bytes) == expected[bytes]);
    CHECK(frames.begin_of(0) == 0);
    CHECK(frames.begin_of(1) == 5);
    CHECK(frames.begin_of(2) == 7);
}

// ---- what has been read ----

TEST_CASE("log window: keeps messages until it is cleared", "[session][hub_shard]") {
    log_window window;
    const auto one = message(1, "one"), two = message(2, "two");
    window.push(one, 3);
    window.push(two, 4);
    window.at_end = true;
    CHECK(window.count == 2);
    CHECK(window.messages[1] == two);
    CHECK(window.sizes[1] == 4);
    CHECK(one.use_count() == 2);
    window.clear();
    CHECK(window.count == 0);
    CHECK_FALSE(window.at_end);
    CHECK(one.use_count() == 1);
    CHECK(two.use_count() == 1);
}

// ---- the loop ----

TEST_CASE("hub shard: is woken once for a turn, whatever is published", "[session][hub_shard]") {
    fake_hub hub;
    hub.subscribe(hub.add(), {"a", "b/#"});
    CHECK(hub.shard().wakes == 0);
    hub.publish_all("a", {"1", "2", "3"});
    hub.publish("b", "4");
    CHECK(hub.shard().wakes == 1);
    hub.run();
    CHECK(hub.shard().wakes == 1);
    hub.publish("b/c", "5");
    CHECK(hub.shard().wakes == 2);
}

TEST_CASE("hub shard: is not woken for what none of its subscribers wants", "[session][hub_shard]") {
    fake_hub hub{{.shards = 2}};
    hub.subscribe(hub.add(), {"a"});
    hub.subscribe(hub.add(test::kind::sse_plain, {}, 1), {"b"});
    hub.publish("b", "1");
    hub.publish("c", "2");
    CHECK(hub.shard(0).wakes == 0);
    CHECK(hub.shard(1).wakes == 1);
}

TEST_CASE("hub shard: is woken again for what comes while it turns", "[session][hub_shard]") {
    fake_hub* published_in = nullptr;
    int told = 0;
    fake_hub hub{{.on_presence = [&](const weir::presence_change&) {
        if (++told == 1) published_in->publish("a", "2");
    }}};
    published_in = &hub;
    test::client& c = hub.add();
    hub.subscribe(c, {"a"}, {.member = "ann"});
    hub.publish("a", "1");
    CHECK(hub.shard().wakes == 1);
    REQUIRE(hub.shard().run());
    CHECK(c.words() == "1");
    CHECK(hub.shard().wakes == 2);
    REQUIRE(hub.shard().run());
    CHECK(c.words() == "1 2");
    CHECK(hub.shard().wakes == 2);
}

TEST_CASE("hub shard: a channel is there for as many subscriptions as there are", "[session][hub_shard]") {
    fake_hub hub;
    auto& shard = hub.shard();
    const auto enter = [&](std::string_view topic) -> channel& {
        hub.core().enter(weir::topic_set::parse({{topic}}).value(), {}, false, shard, hub.now());
        return shard.enter(std::string{topic});
    };
    channel& a = enter("a");
    CHECK(a.topic == "a");
    CHECK(a.wanted.contains("a"));
    CHECK(&enter("a") == &a);
    CHECK(a.subscriptions == 2);
    channel& all = enter("#");
    CHECK(all.wanted.contains("b"));
    shard.leave(a);
    shard.leave(all);
    CHECK(hub.core().unused.empty());
    hub.publish("b", "1");
    CHECK(shard.wakes == 0);
    shard.leave(a);
    CHECK(hub.core().unused.size() == 1);
    hub.publish("a", "2");
    CHECK(shard.wakes == 0);
}

TEST_CASE("hub shard: says when it has no subscribers any more, and may have some again", "[session][hub_shard]") {
    fake_hub hub;
    test::client& c = hub.add();
    hub.subscribe(c, {"a", "b"});
    CHECK(hub.of(c).unsubscribe("a"));
    CHECK(hub.core().unused.empty());
    CHECK(hub.of(c).unsubscribe("b"));
    REQUIRE(hub.core().unused.size() == 1);
    CHECK(hub.core().unused[0] == &hub.shard());
    hub.subscribe(c, {"a"});
    hub.publish_and_run("a", "1");
    CHECK(c.words() == "1");
}

TEST_CASE("hub shard: turns that nobody needs any more do nothing", "[session][hub_shard]") {
    fake_hub hub;
    test::client& c = hub.add();
    hub.subscribe(c, {"a"});
    hub.publish("a", "1");
    hub.of(c).leave();
    hub.run();
    CHECK(c.words() == "");
    CHECK(c.writes() == 0);
}

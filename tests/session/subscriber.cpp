// SPDX-License-Identifier: BSL-1.0

#include <weir/session/subscriber.hpp>

#include <weir/error.hpp>
#include <weir/policy/heartbeat.hpp>
#include <weir/policy/lag.hpp>
#include <weir/session/hub_core.hpp>
#include <weir/session/published_message.hpp>
#include <weir/time.hpp>

#include <chrono>
#include <cstddef>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "support/fake_hub.hpp"

using namespace std::literals;
using test::client;
using test::fake_hub;
using test::hub_setup;
using test::kind;
using test::phase;
using weir::error;
using weir::priority;
using weir::published_message;
using weir::skip_notice;
using weir::skipped;
using weir::subscribe_options;
using weir::subscribed;

namespace {

/// Tells all that there is to tell.
std::optional<skip_notice> tell(const skipped& what) {
    return skip_notice{"skip", std::to_string(what.messages) + (what.lost ? "+lost" : "")};
}
/// Which a WebSocket client sees as its data alone.
std::optional<skip_notice> tell_aloud(const skipped& what) { return skip_notice{{}, "skip=" + tell(what)->data}; }

subscribe_options telling(kind k = kind::sse_plain) { return {.on_skip = is_sse(k) ? tell : tell_aloud}; }

/// Publishes 1, 2, ... count, to topic a.
void publish_numbers(fake_hub& hub, int from, int through) {
    for (int i = from; i <= through; ++i) hub.publish("a", std::to_string(i));
}

/// A subscriber whose client takes no more; the first message is taken in part if there is room.
client& blocked_client(fake_hub& hub, const subscribe_options& options, kind k = kind::sse_plain,
                       std::size_t room = 0) {
    client& c = hub.add(k);
    hub.subscribe(c, {"a"}, options);
    hub.settle();
    c.limit(room);
    hub.publish_and_run("a", "first");
    REQUIRE(c.stats().blocked);
    return c;
}

}  // namespace

// ---- where it begins ----

TEST_CASE("subscriber: begins with what is published from now on", "[session][subscriber]") {
    fake_hub hub;
    client& c = hub.add();
    hub.publish_and_run("a", "before");
    hub.publish("a", "not in the turn yet");
    CHECK(hub.subscribe(c, {"a"}) == subscribed::live);
    hub.run();
    CHECK(c.words() == "");
    hub.publish("a", "after");
    hub.run();
    CHECK(c.words() == "after");
    CHECK(c.last_id() == "epoch-3");
}

TEST_CASE("subscriber: resumes behind any message that its client has seen", "[session][subscriber][resume]") {
    const kind k = GENERATE(from_range(test::all_kinds));
    for (std::uint64_t seen = 0; seen <= 40; ++seen) {
        fake_hub hub;
        publish_numbers(hub, 1, 40);
        client& c = hub.add(k);
        CHECK(hub.subscribe(c, {"a"}, {.after = hub.id(seen)}) == subscribed::recovered);
        CHECK(c.words() == "");
        publish_numbers(hub, 41, 42);  // which the session has read when the hub's turn comes
        hub.run();
        publish_numbers(hub, 43, 43);
        hub.run();
        std::string expected;
        for (std::uint64_t i = seen + 1; i <= 43; ++i) expected += (expected.empty() ? "" : " ") + std::to_string(i);
        REQUIRE(c.words() == expected);
        REQUIRE(hub.core().stats().behind == 0);
    }
}

TEST_CASE("subscriber: an id that is none of this hub's is a gap", "[session][subscriber][resume]") {
    for (const auto id : {"other-2", "epoch-99", "epoch--0", "-0", "epoch-", "epoch-18446744073709551616", "\xff"}) {
        fake_hub hub{{.history = {.messages = 2}}};
        publish_numbers(hub, 1, 3);
        client &told = hub.add(), &not_told = hub.add();
        auto options = telling();
        options.after = id;
        CHECK(hub.subscribe(told, {"a"}, options) == subscribed::gap);
        CHECK(hub.subscribe(not_told, {"a"}, {.after = id}) == subscribed::gap);
        hub.run();
        hub.publish_and_run("a", "4");
        CHECK(told.words() == "skip=0+lost 2 3 4");
        CHECK(not_told.words() == "2 3 4");
    }
}

TEST_CASE("subscriber: is told of a gap where there is nothing else", "[session][subscriber][resume]") {
    fake_hub hub;
    client& c = hub.add();
    auto options = telling();
    options.after = "other-1";
    CHECK(hub.subscribe(c, {"a"}, options) == subscribed::gap);
    hub.run();
    CHECK(c.words() == "skip=0+lost");
    hub.publish_and_run("a", "1");
    CHECK(c.words() == "skip=0+lost 1");
    CHECK(hub.core().stats().behind == 0);
}

TEST_CASE("subscriber: a notice has no id: whoever comes back misses what it missed", "[session][subscriber][resume]") {
    fake_hub hub;
    hub.publish("a", "1");
    client& c = hub.add();
    auto options = telling();
    options.after = "other-1";
    hub.subscribe(c, {"b"}, options);
    hub.run();
    CHECK(c.line().output == "event: skip\ndata: 0+lost\n\n");
}

TEST_CASE("subscriber: what was wanted and is not kept is a gap, and told of before the rest",
          "[session][subscriber][resume]") {
    fake_hub hub{{.history = {.messages = 3}}};
    publish_numbers(hub, 1, 5);
    client &gap = hub.add(), &whole = hub.add();
    auto options = telling();
    const std::string one = hub.id(1), two = hub.id(2);
    options.after = one;
    CHECK(hub.subscribe(gap, {"a"}, options) == subscribed::gap);
    options.after = two;
    CHECK(hub.subscribe(whole, {"a"}, options) == subscribed::recovered);
    hub.run();
    CHECK(gap.words() == "skip=0+lost 3 4 5");
    CHECK(whole.words() == "3 4 5");
}

TEST_CASE("subscriber: begins with what is kept, if it wants to", "[session][subscriber][resume]") {
    fake_hub hub{{.history = {.messages = 2}}};
    publish_numbers(hub, 1, 3);
    client& c = hub.add();
    CHECK(hub.subscribe(c, {"a"}, {.from_oldest = true}) == subscribed::live);
    hub.run();
    publish_numbers(hub, 4, 4);
    hub.run();
    CHECK(c.words() == "2 3 4");
}

TEST_CASE("subscriber: one that asks for what is kept is not told that there was more",
          "[session][subscriber][resume]") {
    fake_hub hub{{.history = {.messages = 2}}};
    publish_numbers(hub, 1, 3);
    client& c = hub.add();
    auto options = telling();
    options.from_oldest = true;
    CHECK(hub.subscribe(c, {"a"}, options) == subscribed::live);
    hub.run();
    CHECK(c.words() == "2 3");
}

TEST_CASE("subscriber: a replay is many messages a write", "[session][subscriber][resume]") {
    fake_hub hub;
    publish_numbers(hub, 1, 160);
    client& c = hub.add();
    hub.subscribe(c, {"a"}, {.from_oldest = true});
    hub.run();
    CHECK(c.stats().messages_sent == 160);
    CHECK(c.writes() == 10);
}

// ---- topics ----

TEST_CASE("subscriber: patterns, and more than one of them, are no reason to send anything twice",
          "[session][subscriber][topics]") {
    fake_hub hub;
    client &one = hub.add(), &several = hub.add(), &level = hub.add();
    hub.subscribe(one, {"a/#"});
    hub.subscribe(several, {"a/#", "a/+", "#", "a/b", "c"});
    hub.subscribe(level, {"a/+/c"});
    for (const auto t : {"a", "a/b", "a/b/c", "c", "d", "$d"}) hub.publish(t, t);
    hub.run();
    CHECK(one.words() == "a a/b a/b/c");
    CHECK(several.words() == "a a/b a/b/c c d");
    CHECK(level.words() == "a/b/c");
    hub.publish_and_run("a/b", "again");
    CHECK(several.words() == "a a/b a/b/c c d again");
}

TEST_CASE("subscriber: messages of several topics come in the order of publishing", "[session][subscriber][topics]") {
    const bool blocked = GENERATE(false, true);
    fake_hub hub;
    client& c = hub.add();
    hub.subscribe(c, {"a", "b", "c/#"});
    hub.settle();
    if (blocked) c.limit(0);
    int n = 0;
    for (const auto t : {"c/x", "a", "b", "a", "none", "c", "b"}) hub.publish(t, std::to_string(++n));
    hub.run();
    c.unblock();
    CHECK(c.words() == "1 2 3 4 6 7");
}

TEST_CASE("subscriber: a topic that it has already is not begun again", "[session][subscriber][topics]") {
    fake_hub hub;
    client& c = hub.add();
    hub.subscribe(c, {"a"});
    hub.publish_and_run("a", "1");
    CHECK(hub.subscribe(c, {"a"}, {.after = hub.id(0)}) == subscribed::live);
    hub.run();
    hub.publish_and_run("a", "2");
    CHECK(c.words() == "1 2");
    CHECK(hub.of(c).unsubscribe("a"));
    CHECK_FALSE(hub.of(c).unsubscribe("a"));
    CHECK_FALSE(hub.of(c).unsubscribe("b"));
    hub.publish_and_run("a", "3");
    CHECK(c.words() == "1 2");
}

TEST_CASE("subscriber: a topic that comes later is live at once", "[session][subscriber][topics]") {
    fake_hub hub;
    client& c = hub.add();
    hub.subscribe(c, {"a"});
    hub.publish("a", "a1");
    hub.publish("b", "b1");
    CHECK(hub.subscribe(c, {"b"}) == subscribed::live);
    hub.publish("b", "b2");
    hub.run();
    CHECK(c.words() == "a1 b2");
}

TEST_CASE("subscriber: a topic that comes later has an id of its own", "[session][subscriber][topics]") {
    fake_hub hub;
    client& c = hub.add();
    hub.subscribe(c, {"a"});
    for (const auto t : {"a1", "b1", "a2", "b2", "c1", "a3", "b3"}) hub.publish(std::string_view{t}.substr(0, 1), t);
    hub.run();
    CHECK(c.words() == "a1 a2 a3");
    CHECK(hub.subscribe(c, {"b"}, {.after = hub.id(2)}) == subscribed::recovered);
    hub.publish("a", "a4");
    hub.run();
    CHECK(c.words() == "a1 a2 a3 b2 b3 a4");
    CHECK(hub.subscribe(c, {"c", "#"}, {.from_oldest = true}) == subscribed::live);
    hub.publish("b", "b4");
    hub.run();
    CHECK(c.words().starts_with("a1 a2 a3 b2 b3 a4"));
    CHECK(c.words().ends_with("b4"));
}

TEST_CASE("subscriber: a topic comes later, with an id of its own, while a message is partly on its way",
          "[session][subscriber][topics]") {
    const kind k = GENERATE(from_range(test::all_kinds));
    for (std::size_t further = 0; further <= 60; ++further) {
        CAPTURE(k, further);
        fake_hub hub;
        client& c = hub.add(k);
        hub.subscribe(c, {"a"});
        hub.settle();
        for (const auto t : {"b1", "b2", "b3", "b4"}) hub.publish("b", t);
        c.limit(2);
        hub.publish_and_run("a", "a1");
        REQUIRE(c.words() == "(...)");
        hub.publish("a", "a2");
        CHECK(hub.subscribe(c, {"b"}, {.after = hub.id(1)}) == subscribed::recovered);
        hub.settle();
        c.take(further);  // perhaps just the rest of that message
        hub.settle();
        c.unblock();
        hub.publish_and_run("a", "a3");
        REQUIRE(c.words() == "a1 b2 b3 b4 a2 a3");
    }
}

TEST_CASE("subscriber: what was lost before a topic was wanted is not lost", "[session][subscriber][topics]") {
    fake_hub hub{{.history = {.messages_per_topic = 1}}};
    client& c = hub.add();
    hub.subscribe(c, {"a"}, telling());
    hub.publish("b", "b1");
    hub.publish("a", "a1");
    hub.publish("a", "a2");
    hub.run();
    // Of topic b nothing is lost, of topic a nothing that has not been sent.
    CHECK(hub.subscribe(c, {"b"}, {.after = hub.id(0)}) == subscribed::recovered);
    hub.run();
    CHECK(c.words() == "a1 a2 b1");
}

TEST_CASE("subscriber: what its filter does not let through is not sent, nor counted",
          "[session][subscriber][filter]") {
    const bool blocked = GENERATE(false, true);
    fake_hub hub;
    client& c = hub.add();
    auto options = telling();
    options.filter = [](const published_message& m) { return m.data().size() == 1; };
    hub.subscribe(c, {"a"}, options);
    hub.settle();
    if (blocked) c.limit(0);
    publish_numbers(hub, 8, 11);
    hub.run();
    hub.publish_and_run("a", "x");
    c.unblock();
    CHECK(c.words() == "8 9 x");
    CHECK(c.stats().dropped.total() == 0);
    CHECK(c.stats().messages_sent == 3);
    CHECK(hub.core().stats().behind == 0);
}

TEST_CASE("subscriber: a filter that comes later holds for all topics", "[session][subscriber][filter]") {
    fake_hub hub;
    client& c = hub.add();
    hub.subscribe(c, {"a"});
    hub.publish_and_run("a", "10");
    hub.subscribe(c, {"b"}, {.filter = [](const published_message& m) { return m.data().size() == 1; }});
    hub.publish("a", "11");
    hub.publish("a", "1");
    hub.publish("b", "12");
    hub.publish("b", "2");
    hub.run();
    CHECK(c.words() == "10 1 2");
}

// ---- unsubscribing ----

TEST_CASE("subscriber: unsubscribes from one topic, and keeps the others, in any state",
          "[session][subscriber][unsubscribe]") {
    const bool blocked = GENERATE(false, true);
    const std::size_t topics = GENERATE(std::size_t{2}, std::size_t{3});
    fake_hub hub;
    client& c = hub.add();
    std::vector<std::string_view> all{"a", "b"};
    if (topics == 3) all.emplace_back("c/+");
    hub.subscribe(c, all);
    hub.settle();
    if (blocked) c.limit(0);
    hub.publish("b", "b1");
    hub.publish("a", "a1");
    if (blocked) hub.run();
    CHECK(hub.of(c).unsubscribe("b"));
    hub.publish("b", "b2");
    hub.publish("a", "a2");
    hub.run();
    c.unblock();
    CHECK(c.words() == "a1 a2");
    hub.publish("a", "a3");
    hub.publish("b", "b3");
    hub.run();
    CHECK(c.words() == "a1 a2 a3");
    CHECK(hub.core().stats().behind == 0);
}

TEST_CASE("subscriber: a message partly on its way is completed, whatever is unsubscribed",
          "[session][subscriber][unsubscribe]") {
    const kind k = GENERATE(from_range(test::all_kinds));
    const bool all = GENERATE(false, true);
    fake_hub hub;
    client& c = blocked_client(hub, {}, k, 3);
    hub.publish_and_run("a", "second");
    if (all) hub.of(c).leave();
    if (!all) hub.of(c).unsubscribe("a");
    CHECK(hub.core().stats().behind == 0);
    c.send("direct");
    c.unblock();
    CHECK(c.words() == "first direct");
    hub.publish_and_run("a", "third");
    CHECK(c.words() == "first direct");
    CHECK(hub.subscribe(c, {"a"}) == subscribed::live);
    hub.publish_and_run("a", "fourth");
    CHECK(c.words() == "first direct fourth");
}

TEST_CASE("subscriber: subscribes again while the last message is still on its way",
          "[session][subscriber][unsubscribe]") {
    const kind k = GENERATE(from_range(test::all_kinds));
    const bool all = GENERATE(false, true), resumes = GENERATE(false, true);
    fake_hub hub;
    client& c = blocked_client(hub, {}, k, 3);
    hub.publish_and_run("a", "second");
    if (all) hub.of(c).leave();
    if (!all) hub.of(c).unsubscribe("a");
    hub.subscribe(c, {"a"}, {.after = resumes ? std::string_view{"epoch-1"} : ""});
    hub.publish_and_run("a", "third");
    c.unblock();
    CHECK(c.words() == (resumes ? "first second third" : "first third"));
    hub.publish_and_run("a", "fourth");
    CHECK(c.words().ends_with("third fourth"));
}

TEST_CASE("subscriber: begins anew after it has unsubscribed", "[session][subscriber][unsubscribe]") {
    // The old lag is not held against it.
    fake_hub hub;
    client& c = blocked_client(hub, {.lag = weir::skip_to_newest{.max_messages = 2}});
    publish_numbers(hub, 1, 5);
    hub.run();
    c.wake_in_vain();  // all but the newest are left out
    CHECK(c.stats().dropped.lagging == 5);
    hub.of(c).unsubscribe("a");
    hub.subscribe(c, {"a"});
    publish_numbers(hub, 6, 7);
    hub.run();
    c.wake_in_vain();
    c.unblock();
    CHECK(c.words() == "6 7");
    CHECK(c.stats().dropped.lagging == 5);
}

TEST_CASE("subscriber: unsubscribes inside a handler", "[session][subscriber][unsubscribe]") {
    fake_hub hub;
    auto& c = static_cast<test::ws_client&>(hub.add(kind::websocket));
    hub.subscribe(c, {"a", "b"});
    weir::detail::ws_handlers handlers;
    handlers.on_message = [&](weir::ws::message_view m) {
        if (m.text() == "none") hub.of(c).leave();
        if (m.text() == "a") hub.of(c).unsubscribe("a");
        c.send("done");
    };
    (*c).handle_with(std::move(handlers));
    hub.settle();
    hub.publish("a", "a1");
    hub.publish("b", "b1");
    (*c).get_text(GENERATE("a", "none"));
    const bool all = hub.core().stats().subscribers == 1 && !hub.of(c).unsubscribe("b");
    if (!all) hub.subscribe(c, {"b"}, {.after = hub.id(1)});
    hub.run();
    CHECK(c.words() == (all ? "done" : "done b1"));
}

TEST_CASE("subscriber: unsubscribes when it hears who has come", "[session][subscriber][unsubscribe][presence]") {
    fake_hub* self = nullptr;
    client* leaving = nullptr;
    fake_hub hub{{.on_presence = [&](const weir::presence_change& change) {
        if (change.member == "bob" && change.joined) self->of(*leaving).leave();
    }}};
    self = &hub;
    client &ann = hub.add(), &bob = hub.add();
    leaving = &ann;
    hub.subscribe(ann, {"room"}, {.member = "ann"});
    hub.subscribe(bob, {"room"}, {.member = "bob"});
    hub.run();
    hub.publish_and_run("room", "hi");
    CHECK(ann.words() == "");
    CHECK(bob.words() == "hi");
    CHECK(hub.core().members("room") == std::vector{"bob"s});
}

TEST_CASE("subscriber: is one member, in all topics that it joins by name", "[session][subscriber][presence]") {
    fake_hub hub;
    client& c = hub.add();
    hub.subscribe(c, {"a", "b", "#"}, {.member = "ann"});
    hub.subscribe(c, {"c"});
    hub.subscribe(c, {"d"}, {.member = "ann"});
    CHECK(hub.core().members("a") == std::vector{"ann"s});
    CHECK(hub.core().members("c").empty());
    CHECK(hub.core().members("d") == std::vector{"ann"s});
    CHECK(hub.core().members("#").empty());
    hub.of(c).unsubscribe("a");
    hub.of(c).unsubscribe("c");
    CHECK(hub.core().members("a").empty());
    CHECK(hub.core().members("b") == std::vector{"ann"s});
    c.vanish();
    CHECK(hub.core().members("b").empty());
    CHECK(hub.core().members("d").empty());
}

TEST_CASE("subscriber: under whatever name it comes again, it leaves as whom it came",
          "[session][subscriber][presence]") {
    fake_hub hub;
    client& c = hub.add();
    hub.subscribe(c, {"a"}, {.member = "ann"});
    hub.subscribe(c, {"b"}, {.member = "bob"});
    REQUIRE(hub.core().members("b").size() == 1);
    c.vanish();
    CHECK(hub.core().members("a").empty());
    CHECK(hub.core().members("b").empty());
}

// ---- slow readers ----

TEST_CASE("subscriber: one that is behind by no more than the bounds misses nothing", "[session][subscriber][lag]") {
    const auto lag = GENERATE(
        weir::any_lag{weir::skip_oldest{.max_messages = 5}}, weir::any_lag{weir::skip_to_newest{.max_messages = 5}},
        weir::any_lag{weir::skip_to_latest{.max_messages = 5}}, weir::any_lag{weir::close_lagging{.max_messages = 5}});
    fake_hub hub{{.lag = lag}};
    client& c = blocked_client(hub, telling());
    publish_numbers(hub, 1, 4);
    hub.run();
    c.wake_in_vain();
    hub.advance(2s);
    c.unblock();
    CHECK(c.words() == "first 1 2 3 4");
    CHECK(c.stats().dropped.total() == 0);
}

TEST_CASE("subscriber: beyond the bounds the oldest are left out, and it is told", "[session][subscriber][lag]") {
    const kind k = GENERATE(from_range(test::all_kinds));
    const bool told = GENERATE(false, true);
    fake_hub hub;
    auto options = told ? telling(k) : subscribe_options{};
    options.lag = weir::skip_oldest{.max_messages = 3};
    client& c = blocked_client(hub, options, k);
    publish_numbers(hub, 1, 9);
    hub.run();
    c.unblock();
    CHECK(c.words() == (told ? "skip=7 7 8 9" : "7 8 9"));
    CHECK(c.stats().dropped.lagging == 7);
    CHECK(c.seen().dropped.lagging == 7);
    CHECK(c.stats().messages_sent == (told ? 4 : 3));
    hub.publish_and_run("a", "10");
    CHECK(c.words().ends_with("9 10"));
}

TEST_CASE("subscriber: what is partly on its way is sent to its end", "[session][subscriber][lag]") {
    const kind k = GENERATE(from_range(test::all_kinds));
    fake_hub hub;
    auto options = telling(k);
    options.lag = weir::skip_oldest{.max_messages = 3};
    client& c = blocked_client(hub, options, k, 1);
    publish_numbers(hub, 1, 9);
    hub.run();
    c.unblock();
    CHECK(c.words() == "first skip=6 7 8 9");
}

TEST_CASE("subscriber: beyond the bounds only the newest is sent", "[session][subscriber][lag]") {
    fake_hub hub{{.lag = weir::skip_to_newest{.max_messages = 3}}};
    client& c = blocked_client(hub, telling());
    publish_numbers(hub, 1, 8);
    hub.publish("a", "high", {.priority = priority::high});
    hub.publish("a", "9");
    hub.run();
    c.unblock();
    CHECK(c.words() == "skip=9 high 9");
    CHECK(c.stats().dropped.lagging == 9);
}

TEST_CASE("subscriber: beyond the bounds only the latest of each key is sent", "[session][subscriber][lag]") {
    fake_hub hub{{.lag = weir::skip_to_latest{.max_messages = 2}}};
    client& c = hub.add();
    hub.subscribe(c, {"a", "b"}, telling());
    hub.settle();
    c.limit(0);
    hub.publish("a", "x1", {.key = "x"});
    hub.publish("a", "y1", {.key = "y"});
    hub.publish("a", "plain");
    hub.publish("b", "x of b", {.key = "x"});
    hub.publish("a", "x2", {.key = "x"});
    hub.publish("a", "y2", {.key = "y"});
    hub.publish("a", "y3", {.key = "y"});
    hub.run();
    c.unblock();
    CHECK(c.words() == "skip=2 plain x of b x2 y2 y3");  // by then two are within the bounds
    CHECK(c.stats().dropped.lagging == 2);
}

TEST_CASE("subscriber: beyond the bounds it ends", "[session][subscriber][lag]") {
    fake_hub hub{{.lag = weir::close_lagging{.max_messages = 3}}};
    SECTION("at the next look") {
        client& c = blocked_client(hub, {});
        publish_numbers(hub, 1, 2);
        hub.run();
        hub.advance(10s);
        CHECK(c.session().state() == phase::open);
        publish_numbers(hub, 3, 3);
        hub.run();
        hub.advance(250ms);
        CHECK(c.session().end_reason() == error::slow_reader);
        CHECK(c.words() == "");
    }
    SECTION("when its socket takes more again") {
        client& c = blocked_client(hub, {});
        publish_numbers(hub, 1, 3);
        hub.run();
        c.unblock();
        CHECK(c.session().end_reason() == error::slow_reader);
        CHECK(c.words() == "");
    }
    hub.settle();
    CHECK(hub.core().stats().subscribers == 0);
    CHECK(hub.core().stats().behind == 0);
}

TEST_CASE("subscriber: bounds on bytes and age", "[session][subscriber][lag]") {
    fake_hub hub;
    SECTION("bytes") {
        auto options = telling();
        options.lag = weir::skip_oldest{.max_messages = 0, .max_bytes = 10};
        client& c = blocked_client(hub, options);
        publish_numbers(hub, 1, 9);  // of 2 bytes each, topic and data
        hub.run();
        c.unblock();
        CHECK(c.words() == "skip=5 5 6 7 8 9");
    }
    SECTION("age") {
        auto options = telling();
        options.lag = weir::skip_oldest{.max_messages = 0, .max_bytes = 0, .max_age = 10s};
        client& c = blocked_client(hub, options);
        hub.advance(5s);
        publish_numbers(hub, 1, 2);
        hub.run();
        hub.advance(10s);
        c.unblock();
        CHECK(c.words() == "skip=1 1 2");
    }
}

TEST_CASE("subscriber: the lag policy has no say in what is replayed", "[session][subscriber][lag]") {
    fake_hub hub{{.lag = weir::skip_oldest{.max_messages = 1}}};
    publish_numbers(hub, 1, 20);
    client& c = hub.add();
    c.limit(5);
    hub.subscribe(c, {"a"}, {.from_oldest = true});
    hub.run();
    REQUIRE(c.stats().blocked);
    publish_numbers(hub, 21, 25);
    hub.run();
    for (int i = 0; i != 20; ++i) {
        c.take(7);
        hub.settle();
    }
    c.unblock();
    std::string expected;
    for (int i = 1; i <= 20; ++i) expected += std::to_string(i) + ' ';
    CHECK(c.words() == expected + "25");
    CHECK(c.stats().dropped.lagging == 4);
}

TEST_CASE("subscriber: what is high in priority is kept back for it", "[session][subscriber][lag][priority]") {
    fake_hub hub{{.lag = weir::skip_oldest{.max_messages = 2}}};
    client& c = blocked_client(hub, telling());
    hub.publish("a", "1");
    hub.publish("a", "high1", {.priority = priority::high});
    publish_numbers(hub, 2, 3);
    hub.publish("a", "high2", {.priority = priority::high});
    publish_numbers(hub, 4, 6);
    hub.run();
    c.unblock();
    CHECK(c.words() == "skip=2 high1 skip=2 high2 skip=1 5 6");
    CHECK(c.stats().dropped.lagging == 5);
}

TEST_CASE("subscriber: what is not kept long enough is lost, and told of once", "[session][subscriber][lag]") {
    const kind k = GENERATE(from_range(test::all_kinds));
    const std::size_t room = GENERATE(std::size_t{0}, std::size_t{1});
    fake_hub hub{{.history = {.messages = 3}, .lag = weir::skip_oldest{.max_messages = 0, .max_bytes = 0}}};
    client& c = blocked_client(hub, telling(k), k, room);
    publish_numbers(hub, 1, 5);
    hub.run();
    c.wake_in_vain();
    publish_numbers(hub, 6, 9);
    hub.run();
    c.unblock();
    const std::string begun = room == 0 ? "" : "first ";
    CHECK(c.words() == begun + "skip=0+lost 7 8 9");
    CHECK(c.stats().dropped.total() == 0);
}

// ---- notices ----

TEST_CASE("subscriber: a notice taken in part is completed, and said once", "[session][subscriber][on_skip]") {
    const kind k = GENERATE(from_range(test::all_kinds));
    for (std::size_t room = 1; room <= 80; ++room) {
        CAPTURE(k, room);
        fake_hub hub;
        auto options = telling(k);
        options.lag = weir::skip_oldest{.max_messages = 3};
        client& c = blocked_client(hub, options, k);
        publish_numbers(hub, 1, 9);
        hub.run();
        c.take(room);  // ends somewhere in the notice, or behind it
        hub.settle();
        REQUIRE(c.line().output.size() <= room);
        hub.publish_and_run("a", "10");
        c.send("direct");
        c.beat();
        for (int i = 0; i != 10; ++i) c.take(1);
        c.unblock();
        std::size_t notices = 0, said = 0;
        std::string rest;
        for (const test::arrival& a : c.arrivals()) {
            const std::string text = a.event.empty() ? a.text : a.event + '=' + a.text;
            if (text == "direct" || text == "(beat)" || text == "(ping)") continue;
            if (!text.starts_with("skip=")) {
                rest += text + ' ';
                continue;
            }
            ++notices;
            said += std::stoul(text.substr(5));
            REQUIRE((notices == 1 ? 7U : 1U) == std::stoul(text.substr(5)));
        }
        REQUIRE(said == c.stats().dropped.lagging);
        REQUIRE(rest == (notices == 1 ? "7 8 9 10 " : rest.starts_with("7") ? rest : "8 9 10 "));
        REQUIRE(c.stats().dropped.lagging + 3 + (notices == 1 ? 1 : rest.starts_with("8") ? 0 : 99) == 11);
    }
}

TEST_CASE("subscriber: a notice that was not taken at all says more the next time", "[session][subscriber][on_skip]") {
    fake_hub hub;
    auto options = telling();
    options.lag = weir::skip_oldest{.max_messages = 3};
    client& c = blocked_client(hub, options);
    publish_numbers(hub, 1, 9);
    hub.run();
    c.wake_in_vain();
    CHECK(c.stats().dropped.lagging == 7);
    publish_numbers(hub, 10, 11);
    hub.run();
    c.unblock();
    CHECK(c.words() == "skip=9 9 10 11");
    CHECK(c.stats().dropped.lagging == 9);
}

TEST_CASE("subscriber: a gap that comes while a notice is on its way is told of as well",
          "[session][subscriber][on_skip]") {
    fake_hub hub;
    auto options = telling();
    options.lag = weir::skip_oldest{.max_messages = 3};
    client& c = blocked_client(hub, options);
    publish_numbers(hub, 1, 9);
    hub.run();
    c.take(5);
    hub.settle();
    REQUIRE(c.words() == "(...)");
    CHECK(hub.subscribe(c, {"b"}, {.after = "other-1"}) == subscribed::gap);
    c.unblock();
    CHECK(c.words() == "skip=7 skip=0+lost 7 8 9");
}

TEST_CASE("subscriber: who does not want to tell does not", "[session][subscriber][on_skip]") {
    fake_hub hub;
    int asked = 0;
    client& c = blocked_client(hub, {.lag = weir::skip_oldest{.max_messages = 3}, .on_skip = [&](const skipped& s) {
                                         ++asked;
                                         CHECK(s.messages == 7);
                                         return std::optional<skip_notice>{};
                                     }});
    publish_numbers(hub, 1, 9);
    hub.run();
    c.unblock();
    CHECK(asked == 1);
    CHECK(c.words() == "7 8 9");
    hub.publish_and_run("a", "10");
    CHECK(asked == 1);
}

TEST_CASE("subscriber: a notice comes although everything behind it is left out", "[session][subscriber][on_skip]") {
    fake_hub hub;
    auto options = telling();
    options.lag = weir::skip_oldest{.max_messages = 0, .max_bytes = 0, .max_age = 1s};
    client& c = blocked_client(hub, options, kind::sse_plain, GENERATE(std::size_t{0}, std::size_t{1}));
    publish_numbers(hub, 1, 3);
    hub.run();
    const bool begun = !c.line().output.empty();
    hub.advance(2s);
    c.unblock();
    CHECK(c.words() == (begun ? "first skip=3" : "skip=4"));
    CHECK(hub.core().stats().behind == 0);
    hub.publish_and_run("a", "4");
    CHECK(c.words().ends_with(" 4"));
}

// ---- time to live ----

TEST_CASE("subscriber: what has outlived its time is not sent", "[session][subscriber][time_to_live]") {
    fake_hub hub;
    SECTION("to one that keeps up") {
        client& c = hub.add();
        hub.subscribe(c, {"a"});
        hub.publish("a", "short", {.time_to_live = 10ms});
        hub.publish("a", "long", {.time_to_live = 20ms});
        hub.publish("a", "for ever");
        hub.advance(10ms);
        hub.run();
        CHECK(c.words() == "long for ever");
    }
    SECTION("to one that is slow") {
        client& c = blocked_client(hub, telling());
        hub.publish("a", "short", {.time_to_live = 10ms});
        hub.publish("a", "high", {.time_to_live = 10ms, .priority = priority::high});
        hub.publish("a", "long", {.time_to_live = 20ms});
        hub.run();
        hub.advance(10ms);
        c.unblock();
        CHECK(c.words() == "first skip=2 long");
        CHECK(c.stats().dropped.expired == 2);
        CHECK(c.seen().dropped.expired == 2);
        CHECK(c.stats().dropped.lagging == 0);
    }
    SECTION("to one that resumes") {
        hub.publish("a", "short", {.time_to_live = 10ms});
        hub.publish("a", "long", {.time_to_live = 20ms});
        hub.advance(10ms);
        client& c = hub.add();
        auto options = telling();
        options.after = "epoch-0";
        CHECK(hub.subscribe(c, {"a"}, options) == subscribed::recovered);
        hub.run();
        CHECK(c.words() == "skip=1 long");
        CHECK(c.stats().dropped.expired == 1);
    }
    SECTION("but to its end, if it is on its way") {
        client& c = hub.add();
        hub.subscribe(c, {"a"});
        hub.settle();
        c.limit(5);
        hub.publish_and_run("a", "short", {.time_to_live = 10ms});
        hub.advance(1s);
        c.unblock();
        CHECK(c.words() == "short");
    }
}

// ---- the end ----

TEST_CASE("subscriber: close writes what was published before it, and then the farewell",
          "[session][subscriber][close]") {
    const kind k = GENERATE(from_range(test::all_kinds));
    for (std::size_t room = 0; room <= 100; ++room) {
        CAPTURE(k, room);
        fake_hub hub;
        client& c = hub.add(k);
        hub.subscribe(c, {"a"});
        hub.settle();
        c.limit(room);
        hub.publish_and_run("a", "1st");
        hub.publish("a", "2nd");
        c.close();
        CHECK_FALSE(c.session().takes_feeds());
        hub.publish("a", "3rd");
        c.beat();
        hub.run();
        if (!is_sse(k)) static_cast<test::ws_client&>(c).operator*().get_frame(test::opcode::ping, "?");
        hub.settle();
        c.unblock();
        const std::string farewell = k == kind::sse_plain ? "" : is_sse(k) ? " (end)" : " (close 1000)";
        CAPTURE(c.words());
        // A ping is answered before the messages, between them, or not at all; nothing comes behind the close frame.
        std::string said;
        for (const test::arrival& arrived : c.arrivals()) {
            if (arrived.text != "(pong)") said += (said.empty() ? "" : " ") + arrived.text;
        }
        REQUIRE(said == "1st 2nd" + farewell);
        REQUIRE(c.words().ends_with(farewell));
        REQUIRE(hub.core().stats().behind == 0);
        if (!is_sse(k)) static_cast<test::ws_client&>(c).operator*().get_close();
        hub.settle();
        REQUIRE(c.line().send_shut);
    }
}

TEST_CASE("subscriber: a session without anything to come closes at once", "[session][subscriber][close]") {
    const kind k = GENERATE(from_range(test::all_kinds));
    fake_hub hub;
    client& c = hub.add(k);
    hub.subscribe(c, {"a", "b"});
    hub.publish("c", "1");
    c.close(error::draining);
    hub.settle();
    CHECK(c.words() == (k == kind::sse_plain ? "" : is_sse(k) ? "(end)" : "(close 1001)"));
}

TEST_CASE("subscriber: a session may be closed that has unsubscribed", "[session][subscriber][close]") {
    fake_hub hub;
    client& c = blocked_client(hub, {}, kind::sse_chunked, GENERATE(std::size_t{0}, std::size_t{3}));
    const bool begun = !c.line().output.empty();
    if (GENERATE(false, true)) {
        hub.of(c).leave();
    } else {
        hub.of(c).unsubscribe("a");
    }
    c.close();
    c.unblock();
    CHECK(c.words() == (begun ? "first (end)" : "(end)"));
}

TEST_CASE("subscriber: a closing session that takes nothing is given up", "[session][subscriber][close]") {
    fake_hub hub;
    client& c = blocked_client(hub, {}, kind::websocket, 3);
    c.close();
    hub.settle();
    hub.advance(31s);
    CHECK(c.line().closed == 1);
    CHECK(hub.core().stats().subscribers == 0);
}

TEST_CASE("subscriber: what outlives its time while closing is left out", "[session][subscriber][close]") {
    fake_hub hub;
    client& c = blocked_client(hub, {}, kind::sse_chunked, 3);
    hub.publish("a", "short", {.time_to_live = 10ms});
    hub.run();
    c.close();
    hub.advance(10ms);
    c.unblock();
    CHECK(c.words() == "first (end)");
    CHECK(c.stats().dropped.expired == 1);
}

TEST_CASE("subscriber: hub and sessions may go in any order", "[session][subscriber][close]") {
    std::unique_ptr<client> survivor = test::make_client(kind::sse_plain);
    const weir::time_point at = test::t0;
    auto core = std::make_shared<test::fake_core>(weir::detail::any_store{weir::memory_store{}}, weir::message_format{},
                                                  weir::detail::hub_settings{});
    auto shard = std::make_shared<test::fake_shard>(core, nullptr, at);
    survivor->session().attach(std::make_unique<test::subscriber>(survivor->session(), shard));
    const std::string_view topic = "a";
    static_cast<test::subscriber*>(survivor->session().fed())
        ->subscribe(weir::topic_set::parse({&topic, 1}).value(), {}, at);
    const std::weak_ptr<test::fake_core> left = core;
    if (GENERATE(false, true)) {
        core->publish("a", {.data = "1"}, at);
        survivor->limit(3);
        shard->run();
    }
    core.reset();
    shard.reset();
    CHECK_FALSE(left.expired());
    survivor->send("direct");
    survivor->unblock();
    CHECK(survivor->words().ends_with("direct"));
    survivor.reset();
    CHECK(left.expired());
}

// ---- beside what the session says itself ----

TEST_CASE("subscriber: between the pieces of a message nothing is written", "[session][subscriber][pieces]") {
    fake_hub hub;
    auto& c = static_cast<test::ws_client&>(hub.add(kind::websocket));
    hub.subscribe(c, {"a"});
    hub.publish_and_run("a", "before");
    const auto begin = (*c).async_send_some("b", false);
    hub.publish_and_run("a", "1st");
    hub.advance(1h);
    hub.publish_and_run("a", "2nd");
    const auto more = (*c).async_send_some("m", false);
    hub.settle();
    c.beat();
    CHECK(c.words() == "before (piece b) (piece m) (ping)");
    const auto end = (*c).async_send_some("e", true);
    hub.settle();
    CHECK(c.words() == "before (piece b) (piece m) (ping) (piece e) 1st 2nd");
    CHECK(begin->succeeded());
    CHECK(more->succeeded());
    CHECK(end->succeeded());
    hub.publish_and_run("a", "3rd");
    CHECK(c.words().ends_with("2nd 3rd"));
}

TEST_CASE("subscriber: a message in pieces begins behind one that is partly on its way",
          "[session][subscriber][pieces]") {
    fake_hub hub;
    auto& c = static_cast<test::ws_client&>(blocked_client(hub, {}, kind::websocket, 3));
    const auto begin = (*c).async_send_some("b", false);
    hub.publish_and_run("a", "2nd");
    c.unblock();
    CHECK(c.words() == "first (piece b)");
    const auto end = (*c).async_send_some("e", true);
    hub.settle();
    CHECK(c.words() == "first (piece b) (piece e) 2nd");
}

TEST_CASE("subscriber: a session that is closed in the middle of a message says goodbye all the same",
          "[session][subscriber][pieces]") {
    fake_hub hub;
    auto& c = static_cast<test::ws_client&>(hub.add(kind::websocket));
    hub.subscribe(c, {"a"});
    const auto begin = (*c).async_send_some("b", false);
    hub.publish_and_run("a", "1st");
    c.close();
    hub.settle();
    CHECK(c.words() == "(piece b) (close 1000)");
}

TEST_CASE("subscriber: what is compressed with a history does not refer to what a hub has sent",
          "[session][subscriber][deflate]") {
    // The client's codec is one that fails if what it was sent refers to anything but the message before.
    const bool cut = GENERATE(false, true);
    fake_hub hub;
    client& c = hub.add(kind::deflated_with_history);
    hub.subscribe(c, {"a"});
    c.send("direct1");
    c.send("direct2");
    hub.publish_and_run("a", "published1");
    c.send("direct3");
    hub.settle();
    c.send("direct4");
    hub.settle();
    if (cut) c.limit(4);
    hub.publish_and_run("a", "published2");
    c.send("direct5");
    hub.publish("a", "published3");
    hub.run();
    c.send("direct6");
    c.unblock();
    c.send("direct7");
    hub.settle();
    hub.publish_and_run("a", "published4");
    c.send("direct8");
    hub.settle();
    CHECK(c.words() ==
          (cut ? "direct1 direct2 published1 direct3 direct4 published2 direct5 direct6 published3 direct7 "
                 "published4 direct8"
               : "direct1 direct2 published1 direct3 direct4 published2 direct5 published3 direct6 direct7 "
                 "published4 direct8"));
}

TEST_CASE("subscriber: heartbeats are due when nothing else is said", "[session][subscriber]") {
    fake_hub hub;
    client& c = hub.add(kind::sse_plain, {.heartbeat = weir::comment_every{10s}});
    hub.subscribe(c, {"a"});
    hub.advance(9s);
    hub.publish_and_run("a", "1st");
    hub.advance(9s);
    CHECK(c.words() == "1st");
    hub.advance(1s);
    CHECK(c.words() == "1st (beat)");
}

TEST_CASE("subscriber: one that takes nothing is given up in time, and in no more", "[session][subscriber]") {
    fake_hub hub;
    client& c = hub.add(kind::sse_plain, {.patience = 10s});
    hub.subscribe(c, {"a"},
                  {.filter = GENERATE(false, true) ? [](const published_message&) { return true; }
                                                   : std::function<bool(const published_message&)>{}});
    hub.advance(1h);
    c.limit(GENERATE(std::size_t{0}, std::size_t{3}));
    hub.publish_and_run("a", "1st");
    hub.advance(5s);
    hub.publish_and_run("a", "2nd");
    hub.advance(5s - 1ms);
    CHECK(c.session().state() == phase::open);
    hub.advance(1ms);
    CHECK(c.session().end_reason() == error::stalled);
    CHECK(hub.core().stats().subscribers == 0);
}

TEST_CASE("subscriber: those who wait until everything is written wait for what is published, too",
          "[session][subscriber]") {
    fake_hub hub;
    client& c = blocked_client(hub, {}, kind::sse_plain, GENERATE(std::size_t{0}, std::size_t{3}));
    const auto all = static_cast<test::sse_client&>(c).operator*().drained();
    CHECK_FALSE(all->done);
    c.unblock();
    CHECK(all->succeeded());
}

TEST_CASE("subscriber: it is counted while its session lives", "[session][subscriber]") {
    fake_hub hub;
    client &one = hub.add(), &two = hub.add();
    hub.subscribe(one, {"a"});
    hub.subscribe(two, {"a", "b"});
    CHECK(hub.core().stats().subscribers == 2);
    hub.of(one).leave();
    CHECK(hub.core().stats().subscribers == 2);
    one.vanish();
    hub.settle();
    hub.remove(two);
    CHECK(hub.core().stats().subscribers == 0);
}

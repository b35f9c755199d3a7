// SPDX-License-Identifier: BSL-1.0

#include <weir/session/fan_out.hpp>

#include <weir/bytes.hpp>
#include <weir/error.hpp>
#include <weir/session/hub_core.hpp>
#include <weir/session/published_message.hpp>
#include <weir/session/subscriber.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <memory>
#include <new>
#include <string>
#include <string_view>
#include <vector>

#include "catch.hpp"
#include "support/allocation_count.hpp"
#include "support/errc.hpp"
#include "support/fake_hub.hpp"

using namespace std::literals;
using test::client;
using test::fake_hub;
using test::kind;
using test::phase;
using weir::error;

namespace {

const std::initializer_list<std::string_view> burst = {"1st", "2nd", "3rd", "4th", "5th",
                                                       "6th", "7th", "8th", "9th", "10th"};
constexpr std::string_view burst_words = "1st 2nd 3rd 4th 5th 6th 7th 8th 9th 10th";
const auto reset_by_peer = test::code_of(std::errc::connection_reset);

}  // namespace

// ---- one write ----

TEST_CASE("fan out: every kind of client gets what is published, in its own form", "[session][fan_out]") {
    const bool batched = GENERATE(false, true);
    fake_hub hub{{.batched = batched}};
    std::vector<client*> clients;
    for (const kind k : test::all_kinds) hub.subscribe(*clients.emplace_back(&hub.add(k)), {"a"});
    hub.publish("a", "hello", {.event = "greeting"});
    for (client* c : clients) CHECK(c->words() == "");
    hub.run();
    CHECK(clients[0]->line().output == "event: greeting\nid: epoch-1\ndata: hello\n\n");
    CHECK(clients[1]->words() == "greeting=hello");
    CHECK(clients[2]->line().output == "\x81\x05hello"sv);
    CHECK(clients[3]->line().output == "\xc1\x08[<hello]"sv);
    CHECK(clients[4]->line().output == clients[3]->line().output);
    for (client* c : clients) {
        CHECK(c->stats().messages_sent == 1);
        CHECK(c->stats().bytes_sent == c->line().output.size());
    }
}

TEST_CASE("fan out: a burst is one write for each subscriber", "[session][fan_out]") {
    const bool batched = GENERATE(false, true);
    const kind k = GENERATE(from_range(test::all_kinds));
    fake_hub hub{{.batched = batched}};
    client &by_name = hub.add(k), &by_pattern = hub.add(k), &by_both = hub.add(k), &filtered = hub.add(k);
    hub.subscribe(by_name, {"a"});
    hub.subscribe(by_pattern, {"#"});
    hub.subscribe(by_both, {"a", "+", "b/#"});
    hub.subscribe(filtered, {"a"}, {.filter = [](const weir::published_message& m) { return m.data() != "2nd"; }});
    hub.publish_all("a", burst);
    hub.run();
    for (client* c : {&by_name, &by_pattern, &by_both}) {
        CHECK(c->words() == burst_words);
        CHECK(c->writes() == 1);
    }
    CHECK(filtered.words() == "1st 3rd 4th 5th 6th 7th 8th 9th 10th");
    CHECK(filtered.writes() == 1);
}

TEST_CASE("fan out: what is sent directly in the same turn is in the same write", "[session][fan_out]") {
    const bool batched = GENERATE(false, true);
    const kind k = GENERATE(from_range(test::all_kinds));
    fake_hub hub{{.batched = batched}};
    client& c = hub.add(k);
    hub.subscribe(c, {"a"});
    hub.settle();
    hub.publish("a", "published");
    c.send("direct");
    SECTION("the hub's turn first") { hub.run(); }
    SECTION("the session's first") {
        hub.settle();
        CHECK(c.words() == "direct");
        hub.run();
        CHECK(c.words() == "direct published");
        CHECK(c.writes() == 2);
        return;
    }
    CHECK(c.words() == "direct published");
    CHECK(c.writes() == 1);
}

TEST_CASE("fan out: a message is encoded once for all that take one form", "[session][fan_out]") {
    int made = 0;
    fake_hub hub{{.websocket_payload = [&](const weir::published_message& m) {
        ++made;
        return std::string{m.data()};
    }}};
    for (int i = 0; i != 10; ++i) {
        for (const kind k : test::all_kinds) hub.subscribe(hub.add(k), {i % 2 == 0 ? "a" : "#"});
    }
    hub.publish_and_run("a", "hello");
    CHECK(made == 2);  // as it is, and compressed
    hub.publish_all("a", {"once", "more"});
    hub.run();
    CHECK(made == 6);
}

TEST_CASE("fan out: the very same bytes are written to all, wherever they wait", "[session][fan_out]") {
    // What is offered to a session is a view: its address tells whether it was copied.
    struct taking final : weir::write_batch {
        std::vector<const std::byte*> seen;
        void perform(std::span<weir::batched_write> writes) noexcept override {
            for (weir::batched_write& w : writes) {
                seen.push_back(w.pieces[0].data());
                w.taken = w.pieces[0].size();
            }
        }
    };
    auto owned = std::make_unique<taking>();
    taking& batch = *owned;
    const auto core = std::make_shared<test::fake_core>(weir::detail::any_store{weir::memory_store{}},
                                                        weir::message_format{}, weir::detail::hub_settings{});
    const weir::time_point at = test::t0;
    const auto shard = std::make_shared<test::fake_shard>(core, std::move(owned), at);
    std::vector<std::unique_ptr<client>> clients;
    for (int i = 0; i != 5; ++i) {
        client& c = *clients.emplace_back(test::make_client(kind::websocket));
        c.line().descriptor = i;
        c.session().attach(std::make_unique<test::subscriber>(c.session(), shard));
        const std::string_view topic = "a";
        static_cast<test::subscriber*>(c.session().fed())
            ->subscribe(weir::topic_set::parse({&topic, 1}).value(), {}, at);
        c.settle();
    }
    core->publish("a", {.data = "hello"}, at);
    shard->run();
    REQUIRE(batch.seen.size() == 5);
    for (const std::byte* address : batch.seen) CHECK(address == batch.seen[0]);
}

TEST_CASE("fan out: what is too much for one write is written in several", "[session][fan_out]") {
    const bool batched = GENERATE(false, true);
    fake_hub hub{{.history = {.messages = 0, .bytes = 0}, .batched = batched}};
    client &plain = hub.add(), &stops = hub.add();
    hub.subscribe(plain, {"a"});
    hub.subscribe(stops, {"a"});
    std::string expected;
    std::size_t writes = 0;
    SECTION("by bytes") {
        writes = 4;  // of two messages each: a third would be more than 256 KiB
        const std::string large(100'000, 'x');
        for (int i = 0; i != 7; ++i) {
            hub.publish("a", large);
            expected += (i == 0 ? "" : " ") + large;
        }
        stops.limit(310'000);  // beyond the first of the writes
    }
    SECTION("by messages") {
        writes = 3;
        for (int i = 0; i != 2500; ++i) {
            hub.publish("a", std::to_string(i));
            expected += (i == 0 ? "" : " ") + std::to_string(i);
        }
        stops.limit(50'000);
    }
    hub.run();
    CHECK(plain.words() == expected);
    CHECK(plain.writes() == writes);
    CHECK(stops.line().writes.size() == 2);
    stops.unblock();
    CHECK(stops.words() == expected);
}

// ---- the slow and the quick ----

TEST_CASE("fan out: one that is blocked is neither written to nor waited for", "[session][fan_out]") {
    const bool batched = GENERATE(false, true);
    const kind k = GENERATE(from_range(test::all_kinds));
    fake_hub hub{{.batched = batched}};
    client &first = hub.add(k), &slow = hub.add(k), &last = hub.add(k);
    for (client* c : {&first, &slow, &last}) hub.subscribe(*c, {"a"});
    slow.limit(GENERATE(std::size_t{0}, std::size_t{1}));
    hub.publish_and_run("a", "1st");
    REQUIRE(slow.stats().blocked);
    const auto writes = slow.writes();
    CHECK(hub.core().stats().behind == 1);
    for (const auto text : {"2nd", "3rd", "4th"}) hub.publish_and_run("a", text);
    CHECK(slow.writes() == writes);
    CHECK(first.words() == "1st 2nd 3rd 4th");
    CHECK(last.words() == "1st 2nd 3rd 4th");
    slow.unblock();
    CHECK(slow.words() == "1st 2nd 3rd 4th");
    CHECK(slow.writes() == writes + 1);
    CHECK(hub.core().stats().behind == 0);
    hub.publish_and_run("a", "5th");
    for (client* c : {&first, &slow, &last}) CHECK(c->words() == "1st 2nd 3rd 4th 5th");
}

TEST_CASE("fan out: one that is blocked is not even looked at", "[session][fan_out]") {
    fake_hub hub;
    client& slow = hub.add();
    int asked = 0;
    const auto count = [&](const weir::published_message&) { return ++asked, true; };
    hub.subscribe(slow, {"a", "b"}, {.filter = count});
    slow.limit(0);
    hub.publish_and_run("a", "1st");
    const int before = asked;
    hub.publish_and_run("a", "2nd");
    hub.publish_and_run("b", "3rd");
    CHECK(asked == before);
    slow.unblock();
    CHECK(slow.words() == "1st 2nd 3rd");
}

TEST_CASE("fan out: what is written in part goes on where it stopped, wherever that was", "[session][fan_out]") {
    const bool batched = GENERATE(false, true);
    const kind k = GENERATE(from_range(test::all_kinds));
    const enum class between {
        nothing,
        heartbeat,
        direct,
        both
    } what = GENERATE(between::nothing, between::heartbeat, between::direct, between::both);
    for (std::size_t room = 0, all = 1; room <= all; ++room) {
        CAPTURE(batched, k, what, room);
        fake_hub hub{{.batched = batched}};
        client &c = hub.add(k), &quick = hub.add(k);
        hub.subscribe(c, {"a"});
        hub.subscribe(quick, {"a"});
        hub.settle();
        c.limit(room);
        hub.publish_all("a", {"1st message", "2nd message"});
        hub.run();
        all = quick.line().output.size();
        REQUIRE(c.line().output == quick.line().output.substr(0, room));
        if (what == between::heartbeat || what == between::both) c.beat();
        if (what == between::direct || what == between::both) c.send("direct");
        hub.settle();
        hub.publish_and_run("a", "3rd message");
        // Byte by byte for a while, and then all.
        for (int i = 0; i != 5; ++i) {
            c.take(1);
            hub.settle();
        }
        c.unblock();
        // What is no message of the hub's is between its messages.
        std::string messages;
        std::size_t others = 0;
        for (const test::arrival& a : c.arrivals()) {
            const bool own = a.text == "direct" || a.text == "(beat)" || a.text == "(ping)";
            others += own ? 1 : 0;
            if (!own) messages += a.text + ' ';
        }
        REQUIRE(messages == "1st message 2nd message 3rd message ");
        REQUIRE(others == (what == between::nothing ? 0U : what == between::both ? 2U : 1U));
        REQUIRE(c.stats().messages_sent == 3U + (what == between::direct || what == between::both ? 1U : 0U));
        REQUIRE_FALSE(c.stats().blocked);
        hub.publish_and_run("a", "4th message");
        REQUIRE(c.words().ends_with("4th message"));
    }
}

TEST_CASE("fan out: a transport with a buffer of its own is given no more than that", "[session][fan_out]") {
    fake_hub hub;
    client& c = hub.add();
    hub.subscribe(c, {"a"});
    c.line().buffered = 1000;
    hub.publish_and_run("a", "1st");
    hub.publish_and_run("a", "2nd");
    CHECK(c.words() == "");
    CHECK(c.writes() == 1);
    static_cast<test::sse_client&>(c).operator*().deliver();
    hub.settle();
    CHECK(c.words() == "1st");
    static_cast<test::sse_client&>(c).operator*().deliver();
    CHECK(c.words() == "1st 2nd");
}

// ---- those who go in the middle ----

TEST_CASE("fan out: one that breaks in the turn takes nobody with it, wherever it stands", "[session][fan_out]") {
    const bool batched = GENERATE(false, true);
    const std::size_t broken = GENERATE(std::size_t{0}, std::size_t{1}, std::size_t{2}, std::size_t{3}, std::size_t{4});
    const bool selective = GENERATE(false, true);
    fake_hub hub{{.batched = batched}};
    std::vector<client*> clients;
    for (int i = 0; i != 5; ++i) {
        client& c = *clients.emplace_back(&hub.add(kind::websocket));
        if (selective) hub.subscribe(c, {"a", "b"});
        if (!selective) hub.subscribe(c, {"a"});
    }
    hub.settle();
    clients[broken]->line().failure = reset_by_peer;
    if (broken != 0) clients[broken - 1]->line().failure = reset_by_peer;
    hub.publish("a", "1st");
    hub.publish("a", "2nd");
    hub.run();
    for (std::size_t i = 0; i != 5; ++i) {
        const bool ended = i == broken || i + 1 == broken;
        CHECK(clients[i]->session().end_reason() == (ended ? reset_by_peer : weir::error_code{}));
        CHECK(clients[i]->words() == (ended ? "" : "1st 2nd"));
    }
    CHECK(hub.core().stats().subscribers == (broken == 0 ? 4 : 3));
    hub.publish_and_run("a", "3rd");
    for (client* c : clients) {
        if (c->session().state() == phase::open) CHECK(c->words() == "1st 2nd 3rd");
    }
}

TEST_CASE("fan out: those who vanish between publish and turn are not written to", "[session][fan_out]") {
    const std::size_t gone = GENERATE(std::size_t{0}, std::size_t{1}, std::size_t{2});
    const bool destroyed = GENERATE(false, true);
    fake_hub hub;
    std::vector<client*> clients;
    for (int i = 0; i != 3; ++i) hub.subscribe(*clients.emplace_back(&hub.add()), {"a"});
    hub.publish("a", "1st");
    const auto writes = clients[gone]->writes();
    clients[gone]->vanish();
    CHECK(clients[gone]->writes() == writes);
    if (destroyed) hub.remove(*clients[gone]);
    hub.run();
    for (std::size_t i = 0; i != 3; ++i) {
        if (i != gone) CHECK(clients[i]->words() == "1st");
    }
    CHECK(hub.core().stats().subscribers == 2);
}

TEST_CASE("fan out: all of them may break", "[session][fan_out]") {
    const bool batched = GENERATE(false, true);
    fake_hub hub{{.batched = batched}};
    for (int i = 0; i != 300; ++i) {
        client& c = hub.add();
        hub.subscribe(c, {"a"});
        c.line().failure = reset_by_peer;
    }
    hub.publish_and_run("a", "1st");
    CHECK(hub.core().stats().subscribers == 0);
    CHECK(hub.core().unused.size() == 1);
    hub.publish("a", "2nd");
    CHECK(hub.shard().wakes == 1);
}

// ---- batches ----

TEST_CASE("fan out: a batch has at most 256 writes, each of another socket", "[session][fan_out][batch]") {
    fake_hub hub{{.batched = true}};
    std::vector<client*> clients;
    for (int i = 0; i != 600; ++i) hub.subscribe(*clients.emplace_back(&hub.add()), {"a"});
    hub.settle();
    hub.publish_all("a", {"1st", "2nd"});
    hub.run();
    CHECK(hub.batch().sizes == std::vector<std::size_t>{256, 256, 88});
    for (client* c : clients) {
        REQUIRE(c->words() == "1st 2nd");
        REQUIRE(c->writes() == 1);
    }
}

TEST_CASE("fan out: what has no descriptor is written beside the batch", "[session][fan_out][batch]") {
    fake_hub hub{{.batched = true}};
    client &with = hub.add(), &without = hub.add();
    without.line().descriptor = -1;
    hub.subscribe(with, {"a"});
    hub.subscribe(without, {"a"});
    hub.settle();
    hub.publish_and_run("a", "1st");
    CHECK(hub.batch().sizes == std::vector<std::size_t>{1});
    CHECK(with.words() == "1st");
    CHECK(without.words() == "1st");
}

TEST_CASE("fan out: those who take all, a part, or nothing of a batch, and those who break",
          "[session][fan_out][batch]") {
    fake_hub hub{{.batched = true}};
    std::vector<client*> clients;
    for (int i = 0; i != 40; ++i) {
        client& c = *clients.emplace_back(&hub.add(test::all_kinds[static_cast<std::size_t>(i) % 5]));
        hub.subscribe(c, {"a"});
        hub.settle();
        if (i % 4 == 1) c.limit(static_cast<std::size_t>(i));
        if (i % 4 == 2) c.limit(0);
        if (i % 4 == 3) c.line().failure = reset_by_peer;
    }
    hub.publish_all("a", {"1st message", "2nd message"});
    hub.run();
    hub.publish_and_run("a", "3rd message");
    for (client* c : clients) c->unblock();
    for (std::size_t i = 0; i != clients.size(); ++i) {
        CAPTURE(i);
        if (i % 4 == 3) {
            CHECK(clients[i]->session().end_reason() == reset_by_peer);
        } else {
            CHECK(clients[i]->words() == "1st message 2nd message 3rd message");
        }
    }
}

// ---- several loops ----

TEST_CASE("fan out: each loop has its own turn", "[session][fan_out]") {
    fake_hub hub{{.shards = 3}};
    std::vector<client*> clients;
    for (std::size_t i = 0; i != 3; ++i) hub.subscribe(*clients.emplace_back(&hub.add(kind::sse_plain, {}, i)), {"a"});
    hub.publish("a", "1st");
    CHECK(hub.shard(1).run());
    CHECK(clients[1]->words() == "1st");
    CHECK(clients[0]->words() == "");
    hub.publish("a", "2nd");
    CHECK(hub.shard(0).run());
    CHECK(clients[0]->words() == "1st 2nd");
    CHECK(clients[0]->writes() == 1);
    CHECK(hub.shard(1).run());
    CHECK(hub.shard(2).run());
    for (client* c : clients) CHECK(c->words() == "1st 2nd");
    for (std::size_t i = 0; i != 3; ++i) CHECK_FALSE(hub.shard(i).run());
}

// ---- presence ----

TEST_CASE("fan out: who comes and goes is told in the turn, and may publish it", "[session][fan_out][presence]") {
    fake_hub* self = nullptr;
    std::string told;
    fake_hub hub{{.on_presence = [&](const weir::presence_change& change) {
        told += (change.joined ? '+' : '-') + change.member + '@' + change.topic + ' ';
        self->publish(change.topic, told);
    }}};
    self = &hub;
    client &ann = hub.add(), &ann_again = hub.add(), &bob = hub.add();
    hub.subscribe(ann, {"room", "room/#"}, {.member = "ann"});
    hub.subscribe(ann_again, {"room"}, {.member = "ann"});
    CHECK(told == "");
    hub.run();
    CHECK(told == "+ann@room ");
    hub.subscribe(bob, {"room"}, {.member = "bob"});
    hub.run();
    CHECK(told == "+ann@room +bob@room ");
    ann.vanish();
    hub.run();
    CHECK(told == "+ann@room +bob@room ");
    CHECK(hub.core().members("room") == std::vector{"ann"s, "bob"s});
    ann_again.vanish();
    hub.run();
    CHECK(told == "+ann@room +bob@room -ann@room ");
    CHECK(bob.words().ends_with("-ann@room "));
    hub.of(bob).unsubscribe("room");
    hub.run();
    CHECK(hub.core().members("room").empty());
}

// ---- cost ----

namespace {

/// What a turn allocates with so many subscribers that keep up.
std::size_t cost_of_turn(std::size_t subscribers, bool batched, kind k) {
    fake_hub hub{{.history = {.messages = 4}, .batched = batched}};
    for (std::size_t i = 0; i != subscribers; ++i) {
        client& c = hub.add(k);
        hub.subscribe(c, {"a"});
        hub.settle();
        c.line().output.reserve(20'000);
        c.line().writes.reserve(100);
    }
    for (int i = 0; i != 10; ++i) {
        hub.publish_all("a", burst);
        hub.run();
    }
    hub.publish_all("a", burst);
    const std::size_t before = test::allocations;
    hub.shard().run();
    return test::allocations - before;
}

}  // namespace

TEST_CASE("fan out: nothing is allocated per subscriber and message", "[session][fan_out][allocation]") {
    const std::size_t before = test::allocations;
    ::operator delete(::operator new(1));
    if (test::allocations == before) {  // support/allocations.hpp is not part of this program
        WARN("allocations are not counted");
        return;
    }
    const kind k = GENERATE(from_range(test::all_kinds));
    const std::size_t of_one = cost_of_turn(1, false, k);
    CHECK(of_one != 0);  // the frames are made
    CHECK(cost_of_turn(1'000, false, k) == of_one);
}

TEST_CASE("fan out: a turn keeps nothing of what it was given", "[session][fan_out]") {
    fake_hub hub{{.history = {.messages = 1}}};
    client& c = hub.add();
    hub.subscribe(c, {"a"});
    std::weak_ptr<const weir::published_message> first;
    {
        hub.publish("a", "1st");
        weir::message_ptr read;
        const std::string_view topic = "a";
        hub.core().read(weir::topic_set::parse({&topic, 1}).value(), 0, 1, {&read, 1});
        first = read;
    }
    hub.run();
    CHECK_FALSE(first.expired());  // it is history
    hub.publish_and_run("a", "2nd");
    CHECK(first.expired());
    CHECK(c.words() == "1st 2nd");
}

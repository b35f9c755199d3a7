// SPDX-License-Identifier: BSL-1.0

#include <weir/hub.hpp>

#include <weir/sse/decoder.hpp>
#include <weir/sse_stream.hpp>
#include <weir/ws_stream.hpp>

#include <chrono>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "support/memory_stream.hpp"
#include "support/virtual_context.hpp"
#include "support/ws_fixture.hpp"

namespace {

using namespace std::chrono_literals;
using stream = test::direct_memory_stream<>;
using texts = std::vector<std::string>;
using test::text_frame;
using weir::error;
using weir::error_code;
using weir::hub;
using weir::subscribed;
using weir::ws_message;
using event_stream = weir::sse_stream<stream, weir::no_heartbeat>;
using web_socket = weir::ws_stream<stream, weir::no_heartbeat>;

/// A wire, and what the event stream on it says.
struct reader {
    std::shared_ptr<test::wire> wire = std::make_shared<test::wire>();

    event_stream open(test::virtual_context& context, weir::sse::framing framing = weir::sse::framing::plain) {
        event_stream out{stream{context, wire}, weir::no_heartbeat{}};
        out.begin(framing);
        return out;
    }
    web_socket open_websocket(test::virtual_context& context) {
        web_socket out{stream{context, wire}, weir::no_heartbeat{}};
        static_cast<void>(out.begin(weir::ws::role::server));
        return out;
    }

    /// The data of all events so far.
    texts data() const {
        return events([](const weir::sse::decoded_event& e) { return std::string{e.data}; });
    }
    texts ids() const {
        return events([](const weir::sse::decoded_event& e) { return std::string{e.id}; });
    }
    /// The same of WebSocket messages.
    texts messages() const {
        texts all;
        for (const auto& r : test::read_frames(wire->written, weir::ws::role::client)) all.push_back(r.payload);
        return all;
    }

private:
    template <class Part>
    texts events(Part part) const {
        texts all;
        weir::sse::decoder decoder;
        CHECK(decoder.feed(wire->written, [&](const auto& e) { all.push_back(part(e)); }) == error::none);
        return all;
    }
};

struct hub_fixture {
    test::virtual_context context;
    weir::hub hub;

    explicit hub_fixture(weir::hub_options options = {}) : hub(std::move(options)) {}

    void publish(std::string_view topic, std::string_view data) {
        CHECK(hub.publish(topic, {.data = data}) != 0);
        context.settle();
    }
};

}  // namespace

// ---- publishing ----

TEST_CASE("hub: an event stream gets what is published after it came", "[hub]") {
    hub_fixture t{{.resumable = false}};
    reader a;
    SECTION("as it is") {
        auto out = a.open(t.context);
        t.publish("news", "before");
        CHECK(t.hub.subscribe(out, "news") == subscribed::live);
        CHECK(t.hub.publish("news", {.event = "flash", .data = "one\ntwo"}) == 2);
        t.publish("other", "x");
        CHECK(a.wire->written == "event: flash\ndata: one\ndata: two\n\n");
        out.abort();
    }
    SECTION("chunked") {
        auto out = a.open(t.context, weir::sse::framing::chunked);
        CHECK(t.hub.subscribe(out, "news") == subscribed::live);
        t.publish("news", "x");
        CHECK(a.wire->written == "9\r\ndata: x\n\n\r\n");
        out.abort();
    }
}

TEST_CASE("hub: a WebSocket gets text, or binary", "[hub][ws]") {
    hub_fixture t;
    reader a;
    auto ws = a.open_websocket(t.context);
    CHECK(t.hub.subscribe(ws, "x") == subscribed::live);
    t.publish("x", "hello");
    t.hub.publish("x", {.data = {"\0\xff", 2}, .binary = true});
    t.context.settle();
    CHECK(test::to_hex(a.wire->written) == "81 05 68 65 6c 6c 6f 82 02 00 ff");
    ws.abort();
}

TEST_CASE("hub: whatever a turn brings leaves in one write", "[hub]") {
    hub_fixture t{{.say_where = false}};
    reader a, b;
    auto out = a.open(t.context);
    auto ws = b.open_websocket(t.context);
    t.hub.subscribe(out, "x");
    t.hub.subscribe(ws, "x");
    for (int i = 0; i != 50; ++i) t.hub.publish("x", {.data = std::to_string(i)});
    t.context.settle();
    CHECK(a.data().size() == 50);
    CHECK(b.messages().size() == 50);
    CHECK(a.wire->writes == 1);
    CHECK(b.wire->writes == 1);
    out.abort();
    ws.abort();
}

TEST_CASE("hub: what is no name is not published", "[hub]") {
    weir::hub hub;
    for (const std::string_view topic : {"", "a/+", "#", "a/b+", "\xff"}) {
        CHECK(hub.publish(topic, {.data = "x"}) == 0);
    }
    CHECK(hub.stats().published == 0);
    CHECK(hub.publish("a/b", {}) == 1);
    CHECK(hub.stats().published == 1);
}

TEST_CASE("hub: sending directly takes its turn", "[hub]") {
    hub_fixture t;
    reader a;
    auto out = a.open(t.context);
    t.hub.subscribe(out, "x");
    texts sent;
    for (int i = 0; i != 9; ++i) {
        if (i % 3 == 0) {
            out.send({.data = "direct " + std::to_string(i)});
            t.context.settle();
        } else {
            t.publish("x", "published " + std::to_string(i));
        }
        sent.push_back((i % 3 == 0 ? "direct " : "published ") + std::to_string(i));
    }
    CHECK(a.data() == sent);
    out.abort();
}

TEST_CASE("hub: a message that is sent in parts is not torn by what is published", "[hub][ws]") {
    hub_fixture t;
    reader a;
    auto ws = a.open_websocket(t.context);
    t.hub.subscribe(ws, "x");
    ws.async_send_some({"first, ", false, false}, [](error_code ec) { CHECK_FALSE(ec); });
    t.publish("x", "published");
    ws.async_send_some({"second", false, true}, [](error_code ec) { CHECK_FALSE(ec); });
    t.context.settle();
    const auto all = test::joined(test::read_frames(a.wire->written, weir::ws::role::client));
    REQUIRE(all.size() == 2);
    CHECK(all[0].payload == "first, second");
    CHECK(all[1] == test::text("published"));
    ws.abort();
}

// ---- topics ----

TEST_CASE("hub: topics are given as any text, or list of texts", "[hub]") {
    hub_fixture t;
    const std::string owned = "b";
    const std::vector<std::string> vector{"a", "b"};
    const std::set<std::string_view> set{"a", "b"};
    const auto got = [&](auto subscribe) {
        reader a;
        auto out = a.open(t.context);
        CHECK(subscribe(out) == subscribed::live);
        for (const char* topic : {"a", "b", "a/c"}) t.publish(topic, topic);
        out.abort();
        return a.data();
    };
    CHECK(got([&](auto& out) { return t.hub.subscribe(out, "a"); }) == texts{"a"});
    CHECK(got([&](auto& out) { return t.hub.subscribe(out, owned); }) == texts{"b"});
    CHECK(got([&](auto& out) { return t.hub.subscribe(out, std::string_view{owned}); }) == texts{"b"});
    CHECK(got([&](auto& out) { return t.hub.subscribe(out, {"a", "b"}); }) == texts{"a", "b"});
    CHECK(got([&](auto& out) { return t.hub.subscribe(out, {"a", owned}); }) == texts{"a", "b"});
    CHECK(got([&](auto& out) { return t.hub.subscribe(out, vector); }) == texts{"a", "b"});
    CHECK(got([&](auto& out) { return t.hub.subscribe(out, set); }) == texts{"a", "b"});
    CHECK(got([&](auto& out) { return t.hub.subscribe(out, std::span{vector}.last(1)); }) == texts{"b"});
    CHECK(got([&](auto& out) { return t.hub.subscribe(out, {"a/#", "+"}); }) == texts{"a", "b", "a/c"});
}

TEST_CASE("hub: text from elsewhere is a name, unless it is said to be a pattern", "[hub]") {
    hub_fixture t;
    reader a;
    auto out = a.open(t.context);
    const std::string text = "a/#";
    CHECK(t.hub.subscribe(out, text) == subscribed::refused);
    CHECK(t.hub.subscribe(out, {"x", text}) == subscribed::refused);
    CHECK(t.hub.subscribe(out, std::vector<std::string>{"x", text}) == subscribed::refused);
    CHECK(t.hub.subscribe(out, weir::topic::pattern("a/#/b")) == subscribed::refused);
    t.publish("x", "refused");
    CHECK(t.hub.subscribe(out, {"y", weir::topic::pattern(text)}) == subscribed::live);
    for (const char* topic : {"a/b", "x", "y"}) t.publish(topic, topic);
    CHECK(a.data() == texts{"a/b", "y"});
    out.abort();
}

TEST_CASE("hub: who wants a message for two reasons gets it once", "[hub]") {
    hub_fixture t;
    reader a;
    auto out = a.open(t.context);
    t.hub.subscribe(out, {"a/b", "a/#", "+/b"});
    t.hub.subscribe(out, "a/b");
    t.publish("a/b", "once");
    CHECK(a.data() == texts{"once"});
    out.abort();
}

// ---- resuming ----

TEST_CASE("hub: an event stream comes back with the last id it saw", "[hub]") {
    hub_fixture t{{.history = {.messages = 4}}};
    const std::string before = t.hub.last_id();
    for (const char* text : {"1", "2", "3", "4", "5", "6"}) t.publish(*text % 2 == 0 ? "even" : "odd", text);
    reader a;
    auto out = a.open(t.context);
    const auto resume = [&](const std::string& after, std::initializer_list<weir::topic> topics = {"even", "odd"}) {
        const auto how = t.hub.subscribe(out, topics, {.after = after});
        t.context.settle();
        return how;
    };
    SECTION("all that was missed is there") {
        CHECK(resume(t.hub.id_of(4)) == subscribed::recovered);
        CHECK(a.data() == texts{"5", "6"});
        CHECK(a.ids() == texts{t.hub.id_of(5), t.hub.id_of(6)});
    }
    SECTION("nothing was missed") {
        CHECK(resume(t.hub.last_id()) == subscribed::recovered);
        CHECK(a.data().empty());
    }
    SECTION("some is not kept any more") {
        CHECK(resume(t.hub.id_of(1)) == subscribed::gap);
        CHECK(a.data() == texts{"3", "4", "5", "6"});
    }
    SECTION("some is not kept any more, but of another topic") {
        CHECK(resume(t.hub.id_of(1), {"odd"}) == subscribed::recovered);
        CHECK(a.data() == texts{"3", "5"});
    }
    SECTION("an id from before anything was published") {
        CHECK(resume(before) == subscribed::gap);
        CHECK(a.data() == texts{"3", "4", "5", "6"});
    }
    SECTION("another epoch's") {
        CHECK(resume("other-5") == subscribed::gap);
        CHECK(a.data() == texts{"3", "4", "5", "6"});
    }
    SECTION("one that is none") {
        CHECK(resume("<script>") == subscribed::gap);
        CHECK(a.data() == texts{"3", "4", "5", "6"});
    }
    SECTION("one from the future") {
        CHECK(resume(t.hub.id_of(7)) == subscribed::gap);
        CHECK(a.data() == texts{"3", "4", "5", "6"});
    }
    t.publish("odd", "live");
    CHECK(a.data().back() == "live");
    out.abort();
}

TEST_CASE("hub: from the oldest that is kept", "[hub]") {
    hub_fixture t{{.history = {.messages = 2}}};
    for (const char* text : {"1", "2", "3"}) t.publish("x", text);
    reader a;
    auto out = a.open(t.context);
    CHECK(t.hub.subscribe(out, "x", {.from_oldest = true}) == subscribed::live);
    t.context.settle();
    t.publish("x", "4");
    CHECK(a.data() == texts{"2", "3", "4"});
    out.abort();
}

TEST_CASE("hub: a WebSocket resumes with a token of the application's own", "[hub][ws]") {
    hub_fixture t{{.websocket_payload = [](const weir::published_message& m) {
        return m.id() + ' ' + std::string{m.topic()} + ' ' + std::string{m.data()};
    }}};
    const auto id = [&](std::uint64_t n) { return t.hub.id_of(n); };
    std::string last;
    const auto connect = [&](reader& r) {
        auto ws = r.open_websocket(t.context);
        ws.on_message([&](ws_message m) { t.hub.subscribe(ws, "x", {.after = m.text()}); });
        r.wire->deliver(text_frame(last));
        t.context.settle();
        t.publish("x", "live");
        ws.abort();
        return r.messages();
    };
    reader first, second;
    CHECK(connect(first) == texts{id(1) + " x live"});
    last = first.messages().back().substr(0, first.messages().back().find(' '));
    t.publish("x", "missed");
    CHECK(connect(second) == texts{id(2) + " x missed", id(3) + " x live"});
}

TEST_CASE("hub: a store of the application's own", "[hub]") {
    test::virtual_context context;
    weir::hub hub{{}, weir::memory_store{{.messages = 1}, "epoch"}};
    CHECK(hub.last_id() == "epoch-0");
    CHECK(hub.publish("x", {.data = "a"}) == 1);
    CHECK(hub.publish("x", {.data = "b"}) == 2);
    CHECK(hub.last_id() == "epoch-2");
    CHECK(hub.id_of(7) == "epoch-7");
    reader a;
    auto out = a.open(context);
    CHECK(hub.subscribe(out, "x", {.after = "epoch-0"}) == subscribed::gap);
    context.settle();
    CHECK(a.data() == texts{"b"});
    out.abort();
}

// ---- what one subscriber wants ----

TEST_CASE("hub: a filter, for one subscriber", "[hub]") {
    hub_fixture t;
    reader a, b;
    auto picky = a.open(t.context);
    auto greedy = b.open(t.context);
    t.hub.subscribe(picky, "x", {.filter = [](const weir::published_message& m) { return m.data() != "spam"; }});
    t.hub.subscribe(greedy, "x");
    for (const char* text : {"ham", "spam", "eggs"}) t.hub.publish("x", {.data = text});
    t.context.settle();
    CHECK(a.data() == texts{"ham", "eggs"});
    CHECK(b.data() == texts{"ham", "spam", "eggs"});
    picky.abort();
    greedy.abort();
}

TEST_CASE("hub: a slow reader gets what its lag policy leaves, and is told of the rest", "[hub]") {
    hub_fixture t{{.say_where = false}};
    reader a;
    auto out = a.open(t.context);
    const auto tell = [](const weir::skipped& s) {
        return weir::skip_notice{.event = "skipped", .data = std::to_string(s.messages) + (s.lost ? "+" : "")};
    };
    a.wire->room = 0;
    const auto with = [&](weir::any_lag lag) {
        t.hub.subscribe(out, "x", {.lag = lag, .on_skip = tell});
        for (const char* text : {"1", "2", "3", "4", "5", "6"}) {
            t.hub.publish("x", {.data = text, .key = *text % 2 == 0 ? "even" : "odd"});
            t.context.settle();
        }
        CHECK(a.wire->written.empty());
        CHECK(t.hub.stats().behind == 1);
        a.wire->make_room(test::wire::unlimited);
        t.context.settle();
        CHECK(t.hub.stats().behind == 0);
        t.publish("x", "live");
        out.abort();
        return a.data();
    };
    SECTION("the oldest skipped") { CHECK(with(weir::skip_oldest{.max_messages = 2}) == texts{"4", "5", "6", "live"}); }
    SECTION("all but the newest") { CHECK(with(weir::skip_to_newest{.max_messages = 2}) == texts{"5", "6", "live"}); }
    SECTION("all but the latest of each key") {
        CHECK(with(weir::skip_to_latest{.max_messages = 2}) == texts{"4", "5", "6", "live"});
    }
    SECTION("none") { CHECK(with(weir::skip_oldest{}) == texts{"1", "2", "3", "4", "5", "6", "live"}); }
}

TEST_CASE("hub: a reader that is too slow is let go", "[hub]") {
    hub_fixture t{{.say_where = false, .lag = weir::close_lagging{.max_messages = 3}}};
    reader a;
    auto out = a.open(t.context);
    std::optional<error_code> why;
    out.async_closed([&](error_code, error_code reason) { why = reason; });
    t.hub.subscribe(out, "x");
    a.wire->room = 0;
    for (int i = 0; i != 3; ++i) t.publish("x", "1");
    t.context.pass(1s);
    CHECK_FALSE(why);
    t.publish("x", "4");
    t.context.pass(1s);
    REQUIRE(why);
    CHECK(*why == error::slow_reader);
    CHECK(t.hub.stats().subscribers == 0);
}

TEST_CASE("hub: what is over is not sent any more", "[hub]") {
    hub_fixture t;
    reader a, b;
    auto slow = a.open(t.context);
    auto quick = b.open(t.context);
    a.wire->room = 0;
    t.hub.subscribe(slow, "x");
    t.hub.subscribe(quick, "x");
    t.hub.publish("x", {.data = "brief", .time_to_live = 1s});
    t.hub.publish("x", {.data = "lasting"});
    t.context.settle();
    t.context.pass(5s);
    a.wire->make_room(test::wire::unlimited);
    t.context.settle();
    CHECK(a.data() == texts{"lasting"});
    CHECK(b.data() == texts{"brief", "lasting"});
    CHECK(slow.stats().dropped.expired == 1);
    slow.abort();
    quick.abort();
}

// ---- coming and going ----

TEST_CASE("hub: a subscription ends with its session's handle, and with its client", "[hub]") {
    hub_fixture t;
    reader a, b;
    {
        auto out = a.open(t.context);
        t.hub.subscribe(out, "x");
        t.publish("x", "1");
        CHECK(t.hub.stats().subscribers == 1);
    }
    t.context.settle();
    a.wire->end();
    t.publish("x", "2");
    CHECK(a.data() == texts{"1"});
    CHECK(t.hub.stats().subscribers == 0);

    auto out = b.open(t.context);
    t.hub.subscribe(out, "x");
    b.wire->end();
    t.publish("x", "3");
    CHECK(b.data().empty());
    CHECK(t.hub.stats().subscribers == 0);
}

TEST_CASE("hub: what was published before a session's end is still sent", "[hub]") {
    hub_fixture t;
    reader a;
    auto out = a.open(t.context);
    t.hub.subscribe(out, "x");
    a.wire->room = 3;
    t.publish("x", "1");
    t.hub.publish("x", {.data = "2"});
    out.close();
    t.hub.publish("x", {.data = "3"});
    t.context.settle();
    a.wire->make_room(test::wire::unlimited);
    t.context.settle();
    CHECK(a.data() == texts{"1", "2"});
    CHECK(a.wire->said_goodbye);
}

TEST_CASE("hub: a session given away is kept until its client goes", "[hub]") {
    hub_fixture t;
    reader a;
    SECTION("an event stream") {
        CHECK(t.hub.subscribe(a.open(t.context), "x") == subscribed::live);
        t.publish("x", "1");
        CHECK(a.data() == texts{"1"});
    }
    SECTION("a WebSocket") {
        CHECK(t.hub.subscribe(a.open_websocket(t.context), "x") == subscribed::live);
        t.publish("x", "1");
        CHECK(a.messages() == texts{"1"});
    }
    SECTION("a second time, for another topic") {
        auto out = a.open(t.context);
        CHECK(t.hub.subscribe(out, "x") == subscribed::live);
        CHECK(t.hub.subscribe(std::move(out), "y") == subscribed::live);
        t.publish("x", "1");
        t.publish("y", "2");
        CHECK(a.data() == texts{"1", "2"});
    }
    CHECK_FALSE(a.wire->closed);
    a.wire->reset();
    t.context.settle();
    CHECK(a.wire->closed);
    CHECK(t.hub.stats().subscribers == 0);
    CHECK(t.context.idle());
}

TEST_CASE("hub: a session given away is kept although it wants nothing any more", "[hub]") {
    hub_fixture t;
    reader a;
    auto ws = a.open_websocket(t.context);
    t.hub.subscribe(ws, "x");
    auto& place = *new web_socket{std::move(ws)};  // to be found by its own callback
    place.on_message([&](ws_message m) {
        if (m.text() == "leave") t.hub.unsubscribe(place);
        if (m.text() == "come") t.hub.subscribe(place, "x");
    });
    for (const char* what : {"1", "leave", "2", "come", "3"}) {
        if (*what > '9') a.wire->deliver(text_frame(what));
        t.context.settle();
        if (*what <= '9') t.publish("x", what);
    }
    CHECK(a.messages() == texts{"1", "3"});
    delete &place;
    a.wire->reset();
    t.context.settle();
}

TEST_CASE("hub: one topic, or all of them, at any time", "[hub]") {
    hub_fixture t;
    reader a;
    auto out = a.open(t.context);
    t.hub.subscribe(out, {"a", "b/+", "c"});
    CHECK_FALSE(t.hub.unsubscribe(out, "b/x"));
    CHECK(t.hub.unsubscribe(out, "b/+"));
    CHECK_FALSE(t.hub.unsubscribe(out, "b/+"));
    for (const char* topic : {"a", "b/x", "c"}) t.publish(topic, topic);
    t.hub.unsubscribe(out);
    t.publish("a", "after");
    CHECK(t.hub.subscribe(out, "b/+") == subscribed::live);
    t.publish("b/x", "again");
    CHECK(a.data() == texts{"a", "c", "again"});
    out.abort();
}

TEST_CASE("hub: a session that wants nothing any more ends as others do", "[hub]") {
    hub_fixture t;
    reader a;
    auto out = a.open(t.context);
    t.hub.subscribe(out, "x");
    SECTION("by name") { CHECK(t.hub.unsubscribe(out, "x")); }
    SECTION("all of it") { t.hub.unsubscribe(out); }
    t.publish("x", "1");
    out.send({.data = "last words"});
    out.close();
    t.context.settle();
    CHECK(a.data() == texts{"last words"});
    CHECK(a.wire->said_goodbye);
}

TEST_CASE("hub: what was published in a turn is not sent to those who left in it", "[hub]") {
    hub_fixture t;
    reader a, b;
    auto out = a.open(t.context);
    auto stays = b.open(t.context);
    t.hub.subscribe(out, "x");
    t.hub.subscribe(stays, "x");
    t.hub.publish("x", {.data = "1"});
    t.hub.unsubscribe(out);
    t.context.settle();
    CHECK(a.data().empty());
    CHECK(b.data() == texts{"1"});
    out.abort();
    stays.abort();
}

TEST_CASE("hub: unsubscribing in the filter's own callers, and ending others' sessions from on_presence", "[hub]") {
    reader a, b;
    std::optional<event_stream> first, second;
    std::optional<hub_fixture> t;
    t.emplace(weir::hub_options{.on_presence = [&](const weir::presence_change& change) {
        if (!change.joined) return;
        t->hub.unsubscribe(*first);
        second.reset();
        t->hub.publish("x", {.data = "from on_presence"});
    }});
    first = a.open(t->context);
    second = b.open(t->context);
    t->hub.subscribe(*first, "x");
    t->hub.subscribe(*second, {"x", "y"});
    reader c;
    auto third = c.open(t->context);
    t->hub.subscribe(third, "x", {.member = "third"});
    t->publish("x", "1");
    t->context.settle();
    CHECK(a.data() == texts{"1"});
    CHECK(b.data() == texts{"1"});
    CHECK(c.data() == texts{"1", "from on_presence"});
    third.abort();
    first.reset();
}

// ---- refused ----

TEST_CASE("hub: what cannot be subscribed is refused, and left as it was", "[hub]") {
    hub_fixture t;
    reader a;
    auto out = a.open(t.context);
    SECTION("topics that are none") {
        CHECK(t.hub.subscribe(out, std::string{"a/#/b"}) == subscribed::refused);
        CHECK(t.hub.subscribe(out, {"a", std::string_view{"\xff"}}) == subscribed::refused);
        CHECK(t.hub.subscribe(std::move(out), std::string{"a+"}) == subscribed::refused);
        CHECK(out.is_open());
    }
    SECTION("a handle that was moved from") {
        const event_stream other{std::move(out)};
        CHECK(t.hub.subscribe(out, "a") == subscribed::refused);
        CHECK_FALSE(t.hub.unsubscribe(out, "a"));
        t.hub.unsubscribe(out);
    }
    SECTION("a session that has not begun") {
        event_stream fresh{stream{t.context, std::make_shared<test::wire>()}, weir::no_heartbeat{}};
        CHECK(t.hub.subscribe(fresh, "a") == subscribed::refused);
    }
    SECTION("a session that has ended") {
        out.close();
        CHECK(t.hub.subscribe(out, "a") == subscribed::refused);
        out.abort();
        CHECK(t.hub.subscribe(out, "a") == subscribed::refused);
    }
    SECTION("a client's WebSocket") {
        web_socket ws{stream{t.context, std::make_shared<test::wire>()}, weir::no_heartbeat{}};
        static_cast<void>(ws.begin(weir::ws::role::client));
        CHECK(t.hub.subscribe(ws, "a") == subscribed::refused);
    }
    SECTION("another hub's subscriber") {
        weir::hub other;
        CHECK(t.hub.subscribe(out, "a") == subscribed::live);
        CHECK(other.subscribe(out, "a") == subscribed::refused);
        CHECK_FALSE(other.unsubscribe(out, "a"));
        other.unsubscribe(out);
        other.publish("a", {.data = "other"});
        t.publish("a", "mine");
        CHECK(a.data() == texts{"mine"});
    }
}

// ---- who is there ----

TEST_CASE("hub: members come with their first session, and go with their last", "[hub]") {
    texts changes;
    hub_fixture t{{.on_presence = [&](const weir::presence_change& c) {
        changes.push_back((c.joined ? '+' : '-') + c.member + '@' + c.topic);
    }}};
    reader readers[3];
    std::optional<event_stream> ada = readers[0].open(t.context), again = readers[1].open(t.context);
    std::optional<event_stream> bob = readers[2].open(t.context);
    t.hub.subscribe(*ada, {"r/1", "r/#"}, {.member = "ada"});
    t.hub.subscribe(*again, "r/1", {.member = "ada"});
    t.hub.subscribe(*bob, {"r/1", "r/2"}, {.member = "bob"});
    t.context.settle();
    CHECK(t.hub.members("r/1") == texts{"ada", "bob"});
    CHECK(t.hub.members("r/2") == texts{"bob"});
    CHECK(t.hub.members("r/#").empty());
    ada.reset();
    t.hub.unsubscribe(*bob, "r/2");
    t.context.settle();
    CHECK(t.hub.members("r/1") == texts{"ada", "bob"});
    CHECK(t.hub.members("r/2").empty());
    again->abort();
    bob->abort();
    t.context.settle();
    CHECK(t.hub.members("r/1").empty());
    CHECK(changes == texts{"+ada@r/1", "+bob@r/1", "+bob@r/2", "-bob@r/2", "-ada@r/1", "-bob@r/1"});
}

TEST_CASE("hub: who subscribes on being told of another is told of, too", "[hub]") {
    texts told;
    std::optional<event_stream> late;
    std::optional<hub_fixture> t;
    t.emplace(weir::hub_options{.on_presence = [&](const weir::presence_change& c) {
        told.push_back(c.member);
        if (c.member == "first") t->hub.subscribe(*late, "x", {.member = "late"});
    }});
    reader a, b;
    auto first = a.open(t->context);
    late = b.open(t->context);
    t->hub.subscribe(first, "x", {.member = "first"});
    t->context.settle();
    CHECK(told == texts{"first", "late"});
    first.abort();
    late.reset();
}

TEST_CASE("hub: numbers", "[hub]") {
    hub_fixture t;
    reader a, b;
    auto out = a.open(t.context);
    auto slow = b.open(t.context);
    b.wire->room = 1;
    CHECK(t.hub.stats().subscribers == 0);
    t.hub.subscribe(out, {"x", "y"});
    t.hub.subscribe(slow, "x");
    t.publish("x", "1");
    t.publish("x", "2");
    CHECK(t.hub.stats().published == 2);
    CHECK(t.hub.stats().subscribers == 2);
    CHECK(t.hub.stats().behind == 1);
    CHECK(out.stats().messages_sent == 2);
    CHECK(slow.stats().messages_sent == 0);
    CHECK(slow.stats().bytes_sent == 1);
    slow.abort();
    out.abort();
    CHECK(t.hub.stats().behind == 0);
}

TEST_CASE("hub: an event stream is told where it begins, before there is anything to come back with", "[hub]") {
    SECTION("with what comes") {
        hub_fixture t;
        reader a;
        t.publish("x", "1");
        auto out = a.open(t.context);
        t.hub.subscribe(out, "x");
        t.context.settle();
        CHECK(a.wire->written == "id: " + t.hub.id_of(1) + "\n\n");
        CHECK(a.data().empty());
        out.abort();

        t.publish("x", "2");  // while nobody is there
        reader again;
        auto back = again.open(t.context);
        CHECK(t.hub.subscribe(back, "x", {.after = t.hub.id_of(1)}) == subscribed::recovered);
        t.context.settle();
        CHECK(again.data() == texts{"2"});
        back.abort();
    }
    SECTION("but not a WebSocket, nor one that has no ids, nor where it is not wanted") {
        hub_fixture t, silent{{.say_where = false}}, without{{.resumable = false}};
        reader a, b, c;
        auto ws = a.open_websocket(t.context);
        auto one = b.open(silent.context);
        auto two = c.open(without.context);
        t.hub.subscribe(ws, "x");
        silent.hub.subscribe(one, "x");
        without.hub.subscribe(two, "x");
        t.context.settle();
        silent.context.settle();
        without.context.settle();
        CHECK(a.wire->written + b.wire->written + c.wire->written == "");
        ws.abort();
        one.abort();
        two.abort();
    }
}

TEST_CASE("hub: all sessions end, behind what was published", "[hub][ws]") {
    hub_fixture t{{.resumable = false}};
    reader a, b, c;
    auto ws = b.open_websocket(t.context);
    t.hub.subscribe(a.open(t.context), "x");
    t.hub.subscribe(ws, {"x", "y"});
    t.hub.subscribe(c.open(t.context, weir::sse::framing::chunked), "y");
    t.hub.publish("x", {.data = "last"});
    t.hub.close_sessions(1500ms);
    t.context.settle();
    CHECK(a.wire->written == "data: last\n\nretry: 1500\n\n");
    CHECK(c.wire->written == "d\r\nretry: 1500\n\n\r\n0\r\n\r\n");
    const auto frames = test::read_frames(b.wire->written, weir::ws::role::client);
    REQUIRE(frames.size() == 2);
    CHECK(frames[0].payload == "last");
    CHECK(frames[1].code == weir::ws_close_code::going_away);
    ws.abort();
}

TEST_CASE("hub: what a publisher's function throws ends who would have got it, and the others miss nothing", "[hub]") {
    hub_fixture t{{.websocket_payload = [](const weir::published_message& m) -> std::string {
        if (m.data() == "poison") throw std::runtime_error{"poison"};
        return std::string{m.data()};
    }}};
    reader a, b, c;
    auto one = a.open(t.context);
    auto ws = b.open_websocket(t.context);
    auto two = c.open(t.context);
    t.hub.subscribe(one, "x");
    t.hub.subscribe(ws, "x");
    t.hub.subscribe(two, "x");
    t.publish("x", "1");
    t.hub.publish("x", {.data = "poison"});
    CHECK_THROWS_AS(t.context.settle(), std::runtime_error);
    for (int turns = 0; turns != 3; ++turns) {
        try {
            t.context.settle();
        } catch (const std::runtime_error&) {  // whoever is to get it
        }
    }
    CHECK_FALSE(ws.is_open());
    t.publish("x", "2");
    CHECK(a.data() == texts{"1", "poison", "2"});
    CHECK(c.data() == texts{"1", "poison", "2"});
    CHECK(b.messages() == texts{"1"});
    one.abort();
    two.abort();
}

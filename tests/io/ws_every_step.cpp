// SPDX-License-Identifier: BSL-1.0

// One short life of a WebSocket (accept, messages in both directions, the end), broken in every way at every step of
// it.

#include <weir/ws_stream.hpp>

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "support/memory_stream.hpp"
#include "support/stream_life.hpp"
#include "support/virtual_context.hpp"
#include "support/ws_fixture.hpp"

namespace {

using namespace std::chrono_literals;
namespace net = weir::net;
using test::close_frame;
using test::events;
using test::fault;
using test::script;
using test::text_frame;
using weir::error;
using weir::error_code;
using weir::ws_close_code;

template <class Stream>
struct life : test::stream_life {
    using stream_type = weir::ws_stream<Stream, weir::no_heartbeat, weir::stall_after>;

    explicit life(const script& s) : stream_life(s) {
        ws.emplace(Stream{context->context(), wire}, weir::no_heartbeat{}, weir::stall_after{30s});
    }

    // What the application and its peer do, one action after the other. False: there are no more.
    bool act() {
        switch (action++) {
            case 0: ws->async_closed(handler("closed")); return true;
            case 1: ws->async_accept({}, 10s, handler("accept")); return true;
            case 2: wire->deliver(test::upgrade_text()); return true;
            case 3: ws->async_receive(handler("receive")); return true;
            case 4: wire->deliver(text_frame("hello").substr(0, 8)); return true;
            case 5: wire->deliver(text_frame("hello").substr(8) + text_frame("again")); return true;
            case 6: ws->async_send("one", handler("send")); return true;
            case 7: ws->async_send_some({"two, ", false, false}, handler("send")); return true;
            case 8: ws->async_send_some({"three", false, true}, handler("send")); return true;
            case 9: wire->deliver(test::frame{.code = 9, .payload = "?"}.from_client()); return true;
            case 10: ws->async_send(std::string(20'000, 'x'), handler("send")); return true;
            case 11: ws->async_receive(handler("receive")); return true;
            case 12: ws->async_sleep(1s, handler("sleep")); return true;
            case 13: ws->async_drained(handler("drained")); return true;
            default: return false;
        }
    }

    // To the end: the peer answers the close frame, and goes when it is told that no more comes.
    void play() {
        while (act()) context->settle();
        context->pass(2s);
        ws->async_close(ws_close_code::normal, {}, handler("close"));
        finish();
    }
    void finish() {
        context->settle();
        if (action == 5) wire->deliver(text_frame("hello").substr(8));  // a whole frame before the next
        if (wire->written.starts_with("HTTP/1.1 101")) wire->deliver(close_frame(1000));
        context->settle();
        if (wire->said_goodbye) wire->end();
        context->pass(2min);
    }

    events said() const { return test::read_frames(test::behind_head(wire->written), weir::ws::role::client); }

    std::optional<stream_type> ws;
};

/// Everything that is written, undisturbed.
template <class Stream>
const std::string& whole() {
    static const std::string text = [] {
        life<Stream> l{{}};
        l.play();
        return l.wire->written;
    }();
    return text;
}

bool fits(fault what, error_code reason) {
    switch (what) {
        case fault::none: return !reason;
        case fault::fail: return reason == net::error::connection_aborted;
        case fault::stall:
            return reason == error::stalled || reason == error::request_timed_out || reason == error::close_timed_out ||
                   reason == error::closed;
        case fault::end: return reason == error::peer_closed || reason == net::error::eof;
        case fault::reset: return reason == weir::condition::closed;
    }
    return false;
}

const std::vector<std::size_t> capacities{test::wire::unlimited, 40};

}  // namespace

TEMPLATE_TEST_CASE("every step of a WebSocket: undisturbed, all of it succeeds", "[io][ws][every_step]",
                   test::direct_memory_stream<>, test::async_memory_stream<>) {
    for (const std::size_t capacity : capacities) {
        life<TestType> l{{.capacity = capacity}};
        l.play();
        l.check_completed();
        for (const auto& o : l.outcomes) {
            INFO(o->of);
            CHECK_FALSE(o->ec);
        }
        CHECK_FALSE(l.closed().reason);
        CHECK(l.wire->written.size() == whole<TestType>().size());
        CHECK(l.said() == events{test::text("one"), test::text("two, three"), test::pong("?"),
                                 test::text(std::string(20'000, 'x')), test::closed(ws_close_code::normal)});
    }
}

TEMPLATE_TEST_CASE("every step of a WebSocket: broken there, everything still completes once, with the reason",
                   "[io][ws][every_step]", test::direct_memory_stream<>, test::async_memory_stream<>) {
    for (const std::size_t capacity : {test::wire::unlimited, std::size_t{4000}}) {
        for (const fault what : {fault::fail, fault::stall, fault::end, fault::reset}) {
            for (int at = 1;; ++at) {
                INFO("capacity " << capacity << ", fault " << static_cast<int>(what) << ", operation " << at);
                life<TestType> l{{what, at, capacity}};
                l.play();
                l.check_completed();
                const error_code reason = l.closed().reason;
                CHECK_FALSE(l.closed().ec);
                INFO(reason.message());
                // Once everything is said, how the peer goes changes nothing.
                if (reason) CHECK(fits(what, reason));
                if (!reason) CHECK(l.wire->written.size() == whole<TestType>().size());
                for (const auto& o : l.outcomes) {
                    INFO(o->of << ": " << o->ec.message());
                    // While it stalls, the application goes on: sends before it may, receives twice.
                    const bool too_early = what == fault::stall && o->ec == weir::condition::misuse;
                    if (o->ec && !too_early) CHECK((o->ec == reason || o->ec == error::closed));
                }
                if (l.wire->operations < at) break;
                REQUIRE(at < 1000);
            }
        }
    }
}

namespace {

// Plays a life one handler at a time, up to `steps`, and acts between them. False: it was over before.
template <class Stream>
bool play_some(life<Stream>& l, int steps) {
    for (int i = 0; i != steps; ++i) {
        if (l.context->step() != 0) continue;
        if (!l.act()) return false;
    }
    return true;
}

template <class Stream>
void at_every_step(const std::function<void(life<Stream>&)>& disturb) {
    for (const std::size_t capacity : {test::wire::unlimited, std::size_t{4000}}) {
        for (int steps = 0;; ++steps) {
            INFO("capacity " << capacity << ", step " << steps);
            life<Stream> l{{.capacity = capacity}};
            if (!play_some(l, steps)) break;
            REQUIRE(steps < 1000);
            disturb(l);
        }
    }
}

}  // namespace

TEMPLATE_TEST_CASE("every step of a WebSocket: ended there, what was sent still arrives", "[io][ws][every_step]",
                   test::direct_memory_stream<>, test::async_memory_stream<>) {
    const bool destroyed = GENERATE(false, true);
    at_every_step<TestType>([&](life<TestType>& l) {
        const std::size_t sent = l.ws->stats().messages_sent + l.ws->stats().queued_messages;
        if (destroyed) {
            l.ws.reset();
        } else {
            l.ws->close();
        }
        l.finish();
        l.check_completed();
        if (l.action > 0) CHECK_FALSE(l.closed().reason);
        if (!l.wire->written.starts_with("HTTP/1.1 101")) return;
        const events all = l.said();
        REQUIRE_FALSE(all.empty());
        CHECK(all.back() == test::closed(ws_close_code::normal));
        std::size_t messages = 0;
        for (const auto& e : all) messages += e.what == weir::ws::event_kind::message ? 1 : 0;
        CHECK(messages >= (sent > 1 ? sent - 1 : sent));  // a piece counts when its message is whole
    });
}

TEMPLATE_TEST_CASE("every step of a WebSocket: aborted there, nothing more is written", "[io][ws][every_step]",
                   test::direct_memory_stream<>, test::async_memory_stream<>) {
    at_every_step<TestType>([](life<TestType>& l) {
        const std::size_t written = l.wire->written.size();
        l.ws->abort();
        CHECK(l.wire->closed);
        l.finish();
        CHECK(l.wire->written.size() == written);
        l.check_completed();
        if (l.action > 0) CHECK(l.closed().reason == error::closed);
    });
}

TEMPLATE_TEST_CASE("every step of a WebSocket: the context destroyed there, nothing is called and nothing leaks",
                   "[io][ws][every_step]", test::direct_memory_stream<>, test::async_memory_stream<>) {
    const bool owned = GENERATE(false, true);
    at_every_step<TestType>([&](life<TestType>& l) {
        const std::size_t completed = l.completed;
        if (owned) {
            // By handlers of its own, as a coroutine owns the session that it waits for.
            auto self = std::make_shared<typename life<TestType>::stream_type>(std::move(*l.ws));
            if (self->is_open()) {
                self->on_message([self](weir::ws_message) {});
                self->async_sleep(1h, [self](error_code) {});
            }
            self->async_closed([self](error_code, error_code) {});
        }
        l.ws.reset();
        l.context.reset();
        CHECK(l.completed == completed);
        CHECK(l.wire->closed);
    });
}

TEMPLATE_TEST_CASE("every step of a WebSocket: destroyed there by a handler of its own", "[io][ws][every_step]",
                   test::direct_memory_stream<>, test::async_memory_stream<>) {
    at_every_step<TestType>([](life<TestType>& l) {
        if (!l.ws->is_open()) return;
        auto self = std::make_shared<typename life<TestType>::stream_type>(std::move(*l.ws));
        l.ws.reset();
        int calls = 0;
        self->async_drained([self, &calls](error_code) mutable {
            ++calls;
            self.reset();
        });
        self.reset();
        l.finish();
        CHECK(calls == 1);
        CHECK(l.completed == l.outcomes.size());
        CHECK(l.said().back().what == weir::ws::event_kind::close);
        CHECK(l.context->idle());
    });
}

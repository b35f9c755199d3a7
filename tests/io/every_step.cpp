// SPDX-License-Identifier: BSL-1.0

// One short life of a session (accept, three events, the end), broken in every way at every step of it.

#include <weir/sse_stream.hpp>

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

namespace {

using namespace std::chrono_literals;
namespace net = weir::net;
using test::fault;
using test::script;
using weir::error;
using weir::error_code;

const weir::request_view request{.method = "GET", .target = "/events"};

template <class Stream>
struct life : test::stream_life {
    using stream_type = weir::sse_stream<Stream, weir::no_heartbeat, weir::stall_after>;

    explicit life(const script& s) : stream_life(s) {
        out.emplace(Stream{context->context(), wire}, weir::no_heartbeat{}, weir::stall_after{30s});
    }

    // What the application does, one action after the other. False: there are no more.
    bool act() {
        switch (action++) {
            case 0: out->async_closed(handler("closed")); return true;
            case 1: out->async_accept(request, {}, handler("accept")); return true;
            case 2: out->async_send({.data = "one"}, handler("send")); return true;
            case 3: out->async_send({.data = "two"}, handler("send")); return true;
            case 4: out->async_sleep(1s, handler("sleep")); return true;
            case 5: out->async_send({.event = "e", .data = "three"}, handler("send")); return true;
            case 6: out->async_drained(handler("drained")); return true;
            default: return false;
        }
    }

    // To the end: the peer goes when it is told that no more comes.
    void play() {
        while (act()) context->settle();
        context->pass(2s);
        out->close();
        finish();
    }
    void finish() {
        context->settle();
        if (wire->said_goodbye) wire->end();
        context->pass(2min);
    }

    std::optional<stream_type> out;
};

/// The whole stream, undisturbed.
template <class Stream>
const std::string& whole() {
    static const std::string text = [] {
        life<Stream> l{{}};
        l.play();
        return l.wire->written;
    }();
    return text;
}

/// Whatever happened: everything is completed once, what is written is a piece of the stream, and nothing is left.
template <class Stream>
void check_end(life<Stream>& l) {
    l.check_completed();
    CHECK(whole<Stream>().starts_with(l.wire->written));
}

bool fits(fault what, error_code reason) {
    switch (what) {
        case fault::none: return !reason;
        case fault::fail: return reason == net::error::connection_aborted;
        case fault::stall: return reason == error::stalled;
        case fault::end: return reason == error::peer_closed;
        case fault::reset: return reason == net::error::connection_reset || reason == net::error::broken_pipe;
    }
    return false;
}

const std::vector<std::size_t> capacities{test::wire::unlimited, 40};

}  // namespace

TEMPLATE_TEST_CASE("every step: undisturbed, all of it succeeds", "[io][every_step]", test::direct_memory_stream<>,
                   test::async_memory_stream<>) {
    for (const std::size_t capacity : capacities) {
        life<TestType> l{{.capacity = capacity}};
        l.play();
        check_end(l);
        for (const auto& o : l.outcomes) {
            INFO(o->of);
            CHECK_FALSE(o->ec);
        }
        CHECK_FALSE(l.closed().reason);
        CHECK(l.wire->written == whole<TestType>());
        CHECK(l.wire->written.ends_with("data: three\n\n\r\n0\r\n\r\n"));
    }
}

TEMPLATE_TEST_CASE("every step: broken there, everything still completes once, with the reason", "[io][every_step]",
                   test::direct_memory_stream<>, test::async_memory_stream<>) {
    for (const std::size_t capacity : capacities) {
        for (const fault what : {fault::fail, fault::stall, fault::end, fault::reset}) {
            for (int at = 1;; ++at) {
                INFO("capacity " << capacity << ", fault " << static_cast<int>(what) << ", operation " << at);
                life<TestType> l{{what, at, capacity}};
                l.play();
                check_end(l);
                const error_code reason = l.closed().reason;
                CHECK_FALSE(l.closed().ec);
                // Once everything is said, how the peer goes changes nothing.
                if (reason) CHECK(fits(what, reason));
                if (!reason) CHECK(l.wire->written == whole<TestType>());
                for (const auto& o : l.outcomes) {
                    INFO(o->of << ": " << o->ec.message());
                    if (o->ec) CHECK((o->ec == reason || o->ec == error::closed));
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
        if (l.action == 5 && l.completed < 4) {
            l.context->loop().advance_to(l.context->loop().now() + 2s);
        } else if (!l.act()) {
            return false;
        }
    }
    return true;
}

template <class Stream>
void at_every_step(const std::function<void(life<Stream>&)>& disturb) {
    for (const std::size_t capacity : capacities) {
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

TEMPLATE_TEST_CASE("every step: ended there, what was sent still arrives", "[io][every_step]",
                   test::direct_memory_stream<>, test::async_memory_stream<>) {
    const bool destroyed = GENERATE(false, true);
    at_every_step<TestType>([&](life<TestType>& l) {
        if (destroyed) {
            l.out.reset();
        } else {
            l.out->close();
        }
        l.finish();
        CHECK(l.completed == l.outcomes.size());
        if (l.action > 0) CHECK_FALSE(l.closed().reason);
        for (const auto& o : l.outcomes) CHECK((!o->ec || o->ec == error::closed));
        CHECK(l.wire->closed);
        if (l.action > 1) {
            CHECK(l.wire->written.ends_with("\r\n0\r\n\r\n"));
            const auto events = l.wire->written.size() - 5;
            CHECK(whole<TestType>().substr(0, events) == l.wire->written.substr(0, events));
        } else {
            CHECK(l.wire->written.empty());
        }
        CHECK(l.context->idle());
    });
}

TEMPLATE_TEST_CASE("every step: aborted there, nothing more is written", "[io][every_step]",
                   test::direct_memory_stream<>, test::async_memory_stream<>) {
    at_every_step<TestType>([](life<TestType>& l) {
        const std::size_t written = l.wire->written.size();
        l.out->abort();
        CHECK(l.wire->closed);
        l.finish();
        CHECK(l.wire->written.size() == written);
        check_end(l);
        if (l.action > 0) CHECK(l.closed().reason == error::closed);
    });
}

TEMPLATE_TEST_CASE("every step: the context destroyed there, nothing is called and nothing leaks", "[io][every_step]",
                   test::direct_memory_stream<>, test::async_memory_stream<>) {
    const bool owned = GENERATE(false, true);
    at_every_step<TestType>([&](life<TestType>& l) {
        const std::size_t completed = l.completed;
        if (owned) {
            // By a handler of its own, as a coroutine owns the session that it waits for.
            auto self = std::make_shared<typename life<TestType>::stream_type>(std::move(*l.out));
            if (self->is_open()) self->async_sleep(1h, [self](error_code) {});
            self->async_closed([self](error_code, error_code) {});
        }
        l.out.reset();
        l.context.reset();
        CHECK(l.completed == completed);
        CHECK(l.wire->closed);
    });
}

TEMPLATE_TEST_CASE("every step: destroyed there by a handler of its own", "[io][every_step]",
                   test::direct_memory_stream<>, test::async_memory_stream<>) {
    at_every_step<TestType>([](life<TestType>& l) {
        if (!l.out->is_open()) return;
        auto self = std::make_shared<typename life<TestType>::stream_type>(std::move(*l.out));
        l.out.reset();
        int calls = 0;
        self->async_send({.data = "last"}, [self, &calls](error_code) mutable {
            ++calls;
            self.reset();
        });
        self.reset();
        l.finish();
        CHECK(calls == 1);
        CHECK(l.completed == l.outcomes.size());
        CHECK(l.wire->written.ends_with("data: last\n\n\r\n0\r\n\r\n"));
        CHECK(l.context->idle());
    });
}

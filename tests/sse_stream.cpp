// SPDX-License-Identifier: BSL-1.0

#include <weir/sse_stream.hpp>

#include WEIR_ASIO(any_io_executor.hpp)
#include WEIR_ASIO(awaitable.hpp)
#include WEIR_CANCELLATION(bind_cancellation_slot.hpp)
#include WEIR_ASIO(bind_executor.hpp)
#include WEIR_CANCELLATION(cancellation_signal.hpp)
#include WEIR_ASIO(co_spawn.hpp)
#include WEIR_ASIO(detached.hpp)
#include WEIR_ASIO(io_context.hpp)
#include WEIR_ASIO(ip/tcp.hpp)
#include WEIR_ASIO(read.hpp)
#include WEIR_ASIO(strand.hpp)
#include WEIR_ASIO(use_awaitable.hpp)
#include WEIR_ASIO(use_future.hpp)

#include <array>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "support/counting_allocator.hpp"
#include "support/memory_stream.hpp"
#include "support/stream_fixture.hpp"

namespace {

using namespace std::chrono_literals;
using namespace std::string_view_literals;
namespace cancellation = weir::detail::cancellation;
namespace net = weir::net;
namespace sse = weir::sse;
using net::ip::tcp;
using stream = test::direct_memory_stream<>;
using weir::error;
using weir::error_code;
using weir::sse_stream;

// ---- types ----

template <class... Policies>
using deduced = decltype(sse_stream{std::declval<tcp::socket>(), std::declval<Policies>()...});

static_assert(std::same_as<deduced<>, sse_stream<tcp::socket>>);
static_assert(std::same_as<deduced<weir::keep_latest, weir::comment_every>,
                           sse_stream<tcp::socket, weir::keep_latest, weir::comment_every>>);
static_assert(std::same_as<deduced<weir::comment_every, weir::keep_latest>,
                           sse_stream<tcp::socket, weir::comment_every, weir::keep_latest>>);
static_assert(
    std::same_as<deduced<weir::no_observer, weir::close_delimited, weir::stall_after, weir::refuse>,
                 sse_stream<tcp::socket, weir::no_observer, weir::close_delimited, weir::stall_after, weir::refuse>>);
static_assert(std::same_as<decltype(sse_stream{std::declval<sse_stream<tcp::socket>>()}), sse_stream<tcp::socket>>);

template <class Policy>
concept usable = weir::session_policy<Policy>;

struct may_throw {
    weir::admission operator()(const weir::outbox_facts&) const { return weir::admission::accept; }
};
struct wrong_answer {
    int operator()(const weir::outbox_facts&) const noexcept { return 0; }
};
struct own_backpressure {
    weir::admission operator()(const weir::outbox_facts& f) const noexcept {
        return f.messages < 2 ? weir::admission::accept : weir::admission::drop_newest;
    }
};
static_assert(usable<own_backpressure> && usable<weir::wait> && usable<weir::comment_every>);
static_assert(!usable<may_throw> && !usable<wrong_answer> && !usable<int> && !usable<tcp::socket>);

using handle = sse_stream<stream>;
static_assert(std::is_nothrow_move_constructible_v<handle> && std::is_nothrow_move_assignable_v<handle>);
static_assert(!std::is_copy_constructible_v<handle> && !std::is_copy_assignable_v<handle>);
static_assert(!std::is_convertible_v<stream, handle>);
static_assert(std::same_as<handle::executor_type, net::io_context::executor_type>);
static_assert(sizeof(handle) == sizeof(void*));

// Without a token an operation is awaited, unless the executor asks for something else.
static_assert(std::same_as<decltype(std::declval<handle&>().async_closed()), net::awaitable<error_code>>);
static_assert(std::same_as<decltype(std::declval<handle&>().async_send({})), net::awaitable<void>>);
struct futures_executor : net::io_context::executor_type {
    using default_completion_token_type = net::use_future_t<>;
};
static_assert(std::same_as<weir::detail::default_token<futures_executor>, net::use_future_t<>>);

const weir::request_view get{.method = "GET", .target = "/events"};
const weir::wait one_message{.max_messages = 1};

}  // namespace

// ---- beginning ----

TEST_CASE_METHOD(test::stream_fixture, "sse_stream: accepted, it sends, and the client's last id is known",
                 "[sse_stream]") {
    const std::array fields{weir::http::field_view{"Last-Event-ID", "41"}};
    auto out = make();
    CHECK_FALSE(out.is_open());
    CHECK(out.send({.data = "early"}) == error::not_accepted);
    CHECK(out.comment("early") == error::not_accepted);
    CHECK(out.accept({.method = "GET", .target = "/", .fields = fields}) == error::none);
    CHECK(out.is_open());
    CHECK(out.last_event_id().number() == 41u);
    CHECK(out.accept(get) == error::closed);

    const std::string text = "first\nsecond";
    CHECK(out.send({.event = "tick", .id = weir::event_id(42), .data = text}) == error::none);
    CHECK(out.comment("note") == error::none);
    CHECK(out.stats().queued_messages == 2);
    context.settle();
    CHECK(wire->writes == 1);
    CHECK(wire->written.find("event: tick\nid: 42\ndata: first\ndata: second\n\n") != std::string::npos);
    CHECK(wire->written.find("note") != std::string::npos);
    CHECK(out.stats().messages_sent == 2);
    CHECK(out.stats().bytes_sent == wire->written.size());
}

TEST_CASE_METHOD(test::stream_fixture, "sse_stream: without a last id, or with a bad one, there is none",
                 "[sse_stream]") {
    auto out = make();
    const std::array fields{weir::http::field_view{"Last-Event-ID", "a\x01z"}};
    CHECK(out.accept({.method = "GET", .target = "/", .fields = fields}) == weir::error::none);
    CHECK_FALSE(out.last_event_id().has_value());
}

TEST_CASE_METHOD(test::stream_fixture, "sse_stream: async_accept completes when the answer is written",
                 "[sse_stream]") {
    wire->room = 10;
    auto out = make();
    out.async_accept(get, {}, remember());
    CHECK(out.is_open());
    context.settle();
    CHECK_FALSE(outcome);
    wire->make_room(1000);
    context.settle();
    CHECK(outcome == error_code{});
}

TEST_CASE_METHOD(test::stream_fixture, "sse_stream: async_accept completes with the refusal, which the client reads",
                 "[sse_stream]") {
    {
        auto out = make();
        out.async_accept({.method = "PUT", .target = "/"}, {}, remember());
        CHECK_FALSE(outcome);
        context.settle();
        REQUIRE(outcome);
        CHECK(*outcome == error::method_not_allowed);
        CHECK_FALSE(out.is_open());
        out.async_accept(get, {}, remember());
        context.settle();
        CHECK(*outcome == error::closed);
    }
    CHECK(wire->written.find("405") != std::string::npos);
    CHECK_FALSE(wire->closed);
    wire->end();
    context.settle();
    CHECK(wire->closed);
}

// ---- ending ----

TEST_CASE_METHOD(test::stream_fixture, "sse_stream: destroyed, what was sent still arrives, and the stream is ended",
                 "[sse_stream]") {
    {
        auto out = make();
        CHECK(out.accept(get) == weir::error::none);
        out.send({.data = "last"});
    }
    context.settle();
    CHECK(wire->written.ends_with("data: last\n\n\r\n0\r\n\r\n"));
    CHECK(wire->said_goodbye);
    context.pass(6s);
    CHECK(wire->closed);
    CHECK(context.idle());
}

TEST_CASE_METHOD(test::stream_fixture, "sse_stream: destroyed before it began, the connection is closed",
                 "[sse_stream]") {
    {
        auto out = make();
        out.async_closed(remember());
    }
    CHECK(wire->closed);
    context.settle();
    CHECK(outcome == error_code{});
    CHECK(reason == error::none);
}

TEST_CASE_METHOD(test::stream_fixture, "sse_stream: a handle that was moved from is inert", "[sse_stream]") {
    auto first = open();
    auto second = std::move(first);
    first.close();
    CHECK_FALSE(first.is_open());
    CHECK(second.is_open());

    const auto other = std::make_shared<test::wire>();
    sse_stream third{stream{context.context(), other}, weir::no_heartbeat{}};
    third.begin(sse::framing::plain);
    third = std::move(second);  // ends what it was
    CHECK(third.is_open());
    context.settle();
    CHECK(other->said_goodbye);
    CHECK_FALSE(wire->said_goodbye);
    auto& same = third;
    third = std::move(same);
    CHECK(third.is_open());
}

TEST_CASE_METHOD(test::stream_fixture, "sse_stream: close(retry) asks the client to come back later", "[sse_stream]") {
    auto out = open();
    out.send({.data = "x"});
    out.close(1500ms);
    out.close();
    CHECK(out.send({.data = "late"}) == error::closed);
    out.async_send({.data = "late"}, remember());
    context.settle();
    CHECK(*outcome == error::closed);
    CHECK(wire->written == "data: x\n\nretry: 1500\n\n");
    CHECK(wire->said_goodbye);
}

TEST_CASE_METHOD(test::stream_fixture, "sse_stream: abort() loses what waits", "[sse_stream]") {
    auto out = open();
    wire->room = 0;
    out.send({.data = "lost"});
    out.async_closed(remember());
    out.abort();
    CHECK(wire->closed);
    CHECK_FALSE(outcome);
    context.settle();
    CHECK(outcome == error_code{});
    CHECK(*reason == error::closed);
    CHECK(out.stats().dropped.unsent == 1);
    out.abort();
    out.close(1s);
    out.expires_after(1s);
    CHECK(context.idle());
}

TEST_CASE_METHOD(test::stream_fixture, "sse_stream: expires_after() ends it in good order, at its time",
                 "[sse_stream]") {
    auto out = open();
    out.async_closed(remember());
    out.expires_after(1h);
    out.expires_after(2h);
    context.pass(90min);
    CHECK(out.is_open());
    out.send({.data = "x"});
    SECTION("at the time given last") {
        context.pass(31min);
        CHECK_FALSE(out.is_open());
        CHECK(wire->written == "data: x\n\n");
        CHECK(wire->said_goodbye);
        wire->end();
        context.settle();
        CHECK(*reason == error::expired);
    }
    SECTION("sooner, if that is what is said") {
        out.expires_after(1min);
        context.pass(61s);
        CHECK_FALSE(out.is_open());
    }
    SECTION("never") {
        out.expires_after(weir::duration::max());
        context.pass(1000h);
        CHECK(out.is_open());
    }
}

TEST_CASE_METHOD(test::stream_fixture, "sse_stream: one that expires before it began is closed", "[sse_stream]") {
    auto out = make();
    out.async_closed(remember());
    out.expires_after(10s);
    context.pass(11s);
    CHECK(wire->closed);
    CHECK(*reason == error::expired);
}

TEST_CASE_METHOD(test::stream_fixture, "sse_stream: the heartbeat and the stall are its policies' business",
                 "[sse_stream]") {
    sse_stream out{stream{context.context(), wire}, weir::comment_every{10s}, weir::stall_after{20s}};
    out.begin(sse::framing::plain);
    out.async_closed(remember());
    context.pass(35s);
    CHECK(wire->written == ":\n\n:\n\n:\n\n");
    wire->room = 0;
    out.send({.data = "x"});
    context.pass(19s);
    CHECK_FALSE(outcome);
    context.pass(2s);
    CHECK(*reason == error::stalled);
}

// ---- waiting for room ----

TEST_CASE_METHOD(test::stream_fixture, "sse_stream: async_send waits for room, in turn; send does not overtake",
                 "[sse_stream]") {
    auto out = open(one_message);
    wire->room = 0;
    CHECK(out.send({.data = "1"}) == error::none);
    context.settle();
    std::vector<int> done;
    out.async_send({.data = "2"}, [&](error_code ec) { done.push_back(ec ? -2 : 2); });
    out.async_send({.data = "3"}, [&](error_code ec) { done.push_back(ec ? -3 : 3); });
    CHECK(out.send({.data = "refused"}) == error::refused);
    out.async_drained([&](error_code ec) { done.push_back(ec ? -4 : 4); });
    context.settle();
    CHECK(done.empty());
    wire->make_room(9);
    context.settle();
    CHECK(done == std::vector{2});
    wire->make_room(100);
    context.settle();
    CHECK(done == std::vector{2, 3, 4});
    CHECK(wire->written == "data: 1\n\ndata: 2\n\ndata: 3\n\n");
}

TEST_CASE_METHOD(test::stream_fixture, "sse_stream: a policy of one's own is asked like any other", "[sse_stream]") {
    auto out = open(own_backpressure{});
    wire->room = 0;
    out.send({.data = "1"});
    context.settle();
    CHECK(out.send({.data = "2"}) == error::none);
    CHECK(out.send({.data = "3"}) == error::dropped);
    out.async_send({.data = "4"}, remember());
    context.settle();
    CHECK(*outcome == error::dropped);
}

TEST_CASE_METHOD(test::stream_fixture, "sse_stream: a reader too far behind is closed, where the policy says so",
                 "[sse_stream]") {
    auto out = open(weir::close_slow{.max_messages = 1});
    wire->room = 0;
    out.async_closed(remember());
    out.send({.data = "1"});
    context.settle();
    CHECK(out.send({.data = "2"}) == error::slow_reader);
    CHECK(out.send({.data = "3"}) == error::closed);
    context.settle();
    CHECK(*reason == error::slow_reader);
}

// ---- asynchronous operations ----

TEST_CASE_METHOD(test::stream_fixture, "sse_stream: no handler is called from within the call that starts it",
                 "[sse_stream]") {
    auto out = open(one_message);
    SECTION("open") {}
    SECTION("closing") { out.close(); }
    SECTION("closed") { out.abort(); }
    int calls = 0;
    const auto count = [&](auto...) { ++calls; };
    out.async_accept(get, {}, count);
    out.async_send({.data = "x"}, count);
    out.async_drained(count);
    out.async_sleep(-1s, count);
    out.async_closed(count);
    out.abort();
    CHECK(calls == 0);
    context.settle();
    CHECK(calls == 5);
}

TEST_CASE_METHOD(test::stream_fixture, "sse_stream: async_sleep takes its time, and less if there is nobody left",
                 "[sse_stream]") {
    auto out = make();
    out.async_sleep(10s, remember());
    context.settle();
    CHECK(*outcome == error::not_accepted);

    out.begin(sse::framing::plain);
    out.async_sleep(10s, remember());
    context.pass(9s);
    CHECK_FALSE(outcome);
    context.pass(2s);
    CHECK(outcome == error_code{});

    out.async_sleep(10s, remember());
    SECTION("the client goes") {
        wire->end();
        context.settle();
        CHECK(*outcome == error::peer_closed);
    }
    SECTION("the stream is ended") {
        out.close();
        context.settle();
        CHECK(*outcome == error::closed);
    }
}

TEST_CASE_METHOD(test::stream_fixture, "sse_stream: several may wait, and each is told", "[sse_stream]") {
    auto out = open(one_message);
    wire->room = 0;
    out.send({.data = "1"});
    context.settle();
    std::vector<error_code> told;
    const auto tell = [&](error_code ec) { told.push_back(ec); };
    for (int i = 0; i != 3; ++i) {
        out.async_send({.data = "x"}, tell);
        out.async_drained(tell);
        out.async_sleep(1h, tell);
        out.async_closed([&](error_code ec, error_code why) { told.push_back(ec ? ec : why); });
    }
    wire->end();
    context.settle();
    CHECK(told == std::vector<error_code>(12, error::peer_closed));
}

TEST_CASE_METHOD(test::stream_fixture,
                 "sse_stream: one waiting operation is cancelled, the others and the stream go on", "[sse_stream]") {
    const auto type = GENERATE(cancellation::cancellation_type::terminal, cancellation::cancellation_type::total);
    auto out = open(one_message);
    wire->room = 0;
    out.send({.data = "1"});
    context.settle();
    cancellation::cancellation_signal signal;
    const auto cancellable = [&] { return cancellation::bind_cancellation_slot(signal.slot(), remember()); };

    SECTION("async_send: the event is not sent") { out.async_send({.data = "cancelled"}, cancellable()); }
    SECTION("async_drained") { out.async_drained(cancellable()); }
    SECTION("async_sleep") { out.async_sleep(1h, cancellable()); }
    SECTION("async_closed") { out.async_closed(cancellable()); }
    context.settle();
    CHECK_FALSE(outcome);
    std::optional<error_code> other;
    out.async_drained([&](error_code ec) { other = ec; });

    signal.emit(type);
    CHECK_FALSE(outcome);
    context.settle();
    REQUIRE(outcome);
    CHECK(*outcome == net::error::operation_aborted);
    CHECK_FALSE(other);
    wire->make_room(1000);
    context.settle();
    CHECK(other == error_code{});
    CHECK(wire->written == "data: 1\n\n");
    CHECK(out.is_open());
}

TEST_CASE_METHOD(test::stream_fixture, "sse_stream: async_accept cancelled, the answer stays", "[sse_stream]") {
    wire->room = 0;
    auto out = make();
    cancellation::cancellation_signal signal;
    out.async_accept(get, {}, cancellation::bind_cancellation_slot(signal.slot(), remember()));
    context.settle();
    signal.emit(cancellation::cancellation_type::total);
    context.settle();
    CHECK(*outcome == net::error::operation_aborted);
    wire->make_room(1000);
    context.settle();
    CHECK(wire->written.starts_with("HTTP/1.1 200"));
    CHECK(out.is_open());
}

TEST_CASE_METHOD(test::stream_fixture, "sse_stream: a cancelled async_send makes way for those behind it",
                 "[sse_stream]") {
    auto out = open(weir::wait{.max_bytes = 30, .max_messages = 0});
    wire->room = 0;
    out.send({.data = "1"});
    context.settle();
    cancellation::cancellation_signal signal;
    out.async_send({.data = "too long for now, and not wanted any more"},
                   cancellation::bind_cancellation_slot(signal.slot(), [](error_code) {}));
    out.async_send({.data = "2"}, remember());
    context.settle();
    CHECK_FALSE(outcome);
    signal.emit(cancellation::cancellation_type::total);
    wire->make_room(1);
    context.settle();
    REQUIRE(outcome);
    CHECK_FALSE(*outcome);
}

TEST_CASE_METHOD(test::stream_fixture, "sse_stream: handlers run on their own executor", "[sse_stream]") {
    net::io_context other;
    auto out = open();
    int calls = 0;
    const auto on_other = [&] { return net::bind_executor(other.get_executor(), [&](auto...) { ++calls; }); };
    out.async_accept(get, {}, on_other());
    out.async_send({.data = "x"}, on_other());
    out.async_drained(on_other());
    out.async_sleep(1s, on_other());
    out.async_closed(on_other());
    context.pass(2s);
    out.abort();
    context.settle();
    CHECK(calls == 0);
    other.poll();
    CHECK(calls == 5);

    auto strand = net::make_strand(context.context());
    bool inside = false;
    out.async_closed(net::bind_executor(strand, [&](auto...) { inside = strand.running_in_this_thread(); }));
    context.settle();
    CHECK(inside);
}

TEST_CASE_METHOD(test::stream_fixture, "sse_stream: handlers' memory comes from their own allocator", "[sse_stream]") {
    test::allocation_count count;
    auto out = open(one_message);
    wire->room = 0;
    out.send({.data = "x"});
    context.settle();
    int calls = 0;
    const auto handler = [&] { return test::with_allocator(count, [&](auto...) { ++calls; }); };
    out.async_send({.data = "x"}, handler());
    out.async_drained(handler());
    out.async_sleep(1s, handler());
    out.async_closed(handler());
    CHECK(count.total == 4);
    CHECK(count.live == 4);
    out.abort();
    context.settle();
    CHECK(calls == 4);
    CHECK(count.live == 0);
}

// ---- life ----

TEST_CASE_METHOD(test::stream_fixture, "sse_stream: destroyed while operations wait, each of them completes",
                 "[sse_stream]") {
    std::vector<std::pair<std::string_view, error_code>> done;
    {
        auto out = open(one_message);
        wire->room = 0;
        out.send({.data = "1"});
        context.settle();
        out.async_send({.data = "2"}, [&](error_code ec) { done.emplace_back("send", ec); });
        out.async_sleep(1h, [&](error_code ec) { done.emplace_back("sleep", ec); });
        out.async_drained([&](error_code ec) { done.emplace_back("drained", ec); });
        out.async_closed([&](error_code, error_code why) { done.emplace_back("closed", why); });
    }
    context.settle();
    CHECK(done ==
          std::vector<std::pair<std::string_view, error_code>>{{"send", error::closed}, {"sleep", error::closed}});
    done.clear();
    wire->make_room(100);
    context.settle();
    CHECK(done == std::vector<std::pair<std::string_view, error_code>>{{"drained", error_code{}}});
    done.clear();
    wire->end();
    context.settle();
    CHECK(done == std::vector<std::pair<std::string_view, error_code>>{{"closed", error::none}});
    CHECK(wire->written == "data: 1\n\n");
}

TEST_CASE_METHOD(test::stream_fixture, "sse_stream: a handler may destroy the stream that called it", "[sse_stream]") {
    std::optional<decltype(open())> out{open()};
    const auto destroy = [&](auto...) { out.reset(); };
    SECTION("async_accept") {
        out.emplace(make());
        out->async_accept(get, {}, destroy);
    }
    SECTION("async_send") { out->async_send({.data = "x"}, destroy); }
    SECTION("async_drained") { out->async_drained(destroy); }
    SECTION("async_sleep") { out->async_sleep(1s, destroy); }
    SECTION("async_closed") {
        out->async_closed(destroy);
        out->abort();
    }
    context.pass(2s);
    CHECK_FALSE(out);
    wire->end();
    context.settle();
    CHECK(wire->closed);
    CHECK(context.idle());
}

TEST_CASE("sse_stream: on a real socket, from the request to the last chunk", "[sse_stream]") {
    net::io_context context;
    tcp::acceptor acceptor{context, {net::ip::make_address("127.0.0.1"), 0}};
    tcp::socket peer{context}, near{context};
    peer.connect(acceptor.local_endpoint());
    acceptor.accept(near);
    std::optional<error_code> reason;
    net::co_spawn(
        context,
        [](tcp::socket socket, std::optional<error_code>& why) -> net::awaitable<void> {
            sse_stream out{std::move(socket), weir::keep_latest{.max_bytes = 64 * 1024}, weir::comment_every{15s}};
            co_await out.async_accept(get);
            co_await out.async_send({.event = "price", .data = "1"});
            out.close();
            why = co_await out.async_closed();
        }(std::move(near), reason),
        net::detached);
    std::string text;
    net::async_read(peer, net::dynamic_buffer(text), [&](error_code, std::size_t) { peer.close(); });
    context.run();  // returns: nothing is left
    CHECK(text.starts_with("HTTP/1.1 200 OK\r\n"));
    CHECK(text.ends_with("\r\n0\r\n\r\n"));
    CHECK(text.find("event: price\ndata: 1\n\n") != std::string::npos);
    CHECK(reason == error::none);
}

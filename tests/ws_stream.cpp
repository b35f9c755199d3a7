// SPDX-License-Identifier: BSL-1.0

#include <weir/ws_stream.hpp>

#include WEIR_ASIO(any_io_executor.hpp)
#include WEIR_ASIO(awaitable.hpp)
#include WEIR_CANCELLATION(bind_cancellation_slot.hpp)
#include WEIR_ASIO(bind_executor.hpp)
#include WEIR_CANCELLATION(cancellation_signal.hpp)
#include WEIR_ASIO(io_context.hpp)
#include WEIR_ASIO(ip/tcp.hpp)
#include WEIR_ASIO(post.hpp)
#include WEIR_ASIO(strand.hpp)
#include WEIR_ASIO(use_awaitable.hpp)

#include <chrono>
#include <concepts>
#include <cstddef>
#include <initializer_list>
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
#include "support/ws_fixture.hpp"

namespace {

using namespace std::chrono_literals;
namespace cancellation = weir::detail::cancellation;
namespace net = weir::net;
using net::ip::tcp;
using stream = test::direct_memory_stream<>;
using test::close_frame;
using test::closed;
using test::events;
using test::text_frame;
using weir::error;
using weir::error_code;
using weir::ws_close_code;
using weir::ws_message;
using weir::ws_stream;
using fixture = test::ws_fixture<>;
using role = weir::ws::role;

// ---- types ----

template <class... Policies>
using deduced = decltype(ws_stream{std::declval<tcp::socket>(), std::declval<Policies>()...});

static_assert(std::same_as<deduced<>, ws_stream<tcp::socket>>);
static_assert(std::same_as<deduced<weir::keep_latest, weir::ping_every>,
                           ws_stream<tcp::socket, weir::keep_latest, weir::ping_every>>);
static_assert(std::same_as<deduced<weir::plain_frames, weir::no_observer>,
                           ws_stream<tcp::socket, weir::plain_frames, weir::no_observer>>);
static_assert(std::same_as<decltype(ws_stream{std::declval<ws_stream<tcp::socket>>()}), ws_stream<tcp::socket>>);

using handle = ws_stream<stream>;
static_assert(std::is_nothrow_move_constructible_v<handle> && std::is_nothrow_move_assignable_v<handle>);
static_assert(!std::is_copy_constructible_v<handle> && !std::is_copy_assignable_v<handle>);
static_assert(!std::is_convertible_v<stream, handle>);
static_assert(std::same_as<handle::executor_type, net::io_context::executor_type>);
static_assert(sizeof(handle) == sizeof(void*));
static_assert(
    std::same_as<decltype(std::declval<handle&>().async_receive()), net::awaitable<std::optional<ws_message>>>);
static_assert(std::same_as<decltype(std::declval<handle&>().async_send({})), net::awaitable<void>>);
static_assert(std::same_as<decltype(std::declval<handle&>().async_closed()), net::awaitable<error_code>>);

const weir::wait one_message{.max_messages = 1};

}  // namespace

// ---- beginning ----

TEST_CASE_METHOD(fixture, "ws_stream: accepted, it sends and receives", "[ws_stream]") {
    auto ws = make();
    CHECK_FALSE(ws.is_open());
    CHECK(ws.send("early") == error::not_accepted);
    CHECK(ws.ping() == error::not_accepted);
    CHECK(ws.close(ws_close_code::normal) == error::not_accepted);
    ws.async_receive(remember_message());
    context.settle();
    CHECK(*outcome == error::not_accepted);

    CHECK(ws.accept(test::upgrade) == error::none);
    CHECK(ws.is_open());
    CHECK(ws.subprotocol().empty());
    CHECK_FALSE(ws.compresses());
    CHECK(ws.accept(test::upgrade) == error::closed);
    CHECK(ws.begin(role::server) == error::closed);
    CHECK(ws.send("one") == error::none);
    CHECK(ws.send(ws_message::binary("two")) == error::none);
    CHECK(ws.stats().queued_messages == 2);
    ws.async_receive(remember_message());
    wire->deliver(text_frame("three"));
    context.settle();
    CHECK(wire->writes == 1);
    CHECK(wire->written.starts_with("HTTP/1.1 101 "));
    CHECK(wire->written.find(test::sample_accept) != std::string::npos);
    CHECK(said() == events{test::text("one"), test::binary("two")});
    CHECK(message == "three");
    CHECK(ws.stats().messages_sent == 2);
    CHECK(ws.stats().bytes_sent == wire->written.size());
}

TEST_CASE_METHOD(fixture, "ws_stream: frames that came behind the request's head are received, however they were cut",
                 "[ws_stream]") {
    const std::string first = text_frame("hello"), second = text_frame("world"), both = first + second;
    for (std::size_t cut = 0; cut <= both.size(); ++cut) {
        fixture f;
        auto ws = f.make();
        CHECK(ws.accept(test::upgrade, {}, both.substr(0, cut)) == error::none);
        if (cut % 2 == 0) f.context.settle();
        f.wire->deliver(both.substr(cut));
        for (const std::string_view expected : {"hello", "world"}) {
            ws.async_receive(f.remember_message());
            f.context.settle();
            CHECK(f.message == expected);
        }
    }
}

TEST_CASE_METHOD(fixture, "ws_stream: the end that came behind the request's head is answered behind the 101",
                 "[ws_stream]") {
    auto ws = make();
    CHECK(ws.accept(test::upgrade, {}, text_frame("x") + close_frame(1001, "bye")) == error::none);
    ws.async_receive(remember_message());
    context.settle();
    CHECK(message == "x");
    ws.async_receive(remember_message());
    context.settle();
    CHECK(outcome == error_code{});
    CHECK_FALSE(message);
    CHECK(ws.close_reason().code == ws_close_code::going_away);
    CHECK(ws.close_reason().text == "bye");
    CHECK(said() == events{closed(ws_close_code::going_away)});
}

TEST_CASE_METHOD(fixture, "ws_stream: a refusal is written, and the connection ended so that it can be read",
                 "[ws_stream]") {
    auto ws = make();
    weir::ws_accept_options options;
    error expected = error::none;
    std::string_view status;
    auto fields = test::upgrade_fields;
    std::vector<weir::http::field_view> list{fields.begin(), fields.end()};
    weir::request_view request{.method = "GET", .target = "/"};
    SECTION("not a GET") { expected = error::method_not_allowed, status = "405", request.method = "POST"; }
    SECTION("no Upgrade") { expected = error::bad_upgrade, status = "426", list.erase(list.begin() + 1); }
    SECTION("no Host") { expected = error::bad_host, status = "400", list.erase(list.begin()); }
    SECTION("no key") { expected = error::bad_websocket_key, status = "400", list.erase(list.begin() + 3); }
    SECTION("another version") {
        expected = error::unsupported_websocket_version, status = "426", list.back().value = "8";
    }
    SECTION("a foreign page") {
        expected = error::origin_refused, status = "403", list.push_back({"Origin", "https://evil.example"});
    }
    SECTION("a body") { expected = error::bad_body, status = "400", list.push_back({"Content-Length", "2"}); }
    SECTION("a field of ours that cannot be sent") {
        static constexpr weir::http::field_view bad{"Upgrade", "tea"};
        expected = error::bad_argument, status = "500", options.extra_fields = {&bad, 1};
    }
    request.fields = list;
    ws.async_closed(remember());
    CHECK(ws.accept(request, options, "ignored") == expected);
    CHECK_FALSE(ws.is_open());
    CHECK(ws.send("x") == error::closed);
    context.settle();
    CHECK(wire->written.substr(9, 3) == status);
    CHECK(wire->written.find("Connection: close\r\n") != std::string::npos);
    CHECK(wire->said_goodbye);
    CHECK_FALSE(wire->closed);
    wire->deliver("whatever");
    context.settle();
    CHECK_FALSE(wire->closed);
    context.pass(6s);  // the client does not go
    CHECK(wire->closed);
    REQUIRE(reason);
    CHECK(*reason == expected);
}

TEST_CASE_METHOD(fixture, "ws_stream: async_accept completes when the answer is written", "[ws_stream]") {
    wire->room = 10;
    auto ws = make();
    ws.async_accept(test::upgrade, {}, text_frame("x"), remember());
    CHECK(ws.is_open());
    context.settle();
    CHECK_FALSE(outcome);
    SECTION("it is") {
        wire->make_room(1000);
        context.settle();
        CHECK(outcome == error_code{});
    }
    SECTION("it is not") {
        wire->reset();
        context.settle();
        CHECK(*outcome == net::error::connection_reset);
    }
}

TEST_CASE_METHOD(fixture, "ws_stream: async_accept completes with the refusal", "[ws_stream]") {
    auto ws = make();
    ws.async_accept(weir::request_view{.method = "PUT", .target = "/"}, {}, {}, remember());
    CHECK_FALSE(outcome);
    context.settle();
    CHECK(*outcome == error::method_not_allowed);
    ws.async_accept(test::upgrade, {}, {}, remember());
    context.settle();
    CHECK(*outcome == error::closed);
    CHECK(wire->written.find("405") != std::string::npos);
    wire->end();
}

TEST_CASE_METHOD(fixture, "ws_stream: a subprotocol is chosen, and limits are kept", "[ws_stream]") {
    static constexpr std::string_view ours[] = {"b", "a"};
    auto ws = make();
    ws.limits({.max_message_bytes = 10});
    std::vector<weir::http::field_view> list{test::upgrade_fields.begin(), test::upgrade_fields.end()};
    list.push_back({"Sec-WebSocket-Protocol", "a, b"});
    CHECK(ws.accept({.method = "GET", .target = "/", .fields = list}, {.subprotocols = ours}) == error::none);
    CHECK(ws.subprotocol() == "b");
    ws.async_receive(remember_message());
    wire->deliver(text_frame("0123456789"));
    context.settle();
    CHECK(message == "0123456789");
    ws.async_receive(remember_message());
    wire->deliver(text_frame("0123456789+"));
    context.settle();
    CHECK(*outcome == error::message_too_large);
    CHECK(said().size() == 1);
    CHECK(said().back().code == ws_close_code::message_too_big);
}

// ---- sending ----

TEST_CASE_METHOD(fixture, "ws_stream: async_send waits for room, in turn; send does not overtake", "[ws_stream]") {
    auto ws = open(one_message);
    wire->room = 0;
    CHECK(ws.send("1") == error::none);
    context.settle();
    std::vector<int> done;
    {
        std::string text = "2";
        ws.async_send(text, [&](error_code ec) { done.push_back(ec ? -2 : 2); });
        text = "?";
    }
    ws.async_send("3", [&](error_code ec) { done.push_back(ec ? -3 : 3); });
    CHECK(ws.send("refused") == error::refused);
    ws.async_drained([&](error_code ec) { done.push_back(ec ? -4 : 4); });
    context.settle();
    CHECK(done.empty());
    wire->make_room(3);
    context.settle();
    CHECK(done == std::vector{2});
    wire->make_room(100);
    context.settle();
    CHECK(done == std::vector{2, 3, 4});
    CHECK(said() == events{test::text("1"), test::text("2"), test::text("3")});
}

TEST_CASE_METHOD(fixture, "ws_stream: a cancelled async_send has not been sent", "[ws_stream]") {
    auto ws = open(one_message);
    wire->room = 0;
    ws.send("1");
    context.settle();
    cancellation::cancellation_signal signal;
    ws.async_send("2", cancellation::bind_cancellation_slot(signal.slot(), remember()));
    context.settle();
    signal.emit(cancellation::cancellation_type::total);
    context.settle();
    CHECK(*outcome == net::error::operation_aborted);
    ws.async_send("3", remember());
    wire->make_room(100);
    context.settle();
    CHECK(outcome == error_code{});
    CHECK(said() == events{test::text("1"), test::text("3")});
}

TEST_CASE_METHOD(fixture, "ws_stream: a message in pieces; others wait, pings do not", "[ws_stream]") {
    auto ws = open();
    const auto remembered = [&](ws_message piece) {
        ws.async_send_some(piece, remember());
        context.settle();
        return *outcome;
    };
    CHECK_FALSE(remembered({"one ", true, false}));
    CHECK(ws.send("in between") == error::refused);
    std::optional<error_code> behind;
    ws.async_send("behind", [&](error_code ec) { behind = ec; });
    CHECK(ws.ping("p") == error::none);
    CHECK_FALSE(remembered({"two ", true, false}));
    CHECK_FALSE(behind);
    CHECK_FALSE(remembered({"three", true, true}));
    CHECK(behind == error_code{});
    CHECK(said() == events{test::ping("p"), test::binary("one two three"), test::text("behind")});
    CHECK(ws.send("x") == error::none);
}

TEST_CASE_METHOD(fixture, "ws_stream: one piece at a time", "[ws_stream]") {
    auto ws = open(one_message);
    wire->room = 0;
    ws.send("x");
    context.settle();
    ws.async_send_some({"a", false, false}, [](error_code) {});
    ws.async_send_some({"b", false, true}, remember());
    context.settle();
    CHECK(*outcome == error::already_sending);
}

TEST_CASE_METHOD(fixture, "ws_stream: a prepared message is for any number of streams", "[ws_stream]") {
    const weir::ws_prepared_message prepared{ws_message::binary("shared")};
    auto server = open();
    CHECK(server.send(prepared) == error::none);
    const auto other = std::make_shared<test::wire>();
    ws_stream client{stream{context.context(), other}, weir::no_heartbeat{}};
    CHECK(client.begin(role::client) == error::none);
    CHECK(client.send(prepared) == error::none);
    context.settle();
    CHECK(said() == events{test::binary("shared")});
    CHECK(test::read_frames(other->written, role::server) == events{test::binary("shared")});
}

TEMPLATE_TEST_CASE("ws_stream: messages of every size leave, whatever the stream takes at once", "[ws_stream]",
                   test::direct_memory_stream<>, test::async_memory_stream<>) {
    const std::size_t capacity = GENERATE(test::wire::unlimited, std::size_t{1000});
    test::ws_fixture<TestType> f;
    f.wire->capacity = capacity;
    auto ws = f.open(weir::wait{.max_bytes = 0, .max_messages = 0});
    f.context.settle();
    events expected;
    for (const std::size_t size :
         std::initializer_list<std::size_t>{0, 1, 125, 126, 16'383, 16'384, 20'000, 65'530, 65'536, 70'000, 200'000}) {
        const std::string text(size, static_cast<char>('a' + size % 26));
        CHECK(ws.send(text) == error::none);
        if (size % 2 == 0) f.context.settle();
        expected.push_back(test::text(text));
    }
    f.context.settle();
    CHECK(f.said() == expected);
    CHECK(ws.stats().messages_sent == expected.size());
}

// ---- ending ----

TEST_CASE_METHOD(fixture, "ws_stream: destroyed, what was sent still arrives, and the connection is closed",
                 "[ws_stream]") {
    {
        auto ws = make();
        CHECK(ws.accept(test::upgrade) == error::none);
        ws.send("last");
    }
    context.settle();
    CHECK(said() == events{test::text("last"), closed(ws_close_code::normal)});
    CHECK_FALSE(wire->closed);
    SECTION("the peer answers") {
        wire->deliver(close_frame(1000));
        context.settle();
        CHECK(wire->said_goodbye);
        wire->end();
    }
    SECTION("the peer does not") { context.pass(6s); }
    context.settle();
    CHECK(wire->closed);
    CHECK(context.idle());
}

TEST_CASE_METHOD(fixture, "ws_stream: destroyed while it reads nothing and writes nothing, it still closes in order",
                 "[ws_stream]") {
    {
        auto ws = open();
        ws.async_closed(remember());
        ws.pause();
        context.settle();
        wire->deliver(text_frame("not taken"));
        context.settle();
        wire->room = 0;
        ws.send("a");
        context.settle();
    }
    context.settle();
    CHECK_FALSE(wire->closed);
    wire->make_room(1000);
    context.settle();
    CHECK_FALSE(wire->closed);
    CHECK(said() == events{test::text("a"), closed(ws_close_code::normal)});
    wire->deliver(close_frame(1000));
    wire->end();
    context.settle();
    CHECK(wire->closed);
    CHECK(outcome == error_code{});
    CHECK(reason == error_code{});
}

TEST_CASE_METHOD(fixture, "ws_stream: async_close completes when the peer has answered", "[ws_stream]") {
    auto ws = open();
    ws.send("x");
    ws.async_close(ws_close_code::normal, "done", remember());
    CHECK(ws.send("late") == error::closed);
    context.settle();
    CHECK(said() == events{test::text("x"), closed(ws_close_code::normal, "done")});
    CHECK_FALSE(outcome);
    SECTION("it does") {
        wire->deliver(text_frame("still") + close_frame(1000));
        context.settle();
        CHECK(wire->said_goodbye);
        wire->end();
        context.settle();
        CHECK(outcome == error_code{});
    }
    SECTION("it does not") {
        context.pass(4s);
        CHECK_FALSE(outcome);
        context.pass(2s);
        CHECK(*outcome == error::close_timed_out);
    }
    SECTION("it goes without a word") {
        wire->end();
        context.settle();
        CHECK(*outcome == error::peer_closed);
    }
    CHECK(wire->closed);
}

TEST_CASE_METHOD(fixture, "ws_stream: a close that may not be sent is the caller's fault", "[ws_stream]") {
    auto ws = open();
    CHECK(ws.close(ws_close_code::abnormal) == error::bad_argument);
    CHECK(ws.close(ws_close_code{2999}) == error::bad_argument);
    ws.async_close(ws_close_code::tls_handshake, {}, remember());
    context.settle();
    CHECK(*outcome == error::bad_argument);
    CHECK(ws.is_open());
    CHECK(ws.close(ws_close_code{3000}) == error::none);
    CHECK(ws.close(ws_close_code{3000}) == error::closed);
    ws.async_close(ws_close_code::normal, {}, remember());
    context.settle();
    CHECK(*outcome == error::closed);
}

TEST_CASE_METHOD(fixture, "ws_stream: a cancelled async_close only stops waiting", "[ws_stream]") {
    auto ws = open();
    cancellation::cancellation_signal signal;
    ws.async_close(ws_close_code::normal, {}, cancellation::bind_cancellation_slot(signal.slot(), remember()));
    context.settle();
    signal.emit(cancellation::cancellation_type::total);
    context.settle();
    CHECK(*outcome == net::error::operation_aborted);
    CHECK_FALSE(wire->closed);
    ws.async_closed(remember());
    wire->deliver(close_frame(1000));
    wire->end();
    context.settle();
    CHECK(reason == error_code{});
}

TEST_CASE_METHOD(fixture, "ws_stream: what comes while it closes can still be received", "[ws_stream]") {
    auto ws = open();
    ws.async_receive(remember_message());
    ws.close(ws_close_code::normal);
    wire->deliver(text_frame("crossed"));
    context.settle();
    CHECK(message == "crossed");
    ws.async_receive(remember_message());
    wire->deliver(close_frame(1000));
    context.settle();
    CHECK(outcome == error_code{});
    CHECK_FALSE(message);
}

TEST_CASE_METHOD(fixture, "ws_stream: abort() loses what waits", "[ws_stream]") {
    auto ws = open();
    wire->room = 0;
    ws.send("lost");
    ws.async_closed(remember());
    ws.async_receive([](error_code ec, std::optional<ws_message>) { CHECK(ec == error::closed); });
    ws.abort();
    CHECK(wire->closed);
    CHECK_FALSE(outcome);
    context.settle();
    CHECK(*reason == error::closed);
    CHECK(ws.stats().dropped.unsent == 1);
    ws.abort();
    ws.close();
    CHECK(ws.close(ws_close_code::normal) == error::closed);
    ws.pause();
    ws.resume();
    ws.on_message([](ws_message) {});
    ws.expires_after(1s);
    CHECK(context.idle());
}

TEST_CASE_METHOD(fixture, "ws_stream: expires_after() closes with 1001 at its time", "[ws_stream]") {
    auto ws = open();
    ws.async_closed(remember());
    ws.expires_after(1h);
    context.pass(59min);
    CHECK(wire->written.empty());
    context.pass(2min);
    CHECK(said() == events{closed(ws_close_code::going_away)});
    CHECK(*reason == error::expired);
}

TEST_CASE_METHOD(fixture, "ws_stream: a silent peer is asked with a ping, and given up", "[ws_stream]") {
    ws_stream ws{stream{context.context(), wire}, weir::ping_every{20s, 10s}};
    CHECK(ws.begin(role::server) == error::none);
    ws.async_closed(remember());
    context.pass(25s);
    CHECK(said() == events{test::ping()});
    SECTION("it answers") {
        wire->deliver(test::frame{.code = 10}.from_client());
        context.pass(15s);
        CHECK_FALSE(reason);
    }
    SECTION("it does not") {
        context.pass(15s);
        CHECK(*reason == error::unresponsive);
        CHECK(wire->closed);
    }
}

TEST_CASE_METHOD(fixture, "ws_stream: a handle that was moved from is inert", "[ws_stream]") {
    auto first = open();
    auto second = std::move(first);
    CHECK(first.send("x") == error::closed);
    CHECK(first.send(weir::ws_prepared_message{"x"}) == error::closed);
    CHECK(first.ping() == error::closed);
    CHECK(first.close(ws_close_code::normal) == error::closed);
    first.close();
    CHECK_FALSE(first.is_open());
    CHECK(second.is_open());

    const auto other = std::make_shared<test::wire>();
    ws_stream third{stream{context.context(), other}, weir::no_heartbeat{}};
    CHECK(third.begin(role::server) == error::none);
    third = std::move(second);  // closes what it was
    CHECK(third.is_open());
    context.settle();
    CHECK(test::read_frames(other->written, role::client) == events{closed(ws_close_code::normal)});
    CHECK(wire->written.empty());
    auto& same = third;
    third = std::move(same);
    CHECK(third.is_open());
}

// ---- handlers ----

TEST_CASE_METHOD(fixture, "ws_stream: no handler is called from within the call that starts it", "[ws_stream]") {
    auto ws = open(one_message);
    wire->deliver(text_frame("x"));
    context.settle();
    SECTION("open") {}
    SECTION("closing") { ws.close(); }
    SECTION("closed") { ws.abort(); }
    int calls = 0;
    const auto count = [&](auto...) { ++calls; };
    ws.async_accept(test::upgrade, {}, {}, count);
    ws.async_receive(count);
    ws.async_receive(count);
    ws.async_send("x", count);
    ws.async_send_some("x", count);
    ws.async_drained(count);
    ws.async_sleep(-1s, count);
    ws.async_closed(count);
    ws.async_close(ws_close_code::normal, {}, count);
    ws.abort();
    CHECK(calls == 0);
    context.settle();
    CHECK(calls == 9);
}

TEST_CASE_METHOD(fixture, "ws_stream: handlers run on their own executor, with memory of their own", "[ws_stream]") {
    net::io_context other;
    test::allocation_count memory;
    auto ws = open();
    int calls = 0;
    const auto mine = [&] {
        return net::bind_executor(other.get_executor(), test::with_allocator(memory, [&](auto...) { ++calls; }));
    };
    ws.async_receive(mine());
    ws.async_closed(mine());
    CHECK(memory.live == 2);
    wire->deliver(text_frame("x"));
    context.settle();
    CHECK(calls == 0);
    other.poll();
    CHECK(calls == 1);
    ws.abort();
    context.settle();
    other.poll();
    CHECK(calls == 2);
    CHECK(memory.live == 0);
}

TEST_CASE_METHOD(fixture, "ws_stream: a handler may destroy the stream that called it", "[ws_stream]") {
    std::optional<decltype(open())> ws{open()};
    const auto destroy = [&](auto...) { ws.reset(); };
    SECTION("async_accept") {
        ws.emplace(make());
        ws->async_accept(test::upgrade, {}, {}, destroy);
    }
    SECTION("async_accept, reading the head") {
        ws.emplace(make());
        ws->async_accept({}, 10s, destroy);
        wire->deliver(test::upgrade_text());
    }
    SECTION("async_receive") {
        ws->async_receive(destroy);
        wire->deliver(text_frame("x") + text_frame("y"));
    }
    SECTION("async_send") { ws->async_send("x", destroy); }
    SECTION("async_drained") { ws->async_drained(destroy); }
    SECTION("async_sleep") { ws->async_sleep(1s, destroy); }
    SECTION("async_close") {
        ws->async_close(ws_close_code::normal, {}, destroy);
        wire->deliver(close_frame(1000));
        wire->end();
    }
    context.pass(2s);
    CHECK_FALSE(ws);
    wire->deliver(close_frame(1000));
    wire->end();
    context.settle();
    CHECK(wire->closed);
    CHECK(context.idle());
}

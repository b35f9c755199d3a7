// SPDX-License-Identifier: BSL-1.0

#include <weir/io/stream_session.hpp>

#include WEIR_ASIO(any_io_executor.hpp)
#include WEIR_ASIO(io_context.hpp)
#include WEIR_ASIO(ip/tcp.hpp)
#include WEIR_ASIO(local/connect_pair.hpp)
#include WEIR_ASIO(local/stream_protocol.hpp)
#include WEIR_ASIO(post.hpp)
#include WEIR_ASIO(strand.hpp)

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "support/memory_stream.hpp"
#include "support/virtual_context.hpp"

namespace {

using namespace std::chrono_literals;
using namespace std::string_literals;
namespace net = weir::net;
namespace detail = weir::detail;
using detail::waiter;
using weir::error;
using weir::error_code;
using weir::policy_set;

/// A text to send as it is.
struct line {
    std::string_view text;

    std::size_t size() const noexcept { return text.size(); }
    char* write(char* out) const noexcept { return out + text.copy(out, text.size()); }
};

/// The simplest protocol: a head, lines, heartbeats "*", and "bye" at the end.
class line_protocol : public detail::session {
public:
    using default_heartbeat = weir::comment_every;

protected:
    explicit line_protocol(std::uint8_t salt) noexcept : session(salt) {}
    ~line_protocol() = default;

private:
    void read(weir::mutable_bytes_view) final {}
    void push_pending(const detail::pending_message& m) final { push(m, m.key); }
    bool queue_heartbeat(weir::time_point) final { return queue_control("*"), true; }
    weir::time_point last_heartbeat() const noexcept final { return {}; }
    void queue_farewell() final { queue_control("bye"); }
    weir::wire_form feed_form() const noexcept final { return weir::wire_form::sse_plain; }
    detail::parting peer_parting() const noexcept final { return detail::parting::unspoken; }
    bool peer_answers() const noexcept final { return false; }
    bool peer_closes_first() const noexcept final { return false; }
    weir::time_point look_at_protocol(weir::time_point) final { return weir::never; }
    void on_ended() final {}
    void on_drained() final {}
    void on_turn() final {}
};

template <class Stream, class... Policies>
struct line_session final : detail::stream_session<line_protocol, Stream, Policies...> {
    using base = detail::stream_session<line_protocol, Stream, Policies...>;

    line_session(Stream stream, int* lives, Policies... policies)
        : base(std::move(stream), policy_set<Policies...>{policies...}), lives_(lives) {
        ++*lives_;
    }
    ~line_session() override { --*lives_; }

    void begin(std::string_view head = {}) {
        this->start_reading();
        this->open(head);
    }
    error say(std::string_view text, std::string_view key = {}) { return this->send(line{text}, key); }

    template <class Handler>
    void wait_closed(Handler handler) {
        this->start_closed(this->template make_waiter<waiter::kind::closed>(std::move(handler)));
    }
    template <class Handler>
    void wait_drained(Handler handler) {
        this->start_drained(this->template make_waiter<waiter::kind::drained>(std::move(handler)));
    }

private:
    int* lives_;
};

/// A session on a wire. `Stream` is one of the two kinds.
template <class Stream>
struct fixture {
    test::virtual_context context;
    std::shared_ptr<test::wire> wire = std::make_shared<test::wire>();
    int lives = 0;

    template <class... Policies>
    auto make(Policies... policies) {
        using type = line_session<Stream, Policies...>;
        return detail::counted_ptr<type>{new type{Stream{context.context(), wire}, &lives, policies...}};
    }
};

/// Why a session ended, once it has.
struct ending {
    int calls = 0;
    error_code ec, reason;

    auto handler() {
        return [this](error_code first, error_code second) {
            ++calls;
            ec = first;
            reason = second;
        };
    }
};

struct diary {
    std::vector<std::string>* lines;

    void operator()(const weir::session_opened&) const noexcept { lines->push_back("opened"); }
    void operator()(const weir::messages_written& w) const noexcept {
        lines->push_back("written " + std::to_string(w.messages) + " " + std::to_string(w.bytes));
    }
    void operator()(const weir::messages_dropped& d) const noexcept {
        lines->push_back("dropped " + std::to_string(d.messages));
    }
    void operator()(const weir::message_refused&) const noexcept { lines->push_back("refused"); }
    void operator()(const weir::heartbeat_sent&) const noexcept { lines->push_back("heartbeat"); }
    void operator()(const weir::session_closed& c) const noexcept { lines->push_back("closed " + c.reason.message()); }
    void operator()(const auto&) const noexcept {}
};

const weir::no_heartbeat silent;

}  // namespace

// ---- sending is always legal ----

TEMPLATE_TEST_CASE("stream_session: sending while a write is under way interleaves nothing", "[io][session]",
                   test::direct_memory_stream<>, test::async_memory_stream<>) {
    fixture<TestType> f;
    f.wire->room = 0;
    const auto session = f.make(silent);
    session->begin("head|");
    std::string expected = "head|";
    for (char c = 'a'; c <= 'z'; ++c) {
        const std::string text(static_cast<std::size_t>(c - 'a' + 1), c);
        CHECK(session->say(text + "|") == error::none);
        expected += text + "|";
        f.wire->make_room(7);
        f.context.settle();
    }
    f.wire->make_room(10'000);
    f.context.settle();
    CHECK(f.wire->written == expected);
    CHECK(session->stats().messages_sent == 26);
    CHECK(session->stats().bytes_sent == expected.size());
    session->terminate(error::closed);
}

TEMPLATE_TEST_CASE("stream_session: what is sent within one turn leaves in one write", "[io][session]",
                   test::direct_memory_stream<>, test::async_memory_stream<>) {
    fixture<TestType> f;
    const auto session = f.make(silent);
    session->begin("head|");
    for (int i = 0; i != 100; ++i) session->say("line|");
    CHECK(f.wire->writes == 0);
    f.context.settle();
    CHECK(f.wire->writes == 1);
    CHECK(f.wire->written.size() == 505);

    net::post(f.context.context(), [&] {
        session->say("a|");
        session->say("b|");
    });
    f.context.settle();
    CHECK(f.wire->writes == 2);
    CHECK(f.wire->written.substr(505) == "a|b|");
    session->terminate(error::closed);
}

TEST_CASE("stream_session: a write is tried at once, and waited for only when it blocks", "[io][session]") {
    fixture<test::direct_memory_stream<>> f;
    const auto session = f.make(silent);
    session->begin();
    session->say("one");
    f.context.settle();
    CHECK(f.wire->written == "one");
    CHECK_FALSE(f.wire->waits_to_write());

    f.wire->room = 1;
    session->say("two");
    f.context.settle();
    CHECK(f.wire->written == "onet");
    CHECK(f.wire->waits_to_write());
    CHECK(session->stats().blocked);
    CHECK(session->stats().queued_bytes == 2);
    session->terminate(error::closed);
}

TEST_CASE("stream_session: dropped messages leave a gap that one gathered write skips", "[io][session]") {
    fixture<test::direct_memory_stream<>> f;
    const auto session = f.make(silent, weir::keep_latest{});
    f.wire->room = 0;
    session->begin();
    session->say("a1|", "a");
    f.context.settle();
    session->say("b1|", "b");
    session->say("c1|", "c");
    session->say("b2|", "b");
    f.wire->make_room(100);
    f.context.settle();
    CHECK(f.wire->written == "a1|c1|b2|");
    CHECK(f.wire->pieces == 2);
    CHECK(session->stats().dropped.replaced == 1);
    session->terminate(error::closed);
}

TEMPLATE_TEST_CASE("stream_session: any number of bytes gets through any number of small writes", "[io][session]",
                   test::direct_memory_stream<>, test::async_memory_stream<>) {
    fixture<TestType> f;
    f.wire->capacity = 1000;
    const auto session = f.make(silent, weir::wait{.max_bytes = 0, .max_messages = 0});
    session->begin();
    std::string expected;
    for (int i = 0; i != 300; ++i) {
        const std::string text = std::to_string(i) + std::string(999, '.');
        session->say(text);
        expected += text;
    }
    f.context.settle();
    CHECK(f.wire->written == expected);
    session->terminate(error::closed);
}

// ---- an idle session holds nothing ----

TEST_CASE("stream_session: an idle session waits without a buffer, and for nothing else", "[io][session]") {
    fixture<test::direct_memory_stream<>> f;
    const auto session = f.make();
    session->begin("head");
    session->say("line");
    f.context.settle();
    const int reads = f.wire->reads;
    CHECK(f.wire->waits_to_read());
    CHECK_FALSE(f.wire->has_pending_read());
    CHECK_FALSE(f.wire->waits_to_write());
    CHECK_FALSE(f.wire->has_pending_write());
    CHECK(session->stats().queued_bytes == 0);
    f.context.pass(1h);
    CHECK(f.wire->reads == reads);
    session->terminate(error::closed);
}

TEST_CASE("stream_session: without the fast path an idle session has one small read pending", "[io][session]") {
    fixture<test::async_memory_stream<>> f;
    const auto session = f.make();
    session->begin("head");
    f.context.settle();
    CHECK(f.wire->has_pending_read());
    CHECK_FALSE(f.wire->has_pending_write());
    session->terminate(error::closed);
}

TEST_CASE("stream_session: all the time a session asks for is one deadline of its loop", "[io][session]") {
    fixture<test::direct_memory_stream<>> f;
    CHECK(f.context.loop().next_due() == weir::never);
    const auto quiet = f.make(silent);
    quiet->begin();
    f.context.settle();
    CHECK(f.context.loop().next_due() == weir::never);
    quiet->terminate(error::closed);
    f.context.settle();

    f.wire = std::make_shared<test::wire>();
    const auto beating = f.make(weir::comment_every{15s});
    beating->begin();
    f.context.settle();
    CHECK(f.context.loop().next_due() <= f.context.loop().now() + 15s);
    beating->terminate(error::closed);
    CHECK(f.context.loop().next_due() == weir::never);
}

TEST_CASE("stream_session: when the sessions are over, nothing keeps the context from returning", "[io][session]") {
    net::io_context context;  // with the real clock
    int lives = 0;
    std::vector<std::shared_ptr<test::wire>> wires;
    {
        using type = line_session<test::direct_memory_stream<>>;
        std::vector<detail::counted_ptr<type>> sessions;
        for (int i = 0; i != 100; ++i) {
            wires.push_back(std::make_shared<test::wire>());
            sessions.emplace_back(new type{test::direct_memory_stream<>{context, wires.back()}, &lives});
            sessions.back()->begin("head");
        }
        context.poll();
        CHECK_FALSE(context.stopped());
    }
    CHECK(lives == 100);  // each waits for its peer
    for (const auto& w : wires) w->end();
    context.poll();
    CHECK(lives == 0);
    CHECK(context.stopped());
}

// ---- the peer ----

TEMPLATE_TEST_CASE("stream_session: a peer that goes is noticed at once, without a write", "[io][session]",
                   test::direct_memory_stream<>, test::async_memory_stream<>) {
    fixture<TestType> f;
    const auto session = f.make(silent);
    session->begin();
    ending end;
    session->wait_closed(end.handler());
    f.context.settle();
    const auto before = f.context.now();

    SECTION("in good order") {
        f.wire->end();
        f.context.settle();
        CHECK(end.reason == error::peer_closed);
    }
    SECTION("after last words that nobody reads") {
        f.wire->deliver("last words");
        f.wire->end();
        f.context.settle();
        CHECK(end.reason == error::peer_closed);
    }
    SECTION("by a reset") {
        f.wire->reset();
        f.context.settle();
        CHECK(end.reason == net::error::connection_reset);
    }
    CHECK(end.calls == 1);
    CHECK_FALSE(end.ec);
    CHECK(f.wire->closed);
    CHECK(f.wire->written.empty());
    CHECK(f.context.now() == before);
    CHECK(session->say("late") == error::closed);
    CHECK(f.context.idle());
}

TEST_CASE("stream_session: a real peer that goes is noticed, half-closed, closed or reset", "[io][session]") {
    net::io_context context;
    net::ip::tcp::acceptor acceptor{context, {net::ip::make_address("127.0.0.1"), 0}};
    net::ip::tcp::socket peer{context}, near{context};
    peer.connect(acceptor.local_endpoint());
    acceptor.accept(near);
    int lives = 0;
    using type = line_session<net::ip::tcp::socket, weir::no_heartbeat>;
    const detail::counted_ptr<type> session{new type{std::move(near), &lives, silent}};
    session->begin("head");
    ending end;
    session->wait_closed(end.handler());
    context.poll();
    const auto finish = [&] {
        while (end.calls == 0) context.run_one();
    };

    SECTION("half-closed: where only we speak, that is the end") {
        peer.shutdown(net::ip::tcp::socket::shutdown_send);
        finish();
        CHECK(end.reason == error::peer_closed);
    }
    SECTION("closed") {
        char buffer[16];
        peer.read_some(net::buffer(buffer));
        peer.close();
        finish();
        CHECK(end.reason == error::peer_closed);
    }
    SECTION("reset") {
        peer.set_option(net::socket_base::linger{true, 0});
        peer.close();
        finish();
        CHECK(end.reason == net::error::connection_reset);
    }
    CHECK_FALSE(session->stream().is_open());
}

TEMPLATE_TEST_CASE("stream_session: bytes that nobody asked for are read and dropped", "[io][session]",
                   test::direct_memory_stream<>, test::async_memory_stream<>) {
    fixture<TestType> f;
    const auto session = f.make(silent);
    f.wire->deliver("prefetched");
    session->begin();
    f.wire->deliver(std::string(1'000'000, 'x'));
    f.context.settle();
    CHECK(f.wire->unread() == 0);
    CHECK(session->state() == detail::phase::open);
    session->say("still here");
    f.context.settle();
    CHECK(f.wire->written == "still here");
    session->terminate(error::closed);
}

TEST_CASE("stream_session: a peer that floods gets its turn, and no more", "[io][session]") {
    fixture<test::direct_memory_stream<>> f;
    const auto session = f.make(silent);
    session->begin();
    f.context.settle();
    f.wire->deliver(std::string(5'000'000, 'x'));
    std::size_t left = f.wire->unread();
    while (left != 0) {
        REQUIRE(f.context.step() == 1);
        CHECK(left - f.wire->unread() <= 320 * 1024);
        left = f.wire->unread();
    }
    session->terminate(error::closed);
}

// ---- time ----

TEMPLATE_TEST_CASE("stream_session: silence is broken by heartbeats", "[io][session]", test::direct_memory_stream<>,
                   test::async_memory_stream<>) {
    fixture<TestType> f;
    const auto session = f.make(weir::comment_every{10s});
    session->begin();
    f.context.pass(8s);
    CHECK(f.wire->written.empty());
    f.context.pass(3s);
    CHECK(f.wire->written == "*");
    f.context.pass(100s);
    CHECK(f.wire->written.size() >= 11);  // up to a tenth earlier than every 10 s
    CHECK(f.wire->written.size() <= 12);

    f.wire->written.clear();
    for (int i = 0; i != 20; ++i) {
        session->say(".");
        f.context.pass(5s);
    }
    CHECK(f.wire->written == std::string(20, '.'));
    session->terminate(error::closed);
}

TEMPLATE_TEST_CASE("stream_session: a peer that takes nothing is given up", "[io][session]",
                   test::direct_memory_stream<>, test::async_memory_stream<>) {
    fixture<TestType> f;
    const auto session = f.make(silent, weir::stall_after{30s});
    session->begin();
    f.context.pass(1h);  // with nothing to write there is no stall
    ending end;
    session->wait_closed(end.handler());
    f.wire->room = 0;
    session->say("hello");
    f.context.pass(29s);
    CHECK(end.calls == 0);
    f.context.pass(2s);
    REQUIRE(end.calls == 1);
    CHECK(end.reason == error::stalled);
    CHECK(session->stats().dropped.unsent == (std::is_same_v<TestType, test::direct_memory_stream<>> ? 1 : 0));
    CHECK(f.context.idle());
}

TEMPLATE_TEST_CASE("stream_session: a peer that takes a byte now and then is slow, not stalled", "[io][session]",
                   test::direct_memory_stream<>, test::async_memory_stream<>) {
    fixture<TestType> f;
    const auto session = f.make(silent, weir::stall_after{30s});
    f.wire->room = 0;
    session->begin();
    session->say("hello world");
    for (int i = 0; i != 11; ++i) {
        f.context.pass(20s);
        f.wire->make_room(1);
    }
    f.context.settle();
    CHECK(session->state() == detail::phase::open);
    CHECK(f.wire->written == "hello world");
    session->terminate(error::closed);
}

TEMPLATE_TEST_CASE("stream_session: one that ends writes everything, says so, and waits for the peer", "[io][session]",
                   test::direct_memory_stream<>, test::async_memory_stream<>) {
    fixture<TestType> f;
    const auto session = f.make(silent);
    session->begin("head|");
    ending end;
    session->wait_closed(end.handler());
    f.wire->room = 3;
    session->say("line|");
    session->close(error::none);
    CHECK(session->say("late") == error::closed);
    f.context.settle();
    CHECK_FALSE(f.wire->said_goodbye);
    f.wire->make_room(100);
    f.context.settle();
    CHECK(f.wire->written == "head|line|bye");
    CHECK(f.wire->said_goodbye);
    CHECK_FALSE(f.wire->closed);

    SECTION("which goes") {
        f.wire->end();
        f.context.settle();
    }
    SECTION("which resets the connection") {
        f.wire->reset();
        f.context.settle();
    }
    SECTION("for a while") {
        f.context.pass(4s);
        CHECK_FALSE(f.wire->closed);
        f.context.pass(2s);
    }
    CHECK(f.wire->closed);
    CHECK(end.calls == 1);
    CHECK_FALSE(end.reason);
    CHECK(f.context.idle());
}

TEMPLATE_TEST_CASE("stream_session: ending takes as long as it makes progress", "[io][session]",
                   test::direct_memory_stream<>, test::async_memory_stream<>) {
    fixture<TestType> f;
    const auto session = f.make(silent, weir::stall_after{0ms});
    session->begin();
    ending end;
    session->wait_closed(end.handler());
    f.wire->room = 0;
    session->say("0123456789");
    session->close(error::none);
    for (int i = 0; i != 10; ++i) {
        f.context.pass(20s);
        f.wire->make_room(1);
    }
    f.context.settle();
    CHECK(f.wire->written == "0123456789");
    CHECK(end.calls == 0);
    f.context.pass(31s);
    REQUIRE(end.calls == 1);
    CHECK(end.reason == error::stalled);
}

// ---- life ----

TEMPLATE_TEST_CASE("stream_session: it lives while something refers to it, and no longer", "[io][session]",
                   test::direct_memory_stream<>, test::async_memory_stream<>) {
    fixture<TestType> f;
    auto session = f.make();
    REQUIRE(f.lives == 1);
    SECTION("never begun") {
        session = {};
        CHECK(f.lives == 0);
        CHECK(f.wire->closed);
    }
    SECTION("begun: a pending wait refers to it") {
        session->begin();
        f.context.settle();
        session = {};
        CHECK(f.lives == 1);
        f.wire->end();
        f.context.settle();
        CHECK(f.lives == 0);
    }
    SECTION("ended, and a handle still refers to it") {
        session->begin();
        session->terminate(error::closed);
        f.context.settle();
        CHECK(f.lives == 1);
        session = {};
        CHECK(f.lives == 0);
    }
    SECTION("with a deadline that passes at that moment") {
        session->begin();
        session->terminate(error::closed);
        session = {};
        f.context.pass(1h);
        CHECK(f.lives == 0);
    }
}

// The handler owns the session, and the session the handler: a coroutine that waits for its own session.
TEMPLATE_TEST_CASE("stream_session: a context that is destroyed takes its sessions with it", "[io][session]",
                   test::direct_memory_stream<>, test::async_memory_stream<>) {
    auto f = std::make_unique<fixture<TestType>>();
    const auto wire = f->wire;
    int lives = 0, calls = 0;
    {
        using type = line_session<TestType>;
        const auto make = [&] {
            return detail::counted_ptr<type>{new type{TestType{f->context.context(), wire}, &lives}};
        };
        auto session = make();
        SECTION("waiting for its end") {
            session->begin("head");
            session->wait_closed([session, &calls](error_code, error_code) { ++calls; });
        }
        SECTION("not begun") {
            session->wait_closed([session, &calls](error_code, error_code) { ++calls; });
        }
        SECTION("blocked, with messages") {
            wire->room = 0;
            session->begin("head");
            session->say("line");
            session->wait_drained([session, &calls](error_code) { ++calls; });
        }
        SECTION("closing") {
            wire->room = 0;
            session->begin("head");
            session->wait_closed([session, &calls](error_code, error_code) { ++calls; });
            session->close(error::none);
        }
        SECTION("over, with the news on its way") {
            session->begin("head");
            session->wait_closed([session, &calls](error_code, error_code) { ++calls; });
            f->context.settle();
            session->terminate(error::closed);
            session = {};
            f.reset();
        }
        if (f && calls == 0) f->context.settle();
    }
    if (f) CHECK(lives == 1);
    f.reset();
    CHECK(lives == 0);
    CHECK(calls == 0);
}

TEST_CASE("stream_session: sessions that own one another go together with their context", "[io][session]") {
    using stream = test::direct_memory_stream<>;
    auto f = std::make_unique<fixture<stream>>();
    int lives = 0;
    {
        using type = line_session<stream>;
        std::vector<detail::counted_ptr<type>> ring;
        for (int i = 0; i != 5; ++i) {
            ring.emplace_back(new type{stream{f->context.context(), std::make_shared<test::wire>()}, &lives});
            ring.back()->begin();
        }
        for (std::size_t i = 0; i != 5; ++i) {
            ring[i]->wait_closed([next = ring[(i + 1) % 5]](error_code, error_code) { next->close(error::none); });
        }
    }
    f->context.settle();
    CHECK(lives == 5);
    f.reset();
    CHECK(lives == 0);
}

// ---- policies and types ----

TEMPLATE_TEST_CASE("stream_session: an observer sees a life in order", "[io][session]", test::direct_memory_stream<>,
                   test::async_memory_stream<>) {
    fixture<TestType> f;
    std::vector<std::string> seen;
    const auto session = f.make(diary{&seen}, weir::comment_every{10s}, weir::refuse{.max_messages = 1});
    session->begin("head");
    f.context.pass(11s);
    f.wire->room = 0;
    session->say("line");
    f.context.settle();
    session->say("more");
    session->say("more");
    session->terminate(error::closed);
    std::vector<std::string> expected{"opened", "written 0 4", "heartbeat", "written 0 1"};
    if (std::is_same_v<TestType, test::direct_memory_stream<>>) {
        expected.insert(expected.end(), {"refused", "refused", "dropped 1", "closed session closed"});
    } else {
        // Copied for the one write there is: out of the outbox.
        expected.insert(expected.end(), {"written 1 4", "refused", "dropped 1", "closed session closed"});
    }
    CHECK(seen == expected);
}

TEST_CASE("stream_session: any executor will do", "[io][session]") {
    test::virtual_context context;
    int lives = 0;
    const auto check = [&](auto executor) {
        using stream = test::direct_memory_stream<decltype(executor)>;
        using type = line_session<stream, weir::comment_every>;
        const auto wire = std::make_shared<test::wire>();
        const detail::counted_ptr<type> session{new type{stream{executor, wire}, &lives, weir::comment_every{10s}}};
        ending end;
        session->begin("head|");
        session->wait_closed(end.handler());
        context.pass(11s);
        CHECK(wire->written == "head|*");
        wire->end();
        context.settle();
        CHECK(end.calls == 1);
    };
    check(context.context().get_executor());
    check(net::make_strand(context.context()));
    check(net::any_io_executor{context.context().get_executor()});
    check(net::any_io_executor{net::make_strand(context.context())});
    CHECK(lives == 0);
}

// SPDX-License-Identifier: BSL-1.0

#include <weir/server/epoll_set.hpp>

#include "catch.hpp"

#include WEIR_ASIO(io_context.hpp)

#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <memory>
#include <string>
#include <utility>

namespace net = weir::net;
using weir::error_code;
using weir::detail::epoll_entry;
using weir::detail::epoll_set;
using weir::detail::ready_handler;

namespace {

// Two ends that are connected; the first one is in the set.
struct pair {
    net::io_context context{1};
    epoll_set& set = epoll_set::of(context);
    epoll_entry entry;
    int peer = -1;

    pair() {
        std::array<int, 2> ends{};
        REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends.data()) == 0);
        entry.descriptor = ends[0];
        peer = ends[1];
        error_code ec;
        set.add(entry, ec);
        REQUIRE_FALSE(ec);
    }
    ~pair() {
        set.remove(entry);
        ::close(entry.descriptor);
        close_peer();
    }
    pair(const pair&) = delete;
    pair& operator=(const pair&) = delete;

    void close_peer() {
        if (peer >= 0) ::close(std::exchange(peer, -1));
    }
    void speak(const std::string& text) const {
        REQUIRE(::send(peer, text.data(), text.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(text.size()));
    }
    template <class Handler>
    void wait_readable(Handler handler) {
        entry.on_readable = ready_handler{std::move(handler)};
        set.wait_begun();
    }
};

}  // namespace

TEST_CASE("epoll set: a context runs for as long as somebody waits", "[server][epoll_set]") {
    pair p;
    CHECK(p.context.run() == 0);
    p.context.restart();

    int calls = 0;
    p.wait_readable([&](error_code) { ++calls; });
    p.context.poll();
    CHECK(calls == 0);
    CHECK_FALSE(p.context.stopped());
    p.speak("x");
    p.context.run();
    CHECK(calls == 1);
    CHECK(p.entry.readable);
}

TEST_CASE("epoll set: a wait that is taken back lets the context end", "[server][epoll_set]") {
    pair p;
    p.wait_readable([](error_code) {});
    p.context.poll();
    p.entry.on_readable = {};
    p.set.wait_ended();
    p.context.run();
    CHECK(p.context.stopped());
}

TEST_CASE("epoll set: new bytes are a new edge, also while nobody waits", "[server][epoll_set]") {
    pair p;
    p.speak("a");
    int calls = 0;
    p.wait_readable([&](error_code) { ++calls; });
    p.context.run();
    CHECK(calls == 1);
    p.entry.readable = false;  // as if all had been read
    p.speak("b");
    p.wait_readable([&](error_code) { ++calls; });
    p.context.restart();
    p.context.run();
    CHECK(calls == 2);
}

TEST_CASE("epoll set: the end of the peer is readable, and stays so", "[server][epoll_set]") {
    pair p;
    p.wait_readable([](error_code) {});
    p.close_peer();
    p.context.run();
    CHECK(p.entry.readable);
    CHECK(p.entry.hung_up);
}

TEST_CASE("epoll set: an entry may move, and its handler be called where it is then", "[server][epoll_set]") {
    pair p;
    p.speak("x");
    epoll_entry elsewhere = std::exchange(p.entry, epoll_entry{});
    p.set.moved(elsewhere);
    int calls = 0;
    elsewhere.on_readable = ready_handler{[&](error_code) { ++calls; }};
    p.set.wait_begun();
    p.context.run();
    CHECK(calls == 1);
    p.entry = std::exchange(elsewhere, epoll_entry{});
    p.set.moved(p.entry);
}

TEST_CASE("epoll set: an entry removed by the handler of another is not touched", "[server][epoll_set]") {
    pair first;
    epoll_entry second;
    std::array<int, 2> ends{};
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends.data()) == 0);
    second.descriptor = ends[0];
    error_code ec;
    first.set.add(second, ec);
    int calls = 0;
    const auto end_the_other = [&](epoll_entry& other) {
        return [&](error_code) {
            ++calls;
            first.set.remove(other);
            if (std::exchange(other.on_readable, {})) first.set.wait_ended();
        };
    };
    first.wait_readable(end_the_other(second));
    second.on_readable = ready_handler{end_the_other(first.entry)};
    first.set.wait_begun();
    first.speak("x");
    REQUIRE(::send(ends[1], "x", 1, MSG_NOSIGNAL) == 1);
    first.context.run();
    CHECK(calls == 1);
    ::close(ends[0]);
    ::close(ends[1]);
}

TEST_CASE("epoll set: handlers that wait are destroyed with the context, uncalled", "[server][epoll_set]") {
    const auto token = std::make_shared<int>(0);
    epoll_entry entry;
    std::array<int, 2> ends{};
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends.data()) == 0);
    entry.descriptor = ends[0];
    {
        net::io_context context{1};
        epoll_set& set = epoll_set::of(context);
        error_code ec;
        set.add(entry, ec);
        entry.on_readable = ready_handler{[token](error_code) { ++*token; }};
        set.wait_begun();
        context.poll();
    }
    CHECK(token.use_count() == 1);
    CHECK(*token == 0);
    ::close(ends[0]);
    ::close(ends[1]);
}

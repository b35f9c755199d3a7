// SPDX-License-Identifier: BSL-1.0

#include <weir/adapt/libuv.hpp>

#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "support/driven_machine.hpp"
#include "support/fake_websocket.hpp"

using namespace std::literals;
using test::in_words;
using test::role;
using weir::error;

namespace {

/// How a session ended.
struct end_observer {
    std::vector<weir::error_code>* to;

    void operator()(const weir::session_closed& what) const noexcept { to->push_back(what.reason); }
    void operator()(const auto&) const noexcept {}
};

/// A loop with one end of a connection, whose other end the test has.
class one_stream {
public:
    one_stream() {
        uv_loop_init(&loop);
        uv_os_sock_t ends[2];
        REQUIRE(uv_socketpair(SOCK_STREAM, 0, ends, UV_NONBLOCK_PIPE, UV_NONBLOCK_PIPE) == 0);
        peer = ends[1];
        uv_pipe_init(&loop, &pipe, 0);
        pipe.data = &hosts_data;
        REQUIRE(uv_pipe_open(&pipe, ends[0]) == 0);
    }
    one_stream(const one_stream&) = delete;
    one_stream& operator=(const one_stream&) = delete;
    ~one_stream() {
        hang_up();
        run();
        CHECK(closed == 1);
        CHECK(uv_loop_close(&loop) == 0);
    }

    uv_stream_t* stream() { return reinterpret_cast<uv_stream_t*>(&pipe); }
    weir::adapt::libuv_closed on_closed() {
        return [this](uv_stream_t* which) {
            CHECK(which == stream());
            CHECK(which->data == &hosts_data);
            ++closed;
        };
    }
    /// Until nothing is left to wait for.
    void run() { CHECK(uv_run(&loop, UV_RUN_DEFAULT) == 0); }
    void turn() { uv_run(&loop, UV_RUN_NOWAIT); }
    void say(std::string_view text) {
        REQUIRE(::send(peer, text.data(), text.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(text.size()));
    }
    /// Takes what is there.
    void listen() {
        std::string buffer(1 << 16, '\0');
        for (ssize_t n; (n = ::recv(peer, buffer.data(), buffer.size(), MSG_DONTWAIT)) > 0;) {
            heard.append(buffer, 0, static_cast<std::size_t>(n));
        }
    }
    void hang_up() {
        if (peer >= 0) ::close(std::exchange(peer, -1));
    }

    uv_loop_t loop{};
    uv_pipe_t pipe{};
    int hosts_data = 0, peer = -1, closed = 0;
    std::string heard;
};

}  // namespace

TEST_CASE("libuv: an event stream is answered, asked and ended", "[adapt][libuv]") {
    one_stream host;
    auto& out = weir::adapt::take_over<weir::sse_machine>(host.stream(), host.on_closed());
    CHECK(out.accept(test::event_request, weir::clock::now()) == error::none);
    int asked = 0;
    out.ask([&](weir::time_point now) {
        if (++asked == 4) return out.close(now), weir::never;
        out.send({.data = std::to_string(asked)}, now);
        return now;
    });
    for (int turns = 0; asked != 4 && turns != 1000; ++turns) host.turn();
    REQUIRE(asked == 4);
    host.turn();
    host.listen();
    CHECK(host.heard.starts_with("HTTP/1.1 200 OK\r\n"));
    CHECK(host.heard.find("data: 1\n\n") < host.heard.find("data: 3\n\n"));
    CHECK(host.heard.ends_with("\r\n0\r\n\r\n"));
    CHECK(host.closed == 0);
}

TEST_CASE("libuv: a WebSocket's messages come and go", "[adapt][libuv]") {
    one_stream host;
    auto& ws = weir::adapt::take_over<weir::ws_machine>(host.stream(), host.on_closed());
    ws.on_message([&](weir::ws_message message) { ws.send(message, ws.now()); });
    CHECK(ws.begin(role::server, weir::clock::now(), test::text(role::client, "early")) == error::none);
    host.turn();
    host.say(test::text(role::client, "late") + test::close(role::client, weir::ws_close_code::normal));
    for (int turns = 0; in_words(host.heard, role::server).find("close") == std::string::npos; ++turns) {
        REQUIRE(turns != 1000);
        host.turn();
        host.listen();
    }
    CHECK(in_words(host.heard, role::server) == "text(early) text(late) close(1000)");
}

TEST_CASE("libuv: what the socket does not take goes out when it does", "[adapt][libuv]") {
    one_stream host;
    auto& out = weir::adapt::take_over<weir::sse_machine>(host.stream(), host.on_closed(), weir::wait{.max_bytes = 0});
    CHECK(out.begin(weir::sse::framing::plain, weir::clock::now()) == error::none);
    out.send({.data = std::string(3'000'000, 'x')}, weir::clock::now());
    out.send({.data = "behind"}, weir::clock::now());
    for (int turns = 0; turns != 10; ++turns) host.turn();
    CHECK_FALSE(out.drained());
    for (int turns = 0; !host.heard.ends_with("data: behind\n\n"); ++turns) {
        REQUIRE(turns != 10'000);
        host.listen();
        host.turn();
    }
    CHECK(host.heard.size() == 3'000'000 + "data: \n\ndata: behind\n\n"sv.size());
    CHECK(out.drained());
}

TEST_CASE("libuv: a peer that goes in the middle of a write is the end", "[adapt][libuv]") {
    std::vector<weir::error_code> ends;
    {
        one_stream host;
        auto& out = weir::adapt::take_over<weir::sse_machine>(host.stream(), host.on_closed(), end_observer{&ends});
        CHECK(out.begin(weir::sse::framing::plain, weir::clock::now()) == error::none);
        out.send({.data = std::string(3'000'000, 'x')}, weir::clock::now());
        for (int turns = 0; turns != 3; ++turns) host.turn();
    }
    REQUIRE(ends.size() == 1);
    CHECK(ends[0] == weir::condition::closed);
}

TEST_CASE("libuv: what is called from elsewhere is looked at once the stream is woken", "[adapt][libuv]") {
    std::vector<weir::error_code> ends;
    one_stream host;
    auto& out = weir::adapt::take_over<weir::sse_machine>(host.stream(), host.on_closed(), end_observer{&ends});
    CHECK(out.begin(weir::sse::framing::plain, weir::clock::now()) == error::none);
    host.turn();
    SECTION("sent") {
        out.send({.data = "news"}, weir::clock::now());
        weir::adapt::wake(host.stream());
        host.turn();
        host.listen();
        CHECK(host.heard == "data: news\n\n");
    }
    SECTION("ended, in the middle of a write that libuv is at") {
        out.send({.data = std::string(3'000'000, 'x')}, weir::clock::now());
        weir::adapt::wake(host.stream());
        host.turn();
        out.abort(weir::clock::now());
        host.listen();
        weir::adapt::wake(host.stream());
        host.run();
        CHECK(host.closed == 1);
        REQUIRE(ends.size() == 1);
        CHECK(ends[0] == error::closed);
    }
}

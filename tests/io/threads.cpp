// SPDX-License-Identifier: BSL-1.0

// Many sessions on a context that is run by several threads, each session on a strand. Worth most with
// -fsanitize=thread.

#include <weir/sse_stream.hpp>
#include <weir/ws_stream.hpp>

#include WEIR_ASIO(any_io_executor.hpp)
#include WEIR_ASIO(awaitable.hpp)
#include WEIR_ASIO(co_spawn.hpp)
#include WEIR_ASIO(detached.hpp)
#include WEIR_ASIO(io_context.hpp)
#include WEIR_ASIO(local/connect_pair.hpp)
#include WEIR_ASIO(local/stream_protocol.hpp)
#include WEIR_ASIO(post.hpp)
#include WEIR_ASIO(read.hpp)
#include WEIR_ASIO(redirect_error.hpp)
#include WEIR_ASIO(strand.hpp)
#include WEIR_ASIO(use_awaitable.hpp)

#include <atomic>
#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "catch.hpp"

namespace {

using namespace std::chrono_literals;
namespace net = weir::net;
using net::local::stream_protocol;
using weir::error_code;

constexpr int events = 50;

struct totals {
    std::atomic<int> finished{0}, failed{0}, closed{0}, whole{0};
};

// Writes what there is, as long as there is somebody; every session is in a hurry of its own.
net::awaitable<void> writer(stream_protocol::socket socket, totals& all, int which) {
    weir::sse_stream out{std::move(socket), weir::comment_every{1ms}, weir::wait{.max_messages = 3}};
    out.async_closed([&all](error_code, error_code) { ++all.closed; });
    out.begin(weir::sse::framing::plain);
    error_code ec;
    const auto token = [&ec] { return net::redirect_error(net::use_awaitable, ec); };
    for (int i = 0; i != events && !ec; ++i) {
        if (i % 7 == which % 7) {
            co_await out.async_sleep(1us, token());
        } else if (i % 5 == which % 5) {
            co_await out.async_drained(token());
        }
        if (!ec) co_await out.async_send({.data = "event"}, token());
    }
    ++(ec ? all.failed : all.finished);
}

// Reads everything, or goes after some of it.
net::awaitable<void> reader(stream_protocol::socket socket, totals& all, bool patient) {
    std::string text;
    error_code ec;
    if (patient) {
        co_await net::async_read(socket, net::dynamic_buffer(text), net::redirect_error(net::use_awaitable, ec));
        int count = 0;
        for (std::size_t at = 0; (at = text.find("data: event\n\n", at)) != std::string::npos; ++at) ++count;
        if (count == events) ++all.whole;
    } else {
        text.resize(40);
        co_await net::async_read(socket, net::buffer(text), net::redirect_error(net::use_awaitable, ec));
    }
}

void run_on_threads(net::io_context& context) {
    std::vector<std::jthread> threads;
    for (int i = 0; i != 4; ++i) threads.emplace_back([&] { context.run(); });
}

}  // namespace

TEST_CASE("threads: sessions on strands are independent", "[io][threads]") {
    constexpr int sessions = 100;
    net::io_context context;
    totals all;
    for (int i = 0; i != sessions; ++i) {
        const net::any_io_executor strand = net::make_strand(context);
        stream_protocol::socket near{strand}, peer{net::make_strand(context)};
        net::local::connect_pair(near, peer);
        const auto readers = peer.get_executor();
        net::co_spawn(strand, writer(std::move(near), all, i), net::detached);
        net::co_spawn(readers, reader(std::move(peer), all, i % 2 == 0), net::detached);
    }
    run_on_threads(context);
    CHECK(all.finished + all.failed == sessions);
    CHECK(all.finished >= sessions / 2);
    CHECK(all.whole == sessions / 2);
    CHECK(all.closed == sessions);
}

TEST_CASE("threads: any thread may post to a session's executor, where handles may come and go", "[io][threads]") {
    using socket = net::basic_stream_socket<stream_protocol, net::strand<net::io_context::executor_type>>;
    using stream = weir::sse_stream<socket, weir::comment_every, weir::drop_oldest>;
    constexpr int sessions = 20, rounds = 50;
    net::io_context context;
    std::vector<stream_protocol::socket> peers;
    std::vector<std::shared_ptr<stream>> streams;
    std::atomic<int> sent{0}, closed{0};
    for (int i = 0; i != sessions; ++i) {
        socket near{net::make_strand(context)};
        peers.emplace_back(context);
        net::local::connect_pair(near, peers.back());
        streams.push_back(
            std::make_shared<stream>(std::move(near), weir::comment_every{1ms}, weir::drop_oldest{.max_messages = 5}));
        auto& out = *streams.back();
        out.begin(weir::sse::framing::plain);
        out.async_closed([&](error_code, error_code) { ++closed; });
        out.expires_after(1h);
    }
    {
        std::vector<std::jthread> threads;
        for (int i = 0; i != 4; ++i) threads.emplace_back([&] { context.run(); });
        for (int round = 0; round != rounds; ++round) {
            for (const auto& out : streams) {
                net::post(out->get_executor(), [out, &sent] {
                    if (out->send({.data = "x"}) == weir::error::none) ++sent;
                });
            }
        }
        for (std::size_t i = 0; i != streams.size(); ++i) {
            const auto executor = streams[i]->get_executor();
            // The last reference goes on the session's own executor; the peer goes before, after or meanwhile.
            net::post(context, [&peer = peers[i], abruptly = i % 2 == 0] {
                error_code ignored;
                if (abruptly) {
                    static_cast<void>(peer.close(ignored));
                } else {
                    static_cast<void>(peer.shutdown(stream_protocol::socket::shutdown_both, ignored));
                }
            });
            net::post(executor, [out = std::move(streams[i])] { out->close(1s); });
        }
    }
    CHECK(sent > 0);
    CHECK(closed == sessions);
}

namespace {

struct websocket_totals {
    std::atomic<int> asked{0}, echoed{0}, failed{0}, closed{0}, timed_out{0};
};

net::awaitable<void> echo(stream_protocol::socket socket, websocket_totals& all) {
    weir::ws_stream ws{std::move(socket), weir::ping_every{1ms, 10s}, weir::wait{.max_messages = 3}};
    ws.async_closed([&all](error_code, error_code) { ++all.closed; });
    error_code ec;
    const auto token = [&ec] { return net::redirect_error(net::use_awaitable, ec); };
    co_await ws.async_accept({}, 10s, token());
    while (!ec) {
        const auto message = co_await ws.async_receive(token());
        if (!message) break;
        co_await ws.async_send(*message, token());
    }
}

net::awaitable<void> ask(stream_protocol::socket socket, websocket_totals& all, bool patient) {
    weir::ws_stream ws{std::move(socket), weir::ping_every{1ms, 10s}};
    ws.async_closed([&all](error_code, error_code) { ++all.closed; });
    error_code ec;
    const auto token = [&ec] { return net::redirect_error(net::use_awaitable, ec); };
    co_await ws.async_handshake("test", "/", {}, token());
    for (int i = 0; i != events && !ec; ++i) {
        const std::string text = std::to_string(i) + std::string(static_cast<std::size_t>(i) * 100, '.');
        if (i % 7 == 0) co_await ws.async_sleep(1us, token());
        co_await ws.async_send(text, token());
        const auto answer = co_await ws.async_receive(token());
        if (answer && answer->text() == text) ++all.echoed;
        if (!patient && i == events / 2) co_return ws.abort();
    }
    co_await ws.async_close(weir::ws_close_code::normal, {}, token());
    ++(ec ? all.failed : all.asked);
}

}  // namespace

TEST_CASE("threads: WebSockets on strands, both ends", "[io][ws][threads]") {
    constexpr int pairs = 50;
    net::io_context context;
    websocket_totals all;
    for (int i = 0; i != pairs; ++i) {
        stream_protocol::socket near{net::make_strand(context)}, far{net::make_strand(context)};
        net::local::connect_pair(near, far);
        const auto server = near.get_executor(), client = far.get_executor();
        net::co_spawn(server, echo(std::move(near), all), net::detached);
        net::co_spawn(client, ask(std::move(far), all, i % 2 == 0), net::detached);
    }
    run_on_threads(context);
    CHECK(all.asked == pairs / 2);
    CHECK(all.failed == 0);
    CHECK(all.echoed >= events * pairs / 2);
    CHECK(all.closed == 2 * pairs);
}

TEST_CASE("threads: handshakes on strands that run out of time, or lose their peer", "[io][ws][threads]") {
    constexpr int pairs = 60;
    net::io_context context;
    websocket_totals all;
    std::vector<stream_protocol::socket> peers;
    std::vector<std::string> answers(pairs);
    peers.reserve(pairs);
    for (int i = 0; i != pairs; ++i) {
        stream_protocol::socket near{net::make_strand(context)};
        auto& peer = peers.emplace_back(context);
        net::local::connect_pair(near, peer);
        const auto strand = near.get_executor();
        net::post(strand, [&all, s = std::move(near), as_client = i % 2 == 0]() mutable {
            auto ws = std::make_shared<weir::ws_stream<stream_protocol::socket>>(std::move(s));
            const auto done = [ws, &all](error_code ec) {
                if (ec == weir::condition::timed_out) ++all.timed_out;
                ws->async_closed([ws, &all](error_code, error_code) { ++all.closed; });
            };
            if (as_client) {
                ws->async_handshake("test", "/", {.timeout = 2ms}, done);
            } else {
                ws->async_accept({}, 2ms, done);
            }
        });
        // A patient peer leaves when it has been told that nothing more comes.
        const auto leave = [&peer](error_code = {}, std::size_t = 0) { peer.close(); };
        if (i % 3 == 0) {
            net::post(context, leave);
        } else {
            net::async_read(peer, net::dynamic_buffer(answers[static_cast<std::size_t>(i)]), leave);
        }
    }
    run_on_threads(context);
    CHECK(all.closed == pairs);
    CHECK(all.timed_out >= pairs * 2 / 3);
}

// SPDX-License-Identifier: BSL-1.0

// Policies of one's own: one of each kind that is worth writing. Run it, then: curl -N http://127.0.0.1:8080/

#include <weir/http/request_parser.hpp>
#include <weir/sse_stream.hpp>

#include <asio.hpp>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>
#include <utility>

using namespace std::chrono_literals;
using asio::ip::tcp;

// Backpressure: a newer value replaces the unsent one; who is a minute behind is let go.
struct latest_or_leave {
    static constexpr bool by_key = true;  // needed by those that answer `replace`
    std::size_t max_bytes = 64 * 1024;

    weir::admission operator()(const weir::outbox_facts& facts) const noexcept {
        if (facts.oldest_age > 60s) return weir::admission::close;
        if (facts.reviewing()) return weir::admission::accept;  // nothing is offered, what waits is looked through
        if (facts.same_key_waiting) return weir::admission::replace;
        const bool fits = facts.bytes + facts.incoming_bytes <= max_bytes;
        return fits ? weir::admission::accept : weir::admission::drop_oldest;
    }
};

// Heartbeat: a comment after each second of silence.
struct beat_each_second {
    weir::heartbeat_decision operator()(const weir::liveness& facts) const noexcept {
        const auto due = facts.last_sent + 1s;
        if (facts.now >= due) return weir::beat{};
        return weir::wait_until{due};
    }
};

struct totals {
    std::uint64_t opened = 0, heartbeats = 0, closed = 0;
};

// Observer: it is moved into the stream, so what it counts is elsewhere.
struct count_into {
    totals* counts;

    void operator()(weir::session_opened) const noexcept { ++counts->opened; }
    void operator()(weir::heartbeat_sent) const noexcept { ++counts->heartbeats; }
    void operator()(weir::session_closed) const noexcept { ++counts->closed; }
    void operator()(const auto&) const noexcept {}  // written, dropped, refused
};

using stream = weir::sse_stream<tcp::socket, latest_or_leave, beat_each_second, count_into>;

asio::awaitable<void> serve(tcp::socket socket, totals& counts) {
    std::string received;
    co_await asio::async_read_until(socket, asio::dynamic_buffer(received, 16384), "\r\n\r\n", asio::use_awaitable);
    weir::http::request_parser parser;
    if (parser.parse(received) != weir::http::request_parser::status::complete) co_return;

    stream out{std::move(socket), {}, {}, {&counts}};
    if (out.accept(parser.request()) != weir::error::none) co_return;
    for (;;) {
        out.send({.event = "totals",
                  .data = std::to_string(counts.opened) + " opened, " + std::to_string(counts.heartbeats) +
                          " heartbeats, " + std::to_string(counts.closed) + " closed"});
        co_await out.async_sleep(1500ms);
    }
}

asio::awaitable<void> accept(tcp::acceptor acceptor, totals& counts) {
    for (;;) {
        tcp::socket socket = co_await acceptor.async_accept(asio::use_awaitable);
        asio::co_spawn(acceptor.get_executor(), serve(std::move(socket), counts), [](std::exception_ptr) {});
    }
}

// sse_policies [port]; 0: the system chooses.
int main(int argc, char** argv) {
    const auto wanted = static_cast<std::uint16_t>(argc > 1 ? std::atoi(argv[1]) : 8080);

    totals counts;  // before the context: sessions end with it at the latest
    asio::io_context context{1};
    tcp::acceptor acceptor{context, {asio::ip::make_address("127.0.0.1"), wanted}};
    std::printf("http://127.0.0.1:%u/\n", unsigned{acceptor.local_endpoint().port()});
    std::fflush(stdout);
    asio::co_spawn(context, accept(std::move(acceptor), counts), asio::detached);

    asio::signal_set signals{context, SIGINT, SIGTERM};
    signals.async_wait([&](weir::error_code, int) { context.stop(); });
    context.run();
}

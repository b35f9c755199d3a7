// SPDX-License-Identifier: BSL-1.0

// What load clients are pointed at: a server that does nothing but what is measured. raw_server is its yardstick.
//
//   push_server --port P [--rate R] [--size BYTES] [--wait N] [--burst K] [--threads T] [--nopub] [--deflate] [--uring]
//
//   /ws, /sse  WebSocket and event stream: subscribers of one topic. From the moment that N are there, together, until
//              the last one has gone, they are sent payloads of BYTES that begin "t=<CLOCK_MONOTONIC in ns> ": K at a
//              time, R times a second; R = 0: whenever every subscriber has taken those before.
//   /echo      WebSocket: every message comes back.
//
// With --nopub nothing is published, with --deflate compression is agreed to, and with --uring writes go to the kernel
// as io_uring batches. Prints its port, and nothing else.

#include <weir/deflate.hpp>
#include <weir/hub.hpp>
#include <weir/server.hpp>

#include WEIR_ASIO(post.hpp)
#include WEIR_ASIO(steady_timer.hpp)

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <list>
#include <mutex>
#include <string>
#include <utility>

#include "push_options.hpp"

namespace bench {

weir::batch_factory uring_writes();  // uring/with.cpp or uring/without.cpp, whichever is linked

}  // namespace bench

namespace {

using namespace std::chrono_literals;

// The sessions of all event loops.
class session_list {
public:
    auto add(weir::ws_session session) {
        const std::lock_guard lock{mutex_};
        return sessions_.insert(sessions_.end(), std::move(session));
    }
    void remove(std::list<weir::ws_session>::iterator at) {
        const std::lock_guard lock{mutex_};
        sessions_.erase(at);
    }

private:
    std::mutex mutex_;
    std::list<weir::ws_session> sessions_;
};

class publisher {
public:
    publisher(const bench::push_options& options, weir::server& app, weir::hub& to)
        : options_{options}, app_{app}, hub_{to}, timer_{app.context()}, payload_{bench::make_payload(options.size)} {
        if (options.publish) options.rate > 0 ? wait_for_next() : next_round();
    }

private:
    bool has_begun() {
        const std::size_t present = hub_.stats().subscribers;
        begun_ = present >= options_.wait || (begun_ && present != 0);
        return begun_;
    }

    void publish() {
        bench::write_stamp(payload_.data());
        for (std::size_t i = 0; i != options_.burst; ++i) hub_.publish("all", {.data = payload_});
    }

    // With a rate: the times are fixed beforehand, however late one of them is dealt with.
    void wait_for_next() {
        timer_.expires_at(due_ += std::chrono::nanoseconds{static_cast<std::int64_t>(1e9 / options_.rate)});
        timer_.async_wait([this](weir::error_code ec) {
            if (ec) return;
            if (has_begun()) publish();
            wait_for_next();
        });
    }

    // Without: once every event loop has had a turn with the messages before, and every socket has taken them.
    void next_round() {
        if (!has_begun()) {
            timer_.expires_after(1ms);
            timer_.async_wait([this](weir::error_code ec) {
                if (!ec) next_round();
            });
            return;
        }
        if (hub_.stats().behind == 0) publish();
        turns_left_ = app_.threads();
        for (std::size_t i = 0; i != app_.threads(); ++i) {
            weir::net::post(app_.context(i), [this] {
                if (--turns_left_ == 0) weir::net::post(app_.context(), [this] { next_round(); });
            });
        }
    }

    const bench::push_options& options_;
    weir::server& app_;
    weir::hub& hub_;
    weir::net::steady_timer timer_;
    std::chrono::steady_clock::time_point due_ = std::chrono::steady_clock::now();
    std::string payload_;
    bool begun_ = false;
    std::atomic<std::size_t> turns_left_ = 0;
};

}  // namespace

int main(int count, char** values) {
    const bench::push_options given = bench::parse_push_options(count, values);
    weir::hub_options hub_options{.history = {.messages = 100}, .resumable = false};
    if (given.uring) {
        hub_options.writes = bench::uring_writes();
        if (!hub_options.writes()) {
            std::fputs("push_server: there is no io_uring here\n", stderr);
            return 1;
        }
    }
    weir::ws_options options{.max_message_bytes = 64 * 1024 * 1024,
                             .backpressure = weir::wait{.max_bytes = 256 * 1024 * 1024, .max_messages = 0}};
    if (given.deflate) options.framing = weir::deflate_frames{};

    session_list echoing;  // before the server, which ends them
    weir::server app{{.threads = given.threads}};
    weir::hub hub{std::move(hub_options)};
    app.ws(
        "/echo",
        [&echoing](weir::ws_session session) {
            const auto at = echoing.add(std::move(session));
            at->on_message([at](weir::ws_message message) { at->send(message); });
            at->on_close([at, &echoing](weir::error_code) { echoing.remove(at); });
        },
        options);
    app.ws("/ws", [&hub](weir::ws_session out) { hub.subscribe(std::move(out), "all"); }, options);
    app.sse("/sse", [&hub](weir::sse_session out) { hub.subscribe(std::move(out), "all"); });
    publisher publishing{given, app, hub};
    std::printf("%u\n", app.listen({.port = given.port}));
    std::fflush(stdout);
    app.run();
}

// SPDX-License-Identifier: BSL-1.0

// One message for everybody who listens, with callbacks only. Run it, then, more than once:
// curl -N http://127.0.0.1:8080/news

#include <weir/server.hpp>

#include <asio/io_context.hpp>
#include <asio/steady_timer.hpp>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <list>
#include <string>
#include <string_view>
#include <utility>

using namespace std::chrono_literals;

class broadcast {
public:
    explicit broadcast(asio::io_context& context) : timer_{context} {}

    // A stream lives as long as its handle: here, until its reader is gone.
    void join(weir::sse_session out) {
        const auto reader = readers_.insert(readers_.end(), std::move(out));
        reader->async_closed([this, reader](weir::error_code, weir::error_code) { readers_.erase(reader); });
    }

    // Waits for nobody: what a slow reader misses is its route's policy.
    void publish(std::string_view text) {
        ++number_;
        for (auto& out : readers_) out.send({.event = "news", .id = weir::event_id(number_), .data = text});
    }

    void publish_every(weir::milliseconds interval) {
        timer_.expires_after(interval);
        timer_.async_wait([this, interval](weir::error_code ec) {
            if (ec) return;
            publish(std::to_string(readers_.size()) + " listening");
            publish_every(interval);
        });
    }

private:
    std::list<weir::sse_session> readers_;
    std::uint64_t number_ = 0;
    asio::steady_timer timer_;
};

// sse_broadcast [port]; 0: the system chooses.
int main(int argc, char** argv) {
    const auto wanted = static_cast<std::uint16_t>(argc > 1 ? std::atoi(argv[1]) : 8080);

    weir::server app;
    broadcast news{app.context()};  // after the server, since no session may outlive it
    app.sse("/news", [&news](weir::sse_session out) { news.join(std::move(out)); },
            {.backpressure = weir::drop_oldest{.max_messages = 100}});
    news.publish_every(200ms);

    const std::uint16_t port = app.listen({.port = wanted});
    std::printf("http://127.0.0.1:%u/news\n", unsigned{port});
    std::fflush(stdout);
    app.run();
}

// SPDX-License-Identifier: BSL-1.0

#include <weir/adapt/httplib.hpp>

#include <httplib.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

#include "catch.hpp"
#include "support/end_of_session.hpp"

using namespace std::chrono_literals;
using test::end_observer;
using test::end_of_session;

namespace {

/// A server with one route, `/events`, on a thread of its own.
class running_server {
public:
    explicit running_server(httplib::Server::Handler events) {
        server_.Get("/events", std::move(events));
        server_.set_keep_alive_timeout(1);
        port_ = server_.bind_to_any_port("127.0.0.1");
        thread_ = std::thread{[this] { server_.listen_after_bind(); }};
        while (!server_.is_running()) std::this_thread::yield();
    }
    running_server(const running_server&) = delete;
    running_server& operator=(const running_server&) = delete;
    ~running_server() {
        server_.stop();
        thread_.join();
    }
    httplib::Client client() const { return httplib::Client{"127.0.0.1", port_}; }

private:
    httplib::Server server_;
    int port_ = 0;
    std::thread thread_;
};

const httplib::Headers wants_events{{"Accept", "text/event-stream"}, {"Last-Event-ID", "41"}};

}  // namespace

TEST_CASE("httplib: a stream is answered, asked and ended", "[adapt][httplib]") {
    end_of_session end;
    const running_server server{[&](const httplib::Request& request, httplib::Response& response) {
        const auto out = weir::adapt::event_stream(request, response, {.first_comment = "hello"}, end_observer{&end});
        if (out == nullptr) return;
        out->ask([&out = *out, n = out->last_event_id().number().value_or(0)](weir::time_point now) mutable {
            if (n == 44) return out.close(now), weir::never;
            out.send({.id = weir::event_id(++n), .data = "x"}, now);
            return now;
        });
    }};
    const auto answer = server.client().Get("/events?a=b", wants_events);
    REQUIRE(answer);
    CHECK(answer->status == 200);
    CHECK(answer->body == ": hello\n\nid: 42\ndata: x\n\nid: 43\ndata: x\n\nid: 44\ndata: x\n\n");
    CHECK(answer->get_header_value("Content-Type") == "text/event-stream");
    CHECK(answer->get_header_value("Cache-Control") == "no-cache, no-transform");
    CHECK(answer->get_header_value_count("Transfer-Encoding") == 1);
    CHECK(end.wait().has_value());
}

TEST_CASE("httplib: a refusal is the response", "[adapt][httplib]") {
    std::atomic<bool> refused = false;
    const running_server server{[&](const httplib::Request& request, httplib::Response& response) {
        refused = weir::adapt::event_stream(request, response) == nullptr;
    }};
    const auto answer = server.client().Get("/events", {{"Accept", "application/json"}});
    REQUIRE(answer);
    CHECK(answer->status == 406);
    CHECK(answer->body == "406 Not Acceptable\n");
    CHECK(refused);
}

TEST_CASE("httplib: a client that goes is noticed, though nothing is sent", "[adapt][httplib]") {
    end_of_session end;
    const running_server server{[&](const httplib::Request& request, httplib::Response& response) {
        weir::adapt::event_stream(request, response, {}, weir::no_heartbeat{}, end_observer{&end});
    }};
    server.client().Get("/events", wants_events, [](const char*, std::size_t) { return false; });  // and hangs up
    CHECK(end.wait() == weir::make_error_code(weir::error::peer_closed));
}

TEST_CASE("httplib: a server that stops ends its streams", "[adapt][httplib]") {
    end_of_session end;
    std::thread reader;
    {
        const running_server server{[&](const httplib::Request& request, httplib::Response& response) {
            weir::adapt::event_stream(request, response, {}, weir::no_heartbeat{}, end_observer{&end});
        }};
        std::mutex mutex;
        std::condition_variable reached;
        bool reading = false;
        reader = std::thread{[&, client = server.client()]() mutable {
            client.Get("/events", wants_events, [&](const char*, std::size_t) {
                const std::scoped_lock lock{mutex};
                reading = true;
                reached.notify_all();
                return true;
            });
        }};
        std::unique_lock lock{mutex};
        CHECK(reached.wait_for(lock, 60s, [&] { return reading; }));
    }
    reader.join();
    CHECK(end.wait().has_value());
}

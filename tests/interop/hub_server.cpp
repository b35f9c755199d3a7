// SPDX-License-Identifier: BSL-1.0

// The server that hub_restart.py kills. `--port N` (0: the system chooses); prints `listening N` when it is ready.
//
// It publishes numbers to four topics, about thirty a second, each the number in its own id. A client that subscribes
// is told how that went and then gets them: GET /sse with Last-Event-ID, or `resume <id>` as a message on /ws or
// /deflated. POST /burst publishes ?count=n more as fast as it can, POST /stop nothing more, GET /last tells the newest
// id.

#include <weir/deflate.hpp>
#include <weir/hub.hpp>
#include <weir/server.hpp>

#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

namespace {

using namespace std::chrono_literals;

constexpr std::size_t kept_messages = 300;

std::string payload_of(const weir::published_message& message) {
    const std::string text{message.data()};
    return message.sequence() == 0 ? text : message.id() + ' ' + text;
}

weir::hub_options options() { return {.history = {.messages = kept_messages}, .websocket_payload = payload_of}; }

std::string_view name_of(weir::subscribed how) {
    constexpr std::array<std::string_view, 4> names{"live", "recovered", "gap", "refused"};
    return names[static_cast<std::size_t>(how)];
}

/// What is not sent is told of.
weir::subscribe_options after(std::string_view id) {
    return {.after = id,
            .on_skip = [](const weir::skipped&) { return weir::skip_notice{.event = "skipped", .data = "skipped"}; }};
}

/// The one who publishes, so that a message's number is known before it has one.
class publisher {
public:
    explicit publisher(weir::hub& hub) : hub_(hub) {}

    void burst(std::uint64_t count) {
        const std::lock_guard lock{mutex_};
        due_ += count;
        changed_.notify_all();
    }
    /// Returns the newest id there will be.
    std::string stop() {
        thread_.request_stop();
        thread_.join();
        return hub_.last_id();
    }

private:
    void run(const std::stop_token& token) {
        for (std::uint64_t number = 1; !token.stop_requested(); ++number) {
            const std::string text = "number " + std::to_string(number);
            hub_.publish("n/" + std::to_string(number % 4), {.data = text});
            std::unique_lock lock{mutex_};
            changed_.wait_for(lock, token, 30ms, [this] { return due_ != 0; });
            if (due_ != 0) --due_;
        }
    }

    weir::hub& hub_;
    std::mutex mutex_;
    std::condition_variable_any changed_;
    std::uint64_t due_ = 0;
    std::jthread thread_{[this](const std::stop_token& token) { run(token); }};  // last: it uses what is above
};

void serve_events(weir::hub& hub, weir::sse_session out) {
    const std::string seen = out.last_event_id().str();
    const auto how = hub.subscribe(out, "n/#", after(seen));
    out.send({.event = "subscribed", .data = name_of(how)});
    hub.subscribe(std::move(out), "n/#");  // keeps it
}

void serve_messages(weir::hub& hub, weir::ws_session out) {
    const auto ws = std::make_shared<weir::ws_session>(std::move(out));
    ws->on_message([&hub, w = ws.get()](weir::ws_message message) {
        constexpr std::string_view resume = "resume ";
        if (!message.text().starts_with(resume)) {
            w->close(weir::ws_close_code::policy_violation);
            return;
        }
        const auto how = hub.subscribe(*w, {"n/+", "n/0"}, after(message.text().substr(resume.size())));
        w->send("subscribed " + std::string{name_of(how)});
    });
    ws->on_close([ws](weir::error_code) {});
}

void add_routes(weir::server& app, weir::hub& hub, publisher& numbers) {
    app.sse("/sse", [&hub](weir::sse_session out) { serve_events(hub, std::move(out)); }, {.close_delimited = true});
    app.ws("/ws", [&hub](weir::ws_session out) { serve_messages(hub, std::move(out)); });
    app.ws("/deflated", [&hub](weir::ws_session out) { serve_messages(hub, std::move(out)); },
           {.framing = weir::deflate_frames{.threshold = 0}});
    app.get("/last", [&hub](const weir::request&) { return weir::response{.body = hub.last_id()}; });
    app.get("/subscribers",
            [&hub](const weir::request&) { return weir::response{.body = std::to_string(hub.stats().subscribers)}; });
    app.post("/burst", [&numbers](const weir::request& request) {
        numbers.burst(std::strtoull(request.query("count").value_or("0").c_str(), nullptr, 10));
        return weir::response{};
    });
    app.post("/stop", [&numbers](const weir::request&) { return weir::response{.body = numbers.stop()}; });
}

}  // namespace

int main(int count, char** values) try {
    const int port = count == 3 && std::string_view{values[1]} == "--port" ? std::atoi(values[2]) : 0;
    weir::hub hub{options()};
    publisher numbers{hub};
    weir::server app{{.threads = 2, .drain = {.over = 300ms, .deadline = 10s}}};
    add_routes(app, hub, numbers);
    std::cout << "listening " << app.listen({.port = static_cast<std::uint16_t>(port)}) << std::endl;
    app.run();
} catch (const std::exception& e) {
    std::cerr << "weir_interop_hub_server: " << e.what() << '\n';
    return 1;
}

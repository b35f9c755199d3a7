// SPDX-License-Identifier: BSL-1.0

// A hub that is published to from several threads, with subscribers on several loops. Worth most with
// -fsanitize=thread.

#include <weir/hub.hpp>
#include <weir/server.hpp>

#include WEIR_ASIO(executor_work_guard.hpp)
#include WEIR_ASIO(io_context.hpp)
#include WEIR_ASIO(local/connect_pair.hpp)
#include WEIR_ASIO(local/stream_protocol.hpp)
#include WEIR_ASIO(post.hpp)
#include WEIR_ASIO(strand.hpp)

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "support/raw_websocket.hpp"
#include "support/running_server.hpp"

namespace {

using namespace std::chrono_literals;
namespace net = weir::net;
using net::local::stream_protocol;
using texts = std::vector<std::string>;

constexpr int publishers = 4;
constexpr std::array<std::string_view, 2> topics{"t/0", "t/1"};

/// Publishes "<thread> <number>" to both topics in turn.
void publish_all(weir::hub& hub, int rounds) {
    std::vector<std::jthread> threads;
    for (int who = 0; who != publishers; ++who) {
        threads.emplace_back([&hub, who, rounds] {
            for (int i = 0; i != rounds; ++i) {
                const std::string text = std::to_string(who) + ' ' + std::to_string(i);
                hub.publish(topics[static_cast<std::size_t>(i) % topics.size()], {.data = text});
                if (i % 10 == 0) std::this_thread::yield();
            }
        });
    }
}

/// What one client has received, in order.
struct tally {
    texts ids, data;

    void add_events(test::raw_client& from) {
        for (;;) {
            const std::string event = from.read_until("\n\n");
            const auto line = [&](std::string_view name) {
                const auto at = event.find(name);
                return event.substr(at + name.size(), event.find('\n', at) - at - name.size());
            };
            const std::string text = line("data: ");
            if (text == "end") return;
            ids.push_back(line("id: "));
            data.push_back(text);
        }
    }
    void add_messages(test::raw_websocket& from) {
        for (;;) {
            const std::string text = from.read().payload;
            const auto space = text.find(' ');
            if (text.substr(space + 1) == "end") return;
            ids.push_back(text.substr(0, space));
            data.push_back(text.substr(space + 1));
        }
    }
};

bool in_order_of_each_publisher(const texts& data) {
    std::array<int, publishers> last;
    last.fill(-1);
    for (const auto& text : data) {
        const auto who = static_cast<std::size_t>(text[0] - '0');
        const int number = std::stoi(text.substr(2));
        if (number <= std::exchange(last[who], number)) return false;
    }
    return true;
}

void wait_until(auto condition) {
    const auto until = weir::clock::now() + test::patience;
    while (!condition()) {
        if (weir::clock::now() > until) throw std::runtime_error("it did not happen in time");
        std::this_thread::yield();
    }
}

/// Two loops, a hub, and clients that stay from the first message to the last, or do not.
struct threads_fixture {
    std::atomic<std::uint64_t> changes{0};
    test::running_server server{{.threads = 2}};
    std::optional<weir::hub> hub;

    threads_fixture() {
        hub.emplace(weir::hub_options{
            .history = {.messages = 0},
            .say_where = false,
            .lag = weir::skip_oldest{.max_messages = 0, .max_bytes = 0},
            .websocket_payload = [](const weir::published_message& m) { return m.id() + ' ' + std::string{m.data()}; },
            .on_presence =
                [this](const weir::presence_change& c) {
                    ++changes;
                    static_cast<void>(hub->members(c.topic));
                }});
        server->sse("/all",
                    [this](weir::sse_session out) {
                        const std::string after = out.last_event_id().str();
                        hub->subscribe(std::move(out), "t/#", {.after = after, .member = "reader"});
                    },
                    {.close_delimited = true});
        server->sse("/first",
                    [this](weir::sse_session out) { hub->subscribe(std::move(out), "t/0", {.member = "first"}); },
                    {.close_delimited = true});
        server->ws("/socket", [this](weir::ws_session out) { hub->subscribe(std::move(out), {"t/0", "t/1", "t/2"}); });
        server->ws("/talk", [this](weir::ws_session out) { talk(std::move(out)); });
        server.start();
    }
    ~threads_fixture() { server.destroy(); }

    // Whatever comes, subscriptions and their ends are in the middle of it.
    void talk(weir::ws_session out) {
        const auto ws = std::make_shared<weir::ws_session>(std::move(out));
        hub->subscribe(*ws, "t/0", {.member = "talker"});
        ws->on_message([this, w = ws.get()](weir::ws_message m) {
            if (m.text() == "all") hub->subscribe(*w, "t/#", {.member = "talker"});
            if (m.text() == "none") hub->unsubscribe(*w);
            if (m.text() == "one") hub->unsubscribe(*w, "t/0");
            if (m.text() == "publish") hub->publish("t/0", {.data = "9 9"});
            if (m.text() == "who") static_cast<void>(hub->members("t/0"));
        });
        ws->on_close([ws](weir::error_code) {});
    }
};

}  // namespace

TEST_CASE("threads: everybody gets everything in the same order, whoever publishes and wherever", "[hub][threads]") {
    constexpr int rounds = 2000;
    constexpr std::size_t each = 3;
    threads_fixture t;
    std::vector<test::raw_client> events, firsts;
    std::vector<test::raw_websocket> sockets;
    for (std::size_t i = 0; i != each; ++i) {
        events.push_back(t.server.connect());
        firsts.push_back(t.server.connect());
        events.back().get("/all").read_until("\r\n\r\n:\n\n");
        firsts.back().get("/first").read_until("\r\n\r\n:\n\n");
        sockets.emplace_back(t.server, "/socket");
    }
    wait_until([&] { return t.hub->stats().subscribers == 3 * each; });

    std::vector<tally> all(2 * each), of_first(each);
    std::atomic<bool> over{false};
    {
        std::vector<std::jthread> threads;
        for (std::size_t i = 0; i != each; ++i) {
            threads.emplace_back([&, i] { all[2 * i].add_events(events[i]); });
            threads.emplace_back([&, i] { all[2 * i + 1].add_messages(sockets[i]); });
            threads.emplace_back([&, i] { of_first[i].add_events(firsts[i]); });
        }
        // Visitors come, and leave in any way.
        for (int who = 0; who != 2; ++who) {
            threads.emplace_back([&, who] {
                for (int visit = 0; !over; ++visit) {
                    auto visitor = t.server.connect();
                    visitor.get(visit % 3 == 0 ? "/first" : "/all", "Last-Event-ID: " + t.hub->id_of(1) + "\r\n");
                    if (visit % 3 != 0 && visit % 2 == who) visitor.read_until("data: ");  // of the history
                    visit % 5 == 0 ? visitor.reset() : visitor.close();
                    test::raw_websocket talker{t.server, "/talk"};
                    for (const char* what : {"all", "one", "who", "none", "all", "none"}) talker.send_text(what);
                    visit % 2 == 0 ? talker.bytes().close() : talker.bytes().reset();
                }
            });
        }
        threads.emplace_back([&] {
            while (!over) {
                const auto stats = t.hub->stats();
                if (stats.behind > stats.subscribers + 100) throw std::logic_error("not a number");
                static_cast<void>(t.hub->members("t/0"));
                static_cast<void>(t.hub->last_id());
                std::this_thread::yield();
            }
        });
        publish_all(*t.hub, rounds);
        over = true;
        t.hub->publish("t/1", {.data = "end"});
        t.hub->publish("t/0", {.data = "end"});
    }

    const tally& reference = all[1];
    CHECK(in_order_of_each_publisher(reference.data));
    CHECK(reference.data.size() == static_cast<std::size_t>(publishers * rounds));
    for (std::size_t i = 0; i != reference.ids.size(); ++i) {
        if (reference.ids[i] != t.hub->id_of(i + 1)) FAIL_CHECK("message " << i + 1 << " is " << reference.ids[i]);
    }
    for (const tally& one : all) {
        CHECK(one.ids == reference.ids);
        CHECK(one.data == reference.data);
    }
    for (const tally& one : of_first) {
        CHECK(one.ids == of_first[0].ids);
        CHECK(one.data.size() == static_cast<std::size_t>(publishers * rounds / 2));
        CHECK(in_order_of_each_publisher(one.data));
    }
    for (auto& client : events) client.close();
    for (auto& client : firsts) client.close();
    for (auto& client : sockets) client.bytes().close();
    wait_until([&] { return t.hub->stats().subscribers == 0; });
    CHECK(t.hub->stats().behind == 0);
    CHECK(t.hub->members("t/0").empty());
    CHECK(t.changes > 0);
}

TEST_CASE("threads: a hub goes while others publish through what is left of it", "[hub][threads]") {
    test::running_server server{{.threads = 2}};
    auto hub = std::make_shared<weir::hub>();
    server->sse("/x", [&hub](weir::sse_session out) { hub->subscribe(std::move(out), "x"); },
                {.close_delimited = true});
    server->get("/publish", [hub = std::weak_ptr{hub}](const weir::request&) {
        if (const auto there = hub.lock()) there->publish("x", {.data = "y"});
        return weir::response{};
    });
    server.start();
    std::vector<test::raw_client> readers;
    for (int i = 0; i != 8; ++i) {
        readers.push_back(server.connect());
        readers.back().get("/x").read_until("\r\n\r\n:\n\n");
    }
    {
        std::vector<std::jthread> threads;
        for (int i = 0; i != 2; ++i) {
            threads.emplace_back([&server] {
                auto client = server.connect();
                for (int n = 0; n != 100; ++n) client.fetch("/publish");
            });
        }
        threads.emplace_back([&] {
            for (std::size_t i = 0; i != 4; ++i) readers[i].close();
        });
        hub.reset();
    }
    server.destroy();
    for (std::size_t i = 4; i != readers.size(); ++i) readers[i].read_to_end();
}

TEST_CASE("threads: strands of a context that several threads run, each a loop of its own", "[hub][threads]") {
    using socket = net::basic_stream_socket<stream_protocol, net::strand<net::io_context::executor_type>>;
    using stream = weir::sse_stream<socket, weir::no_heartbeat>;
    constexpr std::size_t sessions = 100;  // more than are searched for one that is known
    constexpr int rounds = 200;
    net::io_context context;
    weir::hub hub{{.history = {.messages = 0}, .lag = weir::skip_oldest{.max_messages = 0, .max_bytes = 0}}};
    std::vector<stream_protocol::socket> peers;
    std::atomic<std::size_t> subscribed{0};
    for (std::size_t i = 0; i != sessions; ++i) {
        socket near{net::make_strand(context)};
        peers.emplace_back(context);
        net::local::connect_pair(near, peers.back());
        const auto strand = near.get_executor();
        net::post(strand, [&hub, &subscribed, s = std::move(near)]() mutable {
            stream out{std::move(s), weir::no_heartbeat{}};
            out.begin(weir::sse::framing::plain);
            hub.subscribe(std::move(out), "t/#");
            ++subscribed;
        });
    }
    std::vector<std::jthread> threads;
    auto work = net::make_work_guard(context);
    for (int i = 0; i != 3; ++i) threads.emplace_back([&] { context.run(); });
    wait_until([&] { return subscribed == sessions; });
    CHECK(hub.stats().subscribers == sessions);
    {
        // Half of them are read meanwhile; the others are left.
        const std::jthread leaving{[&] {
            for (std::size_t i = 1; i < sessions; i += 2) peers[i].close();
        }};
        publish_all(hub, rounds);
        hub.publish("t/0", {.data = "end"});
    }
    for (std::size_t i = 0; i < sessions; i += 2) {
        std::string text;
        std::array<char, 64 * 1024> buffer;
        while (!text.ends_with("data: end\n\n")) text.append(buffer.data(), peers[i].read_some(net::buffer(buffer)));
        std::size_t count = 0;
        for (std::size_t at = 0; (at = text.find("data: ", at)) != std::string::npos; ++at) ++count;
        CHECK(count == static_cast<std::size_t>(publishers * rounds + 1));
        peers[i].close();
    }
    wait_until([&] { return hub.stats().subscribers == 0; });
    work.reset();
}

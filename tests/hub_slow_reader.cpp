// SPDX-License-Identifier: BSL-1.0

// A reader that takes nothing, among a thousand on real sockets: what it costs the others, and what it costs in memory.

#include <weir/hub.hpp>
#include <weir/sse_stream.hpp>

#include WEIR_ASIO(io_context.hpp)
#include WEIR_ASIO(ip/tcp.hpp)

#include <sys/resource.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "support/raw_client.hpp"

namespace {

namespace net = weir::net;
using net::ip::tcp;

constexpr std::size_t message_size = 4 * 1024, history_bytes = 64 * 1024, messages = 16 * history_bytes / message_size;

/// A store that knows which of its messages are still in memory, wherever.
struct watched_store {
    weir::memory_store store{{.messages = 0, .bytes = history_bytes}};
    std::shared_ptr<std::vector<std::weak_ptr<const weir::published_message>>> all;

    std::string_view epoch() const { return store.epoch(); }
    std::uint64_t last() const { return store.last(); }
    void append(weir::message_ptr message) {
        all->push_back(message);
        store.append(std::move(message));
    }
    std::size_t read(const weir::topic_set& topics, std::uint64_t after, std::span<weir::message_ptr> out) const {
        return store.read(topics, after, out);
    }
    weir::backlog backlog(const weir::topic_set& topics, std::uint64_t after) const {
        return store.backlog(topics, after);
    }
    std::uint64_t complete_after() const { return store.complete_after(); }
    void trim(weir::time_point now) { store.trim(now); }
};

struct counts {
    std::size_t writes = 0, messages = 0, blocked = 0;
};
struct counting {
    counts* in;

    void operator()(const weir::messages_written& w) noexcept {
        ++in->writes;
        in->messages += w.messages;
    }
    void operator()(const weir::session_blocked&) noexcept { ++in->blocked; }
    void operator()(const auto&) noexcept {}
};
using stream = weir::sse_stream<tcp::socket, counting, weir::no_heartbeat>;

/// As many readers as there are descriptors for, 999 at most.
std::size_t possible_readers() {
    ::rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = std::min<::rlim_t>(limit.rlim_max, 20'000);
    ::setrlimit(RLIMIT_NOFILE, &limit);
    return std::min<std::size_t>(999, (static_cast<std::size_t>(limit.rlim_cur) - 100) / 2);
}

/// A hub, and readers on the other side of the loopback; everything in one thread, so that nothing is left to chance.
struct crowd {
    static constexpr std::string_view topic = "x";

    net::io_context context;
    tcp::acceptor acceptor{context, {net::ip::address_v4::loopback(), 0}};
    std::shared_ptr<std::vector<std::weak_ptr<const weir::published_message>>> ever =
        std::make_shared<std::vector<std::weak_ptr<const weir::published_message>>>();
    weir::hub hub{{.say_where = false, .lag = weir::skip_oldest{.max_messages = 0, .max_bytes = history_bytes / 2}},
                  watched_store{.all = ever}};
    counts of_readers, of_slow;
    std::vector<test::raw_client> readers;
    std::optional<test::raw_client> slow;
    std::optional<stream> slow_session;

    stream accept(counts& counted, int send_buffer = 0) {
        tcp::socket socket = acceptor.accept();
        if (send_buffer != 0) socket.set_option(net::socket_base::send_buffer_size{send_buffer});
        stream out{std::move(socket), counting{&counted}, weir::no_heartbeat{}};
        out.begin(weir::sse::framing::plain);
        return out;
    }
    std::uint16_t port() const { return acceptor.local_endpoint().port(); }

    void add_readers(std::size_t count) {
        readers.reserve(count);
        for (std::size_t i = 0; i != count; ++i) {
            readers.emplace_back(port());
            REQUIRE(hub.subscribe(accept(of_readers), topic) == weir::subscribed::live);
        }
        settle();
    }
    void add_slow(const weir::subscribe_options& options = {}) {
        slow.emplace(port(), 2048);
        slow_session.emplace(accept(of_slow, 2048));
        REQUIRE(hub.subscribe(*slow_session, topic, options) == weir::subscribed::live);
        settle();
    }
    void settle() {
        context.restart();
        context.poll();
    }

    static std::string text(std::size_t i) {
        std::string all = std::to_string(i) + ' ';
        return all.append(message_size - all.size() - topic.size(), 'x');
    }
    /// Publishes one message; every reader gets it.
    void publish(std::size_t i) {
        const std::string data = text(i);
        const std::string event = "id: " + hub.id_of(hub.publish(topic, {.data = data})) + "\ndata: " + data + "\n\n";
        settle();
        for (auto& reader : readers) {
            if (reader.read_exactly(event.size()) != event) FAIL("not what was published");
        }
    }
    std::size_t in_memory() const {
        return static_cast<std::size_t>(std::ranges::count_if(*ever, [](const auto& m) { return !m.expired(); }));
    }
};

}  // namespace

TEST_CASE("hub: one reader among a thousand that takes nothing costs the others nothing", "[hub][slow]") {
    const bool with_slow = GENERATE(false, true);
    const std::size_t readers = possible_readers();
    crowd all;
    all.add_readers(readers);
    if (with_slow) all.add_slow();
    for (std::size_t i = 0; i != messages; ++i) all.publish(i);

    // The same in both cases: one write a turn for each of them, and none that waited.
    CHECK(all.of_readers.messages == readers * messages);
    CHECK(all.of_readers.writes == readers * messages);
    CHECK(all.of_readers.blocked == 0);
    CHECK(all.hub.stats().subscribers == readers + (with_slow ? 1 : 0));
    CHECK(all.hub.stats().behind == (with_slow ? 1 : 0));
}

TEST_CASE("hub: a reader that takes nothing holds no more than a message, whatever is published", "[hub][slow]") {
    constexpr std::size_t kept = history_bytes / message_size;
    crowd all;
    all.add_slow({.on_skip = [](const weir::skipped& s) {
        return weir::skip_notice{.event = "skipped", .data = std::to_string(s.messages) + (s.lost ? " and more" : "")};
    }});
    for (std::size_t i = 0; i != 8 * messages; ++i) {
        all.publish(i);
        const auto stats = all.slow_session->stats();
        if (stats.queued_messages != 0 || stats.queued_bytes > message_size + 100 || all.in_memory() > kept + 1) {
            FAIL("after " << i << " messages: " << stats.queued_bytes << " bytes, " << all.in_memory() << " in memory");
        }
    }
    CHECK(all.in_memory() == kept + 1);  // the one that it has taken in part
    CHECK(all.of_slow.messages < kept);
    CHECK(all.slow_session->stats().blocked);

    // It reads again: a message is never torn, what is missing is told of where it is missing, and the newest is there.
    std::size_t expected = 0;
    bool told = false;
    all.context.restart();
    std::jthread loop{[&](const std::stop_token& token) {
        const std::stop_callback when_over{token, [&] { all.context.stop(); }};
        all.context.run();
    }};
    for (bool last = false; !last;) {
        const std::string event = all.slow->read_until("\n\n");
        if (event.starts_with("event: skipped\n")) {
            told = true;
            continue;
        }
        const auto data = event.find("data: ") + 6;
        const std::size_t number = std::stoul(event.substr(data));
        if (event.substr(data) != crowd::text(number) + "\n\n") FAIL_CHECK("torn: " << event);
        if (told ? number <= expected : number != expected) FAIL_CHECK(number << " comes, not " << expected);
        told = false;
        expected = number + 1;
        last = expected == 8 * messages;
    }
    all.hub.publish(crowd::topic, {.data = crowd::text(expected)});
    CHECK(all.slow->read_until("\n\n").ends_with(crowd::text(expected) + "\n\n"));
    loop.request_stop();
    loop.join();
    all.settle();
    CHECK(all.hub.stats().behind == 0);
    CHECK(all.in_memory() == kept);
}

// SPDX-License-Identifier: BSL-1.0

// One hub, sessions of every kind: in memory where their order matters, on a real server where their sockets do.

#include <weir/deflate.hpp>
#include <weir/hub.hpp>
#include <weir/server.hpp>
#include <weir/tls.hpp>
#include <weir/ws_stream.hpp>

#include WEIR_ASIO(io_context.hpp)
#include WEIR_ASIO(ip/tcp.hpp)

#include <sys/socket.h>
#include <sys/uio.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "support/certificate.hpp"
#include "support/memory_link.hpp"
#include "support/memory_stream.hpp"
#include "support/raw_websocket.hpp"
#include "support/running_server.hpp"
#include "support/tls_client.hpp"
#include "support/virtual_context.hpp"

namespace {

using namespace std::chrono_literals;
namespace net = weir::net;
using net::ip::tcp;
using texts = std::vector<std::string>;
using weir::deflate_frames;
using weir::error;
using weir::error_code;
using weir::subscribed;
using weir::ws_message;

const deflate_frames with_history{.negotiation = {}};
const deflate_frames small_window{.negotiation = {.server_max_window_bits = 9}};

/// Long enough to be compressed, and like the one before, but not in the same places.
std::string json(int i) {
    std::string noise;
    for (int n = 0; n != i * 37 % 101; ++n) noise += static_cast<char>('a' + (i * 31 + n * n * 7) % 26);
    return R"({"event":"price","symbol":"EURUSD","noise":")" + noise + R"(","bid":1.0)" + std::to_string(i) +
           R"(,"venue":"somewhere over the rainbow","depth":[1,2,3,4,5,6,7,8,9]})";
}

/// A server's WebSocket and its client's, on wires.
struct pair {
    using stream = test::direct_memory_stream<>;
    using socket = weir::ws_stream<stream, deflate_frames, weir::no_heartbeat>;

    test::memory_link link;
    socket server, client;
    texts at_client;

    pair(test::virtual_context& context, const deflate_frames& framing)
        : server{stream{context.context(), link.left}, framing, weir::no_heartbeat{}},
          client{stream{context.context(), link.right}, framing, weir::no_heartbeat{}} {
        server.async_accept({}, 10s, [](error_code ec) { CHECK_FALSE(ec); });
        client.async_handshake("test", "/", {}, [](error_code ec) { CHECK_FALSE(ec); });
        link.run(context);
        REQUIRE(server.compresses());
        client.on_message([this](ws_message m) { at_client.emplace_back(m.text()); });
    }
};

}  // namespace

TEST_CASE("hub: what is compressed for many does not spoil what is compressed for one", "[hub][ws][deflate]") {
    const std::size_t piece = GENERATE(std::size_t{7}, test::wire::unlimited);
    const bool slow = GENERATE(false, true);
    test::virtual_context context;
    weir::hub hub;
    pair forgetful{context, deflate_frames{}}, remembering{context, with_history}, another{context, with_history},
        small{context, small_window};
    const auto all = {&forgetful, &remembering, &another, &small};
    texts sent;
    for (pair* p : all) CHECK(hub.subscribe(p->server, "x") == subscribed::live);
    for (int i = 0; i != 60; ++i) {
        if (slow && i % 10 == 5) remembering.link.left->room = 150;
        sent.push_back(i % 7 == 0 ? std::to_string(i) : json(i));
        if (i % 3 == 0) {
            hub.publish("x", {.data = sent.back()});
        } else {
            for (pair* p : all) CHECK(p->server.send(sent.back()) == error::none);
        }
        // Before a message may come after another on the wire: nothing is left in any order but that of this loop.
        context.settle();
        if (slow && i % 10 == 9) remembering.link.left->make_room(test::wire::unlimited);
        for (pair* p : all) p->link.run(context, piece);
    }
    for (pair* p : all) {
        CHECK(p->client.is_open());
        // A reader that blocks gets what waits in its outbox before what waits in the log.
        if (slow) {
            CHECK(std::set<std::string>(p->at_client.begin(), p->at_client.end()) ==
                  std::set<std::string>(sent.begin(), sent.end()));
            CHECK(p->at_client.size() == sent.size());
        } else {
            CHECK(p->at_client == sent);
        }
    }
    CHECK(remembering.link.left->written.size() < forgetful.link.left->written.size());
}

TEST_CASE("hub: compression is done once for all that agreed to the same window", "[hub][ws][deflate]") {
    test::virtual_context context;
    std::size_t made = 0;
    weir::hub hub{{.websocket_payload = [&](const weir::published_message& m) {
        ++made;
        return std::string{m.data()};
    }}};
    pair a{context, deflate_frames{}}, b{context, with_history}, c{context, small_window}, d{context, small_window};
    const auto all = {&a, &b, &c, &d};
    for (pair* p : all) hub.subscribe(p->server, "x");
    const std::size_t before = a.link.left->written.size();
    hub.publish("x", {.data = std::string(10'000, 'x')});
    for (pair* p : all) p->link.run(context);
    for (pair* p : all) CHECK(p->at_client == texts{std::string(10'000, 'x')});
    CHECK(a.link.left->written.size() - before < 200);
    CHECK(made == 2);
}

// ---- on sockets ----

namespace {

/// One write after the other, as batches go where nothing better is known.
struct plain_writes final : weir::write_batch {
    explicit plain_writes(std::atomic<std::size_t>& count) : written(count) {}

    void perform(std::span<weir::batched_write> writes) noexcept override {
        for (weir::batched_write& w : writes) {
            std::vector<::iovec> pieces;
            for (const auto piece : w.pieces) pieces.push_back({const_cast<std::byte*>(piece.data()), piece.size()});
            ::msghdr message{};
            message.msg_iov = pieces.data();
            message.msg_iovlen = pieces.size();
            const auto n = ::sendmsg(w.descriptor, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
            if (n >= 0) w.taken = static_cast<std::size_t>(n);
            if (n < 0 && errno != EAGAIN) w.error = errno;
            ++written;
        }
    }

    std::atomic<std::size_t>& written;
};

/// A server with a route for every kind of session, all of them the hub's.
struct hub_server : test::running_server {
    weir::hub hub;
    std::uint16_t tls_port = 0;

    explicit hub_server(weir::hub_options options = {.say_where = false}, weir::server_options server = {})
        : running_server(std::move(server)), hub(std::move(options)) {
        const auto subscribe = [this](auto out) { hub.subscribe(std::move(out), "x"); };
        const auto resume = [this](weir::sse_session out) {
            const std::string after = out.last_event_id().str();
            hub.subscribe(std::move(out), "x", {.after = after});
        };
        app().sse("/sse", resume);
        app().sse("/delimited", resume, {.close_delimited = true});
        app().ws("/ws", [subscribe](weir::ws_session out) { subscribe(std::move(out)); });
        app().ws("/deflated", [subscribe](weir::ws_session out) { subscribe(std::move(out)); },
                 {.framing = deflate_frames{}});
        app().ws("/history", [subscribe](weir::ws_session out) { subscribe(std::move(out)); },
                 {.framing = with_history});
        const auto& made = test::any_certificate();
        tls_port = app().listen(
            {.port = 0, .tls = weir::tls_options{.certificate_chain = made.text(), .private_key = made.key()}});
        start();
    }
    ~hub_server() { destroy(); }

    void wait_for_subscribers(std::size_t count) {
        const auto until = weir::clock::now() + test::patience;
        while (hub.stats().subscribers != count) {
            if (weir::clock::now() > until) throw std::runtime_error("they did not come, or go");
            std::this_thread::yield();
        }
    }
};

/// A client on a context of its own.
struct websocket_client {
    net::io_context context;
    weir::ws_stream<tcp::socket, deflate_frames> ws{tcp::socket{context}, with_history};
    std::optional<error_code> ended;
    texts received;

    explicit websocket_client(std::string url) {
        bool open = false;
        ws.async_connect(std::move(url), {}, [&](error_code ec) {
            if (ec) throw weir::system_error(ec);
            open = true;
        });
        run_until([&] { return open; });
        ws.on_message([this](ws_message m) { received.emplace_back(m.text()); });
        ws.on_close([this](error_code why) { ended = why; });
    }

    template <class Condition>
    void run_until(Condition condition) {
        context.restart();
        while (!condition()) {
            if (context.run_one_for(test::patience) == 0) throw std::runtime_error("nothing happened in time");
        }
    }
    const texts& read(std::size_t count) {
        run_until([&] { return received.size() >= count || ended; });
        return received;
    }
};

std::string sse_text(const weir::hub& hub, const texts& data) {
    std::string all;
    for (std::size_t i = 0; i != data.size(); ++i) all += "id: " + hub.id_of(i + 1) + "\ndata: " + data[i] + "\n\n";
    return all;
}

std::string behind_chunks(std::string body) {
    std::string text;
    while (!body.empty()) {
        std::size_t digits = 0;
        const auto size = std::stoul(body, &digits, 16);
        text += body.substr(digits + 2, size);
        body.erase(0, digits + 2 + size + 2);
    }
    return text;
}

}  // namespace

TEST_CASE("hub: one publish, sessions of all kinds on a server", "[hub][server]") {
    std::atomic<std::size_t> batched{0};
    const bool in_batches = GENERATE(false, true);
    const unsigned threads = GENERATE(1U, 2U);
    weir::hub_options options{.say_where = false};
    if (in_batches) options.writes = [&] { return std::make_unique<plain_writes>(batched); };
    hub_server server{std::move(options), {.threads = threads}};
    const std::string url = "ws://127.0.0.1:" + std::to_string(server.port());

    auto chunked = server.connect();
    auto delimited = server.connect();
    test::tls_client secret{server.tls_port};
    chunked.get("/sse").read_until("\r\n\r\n3\r\n:\n\n\r\n");
    delimited.get("/delimited").read_until("\r\n\r\n:\n\n");
    secret.get("/sse").read_until("\r\n\r\n3\r\n:\n\n\r\n");
    test::raw_websocket plain{server, "/ws"};
    websocket_client deflated{url + "/deflated"}, history{url + "/history"}, history_too{url + "/history"};
    server.wait_for_subscribers(7);

    texts sent;
    for (int i = 0; i != 200; ++i) {
        sent.push_back(i % 50 == 49 ? std::string(static_cast<std::size_t>(100'000 + i), 'x') : json(i));
        server.hub.publish("x", {.data = sent.back()});
    }
    for (const auto& text : sent) CHECK(plain.read() == test::text(text));
    CHECK(deflated.read(sent.size()) == sent);
    CHECK(history.read(sent.size()) == sent);
    CHECK(history_too.read(sent.size()) == sent);
    const std::string expected = sse_text(server.hub, sent);
    CHECK(delimited.read_exactly(expected.size()) == expected);
    const std::string last = "data: " + sent.back() + "\n\n\r\n";
    CHECK(behind_chunks(chunked.read_until(last)) == expected);
    CHECK(behind_chunks(secret.read_until(last)) == expected);
    CHECK((batched != 0) == in_batches);

    deflated.ws.close(weir::ws_close_code::normal);
    deflated.run_until([&] { return deflated.ended.has_value(); });
    plain.close();
    plain.read_close();
    chunked.reset();
    delimited.close();
    secret.cut();
    history.ws.abort();
    server.wait_for_subscribers(1);
    CHECK(server.hub.publish("x", {.data = "for one"}) == sent.size() + 1);
    CHECK(history_too.read(sent.size() + 1).back() == "for one");
}

TEST_CASE("hub: an event stream that comes back through the network misses nothing", "[hub][server]") {
    hub_server server{{.history = {.messages = 10}, .say_where = false}};
    const auto event = [&](int i) { return "id: " + server.hub.id_of(static_cast<unsigned>(i)) + "\ndata: x\n\n"; };
    std::string last = server.hub.last_id();
    int i = 0;
    for (int visit = 0; visit != 5; ++visit) {
        for (int n = 0; n != 5; ++n) server.hub.publish("x", {.data = "x"});
        auto client = server.connect();
        client.get("/delimited", "Last-Event-ID: " + last + "\r\n").read_until("\r\n\r\n:\n\n");
        for (int n = 0; n != 5; ++n) CHECK(client.read_until("\n\n") == event(++i));
        server.hub.publish("x", {.data = "x"});
        CHECK(client.read_until("\n\n") == event(++i));
        last = server.hub.id_of(static_cast<unsigned>(i));
    }
}

TEST_CASE("hub: what was published before a drain is still read", "[hub][server]") {
    hub_server server{{.say_where = false, .lag = weir::skip_oldest{.max_messages = 0, .max_bytes = 0}}};
    auto client = server.connect();
    client.get("/delimited").read_until("\r\n\r\n:\n\n");
    test::raw_websocket ws{server, "/ws"};
    server.wait_for_subscribers(2);
    texts sent;
    for (int i = 0; i != 300; ++i)
        server.hub.publish("x", {.data = sent.emplace_back(10'000, static_cast<char>('a' + i % 26))});
    server->drain({.over = 0ms, .deadline = 600s, .websocket_code = weir::ws_close_code::service_restart});
    for (const auto& text : sent) CHECK(ws.read() == test::text(text));
    const auto closing = ws.read();
    CHECK(closing.code == weir::ws_close_code::service_restart);
    ws.close(1012);
    const std::string got = client.read_to_end();
    const std::string expected = sse_text(server.hub, sent);
    CHECK(got.substr(0, expected.size()) == expected);
    CHECK(got.substr(expected.size()).starts_with("retry: "));
    client.close();
    server.join();
    CHECK(server.hub.stats().subscribers == 0);
}

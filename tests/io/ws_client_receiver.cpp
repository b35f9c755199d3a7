// SPDX-License-Identifier: BSL-1.0

#include <weir/io/ws_client_receiver.hpp>

#include WEIR_CANCELLATION(bind_cancellation_slot.hpp)
#include WEIR_ASIO(bind_executor.hpp)
#include WEIR_CANCELLATION(cancellation_signal.hpp)
#include WEIR_ASIO(co_spawn.hpp)
#include WEIR_ASIO(io_context.hpp)

#include <cstddef>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "support/scripted_server.hpp"
#include "support/ws_peers.hpp"

namespace {

namespace cancellation = weir::detail::cancellation;
namespace net = weir::net;
using weir::error;
using weir::error_code;
using weir::detail::ws_client_connection;
using weir::detail::ws_client_plan;
using weir::detail::ws_client_receiver;
using weir::detail::ws_connection_ptr;

/// Connections of a client, and what came of the last operation.
struct fixture {
    net::io_context context;
    test::ws_peers server{context};
    ws_client_receiver receiver;
    std::optional<error_code> outcome;
    std::optional<std::string> message;

    ~fixture() {
        receiver.abandon();
        for (auto& c : connections) c->terminate(error::closed);
        context.poll();
    }

    ws_connection_ptr connect() {
        const auto made = std::make_shared<weir::detail::ws_client_opening>();
        made->plan = std::make_shared<const ws_client_plan>();
        made->attempt.url = server.url();
        made->connection = ws_connection_ptr{new ws_client_connection{context.get_executor(), made->plan}};
        net::co_spawn(context, open_websocket(made), [](const std::exception_ptr&, error_code) {});
        const std::size_t before = server.size();
        const auto is_open = [&] { return made->connection->state() == weir::detail::phase::open; };
        test::run_until(context, [&] { return server.size() > before && is_open(); });
        connections.push_back(made->connection);
        return made->connection;
    }
    void settle() {
        context.restart();
        for (int quiet = 0; quiet != 3; ++quiet) {
            if (context.poll() != 0) quiet = 0;
        }
    }
    void start() {
        outcome.reset();
        message.reset();
        auto done = [this](error_code ec, std::optional<weir::ws_message> m) {
            outcome = ec;
            if (m) message = m->text();
        };
        receiver.start(weir::detail::keep_message_handler(done, context.get_executor(), [] {}));
        settle();
    }
    std::string next() {
        start();
        REQUIRE(outcome.has_value());
        return message.value_or("none");
    }
    void end(const ws_connection_ptr& connection) {
        connection->terminate(error::peer_closed);
        receiver.disconnected();
    }

    std::vector<ws_connection_ptr> connections{};
};

}  // namespace

TEST_CASE_METHOD(fixture, "ws client receiver: an operation waits through connections", "[io][ws_client]") {
    start();
    CHECK(receiver.is_waiting());
    const auto first = connect();
    receiver.connected(first);
    settle();
    CHECK_FALSE(outcome);
    end(first);
    settle();
    CHECK_FALSE(outcome);
    receiver.connected(connect());
    server.last().ws.send("x");
    settle();
    CHECK(message == "x");
    CHECK_FALSE(receiver.is_waiting());
}

TEST_CASE_METHOD(fixture, "ws client receiver: what ended connections had comes first, and the next one reads on",
                 "[io][ws_client]") {
    const auto first = connect();
    receiver.connected(first);
    for (const auto m : {"1", "2", "3"}) server[0].ws.send(m);
    settle();
    CHECK(next() == "1");
    end(first);
    CHECK(receiver.has_left());
    CHECK_FALSE(first->messages_waiting());
    const auto second = connect();
    receiver.connected(second);
    server[1].ws.send("4");
    settle();
    CHECK(second->messages_waiting());
    CHECK(next() == "2");
    SECTION("the next one may end, too") {
        end(second);
        const auto third = connect();
        receiver.connected(third);
        server[2].ws.send("5");
        settle();
        end(third);
        receiver.connected(connect());
        server[3].ws.send("6");
        for (const auto m : {"3", "4", "5", "6"}) CHECK(next() == m);
    }
    SECTION("it goes on when there is nothing left") {
        CHECK(next() == "3");
        CHECK_FALSE(receiver.has_left());
        CHECK(next() == "4");
    }
    SECTION("a handler may take them") {
        CHECK(receiver.take_left()->payload == "3");
        CHECK_FALSE(receiver.has_left());
    }
}

TEST_CASE_METHOD(fixture, "ws client receiver: while too much is left of ended connections, the next one waits",
                 "[io][ws_client]") {
    const auto first = connect();
    receiver.connected(first);
    std::size_t count = 0;
    SECTION("in bytes") {
        count = 3;
        for (std::size_t i = 0; i != count; ++i) server[0].ws.send(std::string(30'000, 'x'));
    }
    SECTION("in messages") {
        count = 256;
        for (std::size_t i = 0; i != count; ++i) server[0].ws.send("x");
    }
    settle();
    end(first);
    const auto second = connect();
    receiver.connected(second);
    server[1].ws.send("last");
    settle();
    CHECK_FALSE(second->messages_waiting());
    CHECK(next().front() == 'x');
    settle();
    CHECK(second->messages_waiting());
    for (std::size_t i = 1; i != count; ++i) CHECK(next().front() == 'x');
    CHECK(next() == "last");
}

TEST_CASE_METHOD(fixture, "ws client receiver: a message outlives its connection, and the receiver",
                 "[io][ws_client]") {
    const std::string text(1000, 'x');
    net::io_context elsewhere;
    auto own = std::make_unique<ws_client_receiver>();
    auto connection = connect();
    own->connected(connection);
    auto done = net::bind_executor(elsewhere.get_executor(),
                                   [this](error_code, std::optional<weir::ws_message> m) { message = m->text(); });
    own->start(weir::detail::keep_message_handler(done, context.get_executor(), [] {}));
    server[0].ws.send(text);
    settle();
    CHECK_FALSE(own->is_waiting());
    connection->terminate(error::closed);
    own.reset();
    connections.clear();
    connection = {};
    settle();
    CHECK_FALSE(message);
    elsewhere.run();
    CHECK(message == text);
}

TEST_CASE_METHOD(fixture, "ws client receiver: a kept handler is cancelled by its own slot", "[io][ws_client]") {
    cancellation::cancellation_signal cancel;
    auto done = cancellation::bind_cancellation_slot(
        cancel.slot(), [this](error_code ec, const std::optional<weir::ws_message>&) { outcome = ec; });
    receiver.start(weir::detail::keep_message_handler(done, context.get_executor(), [this] { receiver.cancel(); }));
    cancel.emit(cancellation::cancellation_type::total);
    settle();
    CHECK(*outcome == net::error::operation_aborted);
}

TEST_CASE_METHOD(fixture, "ws client receiver: a cancelled operation leaves the message", "[io][ws_client]") {
    receiver.connected(connect());
    start();
    receiver.cancel();
    settle();
    CHECK(*outcome == net::error::operation_aborted);
    server[0].ws.send("x");
    settle();
    CHECK(next() == "x");
}

TEST_CASE_METHOD(fixture, "ws client receiver: the end completes what waits", "[io][ws_client]") {
    receiver.end(error::closed);  // nothing does
    start();
    receiver.end(error::peer_closed);
    settle();
    CHECK(*outcome == error::peer_closed);
    CHECK_FALSE(message);
}

// SPDX-License-Identifier: BSL-1.0

#include <weir/io/ws_client_core.hpp>

#include WEIR_ASIO(io_context.hpp)

#include <cstddef>
#include <string>
#include <utility>

#include "catch.hpp"
#include "support/scripted_server.hpp"
#include "support/ws_peers.hpp"

namespace {

using weir::error;
using weir::unsent;
using weir::detail::counted_ptr;
using weir::detail::ws_client_core;
using weir::detail::ws_client_plan;
using weir::detail::ws_client_settings;

struct fixture {
    weir::net::io_context context;

    ~fixture() {
        if (core) core->close(weir::ws::close_code::normal, {});
        context.poll();
    }

    void start(const std::string& url, ws_client_settings settings = {}) {
        settings.reconnect = weir::fixed_delay{weir::milliseconds{0}};
        core = counted_ptr<ws_client_core>{
            new ws_client_core{context.get_executor(), std::move(settings), ws_client_plan{.attempt = {.url = url}}}};
        core->start();
    }
    template <class Done>
    void until(Done done) {
        test::run_until(context, done);
    }

    counted_ptr<ws_client_core> core;
};

}  // namespace

TEST_CASE_METHOD(fixture, "ws client core: a connection has no more than a window of messages at a time",
                 "[io][ws_client]") {
    test::ws_peers server{context, false};
    start(server.url(), {.max_queued_bytes = 0, .max_queued_messages = 0});
    until([&] { return core->connection() != nullptr; });
    for (int i = 0; i != 1000; ++i) REQUIRE(core->send(std::string(32 * 1024, 'x')) == error::none);
    std::size_t most = 0;
    context.restart();
    while (context.poll_one() != 0) most = std::max(most, core->connection()->stats().queued_messages);
    CHECK(core->written() < 1000);
    CHECK(most <= 2);
    CHECK(core->session().queue().messages() == 1000 - core->written());
}

TEST_CASE_METHOD(fixture, "ws client core: what is written behind the server's close frame is sent again with keep",
                 "[io][ws_client]") {
    test::ws_peers server{context};
    start(server.url(), {.unsent = unsent::keep});
    until([&] { return core->connection() != nullptr && server.size() == 1; });
    // The application looks at a message: the server's close frame behind it is answered later.
    server[0].ws.send("x");
    server[0].ws.close(weir::ws_close_code::service_restart);
    until([&] { return core->connection()->protocol().close_received(); });
    REQUIRE(core->send("late") == error::none);
    CHECK(core->session().queue().messages() == 1);
    context.poll();
    CHECK(core->written() == 0);
    until([&] { return server.size() == 2 && server[1].messages.size() == 1; });
    CHECK(server[0].messages.empty());
    CHECK(server[1].messages.front() == "late");
}

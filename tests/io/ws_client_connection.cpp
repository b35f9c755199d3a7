// SPDX-License-Identifier: BSL-1.0

#include <weir/io/ws_client_connection.hpp>

#include WEIR_ASIO(co_spawn.hpp)
#include WEIR_ASIO(io_context.hpp)

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "support/scripted_server.hpp"
#include "support/ws_client_fixture.hpp"

namespace {

namespace net = weir::net;
using weir::error;
using weir::error_code;
using weir::detail::ws_client_connection;
using weir::detail::ws_client_opening;
using weir::detail::ws_client_plan;
using weir::detail::ws_connection_ptr;

/// Counts what it is told.
struct observer final : weir::detail::ws_client_observer {
    void on_written(std::size_t n) override { written += n; }
    void on_over() override { ++over; }
    void vanish() noexcept override { vanished = true; }
    std::size_t written = 0;
    int over = 0;
    bool vanished = false;
};

struct fixture {
    net::io_context context;
    std::shared_ptr<const ws_client_plan> plan = std::make_shared<const ws_client_plan>();

    std::shared_ptr<ws_client_opening> opening(const std::string& url) {
        auto made = std::make_shared<ws_client_opening>();
        made->plan = plan;
        made->attempt.url = url;
        made->connection = ws_connection_ptr{new ws_client_connection{context.get_executor(), plan}};
        return made;
    }
    error_code open(const std::shared_ptr<ws_client_opening>& made) {
        std::optional<error_code> outcome;
        net::co_spawn(context, open_websocket(made), [&](const std::exception_ptr&, error_code ec) { outcome = ec; });
        test::run_until(context, [&] { return outcome.has_value(); });
        return *outcome;
    }
};

}  // namespace

TEST_CASE_METHOD(fixture, "ws client connection: it reports to one client, and from when that wants it",
                 "[io][ws_client]") {
    test::scripted_server server{context, {{test::switches(), test::script::silence{}}}};
    const auto made = opening(server.url("/", "ws"));
    REQUIRE_FALSE(open(made));
    CHECK(made->connection->state() == weir::detail::phase::open);
    CHECK(made->status == 101);
    observer client;
    made->connection->send("nobody hears of this", {});
    context.poll();
    made->connection->report_to(weir::detail::counted_ptr<weir::detail::ws_client_observer>{&client});
    made->connection->send("but of this", {});
    made->connection->send("and this", {});
    context.restart();
    context.poll();
    CHECK(client.written == 2);
    CHECK_FALSE(client.vanished);
    SECTION("to the end") {
        made->connection->terminate(error::closed);
        CHECK(client.over == 1);
        CHECK_FALSE(client.vanished);
        made->connection->report_to({});
    }
    SECTION("until it wants it no more") {
        made->connection->report_to({});
        made->connection->terminate(error::closed);
        CHECK(client.over == 0);
    }
    CHECK(client.vanished);
}

TEST_CASE_METHOD(fixture, "ws client connection: it takes whatever its client gives it", "[io][ws_client]") {
    const weir::detail::ws_client_policies policies{plan};
    CHECK(policies({.bytes = std::size_t{1} << 40, .messages = std::size_t{1} << 40, .incoming_bytes = 1}) ==
          weir::admission::accept);
    CHECK(policies.deflate() == nullptr);
    test::scripted_server server{context, {{test::switches(), test::script::silence{}}}};
    const auto made = opening(server.url("/", "ws"));
    REQUIRE_FALSE(open(made));
    for (int i = 0; i != 5000; ++i) REQUIRE(made->connection->send(std::string(1000, 'x'), {}) == error::none);
    made->connection->terminate(error::closed);
}

TEST_CASE_METHOD(fixture, "ws client connection: an attempt that fails says by which status", "[io][ws_client]") {
    test::scripted_server server{context, {{test::answers(503)}}};
    const auto made = opening(server.url("/", "ws"));
    CHECK(open(made) == error::handshake_rejected);
    CHECK(made->status == 503);
    CHECK(open(opening("http://127.0.0.1/")) == error::bad_argument);
    CHECK(open(opening("nonsense")) == error::bad_argument);
    CHECK(open(opening("wss://127.0.0.1/")) == error::no_tls);
}

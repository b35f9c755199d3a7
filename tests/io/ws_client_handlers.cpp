// SPDX-License-Identifier: BSL-1.0

#include <weir/io/ws_client_handlers.hpp>

#include WEIR_ASIO(io_context.hpp)

#include <memory>

#include "catch.hpp"

using weir::error;

TEST_CASE("ws client handlers: what is sent on a new connection goes first, and needs one", "[io][ws_client]") {
    weir::net::io_context context;
    const auto plan = std::make_shared<const weir::detail::ws_client_plan>();
    const weir::detail::ws_connection_ptr connection{
        new weir::detail::ws_client_connection{context.get_executor(), plan}};
    weir::detail::ws_client_session session{{}};
    REQUIRE(session.send("second") == error::none);
    weir::ws_new_connection fresh{session, *connection};
    CHECK(fresh.send("too early") == error::not_connected);
    session.opened(weir::time_point{});
    CHECK(fresh.number() == 1);
    CHECK(fresh.subprotocol().empty());
    CHECK_FALSE(fresh.compresses());
    CHECK(fresh.send("first") == error::none);
    CHECK(session.queue().next()->payload == "first");
    session.close();
    CHECK(fresh.send("too late") == error::closed);
}

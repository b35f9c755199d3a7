// SPDX-License-Identifier: BSL-1.0

#include <weir/session/ws_beginning.hpp>

#include <weir/sans_io.hpp>

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "catch.hpp"
#include "support/driven_machine.hpp"

using test::socket_request;
using test::t0;
using weir::error;

TEST_CASE("ws beginning: what was agreed on is known afterwards", "[session][ws_beginning]") {
    auto fields = std::vector(test::socket_fields.begin(), test::socket_fields.end());
    fields.push_back({"Sec-WebSocket-Protocol", "news, chat"});
    auto request = socket_request;
    request.fields = fields;
    const std::array<std::string_view, 1> spoken{"chat"};
    weir::ws_machine ws;
    CHECK(ws.accept(request, t0, {.subprotocols = spoken}) == error::none);
    CHECK(ws.subprotocol() == "chat");
    CHECK_FALSE(ws.compresses());
    CHECK(weir::as_text(ws.output(t0)).find("Sec-WebSocket-Protocol: chat\r\n") != std::string_view::npos);
}

TEST_CASE("ws beginning: a foreign page is turned down", "[session][ws_beginning]") {
    auto fields = std::vector(test::socket_fields.begin(), test::socket_fields.end());
    fields.push_back({"Origin", "https://evil.example"});
    auto request = socket_request;
    request.fields = fields;
    weir::ws_machine ws;
    CHECK(ws.accept(request, t0) == error::origin_refused);
    CHECK(weir::as_text(ws.output(t0)).starts_with("HTTP/1.1 403 "));
    CHECK_FALSE(ws.is_open());
}

TEST_CASE("ws beginning: it happens once", "[session][ws_beginning]") {
    weir::ws_machine ws;
    CHECK(ws.begin(weir::ws::role::server, t0) == error::none);
    CHECK(ws.begin(weir::ws::role::server, t0) == error::closed);
    CHECK(ws.accept(socket_request, t0) == error::closed);
}

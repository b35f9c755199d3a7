// SPDX-License-Identifier: BSL-1.0

#include <weir/io/ws_request_reader.hpp>

#include <weir/ws_stream.hpp>

#include <chrono>
#include <string>

#include "catch.hpp"
#include "support/session_fixture.hpp"
#include "support/ws_fixture.hpp"

// More of it, where it is the same for both sides, is in ws_opening.cpp.

namespace {

using namespace std::chrono_literals;
using test::text_frame;
using weir::error;
using weir::error_code;
using fixture = test::ws_fixture<>;

TEST_CASE_METHOD(fixture, "RFC 9112 2.2: an empty line before the request is passed over", "[io][ws]") {
    auto ws = make();
    ws.async_accept({}, 10s, remember());
    wire->deliver("\r\n" + test::upgrade_text() + text_frame("behind"));
    context.settle();
    REQUIRE(outcome == error_code{});
    ws.async_receive(remember_message());
    context.settle();
    CHECK(message == "behind");
}

TEST_CASE_METHOD(fixture, "RFC 6455 4.2.1: a request of HTTP/1.0 is no handshake", "[io][ws]") {
    auto ws = make();
    ws.async_accept({}, 10s, remember());
    std::string request = test::upgrade_text();
    request.replace(request.find("HTTP/1.1"), 8, "HTTP/1.0");
    wire->deliver(request);
    context.settle();
    REQUIRE(outcome);
    CHECK(*outcome == error::bad_upgrade);
    CHECK(wire->written.starts_with("HTTP/1.1 426 "));
}

}  // namespace

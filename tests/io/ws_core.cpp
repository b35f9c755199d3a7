// SPDX-License-Identifier: BSL-1.0

#include <weir/io/ws_core.hpp>

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "catch.hpp"
#include "support/memory_stream.hpp"
#include "support/virtual_context.hpp"
#include "support/ws_fixture.hpp"

namespace {

using namespace std::chrono_literals;
namespace detail = weir::detail;
namespace ws = weir::ws;
using stream = test::direct_memory_stream<>;
using test::events;
using weir::error;
using weir::error_code;

template <class... Policies>
struct core final : detail::ws_core<stream, Policies...> {
    using detail::ws_core<stream, Policies...>::ws_core;
};

struct fixture {
    test::virtual_context context;
    std::shared_ptr<test::wire> wire = std::make_shared<test::wire>();

    template <class... Policies>
    auto make(Policies... policies) {
        using type = core<weir::no_heartbeat, Policies...>;
        return detail::counted_ptr<type>{new type{stream{context.context(), wire},
                                                  weir::policy_set<weir::no_heartbeat, Policies...>{{}, policies...}}};
    }
    events said() const { return test::read_frames(test::behind_head(wire->written), ws::role::client); }
};

/// Offers everything, compresses nothing, and says what it was asked for.
struct odd_framing {
    ws::deflate_options options{};
    std::shared_ptr<int> made = std::make_shared<int>(0);

    const ws::deflate_options* deflate() const noexcept { return &options; }
    std::unique_ptr<ws::message_codec> make_codec(ws::role, const ws::deflate_agreement&) const {
        ++*made;
        return nullptr;
    }
};
static_assert(weir::message_framing_policy<odd_framing>);

}  // namespace

TEST_CASE_METHOD(fixture, "ws_core: a request is answered by a 101, then frames", "[io][ws]") {
    const auto session = make();
    CHECK(session->send("early", {}) == error::not_accepted);
    CHECK(session->accept(test::upgrade, {}, {}) == error::none);
    CHECK(session->send("x", {}) == error::none);
    CHECK(wire->written.empty());
    context.settle();
    CHECK(wire->writes == 1);
    CHECK(wire->written.starts_with("HTTP/1.1 101 "));
    CHECK(said() == events{test::text("x")});
    CHECK_FALSE(session->protocol().is_client());
    session->terminate(error::closed);
}

TEST_CASE_METHOD(fixture, "ws_core: a session is begun once", "[io][ws]") {
    const auto session = make();
    SECTION("accepted") { CHECK(session->accept(test::upgrade, {}, {}) == error::none); }
    SECTION("begun") { CHECK(session->begin(ws::role::client, {}, {}, {}) == error::none); }
    SECTION("refused") {
        CHECK(session->accept({.method = "PUT", .target = "/"}, {}, {}) == error::method_not_allowed);
    }
    SECTION("turned down") { session->turn_down("HTTP/1.1 404 Not Found\r\n\r\n", error::not_found); }
    SECTION("ended") { session->close(error::none); }
    const std::string before = wire->written;
    CHECK(session->accept(test::upgrade, {}, {}) == error::closed);
    CHECK(session->begin(ws::role::server, {}, {}, {}) == error::closed);
    CHECK(session->accept({.method = "PUT", .target = "/"}, {}, {}) == error::closed);
    session->turn_down("late", error::not_found);
    context.settle();
    CHECK(wire->written.find("late") == std::string::npos);
    session->terminate(error::closed);
}

TEST_CASE_METHOD(fixture, "ws_core: turned down, the response is written whole, and the connection ended in order",
                 "[io][ws]") {
    wire->capacity = 7;
    const auto session = make();
    std::optional<error_code> why;
    session->start_closed(
        session->make_waiter<detail::waiter::kind::closed>([&](error_code, error_code reason) { why = reason; }));
    session->turn_down("HTTP/1.1 404 Not Found\r\n\r\n", error::not_found);
    CHECK(session->state() == detail::phase::closing);
    wire->deliver(test::text_frame("not looked at"));
    context.settle();
    CHECK(wire->written == "HTTP/1.1 404 Not Found\r\n\r\n");
    CHECK(wire->said_goodbye);
    CHECK_FALSE(wire->closed);
    wire->end();
    context.settle();
    CHECK(wire->closed);
    CHECK(*why == error::not_found);
}

TEST_CASE_METHOD(fixture, "ws_core: a refusal that nobody reads does not wait for ever", "[io][ws]") {
    wire->room = 10;
    const auto session = make(weir::stall_after{0ms});
    session->turn_down("HTTP/1.1 404 Not Found\r\n\r\n", error::not_found);
    context.pass(29s);
    CHECK_FALSE(wire->closed);
    context.pass(2s);
    CHECK(wire->closed);
}

TEST_CASE_METHOD(fixture, "ws_core: without a head, what is written is frames alone, in either role", "[io][ws]") {
    const auto session = make();
    const ws::role self = GENERATE(ws::role::server, ws::role::client);
    const ws::role peer = self == ws::role::server ? ws::role::client : ws::role::server;
    CHECK(session->begin(self, {}, "chat", {}) == error::none);
    CHECK(session->send("x", {}) == error::none);
    context.settle();
    CHECK(test::read_frames(wire->written, peer) == events{test::text("x")});
    CHECK(session->subprotocol() == "chat");
    session->terminate(error::closed);
    CHECK(session->subprotocol() == "chat");
}

TEST_CASE_METHOD(fixture, "ws_core: compression is negotiated and made by the framing policy", "[io][ws]") {
    const odd_framing framing;
    const auto session = make(framing);
    std::vector<weir::http::field_view> fields{test::upgrade_fields.begin(), test::upgrade_fields.end()};
    const bool offered = GENERATE(false, true);
    if (offered) fields.push_back({"Sec-WebSocket-Extensions", "permessage-deflate"});
    CHECK(session->accept({.method = "GET", .target = "/", .fields = fields}, {}, {}) == error::none);
    context.settle();
    CHECK(*framing.made == (offered ? 1 : 0));
    CHECK((wire->written.find("Sec-WebSocket-Extensions: permessage-deflate") != std::string::npos) == offered);
    session->terminate(error::closed);
}

TEST_CASE("ws_core: limits become the protocol's, where the session's own times go by", "[io][ws]") {
    const auto options = core<>::options_for({.max_message_bytes = 7, .max_pongs_per_second = 3});
    CHECK(options.max_message_bytes == 7);
    CHECK(options.max_pongs_per_second == 3);
    CHECK(options.close_timeout == 0ms);  // the session waits, not the protocol
    CHECK(options.ping_interval == 0ms);
}

TEST_CASE_METHOD(fixture, "ws_core: destroyed at any moment, it leaves nothing", "[io][ws]") {
    const bool settled = GENERATE(true, false);
    auto session = make();
    SECTION("fresh") {}
    SECTION("with limits") { session->limits({.max_message_bytes = 1}); }
    SECTION("begun, with bytes behind the head") { session->begin(ws::role::server, {}, {}, test::text_frame("x")); }
    SECTION("with handlers") {
        session->begin(ws::role::server, {}, {}, {});
        session->handle_with({.on_message = [keep = session](weir::ws_message) {}});
    }
    if (settled) context.settle();
    session->terminate(error::closed);
    session = {};
    context.settle();
    CHECK(wire->closed);
    CHECK(context.idle());
}

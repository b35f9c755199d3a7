// SPDX-License-Identifier: BSL-1.0
#include <weir/server/event_loop.hpp>

#include "catch.hpp"

#include WEIR_ASIO(ip/tcp.hpp)
#include WEIR_ASIO(post.hpp)

#include <memory>
#include <utility>

using namespace weir::detail;
namespace net = weir::net;

namespace {

server_socket connected(event_loop& loop) {
    net::ip::tcp::acceptor acceptor{loop.context, {net::ip::address_v4::loopback(), 0}};
    net::ip::tcp::socket peer{loop.context};
    peer.connect(acceptor.local_endpoint());
    server_socket::accepted_type accepted{loop.context};
    acceptor.accept(accepted);
    return server_socket{std::move(accepted)};
}

template <class T>
int size_of(linked_list<T>& list) {
    int n = 0;
    list.for_each([&](T&) { ++n; });
    return n;
}

}  // namespace

TEMPLATE_TEST_CASE("event loop: a session is on its loop's list, and gives its place back when the connection ends",
                   "[server][event_loop]", server_sse_core, server_ws_core) {
    const route_settings settings{weir::wait{}, weir::no_heartbeat{}};
    connection_count count{0, [] {}};
    event_loop loop;
    auto& list = loop.sessions(static_cast<TestType*>(nullptr));
    {
        const counted_ptr session{new server_session<TestType>{connected(loop), settings, count.enter(), loop}};
        CHECK(size_of(list) == 1);
        CHECK(size_of(loop.event_streams) + size_of(loop.websockets) == 1);
        CHECK(count.value() == 1);
        session->terminate(weir::error::closed);
        CHECK(count.value() == 0);
        CHECK(size_of(list) == 1);
    }
    CHECK(size_of(list) == 0);
}

TEST_CASE("event loop: a connection is on its loop's list while it lives", "[server][event_loop]") {
    const http_limits limits;
    event_loop loop;
    {
        const server_connection a{connected(loop), limits, "192.0.2.1", loop};
        CHECK(size_of(loop.connections) == 1);
    }
    CHECK(size_of(loop.connections) == 0);
}

TEST_CASE("event loop: handlers are destroyed uncalled, before the loop is", "[server][event_loop]") {
    event_loop loop;
    bool called = false;
    const auto held = std::make_shared<int>(1);
    net::post(loop.context, [&called, held] { called = true; });
    CHECK(held.use_count() == 2);
    loop.context.abandon_handlers();
    CHECK(held.use_count() == 1);
    CHECK_FALSE(called);
}

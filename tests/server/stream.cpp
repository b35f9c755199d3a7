// SPDX-License-Identifier: BSL-1.0
#include <weir/server/stream.hpp>

#include "catch.hpp"

#include WEIR_ASIO(io_context.hpp)

#include <memory>
#include <utility>

#include "support/scripted_layer.hpp"

// What it does is in tests/io/layered_stream.cpp, for this socket, too.

using weir::detail::server_socket;
using weir::detail::server_stream;

static_assert(weir::async_stream<server_stream> && !weir::direct_stream<server_stream>);
static_assert(sizeof(server_stream) <= sizeof(server_socket) + 8, "plain connections pay a pointer");
static_assert(sizeof(weir::transport<server_stream>) == sizeof(server_stream));

TEST_CASE("stream: a server's stream is secure if it has a layer", "[server][stream]") {
    weir::net::io_context context;
    const auto socket = [&] { return server_socket{server_socket::accepted_type{context, weir::net::ip::tcp::v4()}}; };
    CHECK_FALSE(server_stream{socket()}.is_secure());
    CHECK(server_stream{socket(), std::make_unique<test::scripted_layer<server_socket>>()}.is_secure());
}

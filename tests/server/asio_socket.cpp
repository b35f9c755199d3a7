// SPDX-License-Identifier: BSL-1.0

#include <weir/server/asio_socket.hpp>

#include "catch.hpp"

#include <asio/buffer.hpp>
#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>

#include <array>
#include <utility>

using asio::ip::tcp;

TEST_CASE("asio socket: is taken over from an acceptor, and never blocks", "[server][asio_socket]") {
    asio::io_context context{1};
    tcp::acceptor acceptor{context, {asio::ip::address_v4::loopback(), 0}};
    tcp::socket client{context};
    client.connect(acceptor.local_endpoint());
    weir::detail::asio_socket::accepted_type accepted{context};
    acceptor.accept(accepted);

    weir::detail::asio_socket socket{std::move(accepted)};
    std::array<char, 1> byte{};
    weir::error_code ec;
    CHECK(socket.read_some(asio::buffer(byte), ec) == 0);
    CHECK(ec == asio::error::would_block);
}

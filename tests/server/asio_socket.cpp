// SPDX-License-Identifier: BSL-1.0

#include <weir/server/asio_socket.hpp>

#include "catch.hpp"

#include WEIR_ASIO(buffer.hpp)
#include WEIR_ASIO(io_context.hpp)
#include WEIR_ASIO(ip/tcp.hpp)

#include <array>
#include <utility>

namespace net = weir::net;
using net::ip::tcp;

TEST_CASE("asio socket: is taken over from an acceptor, and never blocks", "[server][asio_socket]") {
    net::io_context context{1};
    tcp::acceptor acceptor{context, {net::ip::address_v4::loopback(), 0}};
    tcp::socket client{context};
    client.connect(acceptor.local_endpoint());
    weir::detail::asio_socket::accepted_type accepted{context};
    acceptor.accept(accepted);

    weir::detail::asio_socket socket{std::move(accepted)};
    std::array<char, 1> byte{};
    weir::error_code ec;
    CHECK(socket.read_some(net::buffer(byte), ec) == 0);
    CHECK(ec == net::error::would_block);
}

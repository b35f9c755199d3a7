// SPDX-License-Identifier: BSL-1.0
#include <weir/io/read_more.hpp>

#include "catch.hpp"

#include WEIR_ASIO(co_spawn.hpp)
#include WEIR_ASIO(error.hpp)
#include WEIR_ASIO(io_context.hpp)
#include WEIR_ASIO(ip/tcp.hpp)
#include WEIR_ASIO(write.hpp)

#include <exception>
#include <optional>
#include <string>

namespace net = weir::net;
using net::ip::tcp;
using weir::error_code;

TEST_CASE("read more: what comes is appended, and an end leaves what was there", "[io][read_more]") {
    net::io_context context;
    tcp::acceptor acceptor{context, {net::ip::address_v4::loopback(), 0}};
    tcp::socket near{context}, far{context};
    near.connect(acceptor.local_endpoint());
    acceptor.accept(far);
    std::string received = "first ";
    std::optional<error_code> outcome;
    const auto read = [&] {
        net::co_spawn(context, weir::detail::read_more(near, received),
                      [&](const std::exception_ptr&, error_code ec) { outcome = ec; });
        context.restart();
        context.run();
    };
    net::write(far, net::buffer(std::string{"second"}));
    read();
    CHECK(outcome == error_code{});
    CHECK(received == "first second");
    far.close();
    read();
    CHECK(outcome == error_code{net::error::eof});
    CHECK(received == "first second");
}

// SPDX-License-Identifier: BSL-1.0

#include <weir/server/epoll_socket.hpp>

#include "catch.hpp"

#include WEIR_ASIO(io_context.hpp)
#include WEIR_ASIO(ip/tcp.hpp)
#include WEIR_ASIO(read.hpp)

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace net = weir::net;
using net::ip::tcp;
using weir::error_code;
using weir::detail::epoll_socket;

namespace {

// A server's socket and its client's.
struct connected {
    net::io_context context{1};
    net::io_context elsewhere;
    tcp::socket client{elsewhere};
    std::optional<epoll_socket> server;

    connected() {
        tcp::acceptor acceptor{elsewhere, {net::ip::address_v4::loopback(), 0}};
        client.connect(acceptor.local_endpoint());
        epoll_socket::accepted_type accepted{context};
        acceptor.accept(accepted);
        server.emplace(std::move(accepted));
    }

    void run() {
        context.restart();
        context.run();
    }
    void wait(epoll_socket::wait_type what, std::optional<error_code>& result) {
        server->async_wait(what, [&result](error_code outcome) { result = outcome; });
    }
    std::string read(std::size_t size = 100) {
        std::string text(size, '\0');
        text.resize(server->read_some(net::buffer(text), ec));
        return text;
    }

    error_code ec;
};

}  // namespace

TEST_CASE("epoll socket: a read with nothing there would block", "[server][epoll_socket]") {
    connected c;
    CHECK(c.read().empty());
    CHECK(c.ec == net::error::would_block);
}

TEST_CASE("epoll socket: waits for bytes, reads them, and waits for the next", "[server][epoll_socket]") {
    connected c;
    for (const std::string text : {"one", "two", "three"}) {
        std::optional<error_code> waited;
        c.wait(epoll_socket::wait_read, waited);
        c.context.poll();
        CHECK_FALSE(waited);
        c.client.write_some(net::buffer(text));
        c.run();
        CHECK(waited == error_code{});
        CHECK(c.read() == text);
        CHECK_FALSE(c.ec);
    }
}

TEST_CASE("epoll socket: what was not read is still there for the next wait", "[server][epoll_socket]") {
    connected c;
    c.client.write_some(net::buffer(std::string_view{"0123456789"}));
    std::string all;
    while (all.size() != 10) {
        std::optional<error_code> waited;
        c.wait(epoll_socket::wait_read, waited);
        CHECK_FALSE(waited);  // never from within
        c.run();
        REQUIRE(waited == error_code{});
        all += c.read(4);
    }
    CHECK(all == "0123456789");
}

TEST_CASE("epoll socket: bytes and the end that come together are both found", "[server][epoll_socket]") {
    connected c;
    std::optional<error_code> waited;
    c.wait(epoll_socket::wait_read, waited);
    c.client.write_some(net::buffer(std::string_view{"last"}));
    c.client.shutdown(tcp::socket::shutdown_send);
    c.run();
    CHECK(c.read() == "last");
    waited.reset();
    c.wait(epoll_socket::wait_read, waited);
    c.run();
    CHECK(waited == error_code{});
    CHECK(c.read().empty());
    CHECK(c.ec == net::error::eof);
}

TEST_CASE("epoll socket: an end that comes alone wakes the reader", "[server][epoll_socket]") {
    connected c;
    std::optional<error_code> waited;
    c.wait(epoll_socket::wait_read, waited);
    c.context.poll();
    c.client.close();
    c.run();
    CHECK(waited == error_code{});
    c.read();
    CHECK(c.ec);
}

TEST_CASE("epoll socket: writes until it would block, and is woken when there is room", "[server][epoll_socket]") {
    connected c;
    const std::string block(64 * 1024, 'x');
    std::size_t sent = 0;
    while (!c.ec) sent += c.server->write_some(net::const_buffer{block.data(), block.size()}, c.ec);
    CHECK(c.ec == net::error::would_block);

    std::optional<error_code> waited;
    c.wait(epoll_socket::wait_write, waited);
    c.context.poll();
    CHECK_FALSE(waited);
    std::vector<char> taken(sent);
    net::read(c.client, net::buffer(taken));
    c.run();
    CHECK(waited == error_code{});
    c.ec = {};
    CHECK(c.server->write_some(net::const_buffer{block.data(), 1}, c.ec) == 1);
}

TEST_CASE("epoll socket: writes several pieces at once", "[server][epoll_socket]") {
    connected c;
    const std::string first = "GET ", second = "/ HTTP";
    const std::array pieces{net::const_buffer{first.data(), first.size()},
                            net::const_buffer{second.data(), second.size()}};
    CHECK(c.server->write_some(std::span<const net::const_buffer>{pieces}, c.ec) == 10);
    std::string got(10, '\0');
    net::read(c.client, net::buffer(got));
    CHECK(got == "GET / HTTP");
}

TEST_CASE("epoll socket: may be moved while nobody waits, and is still woken", "[server][epoll_socket]") {
    connected c;
    epoll_socket moved{std::move(*c.server)};
    CHECK_FALSE(c.server->is_open());
    std::optional<error_code> waited;
    moved.async_wait(epoll_socket::wait_read, [&](error_code outcome) { waited = outcome; });
    c.client.write_some(net::buffer(std::string_view{"x"}));
    c.run();
    CHECK(waited == error_code{});
}

TEST_CASE("epoll socket: cancelling and closing complete what waits", "[server][epoll_socket]") {
    connected c;
    std::optional<error_code> reading, writing;
    c.wait(epoll_socket::wait_read, reading);
    c.server->cancel(c.ec);
    CHECK_FALSE(reading);  // never from within
    c.run();
    CHECK(reading == net::error::operation_aborted);

    reading.reset();
    c.wait(epoll_socket::wait_read, reading);
    c.server->close(c.ec);
    c.run();
    CHECK(reading == net::error::operation_aborted);
    CHECK_FALSE(c.server->is_open());
    c.wait(epoll_socket::wait_write, writing);
    c.run();
    CHECK(writing == net::error::bad_descriptor);
}

TEST_CASE("epoll socket: destroyed while somebody waits, the handler goes uncalled", "[server][epoll_socket]") {
    connected c;
    const auto token = std::make_shared<int>(0);
    c.server->async_wait(epoll_socket::wait_read, [token](error_code) { ++*token; });
    c.server.reset();
    c.run();
    CHECK(token.use_count() == 1);
    CHECK(*token == 0);
}

TEST_CASE("epoll socket: has the peer's address, and options", "[server][epoll_socket]") {
    connected c;
    CHECK(c.server->remote_endpoint(c.ec) == c.client.local_endpoint());
    c.server->set_option(tcp::no_delay{true}, c.ec);
    CHECK_FALSE(c.ec);
    c.server->shutdown(epoll_socket::shutdown_send, c.ec);
    CHECK_FALSE(c.ec);
    std::array<char, 1> byte{};
    CHECK(c.client.read_some(net::buffer(byte), c.ec) == 0);
    CHECK(c.ec == net::error::eof);
}

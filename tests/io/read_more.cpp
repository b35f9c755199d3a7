// SPDX-License-Identifier: BSL-1.0

#include <weir/io/read_more.hpp>

#include <weir/error.hpp>

#include WEIR_ASIO(co_spawn.hpp)
#include WEIR_ASIO(error.hpp)
#include WEIR_ASIO(io_context.hpp)
#include WEIR_ASIO(ip/tcp.hpp)
#include WEIR_ASIO(write.hpp)

#include <exception>
#include <optional>
#include <string>

#include "catch.hpp"

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

namespace {

/// A response's head, read from a peer that sends `text` and no more.
struct response_read {
    explicit response_read(const std::string& text) {
        net::io_context context;
        tcp::acceptor acceptor{context, {net::ip::address_v4::loopback(), 0}};
        tcp::socket near{context}, far{context};
        near.connect(acceptor.local_endpoint());
        acceptor.accept(far);
        net::write(far, net::buffer(text));
        far.shutdown(tcp::socket::shutdown_send);
        net::co_spawn(context, weir::detail::read_response(near, parser, received),
                      [&](const std::exception_ptr&, error_code ec) { outcome = ec; });
        context.run();
    }

    weir::http::response_parser parser;
    std::string received;
    std::optional<error_code> outcome;
};

const std::string interim = "HTTP/1.1 103 Early Hints\r\n\r\n";

}  // namespace

TEST_CASE("RFC 9110 15.2: interim responses are passed over, up to the final one", "[io][read_more]") {
    const response_read one{interim + interim + "HTTP/1.1 200 OK\r\n\r\nbody"};
    CHECK(one.outcome == error_code{});
    CHECK(one.parser.response().status == 200);
    CHECK(one.received.substr(one.parser.head_size()) == "body");
    const response_read switching{"HTTP/1.1 101 Switching Protocols\r\n\r\n"};
    CHECK(switching.outcome == error_code{});
    CHECK(switching.parser.response().status == 101);
}

TEST_CASE("read response: one that is cut off, malformed, or never the last", "[io][read_more]") {
    CHECK(response_read{interim + "HTTP/1.1 2"}.outcome == error_code{net::error::eof});
    CHECK(response_read{"nonsense\r\n\r\n"}.outcome == weir::error::bad_status_line);
    std::string endless;
    for (int i = 0; i != weir::http::max_interim_responses; ++i) endless += interim;
    CHECK(response_read{endless + "HTTP/1.1 200 OK\r\n\r\n"}.outcome == error_code{});
    CHECK(response_read{endless + interim}.outcome == weir::error::head_too_large);
}

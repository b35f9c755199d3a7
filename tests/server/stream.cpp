// SPDX-License-Identifier: BSL-1.0
#include <weir/server/stream.hpp>

#include "catch.hpp"

#include WEIR_ASIO(read.hpp)
#include WEIR_ASIO(write.hpp)

#include <array>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "support/scripted_layer.hpp"

using weir::as_bytes;
using weir::as_text;
using weir::bytes_view;
using weir::error_code;
using weir::transport;
using weir::detail::server_socket;
using weir::detail::server_stream;
namespace net = weir::net;
using net::ip::tcp;

static_assert(weir::async_stream<server_stream> && !weir::direct_stream<server_stream>);
static_assert(sizeof(server_stream) <= sizeof(server_socket) + 8, "plain connections pay a pointer");
static_assert(sizeof(transport<server_stream>) == sizeof(server_stream));

namespace {

/// A connection, its near end with a layer or without.
struct fixture {
    net::io_context context;
    server_socket::accepted_type near{context};
    tcp::socket peer{context};
    std::array<std::byte, 64> buffer{};
    std::optional<error_code> outcome;
    std::size_t size = 0;

    fixture() {
        tcp::acceptor acceptor{context, {net::ip::address_v4::loopback(), 0}};
        peer.connect(acceptor.local_endpoint());
        acceptor.accept(near);
    }

    server_stream plain() { return {server_socket{std::move(near)}}; }
    std::pair<server_stream, test::scripted_layer&> layered() {
        auto layer = std::make_unique<test::scripted_layer>();
        auto& script = *layer;
        return {server_stream{server_socket{std::move(near)}, std::move(layer)}, script};
    }

    // Move-only, as the session's handlers are.
    auto remember() {
        outcome.reset();
        return [this, moved = std::unique_ptr<int>{}](error_code ec, std::size_t n = 0) {
            outcome = ec;
            size = n;
        };
    }
    void run() {
        context.restart();
        while (!outcome) context.run_one();
    }
    void settle() {
        context.restart();
        context.poll();
    }
    // A byte that the layer does not see: from now on the socket is always readable.
    void wake() { net::write(peer, net::buffer("!", 1)); }
};

}  // namespace

TEST_CASE_METHOD(fixture, "stream: without a layer it is the socket", "[server][stream]") {
    auto stream = plain();
    CHECK_FALSE(stream.is_secure());
    CHECK(stream.remote_endpoint() == peer.local_endpoint());
    CHECK(stream.local_endpoint() == peer.remote_endpoint());
    stream.set_option(tcp::no_delay{true});
    tcp::no_delay no_delay;
    stream.get_option(no_delay);
    CHECK(no_delay.value());
    stream.async_write_some(net::buffer(std::string_view{"hello"}), remember());
    run();
    CHECK(size == 5);
    std::string text(5, '\0');
    net::read(peer, net::buffer(text));
    CHECK(text == "hello");
    net::write(peer, net::buffer(text));
    stream.async_read_some(net::buffer(buffer), remember());
    run();
    CHECK(as_text(bytes_view{buffer}.first(size)) == "hello");
    stream.async_shutdown_send(remember());
    CHECK_FALSE(outcome);
    run();
    CHECK_FALSE(*outcome);
    error_code ec;
    net::read(peer, net::buffer(text), ec);
    CHECK(ec == net::error::eof);
}

TEST_CASE_METHOD(fixture, "stream: what a layer does at once still completes later", "[server][stream]") {
    auto [stream, layer] = layered();
    CHECK(stream.is_secure());
    layer.incoming = {"hello"};
    stream.async_read_some(net::buffer(buffer), remember());
    CHECK_FALSE(outcome);
    run();
    CHECK(as_text(bytes_view{buffer}.first(size)) == "hello");

    const std::array<net::const_buffer, 3> pieces{net::const_buffer{}, net::buffer("one", 3), net::buffer("two", 3)};
    stream.async_write_some(pieces, remember());
    CHECK_FALSE(outcome);
    run();
    CHECK(size == 3);
    net::async_write(stream, pieces, remember());
    run();
    CHECK(size == 6);
    CHECK(layer.written == "oneonetwo");

    stream.async_read_some(net::mutable_buffer{}, remember());
    run();
    CHECK((size == 0 && !*outcome));
}

TEST_CASE_METHOD(fixture, "stream: what would block waits for the socket, as often as needed", "[server][stream]") {
    auto [stream, layer] = layered();
    stream.async_read_some(net::buffer(buffer), remember());
    settle();
    CHECK_FALSE(outcome);
    wake();
    context.restart();
    context.run_one();
    CHECK_FALSE(outcome);  // awake for nothing
    layer.incoming = {"now"};
    run();
    CHECK(size == 3);

    layer.blocked = true;
    layer.until = server_socket::wait_read;
    stream.async_write_some(net::buffer("x", 1), remember());
    layer.blocked = false;
    run();
    CHECK(layer.written == "x");
    layer.blocked = true;
    stream.async_shutdown_send(remember());
    CHECK_FALSE(layer.finished);
    layer.blocked = false;
    run();
    CHECK(layer.finished);
}

TEST_CASE_METHOD(fixture, "stream: waiting is cancelled with the socket", "[server][stream]") {
    auto [stream, layer] = layered();
    stream.async_read_some(net::buffer(buffer), remember());
    error_code ignored;
    stream.lowest_layer().cancel(ignored);
    run();
    CHECK(*outcome == net::error::operation_aborted);
    layer.failure = net::error::connection_reset;
    stream.async_read_some(net::buffer(buffer), remember());
    run();
    CHECK(*outcome == net::error::connection_reset);
}

TEST_CASE_METHOD(fixture, "stream: a session's transport without a layer has the fast path", "[server][stream]") {
    transport<server_stream> transport{plain()};
    transport.prepare();
    tcp::no_delay no_delay;
    transport.stream().lowest_layer().get_option(no_delay);
    CHECK(no_delay.value());

    const bytes_view piece = as_bytes("hello");
    error_code ec;
    CHECK(transport.try_write(std::span{&piece, 1}, ec) == 5);
    CHECK(transport.in_flight() == 0);
    CHECK(transport.try_read(buffer, ec).empty());
    CHECK_FALSE(ec);
    transport.wait_writable(remember());
    run();
    transport.wait_readable(remember());
    settle();
    CHECK_FALSE(outcome);
    wake();
    run();
    CHECK(as_text(transport.try_read(buffer, ec)) == "!");
    transport.shutdown_send([](error_code) { FAIL("sockets say so at once"); });
    std::string text;
    net::read(peer, net::dynamic_buffer(text), ec);
    CHECK(text == "hello");
    CHECK(ec == net::error::eof);
    transport.close();
    CHECK_FALSE(transport.stream().lowest_layer().is_open());
}

TEST_CASE_METHOD(fixture, "stream: a session's transport with a layer waits only for what the layer lacks",
                 "[server][stream]") {
    auto [stream, layer] = layered();
    transport<server_stream> transport{std::move(stream)};
    transport.prepare();
    error_code ec;

    // Nothing has been read yet: the layer may have something that the socket has given it long ago.
    transport.wait_readable(remember());
    CHECK_FALSE(outcome);
    run();
    layer.incoming = {"one", "two"};
    CHECK(as_text(transport.try_read(buffer, ec)) == "onetwo");
    transport.wait_readable(remember());
    settle();
    CHECK_FALSE(outcome);
    wake();
    run();
    CHECK_FALSE(*outcome);

    layer.blocked = true;
    const bytes_view piece = as_bytes("hello");
    CHECK(transport.try_write(std::span{&piece, 1}, ec) == 5);
    CHECK(transport.in_flight() == 5);
    transport.wait_writable(remember());
    run();
    CHECK_FALSE(*outcome);
    CHECK(transport.in_flight() == 5);
    layer.blocked = false;
    transport.wait_writable(remember());
    run();
    CHECK(transport.in_flight() == 0);
    CHECK(layer.written == "hello");

    layer.blocked = true;
    CHECK(transport.try_write(std::span{&piece, 1}, ec) == 5);
    layer.failure = net::error::broken_pipe;
    transport.wait_writable(remember());
    run();
    CHECK(*outcome == net::error::broken_pipe);
}

TEST_CASE_METHOD(fixture, "stream: a goodbye that would block is said later, before the socket's", "[server][stream]") {
    auto [stream, layer] = layered();
    transport<server_stream> transport{std::move(stream)};
    layer.blocked = true;
    layer.until = server_socket::wait_read;  // a wait that takes its time
    const auto alive = std::make_shared<int>();
    transport.shutdown_send([alive](error_code) { FAIL("the reader finds out"); });
    settle();
    CHECK_FALSE(layer.finished);
    CHECK(alive.use_count() == 2);
    SECTION("and is said") {
        layer.blocked = false;
        wake();
        while (!layer.finished) {
            context.restart();
            context.run_one();
        }
        char byte = 0;
        error_code ec;
        peer.read_some(net::buffer(&byte, 1), ec);
        CHECK(ec == net::error::eof);
    }
    SECTION("or not, if the connection is closed first") {
        transport.close();
        settle();
        CHECK_FALSE(layer.finished);
    }
    CHECK(alive.use_count() == 1);
}

TEST_CASE_METHOD(fixture, "stream: a goodbye is answered, and not said before a connection is cut",
                 "[server][stream]") {
    auto [stream, layer] = layered();
    transport<server_stream> transport{std::move(stream)};
    error_code ec;
    SECTION("the peer has said it") {
        layer.failure = net::error::eof;
        transport.try_read(buffer, ec);
        CHECK(ec == net::error::eof);
        transport.close();
        CHECK(layer.finished);
    }
    SECTION("the peer has not") {
        transport.try_read(buffer, ec);
        transport.close();
        CHECK_FALSE(layer.finished);
    }
    CHECK_FALSE(transport.stream().lowest_layer().is_open());
}

// SPDX-License-Identifier: BSL-1.0
#include <weir/io/layered_stream.hpp>

#include <weir/server/stream.hpp>

#include "catch.hpp"

#include WEIR_CANCELLATION(bind_cancellation_slot.hpp)
#include WEIR_CANCELLATION(cancellation_signal.hpp)
#include WEIR_ASIO(io_context.hpp)
#include WEIR_ASIO(ip/tcp.hpp)
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

#include "support/cancellation.hpp"
#include "support/scripted_layer.hpp"

using weir::as_bytes;
using weir::as_text;
using weir::bytes_view;
using weir::error_code;
using weir::transport;
using weir::detail::layered_stream;
using weir::detail::server_socket;
namespace cancellation = weir::detail::cancellation;
namespace net = weir::net;
using net::ip::tcp;

static_assert(weir::async_stream<layered_stream<tcp::socket>> && !weir::direct_stream<layered_stream<tcp::socket>>);
static_assert(sizeof(transport<layered_stream<tcp::socket>>) == sizeof(layered_stream<tcp::socket>));

namespace {

template <class Socket>
struct accepted {
    using type = Socket;
};
template <>
struct accepted<server_socket> {
    using type = server_socket::accepted_type;
};

/// A connection, its near end with a layer or without.
template <class Socket>
struct fixture {
    using stream_type = layered_stream<Socket>;
    using layer_type = test::scripted_layer<Socket>;

    net::io_context context;
    typename accepted<Socket>::type near{context};
    tcp::socket peer{context};
    std::array<std::byte, 64> buffer{};
    std::optional<error_code> outcome;
    std::size_t size = 0;

    fixture() {
        tcp::acceptor acceptor{context, {net::ip::address_v4::loopback(), 0}};
        peer.connect(acceptor.local_endpoint());
        acceptor.accept(near);
        near.non_blocking(true);
    }

    stream_type plain() { return {Socket{std::move(near)}}; }
    std::pair<stream_type, layer_type&> layered() {
        auto layer = std::make_unique<layer_type>();
        auto& script = *layer;
        return {stream_type{Socket{std::move(near)}, std::move(layer)}, script};
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

TEMPLATE_TEST_CASE("stream: without a layer it is the socket", "[io][layered_stream]", tcp::socket, server_socket) {
    fixture<TestType> f;
    auto stream = f.plain();
    CHECK_FALSE(stream.is_secure());
    CHECK(stream.remote_endpoint() == f.peer.local_endpoint());
    CHECK(stream.local_endpoint() == f.peer.remote_endpoint());
    stream.set_option(tcp::no_delay{true});
    tcp::no_delay no_delay;
    stream.get_option(no_delay);
    CHECK(no_delay.value());
    stream.async_write_some(net::buffer(std::string_view{"hello"}), f.remember());
    f.run();
    CHECK(f.size == 5);
    std::string text(5, '\0');
    net::read(f.peer, net::buffer(text));
    CHECK(text == "hello");
    net::write(f.peer, net::buffer(text));
    stream.async_read_some(net::buffer(f.buffer), f.remember());
    f.run();
    CHECK(as_text(bytes_view{f.buffer}.first(f.size)) == "hello");
    stream.async_shutdown_send(f.remember());
    CHECK_FALSE(f.outcome);
    f.run();
    CHECK_FALSE(*f.outcome);
    error_code ec;
    net::read(f.peer, net::buffer(text), ec);
    CHECK(ec == net::error::eof);
}

TEMPLATE_TEST_CASE("stream: what a layer does at once still completes later", "[io][layered_stream]", tcp::socket,
                   server_socket) {
    fixture<TestType> f;
    auto [stream, layer] = f.layered();
    CHECK(stream.is_secure());
    layer.incoming = {"hello"};
    stream.async_read_some(net::buffer(f.buffer), f.remember());
    CHECK_FALSE(f.outcome);
    f.run();
    CHECK(as_text(bytes_view{f.buffer}.first(f.size)) == "hello");

    const std::array<net::const_buffer, 3> pieces{net::const_buffer{}, net::buffer("one", 3), net::buffer("two", 3)};
    stream.async_write_some(pieces, f.remember());
    CHECK_FALSE(f.outcome);
    f.run();
    CHECK(f.size == 3);
    net::async_write(stream, pieces, f.remember());
    f.run();
    CHECK(f.size == 6);
    CHECK(layer.written == "oneonetwo");

    stream.async_read_some(net::mutable_buffer{}, f.remember());
    f.run();
    CHECK((f.size == 0 && !*f.outcome));
}

TEMPLATE_TEST_CASE("stream: what would block waits for the socket, as often as needed", "[io][layered_stream]",
                   tcp::socket, server_socket) {
    fixture<TestType> f;
    auto [stream, layer] = f.layered();
    stream.async_read_some(net::buffer(f.buffer), f.remember());
    f.settle();
    CHECK_FALSE(f.outcome);
    f.wake();
    f.context.restart();
    f.context.run_one();
    CHECK_FALSE(f.outcome);  // awake for nothing
    layer.incoming = {"now"};
    f.run();
    CHECK(f.size == 3);

    layer.blocked = true;
    layer.until = tcp::socket::wait_read;
    stream.async_write_some(net::buffer("x", 1), f.remember());
    layer.blocked = false;
    f.run();
    CHECK(layer.written == "x");
    layer.blocked = true;
    stream.async_shutdown_send(f.remember());
    CHECK_FALSE(layer.finished);
    layer.blocked = false;
    f.run();
    CHECK(layer.finished);
}

TEMPLATE_TEST_CASE("stream: waiting is cancelled with the socket", "[io][layered_stream]", tcp::socket, server_socket) {
    fixture<TestType> f;
    auto [stream, layer] = f.layered();
    stream.async_read_some(net::buffer(f.buffer), f.remember());
    error_code ignored;
    stream.lowest_layer().cancel(ignored);
    f.run();
    CHECK(*f.outcome == net::error::operation_aborted);
    layer.failure = net::error::connection_reset;
    stream.async_read_some(net::buffer(f.buffer), f.remember());
    f.run();
    CHECK(*f.outcome == net::error::connection_reset);
}

TEMPLATE_TEST_CASE("stream: a session's transport without a layer has the fast path", "[io][layered_stream]",
                   tcp::socket, server_socket) {
    fixture<TestType> f;
    transport<layered_stream<TestType>> transport{f.plain()};
    transport.prepare();
    tcp::no_delay no_delay;
    transport.stream().lowest_layer().get_option(no_delay);
    CHECK(no_delay.value());

    const bytes_view piece = as_bytes("hello");
    error_code ec;
    CHECK(transport.try_write(std::span{&piece, 1}, ec) == 5);
    CHECK(transport.in_flight() == 0);
    CHECK(transport.try_read(f.buffer, ec).empty());
    CHECK_FALSE(ec);
    transport.wait_writable(f.remember());
    f.run();
    transport.wait_readable(f.remember());
    f.settle();
    CHECK_FALSE(f.outcome);
    f.wake();
    f.run();
    CHECK(as_text(transport.try_read(f.buffer, ec)) == "!");
    transport.shutdown_send([](error_code) { FAIL("sockets say so at once"); });
    std::string text;
    net::read(f.peer, net::dynamic_buffer(text), ec);
    CHECK(text == "hello");
    CHECK(ec == net::error::eof);
    transport.close();
    CHECK_FALSE(transport.stream().lowest_layer().is_open());
}

TEMPLATE_TEST_CASE("stream: a session's transport with a layer waits only for what the layer lacks",
                   "[io][layered_stream]", tcp::socket, server_socket) {
    fixture<TestType> f;
    auto [stream, layer] = f.layered();
    transport<layered_stream<TestType>> transport{std::move(stream)};
    transport.prepare();
    error_code ec;

    // Nothing has been read yet: the layer may have something that the socket has given it long ago.
    transport.wait_readable(f.remember());
    CHECK_FALSE(f.outcome);
    f.run();
    layer.incoming = {"one", "two"};
    CHECK(as_text(transport.try_read(f.buffer, ec)) == "onetwo");
    transport.wait_readable(f.remember());
    f.settle();
    CHECK_FALSE(f.outcome);
    f.wake();
    f.run();
    CHECK_FALSE(*f.outcome);

    layer.blocked = true;
    const bytes_view piece = as_bytes("hello");
    CHECK(transport.try_write(std::span{&piece, 1}, ec) == 5);
    CHECK(transport.in_flight() == 5);
    transport.wait_writable(f.remember());
    f.run();
    CHECK_FALSE(*f.outcome);
    CHECK(transport.in_flight() == 5);
    layer.blocked = false;
    transport.wait_writable(f.remember());
    f.run();
    CHECK(transport.in_flight() == 0);
    CHECK(layer.written == "hello");

    layer.blocked = true;
    CHECK(transport.try_write(std::span{&piece, 1}, ec) == 5);
    layer.failure = net::error::broken_pipe;
    transport.wait_writable(f.remember());
    f.run();
    CHECK(*f.outcome == net::error::broken_pipe);
}

TEMPLATE_TEST_CASE("stream: a goodbye that would block is said later, before the socket's", "[io][layered_stream]",
                   tcp::socket, server_socket) {
    fixture<TestType> f;
    auto [stream, layer] = f.layered();
    transport<layered_stream<TestType>> transport{std::move(stream)};
    layer.blocked = true;
    layer.until = tcp::socket::wait_read;  // a wait that takes its time
    const auto alive = std::make_shared<int>();
    transport.shutdown_send([alive](error_code) { FAIL("the reader finds out"); });
    f.settle();
    CHECK_FALSE(layer.finished);
    CHECK(alive.use_count() == 2);
    SECTION("and is said") {
        layer.blocked = false;
        f.wake();
        while (!layer.finished) {
            f.context.restart();
            f.context.run_one();
        }
        char byte = 0;
        error_code ec;
        f.peer.read_some(net::buffer(&byte, 1), ec);
        CHECK(ec == net::error::eof);
    }
    SECTION("or not, if the connection is closed first") {
        transport.close();
        f.settle();
        CHECK_FALSE(layer.finished);
    }
    CHECK(alive.use_count() == 1);
}

TEMPLATE_TEST_CASE("stream: a goodbye is answered, and not said before a connection is cut", "[io][layered_stream]",
                   tcp::socket, server_socket) {
    fixture<TestType> f;
    auto [stream, layer] = f.layered();
    transport<layered_stream<TestType>> transport{std::move(stream)};
    error_code ec;
    SECTION("the peer has said it") {
        layer.failure = net::error::eof;
        transport.try_read(f.buffer, ec);
        CHECK(ec == net::error::eof);
        transport.close();
        CHECK(layer.finished);
    }
    SECTION("the peer has not") {
        transport.try_read(f.buffer, ec);
        transport.close();
        CHECK_FALSE(layer.finished);
    }
    CHECK_FALSE(transport.stream().lowest_layer().is_open());
}

TEMPLATE_TEST_CASE("stream: a layer is given later, and does what comes before the first byte", "[io][layered_stream]",
                   tcp::socket, server_socket) {
    fixture<TestType> f;
    auto stream = f.plain();
    stream.async_open_layer(f.remember());
    CHECK_FALSE(f.outcome);
    f.run();
    CHECK_FALSE(*f.outcome);  // there is nothing to do

    auto made = std::make_unique<test::scripted_layer<TestType>>();
    auto& layer = *made;
    layer.blocked = true;
    stream.set_layer(std::move(made));
    CHECK(stream.is_secure());
    stream.async_open_layer(f.remember());
    CHECK_FALSE(layer.opened);
    layer.blocked = false;
    f.run();
    CHECK(layer.opened);
    layer.failure = net::error::connection_reset;
    stream.async_open_layer(f.remember());
    f.run();
    CHECK(*f.outcome == net::error::connection_reset);
}

TEST_CASE("stream: with a socket of Asio's one wait is cancelled by its slot", "[io][layered_stream]") {
    if (test::left_out_without_cancellation()) return;
    fixture<tcp::socket> f;
    auto stream = f.plain();
    cancellation::cancellation_signal signal;
    stream.async_read_some(net::buffer(f.buffer), cancellation::bind_cancellation_slot(signal.slot(), f.remember()));
    f.settle();
    CHECK_FALSE(f.outcome);
    signal.emit(cancellation::cancellation_type::terminal);
    f.run();
    CHECK(*f.outcome == net::error::operation_aborted);
    CHECK(stream.lowest_layer().is_open());
}

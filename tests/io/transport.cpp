// SPDX-License-Identifier: BSL-1.0

#include <weir/io/transport.hpp>

#include <weir/sse_stream.hpp>

#include WEIR_ASIO(buffer.hpp)
#include WEIR_ASIO(io_context.hpp)
#include WEIR_ASIO(ip/tcp.hpp)
#include WEIR_ASIO(ip/udp.hpp)
#include WEIR_ASIO(local/connect_pair.hpp)
#include WEIR_ASIO(local/stream_protocol.hpp)
#include WEIR_ASIO(read.hpp)
#include WEIR_ASIO(write.hpp)

#include <array>
#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <numeric>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "support/memory_stream.hpp"
#include "support/virtual_context.hpp"

namespace {

using namespace std::chrono_literals;
namespace net = weir::net;
using net::ip::tcp;
using local = net::local::stream_protocol;
using weir::as_bytes;
using weir::as_text;
using weir::bytes_view;
using weir::error_code;

static_assert(weir::async_stream<tcp::socket> && weir::direct_stream<tcp::socket>);
static_assert(weir::direct_stream<net::basic_stream_socket<tcp, net::io_context::executor_type>>);
static_assert(weir::direct_stream<local::socket>);
static_assert(weir::direct_stream<test::direct_memory_stream<>>);
static_assert(weir::direct_stream<test::direct_memory_stream<net::any_io_executor>>);
static_assert(weir::async_stream<test::async_memory_stream<>> && !weir::direct_stream<test::async_memory_stream<>>);
static_assert(!weir::async_stream<net::ip::udp::socket> && !weir::async_stream<tcp::acceptor>);
static_assert(!weir::async_stream<int>);

/// The streams' two ends, for tests of real sockets. `peer` is the other end.
struct socket_fixture {
    net::io_context context;
    local::socket near{context}, peer{context};
    std::array<std::byte, 4096> buffer{};

    socket_fixture() { net::local::connect_pair(near, peer); }

    void run_until(const std::function<bool()>& done) {
        context.restart();
        while (!done()) context.run_one();
    }
    std::string read_from_peer(std::size_t n) {
        std::string text(n, '\0');
        net::read(peer, net::buffer(text));
        return text;
    }
};

struct memory_fixture {
    test::virtual_context context;
    std::shared_ptr<test::wire> wire = std::make_shared<test::wire>();
    std::array<std::byte, 4096> buffer{};
    std::optional<error_code> outcome;

    auto remember() {
        outcome.reset();
        // Move-only, as the session's handlers are.
        return [this, only_moved = std::unique_ptr<int>{}](error_code ec) { outcome = ec; };
    }
    weir::transport<test::direct_memory_stream<>> direct() {
        return weir::transport<test::direct_memory_stream<>>{test::direct_memory_stream<>{context.context(), wire}};
    }
    weir::transport<test::async_memory_stream<>> general() {
        return weir::transport<test::async_memory_stream<>>{test::async_memory_stream<>{context.context(), wire}};
    }
};

std::vector<bytes_view> pieces_of(std::span<const std::string> texts) {
    std::vector<bytes_view> views;
    for (const std::string& text : texts) views.push_back(as_bytes(text));
    return views;
}

}  // namespace

// ---- the fast path ----

TEST_CASE_METHOD(socket_fixture, "transport: a socket takes several pieces in one write", "[io][transport]") {
    weir::transport<local::socket> transport{std::move(near)};
    transport.prepare();
    const std::array<std::string, 3> texts{"one ", "two ", "three"};
    error_code ec;
    CHECK(transport.try_write(pieces_of(texts), ec) == 13);
    CHECK_FALSE(ec);
    CHECK(transport.in_flight() == 0);
    CHECK(read_from_peer(13) == "one two three");
}

TEST_CASE_METHOD(socket_fixture, "transport: a full socket takes what it can, then nothing, without an error",
                 "[io][transport]") {
    weir::transport<local::socket> transport{std::move(near)};
    transport.prepare();
    const std::string lots(16 * 1024 * 1024, 'x');
    const bytes_view piece = as_bytes(lots);
    error_code ec;
    std::size_t total = 0, taken = 1;
    while (taken != 0) {
        taken = transport.try_write(std::span{&piece, 1}, ec);
        total += taken;
        REQUIRE_FALSE(ec);
    }
    CHECK(total > 0);
    CHECK(total < lots.size());

    std::optional<error_code> writable;
    transport.wait_writable([&](error_code e) { writable = e; });
    context.poll();
    CHECK_FALSE(writable);
    read_from_peer(total);
    run_until([&] { return writable.has_value(); });
    CHECK_FALSE(*writable);
    CHECK(transport.try_write(std::span{&piece, 1}, ec) > 0);
}

TEST_CASE_METHOD(socket_fixture, "transport: a socket is read when there is something, and not before",
                 "[io][transport]") {
    weir::transport<local::socket> transport{std::move(near)};
    transport.prepare();
    error_code ec;
    CHECK(transport.try_read(buffer, ec).empty());
    CHECK_FALSE(ec);

    std::optional<error_code> readable;
    transport.wait_readable([&](error_code e) { readable = e; });
    context.poll();
    CHECK_FALSE(readable);
    net::write(peer, net::buffer(std::string_view{"hello"}));
    run_until([&] { return readable.has_value(); });
    CHECK(as_text(transport.try_read(buffer, ec)) == "hello");

    peer.close();
    CHECK(transport.try_read(buffer, ec).empty());
    CHECK(ec == net::error::eof);
}

TEST_CASE_METHOD(socket_fixture, "transport: a peer that is gone is an error of writing, not a signal",
                 "[io][transport]") {
    weir::transport<local::socket> transport{std::move(near)};
    transport.prepare();
    peer.close();
    const bytes_view piece = as_bytes("x");
    error_code ec;
    CHECK(transport.try_write(std::span{&piece, 1}, ec) == 0);
    CHECK(ec == net::error::broken_pipe);
}

TEST_CASE_METHOD(socket_fixture, "transport: the peer learns that no more comes, and can still be read",
                 "[io][transport]") {
    weir::transport<local::socket> transport{std::move(near)};
    transport.prepare();
    transport.shutdown_send([](error_code) { FAIL("sockets say so at once"); });
    char byte = 0;
    error_code ec;
    peer.read_some(net::buffer(&byte, 1), ec);
    CHECK(ec == net::error::eof);
    net::write(peer, net::buffer(std::string_view{"late"}));
    CHECK(as_text(transport.try_read(buffer, ec)) == "late");
    transport.close();
    transport.close();
    CHECK_FALSE(transport.stream().is_open());
}

TEST_CASE("transport: TCP is told not to wait for more", "[io][transport]") {
    net::io_context context;
    tcp::acceptor acceptor{context, {net::ip::make_address("127.0.0.1"), 0}};
    tcp::socket peer{context}, near{context};
    peer.connect(acceptor.local_endpoint());
    acceptor.accept(near);
    weir::transport<tcp::socket> transport{std::move(near)};
    transport.prepare();
    tcp::no_delay no_delay;
    transport.stream().get_option(no_delay);
    CHECK(no_delay.value());
    CHECK(transport.stream().non_blocking());
}

// As Beast's streams: the socket is a member, a layer has the next one, and there is a timeout.
struct timed_stream {
    using executor_type = tcp::socket::executor_type;

    tcp::socket& socket() noexcept { return *bottom; }
    executor_type get_executor() noexcept { return bottom->get_executor(); }
    void expires_never() noexcept { *timed = false; }
    template <class Handler>
    void async_read_some(net::mutable_buffer in, Handler handler) {
        bottom->async_read_some(in, std::move(handler));
    }
    template <class Handler>
    void async_write_some(net::const_buffer out, Handler handler) {
        bottom->async_write_some(out, std::move(handler));
    }

    tcp::socket* bottom;
    bool* timed;
};

struct upper_layer {
    using executor_type = timed_stream::executor_type;

    timed_stream& next_layer() noexcept { return below; }
    executor_type get_executor() noexcept { return below.get_executor(); }
    template <class Handler>
    void async_read_some(net::mutable_buffer in, Handler handler) {
        below.async_read_some(in, std::move(handler));
    }
    template <class Handler>
    void async_write_some(net::const_buffer out, Handler handler) {
        below.async_write_some(out, std::move(handler));
    }

    timed_stream below;
};

TEMPLATE_TEST_CASE("transport: a socket below other layers is found, and their timeouts are ended", "[io][transport]",
                   timed_stream, upper_layer) {
    net::io_context context;
    tcp::socket socket{context, tcp::v4()};
    bool timed = true;
    weir::transport<TestType> transport{TestType{timed_stream{&socket, &timed}}};
    transport.prepare();
    tcp::no_delay told;
    socket.get_option(told);
    CHECK(told.value());
    CHECK_FALSE(timed);
    transport.close();
    CHECK_FALSE(socket.is_open());
}

TEST_CASE_METHOD(memory_fixture, "transport: more pieces than one system call takes are left for the next write",
                 "[io][transport]") {
    auto transport = direct();
    const std::vector<std::string> texts(20, "ab");
    error_code ec;
    CHECK(transport.try_write(pieces_of(texts), ec) == 32);
    CHECK(wire->pieces == 16);
}

TEST_CASE_METHOD(memory_fixture, "transport: any stream with the members of a socket has the fast path",
                 "[io][transport]") {
    auto transport = direct();
    transport.prepare();
    CHECK_FALSE(transport.stream().blocking());
    wire->room = 3;
    const bytes_view piece = as_bytes("hello");
    error_code ec;
    CHECK(transport.try_write(std::span{&piece, 1}, ec) == 3);
    CHECK(transport.try_write(std::span{&piece, 1}, ec) == 0);
    CHECK_FALSE(ec);
    transport.wait_writable(remember());
    context.settle();
    CHECK_FALSE(outcome);
    wire->make_room(1);
    context.settle();
    CHECK(outcome == error_code{});

    transport.wait_readable(remember());
    CHECK(wire->waits_to_read());
    CHECK_FALSE(wire->has_pending_read());
    transport.close();
    context.settle();
    CHECK(*outcome == net::error::operation_aborted);
}

// ---- the general path ----

TEST_CASE_METHOD(memory_fixture, "transport: without the fast path a write is copied and waited for",
                 "[io][transport]") {
    auto transport = general();
    transport.prepare();
    error_code ec;
    {
        const std::array<std::string, 2> texts{"one ", "two"};
        CHECK(transport.try_write(pieces_of(texts), ec) == 7);
    }
    CHECK(transport.in_flight() == 7);
    CHECK(wire->written.empty());
    const bytes_view more = as_bytes("more");
    CHECK(transport.try_write(std::span{&more, 1}, ec) == 0);

    transport.wait_writable(remember());
    context.settle();
    CHECK(outcome == error_code{});
    CHECK(wire->written == "one two");
    CHECK(transport.in_flight() == 0);
    CHECK(transport.try_write(std::span{&more, 1}, ec) == 4);
}

TEST_CASE_METHOD(memory_fixture, "transport: a slow stream's progress is reported byte by byte", "[io][transport]") {
    auto transport = general();
    wire->room = 2;
    const bytes_view piece = as_bytes("hello");
    error_code ec;
    CHECK(transport.try_write(std::span{&piece, 1}, ec) == 5);
    transport.wait_writable(remember());
    context.settle();
    CHECK(outcome == error_code{});
    CHECK(transport.in_flight() == 3);
    CHECK(transport.try_write(std::span{&piece, 1}, ec) == 0);

    transport.wait_writable(remember());
    context.settle();
    CHECK_FALSE(outcome);
    wire->make_room(10);
    context.settle();
    CHECK(outcome == error_code{});
    CHECK(transport.in_flight() == 0);
    CHECK(wire->written == "hello");
}

TEST_CASE_METHOD(memory_fixture, "transport: what is copied for one write is bounded", "[io][transport]") {
    auto transport = general();
    const std::array<std::string, 2> texts{std::string(40'000, 'a'), std::string(40'000, 'b')};
    error_code ec;
    CHECK(transport.try_write(pieces_of(texts), ec) == 64 * 1024);
    transport.wait_writable(remember());
    context.settle();
    CHECK(wire->written == (texts[0] + texts[1]).substr(0, 64 * 1024));
}

TEST_CASE_METHOD(memory_fixture, "transport: a failed write leaves nothing in flight", "[io][transport]") {
    auto transport = general();
    const bytes_view piece = as_bytes("hello");
    error_code ec;
    CHECK(transport.try_write(std::span{&piece, 1}, ec) == 5);
    wire->reset();
    transport.wait_writable(remember());
    context.settle();
    CHECK(*outcome == net::error::broken_pipe);
    CHECK(transport.in_flight() == 0);
}

TEST_CASE_METHOD(memory_fixture,
                 "transport: without the fast path a read's bytes and its error come one after the other",
                 "[io][transport]") {
    auto transport = general();
    error_code ec;
    transport.wait_readable(remember());
    CHECK(wire->has_pending_read());
    wire->deliver("hello");
    context.settle();
    CHECK(outcome == error_code{});
    CHECK(as_text(transport.try_read(buffer, ec)) == "hello");
    CHECK(transport.try_read(buffer, ec).empty());
    CHECK_FALSE(ec);

    transport.wait_readable(remember());
    wire->end();
    context.settle();
    CHECK(outcome == error_code{});
    CHECK(transport.try_read(buffer, ec).empty());
    CHECK(ec == net::error::eof);

    transport.shutdown_send([](error_code) { FAIL("this stream says so at once"); });
    CHECK(wire->said_goodbye);
    transport.close();
    CHECK(wire->closed);
}

TEST_CASE_METHOD(memory_fixture,
                 "transport: without the fast path the read's buffer grows with what comes, and shrinks",
                 "[io][transport]") {
    auto transport = general();
    error_code ec;
    const auto read = [&] {
        transport.wait_readable(remember());
        context.settle();
        return transport.try_read(buffer, ec).size();
    };
    wire->deliver(std::string(300'000, 'x'));
    for (const std::size_t size : {128, 512, 2048, 8192, 32768, 65536, 65536}) CHECK(read() == size);
    while (wire->unread() != 0) read();
    wire->deliver(std::string(100, 'x'));
    CHECK(read() == 100);
    wire->deliver(std::string(1000, 'x'));
    CHECK(read() == 128);
    CHECK_FALSE(ec);
}

// ---- a type of one's own ----

namespace {

/// Nothing that Asio knows: a queue of another library's.
struct foreign_queue {
    std::string sent;
    bool closed = false, finished = false;
    std::function<void(error_code)> on_readable;
};

struct foreign_stream {
    using executor_type = net::io_context::executor_type;
    executor_type executor;
    std::shared_ptr<foreign_queue> shared;
};

static_assert(!weir::async_stream<foreign_stream>);

}  // namespace

template <>
class weir::transport<foreign_stream> {
public:
    explicit transport(foreign_stream&& stream) : stream_(std::move(stream)) {}

    foreign_stream& stream() noexcept { return stream_; }
    foreign_stream::executor_type get_executor() noexcept { return stream_.executor; }
    void prepare() noexcept {}
    std::size_t try_write(std::span<const bytes_view> pieces, error_code&) {
        for (const bytes_view piece : pieces) stream_.shared->sent += as_text(piece);
        return std::accumulate(pieces.begin(), pieces.end(), std::size_t{0},
                               [](std::size_t n, bytes_view piece) { return n + piece.size(); });
    }
    static std::size_t in_flight() noexcept { return 0; }
    template <class Handler>
    void wait_writable(Handler) {}
    template <class Handler>
    void wait_readable(Handler handler) {
        const auto kept = std::make_shared<Handler>(std::move(handler));
        stream_.shared->on_readable = [kept](error_code ec) { (*kept)(ec); };
    }
    mutable_bytes_view try_read(mutable_bytes_view, error_code& ec) noexcept {
        ec = net::error::eof;
        return {};
    }
    template <class Handler>
    void shutdown_send(Handler&&) noexcept {
        stream_.shared->finished = true;
    }
    void close() noexcept {
        stream_.shared->closed = true;
        stream_.shared->on_readable = {};
    }

private:
    foreign_stream stream_;
};

TEST_CASE("transport: specialised, a session runs on a type that Asio does not know", "[io][transport]") {
    test::virtual_context context;
    const auto shared = std::make_shared<foreign_queue>();
    weir::sse_stream out{foreign_stream{context.context().get_executor(), shared}, weir::no_heartbeat{}};
    CHECK(out.begin(weir::sse::framing::plain) == weir::error::none);
    CHECK(out.send({.data = "hello"}) == weir::error::none);
    context.settle();
    CHECK(shared->sent == "data: hello\n\n");

    SECTION("the peer goes") {
        std::optional<error_code> why;
        out.async_closed([&](error_code, error_code reason) { why = reason; });
        std::exchange(shared->on_readable, {})({});
        context.settle();
        REQUIRE(why);
        CHECK(*why == weir::error::peer_closed);
    }
    SECTION("this side ends it, and the peer does not answer") {
        out.close();
        context.settle();
        CHECK(shared->finished);
        CHECK_FALSE(shared->closed);
        context.pass(10s);
    }
    CHECK(shared->closed);
}

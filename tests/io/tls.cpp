// SPDX-License-Identifier: BSL-1.0

// Sessions over TLS: what an ordinary AsyncStream with a farewell of its own needs.

#include <weir/sse_stream.hpp>

#include WEIR_ASIO(buffer.hpp)
#include WEIR_ASIO(ip/tcp.hpp)
#include WEIR_ASIO(read.hpp)
#include WEIR_ASIO(ssl.hpp)

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "catch.hpp"
#include "support/certificate.hpp"
#include "support/virtual_context.hpp"

namespace {

using namespace std::chrono_literals;
namespace net = weir::net;
namespace ssl = net::ssl;
using net::ip::tcp;
using tls_stream = ssl::stream<tcp::socket>;
using weir::error;
using weir::error_code;

static_assert(weir::async_stream<tls_stream> && !weir::direct_stream<tls_stream>);
static_assert(weir::async_stream<ssl::stream<tcp::socket&>>);

/// A server's context with a key and a certificate made for this run.
ssl::context self_signed() {
    ssl::context context{ssl::context::tls_server};
    context.use_certificate_chain(net::buffer(test::any_certificate().text()));
    context.use_private_key(net::buffer(test::any_certificate().key()), ssl::context::pem);
    return context;
}

/// A client and a server's stream, hands shaken, on the clock of the test.
struct fixture {
    test::virtual_context context;
    ssl::context server_side = self_signed();
    ssl::context client_side{ssl::context::tls_client};
    tls_stream client{context.context(), client_side};
    std::optional<tls_stream> accepted;
    std::string received;
    std::optional<error_code> read_end, reason;
    int endings = 0;

    fixture() {
        tcp::acceptor acceptor{context.context(), {net::ip::make_address("127.0.0.1"), 0}};
        accepted.emplace(context.context(), server_side);
        client.next_layer().connect(acceptor.local_endpoint());
        acceptor.accept(accepted->next_layer());
        int shaken = 0;
        const auto count = [&](error_code ec) { ec ? throw weir::system_error{ec} : ++shaken; };
        accepted->async_handshake(ssl::stream_base::server, count);
        client.async_handshake(ssl::stream_base::client, count);
        run_until([&] { return shaken == 2; });
    }

    void run_until(const std::function<bool()>& done) {
        context.context().restart();
        while (!done()) context.context().run_one();
    }
    auto open() {
        auto out =
            weir::sse_stream{std::move(*accepted), weir::no_heartbeat{}, weir::wait{.max_bytes = 0, .max_messages = 0}};
        out.begin(weir::sse::framing::plain);
        out.async_closed([this](error_code, error_code why) {
            ++endings;
            reason = why;
        });
        return out;
    }
    void read_all() {
        net::async_read(client, net::dynamic_buffer(received), [this](error_code ec, std::size_t) { read_end = ec; });
    }
    void run_until_closed() {
        run_until([this] { return reason.has_value(); });
    }
};

}  // namespace

TEST_CASE_METHOD(fixture, "TLS: a stream that ends says so within TLS, and the client can tell", "[io][tls]") {
    auto out = open();
    out.send({.data = "one"});
    out.send({.data = "two"});
    out.close();
    read_all();
    run_until([&] { return read_end.has_value(); });
    CHECK(received == "data: one\n\ndata: two\n\n");
    CHECK(*read_end == net::error::eof);  // close_notify; without it: stream_truncated
    CHECK(*read_end == weir::condition::closed);
    CHECK(error_code{net::ssl::error::stream_truncated} == weir::condition::closed);
    CHECK_FALSE(reason);

    SECTION("the client answers in kind") {
        client.async_shutdown([](error_code) {});
    }
    SECTION("the client just closes") { client.next_layer().close(); }
    SECTION("the client does nothing, for as long as it may") {
        context.pass(4s);
        CHECK_FALSE(reason);
        context.pass(2s);
    }
    run_until_closed();
    CHECK_FALSE(*reason);
    CHECK(endings == 1);
}

TEST_CASE_METHOD(fixture, "TLS: a client that goes is noticed at once, and how it went", "[io][tls]") {
    auto out = open();
    out.send({.data = "x"});
    SECTION("in good order") {
        client.async_shutdown([](error_code) {});
        run_until_closed();
        CHECK(*reason == error::peer_closed);
    }
    SECTION("cutting the connection") {
        char buffer[64];
        bool read = false;
        client.async_read_some(net::buffer(buffer), [&](error_code, std::size_t) {
            read = true;
            client.next_layer().close();
        });
        run_until_closed();
        CHECK(read);
        CHECK(*reason == ssl::error::stream_truncated);
    }
    SECTION("resetting the connection") {
        client.next_layer().set_option(net::socket_base::linger{true, 0});
        client.next_layer().close();
        run_until_closed();
        // Which one depends on whether the read or the write is told of it.
        CHECK((*reason == net::error::connection_reset || *reason == net::error::broken_pipe ||
               *reason == ssl::error::stream_truncated));
    }
    CHECK_FALSE(out.is_open());
    CHECK(out.send({.data = "late"}) == error::closed);
    CHECK(context.idle());
}

TEST_CASE_METHOD(fixture, "TLS: sending while writes are under way interleaves nothing", "[io][tls]") {
    auto out = open();
    std::string expected;
    for (int i = 0; i != 2000; ++i) {
        const std::string text = std::to_string(i) + std::string(static_cast<std::size_t>(i), '.');
        CHECK(out.send({.data = text}) == error::none);
        expected += "data: " + text + "\n\n";
        if (i % 10 == 0) context.settle();
        if (i == 1000) read_all();
    }
    out.close();
    run_until([&] { return read_end.has_value(); });
    CHECK(received == expected);
    client.next_layer().close();
    run_until_closed();
    CHECK_FALSE(*reason);
}

TEST_CASE_METHOD(fixture, "TLS: ended at any moment, nothing is left behind", "[io][tls]") {
    {
        auto out = open();
        out.send({.data = std::string(10'000'000, 'x')});  // more than any buffer takes
        context.settle();
        CHECK(out.stats().blocked);
        SECTION("aborted") { out.abort(); }
        SECTION("stalled") { context.pass(31s); }
        SECTION("destroyed, and never read") {}
        SECTION("saying goodbye") {
            read_all();
            out.close();
            run_until([&] { return read_end.has_value(); });
            out.abort();
        }
    }
    context.pass(1min);
    CHECK(endings == 1);
    CHECK(context.idle());
}

TEST_CASE("TLS: a context that is destroyed takes its sessions with it", "[io][tls]") {
    int calls = 0;
    {
        auto f = std::make_unique<fixture>();
        auto out = std::make_shared<decltype(f->open())>(f->open());
        out->async_closed([out, &calls](error_code, error_code) { ++calls; });
        out->send({.data = std::string(10'000'000, 'x')});
        f->context.settle();
    }
    CHECK(calls == 0);
}

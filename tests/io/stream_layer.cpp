// SPDX-License-Identifier: BSL-1.0
#include <weir/io/stream_layer.hpp>

#include "catch.hpp"

#include WEIR_ASIO(io_context.hpp)
#include WEIR_ASIO(ip/tcp.hpp)

#include <array>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "support/scripted_layer.hpp"

using weir::as_bytes;
using weir::as_text;
using weir::bytes_view;
using weir::error_code;
using weir::detail::attempt;
using weir::detail::piece_gatherer;
using weir::net::ip::tcp;
namespace net = weir::net;

namespace {

std::vector<bytes_view> pieces_of(const std::vector<std::string>& texts) {
    std::vector<bytes_view> views;
    for (const std::string& text : texts) views.push_back(as_bytes(text));
    return views;
}

struct fixture {
    net::io_context context;
    tcp::socket socket{context, tcp::v4()};
    test::scripted_layer<tcp::socket> layer;
    std::array<std::byte, 8> buffer{};
    error_code ec;

    std::size_t write(const std::vector<std::string>& texts) { return layer.write_now(socket, pieces_of(texts), ec); }
    std::string read() { return std::string{as_text(layer.read_now(socket, buffer, ec))}; }
};

}  // namespace

TEST_CASE("layer: pieces are gathered up to the size of the buffer, and large ones are not copied",
          "[io][stream_layer]") {
    std::array<std::byte, 4> buffer{};
    const std::vector<std::string> texts{"a", "", "bcdef", "ghijklm", "n"};
    const auto pieces = pieces_of(texts);
    piece_gatherer left{pieces};
    std::vector<std::string> seen;
    for (bytes_view next = left.front(buffer); !next.empty(); next = left.front(buffer)) {
        seen.emplace_back(as_text(next));
        left.advance(next.size());
    }
    CHECK(seen == std::vector<std::string>{"abcd", "efgh", "ijkl", "mn"});

    const std::vector<std::string> large{"0123456789"};
    const auto one = pieces_of(large);
    const piece_gatherer whole{one};
    CHECK(whole.front(buffer).data() == one.front().data());
    CHECK(piece_gatherer{{}}.front(buffer).empty());
}

TEST_CASE_METHOD(fixture, "layer: what would block is kept, and nothing else is taken until it is written",
                 "[io][stream_layer]") {
    CHECK(write({"one", "two"}) == 6);
    CHECK(layer.kept() == 0);
    layer.blocked = true;
    CHECK(write({"three", "four"}) == 9);
    CHECK_FALSE(ec);
    CHECK(layer.kept() == 9);
    CHECK(write({"five"}) == 0);

    layer.write_kept(socket, ec);
    CHECK(layer.kept() == 9);
    CHECK(layer.write_until() == tcp::socket::wait_write);
    layer.blocked = false;
    layer.write_kept(socket, ec);
    CHECK_FALSE(ec);
    CHECK(layer.kept() == 0);
    CHECK(write({"five"}) == 4);
    CHECK(layer.written == "onetwothreefourfive");
}

TEST_CASE_METHOD(fixture, "layer: of a large write the pieces that fit are taken, and one more", "[io][stream_layer]") {
    constexpr std::size_t piece = 16 * 1024;
    layer.room = 2 * piece;
    const std::string large(10 * piece, 'x');
    CHECK(write({large}) == 3 * piece);
    CHECK(layer.kept() == piece);
    CHECK(layer.written.size() == 2 * piece);
    layer.room = 100;  // a layer may take a part
    layer.write_kept(socket, ec);
    CHECK(layer.kept() == piece - 100);
}

TEST_CASE_METHOD(fixture, "layer: a write may have to wait for the peer to be read", "[io][stream_layer]") {
    layer.blocked = true;
    layer.until = tcp::socket::wait_read;
    CHECK(write({"x"}) == 1);
    CHECK(layer.write_until() == tcp::socket::wait_read);
}

TEST_CASE_METHOD(fixture, "layer: what was written before a failure is told, and the failure after it",
                 "[io][stream_layer]") {
    constexpr std::size_t piece = 16 * 1024;
    layer.room = piece;
    layer.failure_behind_room = net::error::connection_reset;
    CHECK(write({std::string(3 * piece, 'x')}) == piece);
    CHECK_FALSE(ec);
    CHECK(layer.kept() == 0);
    CHECK(write({"y"}) == 0);
    CHECK(ec == net::error::connection_reset);
}

TEST_CASE_METHOD(fixture, "layer: a failed write takes nothing, and keeps nothing", "[io][stream_layer]") {
    layer.failure = net::error::broken_pipe;
    CHECK(write({"x"}) == 0);
    CHECK(ec == net::error::broken_pipe);
    layer.failure = {};
    layer.blocked = true;
    CHECK(write({"x"}) == 1);
    layer.blocked = false;
    layer.failure = net::error::broken_pipe;
    layer.write_kept(socket, ec);
    CHECK(ec == net::error::broken_pipe);
    CHECK(layer.kept() == 0);
}

TEST_CASE_METHOD(fixture, "layer: a read takes all there is, and knows whether that was all", "[io][stream_layer]") {
    CHECK_FALSE(layer.read_dry());
    layer.incoming = {"ab", "cd"};
    CHECK(read() == "abcd");
    CHECK_FALSE(ec);
    CHECK(layer.read_dry());
    CHECK(layer.read_until() == tcp::socket::wait_read);

    layer.incoming = {"0123", "4567", "89"};
    CHECK(read() == "01234567");
    CHECK_FALSE(layer.read_dry());
    CHECK(read() == "89");
    CHECK(layer.read_dry());

    layer.reads_until = tcp::socket::wait_write;
    CHECK(read().empty());
    CHECK_FALSE(ec);
    CHECK(layer.read_until() == tcp::socket::wait_write);
}

TEST_CASE_METHOD(fixture, "layer: bytes come first, the end behind them next time", "[io][stream_layer]") {
    layer.incoming = {"last"};
    layer.failure = net::error::eof;
    CHECK(read() == "last");
    CHECK_FALSE(ec);
    CHECK_FALSE(layer.read_dry());
    CHECK(read().empty());
    CHECK(ec == net::error::eof);
}

TEST_CASE_METHOD(fixture, "layer: reading and writing nothing is done at once", "[io][stream_layer]") {
    layer.failure = net::error::eof;
    CHECK_FALSE(layer.try_read(socket, {}).ec);
    CHECK_FALSE(layer.try_write(socket, {}).ec);
    CHECK(write({}) == 0);
    CHECK(write({"", ""}) == 0);
    CHECK_FALSE(ec);
}

TEST_CASE_METHOD(fixture, "layer: what comes before the first byte may wait, or fail, like all else",
                 "[io][stream_layer]") {
    layer.blocked = true;
    CHECK(layer.try_open(socket).is_blocked());
    CHECK_FALSE(layer.opened);
    layer.blocked = false;
    CHECK_FALSE(layer.try_open(socket).ec);
    CHECK(layer.opened);
    layer.failure = net::error::connection_reset;
    CHECK(layer.try_open(socket).ec == net::error::connection_reset);
}

// SPDX-License-Identifier: BSL-1.0

// Compression through a WebSocket stream, negotiated and not.

#include <weir/deflate.hpp>
#include <weir/ws_stream.hpp>

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "support/memory_link.hpp"
#include "support/memory_stream.hpp"
#include "support/virtual_context.hpp"
#include "support/ws_fixture.hpp"

namespace {

using namespace std::chrono_literals;
using stream = test::direct_memory_stream<>;
using weir::deflate_frames;
using weir::error;
using weir::error_code;
using weir::ws_close_code;
using weir::ws_message;
using weir::ws_stream;

const deflate_frames with_history{.negotiation = {}};

std::string json(int i) { return R"({"event":"price","symbol":"EURUSD","bid":1.0)" + std::to_string(i) + "}"; }

/// A server and a client that compress, or not.
template <class ServerFraming, class ClientFraming>
struct pair {
    test::virtual_context context;
    test::memory_link link;
    ws_stream<stream, ServerFraming> server;
    ws_stream<stream, ClientFraming> client;
    std::vector<std::string> at_server, at_client;
    std::optional<error_code> server_end, client_end;

    pair(ServerFraming s, ClientFraming c)
        : server{stream{context.context(), link.left}, s}, client{stream{context.context(), link.right}, c} {}

    void connect() {
        std::optional<error_code> accepted, connected;
        server.async_accept({}, 10s, [&](error_code ec) { accepted = ec; });
        client.async_handshake("test", "/", {}, [&](error_code ec) { connected = ec; });
        run();
        REQUIRE(accepted == error_code{});
        REQUIRE(connected == error_code{});
        server.on_message([this](ws_message m) { at_server.emplace_back(m.text()); });
        client.on_message([this](ws_message m) { at_client.emplace_back(m.text()); });
        server.on_close([this](error_code why) { server_end = why; });
        client.on_close([this](error_code why) { client_end = why; });
    }
    void run(std::size_t piece = test::wire::unlimited) { link.run(context, piece); }
};

}  // namespace

TEST_CASE("compression: used when both sides want it", "[ws_stream][deflate]") {
    const std::string text(10'000, 'x');
    const auto check = [&](auto& ends, bool compressed) {
        ends.connect();
        CHECK(ends.server.compresses() == compressed);
        CHECK(ends.client.compresses() == compressed);
        ends.link.left->written.reserve(1 << 20);
        const std::size_t before = ends.link.left->written.size();
        CHECK(ends.server.send(text) == error::none);
        CHECK(ends.client.send(text) == error::none);
        ends.run();
        CHECK(ends.at_client == std::vector<std::string>{text});
        CHECK(ends.at_server == std::vector<std::string>{text});
        CHECK((ends.link.left->written.size() - before < 1000) == compressed);
    };
    SECTION("both") {
        pair ends{deflate_frames{}, deflate_frames{}};
        check(ends, true);
    }
    SECTION("the server alone") {
        pair ends{deflate_frames{}, weir::plain_frames{}};
        check(ends, false);
    }
    SECTION("the client alone") {
        pair ends{weir::plain_frames{}, deflate_frames{}};
        check(ends, false);
    }
}

TEST_CASE("compression: messages of all kinds, in any pieces, with and without a history", "[ws_stream][deflate]") {
    const deflate_frames framing = GENERATE(deflate_frames{}, with_history);
    const std::size_t piece = GENERATE(std::size_t{1}, std::size_t{7}, test::wire::unlimited);
    pair ends{framing, framing};
    ends.connect();
    REQUIRE(ends.server.compresses());
    std::vector<std::string> sent;
    for (int i = 0; i != 50; ++i) {
        sent.push_back(i % 7 == 0 ? std::string{} : json(i) + std::string(static_cast<std::size_t>(i) * 20, ' '));
        CHECK(ends.server.send(sent.back()) == error::none);
        CHECK(ends.client.send(sent.back()) == error::none);
        if (i % 3 == 0) ends.run(piece);
    }
    ends.run(piece);
    CHECK(ends.at_client == sent);
    CHECK(ends.at_server == sent);
    ends.client.close(ws_close_code::normal);
    ends.run(piece);
    CHECK(ends.server_end == error_code{});
    CHECK(ends.client_end == error_code{});
}

TEST_CASE("compression: a message in pieces, and a prepared one", "[ws_stream][deflate]") {
    pair ends{with_history, with_history};
    ends.connect();
    const weir::ws_prepared_message prepared{json(1) + std::string(500, ' ')};
    CHECK(ends.server.send(prepared) == error::none);
    for (int i = 0; i != 5; ++i) {
        ends.server.async_send_some({json(i), false, i == 4}, [](error_code ec) { CHECK_FALSE(ec); });
        ends.run();
    }
    CHECK(ends.server.send(prepared) == error::none);
    ends.run();
    const std::string text{prepared.message().text()};
    CHECK(ends.at_client == std::vector<std::string>{text, json(0) + json(1) + json(2) + json(3) + json(4), text});
}

TEST_CASE("compression: what a slow reader misses does not spoil what it gets", "[ws_stream][deflate]") {
    test::virtual_context context;
    test::memory_link link;
    ws_stream server{stream{context.context(), link.left}, with_history, weir::drop_oldest{.max_messages = 3}};
    ws_stream client{stream{context.context(), link.right}, with_history};
    server.async_accept({}, 10s, [](error_code ec) { CHECK_FALSE(ec); });
    client.async_handshake("test", "/", {}, [](error_code ec) { CHECK_FALSE(ec); });
    link.run(context);
    std::vector<std::string> seen;
    client.on_message([&](ws_message m) { seen.emplace_back(m.text()); });
    const auto padded = [](int i) { return json(i) + std::string(200, ' '); };
    for (int round = 0; round != 5; ++round) {
        CHECK(server.send(padded(100)) == error::none);
        link.run(context);
        link.left->room = 10;  // the next one goes out in part
        for (int i = 0; i != 10; ++i) CHECK(server.send(padded(i)) == error::none);
        context.settle();
        link.left->make_room(test::wire::unlimited);
        link.run(context);
        CHECK(seen.back() == padded(9));
    }
    CHECK(server.stats().dropped.oldest > 0);
    CHECK(client.is_open());
}

TEST_CASE("compression: a bomb is noticed by what it becomes, not by what it is", "[ws_stream][deflate]") {
    pair ends{deflate_frames{}, deflate_frames{}};
    ends.server.limits({.max_message_bytes = 100'000});
    ends.connect();
    CHECK(ends.client.send(std::string(100'000, 'x')) == error::none);
    ends.run();
    CHECK(ends.at_server.size() == 1);
    CHECK(ends.client.send(std::string(100'001, 'x')) == error::none);
    ends.run();
    CHECK(*ends.server_end == error::message_too_large);
    CHECK(ends.client.close_reason().code == ws_close_code::message_too_big);
}

TEST_CASE("compression: what cannot be inflated is answered with 1007", "[ws_stream][deflate]") {
    test::virtual_context context;
    const auto wire = std::make_shared<test::wire>();
    ws_stream ws{stream{context.context(), wire}, deflate_frames{}, weir::no_heartbeat{}};
    CHECK(ws.begin(weir::ws::role::server, test::frame{.payload = "\xff\xff\xff", .reserved = 4}.from_client(),
                   weir::ws::deflate_agreement{}) == error::none);
    std::optional<error_code> why;
    ws.on_close([&](error_code reason) { why = reason; });
    context.settle();
    const auto said = test::read_frames(wire->written, weir::ws::role::client);
    REQUIRE(said.size() == 1);
    CHECK(said[0].code == ws_close_code::invalid_payload);
    wire->end();
    context.settle();
    CHECK(*why == error::bad_deflate);
}

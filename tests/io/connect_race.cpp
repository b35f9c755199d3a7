// SPDX-License-Identifier: BSL-1.0
#include <weir/io/connect_race.hpp>

#include "catch.hpp"

#include WEIR_CANCELLATION(bind_cancellation_slot.hpp)
#include WEIR_CANCELLATION(cancellation_signal.hpp)
#include WEIR_ASIO(io_context.hpp)

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "support/black_hole.hpp"
#include "support/virtual_context.hpp"

namespace {

using namespace std::chrono_literals;
using weir::error_code;
using weir::detail::async_connect_race;
using weir::detail::endpoint_list;
using weir::detail::interleave;
namespace cancellation = weir::detail::cancellation;
namespace net = weir::net;
using net::ip::tcp;

/// "4a 4b 6a": family and a letter, as endpoints.
endpoint_list endpoints_of(const std::string& text) {
    endpoint_list list;
    for (std::size_t at = 0; at < text.size(); at += 3) {
        const auto port = static_cast<std::uint16_t>(text[at + 1]);
        list.emplace_back(text[at] == '6' ? tcp::v6() : tcp::v4(), port);
    }
    return list;
}
std::string text_of(const endpoint_list& list) {
    std::string text;
    for (const auto& one : list) {
        if (!text.empty()) text += ' ';
        text += one.protocol() == tcp::v6() ? '6' : '4';
        text += static_cast<char>(one.port());
    }
    return text;
}

/// A race on the clock of the test, between real sockets on this machine.
struct fixture {
    cancellation::cancellation_signal signal;  // outlives what may be cancelled
    test::virtual_context context;
    tcp::acceptor listener{context.context(), {net::ip::address_v4::loopback(), 0}};
    tcp::acceptor other{context.context(), {net::ip::address_v4::loopback(), 0}};
    test::black_hole hole{context.context()}, second_hole{context.context()};
    std::optional<error_code> outcome;
    std::optional<tcp::socket> connected;

    tcp::endpoint open() const { return listener.local_endpoint(); }
    tcp::endpoint also_open() const { return other.local_endpoint(); }
    tcp::endpoint refusing() {
        tcp::acceptor gone{context.context(), {net::ip::address_v4::loopback(), 0}};
        return gone.local_endpoint();
    }
    // No packet leaves for it: nothing has such an address.
    static tcp::endpoint unreachable() { return {net::ip::make_address("255.255.255.255"), 9}; }

    void race(const endpoint_list& endpoints, weir::milliseconds delay = 250ms) {
        async_connect_race(
            context.context().get_executor(), endpoints, delay,
            cancellation::bind_cancellation_slot(signal.slot(), [this](error_code ec, tcp::socket socket) {
                outcome = ec;
                connected = std::move(socket);
            }));
    }
    void run() {
        context.context().restart();
        while (!outcome) context.context().run_one();
    }
    bool is_connected_to(const tcp::endpoint& to) { return connected && connected->remote_endpoint() == to; }
};

}  // namespace

TEST_CASE("RFC 8305 4: the families take turns, beginning with the system's first", "[io][connect_race]") {
    const auto mixed = [](const std::string& text) { return text_of(interleave(endpoints_of(text))); };
    CHECK(mixed("") == "");
    CHECK(mixed("4a") == "4a");
    CHECK(mixed("6a 6b 6c 4d 4e") == "6a 4d 6b 4e 6c");
    CHECK(mixed("4a 4b 6c") == "4a 6c 4b");
    CHECK(mixed("6a 4b 6c 4d") == "6a 4b 6c 4d");
    CHECK(mixed("6a 4b 4c 4d") == "6a 4b 4c 4d");
}

TEST_CASE_METHOD(fixture, "race: the first address that accepts is connected, never within the call",
                 "[io][connect_race]") {
    race({open(), also_open()});
    CHECK_FALSE(outcome);
    run();
    CHECK_FALSE(*outcome);
    CHECK(is_connected_to(open()));
    CHECK(context.idle());
}

TEST_CASE_METHOD(fixture, "race: an address that refuses is passed over at once", "[io][connect_race]") {
    race({refusing(), refusing(), open()});
    run();  // no time passes
    CHECK_FALSE(*outcome);
    CHECK(is_connected_to(open()));
    CHECK(context.now() == 0ms);
}

TEST_CASE_METHOD(fixture, "RFC 8305 5: an address that does not answer costs the delay, and no more",
                 "[io][connect_race]") {
    race({hole.endpoint(), open()});
    context.pass(249ms);
    CHECK_FALSE(outcome);
    context.pass(2ms);
    run();
    CHECK_FALSE(*outcome);
    CHECK(is_connected_to(open()));
    CHECK(context.idle());  // the other attempt has been given up
}

TEST_CASE_METHOD(fixture, "race: each address waits for the one before it", "[io][connect_race]") {
    race({hole.endpoint(), second_hole.endpoint(), open()}, 100ms);
    context.pass(199ms);
    CHECK_FALSE(outcome);
    context.pass(2ms);
    run();
    CHECK(is_connected_to(open()));
}

TEST_CASE_METHOD(fixture, "race: what fails later does not end the race for those under way", "[io][connect_race]") {
    race({hole.endpoint(), refusing()});
    context.pass(10s);
    CHECK_FALSE(outcome);  // the first may answer yet
    signal.emit(cancellation::cancellation_type::terminal);
    run();
    CHECK(*outcome == net::error::operation_aborted);
}

TEST_CASE_METHOD(fixture, "race: without a delay the next address waits for a failure", "[io][connect_race]") {
    SECTION("which comes") {
        race({refusing(), open()}, 0ms);
        run();
        CHECK(is_connected_to(open()));
    }
    SECTION("which does not come") {
        race({hole.endpoint(), open()}, 0ms);
        context.pass(1h);
        CHECK_FALSE(outcome);
    }
}

TEST_CASE_METHOD(fixture, "race: when all fail, the error is the one that tells most", "[io][connect_race]") {
    SECTION("all refuse") {
        race({refusing(), refusing()});
        run();
        CHECK(*outcome == net::error::connection_refused);
    }
    SECTION("one refuses, to another no packet goes out") {
        const bool first = GENERATE(true, false);
        race(first ? endpoint_list{unreachable(), refusing()} : endpoint_list{refusing(), unreachable()});
        run();
        CHECK(*outcome == net::error::connection_refused);
    }
    SECTION("no packet goes out at all") {
        race({unreachable()});
        run();
        CHECK(*outcome);
    }
    SECTION("there are none") {
        race({});
        CHECK_FALSE(outcome);
        run();
        CHECK(*outcome == net::error::host_not_found);
    }
    CHECK_FALSE(connected->is_open());
    CHECK(context.idle());
}

TEST_CASE_METHOD(fixture, "race: a cancelled race ends at once, and leaves nothing open", "[io][connect_race]") {
    const auto begin = [&] { race({refusing(), hole.endpoint(), second_hole.endpoint(), open()}); };
    SECTION("before anything has happened") { begin(); }
    SECTION("with one attempt under way") {
        begin();
        context.settle();
    }
    SECTION("with two") {
        begin();
        context.pass(251ms);
    }
    SECTION("when an address has accepted, and nobody knows yet") { race({open()}); }
    SECTION("when the next attempt is due, and has not begun") {
        begin();
        context.settle();
        context.loop().advance_to(context.loop().now() + 1s);
    }
    signal.emit(cancellation::cancellation_type::terminal);
    CHECK_FALSE(outcome);
    context.settle();
    REQUIRE(outcome);
    CHECK(*outcome == net::error::operation_aborted);
    CHECK_FALSE(connected->is_open());
    CHECK(context.idle());
}

TEST_CASE("race: a race goes with its context, uncalled, at every step", "[io][connect_race]") {
    auto life = std::make_shared<int>();
    const std::weak_ptr<int> watch = life;
    bool called = false;
    const int steps = GENERATE(0, 1, 2, 3);
    {
        fixture f;
        async_connect_race(f.context.context().get_executor(),
                           {f.refusing(), f.hole.endpoint(), f.second_hole.endpoint()}, 250ms,
                           [&called, life = std::move(life)](error_code, const tcp::socket&) { called = true; });
        if (steps > 0) f.context.settle();
        if (steps > 1) f.context.pass(251ms);
        if (steps > 2) f.context.loop().advance_to(f.context.loop().now() + 1s);
        CHECK_FALSE(watch.expired());
    }
    CHECK(watch.expired());
    CHECK_FALSE(called);
}

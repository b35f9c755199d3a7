// SPDX-License-Identifier: BSL-1.0

#include <weir/io/deadline.hpp>

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>

#include "catch.hpp"
#include "support/memory_stream.hpp"
#include "support/virtual_context.hpp"

#include WEIR_ASIO(buffer.hpp)
#include WEIR_ASIO(write.hpp)

namespace {

using namespace std::chrono_literals;
namespace net = weir::net;

struct fixture {
    test::virtual_context context;
    std::shared_ptr<test::wire> wire = std::make_shared<test::wire>();
    test::direct_memory_stream<> stream{context.context(), wire};
    weir::detail::deadline<test::direct_memory_stream<>> deadline{stream};
    char buffer[16] = {};
    std::optional<weir::error_code> outcome;

    void read() {
        outcome.reset();
        stream.async_read_some(net::buffer(buffer), [this](weir::error_code ec, std::size_t) { outcome = ec; });
        context.settle();
    }
};

}  // namespace

TEST_CASE_METHOD(fixture, "deadline: what takes too long is cancelled", "[io][deadline]") {
    deadline.set(10s);
    read();
    context.pass(10s - 1ms);
    CHECK_FALSE(deadline.expired());
    CHECK_FALSE(outcome);
    context.pass(2ms);
    CHECK(deadline.expired());
    REQUIRE(outcome);
    CHECK(*outcome == net::error::operation_aborted);
}

TEST_CASE_METHOD(fixture, "deadline: setting it again starts anew", "[io][deadline]") {
    deadline.set(10s);
    read();
    context.pass(9s);
    deadline.set(10s);
    context.pass(9s);
    CHECK_FALSE(outcome);
    context.pass(2s);
    CHECK(outcome);
    CHECK(deadline.expired());
    deadline.set(10s);
    CHECK_FALSE(deadline.expired());
}

TEST_CASE_METHOD(fixture, "deadline: cleared, or of zero, it never passes", "[io][deadline]") {
    deadline.set(10s);
    SECTION("cleared") { deadline.clear(); }
    SECTION("zero") { deadline.set(0s); }
    CHECK(context.loop().next_due() == weir::never);
    read();
    context.pass(24h);
    CHECK_FALSE(deadline.expired());
    CHECK_FALSE(outcome);
    wire->cancel();
    context.settle();
}

TEST_CASE_METHOD(fixture, "deadline: what starts after it has passed is cancelled as well", "[io][deadline]") {
    deadline.set(1s);
    context.pass(2s);
    CHECK(deadline.expired());
    read();
    CHECK_FALSE(outcome);
    context.pass(1s);
    CHECK(outcome);
}

// The first step has completed, and the second has not begun: there is nothing to cancel at that moment.
TEST_CASE_METHOD(fixture, "deadline: it cannot fall between the steps of one operation", "[io][deadline]") {
    wire->room = 4;
    deadline.set(1s);
    context.loop().advance_to(context.loop().now() + 2s);
    net::async_write(stream, net::buffer(std::string_view{"12345678"}),
                     [this](weir::error_code ec, std::size_t) { outcome = ec; });
    context.settle();
    CHECK(deadline.expired());
    CHECK_FALSE(outcome);
    context.pass(1s);
    REQUIRE(outcome);
    CHECK(*outcome == net::error::operation_aborted);
    CHECK(wire->written == "1234");
}

TEST_CASE("deadline: it goes with its owner", "[io][deadline]") {
    test::virtual_context context;
    const auto wire = std::make_shared<test::wire>();
    test::direct_memory_stream stream{context.context(), wire};
    std::optional<weir::detail::deadline<test::direct_memory_stream<>>> deadline{std::in_place, stream};
    deadline->set(1s);
    deadline.reset();
    CHECK(context.loop().next_due() == weir::never);
    context.pass(2s);
}

TEST_CASE("deadline: told of on the stream's executor, and not when it was cleared or set again meanwhile",
          "[io][deadline]") {
    test::virtual_context context;
    const auto wire = std::make_shared<test::wire>();
    test::direct_memory_stream stream{context.context(), wire};
    std::optional<weir::detail::deadline<test::direct_memory_stream<>>> deadline{std::in_place, stream};
    std::optional<weir::error_code> outcome;
    char buffer[16] = {};
    stream.async_read_some(net::buffer(buffer), [&](weir::error_code ec, std::size_t) { outcome = ec; });
    deadline->set(1s);
    context.loop().advance_to(context.loop().now() + 2s);  // as another thread would, outside the executor
    CHECK_FALSE(deadline->expired());
    SECTION("cleared") { deadline->clear(); }
    SECTION("set again") { deadline->set(1h); }
    SECTION("gone") { deadline.reset(); }
    context.settle();
    CHECK_FALSE(outcome);
    if (deadline) CHECK_FALSE(deadline->expired());
    wire->cancel();
    context.settle();
}

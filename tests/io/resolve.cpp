// SPDX-License-Identifier: BSL-1.0
#include <weir/io/resolve.hpp>

#include "catch.hpp"

#include WEIR_CANCELLATION(bind_cancellation_slot.hpp)
#include WEIR_CANCELLATION(cancellation_signal.hpp)
#include WEIR_ASIO(io_context.hpp)

#include <memory>
#include <optional>
#include <string>
#include <utility>

namespace {

using weir::error_code;
using weir::detail::async_resolve;
using weir::detail::endpoint_list;
namespace cancellation = weir::detail::cancellation;
namespace net = weir::net;

struct fixture {
    cancellation::cancellation_signal signal;  // outlives what may be cancelled
    net::io_context context;
    std::optional<error_code> outcome;
    endpoint_list found;
    int calls = 0;

    void resolve(const std::string& host) {
        async_resolve(
            context.get_executor(), host, 8080,
            cancellation::bind_cancellation_slot(signal.slot(), [this](error_code ec, endpoint_list endpoints) {
                outcome = ec;
                found = std::move(endpoints);
                ++calls;
            }));
    }
};

}  // namespace

TEST_CASE_METHOD(fixture, "resolve: an address is its own answer, and never within the call", "[io][resolve]") {
    const std::string host = GENERATE(as<std::string>{}, "127.0.0.1", "192.0.2.7", "::1", "2001:db8::7");
    resolve(host);
    CHECK_FALSE(outcome);
    context.poll();
    CHECK(outcome == error_code{});
    CHECK(found == endpoint_list{{net::ip::make_address(host), 8080}});
}

TEST_CASE_METHOD(fixture, "resolve: a name has the addresses that the system gives it", "[io][resolve]") {
    resolve("localhost");
    context.run();
    CHECK(outcome == error_code{});
    REQUIRE_FALSE(found.empty());
    for (const auto& endpoint : found) {
        CHECK(endpoint.address().is_loopback());
        CHECK(endpoint.port() == 8080);
    }
}

TEST_CASE_METHOD(fixture, "resolve: what is no name is not found", "[io][resolve]") {
    resolve("no name at all");
    context.run();
    REQUIRE(outcome);
    CHECK(*outcome);
    CHECK(found.empty());
}

TEST_CASE_METHOD(fixture, "resolve: a cancellation is answered at once, and the system's answer dropped",
                 "[io][resolve]") {
    // Nothing has run yet that could have taken the system's answer.
    resolve("localhost");
    signal.emit(cancellation::cancellation_type::terminal);
    CHECK_FALSE(outcome);
    context.run();
    REQUIRE(outcome);
    CHECK(*outcome == net::error::operation_aborted);
    CHECK(found.empty());
    CHECK(calls == 1);
}

TEST_CASE("resolve: a question goes with its context, uncalled", "[io][resolve]") {
    auto life = std::make_shared<int>();
    const std::weak_ptr<int> watch = life;
    bool called = false;
    {
        net::io_context context;
        async_resolve(context.get_executor(), GENERATE(as<std::string>{}, "localhost", "127.0.0.1"), 80,
                      [&called, life = std::move(life)](error_code, const endpoint_list&) { called = true; });
    }
    CHECK(watch.expired());
    CHECK_FALSE(called);
}

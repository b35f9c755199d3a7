// SPDX-License-Identifier: BSL-1.0

#include <weir/server/ready_handler.hpp>

#include "catch.hpp"

#include <array>
#include <memory>
#include <utility>

#include "support/errc.hpp"

using weir::error_code;
using weir::detail::ready_handler;

namespace {

const error_code some_error = test::code_of(std::errc::timed_out);

}  // namespace

TEST_CASE("ready handler: is called once, with the error, and is empty then", "[server][ready_handler]") {
    int calls = 0;
    error_code seen;
    ready_handler handler{[&](error_code ec) {
        ++calls;
        seen = ec;
    }};
    REQUIRE(handler);
    handler(some_error);
    CHECK(calls == 1);
    CHECK(seen == some_error);
    CHECK_FALSE(handler);
}

TEST_CASE("ready handler: an empty one is false", "[server][ready_handler]") { CHECK_FALSE(ready_handler{}); }

TEST_CASE("ready handler: small and large handlers can be moved, and are destroyed once", "[server][ready_handler]") {
    const auto token = std::make_shared<int>(0);
    const auto small = [p = token.get()](error_code) { ++*p; };
    const auto large = [token, padding = std::array<char, 100>{}](error_code) { *token += 1 + padding[0]; };
    static_assert(sizeof small <= sizeof(void*) && sizeof large > sizeof(void*));
    {
        ready_handler a{small}, b{large};
        CHECK(token.use_count() == 3);
        ready_handler c{std::move(a)}, d;
        CHECK_FALSE(a);
        d = std::move(b);
        CHECK_FALSE(b);
        c({});
        d({});
        CHECK(*token == 2);
        CHECK(token.use_count() == 2);
    }
    CHECK(token.use_count() == 2);
}

TEST_CASE("ready handler: one that is not called is destroyed", "[server][ready_handler]") {
    auto token = std::make_shared<int>(0);
    {
        const ready_handler kept{[token](error_code) {}};
        ready_handler replaced{[token](error_code) {}};
        CHECK(token.use_count() == 3);
        replaced = ready_handler{};
        CHECK(token.use_count() == 2);
    }
    CHECK(token.use_count() == 1);
}

TEST_CASE("ready handler: takes handlers that can only be moved, and may be replaced while it runs",
          "[server][ready_handler]") {
    int sum = 0;
    ready_handler handler;
    handler = ready_handler{[&, n = std::make_unique<int>(1)](error_code) {
        sum += *n;
        handler = ready_handler{[&](error_code) { sum += 10; }};
    }};
    handler({});
    REQUIRE(handler);
    handler({});
    CHECK(sum == 11);
}

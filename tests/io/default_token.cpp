// SPDX-License-Identifier: BSL-1.0

#include <weir/io/default_token.hpp>

#include WEIR_ASIO(any_io_executor.hpp)
#include WEIR_ASIO(io_context.hpp)
#include WEIR_ASIO(strand.hpp)
#include WEIR_ASIO(use_future.hpp)

#include <concepts>

#include "catch.hpp"

namespace {

namespace net = weir::net;
using weir::detail::default_token;

struct futures_executor : net::io_context::executor_type {
    using default_completion_token_type = net::use_future_t<>;
};

}  // namespace

TEST_CASE("default token: an awaitable, unless the executor asks for something else", "[io][tokens]") {
    STATIC_REQUIRE(std::same_as<default_token<net::io_context::executor_type>, net::use_awaitable_t<>>);
    STATIC_REQUIRE(std::same_as<default_token<net::any_io_executor>, net::use_awaitable_t<>>);
    STATIC_REQUIRE(std::same_as<default_token<net::strand<net::any_io_executor>>, net::use_awaitable_t<>>);
    STATIC_REQUIRE(std::same_as<default_token<futures_executor>, net::use_future_t<>>);
    using bound = net::use_awaitable_t<>::executor_with_default<net::any_io_executor>;
    STATIC_REQUIRE(std::same_as<default_token<bound>, net::use_awaitable_t<>>);
}

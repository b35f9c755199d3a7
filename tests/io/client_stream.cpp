// SPDX-License-Identifier: BSL-1.0
#include <weir/io/client_stream.hpp>

#include "catch.hpp"

#include WEIR_ASIO(io_context.hpp)

#include <memory>
#include <string>
#include <type_traits>

#include "support/scripted_layer.hpp"

// What it does is in tests/io/layered_stream.cpp.

using weir::detail::client_layer;
using weir::detail::client_stream;
using tcp_socket = weir::net::ip::tcp::socket;

static_assert(weir::async_stream<client_stream> && !weir::direct_stream<client_stream>);
static_assert(std::is_same_v<client_stream::executor_type, weir::net::any_io_executor>);

TEST_CASE("client_stream: it begins unconnected, and gets the layer of the host it is for", "[io][client_stream]") {
    struct : weir::detail::client_layer_factory {
        std::unique_ptr<client_layer> make(const std::string& host) const override {
            return host == "secret" ? std::make_unique<test::scripted_layer<tcp_socket>>() : nullptr;
        }
    } const factory;
    weir::net::io_context context;
    client_stream stream{context.get_executor()};
    CHECK_FALSE(stream.lowest_layer().is_open());
    stream.set_layer(factory.make("plain"));
    CHECK_FALSE(stream.is_secure());
    stream.set_layer(factory.make("secret"));
    CHECK(stream.is_secure());
}

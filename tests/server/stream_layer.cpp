// SPDX-License-Identifier: BSL-1.0
#include <weir/server/stream_layer.hpp>

#include "catch.hpp"

#include <memory>
#include <type_traits>

#include "support/scripted_layer.hpp"

using weir::detail::server_socket;
using weir::detail::stream_layer;

static_assert(std::is_base_of_v<stream_layer, test::scripted_layer<server_socket>>);

TEST_CASE("stream_layer: a listener's connections get one layer each", "[server][stream_layer]") {
    struct : weir::detail::layer_factory {
        std::unique_ptr<stream_layer> make() const override {
            return std::make_unique<test::scripted_layer<server_socket>>();
        }
    } const factory;
    CHECK(factory.make() != factory.make());
}

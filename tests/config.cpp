// SPDX-License-Identifier: BSL-1.0

#include <weir/config.hpp>

#include "catch.hpp"

#include <string>
#include <string_view>
#include <type_traits>

#include WEIR_ASIO(error.hpp)
#include WEIR_ASIO(version.hpp)

TEST_CASE("config: weir::error_code is the error_code of the chosen Asio", "[config]") {
    STATIC_REQUIRE(std::is_same_v<weir::error_code, weir::net::error_code>);
    STATIC_REQUIRE(std::is_same_v<weir::system_error, weir::net::system_error>);

    const weir::error_code ec = weir::net::error::eof;
    CHECK(static_cast<bool>(ec));
    CHECK(ec != weir::net::error::operation_aborted);
}

TEST_CASE("config: without a word about Boost it is standalone Asio and <system_error>", "[config]") {
    STATIC_REQUIRE(std::is_same_v<weir::error_code, std::error_code>);
    STATIC_REQUIRE(std::is_same_v<weir::error_condition, std::error_condition>);
    STATIC_REQUIRE(std::is_same_v<weir::error_category, std::error_category>);
    STATIC_REQUIRE(std::is_same_v<weir::system_error, std::system_error>);
}

TEST_CASE("config: Asio is no older than the floor of the design", "[config]") { CHECK(ASIO_VERSION >= 102200); }

TEST_CASE("config: the version in the header is the one of the package", "[config]") {
    const auto version = std::to_string(WEIR_VERSION_MAJOR) + '.' + std::to_string(WEIR_VERSION_MINOR) + '.' +
                         std::to_string(WEIR_VERSION_PATCH);
    CHECK(version == WEIR_PACKAGE_VERSION);
}

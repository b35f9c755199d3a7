// SPDX-License-Identifier: BSL-1.0

#include <weir/config.hpp>

#include "catch.hpp"

#include <string>
#include <string_view>
#include <type_traits>

#include WEIR_ASIO(error.hpp)
#include WEIR_ASIO(ip/address.hpp)
#include WEIR_ASIO(version.hpp)

TEST_CASE("config: weir::error_code is the error_code of the chosen Asio", "[config]") {
    STATIC_REQUIRE(std::is_same_v<weir::error_code, decltype(make_error_code(weir::net::error::eof))>);
    CHECK_THROWS_AS(weir::net::ip::make_address("nowhere"), weir::system_error);

    const weir::error_code ec = weir::net::error::eof;
    CHECK(static_cast<bool>(ec));
    CHECK(ec != weir::net::error::operation_aborted);
}

#if defined(WEIR_USE_BOOST_ASIO)

TEST_CASE("config: with Boost.Asio it is Boost.System's, of Boost 1.74 or later", "[config]") {
    STATIC_REQUIRE(std::is_same_v<weir::error_code, boost::system::error_code>);
    STATIC_REQUIRE(std::is_same_v<weir::error_condition, boost::system::error_condition>);
    STATIC_REQUIRE(std::is_same_v<weir::error_category, boost::system::error_category>);
    STATIC_REQUIRE(std::is_same_v<weir::system_error, boost::system::system_error>);
    CHECK(BOOST_ASIO_VERSION >= 101800);
    CHECK(weir::has_cancellation == (BOOST_ASIO_VERSION >= 101900));
}

#else

TEST_CASE("config: without a word about Boost it is standalone Asio and <system_error>", "[config]") {
    STATIC_REQUIRE(std::is_same_v<weir::error_code, std::error_code>);
    STATIC_REQUIRE(std::is_same_v<weir::error_condition, std::error_condition>);
    STATIC_REQUIRE(std::is_same_v<weir::error_category, std::error_category>);
    STATIC_REQUIRE(std::is_same_v<weir::system_error, std::system_error>);
    CHECK(ASIO_VERSION >= 102200);
    CHECK(weir::has_cancellation);
}

#endif

TEST_CASE("config: the version in the header is the one of the package", "[config]") {
    const auto version = std::to_string(WEIR_VERSION_MAJOR) + '.' + std::to_string(WEIR_VERSION_MINOR) + '.' +
                         std::to_string(WEIR_VERSION_PATCH);
    CHECK(version == WEIR_PACKAGE_VERSION);
}

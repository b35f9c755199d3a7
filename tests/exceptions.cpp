// SPDX-License-Identifier: BSL-1.0

#include <weir/exceptions.hpp>

#include "catch.hpp"

#include <weir/error.hpp>

#include <exception>
#include <new>
#include <stdexcept>
#include <string>

using weir::detail::caught;
using weir::detail::look_at;
using weir::detail::raise;

TEST_CASE("what is raised is thrown, as what it is", "[exceptions]") {
    CHECK_THROWS_AS(raise(std::bad_alloc{}), std::bad_alloc);
    CHECK_THROWS_AS(raise(weir::system_error{make_error_code(weir::error::closed)}), weir::system_error);
}

TEST_CASE("work that throws nothing leaves nothing caught", "[exceptions]") {
    int calls = 0;
    CHECK_FALSE(caught([&] { ++calls; }));
    CHECK(calls == 1);
}

TEST_CASE("what leaves the work is caught, and can be thrown again", "[exceptions]") {
    const auto failure = caught([] { raise(std::logic_error("mine")); });
    REQUIRE(failure);
    CHECK_THROWS_WITH(std::rethrow_exception(failure), "mine");
    CHECK(caught([] { throw 1; }));
}

TEST_CASE("an exception is looked at as its own type and as its bases", "[exceptions]") {
    const auto failure = caught([] { raise(std::logic_error("mine")); });
    std::string said;
    CHECK(look_at<std::exception>(failure, [&](const std::exception& e) { said = e.what(); }));
    CHECK(said == "mine");
    CHECK(look_at<std::logic_error>(failure, [](const std::logic_error&) {}));
}

TEST_CASE("an exception of another type is not looked at", "[exceptions]") {
    bool looked = false;
    const auto look = [&](const auto&) { looked = true; };
    CHECK_FALSE(look_at<weir::system_error>(caught([] { raise(std::logic_error("mine")); }), look));
    CHECK_FALSE(look_at<std::exception>(caught([] { throw 1; }), look));
    CHECK_FALSE(look_at<std::exception>(nullptr, look));
    CHECK_FALSE(looked);
}

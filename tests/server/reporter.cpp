// SPDX-License-Identifier: BSL-1.0
#include <weir/server/reporter.hpp>

#include "catch.hpp"

#include <exception>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

using weir::error;
using weir::error_code;
using weir::detail::reporter;

namespace {

template <class Exception>
std::exception_ptr made(Exception e) {
    return std::make_exception_ptr(std::move(e));
}

struct diary {
    std::vector<std::string> routes;
    reporter report{[this](std::string_view route, std::exception_ptr) { routes.emplace_back(route); }};
};

}  // namespace

TEST_CASE_METHOD(diary, "reporter: the application is told which route, and what", "[server][reporter]") {
    std::string what;
    const reporter report_what{[&](std::string_view route, std::exception_ptr failure) {
        try {
            std::rethrow_exception(failure);
        } catch (const std::exception& e) {
            what.append(route).append(": ").append(e.what());
        }
    }};
    report_what("/x", made(std::runtime_error{"no"}));
    CHECK(what == "/x: no");
}

TEST_CASE("reporter: without a function, standard error is told, whatever was thrown", "[server][reporter]") {
    const reporter report{{}};
    CHECK_NOTHROW(report("/x", made(std::runtime_error{"this line belongs to a test"})));
    CHECK_NOTHROW(report("/x", made(17)));
}

TEST_CASE_METHOD(diary, "reporter: that a session has ended is no failure", "[server][reporter]") {
    const error_code reason = error::bad_mask;
    report.unless_ended("none", {}, reason);
    report.unless_ended("the reason", made(weir::system_error{reason}), reason);
    report.unless_ended("closed", made(weir::system_error{error_code{error::closed}}), reason);
    report.unless_ended("peer closed", made(weir::system_error{error_code{error::peer_closed}}), {});
    CHECK(routes.empty());
    report.unless_ended("another reason", made(weir::system_error{error_code{error::bad_utf8}}), reason);
    report.unless_ended("misuse", made(weir::system_error{error_code{error::already_receiving}}), {});
    report.unless_ended("an exception", made(std::runtime_error{"no"}), reason);
    report.unless_ended("anything", made(17), reason);
    CHECK(routes == std::vector<std::string>{"another reason", "misuse", "an exception", "anything"});
}

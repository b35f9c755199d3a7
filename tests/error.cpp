// SPDX-License-Identifier: BSL-1.0

#include <weir/error.hpp>

#include "catch.hpp"

#include <set>
#include <string>
#include <system_error>
#include <vector>

using weir::condition;
using weir::error;
using weir::error_code;

namespace {

/// Every enumerator: message() answers for each of them, and "unknown error" for the first value past the last.
std::vector<error> all_errors() {
    std::vector<error> all;
    for (int value = 0; std::string{weir::message(static_cast<error>(value))} != "unknown error"; ++value)
        all.push_back(static_cast<error>(value));
    return all;
}

}  // namespace

TEST_CASE("errors: every error has a text of its own", "[error]") {
    const auto all = all_errors();
    CHECK(all.size() > 30);
    CHECK(all.back() == error::not_accepted);

    std::set<std::string> texts;
    for (const auto e : all) texts.insert(weir::message(e));
    CHECK(texts.size() == all.size());
    CHECK(texts.count("") == 0);
}

TEST_CASE("errors: an error_code carries error, category and text", "[error]") {
    const error_code ec = error::stalled;
    CHECK(ec == error::stalled);
    CHECK(ec != error::expired);
    CHECK(ec.category() == weir::category());
    CHECK(std::string{ec.category().name()} == "weir");
    CHECK(ec.message() == weir::message(error::stalled));
    CHECK(error_code{9999, weir::category()}.message() == "unknown error");
}

TEST_CASE("errors: none is false, and no condition matches it", "[error]") {
    const error_code ec = error::none;
    CHECK_FALSE(ec);
    CHECK(ec == error_code{});
    for (int kind = 1; kind <= static_cast<int>(condition::misuse); ++kind)
        CHECK_FALSE(ec == static_cast<condition>(kind));
}

TEST_CASE("errors: the first and the last of each group match that group's condition and no other", "[error]") {
    struct row {
        error e;
        condition expected;
    };
    const auto [e, expected] = GENERATE(
        row{error::closed, condition::closed}, row{error::draining, condition::closed},
        row{error::bad_request_line, condition::protocol_violation},
        row{error::truncated, condition::protocol_violation}, row{error::not_found, condition::refused},
        row{error::untrusted_server, condition::refused}, row{error::target_too_long, condition::limit_exceeded},
        row{error::slow_reader, condition::limit_exceeded}, row{error::request_timed_out, condition::timed_out},
        row{error::expired, condition::timed_out}, row{error::bad_argument, condition::misuse},
        row{error::not_accepted, condition::misuse});

    const error_code ec = e;
    INFO(ec.message());
    CHECK(weir::condition_of(e) == expected);
    for (int kind = 1; kind <= static_cast<int>(condition::misuse); ++kind)
        CHECK((ec == static_cast<condition>(kind)) == (static_cast<condition>(kind) == expected));
}

TEST_CASE("errors: another category's codes match no condition of weir", "[error]") {
    const error_code ec{static_cast<int>(error::stalled), WEIR_SYSTEM::generic_category()};
    CHECK_FALSE(ec == condition::timed_out);
    CHECK_FALSE(ec == error::stalled);
}

TEST_CASE("errors: a connection lost is a connection closed, however the system says it", "[error]") {
    for (const auto lost : {std::errc::connection_reset, std::errc::broken_pipe, std::errc::connection_aborted}) {
        const error_code ec{static_cast<int>(lost), WEIR_SYSTEM::system_category()};
        CHECK(ec == condition::closed);
        CHECK_FALSE(ec == condition::timed_out);
    }
    CHECK_FALSE(error_code{static_cast<int>(std::errc::timed_out), WEIR_SYSTEM::system_category()} ==
                condition::closed);
}

TEST_CASE("errors: a connection lost is a connection closed, in a category of older Asio's own", "[error]") {
    struct older_asio final : weir::error_category {
        const char* name() const noexcept override { return "asio.system"; }
        std::string message(int) const override { return {}; }
    };
    static const older_asio category;
    for (const auto lost : {std::errc::connection_reset, std::errc::broken_pipe, std::errc::connection_aborted}) {
        CHECK(error_code{static_cast<int>(lost), category} == condition::closed);
    }
    CHECK_FALSE(error_code{static_cast<int>(std::errc::timed_out), category} == condition::closed);
}

// Boost's are others, and convert.
TEST_CASE("errors: as the standard library's codes they say the same", "[error]") {
    const std::error_code ec = weir::make_error_code(error::expired);
    const std::error_condition timed_out = weir::make_error_condition(condition::timed_out);
    const std::error_condition closed = weir::make_error_condition(condition::closed);
    CHECK(ec.value() == static_cast<int>(error::expired));
    CHECK(ec.message() == weir::message(error::expired));
    CHECK(std::string{ec.category().name()} == "weir");
    CHECK(ec == timed_out);
    CHECK_FALSE(ec == closed);
    CHECK(ec == weir::make_error_code(error::expired));
    CHECK_FALSE(ec == weir::make_error_code(error::stalled));

    const error_code reset{static_cast<int>(std::errc::connection_reset), WEIR_SYSTEM::system_category()};
    CHECK(std::error_code{reset} == std::errc::connection_reset);
    CHECK_FALSE(std::error_code{weir::make_error_code(error::none)});
}

TEST_CASE("errors: each condition has a text", "[error]") {
    std::set<std::string> texts;
    for (int kind = 1; kind <= static_cast<int>(condition::misuse); ++kind)
        texts.insert(weir::make_error_condition(static_cast<condition>(kind)).message());
    CHECK(texts.size() == static_cast<std::size_t>(condition::misuse));
    CHECK(texts.count("unknown condition") == 0);
    CHECK(weir::make_error_condition(static_cast<condition>(99)).message() == "unknown condition");
}

TEST_CASE("RFC 9110 15: every error has the status that tells the peer of it", "[error][http]") {
    struct row {
        error e;
        int status;
    };
    const auto [e, status] = GENERATE(
        row{error::none, 200}, row{error::no_body, 200}, row{error::stop_requested, 204}, row{error::bad_field, 400},
        row{error::bad_host, 400}, row{error::bad_content_length, 400}, row{error::origin_refused, 403},
        row{error::not_found, 404}, row{error::method_not_allowed, 405}, row{error::not_acceptable, 406},
        row{error::request_timed_out, 408}, row{error::body_too_large, 413}, row{error::target_too_long, 414},
        row{error::head_too_large, 431}, row{error::too_many_fields, 431}, row{error::bad_argument, 500},
        row{error::unsupported_coding, 501}, row{error::draining, 503}, row{error::unsupported_version, 505});
    INFO(weir::message(e));
    CHECK(weir::http_status_for(e) == status);
}

TEST_CASE("errors: whose fault it is decides between 4xx and 5xx", "[error][http]") {
    for (const auto e : all_errors()) {
        INFO(weir::message(e));
        const auto status = weir::http_status_for(e);
        switch (weir::condition_of(e)) {
            case condition::protocol_violation:
                CHECK((status == 400 || status == 426 || status == 501 || status == 505));
                break;
            case condition::misuse: CHECK(status == 500); break;
            case condition::closed: CHECK(status == 503); break;
            default: CHECK((status >= 200 && status < 600)); break;
        }
    }
}

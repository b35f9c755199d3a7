// SPDX-License-Identifier: BSL-1.0

#include <weir/session/ws_client_rules.hpp>

#include <weir/config.hpp>
#include <weir/error.hpp>
#include <weir/ws/close_code.hpp>

#include <algorithm>
#include <system_error>

#include "catch.hpp"
#include "support/errc.hpp"

using weir::error;
using weir::detail::after_close;
using weir::detail::is_permanent;
using weir::detail::what_follows;
using weir::ws::close_code;

TEST_CASE("RFC 6455 7.4.1: after 1000 nothing is left to do", "[session][ws_client][rfc6455-7.4.1]") {
    CHECK(what_follows(close_code::normal) == after_close::done);
}

TEST_CASE("RFC 6455 7.4.1: a client that is told that it is at fault is not better the next time",
          "[session][ws_client][rfc6455-7.4.1]") {
    for (const int code : {1002, 1003, 1007, 1008, 1009, 1010}) {
        CAPTURE(code);
        CHECK(what_follows(static_cast<close_code>(code)) == after_close::futile);
    }
}

TEST_CASE("RFC 6455 7.4: after any other close code, and none, the client comes back",
          "[session][ws_client][rfc6455-7.4]") {
    for (const int code : {1001, 1004, 1005, 1006, 1011, 1012, 1013, 1014, 1015, 1016, 2999, 3000, 3999, 4000, 4999}) {
        CAPTURE(code);
        CHECK(what_follows(static_cast<close_code>(code)) == after_close::come_back);
    }
}

TEST_CASE("ws client rules: which answers to the handshake are final", "[session][ws_client]") {
    for (const int status : {200, 204, 301, 302, 307, 308, 400, 401, 403, 404, 407, 410, 426, 451, 499}) {
        CAPTURE(status);
        CHECK(is_permanent(error::handshake_rejected, status));
    }
    for (const int status : {408, 425, 429, 500, 502, 503, 504, 599}) {
        CAPTURE(status);
        CHECK_FALSE(is_permanent(error::handshake_rejected, status));
    }
}

TEST_CASE("ws client rules: what a network does passes", "[session][ws_client]") {
    for (const auto e : {std::errc::connection_refused, std::errc::connection_reset, std::errc::host_unreachable,
                         std::errc::timed_out, std::errc::not_enough_memory}) {
        CHECK_FALSE(is_permanent(test::code_of(e), 0));
    }
    for (const error e :
         {error::peer_closed, error::draining, error::connect_timed_out, error::handshake_timed_out, error::stalled,
          error::unresponsive, error::close_timed_out, error::truncated, error::proxy_refused, error::hook_failed}) {
        CAPTURE(weir::message(e));
        CHECK_FALSE(is_permanent(e, 0));
    }
}

TEST_CASE("ws client rules: what another attempt would meet again is permanent", "[session][ws_client]") {
    for (const error e :
         {error::bad_upgrade_response, error::bad_subprotocol, error::bad_extension, error::bad_status_line,
          error::head_too_large, error::untrusted_server, error::no_tls, error::bad_argument, error::bad_opcode,
          error::bad_mask, error::bad_utf8, error::bad_deflate, error::message_too_large, error::closed}) {
        CAPTURE(weir::message(e));
        CHECK(is_permanent(e, e == error::bad_upgrade_response ? 101 : 0));
    }
}

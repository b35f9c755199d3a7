// SPDX-License-Identifier: BSL-1.0

#include <weir/adapt/host_response.hpp>

#include <weir/http/response.hpp>
#include <weir/sse/handshake.hpp>

#include <string>
#include <string_view>

#include "catch.hpp"
#include "support/driven_machine.hpp"

namespace {

std::string fields_of(const weir::adapt::host_response& response) {
    std::string all;
    response.for_each_field(
        [&](std::string_view name, std::string_view value) { all.append(name).append("=").append(value).append(";"); });
    return all;
}

}  // namespace

TEST_CASE("host response: a handshake's answer is taken apart, without what the host does itself", "[adapt]") {
    const weir::adapt::host_response accepted{
        weir::sse::handshake(test::event_request, {.first_comment = "hello", .close_delimited = true}).response};
    CHECK(accepted.status() == 200);
    CHECK(accepted.body() == ": hello\n\n");
    CHECK(fields_of(accepted) == "Cache-Control=no-cache, no-transform;X-Accel-Buffering=no;Vary=Accept;");
}

TEST_CASE("host response: a refusal's text is its body", "[adapt]") {
    const weir::adapt::host_response refused{weir::http::error_response(406)};
    CHECK(refused.status() == 406);
    CHECK(refused.body() == "406 Not Acceptable\n");
    CHECK(fields_of(refused).empty());
}

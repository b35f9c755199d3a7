// SPDX-License-Identifier: BSL-1.0

#include <weir/io/ws_no_request_reader.hpp>

#include <weir/io/counted_ptr.hpp>
#include <weir/time.hpp>
#include <weir/ws/handshake.hpp>

#include "catch.hpp"

namespace {

struct session {
    void add_reference() noexcept {}
    void drop_reference() noexcept {}
};

template <class Core>
concept reads_requests = requires(weir::detail::counted_ptr<Core> core, weir::ws::accept_options options) {
    weir::detail::open_as_server(core, options, weir::milliseconds{0});
};

TEST_CASE("behind http_parser.h a WebSocket does not read its request: the compiler says so", "[io][ws]") {
    STATIC_REQUIRE_FALSE(reads_requests<session>);
}

}  // namespace

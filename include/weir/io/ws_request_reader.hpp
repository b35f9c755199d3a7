// SPDX-License-Identifier: BSL-1.0
#pragma once

// How a server's WebSocket session comes to its handshake, where nobody else has read the request. Layer: io.
// RFC 6455 §4.2

#include <weir/config.hpp>
#include <weir/error.hpp>
#include <weir/http/request_parser.hpp>
#include <weir/http/response.hpp>
#include <weir/io/counted_ptr.hpp>
#include <weir/io/deadline.hpp>
#include <weir/io/read_more.hpp>
#include <weir/time.hpp>
#include <weir/ws/handshake.hpp>

#include WEIR_ASIO(awaitable.hpp)

#include <string>
#include <string_view>

namespace weir::detail {

/// Answers what is no request for a WebSocket at all.
template <class Core>
error_code turn_down(Core& core, error why) {
    core.turn_down(http::error_response(why), why);
    return why;
}

/// Reads the request's head, and answers it. `options` are needed until the end.
template <class Core>
net::awaitable<error_code> open_as_server(counted_ptr<Core> core, ws::accept_options options, milliseconds timeout) {
    auto& stream = core->stream();
    deadline limit{stream};
    limit.set(timeout);
    http::request_parser parser;
    std::string received;
    auto parsed = http::request_parser::status::need_more;
    while (parsed == http::request_parser::status::need_more) {
        const error_code ec = co_await read_more(stream, received);
        if (ec) co_return limit.expired() ? turn_down(*core, error::request_timed_out) : ec;
        parsed = parser.parse(received);
    }
    if (parsed == http::request_parser::status::failed) co_return turn_down(*core, parser.error());
    const auto behind = std::string_view{received}.substr(parser.head_size());
    co_return core->accept(parser.request(), options, behind);
}

}  // namespace weir::detail

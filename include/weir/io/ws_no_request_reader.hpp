// SPDX-License-Identifier: BSL-1.0
#pragma once

// Instead of ws_request_reader.hpp where http_parser.h came first, whose names those of llhttp.h would be declared
// anew. Layer: io.

#include <weir/config.hpp>
#include <weir/io/counted_ptr.hpp>
#include <weir/time.hpp>
#include <weir/ws/handshake.hpp>

#include WEIR_ASIO(awaitable.hpp)

namespace weir::detail {

/// The host that http_parser.h is from has read the request: pass it to accept().
template <class Core>
net::awaitable<error_code> open_as_server(counted_ptr<Core> core, ws::accept_options options,
                                          milliseconds timeout) = delete;

}  // namespace weir::detail

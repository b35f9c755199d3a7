// SPDX-License-Identifier: BSL-1.0
#pragma once

// What is compiled of ws_core.hpp: the sessions on Asio's own socket.

#include <weir/io/ws_core.hpp>

namespace weir::detail {

WEIR_COMPILED_HERE(class stream_io<ws_session, net::ip::tcp::socket>);

}  // namespace weir::detail

// SPDX-License-Identifier: BSL-1.0
#pragma once

// What is compiled of sse_core.hpp: the sessions on Asio's own socket.

#include <weir/io/sse_core.hpp>

namespace weir::detail {

WEIR_COMPILED_HERE(class stream_io<sse_session, net::ip::tcp::socket>);

}  // namespace weir::detail

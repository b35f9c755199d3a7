// SPDX-License-Identifier: BSL-1.0
#pragma once

// The one type of stream that a server's connections and sessions use. Layer: server.

#include <weir/io/layered_stream.hpp>
#include <weir/server/stream_layer.hpp>

namespace weir::detail {

using server_stream = layered_stream<server_socket>;

}  // namespace weir::detail

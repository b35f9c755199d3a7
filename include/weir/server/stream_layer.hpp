// SPDX-License-Identifier: BSL-1.0
#pragma once

// The socket of a server's connections, and what may lie on it. Layer: server.

#include <weir/config.hpp>
#include <weir/io/stream_layer.hpp>

#include WEIR_SERVER_SOCKET_HEADER

#include <memory>

namespace weir::detail {

/// The socket of a server's connection. An acceptor is asked for server_socket::accepted_type.
using server_socket = WEIR_SERVER_SOCKET;

using stream_layer = basic_stream_layer<server_socket>;

/// Makes the layers of one listener's connections. Thread-safe.
class layer_factory {
public:
    virtual ~layer_factory() = default;
    /// Throws what making it throws.
    virtual std::unique_ptr<stream_layer> make() const = 0;
};

}  // namespace weir::detail

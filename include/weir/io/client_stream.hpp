// SPDX-License-Identifier: BSL-1.0
#pragma once

// The one type of stream that a client's connections use. Layer: io.

#include <weir/io/layered_stream.hpp>
#include <weir/io/stream_layer.hpp>

#include WEIR_ASIO(ip/tcp.hpp)

#include <memory>
#include <string>

namespace weir::detail {

using client_stream = layered_stream<net::ip::tcp::socket>;
using client_layer = basic_stream_layer<net::ip::tcp::socket>;

/// Makes the layers of a client's connections: TLS, without saying so. Thread-safe.
class client_layer_factory {
public:
    virtual ~client_layer_factory() = default;
    /// `host`: the name or address in the URL, which the server has to prove to be. Throws what making it throws.
    virtual std::unique_ptr<client_layer> make(const std::string& host) const = 0;
};

}  // namespace weir::detail

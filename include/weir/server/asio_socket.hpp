// SPDX-License-Identifier: BSL-1.0
#pragma once

// The server's own socket type, where there is no epoll: Asio's. Layer: server.

#include <weir/config.hpp>

#include WEIR_ASIO(io_context.hpp)
#include WEIR_ASIO(ip/tcp.hpp)

#include <utility>

namespace weir::detail {

/// It names its executor's type, which makes it smaller and faster than tcp::socket.
class asio_socket : public net::basic_stream_socket<net::ip::tcp, net::io_context::executor_type> {
public:
    using accepted_type = net::basic_stream_socket<net::ip::tcp, net::io_context::executor_type>;

    /// Makes what the sockets of a context need, as long as there are descriptors for it.
    static void prepare(net::io_context& context) { accepted_type{context}; }

    explicit asio_socket(accepted_type socket) : accepted_type(std::move(socket)) {
        error_code ignored;
        non_blocking(true, ignored);
    }
};

}  // namespace weir::detail

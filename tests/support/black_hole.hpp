// SPDX-License-Identifier: BSL-1.0
#pragma once

// An address that never answers, without a network: a listener whose queue is full drops whoever knocks.

#include <weir/config.hpp>

#include WEIR_ASIO(io_context.hpp)
#include WEIR_ASIO(ip/tcp.hpp)

namespace test {

class black_hole {
    using tcp = weir::net::ip::tcp;

public:
    explicit black_hole(weir::net::io_context& context) : listener_(context), filling_(context) {
        listener_.open(tcp::v4());
        listener_.bind({weir::net::ip::address_v4::loopback(), 0});
        listener_.listen(0);
        filling_.connect(endpoint());  // nobody accepts it; there is no room for a second
    }

    tcp::endpoint endpoint() const { return listener_.local_endpoint(); }

private:
    tcp::acceptor listener_;
    tcp::socket filling_;
};

}  // namespace test

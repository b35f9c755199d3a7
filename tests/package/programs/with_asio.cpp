// SPDX-License-Identifier: BSL-1.0

// Uses weir with an Asio, whichever that is: weir::weir and weir::boost say so to the program.

#include <weir/config.hpp>
#include <weir/sse/encoder.hpp>

#include WEIR_ASIO(io_context.hpp)
#include WEIR_ASIO(post.hpp)

#include <string>

int main() {
    weir::net::io_context loop;
    std::string event;
    weir::net::post(loop, [&event] { event = weir::sse::encode({.data = "hello"}); });
    loop.run();
    return event == "data: hello\n\n" ? 0 : 1;
}

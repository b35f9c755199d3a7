// SPDX-License-Identifier: BSL-1.0

// An event stream over https and http. With a certificate in chain.pem and its key in key.pem, run it, then:
// curl --cacert chain.pem -N https://localhost:8443/ticks

#include <weir/server.hpp>
#include <weir/tls.hpp>

#include <cstdio>
#include <cstdlib>

using namespace std::chrono_literals;

weir::awaitable<void> ticks(weir::sse_session out) {
    for (int n = 1;; ++n) {
        co_await out.async_send({.event = "tick", .data = std::to_string(n)});
        co_await out.async_sleep(1s);
    }
}

// sse_tls [https port] [http port]; 0: the system chooses.
int main(int argc, char** argv) {
    const auto https_port = static_cast<std::uint16_t>(argc > 1 ? std::atoi(argv[1]) : 8443);
    const auto http_port = static_cast<std::uint16_t>(argc > 2 ? std::atoi(argv[2]) : 8080);

    weir::server app;
    app.sse("/ticks", ticks);
    const weir::tls_options tls{.certificate_chain_file = "chain.pem", .private_key_file = "key.pem"};
    const auto port = app.listen({.port = https_port, .tls = tls});
    app.listen({.port = http_port});
    std::printf("https://127.0.0.1:%u/ticks\n", unsigned{port});
    std::fflush(stdout);
    app.run();
}

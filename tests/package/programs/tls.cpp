// SPDX-License-Identifier: BSL-1.0

// Uses an optional part: its dependency comes with its target.

#include <weir/server.hpp>
#include <weir/tls.hpp>

int main() {
    weir::server app;
    try {
        app.listen({.port = 0, .tls = weir::tls_options{.certificate_chain = "none"}});
    } catch (const weir::system_error&) {
        return 0;
    }
    return 1;
}

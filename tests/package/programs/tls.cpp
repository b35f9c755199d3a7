// SPDX-License-Identifier: BSL-1.0

// Uses an optional part: OpenSSL comes with its target.

#include <weir/server/options.hpp>
#include <weir/tls.hpp>

int main() {
    try {
        const weir::listen_options options{.tls = weir::tls_options{.certificate_chain = "none"}};
    } catch (const weir::system_error&) {
        return 0;
    }
    return 1;
}

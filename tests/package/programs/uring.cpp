// SPDX-License-Identifier: BSL-1.0

// Uses an optional part: liburing comes with its target. The kernel may forbid io_uring.

#include <weir/uring.hpp>

int main() {
    const auto batch = weir::uring_writes()();
    if (batch) batch->perform({});
}

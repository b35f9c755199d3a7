// SPDX-License-Identifier: BSL-1.0

// push_server --uring, where there is no liburing: refused.

#include <weir/session/write_batch.hpp>

namespace bench {

weir::batch_factory uring_writes() {
    return [] { return nullptr; };
}

}  // namespace bench

// SPDX-License-Identifier: BSL-1.0

// push_server --uring, where there is liburing.

#include <weir/uring.hpp>

namespace bench {

weir::batch_factory uring_writes() { return weir::uring_writes(); }

}  // namespace bench

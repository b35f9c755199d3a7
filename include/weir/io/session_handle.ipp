// SPDX-License-Identifier: BSL-1.0
#pragma once

// What is compiled of session_handle.hpp: how coroutines are resumed.

#include <weir/io/session_handle.hpp>

namespace weir::detail {

WEIR_COMPILED_HERE(void post_completion(coroutine_handler<error_code>, const net::any_io_executor&, error_code));

}  // namespace weir::detail

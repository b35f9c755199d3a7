// SPDX-License-Identifier: BSL-1.0
#pragma once

// What is compiled of session_handle.hpp: how coroutines are resumed.

#include <weir/io/session_handle.hpp>

namespace weir::detail {

WEIR_COMPILED_HERE(class waiter_op<waiter::kind::send, coroutine_handler<error_code>, net::any_io_executor>);
WEIR_COMPILED_HERE(class waiter_op<waiter::kind::drained, coroutine_handler<error_code>, net::any_io_executor>);
WEIR_COMPILED_HERE(class waiter_op<waiter::kind::sleep, coroutine_handler<error_code>, net::any_io_executor>);
WEIR_COMPILED_HERE(class waiter_op<waiter::kind::ended, coroutine_handler<error_code>, net::any_io_executor>);
WEIR_COMPILED_HERE(
    class waiter_op<waiter::kind::closed, coroutine_handler<error_code, error_code>, net::any_io_executor>);
WEIR_COMPILED_HERE(
    class waiter_op<waiter::kind::receive, coroutine_handler<error_code, std::optional<ws::message_view>>,
                    net::any_io_executor>);

}  // namespace weir::detail

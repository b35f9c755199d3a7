// SPDX-License-Identifier: BSL-1.0
#pragma once

// What an async_* function returns when no token is given. Layer: io.

#include <weir/config.hpp>

#include WEIR_ASIO(async_result.hpp)
#include WEIR_ASIO(use_awaitable.hpp)

#include <type_traits>

namespace weir::detail {

/// What the executor's type asks for, else an awaitable.
template <class Executor>
using default_token = std::conditional_t<std::is_void_v<net::default_completion_token_t<Executor>>,
                                         net::use_awaitable_t<>, net::default_completion_token_t<Executor>>;

}  // namespace weir::detail

// SPDX-License-Identifier: BSL-1.0
#pragma once

// Asio's token `deferred`, wherever it is: 1.22 has it as an experiment, later ones do not.

#include <weir/config.hpp>

#if __has_include(WEIR_ASIO(deferred.hpp))
#include WEIR_ASIO(deferred.hpp)
namespace test {
inline constexpr auto& deferred = weir::net::deferred;
}
#else
#include WEIR_ASIO(experimental/deferred.hpp)
namespace test {
inline constexpr auto& deferred = weir::net::experimental::deferred;
}
#endif

// SPDX-License-Identifier: BSL-1.0
#pragma once

// The system's errors as weir::error_code has them, whichever that is.

#include <weir/config.hpp>

#include <system_error>

namespace test {

inline weir::error_code code_of(std::errc e) noexcept { return {static_cast<int>(e), WEIR_SYSTEM::generic_category()}; }

}  // namespace test

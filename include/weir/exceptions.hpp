// SPDX-License-Identifier: BSL-1.0
#pragma once

// Throwing and catching, in programs with exceptions and in those without. Layer: ground.
//
// Without exceptions (-fno-exceptions) nothing is ever caught, and what would have been thrown ends the program.

#include <weir/config.hpp>

#include <cstdio>
#include <exception>
#include <span>
#include <utility>

namespace weir::detail {

/// Throws. Without exceptions: writes to standard error what would have been thrown, and calls std::terminate(), whose
/// handler is the application's to set.
template <class Exception>
[[noreturn]] void raise(const Exception& thrown) {
    WEIR_THROW(thrown);
}

/// Calls `work`. The result: what has left it, or null.
template <class Work>
std::exception_ptr caught(Work&& work) {
    WEIR_TRY {
        std::forward<Work>(work)();
        return nullptr;
    }
    WEIR_CATCH_ALL { return std::current_exception(); }
}

/// Calls `look`, which throws nothing, with what was thrown, if that is an `Exception`; returns whether it was.
template <class Exception, class Look>
bool look_at(const std::exception_ptr& thrown, Look&& look) {
    if (!thrown) return false;
    const auto rethrown = caught([&] {
        WEIR_TRY { std::rethrow_exception(thrown); }
        WEIR_CATCH(Exception, exception) { std::forward<Look>(look)(exception); }
    });
    return !rethrown;
}

}  // namespace weir::detail

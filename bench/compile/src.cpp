// SPDX-License-Identifier: BSL-1.0

// The one file of a program that is compiled with WEIR_SEPARATE_COMPILATION.

#include <weir/src.hpp>

// SPDX-License-Identifier: BSL-1.0

// The package manager's targets define these two.

#if !defined(MANAGED_LLHTTP)
#error "this is not the package manager's llhttp"
#endif
#if !defined(MANAGED_ASIO)
#error "this is not the package manager's Asio"
#endif

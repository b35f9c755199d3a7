// SPDX-License-Identifier: BSL-1.0
#pragma once

// What Asio leaves to a program without exceptions: what becomes of those that it would throw. For one file of it.

#include <weir/config.hpp>

#include WEIR_ASIO(detail/throw_exception.hpp)

#include <cstdio>
#include <exception>

#if defined(ASIO_NO_EXCEPTIONS)
#if !defined(ASIO_SOURCE_LOCATION_PARAM)  // older ones do not say where
#define ASIO_SOURCE_LOCATION_PARAM
#endif

namespace asio::detail {

template <class Exception>
void throw_exception(const Exception& thrown ASIO_SOURCE_LOCATION_PARAM) {
    std::fprintf(stderr, "asio: %s\n", thrown.what());
    std::terminate();
}

}  // namespace asio::detail
#endif

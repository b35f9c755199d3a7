// SPDX-License-Identifier: BSL-1.0
#pragma once

// Which Asio, which error_code: the one header with conditional compilation. Layer: ground.
//
// Standalone Asio is the default; WEIR_USE_BOOST_ASIO, defined for the whole program, means Boost.Asio.
// This header includes neither: protocol, session and policy code stays free of Asio.

#include <exception>  // before Asio's headers: those of Asio 1.22 use it and do not include it

#if defined(WEIR_USE_BOOST_ASIO)
#include <boost/system/error_code.hpp>
#include <boost/system/system_error.hpp>

#include <utility>  // for Boost 1.74's awaitable.hpp, which forgets it
#else
#include <system_error>
#endif

#define WEIR_VERSION_MAJOR 0
#define WEIR_VERSION_MINOR 1
#define WEIR_VERSION_PATCH 0

#if defined(WEIR_USE_BOOST_ASIO)

/// Names an Asio header: `#include WEIR_ASIO(steady_timer.hpp)`.
#define WEIR_ASIO(header) <boost/asio/header>
/// The namespace in which error_code's customisation points live.
#define WEIR_SYSTEM boost::system

namespace boost::asio {}
namespace boost::asio::ssl {}
namespace weir {
namespace net = ::boost::asio;
}  // namespace weir

#else

#define WEIR_ASIO(header) <asio/header>
#define WEIR_SYSTEM std

namespace asio {}
namespace asio::ssl {}
namespace weir {
namespace net = ::asio;
}  // namespace weir

#endif

// Asio's cancellation slots: `#include WEIR_CANCELLATION(cancellation_signal.hpp)`, and detail::cancellation is where
// they are. Boost.Asio has them since Boost 1.77. Before that weir's own stand in for what it does with them itself,
// but Asio's operations and coroutines know nothing of those, so that no operation can be cancelled by itself.
#if defined(WEIR_USE_BOOST_ASIO) && !__has_include(<boost/asio/cancellation_signal.hpp>)
#define WEIR_CANCELLATION(header) <weir/io/own_cancellation.hpp>
#define WEIR_HAS_CANCELLATION false
namespace weir::detail {
namespace own_cancellation {}
namespace cancellation = own_cancellation;
}  // namespace weir::detail
#else
#define WEIR_CANCELLATION(header) WEIR_ASIO(header)
#define WEIR_HAS_CANCELLATION true
namespace weir::detail {
namespace cancellation = net;
}  // namespace weir::detail
#endif

// Header-only, or compiled once: WEIR_SEPARATE_COMPILATION, defined for the whole program, means the latter, and one of
// its files has the line `#include <weir/src.hpp>`. The bodies of x.hpp are in x.ipp beside it, each marked
// WEIR_INLINE, and the last line of x.hpp is `#include WEIR_BODIES(weir/x.ipp)`. A template instance that many files
// want is named twice: WEIR_COMPILED_ONCE(class x<y>) where it is declared, WEIR_COMPILED_HERE(class x<y>) in the .ipp.
#if defined(WEIR_SEPARATE_COMPILATION)
#define WEIR_INLINE
#define WEIR_BODIES(file) <version>  // which declares nothing
#define WEIR_COMPILED_ONCE(...) extern template __VA_ARGS__
#define WEIR_COMPILED_HERE(...) template __VA_ARGS__
#else
#define WEIR_INLINE inline
#define WEIR_BODIES(file) <file>
#define WEIR_COMPILED_ONCE(...) static_assert(true)
#define WEIR_COMPILED_HERE(...) static_assert(true)
#endif

// Where the processor may have AVX2: a function compiled for it, the sign bits of a vector's 32 bytes, and whether to
// call that function. Elsewhere it still compiles and is never called.
#if defined(__x86_64__) && defined(__GNUC__)
#define WEIR_AVX2_FUNCTION __attribute__((target("avx2")))
#define WEIR_AVX2_SIGN_BITS(bytes) __builtin_ia32_pmovmskb256(bytes)
#define WEIR_CPU_HAS_AVX2() (__builtin_cpu_supports("avx2") != 0)
#else
#define WEIR_AVX2_FUNCTION
#define WEIR_AVX2_SIGN_BITS(bytes) 0
#define WEIR_CPU_HAS_AVX2() false
#endif

// Has the processor fetch what will be read soon; it may be any address.
#if defined(__GNUC__)
#define WEIR_PREFETCH(address) __builtin_prefetch(address)
#else
#define WEIR_PREFETCH(address) static_cast<void>(address)
#endif

// Which sockets weir::server uses. WEIR_USE_ASIO_REACTOR, defined for the whole program, means Asio's everywhere.
#if defined(__linux__) && !defined(WEIR_USE_ASIO_REACTOR)
#define WEIR_SERVER_SOCKET_HEADER <weir/server/epoll_socket.hpp>
#define WEIR_SERVER_SOCKET epoll_socket
#else
#define WEIR_SERVER_SOCKET_HEADER <weir/server/asio_socket.hpp>
#define WEIR_SERVER_SOCKET asio_socket
#endif

// For weir/exceptions.hpp, and for coroutines, which cannot be passed to its functions. Without exceptions the handlers
// still compile, and are never entered.
#if defined(__cpp_exceptions)
#define WEIR_TRY try
#define WEIR_CATCH(type, name) catch (const type& name)
#define WEIR_CATCH_ALL catch (...)
#define WEIR_THROW(exception) throw exception
#else
#define WEIR_TRY if (true)
#define WEIR_CATCH(type, name) else for (const type& name : ::std::span<const type>{})
#define WEIR_CATCH_ALL else
#define WEIR_THROW(exception) \
    (static_cast<void>(std::fprintf(stderr, "weir: without exceptions: %s\n", (exception).what())), std::terminate())
#endif

// Reading a request takes llhttp. Its names are those of its ancestor http_parser, which RESTinio has: one file can
// include only one of the two. Behind http_parser.h a ws_stream takes requests that were read, and does not read them
// itself.
#if defined(http_parser_h)
#define WEIR_WS_REQUEST_READER <weir/io/ws_no_request_reader.hpp>
#else
#define WEIR_WS_REQUEST_READER <weir/io/ws_request_reader.hpp>
#endif

// Asio before 1.30 does not see that clang has coroutines. Without effect if an Asio header came first: define it for
// the whole program then (the CMake targets do).
#if defined(__clang__) && defined(__cpp_impl_coroutine) && !defined(WEIR_USE_BOOST_ASIO) && !defined(ASIO_HAS_CO_AWAIT)
#define ASIO_HAS_CO_AWAIT 1
#define ASIO_HAS_STD_COROUTINE 1
#elif defined(__clang__) && defined(__cpp_impl_coroutine) && defined(WEIR_USE_BOOST_ASIO) && \
    !defined(BOOST_ASIO_HAS_CO_AWAIT)
#define BOOST_ASIO_HAS_CO_AWAIT 1
#define BOOST_ASIO_HAS_STD_COROUTINE 1
#endif

namespace weir {

/// std::error_code; boost::system::error_code with WEIR_USE_BOOST_ASIO. The next three likewise.
using error_code = WEIR_SYSTEM::error_code;
/// What an error_code is compared with: weir::condition, say.
using error_condition = WEIR_SYSTEM::error_condition;
/// See weir::category().
using error_category = WEIR_SYSTEM::error_category;
/// What an error_code is thrown as.
using system_error = WEIR_SYSTEM::system_error;

/// Whether operations can be cancelled by themselves, as Asio knows it: by cancellation slots, and with operators like
/// `||`. Where they cannot (Boost before 1.77), what docs say of cancellation does not hold; close(), abort() and time
/// limits end everything there, too.
inline constexpr bool has_cancellation = WEIR_HAS_CANCELLATION;

}  // namespace weir

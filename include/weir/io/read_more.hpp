// SPDX-License-Identifier: BSL-1.0
#pragma once

// Reads a head of unknown size, piece by piece, for coroutines that open connections. Layer: io.

#include <weir/config.hpp>

#include WEIR_ASIO(awaitable.hpp)
#include WEIR_ASIO(buffer.hpp)
#include WEIR_ASIO(redirect_error.hpp)
#include WEIR_ASIO(use_awaitable.hpp)

#include <cstddef>
#include <string>

namespace weir::detail {

/// Reads what the stream has, behind what was received.
template <class Stream>
net::awaitable<error_code> read_more(Stream& stream, std::string& received) {
    constexpr std::size_t read_size = 4096;
    const std::size_t before = received.size();
    received.resize(before + read_size);
    error_code ec;
    auto token = net::redirect_error(net::use_awaitable, ec);
    const std::size_t n =
        co_await stream.async_read_some(net::mutable_buffer{received.data() + before, read_size}, token);
    received.resize(before + n);
    co_return ec;
}

}  // namespace weir::detail

// SPDX-License-Identifier: BSL-1.0
#pragma once

// Reads a head of unknown size, piece by piece, for coroutines that open connections. Layer: io.

#include <weir/config.hpp>
#include <weir/error.hpp>
#include <weir/http/response_parser.hpp>

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

/// Reads the head of the final response: "A client MUST be able to parse one or more 1xx responses received prior to a
/// final response." RFC 9110 §15.2. After none, `parser` has it, and `received` begins with it.
/// Errors: those of the stream and of `parser`; error::head_too_large for interim responses without end.
template <class Stream>
net::awaitable<error_code> read_response(Stream& stream, http::response_parser& parser, std::string& received) {
    using status = http::response_parser::status;
    int interim = 0;
    for (auto parsed = status::need_more;;) {
        if (parsed == status::need_more) {
            const error_code ec = co_await read_more(stream, received);
            if (ec) co_return ec;
        }
        parsed = parser.parse(received);
        if (parsed == status::failed) co_return make_error_code(parser.error());
        if (parsed == status::need_more) continue;
        if (!http::is_interim(parser.response().status)) co_return error_code{};
        if (++interim > http::max_interim_responses) co_return make_error_code(error::head_too_large);
        received.erase(0, parser.head_size());
        parser.reset();
    }
}

}  // namespace weir::detail

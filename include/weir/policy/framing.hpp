// SPDX-License-Identifier: BSL-1.0
#pragma once

// Which body framing a stream uses: the concept, and the stock policies. Layer: policy.

#include <weir/http/request_view.hpp>
#include <weir/sse/encoder.hpp>

#include <concepts>

namespace weir {

/// A pure decision about a request: how the response's body is framed. HTTP/1.0 is never sent chunks, whatever is
/// answered. RFC 9112 §6.1
template <class Policy>
concept framing_policy = requires(const Policy& policy, const http::request_view& request) {
    { policy(request) } noexcept -> std::same_as<sse::framing>;
};

/// HTTP/1.1 gets one chunk per event, so that the stream's end is told apart from a broken connection.
struct chunk_framing {
    /// Always `chunked`.
    sse::framing operator()(const http::request_view&) const noexcept { return sse::framing::chunked; }
};

/// The connection's end is the stream's end: six bytes less per event, and a cut stream looks like a finished one.
struct close_delimited {
    /// Always `plain`.
    sse::framing operator()(const http::request_view&) const noexcept { return sse::framing::plain; }
};

static_assert(framing_policy<chunk_framing> && framing_policy<close_delimited>);

}  // namespace weir

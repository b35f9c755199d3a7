// SPDX-License-Identifier: BSL-1.0
#pragma once

// An event stream on an Asio stream. Layer: io.

#include <weir/config.hpp>
#include <weir/io/stream_session.hpp>
#include <weir/policy/policy_set.hpp>
#include <weir/session/sse_beginning.hpp>
#include <weir/session/sse_session.hpp>

#include WEIR_ASIO(ip/tcp.hpp)

#include <utility>

namespace weir::detail {

/// What an sse_stream is a handle of.
template <class Stream, class... Policies>
class sse_core : public sse_beginning<stream_session<sse_session, Stream, Policies...>> {
    using base = sse_beginning<stream_session<sse_session, Stream, Policies...>>;

public:
    sse_core(Stream&& stream, policy_set<Policies...> policies) : base(std::move(stream), std::move(policies)) {}

protected:
    ~sse_core() override = default;
};

WEIR_COMPILED_ONCE(class stream_io<sse_session, net::ip::tcp::socket>);

}  // namespace weir::detail

#include WEIR_BODIES(weir/io/sse_core.ipp)

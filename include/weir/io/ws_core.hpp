// SPDX-License-Identifier: BSL-1.0
#pragma once

// A WebSocket on an Asio stream. Layer: io. RFC 6455

#include <weir/config.hpp>
#include <weir/io/stream_session.hpp>
#include <weir/policy/policy_set.hpp>
#include <weir/session/ws_beginning.hpp>
#include <weir/session/ws_session.hpp>

#include WEIR_ASIO(ip/tcp.hpp)

#include <utility>

namespace weir::detail {

/// What a ws_stream is a handle of.
template <class Stream, class... Policies>
class ws_core : public ws_beginning<stream_session<ws_session, Stream, Policies...>> {
    using base = ws_beginning<stream_session<ws_session, Stream, Policies...>>;

public:
    ws_core(Stream&& stream, policy_set<Policies...> policies) : base(std::move(stream), std::move(policies)) {}

protected:
    ~ws_core() override = default;

private:
    void drop_protocol() noexcept final { this->drop_handlers(); }
};

WEIR_COMPILED_ONCE(class stream_io<ws_session, net::ip::tcp::socket>);

}  // namespace weir::detail

#include WEIR_BODIES(weir/io/ws_core.ipp)

// SPDX-License-Identifier: BSL-1.0
#pragma once

// Boost.Beast as a host: its request, its stream, and what its buffer has. Needs weir with Boost.Asio (weir::boost).
// Include it before a session is made of Beast's tcp_stream. Layer: adapt.

#include <weir/adapt/host_request.hpp>
#include <weir/http/request_view.hpp>
#include <weir/io/transport.hpp>

#include <boost/beast/core/basic_stream.hpp>
#include <boost/beast/core/rate_policy.hpp>
#include <boost/beast/http/fields.hpp>
#include <boost/beast/http/message.hpp>

#include <concepts>
#include <iterator>
#include <string_view>
#include <utility>

namespace weir {

namespace adapt {

/// The request as weir reads it: `out.accept(weir::adapt::request(req))`. Valid as long as `req`.
template <class Body, class Fields>
host_request request(const boost::beast::http::message<true, Body, Fields>& req) {
    const auto text = [](const auto& host_text) { return std::string_view{host_text.data(), host_text.size()}; };
    const auto version = req.version() == 10 ? http::version::http_1_0 : http::version::http_1_1;
    host_request out{text(req.method_string()), text(req.target()), version};
    for (const auto& field : req) out.add(text(field.name_string()), text(field.value()));
    return out;
}

/// What Beast has read behind the request's head: `ws.accept(request, {}, weir::adapt::received(buffer))`. For the
/// buffers that are one piece of memory. Valid as long as `buffer` is not changed.
template <class FlatBuffer>
    requires requires(const FlatBuffer& buffer) {
        { buffer.cdata() } -> std::convertible_to<net::const_buffer>;
    }
std::string_view received(const FlatBuffer& buffer) noexcept {
    const net::const_buffer data = buffer.cdata();
    return {static_cast<const char*>(data.data()), data.size()};
}

}  // namespace adapt

/// Beast's tcp_stream: a session takes the socket out of it, and with it the fast path. Beast's timeouts stay behind;
/// the session's policies take their place. A stream that limits its rate is used as it is.
template <class Protocol, class Executor>
class transport<boost::beast::basic_stream<Protocol, Executor, boost::beast::unlimited_rate_policy>>
    : public transport<net::basic_stream_socket<Protocol, Executor>> {
public:
    /// Takes the socket, and lets the rest go.
    explicit transport(boost::beast::basic_stream<Protocol, Executor, boost::beast::unlimited_rate_policy>&& stream)
        : transport<net::basic_stream_socket<Protocol, Executor>>(stream.release_socket()) {}
};

}  // namespace weir

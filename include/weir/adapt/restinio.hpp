// SPDX-License-Identifier: BSL-1.0
#pragma once

// RESTinio as a host: its request, and the connection taken over from it. Include it, or RESTinio, before the rest of
// weir: see WEIR_WS_REQUEST_READER. Layer: adapt.

#include <restinio/all.hpp>

#include <weir/adapt/host_request.hpp>
#include <weir/config.hpp>
#include <weir/http/request_view.hpp>

#include WEIR_ASIO(ip/tcp.hpp)

#include <type_traits>
#include <utility>

namespace weir::adapt {

/// The request as weir reads it: `out.accept(weir::adapt::request(*req))`. Valid as long as `req`.
///
/// RESTinio 0.6 keeps no version of a request, only whether the connection shall be kept alive. Who does not want that
/// is taken for a client of HTTP/1.0: the event stream's end is the connection's, then, which a client of 1.1
/// understands, too. One of 1.0 that says `Connection: keep-alive` is taken for one of 1.1.
template <class ExtraData>
host_request request(const restinio::generic_request_t<ExtraData>& req) {
    const auto& head = req.header();
    const bool ends = head.connection() == restinio::http_connection_header_t::close;
    host_request out{head.method().c_str(), head.request_target(),
                     ends ? http::version::http_1_0 : http::version::http_1_1};
    head.for_each_field([&](const auto& field) { out.add(field.name(), field.value()); });
    return out;
}

/// The connection that the request came on, taken over as restinio::websocket::basic::upgrade() does, whatever the
/// request asks for: `weir::sse_stream out{weir::adapt::take_socket<traits>(*req)}`. In a handler, which returns
/// restinio::request_accepted() then. On a server with several threads its executor is the connection's strand.
///
/// RESTinio's timeouts, limits and listeners know no more of it. Its limit of pipelined requests must be 1, the
/// default. What the client has sent behind the request is lost, as with RESTinio's own WebSockets. Only a faulty one
/// sends anything: "the client MUST wait for a response from the server before sending any further data." RFC 6455 §4.1
/// Throws restinio::exception_t if the connection was taken from the request before.
template <class Traits, class Request>
auto take_socket(Request& req) {
    using connection = restinio::impl::connection_t<Traits>;
    using stream = typename Traits::stream_socket_t;
    const auto handle = std::move(restinio::impl::access_req_connection(req));
    if (!handle) throw restinio::exception_t{"no connection to take over: already moved"};
    auto& own = dynamic_cast<connection&>(*handle);
    stream taken = std::move(own.move_upgrade_internals().m_socket);
    constexpr bool has_strand = !std::is_same_v<typename Traits::strand_t, restinio::noop_strand_t>;
    if constexpr (has_strand && std::is_same_v<stream, net::ip::tcp::socket>) {
        const auto protocol = taken.local_endpoint().protocol();
        return net::ip::tcp::socket{own.get_executor(), protocol, taken.release()};
    } else {
        return taken;
    }
}

}  // namespace weir::adapt

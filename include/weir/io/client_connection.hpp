// SPDX-License-Identifier: BSL-1.0
#pragma once

// From a URL to a connection on which a request can be sent: name, address, tunnel, TLS. Layer: io.

#include <weir/config.hpp>
#include <weir/error.hpp>
#include <weir/http/fields.hpp>
#include <weir/http/response_parser.hpp>
#include <weir/http/tunnel.hpp>
#include <weir/http/url.hpp>
#include <weir/io/cancellable_run.hpp>
#include <weir/io/client_stream.hpp>
#include <weir/io/connect_race.hpp>
#include <weir/io/read_more.hpp>
#include <weir/io/resolve.hpp>
#include <weir/io/transport.hpp>
#include <weir/time.hpp>

#include WEIR_ASIO(awaitable.hpp)
#include WEIR_ASIO(buffer.hpp)
#include WEIR_ASIO(redirect_error.hpp)
#include WEIR_ASIO(use_awaitable.hpp)
#include WEIR_ASIO(write.hpp)

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace weir {

/// A proxy that opens tunnels, for http and ws URLs, too. RFC 9110 §9.3.6
struct http_proxy {
    std::string url;  ///< "http://proxy.example:3128"; its path means nothing, https is not supported
    std::vector<std::pair<std::string, std::string>> fields{};  ///< for the proxy alone: Proxy-Authorization
};

namespace detail {

/// How a client comes to its connections.
struct connection_options {
    std::shared_ptr<const client_layer_factory> tls{};  ///< nothing: https and wss URLs cannot be reached
    std::optional<http_proxy> proxy{};
    milliseconds address_delay{250};  ///< before the next address is tried, too; 0: only when one has failed
};

/// Connects a fresh stream, up to where the request's first byte is due. `stream`, `url` and `options` are needed until
/// the end. Cancellation is total, by `stop` where there is no other; after an error or a cancellation the stream is of
/// no use any more. Errors: no_tls, bad_argument for a proxy's URL, those of async_resolve() and async_connect_race(),
/// proxy_refused, those of response_parser for the proxy's answer, untrusted_server and others of TLS, of reading and
/// writing.
net::awaitable<error_code> connect_to(client_stream& stream, const http::url& url, const connection_options& options,
                                      interruption stop = {});

/// Connects to a host directly.
inline net::awaitable<error_code> reach(client_stream& stream, const http::url& url, milliseconds delay,
                                        interruption stop) {
    error_code ec;
    const auto token = net::redirect_error(net::use_awaitable, ec);
    const net::any_io_executor executor = stream.get_executor();
    auto resolving = stop.step(token);
    const endpoint_list endpoints = co_await async_resolve(executor, url.host, url.port, resolving);
    if (ec) co_return ec;
    auto& socket = stream.lowest_layer();
    auto connecting = stop.step(token);
    socket = co_await async_connect_race(executor, endpoints, delay, connecting);
    if (ec) co_return ec;
    stop.by_closing(stream);
    static_cast<void>(socket.non_blocking(true, ec));
    disable_nagle(stream);
    co_return ec;
}

/// Reads the proxy's answer. Nothing is to follow it: the servers that are meant here do not speak before they are
/// asked.
inline net::awaitable<error_code> read_tunnel_answer(client_stream& stream) {
    http::response_parser parser;
    std::string received;
    const error_code ec = co_await read_response(stream, parser, received);
    if (ec) co_return ec;
    const error checked = http::check_connect_response(parser.response());
    if (checked != error::none) co_return make_error_code(checked);
    co_return make_error_code(received.size() == parser.head_size() ? error::none : error::proxy_refused);
}

inline net::awaitable<error_code> open_tunnel(client_stream& stream, const http::url& to, const http_proxy& proxy) {
    std::vector<http::field_view> fields;
    for (const auto& [name, value] : proxy.fields) fields.push_back({name, value});
    const http::request_text_result request =
        http::connect_request(http::tunnel_authority(to), http::fields_view{fields});
    if (request.error != error::none) co_return make_error_code(request.error);
    error_code ec;
    auto token = net::redirect_error(net::use_awaitable, ec);
    co_await net::async_write(stream, net::buffer(request.text), token);
    if (ec) co_return ec;
    co_return co_await read_tunnel_answer(stream);
}

inline net::awaitable<error_code> connect_to(client_stream& stream, const http::url& url,
                                             const connection_options& options, interruption stop) {
    if (url.secure() && !options.tls) co_return make_error_code(error::no_tls);
    std::optional<http::url> proxy;
    if (options.proxy) {
        proxy = http::parse_url(options.proxy->url);
        if (!proxy || proxy->scheme != "http") co_return make_error_code(error::bad_argument);
    }
    const http::url& nearest = proxy ? *proxy : url;
    error_code ec = co_await reach(stream, nearest, options.address_delay, stop);
    if (!ec && proxy) ec = co_await open_tunnel(stream, url, *options.proxy);
    if (ec || !url.secure()) co_return ec;
    stream.set_layer(options.tls->make(url.host));
    auto token = net::redirect_error(net::use_awaitable, ec);
    co_await stream.async_open_layer(token);
    co_return ec;
}

}  // namespace detail
}  // namespace weir

// SPDX-License-Identifier: BSL-1.0
#pragma once

// How a client's WebSocket session comes to its handshake, and how either side's opening is run. Layer: io. RFC 6455 §4

#include <weir/config.hpp>
#include <weir/error.hpp>
#include <weir/http/head_scanner.hpp>
#include <weir/http/response_parser.hpp>
#include <weir/http/url.hpp>
#include <weir/io/counted_ptr.hpp>
#include <weir/io/deadline.hpp>
#include <weir/io/read_more.hpp>
#include <weir/io/stream_session.hpp>
#include <weir/io/transport.hpp>
#include <weir/io/waiter_op.hpp>
#include <weir/time.hpp>
#include <weir/ws/client_handshake.hpp>
#include <weir/ws/handshake.hpp>

#include WEIR_CANCELLATION(associated_cancellation_slot.hpp)
#include WEIR_ASIO(associated_executor.hpp)
#include WEIR_ASIO(awaitable.hpp)
#include WEIR_ASIO(buffer.hpp)
#include WEIR_CANCELLATION(cancellation_type.hpp)
#include WEIR_ASIO(co_spawn.hpp)
#include WEIR_ASIO(connect.hpp)
#include WEIR_ASIO(error.hpp)
#include WEIR_ASIO(executor_work_guard.hpp)
#include WEIR_ASIO(ip/tcp.hpp)
#include WEIR_ASIO(redirect_error.hpp)
#include WEIR_ASIO(use_awaitable.hpp)
#include WEIR_ASIO(write.hpp)

#include <exception>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace weir {

/// What a client asks for.
struct ws_connect_options {
    std::vector<std::string> subprotocols{};                    ///< the preferred one first
    std::vector<std::pair<std::string, std::string>> fields{};  ///< added to the request: Authorization, Cookie, Origin
    milliseconds timeout{10'000};  ///< for everything up to the end of the handshake; 0: no limit
};

namespace detail {

/// One client's handshake, with the texts that it needs until the answer has come.
class client_opening {
public:
    client_opening(ws_connect_options options, const ws::deflate_options* deflate);
    client_opening(const client_opening&) = delete;
    client_opening& operator=(const client_opening&) = delete;

    ws::upgrade_request_result request(std::string_view authority, std::string_view target) const;
    ws::connect_result check(const http::response_view& response) const;
    milliseconds timeout() const noexcept { return options_.timeout; }

private:
    ws_connect_options options_;
    std::string key_;
    std::vector<std::string_view> subprotocols_;
    std::vector<http::field_view> fields_;
    ws::connect_options wire_;
};

/// Sends the request and reads the answer, on a connected stream. `status`, if it is there, is set to the answer's.
template <class Core>
net::awaitable<error_code> shake_hands(Core& core, const client_opening& opening, std::string_view authority,
                                       std::string_view target, int* status = nullptr) {
    const ws::upgrade_request_result request = opening.request(authority, target);
    if (request.error != error::none) co_return request.error;
    error_code ec;
    auto token = net::redirect_error(net::use_awaitable, ec);
    co_await net::async_write(core.stream(), net::buffer(request.text), token);
    http::response_parser parser;
    std::string received;
    if (!ec) ec = co_await read_response(core.stream(), parser, received);
    if (ec) co_return ec;
    const ws::connect_result result = opening.check(parser.response());
    if (status != nullptr) *status = result.status;
    if (result.error != error::none) co_return result.error;
    const auto behind = std::string_view{received}.substr(parser.head_size());
    co_return core.begin(ws::role::client, result.deflate, result.subprotocol, behind);
}

/// The handshake on a connected stream, within the time.
template <class Core>
net::awaitable<error_code> open_as_client(counted_ptr<Core> core, std::string authority, std::string target,
                                          ws_connect_options options) {
    const client_opening opening{std::move(options), core->deflate_options()};
    deadline limit{core->stream()};
    limit.set(opening.timeout());
    const error_code ec = co_await shake_hands(*core, opening, authority, target);
    co_return reason_of(ec, limit, error::handshake_timed_out);
}

/// Whether the stream has a handshake of its own, to be done before anything is sent.
template <class Stream>
concept tls_stream = requires(Stream& stream) { stream.async_handshake(Stream::client, any_io_handler{}); };

/// Resolves, connects, shakes hands: TLS where the stream has it, then WebSocket.
template <class Core>
net::awaitable<error_code> connect_as_client(counted_ptr<Core> core, std::string address, ws_connect_options options) {
    auto& stream = core->stream();
    constexpr bool has_tls = tls_stream<std::remove_reference_t<decltype(stream)>>;
    const auto url = http::parse_url(address);
    if (!url || (url->secure() && !has_tls)) co_return error::bad_argument;
    const client_opening opening{std::move(options), core->deflate_options()};
    deadline limit{stream};
    limit.set(opening.timeout());
    error_code ec;
    auto token = net::redirect_error(net::use_awaitable, ec);
    net::ip::tcp::resolver resolver{core->get_executor()};
    const std::string port = std::to_string(url->port);
    const auto endpoints = co_await resolver.async_resolve(url->host, port, token);
    if (core->state() != phase::fresh) co_return error::closed;  // connecting would open what has been closed
    if (!ec) co_await net::async_connect(closable_layer(stream), endpoints, token);
    if constexpr (has_tls) {
        if (!ec) co_await stream.async_handshake(std::decay_t<decltype(stream)>::client, token);
    }
    if (!ec) ec = co_await shake_hands(*core, opening, url->authority, url->target);
    co_return reason_of(ec, limit, error::handshake_timed_out);
}

/// Runs one of the coroutines above on `core`, and calls the handler, of signature void(error_code), with what it
/// returns; error::closed for a session that has begun already. What failed without an answer of its own has no
/// connection any more. Cancellation closes the connection, which ends every operation of every stream.
template <class Handler, class Core>
void run_opening(Handler handler, counted_ptr<Core> core, net::awaitable<error_code> opening) {
    const auto executor = core->get_executor();
    if (core->state() != phase::fresh) {
        return post_completion(std::move(handler), executor, make_error_code(error::closed));
    }
    auto slot = cancellation::get_associated_cancellation_slot(handler);
    if (slot.is_connected()) {
        slot.assign([session = core.get()](cancellation::cancellation_type type) {
            if ((type & cancellation::cancellation_type::terminal) != cancellation::cancellation_type::none) {
                session->terminate(net::error::operation_aborted);
            }
        });
    }
    auto work = net::make_work_guard(net::get_associated_executor(handler, executor));
    auto done = [handler = std::move(handler), core = std::move(core), work = std::move(work), slot](
                    std::exception_ptr failure, error_code ec) mutable {
        if (slot.is_connected()) slot.clear();
        if (failure) ec = net::error::no_memory;  // or threads, to resolve with: nothing else is thrown
        if (core->state() == phase::closed) ec = core->end_reason() ? core->end_reason() : error::closed;
        if (ec && core->state() == phase::fresh) core->terminate(ec);
        post_completion(std::move(handler), core->get_executor(), ec);
    };
    net::co_spawn(executor, std::move(opening), std::move(done));
}

}  // namespace detail
}  // namespace weir

#include WEIR_BODIES(weir/io/ws_opening.ipp)

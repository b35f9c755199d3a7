// SPDX-License-Identifier: BSL-1.0
#pragma once

// A small standalone server: event streams, WebSockets, plain responses, a page's files. Layer: public.
//
// For programs that have no server yet. It routes, limits, times out and drains, and stays small: it is no web
// framework, and a program that has a server uses sse_stream and ws_stream within it.

#include <weir/config.hpp>
#include <weir/http/message.hpp>
#include <weir/server/options.hpp>
#include <weir/server/session.hpp>
#include <weir/sse_stream.hpp>
#include <weir/ws_stream.hpp>

#include WEIR_ASIO(awaitable.hpp)
#include WEIR_ASIO(io_context.hpp)

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string_view>
#include <type_traits>
#include <utility>

namespace weir {

/// The return type of handlers that are coroutines.
template <class T>
using awaitable = net::awaitable<T>;

/// What a route's handler sends to: one client's stream, on the server's own type of stream.
using sse_session = sse_stream<detail::server_stream, detail::route_policies>;
/// As sse_session, for a WebSocket.
using ws_session = ws_stream<detail::server_stream, detail::route_policies>;

namespace detail {

class engine;

/// What a route calls: one of the two, a coroutine or a function that returns at once.
template <class Result, class... Args>
struct route_handler {
    std::function<awaitable<Result>(Args...)> coroutine{};
    std::function<Result(Args...)> function{};
};

}  // namespace detail

/// Thread-safe: drain(), stop(), context(), threads() and connections(). Everything else is called before run(), from
/// one thread. Handlers run on the event loop of their connection and must not block it; with several threads, one
/// handler runs on several at a time. Sessions kept outside the server must be destroyed before it; those that a
/// handler holds in its captures end with it.
class server {
public:
    /// Takes its options; listens to nothing yet.
    explicit server(server_options options = {});
    server(const server&) = delete;
    server& operator=(const server&) = delete;
    /// Cuts the connections that there are.
    ~server();

    /// Answers a method and a path with `response(const request&)` or `awaitable<response>(request)`. An empty method
    /// stands for all that have no route of their own. Patterns are those of http::router: "/rooms/{room}".
    /// Throws std::invalid_argument for a malformed pattern or one that is taken.
    template <class Handler>
    void route(std::string_view method, std::string_view path, Handler handler) {
        constexpr bool waits = std::is_invocable_r_v<awaitable<response>, Handler&, request>;
        static_assert(waits || std::is_invocable_r_v<response, Handler&, const request&>,
                      "a handler is response(const request&) or awaitable<response>(request)");
        plain_handler called;
        if constexpr (waits) {
            called.coroutine = std::move(handler);
        } else {
            called.function = std::move(handler);
        }
        add(method, path, std::move(called));
    }
    /// Answers GET, and HEAD.
    template <class Handler>
    void get(std::string_view path, Handler handler) {
        route("GET", path, std::move(handler));
    }
    /// Answers POST.
    template <class Handler>
    void post(std::string_view path, Handler handler) {
        route("POST", path, std::move(handler));
    }

    /// Serves event streams. `handler` takes (sse_session) or (sse_session, request), and is a coroutine that returns
    /// awaitable<void>, or a function that returns void and keeps the session somewhere. The stream ends when the
    /// session is destroyed. An exception that says the stream has ended may leave the handler; others are reported to
    /// server_options::on_error. Throws as route(), and for a field that cannot be set.
    template <class Handler>
    void sse(std::string_view path, Handler handler, sse_options options = {}) {
        add(path, session_handler<sse_session>(std::move(handler)), std::move(options));
    }

    /// Serves WebSockets. `handler` takes (ws_session) or (ws_session, request), as for sse(). The session closes when
    /// it is destroyed. Throws as route(), and for a field or a subprotocol that cannot be set.
    template <class Handler>
    void ws(std::string_view path, Handler handler, ws_options options = {}) {
        add(path, session_handler<ws_session>(std::move(handler)), std::move(options));
    }

    /// Serves the files below a directory at the paths below `prefix`, with index.html for the directory itself.
    /// Meant for a page and its parts. Throws as route(), and std::filesystem::filesystem_error for no such directory.
    void files(std::string_view prefix, const std::filesystem::path& directory);

    /// Binds and listens; connections are accepted once run() is called. Returns the port. Throws system_error. May be
    /// called for several addresses.
    std::uint16_t listen(const listen_options& options);

    /// Runs until drained or stopped, after at least one listen(); one of the event loops runs on this thread. SIGINT
    /// and SIGTERM drain, unless server_options::handle_signals says otherwise. May be called once.
    void run();

    /// Stops accepting, and ends the connections that wait for a request at once and the sessions one batch after the
    /// other: what was sent is written, event streams' clients are asked to come back in 1 to 3 s, WebSockets are
    /// closed with 1001 (going away). Requests under way are answered; who asks for a stream is asked to come back, who
    /// asks for a WebSocket gets 503. Lets run() return when the last connection has ended, or after the deadline.
    /// A second call changes nothing. See drain_options.
    void drain(drain_options options);
    /// As server_options::drain has it.
    void drain();

    /// Lets run() return at once; connections are cut.
    void stop() noexcept;

    /// The event loops, for timers and coroutines of the application's own. i < threads().
    net::io_context& context(std::size_t i = 0);
    /// Event loops, one thread each.
    std::size_t threads() const noexcept;
    /// Connections at the moment.
    std::size_t connections() const noexcept;

private:
    using plain_handler = detail::route_handler<response, const request&>;
    template <class Session>
    using session_handler_of = detail::route_handler<void, Session&&, request&&>;

    template <class Session, class Handler>
    static session_handler_of<Session> session_handler(Handler handler) {
        constexpr bool with_request = std::is_invocable_v<Handler&, Session, request>;
        static_assert(with_request || std::is_invocable_v<Handler&, Session>,
                      "a handler takes the session (sse_session or ws_session), or (session, request)");
        auto call = [h = std::move(handler)](Session&& session, request&& from) mutable -> decltype(auto) {
            if constexpr (with_request) {
                return h(std::move(session), std::move(from));
            } else {
                return h(std::move(session));
            }
        };
        using result = decltype(call(std::declval<Session>(), std::declval<request>()));
        session_handler_of<Session> called;
        if constexpr (std::is_void_v<result>) {
            called.function = std::move(call);
        } else {
            static_assert(std::is_same_v<result, awaitable<void>>, "a handler returns void or awaitable<void>");
            called.coroutine = std::move(call);
        }
        return called;
    }

    void add(std::string_view method, std::string_view path, plain_handler handler);
    void add(std::string_view path, session_handler_of<sse_session> handler, sse_options options);
    void add(std::string_view path, session_handler_of<ws_session> handler, ws_options options);

    metrics* metrics_;
    std::unique_ptr<detail::engine> engine_;
};

}  // namespace weir

#include WEIR_BODIES(weir/server.ipp)

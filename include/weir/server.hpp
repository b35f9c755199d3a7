// SPDX-License-Identifier: BSL-1.0
#pragma once

// A small standalone server: event streams, WebSockets, plain responses, a page's files. Layer: public.
//
// For programs that have no server yet. It routes, limits, times out and drains, and stays small: it is no web
// framework, and a program that has a server uses sse_stream and ws_stream within it.

#include <weir/metrics.hpp>
#include <weir/server/engine.hpp>
#include <weir/server/static_files.hpp>
#include <weir/sse_stream.hpp>
#include <weir/ws_stream.hpp>

#include WEIR_ASIO(awaitable.hpp)
#include WEIR_ASIO(co_spawn.hpp)

#include <cstddef>
#include <cstdint>
#include <exception>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
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

/// Thread-safe: drain(), stop(), context(), threads() and connections(). Everything else is called before run(), from
/// one thread. Handlers run on the event loop of their connection and must not block it; with several threads, one
/// handler runs on several at a time. Sessions kept outside the server must be destroyed before it; those that a
/// handler holds in its captures end with it.
class server {
public:
    /// Takes its options; listens to nothing yet.
    explicit server(server_options options = {}) : metrics_(options.metrics), engine_(std::move(options)) {}

    /// Answers a method and a path with `response(const request&)` or `awaitable<response>(request)`. An empty method
    /// stands for all that have no route of their own. Patterns are those of http::router: "/rooms/{room}".
    /// Throws std::invalid_argument for a malformed pattern or one that is taken.
    template <class Handler>
    void route(std::string_view method, std::string_view path, Handler handler) {
        engine_.add(method, detail::endpoint{std::string{path}, plain_handler(std::move(handler))});
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
        auto start = starter<sse_session>(std::string{path}, std::move(handler));
        if (metrics_) options.observer = counted(std::move(options.observer), metrics_->sse_observer(path));
        engine_.add(std::make_shared<const detail::sse_route>(path, std::move(options), std::move(start)));
    }

    /// Serves WebSockets. `handler` takes (ws_session) or (ws_session, request), as for sse(). The session closes when
    /// it is destroyed. Throws as route(), and for a field or a subprotocol that cannot be set.
    template <class Handler>
    void ws(std::string_view path, Handler handler, ws_options options = {}) {
        auto start = starter<ws_session>(std::string{path}, std::move(handler));
        if (metrics_) options.observer = counted(std::move(options.observer), metrics_->ws_observer(path));
        engine_.add(std::make_shared<const detail::ws_route>(path, std::move(options), std::move(start)));
    }

    /// Serves the files below a directory at the paths below `prefix`, with index.html for the directory itself.
    /// Meant for a page and its parts. Throws as route(), and std::filesystem::filesystem_error for no such directory.
    void files(std::string_view prefix, const std::filesystem::path& directory) {
        std::string pattern{prefix};
        pattern += prefix.ends_with('/') ? "{path...}" : "/{path...}";
        get(pattern, [source = detail::static_files{directory}](const request& request) {
            return source.answer(request, request.param("path"));
        });
    }

    /// Binds and listens; connections are accepted once run() is called. Returns the port. Throws system_error. May be
    /// called for several addresses.
    std::uint16_t listen(const listen_options& options) { return engine_.listen(options); }

    /// Runs until drained or stopped, after at least one listen(); one of the event loops runs on this thread. SIGINT
    /// and SIGTERM drain, unless server_options::handle_signals says otherwise. May be called once.
    void run() { engine_.run(); }

    /// Stops accepting, and ends the connections that wait for a request at once and the sessions one batch after the
    /// other: what was sent is written, event streams' clients are asked to come back in 1 to 3 s, WebSockets are
    /// closed with 1001 (going away). Requests under way are answered; who asks for a stream is asked to come back, who
    /// asks for a WebSocket gets 503. Lets run() return when the last connection has ended, or after the deadline.
    /// A second call changes nothing. See drain_options.
    void drain(drain_options options) { engine_.drain(options); }
    /// As server_options::drain has it.
    void drain() { engine_.drain(); }

    /// Lets run() return at once; connections are cut.
    void stop() noexcept { engine_.stop(); }

    /// The event loops, for timers and coroutines of the application's own. i < threads().
    net::io_context& context(std::size_t i = 0) { return engine_.context(i); }
    /// Event loops, one thread each.
    std::size_t threads() const noexcept { return engine_.threads(); }
    /// Connections at the moment.
    std::size_t connections() const noexcept { return engine_.connections(); }

private:
    static any_observer counted(any_observer own, metrics::observer counts) {
        if (!own) return counts;
        return [own = std::move(own), counts = std::move(counts)](const auto& what) noexcept {
            counts(what);
            own(what);
        };
    }

    template <class Handler>
    static detail::endpoint::plain_handler plain_handler(Handler handler) {
        if constexpr (std::is_invocable_r_v<awaitable<response>, Handler&, request>) {
            return [h = std::move(handler)](const request& r) mutable { return h(r); };
        } else {
            static_assert(std::is_invocable_r_v<response, Handler&, const request&>,
                          "a handler is response(const request&) or awaitable<response>(request)");
            return [h = std::move(handler)](const request& r) mutable -> awaitable<response> { co_return h(r); };
        }
    }

    template <class Session>
    using core_ptr = detail::counted_ptr<typename Session::core_type>;

    template <class Session, class Handler>
    std::function<void(core_ptr<Session>, request)> starter(std::string path, Handler handler) {
        return [this, path = std::move(path), h = std::move(handler)](core_ptr<Session> core, request r) mutable {
            start<Session>(path, h, std::move(core), std::move(r));
        };
    }

    template <class Session, class Handler>
    void start(const std::string& path, Handler& handler, core_ptr<Session> core, request r) {
        constexpr bool with_request = std::is_invocable_v<Handler&, Session, request>;
        static_assert(with_request || std::is_invocable_v<Handler&, Session>,
                      "a handler takes the session (sse_session or ws_session), or (session, request)");
        const auto call = [&handler](Session&& session, request&& from) -> decltype(auto) {
            if constexpr (with_request) {
                return handler(std::move(session), std::move(from));
            } else {
                return handler(std::move(session));
            }
        };
        using result = decltype(call(std::declval<Session>(), std::declval<request>()));
        if constexpr (std::is_void_v<result>) {
            call(Session{std::move(core)}, std::move(r));
        } else {
            static_assert(std::is_same_v<result, awaitable<void>>, "a handler returns void or awaitable<void>");
            const core_ptr<Session> watched = core;
            net::co_spawn(watched->get_executor(), run_handler(call, Session{std::move(core)}, std::move(r)),
                          [this, path, watched](std::exception_ptr failure) {
                              engine_.report().unless_ended(path, failure, watched->end_reason());
                          });
        }
    }

    // Its frame keeps the arguments for a handler that takes them by reference.
    template <class Call, class Session>
    static awaitable<void> run_handler(Call call, Session session, request r) {
        awaitable<void> running = call(std::move(session), std::move(r));
        co_await std::move(running);
    }

    metrics* metrics_;
    detail::engine engine_;
};

}  // namespace weir

// SPDX-License-Identifier: BSL-1.0
#pragma once

// The bodies of server.hpp.

#include <weir/metrics.hpp>
#include <weir/policy/any_policy.hpp>
#include <weir/server.hpp>
#include <weir/server/engine.hpp>
#include <weir/server/route.hpp>
#include <weir/server/static_files.hpp>

#include WEIR_ASIO(co_spawn.hpp)

#include <exception>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace weir {
namespace detail {

inline any_observer both(any_observer own, metrics::observer counts) {
    if (!own) return counts;
    return [own = std::move(own), counts = std::move(counts)](const auto& what) noexcept {
        counts(what);
        own(what);
    };
}

// Its frame keeps the arguments for a handler that takes them by reference.
template <class Session>
awaitable<void> run_handler(const route_handler<void, Session&&, request&&>& handler, Session session, request r) {
    awaitable<void> running = handler.coroutine(std::move(session), std::move(r));
    co_await std::move(running);
}

/// What begins the sessions of a route.
template <class Session>
auto starter(const reporter& report, std::string path, route_handler<void, Session&&, request&&> handler) {
    using core_ptr = counted_ptr<typename Session::core_type>;
    return [&report, path = std::move(path), h = std::move(handler)](core_ptr core, request r) {
        if (h.function) return h.function(Session{std::move(core)}, std::move(r));
        const core_ptr watched = core;
        net::co_spawn(watched->get_executor(), run_handler(h, Session{std::move(core)}, std::move(r)),
                      [&report, path, watched](std::exception_ptr failure) {
                          report.unless_ended(path, failure, watched->end_reason());
                      });
    };
}

}  // namespace detail

WEIR_INLINE server::server(server_options options)
    : metrics_(options.metrics), engine_(std::make_unique<detail::engine>(std::move(options))) {}

WEIR_INLINE server::~server() = default;

WEIR_INLINE void server::add(std::string_view method, std::string_view path, plain_handler handler) {
    auto plain = std::move(handler.coroutine);
    if (!plain) {
        plain = [h = std::move(handler.function)](const request& r) -> awaitable<response> { co_return h(r); };
    }
    engine_->add(method, detail::endpoint{std::string{path}, std::move(plain)});
}

WEIR_INLINE void server::add(std::string_view path, session_handler_of<sse_session> handler, sse_options options) {
    auto start = detail::starter<sse_session>(engine_->report(), std::string{path}, std::move(handler));
    if (metrics_) options.observer = detail::both(std::move(options.observer), metrics_->sse_observer(path));
    engine_->add(std::make_shared<const detail::sse_route>(path, std::move(options), std::move(start)));
}

WEIR_INLINE void server::add(std::string_view path, session_handler_of<ws_session> handler, ws_options options) {
    auto start = detail::starter<ws_session>(engine_->report(), std::string{path}, std::move(handler));
    if (metrics_) options.observer = detail::both(std::move(options.observer), metrics_->ws_observer(path));
    engine_->add(std::make_shared<const detail::ws_route>(path, std::move(options), std::move(start)));
}

WEIR_INLINE void server::files(std::string_view prefix, const std::filesystem::path& directory) {
    std::string pattern{prefix};
    pattern += prefix.ends_with('/') ? "{path...}" : "/{path...}";
    get(pattern, [source = detail::static_files{directory}](const request& request) {
        return source.answer(request, request.param("path"));
    });
}

WEIR_INLINE std::uint16_t server::listen(const listen_options& options) { return engine_->listen(options); }
WEIR_INLINE void server::run() { engine_->run(); }
WEIR_INLINE void server::drain(drain_options options) { engine_->drain(options); }
WEIR_INLINE void server::drain() { engine_->drain(); }
WEIR_INLINE void server::stop() noexcept { engine_->stop(); }
WEIR_INLINE net::io_context& server::context(std::size_t i) { return engine_->context(i); }
WEIR_INLINE std::size_t server::threads() const noexcept { return engine_->threads(); }
WEIR_INLINE std::size_t server::connections() const noexcept { return engine_->connections(); }

}  // namespace weir

// SPDX-License-Identifier: BSL-1.0
#pragma once

// From a request to a session, or to the response that refuses it. Layer: server.

#include <weir/error.hpp>
#include <weir/exceptions.hpp>
#include <weir/http/message.hpp>
#include <weir/http/response.hpp>
#include <weir/io/stream_session.hpp>
#include <weir/server/connection_count.hpp>
#include <weir/server/event_loop.hpp>
#include <weir/server/jitter.hpp>
#include <weir/server/options.hpp>
#include <weir/server/reporter.hpp>
#include <weir/server/route.hpp>
#include <weir/sse/handshake.hpp>
#include <weir/time.hpp>
#include <weir/ws/handshake.hpp>

#include <atomic>
#include <exception>
#include <optional>
#include <string>
#include <utility>

namespace weir::detail {

/// Whether the server is shutting down, and how.
struct drain_state {
    std::atomic<bool> begun{false};
    drain_options how{};  // set before `begun`
};

/// A complete response, and whether another request may follow it.
struct reply {
    std::string bytes;
    bool keep_alive;
};

/// One request for a session. Each function returns nothing if the connection is a session's now.
class opening {
    // Before its users: its type is deduced.
    template <class Route>
    auto session_of(const Route& route) {
        using made = server_session<typename Route::core_type>;
        return counted_ptr{new made{connection_.release(), route.settings, std::move(place_), on_}};
    }

public:
    opening(event_loop& on, server_connection& connection, const http::request& request, connection_count::slot& place,
            const drain_state& drain, const reporter& report)
        : on_(on), connection_(connection), request_(request), place_(place), drain_(drain), report_(report) {}

    std::optional<reply> open(const sse_route& route) {
        sse::accept_options accept = route.accept_options();
        accept.keep_alive = response_options().keep_alive;
        // A preflight carries no credentials to be looked at. Fetch, CORS protocol
        if (auto instead = request_.method() == "OPTIONS" ? std::nullopt : intercept(route)) {
            for (const auto& [name, value] : sse::cors_fields(request_.view(), accept)) {
                instead->fields.emplace_back(name, value);
            }
            return serialized(*instead);
        }
        const sse::handshake_result result = sse::handshake(request_.view(), accept);
        if (result.refusal != error::none) return reply{result.response, result.keep_alive};
        const auto core = session_of(route);
        core->accept(result);
        // Not a 503, which would make browsers give up: "come back later" is a stream that ends. WHATWG HTML §9.2.3
        if (drain_.begun) {
            core->dismiss(drain_.how);
            return std::nullopt;
        }
        return started(route, core);
    }

    std::optional<reply> open(const ws_route& route) {
        if (drain_.begun) return reply{http::error_response(error::draining), false};
        if (const auto instead = intercept(route)) return serialized(*instead);
        ws::accept_options accept = route.accept_options();
        accept.keep_alive = response_options().keep_alive;
        const ws::handshake_result result = ws::handshake(request_.view(), accept);
        if (result.refusal != error::none) return reply{result.response, result.keep_alive};
        const std::string received = connection_.take_received();
        const auto core = session_of(route);
        core->accept(result, received, route.connection);
        return started(route, core);
    }

    // To be asked once the answer is known: the drain may have begun meanwhile. What HTTP/1.0 called keep-alive is not
    // spoken.
    http::response_options response_options() const {
        const bool keep = request_.view().version == http::version::http_1_1 && request_.view().keep_alive();
        return {.keep_alive = keep && !drain_.begun, .head_only = request_.method() == "HEAD"};
    }

private:
    reply serialized(const response& answer) const {
        const http::response_options how = response_options();
        return {http::serialize(answer, how), how.keep_alive};
    }

    template <class Route, class Core>
    std::optional<reply> started(const Route& route, const Core& core) {
        const milliseconds life = route.options.max_life;
        if (life != life.zero()) core->expire_at(later(core->now(), life - random_up_to(life / 5)));
        const auto failure = caught([&] { route.start(counted_ptr<typename Route::core_type>{core}, request_); });
        if (failure) report_(route.pattern, failure);
        return std::nullopt;
    }

    template <class Route>
    std::optional<response> intercept(const Route& route) const {
        if (!route.options.intercept) return std::nullopt;
        std::optional<response> answer;
        const auto failure = caught([&] { answer = route.options.intercept(request_); });
        if (!failure) return answer;
        report_(route.pattern, failure);
        return response{.status = 500, .body = "500 Internal Server Error\n"};
    }

    event_loop& on_;
    server_connection& connection_;
    const http::request& request_;
    connection_count::slot& place_;
    const drain_state& drain_;
    const reporter& report_;
};

}  // namespace weir::detail

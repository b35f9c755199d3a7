// SPDX-License-Identifier: BSL-1.0
#pragma once

// What a path leads to: a handler for plain responses, or the settings of its sessions. Layer: server.

#include <weir/exceptions.hpp>
#include <weir/http/grammar.hpp>
#include <weir/http/message.hpp>
#include <weir/io/stream_session.hpp>
#include <weir/server/options.hpp>
#include <weir/server/session.hpp>
#include <weir/sse/handshake.hpp>
#include <weir/ws/handshake.hpp>

#include WEIR_ASIO(awaitable.hpp)

#include <algorithm>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace weir::detail {

/// An event-stream route, with everything a handshake refers to. Stays where it is.
struct sse_route {
    using core_type = server_sse_core;
    using start_function = std::function<void(counted_ptr<core_type>, request)>;

    /// Throws std::invalid_argument for a field that cannot be set.
    sse_route(std::string_view path, sse_options given, start_function handler)
        : pattern(path), options(std::move(given)), start(std::move(handler)) {
        origins.assign(options.allowed_origins.begin(), options.allowed_origins.end());
        headers.assign(options.allowed_headers.begin(), options.allowed_headers.end());
        for (const auto& [name, value] : options.fields) fields.push_back({name, value});
        settings.stall.patience = options.stall_timeout;
        if (sse::handshake({.method = "GET", .target = "/"}, accept_options()).refusal != error::bad_argument) return;
        raise(std::invalid_argument("weir: sse_options::fields has a field that cannot be set: " + pattern));
    }
    sse_route(const sse_route&) = delete;
    sse_route& operator=(const sse_route&) = delete;

    sse::accept_options accept_options() const {
        sse::accept_options accept;
        accept.get = options.get;
        accept.post = options.post;
        accept.allowed_origins = origins;
        accept.allow_credentials = options.allow_credentials;
        accept.allowed_headers = headers;
        accept.extra_fields = fields;
        accept.retry = options.retry;
        accept.close_delimited = options.close_delimited;
        return accept;
    }

    std::string pattern;
    sse_options options;
    start_function start;
    std::vector<std::string_view> origins, headers;
    std::vector<http::field_view> fields;
    route_settings settings{
        .backpressure = options.backpressure, .heartbeat = options.heartbeat, .observer = options.observer};
};

/// A WebSocket route, with everything a handshake and its sessions refer to. Stays where it is.
struct ws_route {
    using core_type = server_ws_core;
    using start_function = std::function<void(counted_ptr<core_type>, request)>;

    /// Throws std::invalid_argument for a field or a subprotocol that cannot be set.
    ws_route(std::string_view path, ws_options given, start_function handler)
        : pattern(path), options(std::move(given)), start(std::move(handler)) {
        origins.assign(options.allowed_origins.begin(), options.allowed_origins.end());
        subprotocols.assign(options.subprotocols.begin(), options.subprotocols.end());
        for (const auto& [name, value] : options.fields) fields.push_back({name, value});
        settings.stall.patience = options.stall_timeout;
        connection = server_ws_core::options_for({options.max_message_bytes, options.max_pongs_per_second});
        const error fault = ws::handshake({.method = "GET", .target = "/"}, accept_options()).refusal;
        const bool tokens = std::all_of(subprotocols.begin(), subprotocols.end(), http::is_token);
        if (fault != error::bad_argument && tokens) return;
        raise(std::invalid_argument("weir: ws_options has a field or a subprotocol that cannot be set: " + pattern));
    }
    ws_route(const ws_route&) = delete;
    ws_route& operator=(const ws_route&) = delete;

    ws::accept_options accept_options() const {
        ws::accept_options accept;
        accept.allowed_origins = origins;
        accept.subprotocols = subprotocols;
        accept.extra_fields = fields;
        accept.deflate = settings.framing.deflate();
        return accept;
    }

    std::string pattern;
    ws_options options;
    start_function start;
    std::vector<std::string_view> origins, subprotocols;
    std::vector<http::field_view> fields;
    route_settings settings{.backpressure = options.backpressure,
                            .heartbeat = options.heartbeat,
                            .framing = options.framing,
                            .observer = options.observer};
    ws::connection_options connection;
};

/// A route: one of the three is set.
struct endpoint {
    using plain_handler = std::function<net::awaitable<response>(const request&)>;

    std::string pattern;
    plain_handler plain{};
    std::shared_ptr<const sse_route> stream{};
    std::shared_ptr<const ws_route> websocket{};
};

}  // namespace weir::detail

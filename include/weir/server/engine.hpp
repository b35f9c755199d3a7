// SPDX-License-Identifier: BSL-1.0
#pragma once

// Accepts, serves and drains: what weir::server is a front of. Layer: server.

#include <weir/config.hpp>
#include <weir/error.hpp>
#include <weir/http/message.hpp>
#include <weir/http/response.hpp>
#include <weir/http/router.hpp>
#include <weir/io/http_connection.hpp>
#include <weir/server/connection_count.hpp>
#include <weir/server/linked_list.hpp>
#include <weir/server/options.hpp>
#include <weir/server/route.hpp>
#include <weir/server/session.hpp>
#include <weir/sse/handshake.hpp>

#include WEIR_ASIO(awaitable.hpp)
#include WEIR_ASIO(co_spawn.hpp)
#include WEIR_ASIO(detached.hpp)
#include WEIR_ASIO(executor_work_guard.hpp)
#include WEIR_ASIO(io_context.hpp)
#include WEIR_ASIO(ip/tcp.hpp)
#include WEIR_ASIO(post.hpp)
#include WEIR_ASIO(signal_set.hpp)
#include WEIR_ASIO(steady_timer.hpp)

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <memory>
#include <optional>
#include <random>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

namespace weir::detail {

/// The server without its templates. Thread-safe: drain() and stop().
class engine {
public:
    explicit engine(server_options options)
        : options_(std::move(options)),
          limits_{options_.head, options_.max_body_bytes, options_.request_time, options_.idle_time},
          count_(options_.max_connections, [this] { finish_if_drained(); }) {
        for (unsigned i = 0; i == 0 || i < options_.threads; ++i) loops_.push_back(std::make_unique<event_loop>());
    }
    engine(const engine&) = delete;
    engine& operator=(const engine&) = delete;
    ~engine() { draining_ = false; }  // connections that end with their loops need not be waited for

    void add(std::string_view method, endpoint target);
    void add(std::shared_ptr<const sse_route> route);
    std::uint16_t listen(const listen_options& options);
    void run();
    void drain(drain_options options);
    void drain() { drain(options_.drain); }
    void stop() noexcept {
        for (const auto& on : loops_) on->context.stop();
    }

    net::io_context& context(std::size_t i) { return loops_.at(i)->context; }
    std::size_t threads() const noexcept { return loops_.size(); }
    std::size_t connections() const noexcept { return count_.value(); }

    /// Tells the application of an exception that left one of its handlers, unless it only says that a stream ended.
    void report(std::string_view route, std::exception_ptr failure) const noexcept;

private:
    struct session_core;
    struct live_connection;
    using slot = connection_count::slot;

    // One event loop and what lives on it. The lists outlive the context, whose destruction empties them.
    struct event_loop {
        linked_list<session_core> sessions;
        linked_list<live_connection> connections;
        net::io_context context{1};
    };

    struct session_core final : server_core_type, linked_list<session_core>::hook {
        session_core(server_socket socket, const route_settings& settings, slot taken, event_loop& on)
            : server_core_type(std::move(socket), policy_set{route_policies{&settings}}), place(std::move(taken)) {
            on.sessions.add(*this);
        }
        ~session_core() override { linked_list<session_core>::remove(*this); }

        // The place is free when the connection ends, however long the application keeps the session.
        void close_transport() noexcept override {
            server_core_type::close_transport();
            place = {};
        }

        slot place;
    };

    struct live_connection final : http_connection<server_socket>, linked_list<live_connection>::hook {
        live_connection(server_socket socket, const http_limits& limits, std::string remote, event_loop& on)
            : http_connection(std::move(socket), limits, std::move(remote)) {
            on.connections.add(*this);
        }
        ~live_connection() { linked_list<live_connection>::remove(*this); }
    };

    struct listener {
        net::ip::tcp::acceptor acceptor;
        net::steady_timer pause;
    };

    enum class next_step { read_again, finish, handed_over };
    struct reply {
        std::string bytes;
        bool keep_alive;
    };

    void accept_next(listener& from);
    void on_accepted(event_loop& on, server_socket socket);
    net::awaitable<void> serve(event_loop& on, server_socket socket, slot place);
    net::awaitable<next_step> answer(event_loop& on, live_connection& connection, slot& place);
    net::awaitable<std::optional<reply>> dispatch(event_loop& on, live_connection& connection,
                                                  http::request_builder& request, slot& place);
    std::optional<reply> open_stream(event_loop& on, live_connection& connection, const request& request,
                                     const sse_route& route, slot& place);
    static std::string refusal(error why, std::string_view allow, http::response_options how);
    net::awaitable<response> call(const endpoint& target, const request& request) const;
    void wait_for_signal();
    void drain_loop(event_loop& on, const drain_options& options);
    void finish_if_drained() noexcept {
        if (draining_ && count_.value() == 0) stop();
    }
    static std::string retry_message(sse::framing framing, milliseconds over);
    static milliseconds random_up_to(milliseconds most);

    server_options options_;
    http_limits limits_;
    connection_count count_;
    http::router<endpoint> router_;
    std::vector<std::unique_ptr<event_loop>> loops_;
    std::vector<std::unique_ptr<listener>> listeners_;
    std::optional<net::signal_set> signals_;
    std::optional<net::steady_timer> drain_deadline_;
    std::size_t next_loop_ = 0;
    std::atomic<bool> draining_{false};
};

// ---- before running ----

inline void engine::add(std::string_view method, endpoint target) {
    const std::string pattern = target.pattern;
    if (router_.add(method, pattern, std::move(target)) != error::none) {
        throw std::invalid_argument("weir: bad or repeated route: " + std::string{method} + ' ' + pattern);
    }
}

inline void engine::add(std::shared_ptr<const sse_route> route) {
    // The handshake answers every method: with a stream, or with the refusal that fits.
    add({}, endpoint{route->pattern, {}, route});
}

inline std::uint16_t engine::listen(const listen_options& options) {
    const net::ip::tcp::endpoint local{net::ip::make_address(options.address), options.port};
    auto& context = loops_.front()->context;
    auto fresh = std::make_unique<listener>(
        listener{net::ip::tcp::acceptor{context, local.protocol()}, net::steady_timer{context}});
    fresh->acceptor.set_option(net::ip::tcp::acceptor::reuse_address{true});
    fresh->acceptor.bind(local);
    fresh->acceptor.listen(options.backlog);
    listeners_.push_back(std::move(fresh));
    return listeners_.back()->acceptor.local_endpoint().port();
}

inline void engine::run() {
    if (options_.handle_signals) wait_for_signal();
    for (const auto& from : listeners_) accept_next(*from);
    std::vector<net::executor_work_guard<net::io_context::executor_type>> work;
    for (const auto& on : loops_) work.push_back(net::make_work_guard(on->context));
    std::vector<std::jthread> others;
    for (std::size_t i = 1; i < loops_.size(); ++i) others.emplace_back([this, i] { context(i).run(); });
    context(0).run();
}

// ---- accepting ----

inline void engine::accept_next(listener& from) {
    event_loop& on = *loops_[next_loop_++ % loops_.size()];
    from.acceptor.async_accept(on.context.get_executor(), [this, &from, &on](error_code ec, server_socket socket) {
        if (!from.acceptor.is_open()) return;
        if (!ec) on_accepted(on, std::move(socket));
        if (!ec || ec == net::error::connection_aborted) return accept_next(from);
        // Out of descriptors or memory: the connection waits in the backlog until some are given back.
        from.pause.expires_after(milliseconds{50});
        from.pause.async_wait([this, &from](error_code) {
            if (from.acceptor.is_open()) accept_next(from);
        });
    });
}

inline void engine::on_accepted(event_loop& on, server_socket socket) {
    slot place = count_.enter();
    // Closed without an answer: browsers retry a failed connection, and would give an event stream up after a 503.
    if (!place) return;
    net::co_spawn(on.context, serve(on, std::move(socket), std::move(place)), net::detached);
}

// ---- serving ----

inline net::awaitable<void> engine::serve(event_loop& on, server_socket socket, slot place) {
    error_code ec;
    const auto remote = socket.remote_endpoint(ec);
    if (ec) co_return;
    disable_nagle(socket);
    live_connection connection{std::move(socket), limits_, remote.address().to_string(), on};
    next_step next = next_step::read_again;
    while (next == next_step::read_again) next = co_await answer(on, connection, place);
    if (next == next_step::finish) co_await connection.finish();
}

inline net::awaitable<engine::next_step> engine::answer(event_loop& on, live_connection& connection, slot& place) {
    http::request_builder request{limits_.head};
    const error failure = co_await connection.read(request);
    if (failure == error::peer_closed) co_return next_step::finish;
    if (failure != error::none) {
        co_await connection.write(http::error_response(failure));
        co_return next_step::finish;
    }
    const std::optional<reply> out = co_await dispatch(on, connection, request, place);
    if (!out) co_return next_step::handed_over;
    const error written = co_await connection.write(out->bytes);
    co_return written == error::none && out->keep_alive ? next_step::read_again : next_step::finish;
}

inline net::awaitable<std::optional<engine::reply>> engine::dispatch(event_loop& on, live_connection& connection,
                                                                     http::request_builder& builder, slot& place) {
    const request& request = builder.get();
    const bool keep = request.view().keep_alive() && !draining_;
    const http::response_options how{.keep_alive = keep, .head_only = request.method() == "HEAD"};
    const auto found = router_.find(request.method(), request.path());
    std::optional<reply> out;
    if (found.error != error::none) {
        out = reply{refusal(found.error, found.allow, how), keep};
        co_return out;
    }
    builder.set_parameters(found.parameters);
    if (found.value->stream) {
        out = open_stream(on, connection, request, *found.value->stream, place);
        co_return out;
    }
    // GCC 12 destroys a temporary twice if an await is part of the expression that makes it: names, not temporaries.
    const response answered = co_await call(*found.value, request);
    out = reply{http::serialize(answered, how), keep};
    co_return out;
}

inline std::string engine::refusal(error why, std::string_view allow, http::response_options how) {
    if (allow.empty()) return http::error_response(why, {}, how);
    const http::field_view field{"Allow", allow};
    return http::error_response(why, std::span{&field, 1}, how);
}

inline net::awaitable<response> engine::call(const endpoint& target, const request& request) const {
    response answered{.status = 500, .body = "500 Internal Server Error\n"};
    try {
        answered = co_await target.plain(request);
    } catch (...) {
        report(target.pattern, std::current_exception());
    }
    co_return answered;
}

// Nothing: the connection is a stream's now.
inline std::optional<engine::reply> engine::open_stream(event_loop& on, live_connection& connection,
                                                        const request& request, const sse_route& route, slot& place) {
    if (route.options.intercept) {
        const auto instead = route.options.intercept(request);
        if (instead) return reply{http::serialize(*instead, {.head_only = request.method() == "HEAD"}), false};
    }
    const sse::handshake_result result = sse::handshake(request.view(), route.accept_options());
    if (result.refusal != error::none) return reply{result.response, false};
    const counted_ptr core{new session_core{connection.release(), route.settings, std::move(place), on}};
    core->accept(result);
    if (draining_) {
        // Not a 503, which would make browsers give up: "come back later" is a stream that ends. WHATWG HTML §9.2.3
        core->close(error::draining, retry_message(core->framing(), options_.drain.over));
        return std::nullopt;
    }
    const milliseconds life = route.options.max_life;
    if (life != life.zero()) core->expire_at(later(core->now(), life - random_up_to(life / 5)));
    try {
        route.start(counted_ptr<server_core_type>{core}, request);
    } catch (...) {
        report(route.pattern, std::current_exception());
    }
    return std::nullopt;
}

inline void engine::report(std::string_view route, std::exception_ptr failure) const noexcept {
    if (!failure) return;
    try {
        std::rethrow_exception(failure);
    } catch (const system_error& e) {
        const error_code& ec = e.code();
        const bool stream_ended = ec.category() == category() || ec.category() == net::error::get_misc_category() ||
                                  ec.category() == net::error::get_system_category();
        if (stream_ended) return;
    } catch (...) {
    }
    if (options_.on_error) return options_.on_error(route, failure);
    try {
        std::rethrow_exception(failure);
    } catch (const std::exception& e) {
        std::fprintf(stderr, "weir: handler of %.*s: %s\n", static_cast<int>(route.size()), route.data(), e.what());
    } catch (...) {
        std::fprintf(stderr, "weir: handler of %.*s: unknown exception\n", static_cast<int>(route.size()),
                     route.data());
    }
}

// ---- draining ----

inline void engine::wait_for_signal() {
    signals_.emplace(context(0), SIGINT, SIGTERM);
    signals_->async_wait([this](error_code ec, int) {
        if (ec) return;
        drain();
        signals_->async_wait([this](error_code again, int) {
            if (!again) stop();
        });
    });
}

inline void engine::drain(drain_options options) {
    net::post(context(0), [this, options] {
        if (draining_.exchange(true)) return;
        for (const auto& from : listeners_) {
            error_code ignored;
            static_cast<void>(from->acceptor.close(ignored));
        }
        for (const auto& on : loops_) net::post(on->context, [this, &on, options] { drain_loop(*on, options); });
        drain_deadline_.emplace(context(0), options.deadline);
        drain_deadline_->async_wait([this](error_code ec) {
            if (!ec) stop();
        });
        finish_if_drained();
    });
}

inline void engine::drain_loop(event_loop& on, const drain_options& options) {
    on.connections.for_each([](live_connection& connection) { connection.close_if_idle(); });
    on.sessions.for_each([&](session_core& session) {
        session.close(error::draining, retry_message(session.framing(), options.over));
    });
}

inline std::string engine::retry_message(sse::framing framing, milliseconds over) {
    std::string text;
    sse::append(sse::retry_encoder{random_up_to(over), framing}, text);
    return text;
}

inline milliseconds engine::random_up_to(milliseconds most) {
    thread_local std::minstd_rand source{std::random_device{}()};
    std::uniform_int_distribution<milliseconds::rep> spread{0, std::max<milliseconds::rep>(0, most.count())};
    return milliseconds{spread(source)};
}

}  // namespace weir::detail

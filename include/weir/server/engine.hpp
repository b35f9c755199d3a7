// SPDX-License-Identifier: BSL-1.0
#pragma once

// Accepts, serves and drains: what weir::server is a front of. Layer: server.

#include <weir/config.hpp>
#include <weir/error.hpp>
#include <weir/exceptions.hpp>
#include <weir/http/message.hpp>
#include <weir/http/response.hpp>
#include <weir/http/router.hpp>
#include <weir/io/http_connection.hpp>
#include <weir/server/connection_count.hpp>
#include <weir/server/drain.hpp>
#include <weir/server/event_loop.hpp>
#include <weir/server/opening.hpp>
#include <weir/server/options.hpp>
#include <weir/server/reporter.hpp>
#include <weir/server/route.hpp>
#include <weir/server/stream.hpp>
#include <weir/time.hpp>

#include WEIR_ASIO(awaitable.hpp)
#include WEIR_ASIO(co_spawn.hpp)
#include WEIR_ASIO(executor_work_guard.hpp)
#include WEIR_ASIO(io_context.hpp)
#include WEIR_ASIO(ip/tcp.hpp)
#include WEIR_ASIO(post.hpp)
#include WEIR_ASIO(signal_set.hpp)
#include WEIR_ASIO(steady_timer.hpp)
#include WEIR_ASIO(use_awaitable.hpp)

#include <atomic>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

namespace weir::detail {

/// Threads that are joined in the destructor. Not std::jthread, which libc++ 19 has only behind
/// -fexperimental-library.
class joined_threads {
public:
    joined_threads() = default;
    joined_threads(const joined_threads&) = delete;
    joined_threads& operator=(const joined_threads&) = delete;
    ~joined_threads() {
        for (std::thread& each : threads_) each.join();
    }
    template <class Work>
    void start(Work work) {
        threads_.emplace_back(std::move(work));
    }

private:
    std::vector<std::thread> threads_;
};

/// The server without its templates. Thread-safe: drain() and stop().
class engine {
public:
    explicit engine(server_options options)
        : options_(std::move(options)),
          report_(options_.on_error),
          limits_{options_.head, options_.max_body_bytes, options_.request_time, options_.idle_time,
                  options_.write_time},
          count_(options_.max_connections, [this] { finish_if_drained(); }) {
        for (unsigned i = 0; i == 0 || i < options_.threads; ++i) loops_.push_back(std::make_unique<event_loop>());
    }
    engine(const engine&) = delete;
    engine& operator=(const engine&) = delete;
    ~engine();

    void add(std::string_view method, endpoint target);
    void add(std::shared_ptr<const sse_route> route) {
        // The handshake answers every method: with a session, or with the refusal that fits.
        add({}, endpoint{route->pattern, {}, route, {}});
    }
    void add(std::shared_ptr<const ws_route> route) { add({}, endpoint{route->pattern, {}, {}, route}); }
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

    /// What becomes of exceptions that leave the application's handlers.
    const reporter& report() const noexcept { return report_; }

private:
    using slot = connection_count::slot;
    using accepted_socket = server_socket::accepted_type;

    struct listener {
        net::ip::tcp::acceptor acceptor;
        net::steady_timer pause;
        std::shared_ptr<const layer_factory> layers;
    };

    enum class next_step { read_again, finish, handed_over };

    void accept_next(listener& from);
    void on_accepted(event_loop& on, const listener& from, accepted_socket socket);
    net::awaitable<void> serve(event_loop& on, const listener& from, accepted_socket accepted, slot place);
    net::awaitable<next_step> answer(event_loop& on, server_connection& connection, slot& place);
    net::awaitable<std::optional<reply>> dispatch(event_loop& on, server_connection& connection,
                                                  http::request_builder& request, slot& place);
    static std::string refusal(error why, std::string_view allow, http::response_options how);
    net::awaitable<response> call(const endpoint& target, const request& request) const;
    void run_loop(std::size_t i) noexcept;
    void wait_for_signal();
    net::awaitable<void> drain_loop(event_loop& on);
    void finish_if_drained() noexcept;

    server_options options_;
    const reporter report_;
    http_limits limits_;
    drain_state drain_;
    std::atomic<bool> failed_{false};
    std::exception_ptr failure_;  // what ended the run; written by whoever set failed_
    connection_count count_;
    std::vector<std::unique_ptr<event_loop>> loops_;
    http::router<endpoint> router_;  // after the loops: handlers may hold sessions
    std::vector<std::unique_ptr<listener>> listeners_;
    std::optional<net::signal_set> signals_;
    std::optional<net::steady_timer> drain_deadline_;
    std::size_t next_loop_ = 0;
};

// In this order because handlers may keep sessions in their own state: those find nothing left to do.
inline engine::~engine() {
    drain_.begun = false;  // nobody waits for the connections that end here
    for (const auto& on : loops_) {
        const auto end = [](auto& session) { session.terminate(error::closed); };
        on->event_streams.for_each(end);
        on->websockets.for_each(end);
    }
    for (const auto& on : loops_) on->context.abandon_handlers();
}

// ---- before running ----

inline void engine::add(std::string_view method, endpoint target) {
    const std::string pattern = target.pattern;
    if (router_.add(method, pattern, std::move(target)) != error::none) {
        raise(std::invalid_argument("weir: a route must begin with '/' and be new: " + std::string{method} + ' ' +
                                    pattern));
    }
}

inline std::uint16_t engine::listen(const listen_options& options) {
    const net::ip::tcp::endpoint local{net::ip::make_address(options.address), options.port};
    auto& context = loops_.front()->context;
    auto fresh = std::make_unique<listener>(
        listener{net::ip::tcp::acceptor{context, local.protocol()}, net::steady_timer{context}, options.tls});
    fresh->acceptor.set_option(net::ip::tcp::acceptor::reuse_address{true});
    error_code ec;
    fresh->acceptor.bind(local, ec);
    if (!ec) fresh->acceptor.listen(options.backlog, ec);
    if (ec) raise(system_error{ec, "weir: listen on " + options.address + " port " + std::to_string(options.port)});
    listeners_.push_back(std::move(fresh));
    return listeners_.back()->acceptor.local_endpoint().port();
}

inline void engine::run() {
    if (listeners_.empty()) raise(std::logic_error("weir: run() without listen()"));
    if (options_.handle_signals) wait_for_signal();
    for (const auto& on : loops_) server_socket::prepare(on->context);
    for (const auto& from : listeners_) accept_next(*from);
    std::vector<net::executor_work_guard<net::io_context::executor_type>> work;
    for (const auto& on : loops_) work.push_back(net::make_work_guard(on->context.get_executor()));
    {
        joined_threads others;
        for (std::size_t i = 1; i < loops_.size(); ++i) others.start([this, i] { run_loop(i); });
        run_loop(0);
    }
    signals_.reset();
    if (failure_) std::rethrow_exception(failure_);
}

// What the application throws on a loop of its own accord ends the run, whichever loop it is.
inline void engine::run_loop(std::size_t i) noexcept {
    const auto failure = caught([&] { context(i).run(); });
    if (!failure) return;
    if (!failed_.exchange(true)) failure_ = failure;
    stop();
}

// ---- accepting ----

inline void engine::accept_next(listener& from) {
    event_loop& on = *loops_[next_loop_++ % loops_.size()];
    from.acceptor.async_accept(on.context.get_executor(), [this, &from, &on](error_code ec, accepted_socket socket) {
        if (!from.acceptor.is_open()) return;
        if (!ec) on_accepted(on, from, std::move(socket));
        if (!ec || ec == net::error::connection_aborted) return accept_next(from);
        // Out of descriptors or memory: the connection waits in the backlog until some are given back.
        from.pause.expires_after(milliseconds{50});
        from.pause.async_wait([this, &from](error_code) {
            if (from.acceptor.is_open()) accept_next(from);
        });
    });
}

inline void engine::on_accepted(event_loop& on, const listener& from, accepted_socket socket) {
    slot place = count_.enter();
    // Closed without an answer: browsers retry a failed connection, and would give an event stream up after a 503.
    if (!place) return;
    net::co_spawn(on.context, serve(on, from, std::move(socket), std::move(place)), [this](std::exception_ptr failure) {
        if (failure) report_("(connection)", failure);
    });
}

// ---- serving ----

// Begins on the loop's own thread, and makes the socket one of the loop's there.
inline net::awaitable<void> engine::serve(event_loop& on, const listener& from, accepted_socket accepted, slot place) {
    server_socket socket{std::move(accepted)};
    error_code ec;
    const auto remote = socket.remote_endpoint(ec);
    if (ec) co_return;
    disable_nagle(socket);
    server_stream stream{std::move(socket), from.layers ? from.layers->make() : nullptr};
    server_connection connection{std::move(stream), limits_, remote.address().to_string(), on};
    next_step next = next_step::read_again;
    while (next == next_step::read_again) next = co_await answer(on, connection, place);
    if (next == next_step::finish) co_await connection.finish();
}

inline net::awaitable<engine::next_step> engine::answer(event_loop& on, server_connection& connection, slot& place) {
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
    const bool go_on = written == error::none && out->keep_alive && !drain_.begun;
    co_return go_on ? next_step::read_again : next_step::finish;
}

inline net::awaitable<std::optional<reply>> engine::dispatch(event_loop& on, server_connection& connection,
                                                             http::request_builder& builder, slot& place) {
    const request& request = builder.get();
    const auto found = router_.find(request.method(), request.path());
    opening session{on, connection, request, place, drain_, report_};
    std::optional<reply> out;
    if (found.error != error::none) {
        const auto how = session.response_options();
        out = reply{refusal(found.error, found.allow, how), how.keep_alive};
        co_return out;
    }
    builder.set_parameters(found.parameters);
    if (found.value->stream || found.value->websocket) {
        out = found.value->stream ? session.open(*found.value->stream) : session.open(*found.value->websocket);
        co_return out;
    }
    // GCC 12 destroys a temporary twice if an await is part of the expression that makes it: names, not temporaries.
    const response answered = co_await call(*found.value, request);
    const auto how = session.response_options();
    out = reply{http::serialize(answered, how), how.keep_alive};
    co_return out;
}

inline std::string engine::refusal(error why, std::string_view allow, http::response_options how) {
    if (allow.empty()) return http::error_response(why, {}, how);
    const http::field_view field{"Allow", allow};
    return http::error_response(why, std::span{&field, 1}, how);
}

inline net::awaitable<response> engine::call(const endpoint& target, const request& request) const {
    response answered{.status = 500, .body = "500 Internal Server Error\n"};
    WEIR_TRY { answered = co_await target.plain(request); }
    WEIR_CATCH_ALL { report_(target.pattern, std::current_exception()); }
    co_return answered;
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
        if (drain_.begun) return;
        drain_.how = options;
        drain_.begun = true;
        for (const auto& from : listeners_) {
            error_code ignored;
            static_cast<void>(from->acceptor.close(ignored));
        }
        for (const auto& on : loops_) {
            net::co_spawn(on->context, drain_loop(*on), [](std::exception_ptr failure) {
                if (failure) std::rethrow_exception(failure);
            });
        }
        drain_deadline_.emplace(context(0), later(later(clock::now(), options.over), options.deadline));
        drain_deadline_->async_wait([this](error_code ec) {
            if (!ec) stop();
        });
        finish_if_drained();
    });
}

// One turn later: handlers that learn only now that their session has ended get theirs.
inline void engine::finish_if_drained() noexcept {
    if (!drain_.begun || count_.value() != 0) return;
    for (const auto& on : loops_) {
        net::io_context& context = on->context;
        net::post(context, [&context] { net::post(context, [&context] { context.stop(); }); });
    }
}

// Runs on the loop's own thread, whose the lists are.
inline net::awaitable<void> engine::drain_loop(event_loop& on) {
    on.connections.for_each([](server_connection& connection) { connection.close_if_idle(); });
    const auto dismiss = [this](auto& session) { session.dismiss(drain_.how); };
    list_drain event_streams{on.event_streams, drain_.how.over};
    list_drain websockets{on.websockets, drain_.how.over};
    net::steady_timer timer{on.context};
    for (const time_point begun = clock::now();;) {
        const duration elapsed = clock::now() - begun;
        event_streams.end_due(elapsed, dismiss);
        websockets.end_due(elapsed, dismiss);
        if (event_streams.done() && websockets.done()) co_return;
        timer.expires_at(begun + drain_plan::next_after(elapsed));
        co_await timer.async_wait(net::use_awaitable);
    }
}

}  // namespace weir::detail

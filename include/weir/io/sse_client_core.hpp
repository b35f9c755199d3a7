// SPDX-License-Identifier: BSL-1.0
#pragma once

// What an sse_client is a handle of: connects, reads and waits, as its state machine decides. Layer: io.
// WHATWG HTML, server-sent events

#include <weir/config.hpp>
#include <weir/error.hpp>
#include <weir/io/attempt_hook.hpp>
#include <weir/io/cancellable_run.hpp>
#include <weir/io/client_connection.hpp>
#include <weir/io/client_stream.hpp>
#include <weir/io/completion.hpp>
#include <weir/io/counted_ptr.hpp>
#include <weir/io/deadline.hpp>
#include <weir/io/loop.hpp>
#include <weir/io/sleep.hpp>
#include <weir/io/transport.hpp>
#include <weir/session/sse_client_session.hpp>
#include <weir/time.hpp>

#include WEIR_ASIO(any_io_executor.hpp)
#include WEIR_ASIO(async_result.hpp)
#include WEIR_ASIO(awaitable.hpp)
#include WEIR_ASIO(buffer.hpp)
#include WEIR_ASIO(co_spawn.hpp)
#include WEIR_ASIO(error.hpp)
#include WEIR_ASIO(post.hpp)
#include WEIR_ASIO(redirect_error.hpp)
#include WEIR_ASIO(use_awaitable.hpp)
#include WEIR_ASIO(write.hpp)

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>
#include <type_traits>
#include <utility>

namespace weir {

/// What a client calls by itself: on_open() when a stream begins, on_event(event) for every event, on_retry(reason,
/// delay) when a connection or an attempt to connect has failed and another is due after `delay`, and on_close(reason)
/// when there will be none, unless that is the application's own doing. Each may be empty. They run on the client's
/// executor, may call anything, and are not called any more once the client is closed or its handle is destroyed. An
/// exception that leaves one ends the client and goes to whoever runs the executor.
struct sse_client_handlers {
    std::function<void()> on_open{};                            ///< a stream has begun
    std::function<void(const sse::decoded_event&)> on_event{};  ///< an event has come; valid during the call
    std::function<void(error_code reason, milliseconds delay)> on_retry{};  ///< it will try again after `delay`
    std::function<void(error_code reason)> on_close{};                      ///< it will not try again
};

namespace detail {

/// What is not the state machine's business.
struct sse_client_plan {
    connection_options connection{};
    attempt_hook<sse_attempt> before_attempt{};
    milliseconds connect_timeout{};
    milliseconds read_timeout{};
};

/// One coroutine from beginning to end, which refers to this object; the handle does, too. Everything happens on the
/// executor. Only what is asked for is read: one event at a time.
class sse_client_core final : private resident {
public:
    using executor_type = net::any_io_executor;
    using received_event = std::optional<sse::decoded_event>;
    using receiver = completion_ptr<error_code, received_event>;

    sse_client_core(executor_type executor, sse_client_settings settings, sse_client_plan plan)
        : executor_(std::move(executor)),
          loop_(loop::of(executor_)),
          session_(std::move(settings)),
          plan_(std::move(plan)) {
        loop_.enter(*this);
    }

    executor_type get_executor() const noexcept { return executor_; }
    const sse_client_session& session() const noexcept { return session_; }

    /// Begins, soon. Call once.
    void start(std::string_view url);
    /// Completes `receiver` with the next event, or with the end.
    void next(receiver to);
    void cancel_next() { complete(receiver_, make_error_code(net::error::operation_aborted), received_event{}); }
    void handle_with(sse_client_handlers handlers);
    void pause(bool paused);
    void retry_now();
    /// Ends it. Nothing is called any more but the receiver, which learns of it.
    void close();

    void add_reference() noexcept { references_.add(); }
    void drop_reference() noexcept {
        if (references_.drop()) delete this;
    }

private:
    using state = sse_client_session::state;
    using step = sse_client_session::step;
    using self_ptr = counted_ptr<sse_client_core>;
    using handlers_ptr = std::shared_ptr<const sse_client_handlers>;

    ~sse_client_core() override { loop_.leave(*this); }

    bool retain() noexcept override { return references_.add_if_any(); }
    void expire() noexcept override { drop_reference(); }
    void abandon() noexcept override;

    net::awaitable<void> run();
    net::awaitable<void> connect();
    net::awaitable<bool> prepare();
    milliseconds time_left() const;
    net::awaitable<error_code> reach_answer(interruption stop);
    net::awaitable<void> read();
    net::awaitable<void> read_more();
    net::awaitable<error_code> read_some();
    net::awaitable<void> sleep();
    net::awaitable<void> asked();

    static const handlers_ptr& no_handlers() {
        static const auto none = std::make_shared<const sse_client_handlers>();
        return none;
    }
    bool is_over() const noexcept { return session_.current_state() == state::closed; }
    bool is_asked() const noexcept { return receiver_ || (handlers_->on_event && !paused_); }
    void wake();
    void disconnect() noexcept;
    void take(step taken);
    void deliver();
    template <class... Args>
    void call(const std::function<void(Args...)>& handler, std::type_identity_t<Args>... args);
    void finish(const std::exception_ptr& thrown);
    error_code reason_for_receiver() const noexcept;

    static constexpr std::size_t read_size = 16 * 1024;

    executor_type executor_;
    loop& loop_;
    sse_client_session session_;
    sse_client_plan plan_;
    reference_count references_;
    handlers_ptr handlers_ = no_handlers();
    receiver receiver_;
    completion_ptr<error_code> demand_;  // the coroutine, while nobody asks for an event
    std::optional<transport<client_stream>> transport_;
    cancellable_run current_;  // what the coroutine waits for, other than bytes and demand
    std::unique_ptr<std::byte[]> buffer_;
    std::string_view unread_;        // of the buffer
    step answer_ = step::need_more;  // what the attempt came to
    time_point attempt_ends_{};
    bool redirected_ = false;  // the attempt goes on elsewhere
    bool paused_ = false, finished_ = false;
};

// ---- what the application asks for ----

inline void sse_client_core::start(std::string_view url) {
    static_cast<void>(session_.start(url));  // what is wrong with it, end_reason() tells
    net::post(executor_, [self = self_ptr{this}] {
        net::co_spawn(self->executor_, self->run(), [self](const std::exception_ptr& thrown) { self->finish(thrown); });
    });
}

inline void sse_client_core::next(receiver to) {
    if (receiver_ || handlers_->on_event) {
        return to.release()->complete(make_error_code(error::already_receiving), received_event{});
    }
    receiver_ = std::move(to);
    if (finished_) return complete(receiver_, reason_for_receiver(), received_event{});
    wake();
}

inline void sse_client_core::handle_with(sse_client_handlers handlers) {
    handlers_ = std::make_shared<const sse_client_handlers>(std::move(handlers));
    if (handlers_->on_event) complete(receiver_, make_error_code(error::already_receiving), received_event{});
    wake();
}

inline void sse_client_core::pause(bool paused) {
    paused_ = paused;
    wake();
}

inline void sse_client_core::retry_now() {
    if (session_.retry_now()) current_.cancel();  // from sleeping
}

inline void sse_client_core::close() {
    handlers_ = no_handlers();
    if (is_over()) return;
    session_.close();
    current_.cancel();
    disconnect();
    wake();
}

// The context is being destroyed, and the coroutine with it.
inline void sse_client_core::abandon() noexcept {
    const self_ptr self{this};
    finished_ = true;
    session_.close();  // nothing is left to do for a handle that goes with the handlers
    receiver_.reset();
    demand_.reset();
    const auto handlers = std::exchange(handlers_, no_handlers());
    const auto plan = std::exchange(plan_, {});
}

inline void sse_client_core::wake() {
    if (is_asked() || is_over()) complete(demand_, error_code{});
}

inline void sse_client_core::disconnect() noexcept {
    if (transport_) transport_->close();
}

// ---- the coroutine ----

inline net::awaitable<void> sse_client_core::run() {
    while (!is_over()) {
        switch (session_.current_state()) {
            case state::connecting: co_await connect(); break;
            case state::open: co_await read(); break;
            case state::waiting: co_await sleep(); break;
            case state::closed: break;
        }
    }
}

inline net::awaitable<void> sse_client_core::connect() {
    if (!std::exchange(redirected_, false)) {
        const bool ready = co_await prepare();
        if (!ready) co_return;
    }
    error_code ec;
    auto token = net::redirect_error(net::use_awaitable, ec);
    const auto work = [this](interruption stop) { return reach_answer(stop); };
    co_await current_.async_run(executor_, work, time_left(), error::connect_timed_out, token);
    take(!ec ? answer_ : is_over() ? step::need_more : session_.connection_ended(ec, loop_.now()));
}

// Of the attempt's, through all redirects. Zero would mean that there is no limit.
inline milliseconds sse_client_core::time_left() const {
    if (plan_.connect_timeout <= milliseconds{0}) return milliseconds{0};
    return std::max(std::chrono::ceil<milliseconds>(attempt_ends_ - loop_.now()), milliseconds{1});
}

inline net::awaitable<bool> sse_client_core::prepare() {
    error_code ec;
    auto token = net::redirect_error(net::use_awaitable, ec);
    const auto hook = [this](interruption) { return plan_.before_attempt.run(session_.attempt()); };
    co_await current_.async_run(executor_, hook, milliseconds{0}, error::none, token);
    if (is_over()) co_return false;
    attempt_ends_ = later(loop_.now(), plan_.connect_timeout);
    const step taken = ec ? session_.hook_failed(ec, loop_.now()) : session_.prepare(loop_.now());
    take(taken);
    co_return taken == step::need_more && !is_over();
}

inline net::awaitable<error_code> sse_client_core::reach_answer(interruption stop) {
    unread_ = {};
    transport_.emplace(client_stream{executor_});
    error_code ec = co_await connect_to(transport_->stream(), session_.target(), plan_.connection, stop);
    if (ec) co_return ec;
    transport_->prepare();
    const std::string_view request = session_.request();
    auto token = net::redirect_error(net::use_awaitable, ec);
    co_await net::async_write(transport_->stream(), net::buffer(request), token);
    for (answer_ = step::need_more; !ec && answer_ == step::need_more;) {
        ec = co_await read_some();
        if (!ec) answer_ = session_.receive(unread_, loop_.now());
    }
    co_return ec;
}

// As long as the stream is open. Between two events of one piece nothing is waited for but somebody who asks.
inline net::awaitable<void> sse_client_core::read() {
    while (session_.current_state() == state::open) {
        if (!is_asked()) co_await asked();
        const step taken = session_.receive(unread_, loop_.now());
        if (taken == step::need_more) {
            co_await read_more();
        } else {
            take(taken);
        }
    }
}

inline net::awaitable<void> sse_client_core::read_more() {
    deadline limit{transport_->stream()};
    limit.set(plan_.read_timeout);
    const error_code ec = reason_of(co_await read_some(), limit, error::read_timed_out);
    if (ec && !is_over()) take(session_.connection_ended(ec, loop_.now()));
}

// While nothing comes, no memory is held for it.
inline net::awaitable<error_code> sse_client_core::read_some() {
    buffer_.reset();
    error_code ec;
    while (!ec && unread_.empty()) {
        auto token = net::redirect_error(net::use_awaitable, ec);
        co_await net::async_initiate<decltype(token), void(error_code)>(
            [this](auto handler) { transport_->wait_readable(std::move(handler)); }, token);
        if (ec) break;
        if (!buffer_) buffer_ = std::make_unique_for_overwrite<std::byte[]>(read_size);
        unread_ = as_text(transport_->try_read({buffer_.get(), read_size}, ec));
    }
    co_return ec;
}

inline net::awaitable<void> sse_client_core::sleep() {
    const auto until = [](net::any_io_executor executor, time_point at,
                          interruption stop) -> net::awaitable<error_code> {
        auto token = stop.step(net::use_awaitable);
        co_await async_sleep_until(executor, at, token);
        co_return error_code{};
    };
    error_code ignored;
    auto token = net::redirect_error(net::use_awaitable, ignored);
    const auto pause = [&](interruption stop) { return until(executor_, session_.retry_at(), stop); };
    co_await current_.async_run(executor_, pause, milliseconds{0}, error::none, token);
    if (loop_.now() >= session_.retry_at()) session_.retry_now();
}

inline net::awaitable<void> sse_client_core::asked() {
    while (!is_asked() && !is_over()) {
        error_code ignored;
        auto token = net::redirect_error(net::use_awaitable, ignored);
        co_await net::async_initiate<decltype(token), void(error_code)>(
            [this](auto handler) {
                demand_ = keep_handler<error_code>(std::move(handler), executor_,
                                                   [this] { complete(demand_, error_code{}); });
            },
            token);
    }
}

// ---- what comes of it ----

inline void sse_client_core::take(step taken) {
    switch (taken) {
        case step::need_more: return;
        case step::event: return deliver();
        case step::opened: return call(handlers_->on_open);
        case step::redirected: redirected_ = true; return disconnect();
        case step::lost: disconnect(); return call(handlers_->on_retry, session_.loss(), session_.delay());
        case step::closed: return disconnect();
    }
}

inline void sse_client_core::deliver() {
    if (receiver_) return complete(receiver_, error_code{}, received_event{session_.event()});
    call(handlers_->on_event, session_.event());
}

// A handler may replace the handlers, and itself with them.
template <class... Args>
void sse_client_core::call(const std::function<void(Args...)>& handler, std::type_identity_t<Args>... args) {
    const auto kept = handlers_;
    if (handler) handler(args...);
}

// To stop is what a 204 asks for, and no failure.
inline error_code sse_client_core::reason_for_receiver() const noexcept {
    return session_.end_reason() == error::stop_requested ? error_code{} : session_.end_reason();
}

// An exception is of a handler's, or says that memory is short.
inline void sse_client_core::finish(const std::exception_ptr& thrown) {
    if (thrown) session_.close(error::closed);
    disconnect();
    finished_ = true;
    complete(receiver_, reason_for_receiver(), received_event{});
    // What the application has left here may own what owns this.
    const auto last = std::exchange(handlers_, no_handlers());
    const auto plan = std::exchange(plan_, {});
    if (thrown) std::rethrow_exception(thrown);
    if (last->on_close) last->on_close(session_.end_reason());
}

}  // namespace detail
}  // namespace weir

// SPDX-License-Identifier: BSL-1.0
#pragma once

// What a ws_client is a handle of: connects, hands over and waits, as its state machine decides. Layer: io. RFC 6455

#include <weir/config.hpp>
#include <weir/error.hpp>
#include <weir/exceptions.hpp>
#include <weir/io/cancellable_run.hpp>
#include <weir/io/completion.hpp>
#include <weir/io/counted_ptr.hpp>
#include <weir/io/loop.hpp>
#include <weir/io/ws_client_connection.hpp>
#include <weir/io/ws_client_handlers.hpp>
#include <weir/io/ws_client_receiver.hpp>
#include <weir/io/ws_client_waiting.hpp>
#include <weir/session/session_writer.hpp>
#include <weir/session/unsent_queue.hpp>
#include <weir/session/ws_client_session.hpp>
#include <weir/time.hpp>
#include <weir/ws/close_code.hpp>
#include <weir/ws/message.hpp>

#include WEIR_ASIO(any_io_executor.hpp)
#include WEIR_ASIO(dispatch.hpp)
#include WEIR_ASIO(post.hpp)

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace weir::detail {

/// Everything happens on the executor. The handle refers to it, and so does a pending attempt, and a connection as long
/// as there is one.
class ws_client_core final : public ws_client_observer, private resident {
public:
    using executor_type = net::any_io_executor;
    using operation = completion_ptr<error_code>;

    ws_client_core(executor_type executor, ws_client_settings settings, ws_client_plan plan)
        : executor_(std::move(executor)),
          loop_(loop::of(executor_)),
          session_(std::move(settings)),
          plan_(std::make_shared<const ws_client_plan>(std::move(plan))) {
        loop_.enter(*this);
    }

    executor_type get_executor() const noexcept { return executor_; }
    const ws_client_session& session() const noexcept { return session_; }
    /// Null: there is none at the moment.
    const ws_client_connection* connection() const noexcept { return current_.get(); }
    /// There is one, and nobody has begun to end it.
    bool is_open() const noexcept {
        return session_.current_state() == state::open && current_ && current_->is_usable();
    }
    /// Messages wholly written.
    std::uint64_t written() const noexcept { return written_; }

    /// Begins, soon. Call once.
    void start();
    void handle_with(ws_client_handlers handlers);
    /// Calls none of them any more.
    void forget_handlers() noexcept;
    void retry_now();
    error send(ws::message_view message);
    error ping(std::string_view payload);
    error close(ws::close_code code, std::string_view reason);

    void receive(ws_client_receiver::operation to);
    void cancel_receive() { receiver_.cancel(); }
    /// Operations of which there may be several are known by their numbers.
    std::uint64_t next_number() noexcept { return ++numbers_; }
    void send(ws::message_view message, std::uint64_t number, operation to);
    void wait_for_end(std::uint64_t number, operation to);
    void cancel(std::uint64_t number);

private:
    using state = ws_client_session::state;
    using self_ptr = counted_ptr<ws_client_core>;
    using opening_ptr = std::shared_ptr<ws_client_opening>;

    ~ws_client_core() override { loop_.leave(*this); }
    void vanish() noexcept override {
        loop_.cancel(*this);  // before destruction begins: retain() may be running on another thread
        delete this;
    }
    bool retain() noexcept override { return references_.add_if_any(); }
    void expire() noexcept override {
        net::dispatch(executor_, [self = self_ptr::adopt(this)] { self->on_time(); });
    }
    void abandon() noexcept override;

    void arm();
    void on_time();
    void begin_attempt();
    void connect(const opening_ptr& opening);
    void on_connected(const opening_ptr& opening, error_code ec);
    void take_over(const ws_connection_ptr& connection);
    void on_over() override;
    void on_ended(const ws_client_connection* which);
    void go_on();

    void on_written(std::size_t messages) override;
    void hand_over(bool all);
    void admit_waiting();
    error unusable() const noexcept;
    error_code told(error e) const noexcept {
        return e == error::closed && session_.reason() ? session_.reason() : make_error_code(e);
    }

    void deliver_by_call();
    void deliver_left();
    template <class Handler, class... Args>
    void call(Handler ws_client_handlers::* which, Args&&... args);
    void request_turn();
    void on_turn();
    void finish();

    executor_type executor_;
    loop& loop_;
    ws_client_session session_;
    std::shared_ptr<const ws_client_plan> plan_;
    std::shared_ptr<const ws_client_handlers> handlers_ = std::make_shared<const ws_client_handlers>();
    ws_connection_ptr current_;
    ws_client_receiver receiver_;
    ws_client_waiting_list senders_, closers_;
    cancellable_run attempt_;
    std::uint64_t numbers_ = 0, written_ = 0;
    bool opening_ = false;  // on_open runs: what it sends goes first
    bool turn_requested_ = false, finished_ = false, end_told_ = false;
};

// ---- connecting ----

inline void ws_client_core::start() {
    net::post(executor_, [self = self_ptr{this}] { self->begin_attempt(); });
}

inline void ws_client_core::arm() {
    if (const time_point at = session_.retry_at(); at != never) return loop_.schedule(*this, at, executor_);
    loop_.cancel(*this);
}

inline void ws_client_core::on_time() {
    if (session_.start_if_due(loop_.now())) return begin_attempt();
    arm();
}

inline void ws_client_core::retry_now() {
    if (!session_.retry_now(loop_.now())) return;
    net::post(executor_, [self = self_ptr{this}] { self->on_time(); });
}

inline void ws_client_core::begin_attempt() {
    if (session_.is_closed()) return;
    const opening_ptr opening = make_opening(plan_, session_.failures());
    if (!plan_->before_attempt) return connect(opening);
    const auto hook = [opening](interruption) { return prepare_attempt(opening); };
    attempt_.async_run(executor_, hook, milliseconds{0}, error::none, [self = self_ptr{this}, opening](error_code ec) {
        if (!ec) return self->connect(opening);
        self->session_.hook_failed(ec, self->loop_.now());
        self->go_on();
    });
}

inline void ws_client_core::connect(const opening_ptr& opening) {
    if (session_.is_closed()) return;
    opening->connection = ws_connection_ptr{new ws_client_connection{executor_, plan_}};
    const auto work = [opening](interruption stop) { return open_websocket(opening, stop); };
    attempt_.async_run(executor_, work, plan_->connect_timeout, error::connect_timed_out,
                       [self = self_ptr{this}, opening](error_code ec) { self->on_connected(opening, ec); });
}

inline void ws_client_core::on_connected(const opening_ptr& opening, error_code ec) {
    const bool in_vain = session_.current_state() != state::connecting;
    if (opening->connection && (ec || in_vain)) opening->connection->terminate(ec ? ec : error::closed);
    if (in_vain) return;
    if (!ec) return take_over(opening->connection);
    session_.failed(ec, opening->status, milliseconds{0}, loop_.now());
    go_on();
}

// What the connection has received meanwhile it has kept; that it has ended meanwhile is noticed here.
inline void ws_client_core::take_over(const ws_connection_ptr& connection) {
    const self_ptr self{this};
    current_ = connection;
    current_->report_to(self);
    session_.opened(loop_.now());
    ws_new_connection begun{session_, *connection};
    opening_ = true;
    call(&ws_client_handlers::on_open, begun);
    opening_ = false;
    if (current_.get() != connection.get()) return;
    deliver_by_call();
    receiver_.connected(current_);
    hand_over(false);
    if (current_->state() == phase::closed) on_ended(current_.get());
}

inline void ws_client_core::on_over() {
    net::post(executor_, [self = self_ptr{this}, which = current_] { self->on_ended(which.get()); });
}

inline void ws_client_core::on_ended(const ws_client_connection* which) {
    if (!current_ || current_.get() != which) return;
    const self_ptr self{this};
    const ws_connection_ptr gone = std::exchange(current_, {});
    gone->report_to({});
    receiver_.disconnected();
    request_turn();  // comes_back() may throw
    session_.ended(gone->end_reason(), gone->peer_reason(), loop_.now());
    go_on();
}

// A connection or an attempt has come to nothing: the session has decided what comes now.
inline void ws_client_core::go_on() {
    request_turn();
    if (session_.is_closed()) return;
    arm();
    call(&ws_client_handlers::on_retry, session_.reason(), std::chrono::ceil<milliseconds>(session_.delay()));
}

// ---- sending ----

inline error ws_client_core::unusable() const noexcept {
    const error e = session_.unusable();
    const bool in_vain = e == error::none && session_.queue().rule() == unsent::drop && !is_open();
    return in_vain ? error::not_connected : e;
}

inline error ws_client_core::send(ws::message_view message) {
    if (const error e = unusable(); e != error::none) return e;
    if (!senders_.empty()) return error::refused;  // they were first
    const error e = session_.send(message);
    if (e == error::none) hand_over(false);
    return e;
}

inline void ws_client_core::send(ws::message_view message, std::uint64_t number, operation to) {
    const error e = send(message);
    if (e != error::refused) return complete(to, told(e));
    senders_.push_back({number, std::move(to), std::string{message.text()}, message.is_binary()});
}

inline void ws_client_core::admit_waiting() {
    const error e = unusable();
    while (!senders_.empty()) {
        ws_client_waiting& first = senders_.front();
        if (e == error::none && !session_.fits(first.payload.size())) return;
        if (e == error::none) static_cast<void>(session_.send(first.view()));
        complete(first.done, told(e));
        senders_.pop_front();
    }
}

// What is sent once the server has closed would be read by nobody: "an endpoint does not send any further data".
inline void ws_client_core::hand_over(bool all) {
    if (!current_ || current_->state() != phase::open || (opening_ && !all)) return;
    unsent_queue& queue = session_.queue();
    if (current_->protocol().close_received()) queue.doubt();
    while (const auto* const next = all ? queue.next_of_all() : queue.next()) {
        queue.hand_over();
        static_cast<void>(current_->send(next->view(), {}));
    }
}

inline void ws_client_core::on_written(std::size_t messages) {
    if (current_->protocol().close_received()) session_.queue().doubt();
    session_.queue().written(messages, current_->message_begun());
    written_ += messages;
    if (messages != 0) request_turn();
}

inline error ws_client_core::ping(std::string_view payload) {
    if (session_.current_state() >= state::closing) return error::closed;
    return current_ ? current_->ping(payload) : error::not_connected;
}

// ---- receiving ----

inline void ws_client_core::receive(ws_client_receiver::operation to) {
    if (receiver_.is_waiting()) return complete(to, make_error_code(error::already_receiving), received_ptr{});
    receiver_.start(std::move(to));
    if (finished_) receiver_.end(session_.reason());
}

// Not before what came on connections that have ended.
inline void ws_client_core::deliver_by_call() {
    const bool wanted = handlers_->on_message && !receiver_.has_left();
    if (!current_ || wanted == static_cast<bool>(current_->handlers().on_message)) return;
    ws_handlers handlers;
    if (wanted) handlers.on_message = [this](ws::message_view m) { call(&ws_client_handlers::on_message, m); };
    current_->handle_with(std::move(handlers));
}

inline void ws_client_core::deliver_left() {
    while (receiver_.has_left() && handlers_->on_message) {
        call(&ws_client_handlers::on_message, receiver_.take_left()->view());
    }
    deliver_by_call();
}

inline void ws_client_core::handle_with(ws_client_handlers handlers) {
    handlers_ = std::make_shared<const ws_client_handlers>(std::move(handlers));
    deliver_by_call();
    request_turn();
}

inline void ws_client_core::forget_handlers() noexcept {
    handlers_ = std::make_shared<const ws_client_handlers>();
    if (current_) current_->forget_handlers();
}

// The handlers may be replaced while one of them runs.
template <class Handler, class... Args>
void ws_client_core::call(Handler ws_client_handlers::* which, Args&&... args) {
    const self_ptr self{this};
    const auto during = handlers_;
    if (!((*during).*which)) return;
    const auto failure = caught([&] { ((*during).*which)(std::forward<Args>(args)...); });
    if (!failure) return;
    if (handlers_ == during) handle_with({.on_close = during->on_close});
    session_.give_up(error::closed);
    if (current_) current_->terminate(error::closed);
    request_turn();
    std::rethrow_exception(failure);
}

// ---- ending ----

inline error ws_client_core::close(ws::close_code code, std::string_view reason) {
    if (session_.current_state() >= state::closing) return error::closed;
    if (!ws::may_be_sent(code)) return error::bad_argument;
    hand_over(true);
    if (current_) static_cast<void>(current_->start_close(code, reason));
    session_.close();
    attempt_.cancel();
    arm();
    request_turn();
    return error::none;
}

inline void ws_client_core::wait_for_end(std::uint64_t number, operation to) {
    if (finished_) return complete(to, session_.reason());
    closers_.push_back({number, std::move(to)});
}

inline void ws_client_core::cancel(std::uint64_t number) {
    if (cancel_waiting(senders_, number)) return request_turn();  // what stood behind it may go on
    cancel_waiting(closers_, number);
}

// The end of a turn in which something has changed.
inline void ws_client_core::request_turn() {
    if (std::exchange(turn_requested_, true)) return;
    net::post(executor_, [self = self_ptr{this}] { self->on_turn(); });
}

inline void ws_client_core::on_turn() {
    turn_requested_ = false;
    admit_waiting();
    hand_over(false);
    deliver_left();
    if (session_.is_closed()) finish();
}

// Once more after the end, for handlers that were given then.
inline void ws_client_core::finish() {
    finished_ = true;
    loop_.cancel(*this);
    receiver_.end(session_.reason());
    for (ws_client_waiting& w : std::exchange(closers_, {})) complete(w.done, session_.reason());
    // What the application has left here may own the handle.
    const auto plan = std::exchange(plan_, {});
    const auto comes_back = session_.drop_rule();
    const auto handlers = std::exchange(handlers_, std::make_shared<const ws_client_handlers>());
    if (handlers->on_close && !std::exchange(end_told_, true)) handlers->on_close(session_.reason());
}

inline void ws_client_core::abandon() noexcept {
    const self_ptr self{this};
    finished_ = turn_requested_ = true;
    session_.give_up(error::closed);
    receiver_.abandon();
    const auto handlers = std::exchange(handlers_, std::make_shared<const ws_client_handlers>());
    const auto plan = std::exchange(plan_, {});
    const auto comes_back = session_.drop_rule();
    const ws_client_waiting_list senders = std::exchange(senders_, {}), closers = std::exchange(closers_, {});
    if (const ws_connection_ptr gone = std::exchange(current_, {})) gone->report_to({});
}

}  // namespace weir::detail

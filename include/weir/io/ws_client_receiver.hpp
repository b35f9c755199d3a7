// SPDX-License-Identifier: BSL-1.0
#pragma once

// Receiving from one connection after the other, without losing what the one before had. Layer: io.

#include <weir/config.hpp>
#include <weir/error.hpp>
#include <weir/io/completion.hpp>
#include <weir/io/ws_client_connection.hpp>
#include <weir/session/inbox.hpp>
#include <weir/ws/message.hpp>

#include WEIR_ASIO(error.hpp)

#include <optional>
#include <utility>

namespace weir::detail {

/// One operation at a time, for which the open connection is asked for a message. One that has ended with messages that
/// nobody has taken is asked first; as long as it has some, the open one makes its server wait, so that no more than
/// two of them ever have any.
class ws_client_receiver final : private receive_waiter {
public:
    using message = std::optional<ws::message_view>;
    using operation = completion_ptr<error_code, message>;

    ws_client_receiver() noexcept : receive_waiter(kind::receive) {}

    bool is_waiting() const noexcept { return operation_ != nullptr; }
    /// Takes over an operation; not while one is waiting. What was received before is looked at no more.
    void start(operation to) {
        operation_ = std::move(to);
        showing_ = {};
        ask();
    }
    /// The message that is to come stays where it is.
    void cancel() {
        stop_asking();
        detail::complete(operation_, error_code{net::error::operation_aborted}, message{});
    }
    /// There will be no messages.
    void end(const error_code& reason) { detail::complete(operation_, reason, message{}); }

    void connected(const ws_connection_ptr& connection) {
        current_ = connection;
        if (ended_) current_->pause(true);
        ask();
    }
    /// The connection has ended.
    void disconnected() {
        ws_connection_ptr gone = std::exchange(current_, {});
        if (gone && gone->messages_waiting()) ended_ = std::move(gone);
    }
    /// Messages of a connection that has ended.
    bool has_left() const noexcept { return static_cast<bool>(ended_); }
    /// Takes one of them, for a handler; empty: there are none. Valid until the next one is taken.
    message take_left() {
        if (ended_ && !operation_) ask(ended_);
        if (!taken_) forget_ended();
        return std::exchange(taken_, {});
    }

    /// The context is being destroyed.
    void abandon() noexcept {
        stop_asking();
        operation_.reset();
        for (ws_connection_ptr* const p : {&current_, &ended_, &showing_}) *p = {};
    }

private:
    void ask() {
        if (!operation_ || asked_) return;
        if (ended_) ask(ended_);
        if (!operation_) return;
        forget_ended();
        if (current_) ask(current_);
    }
    // A connection that has ended completes this at once.
    void ask(const ws_connection_ptr& whom) {
        asked_ = whom;
        asked_->start_receive(*this);
    }
    void stop_asking() {
        if (const ws_connection_ptr whom = asked_) whom->cancel(*this, net::error::operation_aborted);
    }
    void forget_ended() {
        if (!std::exchange(ended_, {}) || !current_) return;
        current_->pause(false);
    }

    // Not with a message: the end, of which the client learns otherwise, or a cancellation.
    void complete(error_code, error_code) noexcept override {
        const ws_connection_ptr from = std::exchange(asked_, {});
        taken_ = std::exchange(received, {});
        if (!taken_) return;
        showing_ = from;
        if (operation_) detail::complete(operation_, error_code{}, std::exchange(taken_, {}));
    }
    void destroy() noexcept override { asked_ = {}; }

    operation operation_;
    ws_connection_ptr current_;
    ws_connection_ptr ended_;    // and has messages that nobody has taken
    ws_connection_ptr showing_;  // has the message that the application looks at
    ws_connection_ptr asked_;    // is to give the next one
    message taken_;
};

}  // namespace weir::detail

// SPDX-License-Identifier: BSL-1.0
#pragma once

// Receiving from one connection after the other, without losing what the one before had. Layer: io.

#include <weir/config.hpp>
#include <weir/error.hpp>
#include <weir/io/completion.hpp>
#include <weir/io/ws_client_connection.hpp>
#include <weir/session/inbox.hpp>
#include <weir/ws/message.hpp>

#include WEIR_ASIO(any_io_executor.hpp)
#include WEIR_ASIO(associated_allocator.hpp)
#include WEIR_CANCELLATION(associated_cancellation_slot.hpp)
#include WEIR_ASIO(associated_executor.hpp)
#include WEIR_ASIO(error.hpp)

#include <cstddef>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <utility>

namespace weir::detail {

/// A message apart from the connection that it came on.
struct received_message {
    std::string payload{};
    bool binary = false;

    ws::message_view view() const noexcept { return {payload, binary}; }
};
using received_ptr = std::shared_ptr<const received_message>;

/// One operation at a time, for which the open connection is asked for a message. What one that has ended had and
/// nobody had taken is kept, and comes first. As long as that is too much, the open one makes its server wait.
class ws_client_receiver final : private receive_waiter {
public:
    using operation = completion_ptr<error_code, received_ptr>;

    ws_client_receiver() noexcept : receive_waiter(kind::receive) {}

    bool is_waiting() const noexcept { return operation_ != nullptr; }
    /// Takes over an operation; not while one is waiting. What was received before is looked at no more.
    void start(operation to) {
        operation_ = std::move(to);
        shown_.reset();
        answer();
    }
    /// The message that is to come stays where it is.
    void cancel() {
        if (const ws_connection_ptr whom = asked_) whom->cancel(*this, net::error::operation_aborted);
        detail::complete(operation_, error_code{net::error::operation_aborted}, received_ptr{});
    }
    /// There will be no messages.
    void end(const error_code& reason) { detail::complete(operation_, reason, received_ptr{}); }

    void connected(const ws_connection_ptr& connection) {
        current_ = connection;
        current_->pause(is_full());
        answer();
    }
    /// The connection has ended: takes what it has. Such a one completes this at once.
    void disconnected() {
        const ws_connection_ptr gone = std::exchange(current_, {});
        while (gone && gone->messages_waiting()) gone->start_receive(*this);
    }
    /// Messages of connections that have ended.
    bool has_left() const noexcept { return !left_.empty(); }
    /// Takes the first of them.
    received_ptr take_left() {
        received_ptr first = std::move(left_.front());
        left_.pop_front();
        bytes_ -= first->payload.size();
        if (current_) current_->pause(is_full());
        return first;
    }

    /// The context is being destroyed.
    void abandon() noexcept {
        if (const ws_connection_ptr whom = asked_) whom->cancel(*this, net::error::operation_aborted);
        operation_.reset();
        current_ = {};
    }

private:
    // As much as one connection keeps.
    static constexpr std::size_t max_bytes = 64 * 1024, max_messages = 256;

    bool is_full() const noexcept { return bytes_ >= max_bytes || left_.size() >= max_messages; }

    void answer() {
        if (!operation_) return;
        if (has_left()) {
            shown_ = take_left();
            return detail::complete(operation_, error_code{}, shown_);
        }
        if (!current_ || asked_) return;
        asked_ = current_;
        current_->start_receive(*this);
    }

    // Not with a message: the end, of which the client learns otherwise, or a cancellation.
    void complete(error_code, error_code) noexcept override {
        asked_ = {};
        const auto came = std::exchange(received, {});
        if (!came) return;
        // Owned, as the handler may run when the connection, and even the client, is no more.
        left_.push_back(
            std::make_shared<const received_message>(received_message{std::string{came->text()}, came->is_binary()}));
        bytes_ += came->size();
        answer();
    }
    void destroy() noexcept override { asked_ = {}; }

    operation operation_;
    ws_connection_ptr current_;
    ws_connection_ptr asked_;  // is to give the next one
    std::deque<received_ptr> left_;
    std::size_t bytes_ = 0;  // of those
    received_ptr shown_;     // what the application looks at
};

/// A handler of signature void(error_code, std::optional<ws::message_view>), called with a message that is its own.
template <class Handler>
class message_handler {
public:
    using allocator_type = net::associated_allocator_t<Handler>;
    using executor_type = net::associated_executor_t<Handler, net::any_io_executor>;
    using cancellation_slot_type = cancellation::associated_cancellation_slot_t<Handler>;

    message_handler(Handler handler, net::any_io_executor executor)
        : executor_(std::move(executor)), handler_(std::move(handler)) {}

    allocator_type get_allocator() const noexcept { return net::get_associated_allocator(handler_); }
    executor_type get_executor() const noexcept { return net::get_associated_executor(handler_, executor_); }
    cancellation_slot_type get_cancellation_slot() const noexcept {
        return cancellation::get_associated_cancellation_slot(handler_);
    }

    void operator()(error_code ec, const received_ptr& message) {
        using outcome = std::optional<ws::message_view>;
        std::move(handler_)(ec, message ? outcome{message->view()} : outcome{});
    }

private:
    net::any_io_executor executor_;
    Handler handler_;
};

/// Keeps such a handler for later.
template <class Handler, class OnCancel>
ws_client_receiver::operation keep_message_handler(Handler handler, const net::any_io_executor& executor,
                                                   OnCancel on_cancel) {
    return keep_handler<error_code, received_ptr>(message_handler<Handler>{std::move(handler), executor}, executor,
                                                  std::move(on_cancel));
}

}  // namespace weir::detail

// SPDX-License-Identifier: BSL-1.0
#pragma once

// What a WebSocket has received and the application has not taken. Layer: session.

#include <weir/bytes.hpp>
#include <weir/session/waiter.hpp>
#include <weir/ws/message.hpp>

#include <cstddef>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace weir::detail {

/// An operation that waits for a message, or for a piece of one.
class receive_waiter : public waiter {
public:
    using waiter::waiter;

    std::optional<ws::message_view>
        received;  ///< what it completes with; none: the connection was closed in good order
    bool pieces = false;

protected:
    ~receive_waiter() = default;
};

/// Messages in order, and behind them bytes that nobody has read yet. Bounded: beyond `full()` nothing more is read.
class inbox {
public:
    struct item {
        std::string payload{};
        bool binary = false, last = true, piece = false;

        ws::message_view view() const noexcept { return {payload, binary, last}; }
    };

    /// Nothing waits, and the application looks at nothing.
    bool empty() const noexcept { return waiting() == 0 && !showing_; }
    std::size_t waiting() const noexcept { return items_.size() - first_; }
    /// Whether the application is so far behind that the peer has to wait.
    bool full() const noexcept { return bytes_ >= max_bytes || waiting() >= max_items; }

    void push(item i) {
        if (first_ > items_.size() / 2) forget_taken();
        bytes_ += i.payload.size();
        items_.push_back(std::move(i));
    }
    /// The first message that waits.
    const item& front() const noexcept { return items_[first_]; }
    item take() noexcept {
        item first = std::move(items_[first_++]);
        bytes_ -= first.payload.size();
        if (waiting() == 0) forget_taken();
        return first;
    }

    /// Takes the first message out for the application to look at, until release().
    ws::message_view show() noexcept {
        shown_ = take();
        showing_ = true;
        return shown_.view();
    }
    void release() noexcept {
        shown_ = {};
        showing_ = false;
    }

    /// Whether messages are being taken, one after the other, and none has come since this was asked last. A coroutine
    /// needs some turns for each.
    bool is_being_emptied() noexcept {
        const std::size_t before = std::exchange(waiting_before_, waiting());
        if (waiting() != before) {
            patience_ = before == 0 || waiting() < before ? max_patience : 0;
        } else if (patience_ != 0) {
            --patience_;
        }
        return waiting() != 0 && patience_ != 0;
    }

    std::string unread;  // bytes behind the last message

private:
    static constexpr std::size_t max_bytes = 64 * 1024;
    static constexpr std::size_t max_items = 256;
    static constexpr int max_patience = 4;

    void forget_taken() noexcept {
        items_.erase(items_.begin(), items_.begin() + static_cast<std::ptrdiff_t>(first_));
        first_ = 0;
    }

    std::vector<item> items_;
    std::size_t first_ = 0;
    std::size_t bytes_ = 0;  // that wait
    std::size_t waiting_before_ = 0;
    int patience_ = 0;
    item shown_;  // not one of `items_`, which move
    bool showing_ = false;
};

}  // namespace weir::detail

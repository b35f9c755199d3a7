// SPDX-License-Identifier: BSL-1.0
#pragma once

// Operations that wait for something to happen to a session. Layer: session; io/ makes them from completion handlers.

#include <weir/config.hpp>
#include <weir/time.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

namespace weir::detail {

/// A message, or a part of one, that waits for room. Its own encoder.
struct pending_message {
    std::string encoded, key;
    std::size_t framing = 0;  ///< bytes that will be put around it
    bool binary = false;
    bool piece = false;      ///< of a message that is sent in pieces
    bool continues = false;  ///< parts of the same message went before
    bool ends = true;        ///< no parts come after

    std::size_t wire_size() const noexcept { return encoded.size() + framing; }

    std::size_t size() const noexcept { return encoded.size(); }
    char* write(char* out) const noexcept { return out + encoded.copy(out, encoded.size()); }
};

/// One pending operation. Owned by the list it is in, until complete() is called.
class waiter {
public:
    enum class kind : std::uint8_t { send, receive, drained, closed, ended, sleep };

    explicit waiter(kind k) noexcept : what(k) {}
    waiter(const waiter&) = delete;
    waiter& operator=(const waiter&) = delete;

    /// Schedules the handler, never calls it from within, and ends this object's life. `reason` is why the session
    /// ended, for those who asked.
    virtual void complete(error_code ec, error_code reason) noexcept = 0;
    /// Ends this object's life without calling the handler.
    virtual void destroy() noexcept = 0;

    waiter* next = nullptr;
    time_point deadline = never;               // sleep
    std::unique_ptr<pending_message> message;  // send
    const kind what;

protected:
    ~waiter() = default;
};

/// Pending operations in the order in which they were started.
class waiter_list {
public:
    waiter_list() = default;
    waiter_list(waiter_list&& other) noexcept : first_(std::exchange(other.first_, nullptr)) {}
    waiter_list& operator=(waiter_list&&) = delete;
    ~waiter_list() {
        while (waiter* w = pop()) w->destroy();
    }

    bool empty() const noexcept { return first_ == nullptr; }

    void push(waiter& w) noexcept {
        waiter** end = &first_;
        while (*end != nullptr) end = &(*end)->next;
        *end = &w;
    }

    /// Takes out the first one; null: the list is empty.
    waiter* pop() noexcept {
        return take([](const waiter&) { return true; });
    }

    /// Takes out the first one that `wanted`; null: none.
    template <class Predicate>
    waiter* take(Predicate&& wanted) noexcept {
        for (waiter** at = &first_; *at != nullptr; at = &(*at)->next) {
            waiter* w = *at;
            if (!wanted(*w)) continue;
            *at = w->next;
            w->next = nullptr;
            return w;
        }
        return nullptr;
    }

    /// The first one of a kind, left in place; null: none.
    waiter* find(waiter::kind what) const noexcept {
        return find_if([what](const waiter& w) { return w.what == what; });
    }

    /// The first one that is `wanted`, left in place; null: none.
    template <class Predicate>
    waiter* find_if(Predicate&& wanted) const noexcept {
        waiter* w = first_;
        while (w != nullptr && !wanted(*w)) w = w->next;
        return w;
    }

    /// The earliest deadline of all; `never` if there is none.
    time_point earliest_deadline() const noexcept {
        time_point earliest = never;
        for (const waiter* w = first_; w != nullptr; w = w->next) earliest = std::min(earliest, w->deadline);
        return earliest;
    }

private:
    waiter* first_ = nullptr;
};

}  // namespace weir::detail

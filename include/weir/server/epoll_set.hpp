// SPDX-License-Identifier: BSL-1.0
#pragma once

// The sockets of one event loop in one epoll set, on which the loop waits as on a single descriptor. Layer: server.
//
// Where Asio's own reactor needs a system call for each wait, and several hundred bytes for each socket, these sockets
// are added to the set once and wait by being in it. Linux.

#include <weir/config.hpp>
#include <weir/exceptions.hpp>
#include <weir/server/ready_handler.hpp>

#include WEIR_ASIO(error.hpp)
#include WEIR_ASIO(execution_context.hpp)
#include WEIR_ASIO(io_context.hpp)
#include WEIR_ASIO(posix/stream_descriptor.hpp)

#include <sys/epoll.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace weir::detail {

/// One socket in the set, and who waits for it.
struct epoll_entry {
    int descriptor = -1;
    bool readable = false, writable = true;  // as far as is known; a read or a write that falls short says otherwise
    bool hung_up = false;                    // no further edge will come: it stays readable
    ready_handler on_readable, on_writable;
};

/// Edge-triggered. For a context that is run by one thread.
class epoll_set final : public net::execution_context::service {
public:
    using key_type = epoll_set;
    inline static net::execution_context::id id;

    explicit epoll_set(net::execution_context& context)
        : net::execution_context::service(context), waiter_(static_cast<net::io_context&>(context).get_executor()) {
        const int set = ::epoll_create1(EPOLL_CLOEXEC);
        if (set < 0) raise(system_error(last_error(), "epoll_create1"));
        waiter_.assign(set);
    }

    net::io_context& context() noexcept {
        return static_cast<net::io_context&>(net::execution_context::service::context());
    }

    static epoll_set& of(net::execution_context& context) { return net::use_service<epoll_set>(context); }

    /// The entry must stay in the set, and where it is unless moved() says otherwise, until remove().
    void add(epoll_entry& entry, error_code& ec) {
        const auto at = static_cast<std::size_t>(entry.descriptor);
        if (entries_.size() <= at) entries_.resize(at + at / 2 + 1);
        epoll_event event{};
        event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
        event.data.fd = entry.descriptor;
        if (::epoll_ctl(waiter_.native_handle(), EPOLL_CTL_ADD, entry.descriptor, &event) != 0) {
            ec = last_error();
            return;
        }
        entries_[at] = &entry;
    }
    void moved(epoll_entry& to) noexcept { entries_[static_cast<std::size_t>(to.descriptor)] = &to; }
    /// Before the descriptor is closed, which takes it out of the kernel's set.
    void remove(const epoll_entry& entry) noexcept { entries_[static_cast<std::size_t>(entry.descriptor)] = nullptr; }

    /// Somebody waits, or does no longer. While nobody does, the set keeps no context running.
    void wait_begun() {
        ++waits_;
        if (!armed_ && !dispatching_) arm();
    }
    void wait_ended() noexcept {
        if (waits_ == 0 || --waits_ != 0 || !armed_) return;
        error_code ignored;
        waiter_.cancel(ignored);
    }

    static error_code last_error() noexcept { return {errno, net::error::get_system_category()}; }

private:
    // As many events at once, and so many times before the loop's other handlers get their turn.
    static constexpr int max_events = 256, max_rounds = 8;

    void shutdown() noexcept override {
        waits_ = 0;
        std::vector<ready_handler> handlers;  // they may own sockets: destroyed when the table is no longer looked at
        for (epoll_entry* const entry : entries_) {
            if (entry == nullptr) continue;
            handlers.push_back(std::move(entry->on_readable));
            handlers.push_back(std::move(entry->on_writable));
        }
    }

    void arm() {
        armed_ = true;
        waiter_.async_wait(net::posix::stream_descriptor::wait_read, [this](error_code ec) {
            armed_ = false;
            if (!ec) dispatch();
            if (waits_ != 0) arm();
        });
    }

    void dispatch() {
        const dispatching now{dispatching_};
        std::array<epoll_event, max_events> events;
        for (int round = 0; round != max_rounds; ++round) {
            const int count = ::epoll_wait(waiter_.native_handle(), events.data(), max_events, 0);
            for (int i = 0; i < count; ++i) notify(events[static_cast<std::size_t>(i)]);
            if (count <= 0) return;
        }
    }

    // An entry may be gone by now, or another one may be in its place: that one just looks in vain.
    void notify(const epoll_event& event) {
        const auto at = static_cast<std::size_t>(event.data.fd);
        const bool broken = (event.events & (EPOLLERR | EPOLLHUP)) != 0;
        if (epoll_entry* const entry = entries_[at]) {
            if (broken || (event.events & EPOLLRDHUP) != 0) entry->hung_up = true;
            if (broken || (event.events & (EPOLLIN | EPOLLRDHUP)) != 0) {
                entry->readable = true;
                call(entry->on_readable);
            }
        }
        if (epoll_entry* const entry = entries_[at]) {
            if (!broken && (event.events & EPOLLOUT) == 0) return;
            entry->writable = true;
            call(entry->on_writable);
        }
    }

    void call(ready_handler& handler) {
        if (!handler) return;
        --waits_;
        ready_handler taken{std::move(handler)};
        taken(error_code{});
    }

    struct dispatching {
        explicit dispatching(bool& flag) noexcept : flag_(flag) { flag_ = true; }
        ~dispatching() { flag_ = false; }
        bool& flag_;
    };

    net::posix::basic_stream_descriptor<net::io_context::executor_type> waiter_;
    std::vector<epoll_entry*> entries_;  // by descriptor
    std::size_t waits_ = 0;
    bool armed_ = false, dispatching_ = false;
};

}  // namespace weir::detail

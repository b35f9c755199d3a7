// SPDX-License-Identifier: BSL-1.0
#pragma once

// The bodies of loop.hpp.

#include <weir/io/loop.hpp>

#include WEIR_ASIO(basic_waitable_timer.hpp)

#include <memory>
#include <mutex>
#include <utility>

namespace weir::detail {

struct loop::timer : net::basic_waitable_timer<clock, net::wait_traits<clock>, net::any_io_executor> {
    using basic_waitable_timer::basic_waitable_timer;
};

WEIR_INLINE loop::loop(net::execution_context& context)
    : net::execution_context::service(context), wheel_(clock::now()) {}

WEIR_INLINE loop::~loop() = default;

WEIR_INLINE void loop::cancel(timed& entry) noexcept {
    const std::lock_guard lock{mutex_};
    remove(entry);
    disarm_if_empty();
}

WEIR_INLINE void loop::enter(resident& entry) noexcept {
    const std::lock_guard lock{mutex_};
    entry.next_ = residents_;
    if (residents_ != nullptr) residents_->previous_ = &entry;
    residents_ = &entry;
}

WEIR_INLINE void loop::leave(resident& entry) noexcept {
    const std::lock_guard lock{mutex_};
    unlink(entry);
}

WEIR_INLINE void loop::advance_to(time_point to) {
    while (true) {
        const time_point next = next_due();
        if (next > to) break;
        if (next > *manual_now_) manual_now_ = next;
        expire_due();
    }
    manual_now_ = to;
}

WEIR_INLINE time_point loop::next_due() noexcept {
    const std::lock_guard lock{mutex_};
    return wheel_.next_due();
}

WEIR_INLINE void loop::shutdown() noexcept {
    std::unique_lock lock{mutex_};
    stopped_ = true;
    timer_.reset();
    while (resident* const entry = residents_) {
        unlink(*entry);
        lock.unlock();
        entry->abandon();
        lock.lock();
    }
}

WEIR_INLINE bool loop::put(timed& entry, time_point at) {
    remove(entry);
    if (at != never) ++scheduled_;
    wheel_.schedule(entry, at);
    if (at < armed_ && !manual_now_ && !stopped_) return true;
    disarm_if_empty();
    return false;
}

WEIR_INLINE void loop::unlink(resident& entry) noexcept {
    if (entry.next_ != nullptr) entry.next_->previous_ = entry.previous_;
    if (entry.previous_ != nullptr) entry.previous_->next_ = entry.next_;
    if (residents_ == &entry) residents_ = entry.next_;
    entry.next_ = entry.previous_ = nullptr;
}

WEIR_INLINE void loop::remove(timed& entry) noexcept {
    if (!entry.scheduled()) return;
    wheel_.cancel(entry);
    --scheduled_;
}

// A timer that waits for nothing would keep the context's run() from returning.
WEIR_INLINE void loop::disarm_if_empty() noexcept {
    if (scheduled_ != 0 || std::exchange(armed_, never) == never) return;
    if (timer_) timer_->cancel();
}

WEIR_INLINE void loop::make_timer(const net::any_io_executor& executor) { timer_ = std::make_unique<timer>(executor); }

WEIR_INLINE void loop::arm(time_point at) {
    armed_ = at;
    timer_->expires_at(at);
    timer_->async_wait([this](error_code ec) {
        if (!ec) on_timer();
    });
}

WEIR_INLINE void loop::on_timer() {
    expire_due();
    const std::lock_guard lock{mutex_};
    armed_ = wheel_.next_due();
    if (armed_ != never && !stopped_) arm(armed_);
}

WEIR_INLINE void loop::expire_due() {
    const time_point until = now();
    while (timed* entry = take_due(until)) entry->expire();
}

WEIR_INLINE timed* loop::take_due(time_point until) noexcept {
    const std::lock_guard lock{mutex_};
    while (wheel_entry* entry = wheel_.pop_due(until)) {
        --scheduled_;
        auto* due = static_cast<timed*>(entry);
        if (due->retain()) return due;
    }
    return nullptr;
}

}  // namespace weir::detail

// SPDX-License-Identifier: BSL-1.0
#pragma once

// What the machines of weir/sans_io.hpp have in common: a session that is told the time, and then what has happened.
// Layer: session.

#include <weir/bytes.hpp>
#include <weir/config.hpp>
#include <weir/error.hpp>
#include <weir/exceptions.hpp>
#include <weir/session/inbox.hpp>
#include <weir/session/session_host.hpp>
#include <weir/session/session_writer.hpp>
#include <weir/session/waiter.hpp>
#include <weir/time.hpp>
#include <weir/ws/message.hpp>

#include <algorithm>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <utility>

namespace weir::detail {

/// A waiter for callers that cannot wait: it has completed when start_...() returns, or is cancelled.
template <class Waiter>
class immediate final : public Waiter {
public:
    using Waiter::Waiter;

    void complete(error_code ec, error_code) noexcept override {
        ended = true;
        result = ec;
    }
    void destroy() noexcept override {}

    bool ended = false;
    error_code result;
};

/// `Core` is a passive_session that can begin, `Interface` what its owner sees of it.
template <class Core, class Interface>
class machine_core : public Interface {
public:
    void received(mutable_bytes_view bytes, time_point now) final {
        if (!closed()) at(now).on_received(bytes);
    }
    void peer_closed(time_point now) final { at(now).on_peer_closed(); }
    void failed(error_code reason, time_point now) final { at(now).terminate(reason); }
    void on_deadline(time_point now) final {
        at(now).on_deadline();
        if (source_due() <= core_.now()) ask_source();
    }

    bytes_view output(time_point now) final { return at(now).output(); }
    void written(std::size_t bytes, time_point now) final { at(now).written(bytes); }
    bool wants_write() const noexcept final { return core_.wants_write(); }
    bool wants_read() const noexcept final { return core_.wants_read(); }
    bool wants_shutdown() const noexcept final { return core_.wants_shutdown(); }
    void shut_down() noexcept final { core_.shut_down(); }
    time_point deadline() const noexcept final { return std::min(core_.deadline(), source_due()); }
    bool closed() const noexcept final { return core_.state() == phase::closed; }

    time_point now() const noexcept final { return core_.now(); }
    bool is_open() const noexcept final { return core_.state() == phase::open; }
    bool drained() const noexcept final { return core_.stats().queued_bytes == 0; }
    session_stats stats() const noexcept final { return core_.stats(); }
    error_code end_reason() const noexcept final { return core_.end_reason(); }

    void close(time_point now) final { at(now).close(error::none); }
    void abort(time_point now) final { at(now).terminate(error::closed); }
    void expire_at(time_point time) final { core_.expire_at(time); }
    void ask(std::function<time_point(time_point)> source) final {
        source_ = std::move(source);
        due_ = {};
        ++sources_;
    }

protected:
    template <class Policies>
    explicit machine_core(Policies policies) : core_(std::move(policies)) {}
    // As long as all of it is there: ending it asks the core and its policies.
    ~machine_core() override { core_.terminate(error::closed); }

    Core& at(time_point now) noexcept {
        core_.set_time(now);
        return core_;
    }
    Core& core() noexcept { return core_; }
    const Core& core() const noexcept { return core_; }

    /// The next message or piece, if there is one.
    std::optional<ws::message_view> next(bool pieces, time_point now) {
        immediate<receive_waiter> now_or_never{waiter::kind::receive};
        now_or_never.pieces = pieces;
        at(now).start_receive(now_or_never);
        if (!now_or_never.ended) core_.cancel(now_or_never, error::refused);
        return now_or_never.received;
    }
    /// Sends it, if there is room.
    error put(std::unique_ptr<pending_message> message) {
        immediate<waiter> now_or_never{waiter::kind::send};
        now_or_never.message = std::move(message);
        core_.start_send(now_or_never);
        if (!now_or_never.ended) core_.cancel(now_or_never, error::refused);
        const error_code result = now_or_never.result;
        return !result || result.category() == category() ? static_cast<error>(result.value()) : error::closed;
    }

private:
    struct owned final : Core {
        template <class Policies>
        explicit owned(Policies policies) : Core(std::move(policies)) {}
    };

    void ask_source() {
        auto asked = std::exchange(source_, nullptr);
        const auto before = sources_;
        time_point next = never;
        if (const auto failure = caught([&] { next = asked(core_.now()); })) {
            core_.terminate(error::closed);
            std::rethrow_exception(failure);
        }
        if (sources_ != before) return;  // it has put another in its place
        source_ = std::move(asked);
        due_ = next;
    }
    time_point source_due() const noexcept { return source_ && is_open() && drained() ? due_ : never; }

    owned core_;
    std::function<time_point(time_point)> source_;
    unsigned sources_ = 0;  // that there have been
    time_point due_{};      // when it is asked
};

}  // namespace weir::detail

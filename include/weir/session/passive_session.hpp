// SPDX-License-Identifier: BSL-1.0
#pragma once

// A session that does nothing by itself: its owner brings bytes and the time, and asks what it wishes. Layer: session.
// What io/stream_session.hpp is for an Asio stream.

#include <weir/bytes.hpp>
#include <weir/config.hpp>
#include <weir/policy/policy_set.hpp>
#include <weir/session/deciding.hpp>
#include <weir/session/session.hpp>
#include <weir/time.hpp>

#include <algorithm>
#include <cstddef>
#include <span>
#include <string>
#include <utility>

namespace weir::detail {

/// Session, policies, and the owner's wishes to be in one object. `Protocol` is sse_session or ws_session. What it has
/// to write is put together in output() and nowhere else, so that what was sent since the last time leaves together; a
/// transport that takes less is one that has not taken all of that yet.
template <class Protocol, class... Policies>
class passive_session : public deciding<Protocol, Policies...> {
public:
    /// Whatever happens from here on happens now. Time that goes backwards stands still.
    void set_time(time_point now) noexcept { now_ = std::max(now_, now); }
    time_point now() const noexcept final { return now_; }

    /// Does what has been put off to the end of a turn. What is to be written, in one piece: stays until written().
    bytes_view output() {
        while (std::exchange(turn_due_, false)) {
            const writing now_and_here{this->may_write_};
            this->on_turn_end();
        }
        return as_bytes(outgoing_).subspan(written_);
    }
    void written(std::size_t bytes) {
        if (in_flight() == 0) return;
        written_ += std::min(bytes, in_flight());
        if (in_flight() != 0) return this->notice_progress();
        outgoing_ = {};
        written_ = 0;
        if (this->blocked_) this->on_writable();
    }
    void on_deadline() {
        if (now_ >= timer_) {
            timer_ = never;
            this->on_timer();
        }
    }

    bool wants_read() const noexcept { return reads_ && this->state() != phase::closed; }
    bool wants_write() const noexcept { return this->state() != phase::closed && (turn_due_ || in_flight() != 0); }
    bool wants_shutdown() const noexcept { return shutdown_due_ && this->state() != phase::closed; }
    void shut_down() noexcept { shutdown_due_ = false; }
    time_point deadline() const noexcept { return timer_; }

protected:
    explicit passive_session(policy_set<Policies...> policies)
        : deciding<Protocol, Policies...>(std::move(policies), next_salt()) {
        this->may_write_ = false;
    }
    ~passive_session() = default;

    void start_reading() noexcept { reads_ = true; }

private:
    // One write's worth; what is behind it can still be dropped.
    static constexpr std::size_t max_write_bytes = 64 * 1024;

    class writing {
    public:
        explicit writing(bool& allowed) noexcept : allowed_(allowed) { allowed_ = true; }
        writing(const writing&) = delete;
        writing& operator=(const writing&) = delete;
        ~writing() { allowed_ = false; }

    private:
        bool& allowed_;
    };

    // ---- what the state machine asks for ----

    std::size_t write(std::span<const bytes_view> pieces, error_code&) noexcept final {
        if (in_flight() != 0) return 0;
        for (const bytes_view piece : pieces) {
            const std::size_t room = max_write_bytes - outgoing_.size();
            outgoing_.append(as_text(piece.first(std::min(piece.size(), room))));
        }
        return outgoing_.size();
    }
    std::size_t in_flight() const noexcept final { return outgoing_.size() - written_; }
    void wait_writable() noexcept final {}  // written() says so
    void schedule_flush() noexcept final { turn_due_ = true; }
    void set_timer(time_point at) noexcept final { timer_ = at; }
    void read_on(bool wanted) noexcept final { reads_ = wanted; }
    void shutdown_send() noexcept final { shutdown_due_ = true; }
    // A write of it may be under way: it goes with the session.
    void close_transport() noexcept final { written_ = outgoing_.size(); }
    int descriptor() noexcept final { return -1; }
    void drop_owner() noexcept final {}

    time_point now_{};
    time_point timer_ = never;
    std::string outgoing_;     // taken out of the outbox
    std::size_t written_ = 0;  // of that
    bool turn_due_ = false;
    bool reads_ = false;
    bool shutdown_due_ = false;
};

}  // namespace weir::detail

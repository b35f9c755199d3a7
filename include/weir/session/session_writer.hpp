// SPDX-License-Identifier: BSL-1.0
#pragma once

// The writing half of a session: what is in the outbox leaves as fast as the transport takes it. Layer: session.

#include <weir/bytes.hpp>
#include <weir/config.hpp>
#include <weir/error.hpp>
#include <weir/exceptions.hpp>
#include <weir/session/feed.hpp>
#include <weir/session/outbox.hpp>
#include <weir/session/session_host.hpp>
#include <weir/time.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

namespace weir::detail {

/// The states of a session, in order.
enum class phase : std::uint8_t {
    fresh,      ///< nothing sent yet
    open,       ///< messages may be sent
    closing,    ///< no more messages; what waits is written
    lingering,  ///< everything written and said so; the peer has not closed yet
    closed,
};

/// One gathered write per turn of the event loop, and one wait where the transport takes no more. What may be put into
/// the outbox is session_output's decision. Not thread-safe: one executor at a time.
class session_writer : protected session_host {
public:
    phase state() const noexcept { return phase_; }
    error_code end_reason() const noexcept { return end_reason_; }

    /// A message has been written in part, and waits for the transport to take the rest.
    bool message_begun() const noexcept { return outbox_.begun(); }

    /// The source of what others keep; null: none.
    feed* fed() const noexcept { return feed_.get(); }
    /// The feed, which had nothing, is about to have something; flush_fed() follows.
    void on_filling(time_point at) { start_filling(at); }
    void flush_fed() { flush(); }
    /// What is neither a message nor the feed's, before both.
    void send_aside(std::string_view bytes) { queue_control(bytes); }
    /// As flush_fed(), at the end of this turn.
    void request_feeding() { request_flush(); }
    /// What the feed has may be written past it, by whoever fills it: nothing else waits.
    bool takes_at_once() const noexcept {
        return phase_ == phase::open && !blocked_ && outbox_.empty() && in_flight() == 0 && !message_open();
    }
    /// Writes past the feed; see takes_at_once(). Returns what was taken, to be reported to on_written().
    std::size_t write_at_once(std::span<const bytes_view> pieces, error_code& ec) noexcept { return write(pieces, ec); }
    /// Such bytes were written, here or in a batch. False: the session has ended.
    bool on_written(std::size_t taken, std::size_t offered, std::size_t messages, error_code ec, time_point at);
    /// Bytes of the feed's are written, now or next.
    virtual void on_feeding() {}
    /// Where batches write to; -1: nowhere.
    using session_host::descriptor;
    using session_host::drop_owner;

    void on_writable();  ///< the transport may take bytes again
    void on_turn_end();  ///< asked for by schedule_flush()

protected:
    // How often a blocked outbox is looked through for messages that became too old.
    static constexpr milliseconds review_interval{250};

    /// While it lives, what is sent waits; then it is written, without another turn. For what answers bytes received.
    class cork {
    public:
        explicit cork(session_writer& writer) noexcept : writer_(writer), holds_(!writer.flush_scheduled_) {
            writer_.flush_scheduled_ = true;
        }
        cork(const cork&) = delete;
        cork& operator=(const cork&) = delete;
        ~cork() {
            if (!holds_) return;
            writer_.flush_scheduled_ = false;
            writer_.flush();
        }

    private:
        session_writer& writer_;
        const bool holds_;
    };

    session_writer() = default;
    ~session_writer() = default;

    /// Ends the session now, for that reason.
    virtual void terminate(error_code reason) = 0;
    /// Has the session look at the time again at `at`, if not earlier.
    virtual void arm(time_point at) = 0;
    /// Drops what the policy finds too old. False: the session has ended.
    virtual bool review() = 0;
    /// What could be written has been: there may be room, or nothing left.
    virtual void on_flushed() = 0;
    /// Whether the application is in the middle of answering, so that writing now would be a write per answer.
    virtual bool more_is_coming() noexcept { return false; }
    /// A turn that was asked for has come, and everything is flushed: the place to call the application.
    virtual void on_turn() = 0;
    /// Whether a message has been sent in part: until its end, others wait.
    virtual bool message_open() const noexcept = 0;

    std::size_t unsent() const noexcept { return outbox_.bytes() + in_flight() + unsent_feed(); }
    /// Blocked, unless everything behind has been dropped: then nothing has to wait for the transport.
    bool held_up() const noexcept { return blocked_ && unsent() != 0; }
    bool drained() const noexcept { return unsent() == 0 && phase_ < phase::closed; }
    void start_filling(time_point at);
    /// Behind what waits.
    void queue_control(std::string_view bytes);
    /// Before what waits, at the next boundary between two pieces.
    void queue_urgent(std::string_view bytes);
    void request_flush();
    void request_turn();
    void flush();
    bool write_out();
    bool write_pieces(std::span<const bytes_view> pieces, std::size_t& taken);
    void block();
    void notice_progress();
    void drop_feed() noexcept;
    void count_written(std::size_t messages, std::size_t bytes);

    outbox outbox_;
    std::unique_ptr<feed> feed_;
    time_point last_sent_{}, last_progress_{};
    error_code end_reason_;
    phase phase_ = phase::fresh;
    bool blocked_ = false;   // wait_writable() is pending
    bool may_write_ = true;  // false: not now, but at the end of the turn
    std::uint64_t messages_sent_ = 0, bytes_sent_ = 0;

private:
    // At most this much is written before other sessions get their turn.
    static constexpr std::size_t max_bytes_per_flush = 4 * 1024 * 1024;

    // What one write offers, in this order.
    struct offer {
        std::size_t pieces = 0;
        std::size_t rest = 0;  // bytes: of a message of the feed's that was taken in part, if the outbox is behind it
        std::size_t own = 0;   // of the outbox
        std::size_t fed = 0;   // of the feed, its rest included if `rest` is none
        std::size_t size() const noexcept { return rest + own + fed; }
    };

    // Between the parts of a message of the application's own, the feed waits, and its waiting is nobody's fault.
    std::size_t unsent_feed() const noexcept {
        if (!feed_ || (message_open() && !feed_->is_partial())) return 0;
        return feed_->waiting();
    }
    bool has_output() const noexcept { return !outbox_.empty() || unsent_feed() != 0; }
    bool write_once();
    offer gather(std::span<bytes_view> out);
    offer gather_or_end(std::span<bytes_view> out);
    void take(const offer& made, std::size_t taken);

    std::size_t in_flight_seen_ = 0;
    bool flush_scheduled_ = false;  // a turn is coming, or a cork is in
    bool turn_requested_ = false;   // schedule_flush() is pending
};

}  // namespace weir::detail

#include WEIR_BODIES(weir/session/session_writer.ipp)

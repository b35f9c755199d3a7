// SPDX-License-Identifier: BSL-1.0
#pragma once

// The life of a WebSocket client across its connections, decided without a socket or a clock. Layer: session.
// io/ws_client_core.hpp performs what this decides.

#include <weir/config.hpp>
#include <weir/error.hpp>
#include <weir/exceptions.hpp>
#include <weir/policy/reconnect.hpp>
#include <weir/session/reconnect_row.hpp>
#include <weir/session/unsent_queue.hpp>
#include <weir/session/ws_client_rules.hpp>
#include <weir/time.hpp>
#include <weir/ws/close_code.hpp>
#include <weir/ws/message.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace weir::detail {

struct ws_client_settings {
    any_reconnect reconnect = exponential_backoff{};
    weir::unsent unsent = unsent::keep_unbegun;
    std::size_t max_queued_bytes = 1024 * 1024;
    std::size_t max_queued_messages = 1000;
    std::function<bool(ws::close_code, std::string_view)> comes_back{};
    std::uint64_t seed = 0;  ///< of what jitter is made of
};

/// The state machine. Not thread-safe.
class ws_client_session {
public:
    enum class state : std::uint8_t {
        connecting,
        open,
        waiting,  ///< until retry_at()
        closing,  ///< the application has closed it, and the connection has not ended yet
        closed,
    };

    explicit ws_client_session(ws_client_settings settings)
        : settings_(std::move(settings)),
          queue_(settings_.unsent, settings_.max_queued_bytes, settings_.max_queued_messages),
          row_(settings_.reconnect, settings_.seed) {}

    state current_state() const noexcept { return state_; }
    bool is_closed() const noexcept { return state_ == state::closed; }

    // ---- what happens to connections ----

    /// The attempt under way has led to a connection.
    void opened(time_point now) noexcept;
    /// It has failed. `status`: of the answer; 0: there was none. `floor`: the least to wait.
    void failed(error_code reason, int status, milliseconds floor, time_point now);
    /// What the application does before an attempt has failed, which never is for good.
    void hook_failed(error_code reason, time_point now);
    /// The connection is over. `reason`: as the session has it; `peer`: what the server's close frame said. Throws what
    /// the application's comes_back() throws, which is the end.
    void ended(error_code reason, ws::close_reason peer, time_point now);

    /// When the next attempt is due; `never`, unless waiting.
    time_point retry_at() const noexcept { return state_ == state::waiting ? retry_at_ : never; }
    /// How long that is from when it was decided.
    duration delay() const noexcept { return delay_; }
    /// It is due now. False: nothing is being waited for.
    bool retry_now(time_point now) noexcept;
    /// Begins the attempt, if it is due.
    bool start_if_due(time_point now) noexcept;

    // ---- what the application does ----

    /// Queues a message. Errors: closed, not_connected, refused (it does not fit).
    error send(ws::message_view message);
    /// As send(), for this connection alone, before what is queued.
    error send_first(ws::message_view message);
    bool fits(std::size_t size) const noexcept { return queue_.fits(size); }
    /// Why nothing can be sent at the moment; none: it can.
    error unusable() const noexcept;
    /// Open: what is queued is to be written, and the connection closed. Else: the end, with error::not_connected if
    /// something is lost by it.
    void close() noexcept;
    /// The end, at once.
    void give_up(error_code reason) noexcept;
    /// Over: the application's `comes_back`, for the caller to destroy.
    auto drop_rule() noexcept { return std::exchange(settings_.comes_back, {}); }

    // ---- looking ----

    unsent_queue& queue() noexcept { return queue_; }
    const unsent_queue& queue() const noexcept { return queue_; }
    /// Why there is no connection at the moment, or will be none; none: in good order.
    error_code reason() const noexcept { return reason_; }
    /// What the server's last close frame said; abnormal: there was none.
    ws::close_reason close_reason() const noexcept { return {close_code_, close_text_}; }
    /// HTTP status of the last answer, if that was a refusal to shake hands; 0: it was none.
    int status() const noexcept { return status_; }
    /// Attempts and connections in a row that came to nothing.
    unsigned failures() const noexcept { return row_.failures(); }
    std::uint64_t connections() const noexcept { return connections_; }

private:
    bool asks_to_come_back(ws::close_reason peer);
    void decide(const reconnect_facts& facts, time_point now);

    ws_client_settings settings_;
    unsent_queue queue_;
    reconnect_row row_;
    std::uint64_t connections_ = 0;
    time_point opened_at_{}, retry_at_ = never;
    duration delay_{};
    error_code reason_;
    std::string close_text_;
    int status_ = 0;
    ws::close_code close_code_ = ws::close_code::abnormal;
    state state_ = state::connecting;
};

}  // namespace weir::detail

#include WEIR_BODIES(weir/session/ws_client_session.ipp)

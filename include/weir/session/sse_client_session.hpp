// SPDX-License-Identifier: BSL-1.0
#pragma once

// The life of an event stream's client across its connections, decided without a socket or a clock. Layer: session.
// WHATWG HTML, server-sent events, "processing model". How a driver performs what it decides:
//
//     session.start(url);
//     while (session.current_state() != state::closed) {
//         if (waiting)  { sleep until retry_at(), or until the application wants it sooner; retry_now(); continue; }
//         if (!redirected) { hook(session.attempt()); if (prepare(now()) != need_more) continue; }
//         ec = connect to target(); if (!ec) ec = write request();
//         while (!ec) {
//             while ((taken = receive(unread, now())) == opened or event) tell of it, event() is the event;
//             if (taken != need_more) break;             // redirected, lost, closed: drop the connection
//             ec = read some bytes: `unread` is a view of them, whose memory stays until need_more;
//         }
//         if (ec) connection_ended(ec, now());           // end of stream, or what failed; a time limit of its own, too
//     }

#include <weir/config.hpp>
#include <weir/error.hpp>
#include <weir/http/reference.hpp>
#include <weir/http/url.hpp>
#include <weir/session/reconnect_row.hpp>
#include <weir/session/sse_attempt.hpp>
#include <weir/session/sse_client_rules.hpp>
#include <weir/session/sse_client_settings.hpp>
#include <weir/session/sse_exchange.hpp>
#include <weir/sse/answer.hpp>
#include <weir/sse/decoder.hpp>
#include <weir/time.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace weir {

namespace detail {

/// The state machine. Throws std::bad_alloc, and nothing else. Not thread-safe.
class sse_client_session {
public:
    enum class state : std::uint8_t { connecting, open, waiting, closed };

    /// What has become of it. After redirected, lost and closed the connection is to be dropped.
    enum class step : std::uint8_t {
        need_more,   ///< nothing new: of the input, everything is used up
        opened,      ///< the stream begins; call again
        event,       ///< event() is the next one; call again
        redirected,  ///< connect to target(), and send request(), which is another one now
        lost,        ///< waiting until retry_at(), because of loss()
        closed,      ///< for good, because of end_reason()
    };

    explicit sse_client_session(sse_client_settings settings)
        : settings_(std::move(settings)),
          row_(settings_.reconnect, settings_.seed),
          exchange_(settings_.head_limits),
          decoder_(settings_.limits, settings_.last_event_id) {}

    /// Begins the first attempt. bad_argument, and closed: the URL or the settings cannot be used. Call once.
    error start(std::string_view url);

    state current_state() const noexcept;

    // ---- an attempt ----

    /// What is going to be asked; may be changed until prepare() takes it.
    sse_attempt& attempt() noexcept { return attempt_; }
    /// Makes target() and request() of it. need_more: connect now; lost or closed: it cannot be asked (bad_argument).
    step prepare(time_point now);
    const http::url& target() const noexcept { return route_.where(); }
    /// Head and body; valid until step::opened or redirected, and until another attempt is prepared.
    std::string_view request() const noexcept { return request_; }
    /// There is an id, and the request cannot have it: it is too long, or has a control character.
    bool last_event_id_left_out() const noexcept { return last_event_id_left_out_; }

    // ---- what happens to its connection ----

    /// Takes bytes off the front of `in`, no more than the next thing to report needs. Call it again until need_more;
    /// until then the memory of `in` has to stay as it is, also what is no longer part of `in`.
    step receive(std::string_view& in, time_point now);
    /// There is no connection, or there will be no more bytes. `ec`: why; none, or Asio's eof: the end of the stream.
    /// What cannot become true any more, closed or waiting already, is passed over.
    step connection_ended(error_code ec, time_point now);
    /// attempt() could not be made what it was to be: whatever the reason, it may pass.
    step hook_failed(error_code ec, time_point now) { return lose({.reason = ec}, now); }

    /// When the next attempt is due; `never`, unless waiting.
    time_point retry_at() const noexcept { return phase_ == phase::waiting ? retry_at_ : never; }
    /// Begins the next attempt: it is due, or worth while. False: there is nothing to be waited for.
    bool retry_now();
    /// Ends it, for the application's own reasons.
    void close(error_code why = {}) noexcept { static_cast<void>(end(why)); }

    // ---- looking ----

    /// After step::event, until the next call that is not const.
    sse::decoded_event event() const noexcept { return decoder_.event(); }
    /// The last one that a blank line has committed. Empty: none.
    std::string_view last_event_id() const noexcept { return decoder_.last_event_id(); }
    /// Of the last stream, after redirects.
    std::string_view origin() const noexcept { return origin_; }
    /// Why the last connection, or attempt, was lost; peer_closed: the stream ended in good order.
    error_code loss() const noexcept { return loss_; }
    /// How long it is from then to the next attempt.
    milliseconds delay() const noexcept { return delay_; }
    /// Why it is closed; none: close(), or the end marker; stop_requested: a 204.
    error_code end_reason() const noexcept { return end_reason_; }
    /// Of the last attempt, if the server said anything.
    const sse_failure& failure() const noexcept { return failure_; }

private:
    enum class phase : std::uint8_t { asking, refused, open, waiting, closed };

    struct ending {
        error_code reason;
        bool orderly = false;  // the stream ended as a stream may end
        bool permanent = false;
        milliseconds floor{};
    };

    void begin_attempt();
    error prepare_attempt();
    error write_request();
    step receive_head(std::string_view& in, time_point now);
    step receive_refusal(std::string_view& in, time_point now);
    step receive_stream(std::string_view& in, time_point now);
    step judge_answer(std::string_view& in, time_point now);
    step open(time_point now);
    step follow(time_point now);
    step judge_event(time_point now);
    step end_of_refusal(time_point now);
    step end_of_stream(time_point now);
    step lose(error_code reason, time_point now);
    step lose(const ending& how, time_point now);
    step end(error_code reason) noexcept;
    milliseconds retry_floor() const noexcept;

    static constexpr std::size_t max_failure_text = std::size_t{8} * 1024;

    sse_client_settings settings_;
    reconnect_row row_;
    std::string url_;           // where each attempt begins
    redirect_effects effects_;  // on each attempt
    sse_attempt attempt_;
    attempt_route route_;
    std::string request_;
    sse_exchange exchange_;
    std::string_view content_;  // of the stream, and not decoded yet
    sse::decoder decoder_;
    std::string origin_;
    sse_failure failure_;
    ending refusal_;
    error_code loss_, end_reason_;
    time_point opened_at_{}, retry_at_ = never;
    milliseconds delay_{};
    phase phase_ = phase::waiting;
    bool last_event_id_left_out_ = false;
};

}  // namespace detail
}  // namespace weir

#include WEIR_BODIES(weir/session/sse_client_session.ipp)

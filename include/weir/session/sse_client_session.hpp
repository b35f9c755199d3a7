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

// ---- attempts ----

inline error sse_client_session::start(std::string_view url) {
    url_ = url;
    begin_attempt();
    const error why = prepare_attempt();
    if (why != error::none) {
        end(make_error_code(why));
    } else {
        begin_attempt();  // that was to see whether it can be asked
    }
    return why;
}

inline sse_client_session::state sse_client_session::current_state() const noexcept {
    switch (phase_) {
        case phase::asking:
        case phase::refused: break;
        case phase::open: return state::open;
        case phase::waiting: return state::waiting;
        case phase::closed: return state::closed;
    }
    return state::connecting;
}

inline void sse_client_session::begin_attempt() {
    attempt_ = {.url = url_,
                .method = settings_.method,
                .fields = settings_.fields,
                .body = settings_.body,
                .last_event_id = std::string{decoder_.last_event_id()},
                .failures = row_.failures(),
                .reason = loss_};
    effects_.apply_to(attempt_);
    failure_ = {};
    phase_ = phase::asking;
}

inline sse_client_session::step sse_client_session::prepare(time_point now) {
    if (phase_ == phase::closed) return step::closed;  // by the hook
    if (phase_ != phase::asking) return step::need_more;
    const error why = prepare_attempt();
    return why == error::none ? step::need_more : lose(make_error_code(why), now);
}

inline error sse_client_session::prepare_attempt() {
    if (attempt_.last_event_id != decoder_.last_event_id()) {
        settings_.retry = retry_floor();
        decoder_ = sse::decoder{settings_.limits, attempt_.last_event_id};
    }
    failure_.text = fault_of(attempt_);
    const error why = route_.begin(std::move(attempt_));
    return why == error::none ? write_request() : why;
}

inline error sse_client_session::write_request() {
    const auto& decoding = settings_.decoding;
    auto written = route_.request(decoding ? decoding->coding() : std::string_view{});
    request_ = std::move(written.text);
    last_event_id_left_out_ = written.last_event_id_left_out;
    exchange_.restart();
    return written.error;
}

inline bool sse_client_session::retry_now() {
    if (phase_ != phase::waiting) return false;
    begin_attempt();
    return true;
}

// ---- bytes ----

inline sse_client_session::step sse_client_session::receive(std::string_view& in, time_point now) {
    switch (phase_) {
        case phase::asking: return receive_head(in, now);
        case phase::refused: return receive_refusal(in, now);
        case phase::open: return receive_stream(in, now);
        case phase::waiting:
        case phase::closed: break;
    }
    in = {};
    return phase_ == phase::closed ? step::closed : step::need_more;
}

inline sse_client_session::step sse_client_session::receive_head(std::string_view& in, time_point now) {
    switch (exchange_.next(in)) {
        case sse_exchange::status::head: return judge_answer(in, now);
        case sse_exchange::status::failed: return lose(make_error_code(exchange_.error()), now);
        default: return step::need_more;
    }
}

inline sse_client_session::step sse_client_session::judge_answer(std::string_view& in, time_point now) {
    const http::response_view& response = exchange_.response();
    const sse::answer meant = sse::judge_answer(response);
    failure_.status = response.status;
    switch (meant.kind) {
        case sse::answer_kind::stream: return open(now);
        case sse::answer_kind::redirect: return follow(now);
        case sse::answer_kind::stop: return end(make_error_code(meant.error));
        case sse::answer_kind::refusal: break;
    }
    const bool passes = settings_.retry_server_errors && sse::may_pass(response.status);
    refusal_ = {.reason = make_error_code(meant.error),
                .permanent = !passes,
                .floor = sse::retry_after(response.fields).value_or(milliseconds{})};
    if (exchange_.begin_content(route_.method(), settings_.decoding.get()) != error::none) return end_of_refusal(now);
    phase_ = phase::refused;
    return receive_refusal(in, now);
}

/// What the server says of it is worth knowing, as far as it comes.
inline sse_client_session::step sse_client_session::receive_refusal(std::string_view& in, time_point now) {
    for (;;) {
        const auto taken = exchange_.next(in);
        if (taken == sse_exchange::status::need_more) return step::need_more;
        if (taken != sse_exchange::status::data) return end_of_refusal(now);
        failure_.text.append(exchange_.data().substr(0, max_failure_text - failure_.text.size()));
        if (failure_.text.size() == max_failure_text) return end_of_refusal(now);
    }
}

inline sse_client_session::step sse_client_session::open(time_point now) {
    const error why = exchange_.begin_content(route_.method(), settings_.decoding.get());
    if (why != error::none) return lose(make_error_code(why), now);
    origin_ = http::origin_of(target());
    if (settings_.reconnect_to == sse_reconnect_to::final_url && route_.redirects() != 0) {
        url_ = http::to_string(target());
        effects_.add(route_.effects());
    }
    request_ = {};
    decoder_.restart();
    opened_at_ = now;
    phase_ = phase::open;
    return step::opened;
}

inline sse_client_session::step sse_client_session::follow(time_point now) {
    const http::response_view& response = exchange_.response();
    error why = route_.follow(response.status, response.fields, settings_.max_redirects);
    if (why == error::none) why = write_request();
    return why == error::none ? step::redirected : lose(make_error_code(why), now);
}

inline sse_client_session::step sse_client_session::receive_stream(std::string_view& in, time_point now) {
    for (;;) {
        switch (decoder_.next(content_)) {
            case sse::decoder::status::event: return judge_event(now);
            case sse::decoder::status::failed: return lose(make_error_code(decoder_.error()), now);
            case sse::decoder::status::need_more: break;
        }
        switch (exchange_.next(in)) {
            case sse_exchange::status::data: content_ = exchange_.data(); break;
            case sse_exchange::status::complete: return end_of_stream(now);
            case sse_exchange::status::failed: return lose(make_error_code(exchange_.error()), now);
            default: return step::need_more;
        }
    }
}

inline sse_client_session::step sse_client_session::judge_event(time_point now) {
    const sse::decoded_event event = decoder_.event();
    if (!settings_.end_marker.empty() && event.data == settings_.end_marker) return end({});
    if (settings_.error_event.empty() || event.event != settings_.error_event) return step::event;
    failure_.text = event.data.substr(0, max_failure_text);
    return lose(make_error_code(error::reported_by_server), now);
}

// ---- ends ----

inline sse_client_session::step sse_client_session::connection_ended(error_code ec, time_point now) {
    switch (phase_) {
        case phase::asking: break;
        case phase::refused: return end_of_refusal(now);
        case phase::open:
            if (is_end_of_stream(ec) && exchange_.complete_at_end()) return end_of_stream(now);
            break;
        case phase::waiting: return step::need_more;
        case phase::closed: return step::closed;
    }
    if (!is_end_of_stream(ec)) return lose(ec, now);
    return lose(make_error_code(exchange_.has_begun() ? error::truncated : error::peer_closed), now);
}

inline sse_client_session::step sse_client_session::end_of_refusal(time_point now) { return lose(refusal_, now); }

/// Without the end marker, if there is to be one, the end is none.
inline sse_client_session::step sse_client_session::end_of_stream(time_point now) {
    if (!settings_.end_marker.empty()) return lose(make_error_code(error::truncated), now);
    return lose({.reason = make_error_code(error::peer_closed), .orderly = true}, now);
}

inline sse_client_session::step sse_client_session::lose(error_code reason, time_point now) {
    return lose({.reason = reason, .permanent = is_futile(reason)}, now);
}

/// "Reestablish the connection", or "fail the connection" where another attempt is futile and the policy agrees.
inline sse_client_session::step sse_client_session::lose(const ending& how, time_point now) {
    // An open connection has lived, however short that was.
    const bool was_open = phase_ == phase::open;
    const auto again = row_.failed({.reason = how.orderly ? error_code{} : how.reason,
                                    .status = failure_.status,
                                    .permanent = how.permanent,
                                    .lived = was_open ? std::max(now - opened_at_, duration{1}) : duration{},
                                    .floor = std::max(retry_floor(), std::min(how.floor, longest_floor))},
                                   now);
    loss_ = how.reason;
    content_ = {};
    if (!again) return end(how.reason);
    delay_ = std::chrono::ceil<milliseconds>(*again);
    retry_at_ = later(now, *again);
    phase_ = phase::waiting;
    return step::lost;
}

inline sse_client_session::step sse_client_session::end(error_code reason) noexcept {
    if (phase_ != phase::closed) end_reason_ = reason;
    phase_ = phase::closed;
    content_ = {};
    return step::closed;
}

/// What the server asked for last, else the default: what a time can hold, in any case.
inline milliseconds sse_client_session::retry_floor() const noexcept {
    return std::clamp(decoder_.retry().value_or(settings_.retry), milliseconds{}, longest_floor);
}

}  // namespace detail
}  // namespace weir

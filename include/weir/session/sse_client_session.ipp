// SPDX-License-Identifier: BSL-1.0
#pragma once

// The bodies of sse_client_session.hpp.

#include <weir/session/sse_client_session.hpp>

namespace weir {
namespace detail {

// ---- attempts ----

WEIR_INLINE error sse_client_session::start(std::string_view url) {
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

WEIR_INLINE sse_client_session::state sse_client_session::current_state() const noexcept {
    switch (phase_) {
        case phase::asking:
        case phase::refused: break;
        case phase::open: return state::open;
        case phase::waiting: return state::waiting;
        case phase::closed: return state::closed;
    }
    return state::connecting;
}

WEIR_INLINE void sse_client_session::begin_attempt() {
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

WEIR_INLINE sse_client_session::step sse_client_session::prepare(time_point now) {
    if (phase_ == phase::closed) return step::closed;  // by the hook
    if (phase_ != phase::asking) return step::need_more;
    const error why = prepare_attempt();
    return why == error::none ? step::need_more : lose(make_error_code(why), now);
}

WEIR_INLINE error sse_client_session::prepare_attempt() {
    if (attempt_.last_event_id != decoder_.last_event_id()) {
        settings_.retry = retry_floor();
        decoder_ = sse::decoder{settings_.limits, attempt_.last_event_id};
    }
    failure_.text = fault_of(attempt_);
    const error why = route_.begin(std::move(attempt_));
    return why == error::none ? write_request() : why;
}

WEIR_INLINE error sse_client_session::write_request() {
    const auto& decoding = settings_.decoding;
    auto written = route_.request(decoding ? decoding->coding() : std::string_view{});
    request_ = std::move(written.text);
    last_event_id_left_out_ = written.last_event_id_left_out;
    exchange_.restart();
    return written.error;
}

WEIR_INLINE bool sse_client_session::retry_now() {
    if (phase_ != phase::waiting) return false;
    begin_attempt();
    return true;
}

// ---- bytes ----

WEIR_INLINE sse_client_session::step sse_client_session::receive(std::string_view& in, time_point now) {
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

WEIR_INLINE sse_client_session::step sse_client_session::receive_head(std::string_view& in, time_point now) {
    switch (exchange_.next(in)) {
        case sse_exchange::status::head: return judge_answer(in, now);
        case sse_exchange::status::failed: return lose(make_error_code(exchange_.error()), now);
        default: return step::need_more;
    }
}

WEIR_INLINE sse_client_session::step sse_client_session::judge_answer(std::string_view& in, time_point now) {
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
WEIR_INLINE sse_client_session::step sse_client_session::receive_refusal(std::string_view& in, time_point now) {
    for (;;) {
        const auto taken = exchange_.next(in);
        if (taken == sse_exchange::status::need_more) return step::need_more;
        if (taken != sse_exchange::status::data) return end_of_refusal(now);
        failure_.text.append(exchange_.data().substr(0, max_failure_text - failure_.text.size()));
        if (failure_.text.size() == max_failure_text) return end_of_refusal(now);
    }
}

WEIR_INLINE sse_client_session::step sse_client_session::open(time_point now) {
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

WEIR_INLINE sse_client_session::step sse_client_session::follow(time_point now) {
    const http::response_view& response = exchange_.response();
    error why = route_.follow(response.status, response.fields, settings_.max_redirects);
    if (why == error::none) why = write_request();
    return why == error::none ? step::redirected : lose(make_error_code(why), now);
}

WEIR_INLINE sse_client_session::step sse_client_session::receive_stream(std::string_view& in, time_point now) {
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

WEIR_INLINE sse_client_session::step sse_client_session::judge_event(time_point now) {
    const sse::decoded_event event = decoder_.event();
    if (!settings_.end_marker.empty() && event.data == settings_.end_marker) return end({});
    if (settings_.error_event.empty() || event.event != settings_.error_event) return step::event;
    failure_.text = event.data.substr(0, max_failure_text);
    return lose(make_error_code(error::reported_by_server), now);
}

// ---- ends ----

WEIR_INLINE sse_client_session::step sse_client_session::connection_ended(error_code ec, time_point now) {
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

WEIR_INLINE sse_client_session::step sse_client_session::end_of_refusal(time_point now) { return lose(refusal_, now); }

/// Without the end marker, if there is to be one, the end is none.
WEIR_INLINE sse_client_session::step sse_client_session::end_of_stream(time_point now) {
    if (!settings_.end_marker.empty()) return lose(make_error_code(error::truncated), now);
    return lose({.reason = make_error_code(error::peer_closed), .orderly = true}, now);
}

WEIR_INLINE sse_client_session::step sse_client_session::lose(error_code reason, time_point now) {
    return lose({.reason = reason, .permanent = is_futile(reason)}, now);
}

/// "Reestablish the connection", or "fail the connection" where another attempt is futile and the policy agrees.
WEIR_INLINE sse_client_session::step sse_client_session::lose(const ending& how, time_point now) {
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

WEIR_INLINE sse_client_session::step sse_client_session::end(error_code reason) noexcept {
    if (phase_ != phase::closed) end_reason_ = reason;
    phase_ = phase::closed;
    content_ = {};
    return step::closed;
}

/// What the server asked for last, else the default: what a time can hold, in any case.
WEIR_INLINE milliseconds sse_client_session::retry_floor() const noexcept {
    return std::clamp(decoder_.retry().value_or(settings_.retry), milliseconds{}, longest_floor);
}

}  // namespace detail
}  // namespace weir

// SPDX-License-Identifier: BSL-1.0
#pragma once

// The bodies of ws_client_session.hpp.

#include <weir/session/ws_client_session.hpp>

namespace weir::detail {

// ---- connections ----

WEIR_INLINE void ws_client_session::opened(time_point now) noexcept {
    if (state_ != state::connecting) return;
    state_ = state::open;
    opened_at_ = now;
    reason_ = {};
    status_ = 0;
    ++connections_;
}

WEIR_INLINE void ws_client_session::failed(error_code reason, int status, milliseconds floor, time_point now) {
    if (state_ != state::connecting) return;
    reason_ = reason;
    status_ = reason == error::handshake_rejected ? status : 0;
    decide({.reason = reason, .status = status_, .permanent = is_permanent(reason, status), .floor = floor}, now);
}

WEIR_INLINE void ws_client_session::hook_failed(error_code reason, time_point now) {
    if (state_ != state::connecting) return;
    reason_ = reason;
    status_ = 0;
    decide({.reason = reason}, now);
}

WEIR_INLINE void ws_client_session::ended(error_code reason, ws::close_reason peer, time_point now) {
    if (state_ != state::open && state_ != state::closing) return;
    close_code_ = peer.code;
    close_text_ = peer.text;
    queue_.disconnected();
    if (state_ == state::closing) return give_up(reason);
    // What the server has said stands, however the transport ended behind it: the code is that of "the first Close
    // control frame received", RFC 6455 §7.1.5. A fault that our side has found says more.
    const bool told = peer.code != ws::close_code::abnormal && !is_permanent(reason, 0);
    after_close next = what_follows(peer.code);
    if (told && settings_.comes_back) {
        const bool comes = asks_to_come_back(peer);
        if (state_ != state::open) return give_up({});  // that has closed the client
        next = comes ? after_close::come_back : after_close::futile;
        if (peer.code == ws::close_code::normal && next == after_close::futile) next = after_close::done;
    }
    if (told && next == after_close::done) return give_up({});
    const bool futile = told && next == after_close::futile;
    reason_ = reason && !futile ? reason : make_error_code(error::peer_closed);
    const bool permanent = told ? futile : is_permanent(reason_, 0);
    // An open connection has lived, however short that was.
    const duration lived = std::max(now - opened_at_, duration{1});
    decide({.reason = reason_, .permanent = permanent, .lived = lived}, now);
}

WEIR_INLINE bool ws_client_session::asks_to_come_back(ws::close_reason peer) {
    bool comes = false;
    const auto failure = caught([&] { comes = settings_.comes_back(peer.code, peer.text); });
    if (!failure) return comes;
    give_up(error::closed);
    std::rethrow_exception(failure);
}

WEIR_INLINE void ws_client_session::decide(const reconnect_facts& facts, time_point now) {
    const std::optional<duration> delay = row_.failed(facts, now);
    if (!delay) return give_up(facts.reason);
    state_ = state::waiting;
    delay_ = *delay;
    retry_at_ = later(now, delay_);
}

WEIR_INLINE bool ws_client_session::retry_now(time_point now) noexcept {
    if (state_ != state::waiting) return false;
    retry_at_ = now;
    return true;
}

WEIR_INLINE bool ws_client_session::start_if_due(time_point now) noexcept {
    if (state_ != state::waiting || now < retry_at_) return false;
    state_ = state::connecting;
    return true;
}

// ---- the application ----

WEIR_INLINE error ws_client_session::unusable() const noexcept {
    if (state_ >= state::closing) return error::closed;
    return state_ != state::open && queue_.rule() == unsent::drop ? error::not_connected : error::none;
}

WEIR_INLINE error ws_client_session::send(ws::message_view message) {
    if (const error e = unusable(); e != error::none) return e;
    if (!queue_.fits(message.size())) return error::refused;
    queue_.push(message);
    return error::none;
}

WEIR_INLINE error ws_client_session::send_first(ws::message_view message) {
    if (state_ != state::open) return state_ < state::closing ? error::not_connected : error::closed;
    queue_.push_first(message);
    return error::none;
}

WEIR_INLINE void ws_client_session::close() noexcept {
    if (state_ >= state::closing) return;
    const bool loses = state_ != state::open && queue_.messages() != 0;
    if (state_ != state::open) return give_up(make_error_code(loses ? error::not_connected : error::none));
    state_ = state::closing;
}

WEIR_INLINE void ws_client_session::give_up(error_code reason) noexcept {
    if (state_ == state::closed) return;
    state_ = state::closed;
    reason_ = reason;
    queue_.clear();
}

}  // namespace weir::detail

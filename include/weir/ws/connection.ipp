// SPDX-License-Identifier: BSL-1.0
#pragma once

// The bodies of connection.hpp.

#include <weir/ws/connection.hpp>

namespace weir::ws {

// ---- receiving ----

WEIR_INLINE event connection::receive(mutable_bytes_view& in, time_point now) {
    // "An endpoint MUST NOT continue to attempt to process data" once it has given the connection up. §7.1.7
    if (failure_ != error::none) {
        in = {};
        return {};
    }
    if (!in.empty()) last_received_ = now;
    const event e = reader_.next(in, options_->max_message_bytes, codec_.get());
    switch (e.what) {
        case event_kind::ping: on_ping(e.payload.text(), now); break;
        case event_kind::close:
            close_received_ = true;
            peer_code_ = e.code;
            break;
        case event_kind::failed: failure_ = e.error; break;
        default: break;
    }
    return e;
}

// "If an endpoint receives a Ping frame and has not yet sent Pong frame(s) in response to previous Ping frame(s), the
// endpoint MAY elect to send a Pong frame for only the most recently processed Ping frame." RFC 6455 §5.5.3
WEIR_INLINE void connection::on_ping(std::string_view payload, time_point now) {
    if (close_sent_) return;
    if (now - pongs_since_ >= pong_window) {
        pongs_since_ = now;
        pongs_ = 0;
    }
    if (options_->max_pongs_per_second != 0 && pongs_ == options_->max_pongs_per_second) {
        aside().pong = payload;
        aside().pong_due = true;
        return;
    }
    ++pongs_;
    if (aside_) aside_->pong_due = false;  // the one put off was for an earlier ping
    queue(frame(opcode::pong, payload));
}

// ---- sending ----

WEIR_INLINE std::string connection::take_output() {
    if (!aside_) return {};
    std::string out = std::exchange(aside_->output, {});
    if (!aside_->pong_due) aside_.reset();
    return out;
}

WEIR_INLINE frame_encoder connection::frame(opcode code, std::string_view payload) const {
    frame_encoder frame{.code = code, .payload = as_bytes(payload)};
    if (is_client()) frame.key = options_->masking_keys();
    return frame;
}

WEIR_INLINE void connection::queue(const frame_encoder& frame) {
    std::string& output = aside().output;
    const std::size_t before = output.size();
    output.resize(before + frame.size());
    frame.write(output.data() + before);
}

WEIR_INLINE frame_encoder connection::encode(message_view message, std::string& scratch) {
    const bool compressed = compresses(message.size());
    std::string_view payload = message.text();
    if (compressed) {
        scratch.clear();
        codec_->compress(message.bytes(), true, scratch);
        payload = scratch;
    }
    frame_encoder out = frame(message.is_binary() ? opcode::binary : opcode::text, payload);
    if (compressed) out.reserved = reserved_1;
    return out;
}

// How long the message will be is not known: where compression was negotiated, it is compressed.
WEIR_INLINE frame_encoder connection::encode_piece(message_view piece, std::string& scratch) {
    const bool first = !piece_open_;
    if (first) piece_compressed_ = codec_ != nullptr;
    std::string_view payload = piece.text();
    if (piece_compressed_) {
        scratch.clear();
        codec_->compress(piece.bytes(), piece.last(), scratch);
        payload = scratch;
    }
    const opcode code = piece.is_binary() ? opcode::binary : opcode::text;
    frame_encoder out = frame(first ? code : opcode::continuation, payload);
    out.fin = piece.last();
    if (first && piece_compressed_) out.reserved = reserved_1;
    piece_open_ = !piece.last();
    return out;
}

WEIR_INLINE bool connection::send(message_view message) {
    if (close_sent_ || piece_open_) return false;
    std::string scratch;
    queue(encode(message, scratch));
    return true;
}

WEIR_INLINE bool connection::send_piece(message_view piece) {
    if (close_sent_) return false;
    std::string scratch;
    queue(encode_piece(piece, scratch));
    return true;
}

WEIR_INLINE bool connection::ping(std::string_view payload, time_point now) {
    if (close_sent_) return false;
    if (!waits_for_answer()) asked_at_ = now;
    last_ping_ = now;
    queue(frame(opcode::ping, payload.substr(0, max_control_payload)));
    return true;
}

// ---- closing ----

WEIR_INLINE bool connection::close(close_code code, std::string_view reason, time_point now) {
    if (close_sent_ || !(may_be_sent(code) || code == close_code::no_status)) return false;
    write_close({code, reason}, now);
    return true;
}

WEIR_INLINE void connection::write_close(close_reason reason, time_point now) {
    std::array<std::byte, max_close_size> payload;
    queue(frame(opcode::close, as_text(encode_close(reason, payload))));
    close_sent_ = true;
    close_sent_at_ = now;
    aside().pong_due = false;
}

WEIR_INLINE void connection::end(time_point now) {
    if (close_sent_) return;
    // "When sending a Close frame in response, the endpoint typically echos the status code it received." §5.5.1
    if (close_received_) return write_close({peer_code_}, now);
    // "An endpoint MUST NOT continue to attempt to process data (including a responding Close frame)." §7.1.7
    if (failure_ != error::none) write_close({close_code_for(failure_), message(failure_)}, now);
}

// ---- time ----

WEIR_INLINE time_point connection::deadline() const noexcept {
    const auto limit = [](time_point from, milliseconds time) {
        return time > time.zero() ? later(from, time) : never;
    };
    // A peer that has closed need not answer pings, nor be answered: "unless it already received a Close frame". §5.5.2
    if (failure_ != error::none || close_received_) return never;
    if (close_sent_) return limit(close_sent_at_, options_->close_timeout);
    const bool pong_due = aside_ && aside_->pong_due;
    const time_point next = pong_due ? later(pongs_since_, pong_window) : never;
    if (options_->ping_interval <= milliseconds::zero()) return next;
    if (may_time_out()) return std::min(next, later(asked_at_, options_->pong_timeout));
    return std::min(next, limit(std::max(last_received_, last_ping_), options_->ping_interval));
}

WEIR_INLINE event connection::on_time(time_point now) {
    if (now < deadline()) return {};
    if (close_sent_) {
        failure_ = error::close_timed_out;
        return {.what = event_kind::failed, .error = failure_};
    }
    if (aside_ && aside_->pong_due) {  // too early, on_ping() puts it off once more
        aside_->pong_due = false;
        const std::string payload = std::exchange(aside_->pong, {});
        on_ping(payload, now);
    }
    if (now < deadline()) return {};
    if (may_time_out()) {
        failure_ = error::unresponsive;
        return {.what = event_kind::failed, .error = failure_};
    }
    ping({}, now);
    return {};
}

}  // namespace weir::ws

// SPDX-License-Identifier: BSL-1.0
#pragma once

// The bodies of reader.hpp.

#include <weir/ws/reader.hpp>

namespace weir::ws {

WEIR_INLINE event reader::next(mutable_bytes_view& in, std::size_t max_message_bytes, message_codec* codec) {
    if (parts_) forget_delivered();
    const std::size_t limit = max_message_bytes != 0 ? max_message_bytes : std::numeric_limits<std::size_t>::max();
    while (!over_) {
        if (!in_frame_) {
            if (const error e = begin_frame(in, codec != nullptr); e != error::none) return fail(e);
            if (!in_frame_) return {};
        }
        const event e = is_control(code_) ? take_control(in) : take_data(in, limit, codec);
        if (e) return e;
        if (in_frame_ && in.empty()) return {};
    }
    parts_.reset();
    in = {};
    return {};
}

// What the last event referred to, and the buffers if nothing is left in them.
WEIR_INLINE void reader::forget_delivered() noexcept {
    if (std::exchange(parts_->delivered, false)) parts_->message.clear();
    if (!in_message_ && !in_frame_ && parts_->header_size == 0) parts_.reset();
}

WEIR_INLINE event reader::fail(error e) noexcept {
    over_ = true;
    parts_.reset();
    return {.what = event_kind::failed, .error = e};
}

// ---- headers ----

// Begins a frame if its header is complete; `in` is used up otherwise.
WEIR_INLINE error reader::begin_frame(mutable_bytes_view& in, bool may_compress) {
    const frame_rules rules{.masked = masked_, .allowed_reserved = may_compress ? reserved_1 : std::uint8_t{0}};
    if (!parts_ || parts_->header_size == 0) {
        const header_result whole = decode_header(in, rules);
        if (whole.error != error::none) return whole.error;
        if (whole.consumed != 0) {
            in = in.subspan(whole.consumed);
            return start(whole.header);
        }
        if (in.empty()) return error::none;
    }
    assembly& partial = parts();
    while (!in.empty()) {
        partial.header[partial.header_size++] = in.front();
        in = in.subspan(1);
        const header_result result = decode_header(bytes_view{partial.header}.first(partial.header_size), rules);
        if (result.error != error::none) return result.error;
        if (result.consumed == 0) continue;
        partial.header_size = 0;
        return start(result.header);
    }
    return error::none;
}

WEIR_INLINE error reader::start(const frame_header& header) {
    in_frame_ = true;
    code_ = header.code;
    fin_ = header.fin;
    remaining_ = header.payload_size;
    key_ = header.key;
    if (is_control(code_)) return error::none;
    if ((code_ == opcode::continuation) != in_message_) {
        return in_message_ ? error::message_unfinished : error::unexpected_continuation;
    }
    if (in_message_) return error::none;
    in_message_ = true;
    binary_ = code_ == opcode::binary;
    compressed_ = header.reserved != 0;
    pieces_ = pieces_wanted_;
    return error::none;
}

// ---- payloads ----

// What there is of the frame's payload, unmasked.
WEIR_INLINE mutable_bytes_view reader::take_payload(mutable_bytes_view& in, std::size_t at_most) noexcept {
    const auto size = static_cast<std::size_t>(std::min<std::uint64_t>({remaining_, in.size(), at_most}));
    const mutable_bytes_view payload = in.first(size);
    in = in.subspan(size);
    remaining_ -= size;
    if (masked_) key_ = apply_mask(payload, key_);
    if (remaining_ == 0) in_frame_ = false;
    return payload;
}

WEIR_INLINE event reader::take_control(mutable_bytes_view& in) {
    const bool whole = in.size() >= remaining_ && (!parts_ || parts_->control_size == 0);
    const std::string_view piece = as_text(take_payload(in, max_control_payload));
    if (whole) return dispatch_control(piece);
    assembly& partial = parts();
    std::copy_n(as_bytes(piece).begin(), piece.size(),
                partial.control.begin() + static_cast<std::ptrdiff_t>(partial.control_size));
    partial.control_size += piece.size();
    if (in_frame_) return {};
    const std::size_t size = std::exchange(partial.control_size, 0);
    return dispatch_control(as_text(bytes_view{partial.control}.first(size)));
}

WEIR_INLINE event reader::dispatch_control(std::string_view payload) {
    const message_view bytes = message_view::binary(payload);
    if (code_ == opcode::ping) return {.what = event_kind::ping, .payload = bytes};
    if (code_ == opcode::pong) return {.what = event_kind::pong, .payload = bytes};
    const close_result close = decode_close(as_bytes(payload));
    if (close.error != error::none) return fail(close.error);
    over_ = true;
    return {.what = event_kind::close, .payload = close.reason.text, .code = close.reason.code};
}

WEIR_INLINE event reader::take_data(mutable_bytes_view& in, std::size_t limit, message_codec* codec) {
    // Fails before the payload has come. What compressed data will be is only known then.
    if (!pieces_ && !compressed_) {
        const std::size_t have = parts_ ? parts_->message.size() : 0;
        if (have > limit || remaining_ > limit - have) return fail(error::message_too_large);
    }
    const bool in_steps = compressed_ && pieces_;
    const mutable_bytes_view payload =
        take_payload(in, in_steps ? inflate_step : std::numeric_limits<std::size_t>::max());
    const bool done = !in_frame_ && fin_;
    return compressed_ ? take_compressed(payload, limit, done, *codec) : take_plain(payload, done);
}

WEIR_INLINE event reader::take_plain(mutable_bytes_view payload, bool done) {
    const std::string_view text = as_text(payload);
    if (!binary_ && !(utf8_.feed(text) && (!done || utf8_.complete()))) return fail(error::bad_utf8);
    const bool nothing_before = !parts_ || parts_->message.empty();
    if (pieces_ || (done && nothing_before)) return deliver(text, done);
    std::string& message = parts().message;
    message.append(text);
    if (!done) return {};
    parts_->delivered = true;
    return deliver(message, done);
}

WEIR_INLINE event reader::take_compressed(mutable_bytes_view payload, std::size_t limit, bool done,
                                          message_codec& codec) {
    std::string& message = parts().message;
    const std::size_t before = message.size();
    const std::size_t no_limit = std::numeric_limits<std::size_t>::max();
    const error e = codec.inflate(payload, done, message, pieces_ ? no_limit : limit);
    if (e != error::none) return fail(e);
    const std::string_view fresh = std::string_view{message}.substr(before);
    if (!binary_ && !(utf8_.feed(fresh) && (!done || utf8_.complete()))) return fail(error::bad_utf8);
    if (!done && !pieces_) return {};
    parts_->delivered = true;
    return deliver(message, done);
}

WEIR_INLINE event reader::deliver(std::string_view payload, bool done) {
    const bool as_piece = pieces_;
    if (done) {
        in_message_ = false;
    } else if (payload.empty()) {
        return {};
    }
    return {.what = as_piece ? event_kind::piece : event_kind::message, .payload = {payload, binary_, done}};
}

WEIR_INLINE std::string reader::take_payload(const event& e) {
    if (parts_ && parts_->delivered && e.payload.text().data() == parts_->message.data()) {
        parts_->delivered = false;
        return std::exchange(parts_->message, {});
    }
    return std::string{e.payload.text()};
}

}  // namespace weir::ws

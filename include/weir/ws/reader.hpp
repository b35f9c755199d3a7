// SPDX-License-Identifier: BSL-1.0
#pragma once

// The receiving half of a WebSocket: bytes in, in any pieces; messages, control frames and faults out. Layer: protocol.
// RFC 6455 §5, §8.1; RFC 7692 §6.2

#include <weir/bytes.hpp>
#include <weir/error.hpp>
#include <weir/utf8_validator.hpp>
#include <weir/ws/close_code.hpp>
#include <weir/ws/deflate_agreement.hpp>
#include <weir/ws/event.hpp>
#include <weir/ws/frame.hpp>
#include <weir/ws/mask.hpp>
#include <weir/ws/message_codec.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace weir::ws {

/// Reads frames. A message that arrives whole is unmasked where it lies and never copied; one that arrives in pieces is
/// put together in a buffer that exists for as long. Invalid UTF-8 is found at its first impossible byte, a header's
/// fault as soon as the byte that shows it is there.
class reader {
public:
    /// `self`: the role of this side.
    explicit reader(role self) noexcept : masked_(self == role::server) {}

    /// Takes the next event off the front of `in`. event_kind::none: `in` is used up. To be called again with what is
    /// left of `in`, until then. A payload is a view of `in` or of this object, valid until the next call. `codec`:
    /// null if compression was not negotiated. `max_message_bytes`: of a message that is not read in pieces, after
    /// inflation; zero: no limit. After a close frame or a fault everything is swallowed.
    event next(mutable_bytes_view& in, std::size_t max_message_bytes, message_codec* codec);

    /// From the next message on, delivers messages in pieces, as they come, without a limit on their size; or whole.
    void read_in_pieces(bool wanted) noexcept { pieces_wanted_ = wanted; }
    /// Whether some of a message has come and its end has not.
    bool within_message() const noexcept { return in_message_; }
    /// The last event's payload as a string, moved out if it was put together here.
    std::string take_payload(const event& e);

private:
    // Exists while something has come in part.
    struct assembly {
        std::string message;
        std::array<std::byte, max_control_payload> control;
        std::array<std::byte, max_header_size> header;
        std::size_t control_size = 0, header_size = 0;
        bool delivered = false;  // the message is the last event's payload
    };

    // Compressed data is inflated in steps of this size when it is read in pieces, so that a piece stays small: deflate
    // makes at most 1,032 bytes of one.
    static constexpr std::size_t inflate_step = 512;

    assembly& parts() {
        if (!parts_) parts_ = std::make_unique<assembly>();
        return *parts_;
    }
    void forget_delivered() noexcept;
    error begin_frame(mutable_bytes_view& in, bool may_compress);
    error start(const frame_header& header);
    mutable_bytes_view take_payload(mutable_bytes_view& in, std::size_t at_most) noexcept;
    event take_control(mutable_bytes_view& in);
    event dispatch_control(std::string_view payload);
    event take_data(mutable_bytes_view& in, std::size_t limit, message_codec* codec);
    event take_plain(mutable_bytes_view payload, bool done);
    event take_compressed(mutable_bytes_view payload, std::size_t limit, bool done, message_codec& codec);
    event deliver(std::string_view payload, bool done);
    event fail(error e) noexcept;

    std::unique_ptr<assembly> parts_;
    std::uint64_t remaining_ = 0;  // of the frame's payload
    masking_key key_{};            // rotated to the next byte
    utf8_validator utf8_;          // between two characters when a message begins: the one before ended so
    opcode code_ = opcode::text;   // of the frame
    bool masked_;
    bool in_frame_ = false, fin_ = false;
    bool in_message_ = false, binary_ = false, compressed_ = false, pieces_ = false;
    bool pieces_wanted_ = false;
    bool over_ = false;
};

inline event reader::next(mutable_bytes_view& in, std::size_t max_message_bytes, message_codec* codec) {
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
inline void reader::forget_delivered() noexcept {
    if (std::exchange(parts_->delivered, false)) parts_->message.clear();
    if (!in_message_ && !in_frame_ && parts_->header_size == 0) parts_.reset();
}

inline event reader::fail(error e) noexcept {
    over_ = true;
    parts_.reset();
    return {.what = event_kind::failed, .error = e};
}

// ---- headers ----

// Begins a frame if its header is complete; `in` is used up otherwise.
inline error reader::begin_frame(mutable_bytes_view& in, bool may_compress) {
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

inline error reader::start(const frame_header& header) {
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
inline mutable_bytes_view reader::take_payload(mutable_bytes_view& in, std::size_t at_most) noexcept {
    const auto size = static_cast<std::size_t>(std::min<std::uint64_t>({remaining_, in.size(), at_most}));
    const mutable_bytes_view payload = in.first(size);
    in = in.subspan(size);
    remaining_ -= size;
    if (masked_) key_ = apply_mask(payload, key_);
    if (remaining_ == 0) in_frame_ = false;
    return payload;
}

inline event reader::take_control(mutable_bytes_view& in) {
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

inline event reader::dispatch_control(std::string_view payload) {
    const message_view bytes = message_view::binary(payload);
    if (code_ == opcode::ping) return {.what = event_kind::ping, .payload = bytes};
    if (code_ == opcode::pong) return {.what = event_kind::pong, .payload = bytes};
    const close_result close = decode_close(as_bytes(payload));
    if (close.error != error::none) return fail(close.error);
    over_ = true;
    return {.what = event_kind::close, .payload = close.reason.text, .code = close.reason.code};
}

inline event reader::take_data(mutable_bytes_view& in, std::size_t limit, message_codec* codec) {
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

inline event reader::take_plain(mutable_bytes_view payload, bool done) {
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

inline event reader::take_compressed(mutable_bytes_view payload, std::size_t limit, bool done, message_codec& codec) {
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

inline event reader::deliver(std::string_view payload, bool done) {
    const bool as_piece = pieces_;
    if (done) {
        in_message_ = false;
    } else if (payload.empty()) {
        return {};
    }
    return {.what = as_piece ? event_kind::piece : event_kind::message, .payload = {payload, binary_, done}};
}

inline std::string reader::take_payload(const event& e) {
    if (parts_ && parts_->delivered && e.payload.text().data() == parts_->message.data()) {
        parts_->delivered = false;
        return std::exchange(parts_->message, {});
    }
    return std::string{e.payload.text()};
}

}  // namespace weir::ws

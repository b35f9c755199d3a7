// SPDX-License-Identifier: BSL-1.0
#pragma once

// The receiving half of a WebSocket: bytes in, in any pieces; messages, control frames and faults out. Layer: protocol.
// RFC 6455 §5, §8.1; RFC 7692 §6.2

#include <weir/bytes.hpp>
#include <weir/config.hpp>
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

}  // namespace weir::ws

#include WEIR_BODIES(weir/ws/reader.ipp)

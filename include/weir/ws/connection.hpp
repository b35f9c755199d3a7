// SPDX-License-Identifier: BSL-1.0
#pragma once

// One side of a WebSocket after the handshake, without a socket or a clock: bytes and the time in; events, bytes to
// write and a deadline out. Layer: protocol. RFC 6455 §5 to §7

#include <weir/bytes.hpp>
#include <weir/config.hpp>
#include <weir/error.hpp>
#include <weir/time.hpp>
#include <weir/ws/close_code.hpp>
#include <weir/ws/deflate_agreement.hpp>
#include <weir/ws/event.hpp>
#include <weir/ws/frame.hpp>
#include <weir/ws/masking_keys.hpp>
#include <weir/ws/message.hpp>
#include <weir/ws/message_codec.hpp>
#include <weir/ws/reader.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace weir::ws {

/// What a connection may cost, and how long it waits.
struct connection_options {
    /// Of a message that is not read in pieces, after inflation; 0: no limit. Beyond it the connection fails with 1009.
    std::size_t max_message_bytes = 1024 * 1024;
    /// Pings answered one by one; of those beyond, only the newest is, when the second is over. 0: no limit.
    /// RFC 6455 §5.5.3
    unsigned max_pongs_per_second = 100;
    /// A ping is sent after so much silence of the peer; 0: never, and silence is then nothing to fail for.
    milliseconds ping_interval{0};
    /// The connection fails if not a byte comes within this time of the first ping; 0: never.
    milliseconds pong_timeout{10'000};
    /// The connection fails if the peer does not answer a close frame in this time; 0: never.
    milliseconds close_timeout{5'000};
    /// Where a client's masking keys come from.
    masking_key_source masking_keys = random_masking_key;
};

/// The state machine for both roles. Feed it with receive() until that yields event_kind::none, write what
/// take_output() returns, and call on_time() at deadline(). Bytes to write are appended in the order in which they have
/// to leave. Not thread-safe.
class connection {
public:
    /// `options` must outlive the connection. `codec`: what the handshake has negotiated; null: nothing.
    connection(role self, const connection_options& options, time_point now,
               std::unique_ptr<message_codec> codec = nullptr)
        : options_(&options), codec_(std::move(codec)), reader_(self), last_received_(now), role_(self) {}
    connection(role, const connection_options&&, time_point, std::unique_ptr<message_codec> = nullptr) = delete;

    /// Takes the next event off the front of `in`, as reader::next() does, and queues the pong for a ping. When `close`
    /// or `failed` came, and everything received before has been dealt with, call end().
    event receive(mutable_bytes_view& in, time_point now);

    /// Queues a message. False: the connection is closing, or a message is being sent in pieces.
    bool send(message_view message);
    /// Queues the next piece of a message; `piece.last()` ends it, and the first one says whether it is binary. Control
    /// frames may come between pieces, other messages may not. RFC 6455 §5.4
    bool send_piece(message_view piece);
    /// Queues a ping; `payload` is cut at 125 bytes. False: the connection is closing.
    bool ping(std::string_view payload, time_point now);
    /// Queues a close frame; nothing is sent after it. close_code::no_status: a frame without a code. The reason is cut
    /// at 123 bytes. False: one has been sent already, or `code` may not be sent (RFC 6455 §7.4).
    bool close(close_code code, std::string_view reason, time_point now);
    /// Answers the peer's close frame, or tells it of its fault, with the close frame that fits. RFC 6455 §5.5.1,
    /// §7.1.7
    void end(time_point now);

    /// What is to be written, and nothing afterwards.
    std::string take_output();
    /// Whether take_output() would return something.
    bool has_output() const noexcept { return aside_ && !aside_->output.empty(); }

    /// When on_time() has to be called; `never` if it has not.
    time_point deadline() const noexcept;
    /// Does what is due: a ping, the pong that was put off, giving up. event_kind::failed: the transport is to be
    /// closed, with error::unresponsive or error::close_timed_out.
    event on_time(time_point now);

    /// Both close frames have gone their way, or the connection has failed and said so. A server closes the transport
    /// now; a client waits for that. RFC 6455 §7.1.1
    bool finished() const noexcept { return close_sent_ && (close_received_ || failure_ != error::none); }
    /// Whether our close frame is on its way.
    bool close_sent() const noexcept { return close_sent_; }
    /// Whether the peer's has come.
    bool close_received() const noexcept { return close_received_; }
    /// Why the connection failed; none: it has not.
    error failure() const noexcept { return failure_; }
    /// Whether compression was agreed on.
    bool compresses() const noexcept { return codec_ != nullptr; }
    /// Whether this side masks.
    bool is_client() const noexcept { return role_ == role::client; }
    /// When the last byte came; at first, the time it began.
    time_point last_received() const noexcept { return last_received_; }
    /// When the last ping was sent; the clock's epoch: never.
    time_point last_ping() const noexcept { return last_ping_; }
    /// When the first ping was sent that has had no answer, or the first of those before; the clock's epoch: never.
    time_point last_asked() const noexcept { return asked_at_; }

    // ---- for those who keep an outbox of their own ----

    /// A message as one frame, not queued here. `scratch` must outlive the frame, which may refer to it.
    frame_encoder encode(message_view message, std::string& scratch);
    /// The next piece of a message as send_piece() would send it, as one frame, not queued here.
    frame_encoder encode_piece(message_view piece, std::string& scratch);
    /// Whether a message of that size is compressed or masked on its way.
    bool transforms(std::size_t size) const noexcept { return is_client() || compresses(size); }
    /// What compresses; null: nothing does.
    message_codec* codec() const noexcept { return codec_.get(); }
    /// See message_codec.
    bool has_history() const noexcept { return codec_ && codec_->has_history(); }
    /// See message_codec.
    void forget_history() noexcept { codec_->forget_history(); }
    /// What reads the frames.
    reader& incoming() noexcept { return reader_; }

private:
    // What is rarely there.
    struct waiting {
        std::string output;
        std::string pong;  // put off
        bool pong_due = false;
    };

    static constexpr std::chrono::seconds pong_window{1};

    bool compresses(std::size_t size) const noexcept { return codec_ && size >= codec_->threshold(); }
    waiting& aside() {
        if (!aside_) aside_ = std::make_unique<waiting>();
        return *aside_;
    }
    frame_encoder frame(opcode code, std::string_view payload) const;
    void queue(const frame_encoder& frame);
    void on_ping(std::string_view payload, time_point now);
    void write_close(close_reason reason, time_point now);
    bool waits_for_answer() const noexcept { return asked_at_ > last_received_; }
    bool may_time_out() const noexcept { return waits_for_answer() && options_->pong_timeout > milliseconds::zero(); }

    const connection_options* options_;
    std::unique_ptr<message_codec> codec_;
    std::unique_ptr<waiting> aside_;
    weir::ws::reader reader_;
    time_point last_received_, last_ping_{}, close_sent_at_{}, pongs_since_{};
    time_point asked_at_{};  // by the first ping since the peer was heard: more of them are no reason to wait longer
    unsigned pongs_ = 0;     // since then
    close_code peer_code_ = close_code::no_status;
    error failure_ = error::none;
    role role_;
    bool close_sent_ = false, close_received_ = false;
    bool piece_open_ = false, piece_compressed_ = false;
};

}  // namespace weir::ws

#include WEIR_BODIES(weir/ws/connection.ipp)

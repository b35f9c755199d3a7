// SPDX-License-Identifier: BSL-1.0
#pragma once

// A message in a topic's log: written once, encoded at most once for each form it takes on a wire. Layer: session.

#include <weir/bytes.hpp>
#include <weir/policy/lag.hpp>
#include <weir/sse/encoder.hpp>
#include <weir/sse/event.hpp>
#include <weir/time.hpp>
#include <weir/ws/frame.hpp>
#include <weir/ws/message.hpp>
#include <weir/ws/message_codec.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace weir {

/// What is published.
struct hub_event {
    event_name event{};       ///< as in sse_event; WebSocket clients see it if hub_options::websocket_payload says so
    std::string_view data{};  ///< any bytes; text is to be UTF-8
    std::string_view key{};   ///< what skip_to_latest goes by, within the topic; empty: none
    milliseconds time_to_live{};  ///< after this nobody is sent it any more; 0: as long as it is kept
    weir::priority priority = weir::priority::normal;  ///< how much it matters to those who cannot have all
    bool binary = false;                               ///< a WebSocket sends it as a binary message
};

/// How a message goes over a connection.
enum class wire_form : std::uint8_t {
    sse_plain,    ///< an event, ended by closing the connection
    sse_chunked,  ///< an event in a chunk
    websocket,    ///< a frame, not compressed
    deflated,     ///< WebSocket, compressed for a window of 2^9 bytes; the next ones for larger windows
};

namespace detail {

constexpr bool is_event_stream(wire_form form) noexcept { return form <= wire_form::sse_chunked; }
constexpr sse::framing framing_of(wire_form form) noexcept {
    return form == wire_form::sse_chunked ? sse::framing::chunked : sse::framing::plain;
}

inline constexpr std::uint8_t min_window_bits = 9, max_window_bits = 15;
inline constexpr std::size_t wire_form_count =
    static_cast<std::size_t>(wire_form::deflated) + (max_window_bits - min_window_bits + 1);

/// Compressed for a window of that size; zlib makes nothing of 8, and what is made for 9 is the same.
constexpr wire_form deflated_for(std::uint8_t window_bits) noexcept {
    const int above = std::clamp<int>(window_bits, min_window_bits, max_window_bits) - min_window_bits;
    return static_cast<wire_form>(static_cast<int>(wire_form::deflated) + above);
}

}  // namespace detail

class published_message;

/// What the messages of one hub have in common.
struct message_format {
    std::string epoch{};    ///< the first half of every id; no '-', CR, LF or NUL
    bool with_ids = false;  ///< event streams carry the ids
    /// What WebSocket clients get for a message; empty: its data.
    std::function<std::string(const published_message&)> websocket_payload{};
};

/// Immutable but for its encoded forms, which are made when they are first asked for. Thread-safe.
class published_message {
public:
    /// For hubs: copies the texts.
    published_message(std::shared_ptr<const message_format> format, std::string_view topic, const hub_event& event,
                      std::uint64_t sequence, time_point at);
    published_message(const published_message&) = delete;
    published_message& operator=(const published_message&) = delete;
    ~published_message() {
        for (auto& form : forms_) delete form.load(std::memory_order_relaxed);
    }

    /// Its place in the log of its hub, from 1; 0: it is in no log.
    std::uint64_t sequence() const noexcept { return sequence_; }
    /// "<epoch>-<sequence>": what a client comes back with.
    std::string id() const { return format_->epoch + '-' + std::to_string(sequence_); }
    /// The topic's name.
    std::string_view topic() const noexcept { return part(0, topic_end_); }
    /// The event's name; empty: none.
    std::string_view event() const noexcept { return part(topic_end_, event_end_); }
    /// What skip_to_latest goes by; empty: none.
    std::string_view key() const noexcept { return part(event_end_, key_end_); }
    /// As it was published.
    std::string_view data() const noexcept { return part(key_end_, texts_.size()); }
    /// Whether a WebSocket sends it as a binary message.
    bool binary() const noexcept { return binary_; }
    /// How much it matters.
    weir::priority priority() const noexcept { return priority_; }
    /// When it was published.
    time_point published_at() const noexcept { return published_at_; }
    /// Whether its time to live is over.
    bool expired(time_point now) const noexcept { return expires_at_ <= now; }
    /// Of topic, event, key and data: what limits on bytes count.
    std::size_t size() const noexcept { return texts_.size(); }

    /// A newer message of the same topic has the same key.
    bool superseded() const noexcept { return superseded_.load(std::memory_order_relaxed); }
    /// For stores: a newer message has come. See message_store, law 6.
    void supersede() const noexcept { superseded_.store(true, std::memory_order_relaxed); }

    /// What is written for it. `codec`: one that compresses for that form; unused for the others. Valid as long as the
    /// message.
    std::string_view encoded(wire_form form, ws::message_codec* codec = nullptr) const;

private:
    std::string_view part(std::size_t begin, std::size_t end) const noexcept {
        return std::string_view{texts_}.substr(begin, end - begin);
    }
    std::string encode(wire_form form, ws::message_codec* codec) const;
    std::string encode_event(sse::framing framing) const;
    std::string encode_frame(ws::message_codec* codec) const;

    std::shared_ptr<const message_format> format_;
    std::string texts_;  // topic, event, key, data
    std::size_t topic_end_, event_end_, key_end_;
    std::uint64_t sequence_;
    time_point published_at_, expires_at_;
    weir::priority priority_;
    bool binary_;
    mutable std::atomic<bool> superseded_{false};
    mutable std::array<std::atomic<const std::string*>, detail::wire_form_count> forms_{};
};

/// A published message, shared by the log and those who send it.
using message_ptr = std::shared_ptr<const published_message>;

inline published_message::published_message(std::shared_ptr<const message_format> format, std::string_view topic,
                                            const hub_event& event, std::uint64_t sequence, time_point at)
    : format_(std::move(format)),
      topic_end_(topic.size()),
      event_end_(topic_end_ + event.event.text().size()),
      key_end_(event_end_ + event.key.size()),
      sequence_(sequence),
      published_at_(at),
      expires_at_(event.time_to_live > milliseconds::zero() ? later(at, event.time_to_live) : never),
      priority_(event.priority),
      binary_(event.binary) {
    texts_.reserve(key_end_ + event.data.size());
    texts_.append(topic).append(event.event.text()).append(event.key).append(event.data);
}

// Two threads may make the same form at a time: the first one's is kept.
inline std::string_view published_message::encoded(wire_form form, ws::message_codec* codec) const {
    auto& slot = forms_[static_cast<std::size_t>(form)];
    if (const std::string* made = slot.load(std::memory_order_acquire)) return *made;
    auto fresh = std::make_unique<const std::string>(encode(form, codec));
    const std::string* expected = nullptr;
    if (slot.compare_exchange_strong(expected, fresh.get(), std::memory_order_acq_rel)) return *fresh.release();
    return *expected;
}

inline std::string published_message::encode(wire_form form, ws::message_codec* codec) const {
    switch (form) {
        case wire_form::sse_plain: return encode_event(sse::framing::plain);
        case wire_form::sse_chunked: return encode_event(sse::framing::chunked);
        case wire_form::websocket: return encode_frame(nullptr);
        default: return encode_frame(codec);
    }
}

inline std::string published_message::encode_event(sse::framing framing) const {
    const std::string text = format_->with_ids && sequence_ != 0 ? id() : std::string{};
    sse_event event{.event = event_name::parse(this->event()).value_or(event_name{}), .data = data()};
    if (!text.empty()) event.id = event_id::parse(text).value_or(event_id{});
    return sse::encode(event, framing);
}

inline std::string published_message::encode_frame(ws::message_codec* codec) const {
    const std::string made = format_->websocket_payload ? format_->websocket_payload(*this) : std::string{};
    const std::string_view payload = format_->websocket_payload ? std::string_view{made} : data();
    ws::frame_encoder frame{.code = binary_ ? ws::opcode::binary : ws::opcode::text, .payload = as_bytes(payload)};
    std::string compressed;
    if (codec != nullptr && payload.size() >= codec->threshold()) {
        codec->compress_alone(as_bytes(payload), compressed);
        frame.payload = as_bytes(compressed);
        frame.reserved = ws::reserved_1;  // "Per-Message Compressed". RFC 7692 §6
    }
    std::string out(frame.size(), '\0');
    frame.write(out.data());
    return out;
}

namespace detail {

/// What a client comes back with, on its own. Of an event stream.
inline std::string id_block(const std::string& id, wire_form form) {
    std::string block;
    sse::append(sse::id_encoder{event_id::parse(id).value_or(event_id{}), framing_of(form)}, block);
    return block;
}
/// When it comes back.
inline std::string retry_block(milliseconds retry, wire_form form) {
    std::string block;
    sse::append(sse::retry_encoder{retry, framing_of(form)}, block);
    return block;
}

}  // namespace detail
}  // namespace weir

// SPDX-License-Identifier: BSL-1.0
#pragma once

// Events, comments and reconnection times as bytes of an event stream. Layer: protocol.
// WHATWG HTML, server-sent events, "parsing an event stream"; chunks: RFC 9112 §7.1

#include <weir/sse/event.hpp>
#include <weir/sse/lines.hpp>
#include <weir/time.hpp>

#include <algorithm>
#include <charconv>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace weir::sse {

/// What goes around each block of lines.
enum class framing : std::uint8_t {
    plain,    ///< nothing: the response ends with the connection (HTTP/1.0), or the transport frames (HTTP/2)
    chunked,  ///< HTTP/1.1: one chunk per block. RFC 9112 §7.1
};

/// What measures itself when it is made and is then written in one go, so that the caller allocates once at most.
template <class T>
concept block_encoder = requires(const T& encoder, char* out) {
    { encoder.size() } noexcept -> std::same_as<std::size_t>;
    { encoder.write(out) } noexcept -> std::same_as<char*>;
};

/// Encodes one event. Holds views of the event's texts, which must outlive it.
/// `data:` is always written, since clients do not dispatch a block without it.
class encoder {
public:
    /// Measures the event.
    encoder(const sse_event& event, framing frame) noexcept;

    /// Bytes on the wire, exactly.
    std::size_t size() const noexcept;
    /// Writes size() bytes, and returns the end.
    char* write(char* out) const noexcept;

private:
    std::size_t measure_block() const noexcept;

    event_name name_;
    event_id id_;
    event_id retry_;  // a number, or absent
    std::string_view data_;
    framing framing_;
    bool one_line_;
    std::size_t block_size_;
};

/// Encodes a comment: each line of the text behind a colon, then a blank line. Clients ignore it. Holds a view of the
/// text, which may be any bytes.
class comment_encoder {
public:
    /// Measures the comment.
    comment_encoder(std::string_view text, framing frame) noexcept;

    /// Bytes on the wire, exactly.
    std::size_t size() const noexcept;
    /// Writes size() bytes, and returns the end.
    char* write(char* out) const noexcept;

private:
    std::string_view text_;
    framing framing_;
    std::size_t block_size_;
};

/// Encodes a reconnection time on its own: no event comes of it. Negative counts as zero.
class retry_encoder {
public:
    /// Measures the block.
    retry_encoder(milliseconds retry, framing frame) noexcept;

    /// Bytes on the wire, exactly.
    std::size_t size() const noexcept;
    /// Writes size() bytes, and returns the end.
    char* write(char* out) const noexcept;

private:
    event_id retry_;
    framing framing_;
};

/// Encodes an id on its own: no event comes of it, but a client that comes back brings it. Holds a view of the id's
/// text. WHATWG HTML, server-sent events, "dispatch the event": the id is set before data is asked for
class id_encoder {
public:
    /// Measures the block.
    id_encoder(event_id id, framing frame) noexcept : id_{id}, framing_{frame} {}

    /// Bytes on the wire, exactly.
    std::size_t size() const noexcept;
    /// Writes size() bytes, and returns the end.
    char* write(char* out) const noexcept;

private:
    event_id id_;
    framing framing_;
};

/// Encodes onto the end of `out`. Throws std::bad_alloc, and nothing has changed.
template <block_encoder Encoder>
void append(const Encoder& encoder, std::string& out) {
    const std::size_t before = out.size();
    out.resize(before + encoder.size());
    encoder.write(out.data() + before);
}

/// One event as it goes on the wire.
inline std::string encode(const sse_event& event, framing frame = framing::plain) {
    std::string out;
    append(encoder{event, frame}, out);
    return out;
}

/// The shortest block that clients ignore: an empty comment. 3 bytes, chunked 8.
constexpr std::string_view heartbeat(framing frame) noexcept {
    return frame == framing::chunked ? "3\r\n:\n\n\r\n" : ":\n\n";
}

/// What ends the response's body. Nothing where the connection's end does. RFC 9112 §7.1
constexpr std::string_view last_chunk(framing frame) noexcept {
    return frame == framing::chunked ? "0\r\n\r\n" : std::string_view{};
}

namespace detail {

// How each kind of line begins. An empty line has no space after the colon.
inline constexpr std::string_view event_prefix = "event: ", id_prefix = "id: ", retry_prefix = "retry: ",
                                  data_prefix = "data: ", comment_prefix = ": ";

inline bool is_one_line(std::string_view text) noexcept {
    const char* const last = text.data() + text.size();
    return find_line_end(text.data(), last) == last;
}

constexpr std::size_t line_size(std::string_view prefix, std::size_t text_size) noexcept {
    return prefix.size() + text_size + (text_size != 0);
}

inline std::size_t lines_size(std::string_view prefix, std::string_view text) noexcept {
    std::size_t size = 0;
    for_each_line(text, [&](std::string_view line) { size += line_size(prefix, line.size()); });
    return size;
}

inline char* write_prefix(std::string_view prefix, char* out) noexcept {
    std::memcpy(out, prefix.data(), prefix.size());
    return out + prefix.size();
}

inline char* write_line(std::string_view prefix, std::string_view text, char* out) noexcept {
    out = write_prefix(prefix, out);
    if (text.empty()) {
        out[-1] = '\n';  // over the space
        return out;
    }
    std::memcpy(out, text.data(), text.size());
    out += text.size();
    *out++ = '\n';
    return out;
}

inline char* write_line(std::string_view prefix, const event_id& value, char* out) noexcept {
    char* const text = write_prefix(prefix, out);
    char* const end = value.write(text);
    if (end == text) return write_line(prefix, std::string_view{}, out);
    *end = '\n';
    return end + 1;
}

inline char* write_lines(std::string_view prefix, std::string_view text, char* out) noexcept {
    for_each_line(text, [&](std::string_view line) { out = write_line(prefix, line, out); });
    return out;
}

constexpr std::size_t hexadecimal_size(std::size_t n) noexcept {
    std::size_t size = 1;
    while (n >>= 4) ++size;
    return size;
}

constexpr std::size_t framed_size(std::size_t block_size, framing frame) noexcept {
    if (frame == framing::plain) return block_size;
    return hexadecimal_size(block_size) + 2 + block_size + 2;
}

inline char* begin_block(std::size_t block_size, framing frame, char* out) noexcept {
    if (frame == framing::plain) return out;
    out = std::to_chars(out, out + hexadecimal_size(block_size), block_size, 16).ptr;
    *out++ = '\r';
    *out++ = '\n';
    return out;
}

inline char* end_block(framing frame, char* out) noexcept {
    *out++ = '\n';  // the blank line
    if (frame == framing::plain) return out;
    *out++ = '\r';
    *out++ = '\n';
    return out;
}

constexpr event_id retry_number(milliseconds retry) noexcept {
    return event_id{static_cast<std::uint64_t>(std::max(retry, milliseconds::zero()).count())};
}

}  // namespace detail

inline encoder::encoder(const sse_event& event, framing frame) noexcept
    : name_{event.event},
      id_{event.id},
      retry_{event.retry ? detail::retry_number(*event.retry) : event_id{}},
      data_{event.data},
      framing_{frame},
      one_line_{detail::is_one_line(event.data)},
      block_size_{measure_block()} {}

inline std::size_t encoder::measure_block() const noexcept {
    std::size_t size = 1;
    if (!name_.empty()) size += detail::line_size(detail::event_prefix, name_.text().size());
    if (id_.has_value()) size += detail::line_size(detail::id_prefix, id_.size());
    if (retry_.has_value()) size += detail::line_size(detail::retry_prefix, retry_.size());
    if (one_line_) return size + detail::line_size(detail::data_prefix, data_.size());
    return size + detail::lines_size(detail::data_prefix, data_);
}

inline std::size_t encoder::size() const noexcept { return detail::framed_size(block_size_, framing_); }

inline char* encoder::write(char* out) const noexcept {
    out = detail::begin_block(block_size_, framing_, out);
    if (!name_.empty()) out = detail::write_line(detail::event_prefix, name_.text(), out);
    if (id_.has_value()) out = detail::write_line(detail::id_prefix, id_, out);
    if (retry_.has_value()) out = detail::write_line(detail::retry_prefix, retry_, out);
    out = one_line_ ? detail::write_line(detail::data_prefix, data_, out)
                    : detail::write_lines(detail::data_prefix, data_, out);
    return detail::end_block(framing_, out);
}

inline comment_encoder::comment_encoder(std::string_view text, framing frame) noexcept
    : text_{text}, framing_{frame}, block_size_{detail::lines_size(detail::comment_prefix, text) + 1} {}

inline std::size_t comment_encoder::size() const noexcept { return detail::framed_size(block_size_, framing_); }

inline char* comment_encoder::write(char* out) const noexcept {
    out = detail::begin_block(block_size_, framing_, out);
    out = detail::write_lines(detail::comment_prefix, text_, out);
    return detail::end_block(framing_, out);
}

inline retry_encoder::retry_encoder(milliseconds retry, framing frame) noexcept
    : retry_{detail::retry_number(retry)}, framing_{frame} {}

inline std::size_t retry_encoder::size() const noexcept {
    return detail::framed_size(detail::line_size(detail::retry_prefix, retry_.size()) + 1, framing_);
}

inline char* retry_encoder::write(char* out) const noexcept {
    out = detail::begin_block(detail::line_size(detail::retry_prefix, retry_.size()) + 1, framing_, out);
    out = detail::write_line(detail::retry_prefix, retry_, out);
    return detail::end_block(framing_, out);
}

inline std::size_t id_encoder::size() const noexcept {
    return detail::framed_size(detail::line_size(detail::id_prefix, id_.size()) + 1, framing_);
}

inline char* id_encoder::write(char* out) const noexcept {
    out = detail::begin_block(detail::line_size(detail::id_prefix, id_.size()) + 1, framing_, out);
    out = detail::write_line(detail::id_prefix, id_, out);
    return detail::end_block(framing_, out);
}

}  // namespace weir::sse

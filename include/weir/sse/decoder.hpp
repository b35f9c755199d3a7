// SPDX-License-Identifier: BSL-1.0
#pragma once

// An event stream's bytes, in pieces of any size, as events. Layer: protocol.
// WHATWG HTML, server-sent events, "parsing an event stream" and "interpreting an event stream"

#include <weir/error.hpp>
#include <weir/sse/event.hpp>
#include <weir/sse/lines.hpp>
#include <weir/time.hpp>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

namespace weir::sse {

/// How much a peer may make a decoder remember. 0 = no limit.
struct decoder_limits {
    std::size_t max_line_bytes = 1 << 20;   ///< one line, without its end
    std::size_t max_event_bytes = 4 << 20;  ///< data, type and id of one event, together
};

/// One event as it came. The bytes are the peer's: not checked for UTF-8 (see replace_malformed in utf8.hpp).
struct decoded_event {
    std::string_view event;  ///< the type; "message" where the stream names none
    std::string_view data;   ///< the data lines, joined with LF
    std::string_view id;     ///< the last event id at this event: it may stem from an earlier one
};

/// Decodes one event stream after another, as a client that reconnects sees them. Not thread-safe.
/// An event that lies wholly in one piece of the input with its data on one line is not copied. Once the buffers have
/// their size, nothing is allocated. Linear in the input, however it is cut.
class decoder {
public:
    /// What next() has come to.
    enum class status : std::uint8_t {
        need_more,  ///< the input is used up
        event,      ///< event() is the next one
        failed,     ///< a limit was exceeded: see error(); stays so until restart()
    };

    /// Begins where a client is that has `initial_last_event_id` as its last event id.
    explicit decoder(decoder_limits limits = {}, std::string_view initial_last_event_id = {});

    /// Takes bytes off the front of `in` until an event is complete or `in` is empty. What the stream left unfinished
    /// when it ends is dropped: there is nothing to call then.
    status next(std::string_view& in);
    /// The event that next() has just found. Its views are valid until the next call on the decoder that is not const,
    /// and while the input that completed it is.
    decoded_event event() const noexcept;

    /// Calls `on_event` with each event that `in` completes. Returns error::none, or why the decoder failed.
    template <class OnEvent>
    weir::error feed(std::string_view in, OnEvent&& on_event);

    /// line_too_long or event_too_large once the decoder failed, else none.
    weir::error error() const noexcept { return error_; }
    /// The last reconnection time in the stream; it counts from the end of its line. More than milliseconds holds is
    /// milliseconds::max(). It may well be more than a weir::duration holds: bound it before adding it to a time.
    std::optional<milliseconds> retry() const noexcept { return retry_; }
    /// The id that a blank line has committed: what Last-Event-ID would carry. Empty: none.
    std::string_view last_event_id() const noexcept { return last_event_id_; }

    /// A new connection's stream begins: drops what is unfinished and a failure, keeps id, retry and buffers.
    void restart() noexcept;

private:
    /// Text of the event in the making: a view while it is one piece of the input, a copy otherwise.
    class held_text {
    public:
        std::string_view view() const noexcept { return owned_ ? std::string_view{storage_} : view_; }
        void clear() noexcept { borrow({}); }
        void borrow(std::string_view text) noexcept;
        void append_line(std::string_view text);
        void own();

    private:
        std::string_view view_;
        std::string storage_;
        bool owned_ = false;
    };

    status fail(weir::error e) noexcept;
    status keep_partial_line(std::string_view text);
    status process_joined_line(std::string_view text);
    status process_line(std::string_view line);
    status process_field(std::string_view line);
    status process_data(std::string_view value);
    status process_retry(std::string_view value) noexcept;
    status end_block();
    status check_event_size() noexcept;
    void forget_block() noexcept;
    void own_block();

    decoder_limits limits_;
    held_text data_, type_, id_;
    std::string partial_line_;  // of a line whose end has not come yet
    std::string last_event_id_;
    std::optional<milliseconds> retry_;
    weir::error error_ = weir::error::none;
    bool has_data_ = false;  // the block has a data line, be it an empty one
    bool has_id_ = false;    // the block has an id to commit
    bool dispatched_ = false;
    bool first_line_ = true;  // a byte order mark may be here
    bool skip_lf_ = false;    // the last piece ended with CR: LF would belong to it
};

template <class OnEvent>
weir::error decoder::feed(std::string_view in, OnEvent&& on_event) {
    for (;;) {
        switch (next(in)) {
            case status::event: on_event(event()); break;
            case status::need_more: return weir::error::none;
            case status::failed: return error_;
        }
    }
}

inline decoder::decoder(decoder_limits limits, std::string_view initial_last_event_id)
    : limits_{limits}, last_event_id_{initial_last_event_id} {
    constexpr auto unlimited = std::numeric_limits<std::size_t>::max();
    if (limits_.max_line_bytes == 0) limits_.max_line_bytes = unlimited;
    if (limits_.max_event_bytes == 0) limits_.max_event_bytes = unlimited;
}

inline decoder::status decoder::next(std::string_view& in) {
    if (error_ != weir::error::none) return status::failed;
    if (dispatched_) forget_block();
    if (skip_lf_ && !in.empty()) {
        if (in.front() == '\n') in.remove_prefix(1);
        skip_lf_ = false;
    }
    while (!in.empty()) {
        const char* const last = in.data() + in.size();
        const char* const end = find_line_end(in.data(), last);
        const std::string_view text{in.data(), static_cast<std::size_t>(end - in.data())};
        if (end == last) {
            in = {};
            return keep_partial_line(text);
        }
        // A CR at the end of a piece ends its line now: to wait for an LF would hold the event back.
        skip_lf_ = *end == '\r' && end + 1 == last;
        in.remove_prefix(static_cast<std::size_t>(after_line_end(end, last) - in.data()));
        const status result = partial_line_.empty() ? process_line(text) : process_joined_line(text);
        if (result != status::need_more) return result;
    }
    own_block();
    return status::need_more;
}

inline decoded_event decoder::event() const noexcept {
    const std::string_view type = type_.view();
    return {type.empty() ? std::string_view{"message"} : type, data_.view(), last_event_id_};
}

inline void decoder::restart() noexcept {
    forget_block();
    partial_line_.clear();
    error_ = weir::error::none;
    first_line_ = true;
    skip_lf_ = false;
}

inline decoder::status decoder::fail(weir::error e) noexcept {
    error_ = e;
    return status::failed;
}

inline decoder::status decoder::keep_partial_line(std::string_view text) {
    if (text.size() > limits_.max_line_bytes - partial_line_.size()) return fail(weir::error::line_too_long);
    partial_line_.append(text);
    own_block();
    return status::need_more;
}

/// The end of a line that began in an earlier piece.
inline decoder::status decoder::process_joined_line(std::string_view text) {
    if (text.size() > limits_.max_line_bytes - partial_line_.size()) return fail(weir::error::line_too_long);
    partial_line_.append(text);
    const status result = process_line(partial_line_);
    own_block();
    partial_line_.clear();
    return result;
}

inline decoder::status decoder::process_line(std::string_view line) {
    if (line.size() > limits_.max_line_bytes) return fail(weir::error::line_too_long);
    // "one leading U+FEFF BYTE ORDER MARK character must be ignored": it has no line end, so the first line has it
    // whole.
    if (std::exchange(first_line_, false) && line.starts_with("\xef\xbb\xbf")) line.remove_prefix(3);
    if (line.empty()) return end_block();
    if (line.starts_with("data: ")) return process_data(line.substr(6));
    if (line.front() == ':') return status::need_more;
    return process_field(line);
}

inline decoder::status decoder::process_field(std::string_view line) {
    const std::size_t colon = line.find(':');
    const std::string_view name = line.substr(0, colon);
    std::string_view value = colon == std::string_view::npos ? std::string_view{} : line.substr(colon + 1);
    if (value.starts_with(' ')) value.remove_prefix(1);

    if (name == "data") return process_data(value);
    if (name == "retry") return process_retry(value);
    if (name == "event") {
        type_.borrow(value);
        return check_event_size();
    }
    // "If the field value does not contain U+0000 NULL"
    if (name == "id" && value.find('\0') == std::string_view::npos) {
        id_.borrow(value);
        has_id_ = true;
        return check_event_size();
    }
    return status::need_more;
}

inline decoder::status decoder::process_data(std::string_view value) {
    if (has_data_) {
        // Before the copy: a peer must not make us hold more than the limit.
        if (value.size() >= limits_.max_event_bytes - data_.view().size()) return fail(weir::error::event_too_large);
        data_.append_line(value);
    } else {
        data_.borrow(value);
        has_data_ = true;
    }
    return check_event_size();
}

inline decoder::status decoder::process_retry(std::string_view value) noexcept {
    milliseconds::rep count = 0;
    const std::errc ec = weir::detail::parse_digits(value, count).ec;
    if (ec == std::errc{}) retry_ = milliseconds{count};
    if (ec == std::errc::result_out_of_range) retry_ = milliseconds::max();
    return status::need_more;
}

/// A blank line: "dispatch the event".
inline decoder::status decoder::end_block() {
    if (has_id_) last_event_id_.assign(id_.view());
    if (!has_data_) {
        forget_block();
        return status::need_more;
    }
    dispatched_ = true;
    return status::event;
}

inline decoder::status decoder::check_event_size() noexcept {
    const std::size_t size = data_.view().size() + type_.view().size() + id_.view().size();
    return size > limits_.max_event_bytes ? fail(weir::error::event_too_large) : status::need_more;
}

inline void decoder::forget_block() noexcept {
    data_.clear();
    type_.clear();
    id_.clear();
    has_data_ = has_id_ = dispatched_ = false;
}

/// The input is about to go away: what was borrowed from it is copied.
inline void decoder::own_block() {
    data_.own();
    type_.own();
    id_.own();
}

inline void decoder::held_text::borrow(std::string_view text) noexcept {
    view_ = text;
    owned_ = false;
}

inline void decoder::held_text::append_line(std::string_view text) {
    own();
    storage_ += '\n';
    storage_ += text;
}

inline void decoder::held_text::own() {
    if (owned_) return;
    storage_.assign(view_);
    owned_ = true;
}

}  // namespace weir::sse

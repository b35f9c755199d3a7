// SPDX-License-Identifier: BSL-1.0
#pragma once

// A WebSocket session in virtual time on a scripted transport, the frames of its peer, and what is on its wire in
// words.

#include <weir/bytes.hpp>
#include <weir/error.hpp>
#include <weir/session/inbox.hpp>
#include <weir/session/waiter.hpp>
#include <weir/session/ws_session.hpp>
#include <weir/ws/close_code.hpp>
#include <weir/ws/connection.hpp>
#include <weir/ws/frame.hpp>
#include <weir/ws/message.hpp>
#include <weir/ws/message_codec.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "support/fake_host.hpp"

namespace test {

using weir::ws::opcode;
using weir::ws::role;

// ---- frames ----

inline constexpr weir::ws::masking_key fixed_key{std::byte{0x11}, std::byte{0x22}, std::byte{0x33}, std::byte{0x44}};
inline weir::ws::masking_key fixed_masking_key() { return fixed_key; }

/// One frame as `sender` sends it.
inline std::string frame(role sender, opcode code, std::string_view payload, bool fin = true, bool compressed = false) {
    weir::ws::frame_encoder encoder{.code = code, .payload = weir::as_bytes(payload), .fin = fin};
    if (compressed) encoder.reserved = weir::ws::reserved_1;
    if (sender == role::client) encoder.key = fixed_key;
    std::string wire(encoder.size(), '\0');
    encoder.write(wire.data());
    return wire;
}
inline std::string text(role sender, std::string_view payload) { return frame(sender, opcode::text, payload); }
inline std::string close(role sender, weir::ws::close_code code, std::string_view reason = {}) {
    std::array<std::byte, weir::ws::max_close_size> payload;
    return frame(sender, opcode::close, weir::as_text(weir::ws::encode_close({code, reason}, payload)));
}

/// Frames in words: `text(hello) ping(a) binary-(first part) more(rest) close(1000 bye)`, a `-` for what goes on, a `*`
/// for what is compressed, and `...` for a frame of which not all is there.
inline std::string in_words(std::string_view wire, role sender) {
    std::string words;
    while (!wire.empty()) {
        if (!words.empty()) words += ' ';
        const auto [consumed, header, error] = weir::ws::decode_header(
            weir::as_bytes(wire), {.masked = sender == role::client, .allowed_reserved = weir::ws::reserved_1});
        if (error != weir::error::none) return words + "fault";
        if (consumed == 0 || wire.size() - consumed < header.payload_size) return words + "...";
        std::string payload{wire.substr(consumed, header.payload_size)};
        wire.remove_prefix(consumed + payload.size());
        if (header.masked) weir::ws::apply_mask(std::as_writable_bytes(std::span{payload}), header.key);
        switch (header.code) {
            case opcode::continuation: words += "more"; break;
            case opcode::text: words += "text"; break;
            case opcode::binary: words += "binary"; break;
            case opcode::close: words += "close"; break;
            case opcode::ping: words += "ping"; break;
            case opcode::pong: words += "pong"; break;
        }
        if (!header.fin) words += '-';
        if (header.reserved != 0) words += '*';
        if (header.code == opcode::close && !payload.empty()) {
            const auto reason = weir::ws::decode_close(weir::as_bytes(payload)).reason;
            std::string both = std::to_string(static_cast<int>(reason.code));
            if (!reason.text.empty()) both.append(" ").append(reason.text);
            payload = both;
        }
        words.append("(").append(payload).append(")");
    }
    return words;
}

// ---- compression ----

/// Compresses nothing, but refers to what was sent before as a codec with a history does: `[before<now]`. Inflating
/// checks that it was received. Messages of three bytes and less are left alone.
class chaining_codec final : public weir::ws::message_codec {
public:
    explicit chaining_codec(bool has_history = true) : has_history_(has_history) {}

    void compress(weir::bytes_view piece, bool, std::string& out) override {
        out.append("[").append(sent_).append("<").append(weir::as_text(piece)).append("]");
        if (has_history_) sent_ = weir::as_text(piece);
    }
    weir::error inflate(weir::bytes_view piece, bool last, std::string& out, std::size_t max_size) override {
        for (const char c : weir::as_text(piece)) {
            if (c == '[') continue;
            if (c != '<' && c != ']') {
                part_ += c;
                continue;
            }
            std::string whole = std::exchange(part_, {});
            if (c == '<' && !whole.empty() && whole != received_) return weir::error::bad_deflate;
            if (c == '<') continue;
            out += whole;
            received_ = std::move(whole);
        }
        if (out.size() > max_size) return weir::error::message_too_large;
        return last && !part_.empty() ? weir::error::bad_deflate : weir::error::none;
    }
    bool has_history() const noexcept override { return has_history_; }
    void forget_history() noexcept override { sent_.clear(); }
    void compress_alone(weir::bytes_view message, std::string& out) override {
        out.append("[<").append(weir::as_text(message)).append("]");
    }
    std::uint8_t window_bits() const noexcept override { return 15; }
    std::size_t threshold() const noexcept override { return 4; }

private:
    bool has_history_;
    std::string sent_, received_, part_;
};

// ---- the session ----

template <class... Policies>
class fake_websocket final : public fake_host<weir::detail::ws_session, Policies...> {
    using base = weir::detail::ws_session;

public:
    using fake_host<base, Policies...>::fake_host;
    using base::begin;
    using base::drop_handlers;

    /// Options as a session has them, but for the keys.
    weir::ws::connection_options options{.close_timeout = weir::milliseconds{0}, .masking_keys = fixed_masking_key};

    /// Begins without a head, so that the output is nothing but frames.
    fake_websocket& opened(role self = role::server, std::unique_ptr<weir::ws::message_codec> codec = nullptr) {
        begin(weir::ws::connection{self, options, this->at, std::move(codec)}, {}, {});
        settle();
        return *this;
    }

    /// Begins with a head, which has not been written yet.
    void opened_with(std::string_view head) { begin(weir::ws::connection{role::server, options, this->at}, head, {}); }

    role self() const noexcept { return this->protocol().is_client() ? role::client : role::server; }
    role peer() const noexcept { return this->protocol().is_client() ? role::server : role::client; }
    /// What has arrived at the peer, in words.
    std::string output() const { return in_words(this->line.output, self()); }

    // ---- what the application does ----

    operation receive(completion_hook done = {}) { return start(false, std::move(done)); }
    operation receive_some(completion_hook done = {}) { return start(true, std::move(done)); }
    operation async_send(weir::ws::message_view message, std::string_view key = {}, completion_hook done = {}) {
        auto [w, out] = this->make(waiter::kind::send, std::move(done));
        const weir::error e = this->send_or_wait(message, key, w->message);
        if (w->message) {
            this->start_send(*w);
        } else {
            w->complete(weir::make_error_code(e), {});
        }
        return out;
    }
    operation async_send_some(std::string_view text, bool last, completion_hook done = {}) {
        auto [w, out] = this->make(waiter::kind::send, std::move(done));
        w->message = this->piece({text, false, last});
        if (w->message) {
            this->start_send(*w);
        } else {
            w->complete(weir::make_error_code(weir::error::already_sending), {});
        }
        return out;
    }
    operation async_close(weir::ws::close_code code = weir::ws::close_code::normal, std::string_view reason = {}) {
        REQUIRE(this->start_close(code, reason) == weir::error::none);
        return closing();
    }
    /// Waits as async_close() does.
    operation closing() { return this->wait_for(waiter::kind::ended); }

    // ---- what happens from outside ----

    /// Bytes come, in memory that is gone afterwards.
    void get(std::string_view bytes) {
        const auto copy = std::make_unique<std::byte[]>(bytes.size());
        std::ranges::copy(weir::as_bytes(bytes), copy.get());
        this->on_received({copy.get(), bytes.size()});
    }
    void get_text(std::string_view payload) { get(test::text(peer(), payload)); }
    void get_frame(opcode code, std::string_view payload = {}, bool fin = true) {
        get(test::frame(peer(), code, payload, fin));
    }
    void get_close(weir::ws::close_code code = weir::ws::close_code::normal, std::string_view reason = {}) {
        get(test::close(peer(), code, reason));
    }
    /// Turns of the event loop, until none is asked for.
    void settle() {
        for (int turns = 0; this->turn_end_wanted; ++turns) {
            REQUIRE(turns < 1000);
            this->end_turn();
        }
    }

private:
    operation start(bool pieces, completion_hook done) {
        auto [w, out] = this->template make<weir::detail::receive_waiter>(waiter::kind::receive, std::move(done));
        w->pieces = pieces;
        this->start_receive(*w);
        return out;
    }
};

template <class... Policies>
fake_websocket(Policies...) -> fake_websocket<Policies...>;
template <class... Policies>
fake_websocket(salt, Policies...) -> fake_websocket<Policies...>;

/// The message that an operation completed with.
inline std::string_view message_of(const operation& op) {
    REQUIRE(op->succeeded());
    REQUIRE(op->received.has_value());
    return op->received->text();
}
/// Whether a receive completed with the end in good order.
inline bool ended_well(const operation& op) { return op->succeeded() && !op->received; }

}  // namespace test

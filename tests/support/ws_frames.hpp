// SPDX-License-Identifier: BSL-1.0
#pragma once

// Frames as a test wants them, valid or not, in the plainest code; bytes in hexadecimal; and what was received, to be
// compared and printed.

#include <weir/bytes.hpp>
#include <weir/error.hpp>
#include <weir/ws/close_code.hpp>
#include <weir/ws/event.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <ostream>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace test {

inline std::string from_hex(std::string_view text) {
    const auto digit = [](char c) -> int {
        if (c >= '0' && c <= '9') return c - '0';
        if (c >= 'a' && c <= 'f') return c - 'a' + 10;
        throw std::invalid_argument{"not a hexadecimal digit"};
    };
    std::string bytes;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == ' ') continue;
        if (i + 1 == text.size()) throw std::invalid_argument{"half a byte"};
        bytes += static_cast<char>(digit(text[i]) * 16 + digit(text[i + 1]));
        ++i;
    }
    return bytes;
}

/// "89 02 6869"_hex
inline std::string operator""_hex(const char* text, std::size_t size) { return from_hex({text, size}); }

inline std::string to_hex(std::string_view bytes) {
    std::string text;
    for (const char c : bytes) {
        constexpr std::string_view digits = "0123456789abcdef";
        const auto byte = static_cast<unsigned char>(c);
        if (!text.empty()) text += ' ';
        text += {digits[byte >> 4], digits[byte & 15]};
    }
    return text;
}

/// Any frame; nothing is checked.
struct frame {
    unsigned code = 1;
    std::string payload = {};
    bool fin = true;
    unsigned reserved = 0;                           ///< RSV1, RSV2, RSV3: 4, 2, 1
    std::optional<std::uint64_t> claimed_size = {};  ///< in place of the payload's
    std::size_t length_size = 0;                     ///< 2, 8: in that form; 0: in the shortest
    std::array<unsigned char, 4> key{0x37, 0xfa, 0x21, 0x3d};

    std::string bytes(bool masked) const {
        const std::uint64_t size = claimed_size.value_or(payload.size());
        const std::size_t form = length_size != 0 ? length_size : size <= 125 ? 0U : size <= 0xffff ? 2U : 8U;
        std::string out(1, static_cast<char>((fin ? 0x80U : 0U) | reserved << 4 | code));
        const std::uint64_t second = form == 8 ? 127 : form == 2 ? 126 : size;
        out += static_cast<char>((masked ? 0x80U : 0U) | second);
        for (std::size_t left = form; left-- > 0;) out += static_cast<char>(size >> 8 * left & 0xff);
        if (!masked) return out + payload;
        out.append(key.begin(), key.end());
        for (std::size_t i = 0; i < payload.size(); ++i) out += static_cast<char>(payload[i] ^ key[i % 4]);
        return out;
    }
    std::string from_client() const { return bytes(true); }
    std::string from_server() const { return bytes(false); }
};

/// The payload of a close frame.
inline std::string close_payload(unsigned code, std::string_view reason = {}) {
    return std::string{static_cast<char>(code >> 8), static_cast<char>(code & 0xff)}.append(reason);
}

/// An event of its own.
struct received {
    weir::ws::event_kind what = weir::ws::event_kind::none;
    std::string payload = {};
    bool binary = false;
    bool last = true;
    weir::ws::close_code code = weir::ws::close_code::no_status;
    weir::error error = weir::error::none;

    bool operator==(const received&) const = default;

    friend std::ostream& operator<<(std::ostream& out, const received& r) {
        constexpr std::array kinds{"none", "message", "piece", "ping", "pong", "close", "failed"};
        out << kinds[static_cast<std::size_t>(r.what)];
        if (r.what == weir::ws::event_kind::failed) return out << ": " << weir::message(r.error);
        if (r.what == weir::ws::event_kind::close) out << ' ' << static_cast<unsigned>(r.code);
        const bool printable = std::ranges::all_of(r.payload, [](char c) { return c >= ' ' && c <= '~'; });
        const std::string shown = r.payload.substr(0, 64);
        out << (r.binary ? " binary" : "") << (r.last ? "" : " unfinished") << ' ' << r.payload.size() << " bytes: ";
        return out << (printable ? shown : to_hex(shown));
    }
};
using events = std::vector<received>;

inline received copy_of(const weir::ws::event& e) {
    return {e.what, std::string{e.payload.text()}, e.payload.is_binary(), e.payload.last(), e.code, e.error};
}

inline received text(std::string payload) { return {weir::ws::event_kind::message, std::move(payload)}; }
inline received binary(std::string payload) { return {weir::ws::event_kind::message, std::move(payload), true}; }
inline received ping(std::string payload = {}) { return {weir::ws::event_kind::ping, std::move(payload), true}; }
inline received pong(std::string payload = {}) { return {weir::ws::event_kind::pong, std::move(payload), true}; }
inline received piece(std::string payload, bool is_binary, bool last) {
    return {weir::ws::event_kind::piece, std::move(payload), is_binary, last};
}
inline received closed(weir::ws::close_code code = weir::ws::close_code::no_status, std::string reason = {}) {
    return {weir::ws::event_kind::close, std::move(reason), false, true, code};
}
inline received failed(weir::error e) { return {.what = weir::ws::event_kind::failed, .error = e}; }

/// Gives `bytes` to `next(mutable_bytes_view&) -> event` in pieces of `next_size()` bytes, each in memory of its own
/// without a byte to spare, so that a sanitizer sees a look beyond it and a view that outlives it.
template <class Next, class NextSize>
events receive(std::string_view bytes, Next&& next, NextSize&& next_size) {
    events all;
    while (!bytes.empty()) {
        const std::string_view front = bytes.substr(0, next_size());
        bytes.remove_prefix(front.size());
        std::vector<char> memory(front.begin(), front.end());
        weir::mutable_bytes_view in = std::as_writable_bytes(std::span{memory});
        while (const weir::ws::event e = next(in)) all.push_back(copy_of(e));
        if (!in.empty()) throw std::logic_error{"none, and something is left"};
    }
    return all;
}

/// All pieces of a message that follow each other as one; what a message was read as then does not depend on how its
/// bytes were cut.
inline events joined(const events& all) {
    events out;
    std::optional<received> open;
    for (const received& r : all) {
        if (r.what != weir::ws::event_kind::piece) {
            out.push_back(r);
            continue;
        }
        if (!open) open = piece({}, r.binary, false);
        open->payload += r.payload;
        if (!r.last) continue;
        open->last = true;
        out.push_back(*open);
        open.reset();
    }
    if (open) out.push_back(*open);
    return out;
}

}  // namespace test

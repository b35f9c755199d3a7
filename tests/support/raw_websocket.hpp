// SPDX-License-Identifier: BSL-1.0
#pragma once

// A WebSocket client that sends exactly the frames it is told to.

#include <weir/ws/close_code.hpp>
#include <weir/ws/reader.hpp>

#include <cstddef>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include "raw_client.hpp"
#include "running_server.hpp"
#include "ws_frames.hpp"

namespace test {

/// The head that asks for a WebSocket, with RFC 6455 1.3's key. `more`: whole field lines.
inline std::string upgrade_request(std::string_view target, std::string_view more = {}) {
    std::string text{"GET "};
    text.append(target).append(" HTTP/1.1\r\nHost: test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n");
    text.append("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n");
    return text.append(more).append("\r\n");
}

class raw_websocket {
public:
    raw_websocket(const running_server& server, std::string_view target, std::string_view more = {},
                  int receive_buffer = 0)
        : client_(server.connect(receive_buffer)) {
        client_.send(upgrade_request(target, more));
        head_ = client_.read_until("\r\n\r\n");
        if (!head_.starts_with("HTTP/1.1 101 ")) throw std::runtime_error("not upgraded: " + head_);
    }

    const std::string& head() const noexcept { return head_; }
    raw_client& bytes() noexcept { return client_; }

    raw_websocket& send(const frame& f) {
        client_.send(f.from_client());
        return *this;
    }
    raw_websocket& send_text(std::string text) { return send({.payload = std::move(text)}); }
    raw_websocket& close(unsigned code = 1000) { return send({.code = 8, .payload = close_payload(code)}); }

    /// The next frame that the server sends: a message, a ping, a pong or a close.
    received read() {
        std::string frame = client_.read_exactly(2);
        const auto length = static_cast<unsigned char>(frame[1]);
        if (length >= 126) frame += client_.read_exactly(length == 126 ? 2 : 8);
        std::size_t size = length & 0x7f;
        if (size >= 126) {
            size = 0;
            for (const char c : frame.substr(2)) size = size << 8 | static_cast<unsigned char>(c);
        }
        frame += client_.read_exactly(size);
        weir::ws::reader reader{weir::ws::role::client};
        weir::mutable_bytes_view in = std::as_writable_bytes(std::span{frame});
        return copy_of(reader.next(in, 0, nullptr));
    }
    /// The close frame that the server sends, and nothing else behind it but the end of the connection, in order.
    weir::ws::close_code read_close() {
        const received last = read();
        if (last.what != weir::ws::event_kind::close) throw std::runtime_error("not a close frame");
        read_end();
        return last.code;
    }
    void read_end() {
        if (!client_.read_to_end().empty()) throw std::runtime_error("something behind the close frame");
        if (client_.was_reset()) throw std::runtime_error("reset");
    }

private:
    raw_client client_;
    std::string head_;
};

}  // namespace test

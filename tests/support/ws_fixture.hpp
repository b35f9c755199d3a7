// SPDX-License-Identifier: BSL-1.0
#pragma once

// A ws_stream on a wire, the frames of its peer, and what came of the last operation on it.

#include <weir/bytes.hpp>
#include <weir/http/request_view.hpp>
#include <weir/ws/reader.hpp>
#include <weir/ws_stream.hpp>

#include <array>
#include <cstddef>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "support/memory_stream.hpp"
#include "support/session_fixture.hpp"
#include "support/ws_frames.hpp"

namespace test {

/// RFC 6455 1.3's key, and the answer to it.
inline constexpr std::string_view sample_key = "dGhlIHNhbXBsZSBub25jZQ==";
inline constexpr std::string_view sample_accept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

inline constexpr std::array upgrade_fields{
    weir::http::field_view{"Host", "test"}, weir::http::field_view{"Upgrade", "websocket"},
    weir::http::field_view{"Connection", "Upgrade"}, weir::http::field_view{"Sec-WebSocket-Key", sample_key},
    weir::http::field_view{"Sec-WebSocket-Version", "13"}};
inline const weir::request_view upgrade{.method = "GET", .target = "/", .fields = upgrade_fields};
/// The same as text; `more`: whole field lines.
inline std::string upgrade_text(std::string_view target = "/", std::string_view more = {}) {
    std::string text{"GET "};
    text.append(target).append(" HTTP/1.1\r\n");
    for (const auto& field : upgrade_fields) text.append(field.name).append(": ").append(field.value).append("\r\n");
    return text.append(more).append("\r\n");
}

/// What frames say; `to`: the side that is to read them.
inline events read_frames(std::string_view bytes, weir::ws::role to) {
    weir::ws::reader reader{to};
    const auto next = [&](weir::mutable_bytes_view& in) { return reader.next(in, 0, nullptr); };
    return receive(bytes, next, [&] { return bytes.size(); });
}

/// What is behind the head, or all of it where there is none.
inline std::string_view behind_head(std::string_view all) {
    const auto end = all.starts_with("HTTP/") || all.starts_with("GET ") ? all.find("\r\n\r\n") : std::string::npos;
    return end == std::string::npos ? all : all.substr(end + 4);
}

inline std::string text_frame(std::string payload) { return frame{.payload = std::move(payload)}.from_client(); }
inline std::string close_frame(unsigned code, std::string_view reason = {}) {
    return frame{.code = 8, .payload = close_payload(code, reason)}.from_client();
}

template <class Stream = direct_memory_stream<>>
struct ws_fixture : session_fixture {
    std::optional<std::string> message;  ///< what was received last; none: the end in good order

    /// A stream that is silent unless it is told to speak.
    auto make(auto... policies) {
        return weir::ws_stream{Stream{context.context(), wire}, weir::no_heartbeat{}, policies...};
    }
    /// The same, a server's, begun without a head.
    auto open(auto... policies) {
        auto ws = make(policies...);
        static_cast<void>(ws.begin(weir::ws::role::server));
        return ws;
    }

    /// Everything that is on the wire behind the head, as a client reads it.
    events said() const { return read_frames(behind_head(wire->written), weir::ws::role::client); }

    auto remember_message() {
        outcome.reset();
        message.reset();
        return [this](weir::error_code ec, std::optional<weir::ws_message> received) {
            outcome = ec;
            message.reset();
            if (received) message = std::string{received->text()};
        };
    }
};

}  // namespace test

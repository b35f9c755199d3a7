// SPDX-License-Identifier: BSL-1.0
#pragma once

// An sse_client_session with a clock of its own and a server that is a script. What it reports is kept as text.

#include <weir/session/sse_client_session.hpp>

#include <cstddef>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace test {

inline std::string chunk(std::string_view data) {
    constexpr std::string_view digits = "0123456789abcdef";
    std::string size;
    for (auto n = data.size(); n != 0 || size.empty(); n /= 16) size.insert(size.begin(), digits[n % 16]);
    return size.append("\r\n").append(data).append("\r\n");
}

/// An answer as a server of streams sends it, without a length: "HTTP/1.1 200 OK", the fields, the body.
inline std::string sse_answer(std::string_view body, std::string_view fields = "") {
    std::string text{"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"};
    return text.append(fields).append("\r\n").append(body);
}

inline std::string chunked_sse_answer(std::string_view chunks) {
    return sse_answer(chunks, "Transfer-Encoding: chunked\r\n");
}

inline std::string any_answer(std::string_view status, std::string_view fields = "", std::string_view body = "") {
    return std::string{"HTTP/1.1 "}.append(status).append(" x\r\n").append(fields).append("\r\n").append(body);
}

/// Drives the state machine as the header says, with every piece of input in memory of its own.
class sse_client_fixture {
public:
    using session = weir::detail::sse_client_session;
    using settings = weir::detail::sse_client_settings;
    using step = session::step;
    using state = session::state;

    explicit sse_client_fixture(settings how = quick(), std::string_view url = "http://example.com/events")
        : client{std::move(how)} {
        start_error = client.start(url);
    }

    /// Waits exactly as long as the server asks.
    static settings quick() {
        settings how;
        how.reconnect = weir::fixed_delay{weir::milliseconds{0}};
        return how;
    }

    /// Begins the attempt that is due, after waiting for it. The request that it makes.
    std::string connect() {
        if (client.current_state() == state::waiting) {
            now = client.retry_at();
            client.retry_now();
        }
        if (client.current_state() != state::connecting) throw std::logic_error{"no attempt is due"};
        note(client.prepare(now));
        return std::string{client.request()};
    }

    /// Receives in pieces of `size` bytes; stops when the connection is to be dropped. Where it stopped.
    step receive(std::string_view bytes, std::size_t size = std::string_view::npos) {
        step last = step::need_more;
        while (!bytes.empty() && !drops_connection(last)) {
            const std::vector<char> memory(bytes.begin(), bytes.begin() + std::ptrdiff_t(std::min(size, bytes.size())));
            bytes.remove_prefix(memory.size());
            std::string_view piece{memory.data(), memory.size()};
            do {
                last = note(client.receive(piece, now));
            } while (last == step::opened || last == step::event);
        }
        return last;
    }

    step end(weir::error_code ec = {}) { return note(client.connection_ended(ec, now)); }
    step end(weir::error e) { return end(make_error_code(e)); }

    /// What was reported since the last call.
    std::vector<std::string> take_log() { return std::exchange(log, {}); }

    /// One attempt, answered, and the connection ended after it unless it is over.
    std::vector<std::string> answer(std::string_view bytes) {
        static_cast<void>(connect());
        if (!drops_connection(receive(bytes))) end();
        return take_log();
    }

    weir::time_point now{std::chrono::hours{1}};
    session client;
    weir::error start_error;
    std::vector<std::string> log;

private:
    static bool drops_connection(step s) { return s == step::redirected || s == step::lost || s == step::closed; }

    step note(step s) {
        switch (s) {
            case step::need_more: break;
            case step::opened: log.emplace_back("open"); break;
            case step::event: log.push_back(text_of(client.event())); break;
            case step::redirected: log.push_back("redirected " + weir::http::to_string(client.target())); break;
            case step::lost:
                log.push_back("lost: " + client.loss().message() + ", " + std::to_string(client.delay().count()));
                break;
            case step::closed:
                log.push_back("closed" + (client.end_reason() ? ": " + client.end_reason().message() : ""));
                break;
        }
        return s;
    }

    static std::string text_of(const weir::sse::decoded_event& event) {
        return std::string{event.event}.append("|").append(event.data).append("|").append(event.id);
    }
};

}  // namespace test

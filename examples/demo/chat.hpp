// SPDX-License-Identifier: BSL-1.0
#pragma once

// Chat rooms on WebSockets, for ws_chat and for the demo. A client names itself in the query, ?name=otter, and what it
// sends is said. What it receives is JSON, an object a message:
//
//   {"type":"welcome","name":"otter-2","epoch":1700000000000,"members":["otter","otter-2"]}    first, its own name in
//   it
//   {"type":"said","id":7,"at":1700000000123,"name":"otter","text":"hello"}                    the last ones, then new
//   ones
//   {"type":"joined","name":"otter-2"}   {"type":"left","name":"otter-2"}
//
// An `id` counts what was said since `epoch`, when the room was opened: a client that comes back knows what it has
// seen.

#include <weir/server.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "../json.hpp"

namespace chat {

using namespace std::chrono_literals;

constexpr std::size_t max_message_bytes = 1000, max_name_bytes = 32, max_rooms = 64, max_history = 50;
constexpr int max_burst = 10;  // messages
constexpr auto burst_time = 5s;

/// Told how a session is doing, whenever it has written everything.
using watcher = std::function<void(const weir::session_stats&)>;

inline std::int64_t unix_milliseconds() {
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    return std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
}

/// Who is there, and what was said last. Stays where it is.
class room {
public:
    room() = default;
    room(const room&) = delete;
    room& operator=(const room&) = delete;

    bool empty() const noexcept { return members_.empty(); }

    void join(weir::ws_session ws, const std::string& name, watcher watch) {
        tell(notice("joined", free_name(name)));
        const auto m = members_.insert(members_.end(), {std::move(ws), free_name(name)});
        m->ws.send(welcome(m->name));
        for (const auto& line : history_) m->ws.send(line);

        weir::ws_handlers calls{.on_message = [this, m](weir::ws_message message) { hear(*m, message); }};
        if (watch) calls.on_drained = [m, watch = std::move(watch)] { watch(m->ws.stats()); };
        m->ws.handle_with(std::move(calls));
        m->ws.on_close([this, m](weir::error_code) { leave(m); });
    }

private:
    struct member {
        weir::ws_session ws;
        std::string name;
        weir::time_point burst_began{};
        int burst = 0;

        bool speaks_too_fast() noexcept {
            const auto now = weir::clock::now();
            if (now - burst_began > burst_time) burst_began = now, burst = 0;
            return ++burst > max_burst;
        }
    };

    void leave(std::list<member>::iterator m) {
        const std::string name = std::move(m->name);
        members_.erase(m);
        tell(notice("left", name));
    }

    void hear(member& from, weir::ws_message message) {
        if (message.is_binary()) return static_cast<void>(from.ws.close(weir::ws_close_code::unsupported_data));
        if (from.speaks_too_fast()) {
            from.ws.close(weir::ws_close_code::policy_violation, "too much at once");
            return;
        }
        if (message.empty()) return;
        history_.emplace_back(said(from.name, message.text()));
        if (history_.size() > max_history) history_.pop_front();
        tell(history_.back());
    }

    /// One frame for everybody. What becomes of it behind a slow reader is the route's policy.
    void tell(const weir::ws_prepared_message& line) {
        for (member& m : members_) m.ws.send(line);
    }

    std::string welcome(const std::string& name) const {
        std::string out = "{\"type\":\"welcome\",\"name\":" + json::quoted(name) +
                          ",\"epoch\":" + std::to_string(epoch_) + ",\"members\":[";
        for (const member& m : members_) (out += out.back() == '[' ? "" : ",") += json::quoted(m.name);
        return out + "]}";
    }
    std::string said(std::string_view name, std::string_view text) {
        return "{\"type\":\"said\",\"id\":" + std::to_string(++last_id_) +
               ",\"at\":" + std::to_string(unix_milliseconds()) + ",\"name\":" + json::quoted(name) +
               ",\"text\":" + json::quoted(text) + '}';
    }
    static weir::ws_prepared_message notice(std::string_view type, std::string_view name) {
        const std::string json = "{\"type\":" + json::quoted(type) + ",\"name\":" + json::quoted(name) + '}';
        return weir::ws_prepared_message{json};
    }

    /// The name, or with a number behind it if it is taken.
    std::string free_name(const std::string& wanted) const {
        std::string name = wanted;
        const auto taken = [&] {
            return std::any_of(members_.begin(), members_.end(), [&](const member& m) { return m.name == name; });
        };
        for (int n = 2; taken(); ++n) name = wanted + '-' + std::to_string(n);
        return name;
    }

    std::list<member> members_;
    std::deque<weir::ws_prepared_message> history_;
    std::int64_t epoch_ = unix_milliseconds();
    std::uint64_t last_id_ = 0;
};

/// All rooms of a server with one event loop, since a message goes from one session straight to the others. Must be
/// destroyed before the server.
class rooms {
public:
    /// For a path with a {room}.
    static weir::ws_options options() {
        return {.max_message_bytes = max_message_bytes,
                // Who is too far behind is let go, and finds in the history what it has missed.
                .backpressure = weir::close_slow{.max_messages = 500},
                .intercept = refuse};
    }

    void enter(weir::ws_session ws, const weir::request& request, watcher watch = {}) {
        room* const entered = find(std::string{request.param("room")});
        if (entered == nullptr) {
            ws.close(weir::ws_close_code::try_again_later, "too many rooms");
            return;
        }
        entered->join(std::move(ws), request.query("name").value_or("guest"), std::move(watch));
    }

private:
    static bool is_name(std::string_view text) {
        return !text.empty() && text.size() <= max_name_bytes && weir::is_plain_utf8(text);
    }
    static std::optional<weir::response> refuse(const weir::request& request) {
        if (is_name(request.param("room")) && is_name(request.query("name").value_or("guest"))) return std::nullopt;
        return weir::response{.status = 400, .body = "a name has 1 to 32 bytes, and no control characters\n"};
    }

    /// Null: all rooms are taken. One that nobody is in gives way.
    room* find(const std::string& name) {
        if (const auto known = rooms_.find(name); known != rooms_.end()) return &known->second;
        if (rooms_.size() == max_rooms) {
            const auto left =
                std::find_if(rooms_.begin(), rooms_.end(), [](const auto& entry) { return entry.second.empty(); });
            if (left == rooms_.end()) return nullptr;
            rooms_.erase(left);
        }
        return &rooms_[name];
    }

    std::map<std::string, room> rooms_;
};

}  // namespace chat

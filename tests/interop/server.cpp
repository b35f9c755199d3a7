// SPDX-License-Identifier: BSL-1.0

// The server that the interoperability tests talk to. `--port N` (0: the system chooses), `--allow-origin O` (again and
// again). Prints `listening N` when it is ready.
//
// A channel (`?channel=x`) is a set of streams that the tests reach from outside: POST /next sends its body to them,
// POST /end ends them, GET /readers counts them. So a test sends the next event when it has seen the one before, and
// nothing depends on time.

#include <weir/server.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <map>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace {

using namespace std::chrono_literals;
using weir::awaitable;
using weir::sse_session;

/// One event loop, one thread: nothing here is locked.
struct state {
    std::map<std::string, std::set<sse_session*>> channels;
    std::map<std::string, int> visits;
};

std::string channel_of(const weir::request& request) { return request.query("channel").value_or(""); }

/// Keeps a session in its channel for as long as its handler runs.
class membership {
public:
    membership(std::set<sse_session*>& members, sse_session& session) : members_(members), session_(&session) {
        members_.insert(session_);
    }
    membership(const membership&) = delete;
    membership& operator=(const membership&) = delete;
    ~membership() { members_.erase(session_); }

private:
    std::set<sse_session*>& members_;
    sse_session* session_;
};

/// Says what Last-Event-ID it got, then only what it is told to.
awaitable<void> controlled(sse_session out, weir::request request, state& all) {
    const membership member{all.channels[channel_of(request)], out};
    out.send({.event = "ready", .data = "last=" + out.last_event_id().str()});
    co_await out.async_closed();
}

/// POST /next: "id:x" becomes an event with that id, anything else its data.
weir::response send_next(const weir::request& request, state& all) {
    const auto& members = all.channels[channel_of(request)];
    const std::string_view body = request.body();
    const auto id = body.starts_with("id:") ? weir::event_id::parse(body.substr(3)) : std::nullopt;
    for (sse_session* session : members) {
        session->send({.id = id.value_or(weir::event_id{}), .data = id ? "with an id" : body});
    }
    return {.body = std::to_string(members.size())};
}

weir::response end_channel(const weir::request& request, state& all) {
    for (sse_session* session : all.channels[channel_of(request)]) session->close();
    return {};
}

awaitable<void> typed(sse_session out, weir::request request) {
    out.send({.data = "plain"});
    out.send({.event = "price", .id = "7", .data = R"({"bid":1})"});
    out.send({.data = "first line\r\nsecond line"});
    out.send({.data = ""});
    out.send({.data = "gr\u00fc\u00df\u20ac"});
    out.send({.event = "end", .data = ""});
    if (!request.query("end")) co_await out.async_closed();
}

std::uint64_t counter_now() {
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(now).count()) / 20;
}

/// Fifty numbers a second, made from the clock, so that a restarted process can go on where the last one was killed.
awaitable<void> counter(sse_session out) {
    const auto last = out.last_event_id().number();
    for (auto next = last ? *last + 1 : counter_now();;) {
        for (; next <= counter_now(); ++next) {
            co_await out.async_send({.event = "tick", .id = weir::event_id(next), .data = std::to_string(next)});
        }
        co_await out.async_sleep(10ms);
    }
}

std::uint64_t number_in_query(const weir::request& request, std::string_view name, const char* otherwise) {
    return std::strtoull(request.query(name).value_or(otherwise).c_str(), nullptr, 10);
}

/// The numbers after the last id up to `to`, at most `per` of them on one connection.
awaitable<void> count(sse_session out, weir::request request) {
    const std::uint64_t first = out.last_event_id().number().value_or(0) + 1;
    const std::uint64_t to = number_in_query(request, "to", "1");
    const std::uint64_t last = std::min(to, first - 1 + number_in_query(request, "per", "1000000"));
    for (auto n = first; n <= last; ++n) {
        co_await out.async_send({.event = "number", .id = weir::event_id(n), .data = "number " + std::to_string(n)});
    }
}

/// 204 for whoever has them all.
std::optional<weir::response> nothing_left(const weir::request& request) {
    const std::string last{request.header("Last-Event-ID")};
    if (std::strtoull(last.c_str(), nullptr, 10) < number_in_query(request, "to", "1")) return std::nullopt;
    return weir::response{.status = 204};
}

awaitable<void> last_seen(sse_session out) { co_await out.async_send({.data = "last=" + out.last_event_id().str()}); }

/// Two visits, then 204.
std::optional<weir::response> third_visit(const weir::request& request, state& all) {
    if (++all.visits[channel_of(request)] <= 2) return std::nullopt;
    return weir::response{.status = 204};
}

awaitable<void> visit(sse_session out, weir::request request, state& all) {
    co_await out.async_send({.event = "visit", .data = std::to_string(all.visits[channel_of(request)])});
}

awaitable<void> for_allowed_origins(sse_session out) { co_await out.async_send({.data = "for allowed origins"}); }

/// The words of the body, then what AI services end with.
awaitable<void> tokens(sse_session out, weir::request request) {
    for (std::string_view rest = request.body(); !rest.empty();) {
        const std::string_view word = rest.substr(0, rest.find(' '));
        rest.remove_prefix(std::min(word.size() + 1, rest.size()));
        co_await out.async_send({.data = word});
    }
    co_await out.async_send({.data = "[DONE]"});
}

awaitable<void> blast(sse_session out, weir::request request) {
    const std::uint64_t number = number_in_query(request, "count", "1");
    const std::string payload(100, 'x');
    for (std::uint64_t n = 1; n <= number; ++n) co_await out.async_send({.id = weir::event_id(n), .data = payload});
    co_await out.async_send({.event = "end", .data = ""});
}

/// All that it says at once is large, as after a reconnect; the stream stays open.
awaitable<void> large(sse_session out) {
    out.send({.data = std::string(4000, 'x')});
    co_await out.async_closed();
}

void add_streams(weir::server& app, state& all, const std::vector<std::string>& origins) {
    const auto soon = 200ms;
    const auto on_channel = [&all](sse_session out, weir::request request) {
        return controlled(std::move(out), std::move(request), all);
    };
    app.sse("/controlled", on_channel, {.retry = soon});
    app.sse("/idle", on_channel, {.retry = soon, .heartbeat = weir::comment_every{200ms}});
    app.sse("/silent", on_channel, {.retry = soon, .heartbeat = weir::no_heartbeat{}});
    app.sse("/typed", typed, {.retry = soon});
    app.sse("/counter", counter, {.retry = soon});
    app.sse("/count", count, {.retry = 1ms, .intercept = nothing_left});
    app.sse("/last", last_seen);
    app.sse("/stop",
            [&all](sse_session out, weir::request request) { return visit(std::move(out), std::move(request), all); },
            {.retry = soon, .intercept = [&all](const weir::request& request) { return third_visit(request, all); }});
    app.sse("/cors", for_allowed_origins, {.post = true, .allowed_origins = origins, .allow_credentials = true});
    app.sse("/tokens", tokens, {.get = false, .post = true});
    app.sse("/blast", blast);
    app.sse("/large", large);
}

void add_plain_routes(weir::server& app, state& all) {
    app.get("/", [](const weir::request&) {
        return weir::response{.body = "<!doctype html><title>weir</title><link rel=icon href='data:,'>",
                              .content_type = "text/html"};
    });
    app.get("/plain", [](const weir::request&) { return weir::response{.body = "plain\n"}; });
    app.get("/counter-now", [](const weir::request&) { return weir::response{.body = std::to_string(counter_now())}; });
    app.get("/readers", [&all](const weir::request& request) {
        return weir::response{.body = std::to_string(all.channels[channel_of(request)].size())};
    });
    app.post("/next", [&all](const weir::request& request) { return send_next(request, all); });
    app.post("/end", [&all](const weir::request& request) { return end_channel(request, all); });
}

struct settings {
    std::uint16_t port = 0;
    std::vector<std::string> origins;
};

settings parse_arguments(int count, char** values) {
    settings result;
    for (int i = 1; i + 1 < count; i += 2) {
        const std::string_view name = values[i];
        if (name == "--port")
            result.port = static_cast<std::uint16_t>(std::atoi(values[i + 1]));
        else if (name == "--allow-origin")
            result.origins.emplace_back(values[i + 1]);
        else
            throw std::invalid_argument("unknown argument " + std::string{name});
    }
    return result;
}

}  // namespace

int main(int count, char** values) try {
    const settings given = parse_arguments(count, values);
    state all;
    weir::server app{{.drain = {.over = 500ms, .deadline = 5000ms}}};
    add_streams(app, all, given.origins);
    add_plain_routes(app, all);
    const auto port = app.listen({.port = given.port});
    std::cout << "listening " << port << std::endl;
    app.run();
} catch (const std::exception& e) {
    std::cerr << "weir_interop_server: " << e.what() << '\n';
    return 1;
}

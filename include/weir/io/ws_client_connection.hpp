// SPDX-License-Identifier: BSL-1.0
#pragma once

// One connection of a WebSocket client that comes back: a session that reports to its client. Layer: io.

#include <weir/config.hpp>
#include <weir/error.hpp>
#include <weir/http/grammar.hpp>
#include <weir/http/url.hpp>
#include <weir/io/attempt_hook.hpp>
#include <weir/io/cancellable_run.hpp>
#include <weir/io/client_connection.hpp>
#include <weir/io/client_stream.hpp>
#include <weir/io/counted_ptr.hpp>
#include <weir/io/ws_core.hpp>
#include <weir/io/ws_opening.hpp>
#include <weir/policy/any_policy.hpp>
#include <weir/policy/backpressure.hpp>
#include <weir/policy/heartbeat.hpp>
#include <weir/policy/observer.hpp>
#include <weir/policy/policy_set.hpp>
#include <weir/policy/stall.hpp>
#include <weir/time.hpp>
#include <weir/ws/deflate_agreement.hpp>
#include <weir/ws/frame.hpp>
#include <weir/ws/message_codec.hpp>

#include WEIR_ASIO(any_io_executor.hpp)
#include WEIR_ASIO(awaitable.hpp)

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace weir {

/// An attempt to connect, before it is made: as the options have it, and the hook's to change.
struct ws_attempt {
    std::string url{};                                          ///< ws:// or wss://
    std::vector<std::pair<std::string, std::string>> fields{};  ///< added to the request
    std::vector<std::string> subprotocols{};                    ///< the preferred one first
    unsigned failures = 0;  ///< attempts and connections in a row that came to nothing; to change it changes nothing

    /// Sets a field, in place of those of that name.
    void set(std::string_view name, std::string value) {
        std::erase_if(fields, [&](const auto& field) { return http::equal_ignoring_case(field.first, name); });
        fields.emplace_back(name, std::move(value));
    }
};

namespace detail {

/// What all connections of one client have in common.
struct ws_client_plan {
    ws_attempt attempt{};
    attempt_hook<ws_attempt> before_attempt{};
    connection_options connection{};
    milliseconds connect_timeout{};
    ws_limits limits{};
    any_heartbeat heartbeat = ping_every{};
    any_message_framing framing = plain_frames{};
    stall_after stall{};
};

/// Who is told of a connection, in the middle of its work. Counted, as the connection refers to it.
class ws_client_observer {
public:
    virtual void on_written(std::size_t messages) = 0;
    virtual void on_over() = 0;

    void add_reference() noexcept { references_.add(); }
    void drop_reference() noexcept {
        if (references_.drop()) vanish();
    }

protected:
    ~ws_client_observer() = default;
    virtual void vanish() noexcept = 0;

    reference_count references_;
};

/// All policies of a client's connection. What it is given to write is bounded by whoever gives it.
struct ws_client_policies {
    std::shared_ptr<const ws_client_plan> plan;
    counted_ptr<ws_client_observer> client{};  // while it matters to it

    constexpr admission operator()(const outbox_facts&) const noexcept { return admission::accept; }
    heartbeat_decision operator()(const liveness& facts) const noexcept { return plan->heartbeat(facts); }
    stall_decision operator()(const progress& facts) const noexcept { return plan->stall(facts); }
    const ws::deflate_options* deflate() const noexcept { return plan->framing.deflate(); }
    std::unique_ptr<ws::message_codec> make_codec(ws::role self, const ws::deflate_agreement& agreed) const {
        return plan->framing.make_codec(self, agreed);
    }

    template <observation Observation>
    void operator()(const Observation&) noexcept {}
    void operator()(const messages_written& what) noexcept {
        if (client) client->on_written(what.messages);
    }
    void operator()(const session_closed&) noexcept {
        if (client) client->on_over();
    }
};

class ws_client_connection final : public ws_core<client_stream, ws_client_policies> {
    using base = ws_core<client_stream, ws_client_policies>;

public:
    ws_client_connection(const net::any_io_executor& executor, std::shared_ptr<const ws_client_plan> plan)
        : base(client_stream{executor}, policy_set<ws_client_policies>{ws_client_policies{plan}}) {
        this->limits(plan->limits);
    }

    /// From now on `client` is told, and kept alive.
    void report_to(counted_ptr<ws_client_observer> client) noexcept {
        std::swap(this->policies().observer().client, client);
    }
    /// Whether neither side has begun to end it.
    bool is_usable() const noexcept {
        return state() == phase::open && !protocol().close_received() && protocol().failure() == error::none;
    }
};

using ws_connection_ptr = counted_ptr<ws_client_connection>;

/// One attempt, and the connection that it makes. Needed until its coroutines have ended.
struct ws_client_opening {
    std::shared_ptr<const ws_client_plan> plan;
    ws_connection_ptr connection;
    ws_attempt attempt;
    int status = 0;  ///< of the answer; 0: there was none
};

inline std::shared_ptr<ws_client_opening> make_opening(const std::shared_ptr<const ws_client_plan>& plan,
                                                       unsigned failures) {
    auto made = std::make_shared<ws_client_opening>();
    made->plan = plan;
    made->attempt = plan->attempt;
    made->attempt.failures = failures;
    return made;
}

/// Asks the application what it wants to change. Takes as long as that does.
inline net::awaitable<error_code> prepare_attempt(std::shared_ptr<ws_client_opening> opening) {
    co_return co_await opening->plan->before_attempt.run(opening->attempt);
}

/// Connects, and shakes hands: after that the connection is open.
inline net::awaitable<error_code> open_websocket(std::shared_ptr<ws_client_opening> opening, interruption stop = {}) {
    const auto url = http::parse_url(opening->attempt.url);
    if (!url || !(url->scheme == "ws" || url->scheme == "wss")) co_return make_error_code(error::bad_argument);
    ws_client_connection& connection = *opening->connection;
    ws_connect_options asked{.subprotocols = opening->attempt.subprotocols, .fields = opening->attempt.fields};
    const client_opening handshake{std::move(asked), connection.deflate_options()};
    const error_code ec = co_await connect_to(connection.stream(), *url, opening->plan->connection, stop);
    if (ec) co_return ec;
    co_return co_await shake_hands(connection, handshake, url->authority, url->target, &opening->status);
}

}  // namespace detail
}  // namespace weir

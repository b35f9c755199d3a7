// SPDX-License-Identifier: BSL-1.0

// Lets the public contract tests for SSE clients drive weir::sse_client: a small HTTP service that opens the streams it
// is asked for, and posts what comes of them to whoever asked. The tests, github.com/launchdarkly/sse-contract-tests,
// describe its protocol. Run it, then:
//
//     sse-contract-tests --url http://127.0.0.1:8000

#include <weir/http/request_writer.hpp>
#include <weir/http/response_parser.hpp>
#include <weir/http/url.hpp>
#include <weir/server.hpp>
#include <weir/sse_client.hpp>

#include <asio/buffer.hpp>
#include <asio/co_spawn.hpp>
#include <asio/connect.hpp>
#include <asio/detached.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/read_until.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/write.hpp>

#include <array>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <exception>
#include <map>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include "json.hpp"

namespace {

using namespace std::chrono_literals;
using asio::ip::tcp;

// Comments are not among them: weir drops them, as browsers do. Events of every type are received without having to be
// listened for.
constexpr const char* what_this_is = R"({"name":"weir","capabilities":["bom","empty-or-missing-location","headers",)"
                                     R"("last-event-id","payload-size-stress-testable","post","read-timeout",)"
                                     R"("report","restart","server-directed-shutdown-request"]})";

// ---- What the tests are told ----

asio::awaitable<void> post(std::string url, std::string body) {
    const auto to = weir::http::parse_url(url);
    if (!to) throw std::invalid_argument("not a URL");
    const std::array<weir::http::field_view, 1> fields{{{"Content-Type", "application/json"}}};
    const auto request = weir::http::serialize_request(
        {.method = "POST", .authority = to->authority, .target = to->target, .fields = fields, .body = body});

    const auto executor = co_await asio::this_coro::executor;
    tcp::resolver resolver{executor};
    const auto addresses = co_await resolver.async_resolve(to->host, std::to_string(to->port), asio::use_awaitable);
    tcp::socket socket{executor};
    co_await asio::async_connect(socket, addresses, asio::use_awaitable);
    co_await asio::async_write(socket, asio::buffer(request.text), asio::use_awaitable);

    std::string received;
    co_await asio::async_read_until(socket, asio::dynamic_buffer(received, 16 * 1024), "\r\n\r\n", asio::use_awaitable);
    weir::http::response_parser parser;
    parser.parse(received);
    if (parser.response().status / 100 != 2) throw std::runtime_error("the callback is not accepted");
}

/// Where the messages about one stream go: one at a time, each to the next number.
class callbacks : public std::enable_shared_from_this<callbacks> {
public:
    callbacks(asio::any_io_executor executor, std::string url) : executor_(std::move(executor)), url_(std::move(url)) {}

    void event(const weir::sse_message& e) {
        tell(R"({"kind":"event","event":{"type":)" + json::quoted(e.event) + R"(,"data":)" + json::quoted(e.data) +
             R"(,"id":)" + json::quoted(e.id) + "}}");
    }
    /// A stream that the server has ended, for now or for good, has no error.
    void error(weir::error_code reason) {
        if (!reason || reason == weir::error::peer_closed || reason == weir::error::stop_requested) return;
        tell(R"({"kind":"error","error":)" + json::quoted(reason.message()) + "}");
    }

private:
    void tell(std::string message) {
        waiting_.push_back(std::move(message));
        if (waiting_.size() == 1) asio::co_spawn(executor_, post_all(shared_from_this()), asio::detached);
    }

    static asio::awaitable<void> post_all(std::shared_ptr<callbacks> self) {
        for (; !self->waiting_.empty(); self->waiting_.pop_front()) {
            const std::string url = self->url_ + '/' + std::to_string(++self->count_);
            try {
                co_await post(url, std::move(self->waiting_.front()));
            } catch (const std::exception& e) {
                std::fprintf(stderr, "sse_contract_service: %s: %s\n", url.c_str(), e.what());
            }
        }
    }

    asio::any_io_executor executor_;
    std::string url_;
    unsigned count_ = 0;
    std::deque<std::string> waiting_;
};

// ---- A stream, as it is asked for ----

struct wanted_stream {
    std::string stream_url, callback_url;
    weir::sse_client_options options{
        // After exactly the time that the tests ask for, or the server; they are in a hurry.
        .reconnect = weir::fixed_delay{0ms},
        // There are events of 128 MiB.
        .limits = {.max_line_bytes = 0, .max_event_bytes = 0},
    };
};

/// Empty result: what is asked for cannot be understood.
std::optional<wanted_stream> parse_wanted(std::string_view body) {
    json::reader in{body};
    wanted_stream wanted;
    in.object([&](std::string_view name) {
        if (in.null()) return;
        if (name == "streamUrl") {
            wanted.stream_url = in.text();
        } else if (name == "callbackUrl") {
            wanted.callback_url = in.text();
        } else if (name == "initialDelayMs") {
            wanted.options.retry = weir::milliseconds{in.integer()};
        } else if (name == "readTimeoutMs") {
            wanted.options.read_timeout = weir::milliseconds{in.integer()};
        } else if (name == "lastEventId") {
            wanted.options.last_event_id = in.text();
        } else if (name == "method") {
            wanted.options.method = in.text();
        } else if (name == "body") {
            wanted.options.body = in.text();
        } else if (name == "headers") {
            in.object([&](std::string_view field) { wanted.options.fields.emplace_back(field, in.text()); });
        } else {
            in.skip();
        }
    });
    if (!in.complete() || wanted.stream_url.empty() || wanted.callback_url.empty()) return std::nullopt;
    return wanted;
}

class stream {
public:
    stream(asio::any_io_executor executor, wanted_stream wanted)
        : wanted_(std::move(wanted)),
          callbacks_(std::make_shared<callbacks>(executor, wanted_.callback_url)),
          client_(open(std::move(executor))) {}

    /// Another client takes over where this one is.
    void restart() {
        wanted_.options.last_event_id = client_.last_event_id();
        client_ = open(client_.get_executor());
    }

private:
    weir::sse_client open(asio::any_io_executor executor) const {
        weir::sse_client client{std::move(executor), wanted_.stream_url, wanted_.options};
        client.handle_with({
            .on_event = [to = callbacks_](const weir::sse_message& e) { to->event(e); },
            .on_retry = [to = callbacks_](weir::error_code reason, weir::milliseconds) { to->error(reason); },
            .on_close = [to = callbacks_](weir::error_code reason) { to->error(reason); },
        });
        return client;
    }

    wanted_stream wanted_;
    std::shared_ptr<callbacks> callbacks_;
    weir::sse_client client_;
};

// ---- The service ----

class service {
public:
    explicit service(asio::any_io_executor executor) : executor_(std::move(executor)) {}

    weir::response open(const weir::request& request) {
        auto wanted = parse_wanted(request.body());
        if (!wanted) return {.status = 400};
        const std::string id = std::to_string(++count_);
        streams_.try_emplace(id, executor_, std::move(*wanted));
        return {.status = 201, .fields = {{"Location", "/streams/" + id}}};
    }

    weir::response command(const weir::request& request) {
        const auto at = streams_.find(std::string{request.param("id")});
        if (at == streams_.end()) return {.status = 404};
        const auto command = json::last_text(request.body(), {"command"});
        if (command == "restart") {
            at->second.restart();
        } else if (command != "listen") {
            return {.status = 400};
        }
        return {.status = 204};
    }

    weir::response close(const weir::request& request) {
        const std::size_t closed = streams_.erase(std::string{request.param("id")});
        return {.status = closed == 1 ? 204 : 404};
    }

    void close_all() { streams_.clear(); }

private:
    asio::any_io_executor executor_;
    std::map<std::string, stream> streams_;
    unsigned count_ = 0;
};

}  // namespace

// sse_contract_service [port]; 0: the system chooses.
int main(int argc, char** argv) {
    const auto wanted = static_cast<std::uint16_t>(argc > 1 ? std::atoi(argv[1]) : 8000);

    weir::server app;  // with one event loop, on which the clients run, too
    service tests{app.context().get_executor()};
    app.get("/", [](const weir::request&) {
        return weir::response{.body = what_this_is, .content_type = "application/json"};
    });
    app.post("/", [&](const weir::request& request) { return tests.open(request); });
    app.post("/streams/{id}", [&](const weir::request& request) { return tests.command(request); });
    app.route("DELETE", "/streams/{id}", [&](const weir::request& request) { return tests.close(request); });
    app.route("DELETE", "/", [&](const weir::request&) {
        tests.close_all();
        app.drain({.over = 0ms});
        return weir::response{.status = 204};
    });

    const std::uint16_t port = app.listen({.port = wanted});
    std::printf("http://127.0.0.1:%u/\n", unsigned{port});
    std::fflush(stdout);
    app.run();
}

// SPDX-License-Identifier: BSL-1.0

#include <weir/sse_client.hpp>

#include <weir/gzip.hpp>
#include <weir/server.hpp>
#include <weir/tls.hpp>

#include WEIR_ASIO(awaitable.hpp)
#include WEIR_CANCELLATION(bind_cancellation_slot.hpp)
#include WEIR_CANCELLATION(cancellation_signal.hpp)
#include WEIR_ASIO(co_spawn.hpp)
#include WEIR_ASIO(io_context.hpp)
#include WEIR_ASIO(post.hpp)
#include WEIR_ASIO(steady_timer.hpp)
#include WEIR_ASIO(strand.hpp)
#include WEIR_ASIO(this_coro.hpp)
#include WEIR_ASIO(use_awaitable.hpp)

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <zlib.h>

#include "catch.hpp"
#include "support/cancellation.hpp"
#include "support/certificate.hpp"
#include "support/running_server.hpp"
#include "support/scripted_server.hpp"

namespace {

using namespace std::chrono_literals;
namespace cancellation = weir::detail::cancellation;
namespace net = weir::net;
namespace script = test::script;
using test::scripted_server;
using weir::error;
using weir::error_code;
using weir::sse_client;
using weir::sse_message;

using strings = std::vector<std::string>;

const std::string head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n";
const std::string stop = "HTTP/1.1 204 No Content\r\n\r\n";

weir::sse_client_options at_once() { return {.reconnect = weir::fixed_delay{0ms}, .retry = 0ms}; }

std::string text_of(const sse_message& event) {
    return std::string{event.event}.append("|").append(event.data).append("|").append(event.id);
}

/// What one async_next() came to.
struct outcome {
    error_code ec;
    std::optional<std::string> event;
};

/// A client whose events are asked for one by one.
struct fixture {
    explicit fixture(std::vector<script::connection> connections, weir::sse_client_options options = at_once())
        : server(context, std::move(connections)), client(std::in_place, context, server.url(), std::move(options)) {}

    void ask() {
        client->async_next([this](error_code ec, std::optional<sse_message> event) {
            came.push_back({ec, event ? std::optional{text_of(*event)} : std::nullopt});
        });
    }
    outcome next() {
        const std::size_t before = came.size();
        ask();
        test::run_until(context, [&] { return came.size() != before; });
        return came.back();
    }

    net::io_context context;
    scripted_server server;
    std::optional<sse_client> client;
    std::vector<outcome> came;
};

}  // namespace

TEST_CASE("SSE client: events come one by one, over reconnects, up to the server's wish that it stay away",
          "[sse_client]") {
    fixture f{{{script::send{head + "id: 1\ndata: a\n\nevent: e\ndata: b\n\n"}},
               {script::send{head + "data: c\n\n"}},
               {script::send{stop}}}};
    CHECK(f.next().event == "message|a|1");
    CHECK(f.client->is_open());
    CHECK(f.client->last_event_id() == "1");
    CHECK(f.client->origin() == f.server.url(""));
    CHECK(f.next().event == "e|b|1");
    CHECK(f.next().event == "message|c|1");
    const outcome last = f.next();
    CHECK_FALSE(last.ec);
    CHECK_FALSE(last.event);
    CHECK(f.client->is_closed());
    CHECK(f.client->end_reason() == error::stop_requested);
    CHECK(f.client->failure().status == 204);
    CHECK(f.server.requests().at(1).field("Last-Event-ID") == "1");
    CHECK_FALSE(f.next().event);  // and so it stays
}

TEST_CASE("SSE client: a coroutine", "[sse_client]") {
    fixture f{{{script::send{head + "data: a\n\ndata: b\n\n"}}, {script::send{stop}}}};
    strings seen;
    const auto follow = [](sse_client& client, strings& into) -> net::awaitable<void> {
        while (auto event = co_await client.async_next()) into.push_back(text_of(*event));
    };
    bool done = false;
    net::co_spawn(f.context, follow(*f.client, seen), [&](const std::exception_ptr& thrown) { done = !thrown; });
    test::run_until(f.context, [&] { return done; });
    CHECK(seen == strings{"message|a|", "message|b|"});
}

TEST_CASE("SSE client: what cannot be asked ends it at once", "[sse_client]") {
    net::io_context context;
    const std::string_view url =
        GENERATE("", "no url", "ws://localhost/", "http://user@localhost/", "http://local host/");
    sse_client client{context, url};
    CHECK(client.is_closed());
    CHECK(client.end_reason() == error::bad_argument);
    std::optional<error_code> told, closed;
    client.handle_with({.on_close = [&](error_code ec) { closed = ec; }});
    client.async_next([&](error_code ec, std::optional<sse_message>) { told = ec; });
    context.run();
    CHECK(told == error::bad_argument);
    CHECK(closed == error::bad_argument);
}

TEST_CASE("SSE client: https needs TLS", "[sse_client]") {
    net::io_context context;
    sse_client client{context, "https://127.0.0.1:1/"};
    std::optional<error_code> told;
    client.async_next([&](error_code ec, std::optional<sse_message>) { told = ec; });
    context.run();
    CHECK(told == error::no_tls);
}

TEST_CASE("SSE client: nothing is read that is not asked for", "[sse_client]") {
    const std::string event = "data: " + std::string(60'000, 'x') + "\n\n";
    std::string stream = head;
    for (int i = 0; i != 400; ++i) stream += event;  // more than the kernel keeps on both sides
    fixture f{{{script::send{stream}, script::receive{1}}}};
    bool opened = false;
    f.client->handle_with({.on_open = [&] { opened = true; }});
    test::run_until(f.context, [&] { return opened; });
    CHECK(f.next().event);
    f.context.restart();
    f.context.poll();  // the server writes what it can
    CHECK(f.server.waiting() == 0);
    for (int i = 1; i != 400; ++i) REQUIRE(f.next().event);
}

TEST_CASE("SSE client: only one may ask", "[sse_client]") {
    fixture f{{{script::silence{}}}};
    f.ask();
    f.ask();
    test::run_until(f.context, [&] { return !f.came.empty(); });
    CHECK(f.came.at(0).ec == error::already_receiving);
    f.client->close();
    test::run_until(f.context, [&] { return f.came.size() == 2; });
    CHECK_FALSE(f.came.at(1).ec);
    CHECK_FALSE(f.came.at(1).event);
}

TEST_CASE("SSE client: who no longer wants an event loses none", "[sse_client]") {
    fixture f{{{script::send{head + "data: a\n\n"}, script::wait{}, script::send{"data: b\n\n"}, script::silence{}}}};
    CHECK(f.next().event == "message|a|");
    cancellation::cancellation_signal signal;
    std::optional<error_code> cancelled;
    f.client->async_next(cancellation::bind_cancellation_slot(
        signal.slot(), [&](error_code ec, std::optional<sse_message>) { cancelled = ec; }));
    f.context.restart();
    f.context.poll();
    signal.emit(cancellation::cancellation_type::total);
    test::run_until(f.context, [&] { return cancelled.has_value(); });
    CHECK(cancelled == net::error::operation_aborted);
    f.server.proceed();
    CHECK(f.next().event == "message|b|");
}

TEST_CASE("SSE client: with calls, and pauses", "[sse_client]") {
    fixture f{{{script::send{head + "data: a\n\ndata: b\n\ndata: c\n\n"}}, {script::send{stop}}}};
    strings told;
    f.client->handle_with({.on_open = [&] { told.emplace_back("open"); },
                           .on_event =
                               [&](const sse_message& event) {
                                   told.emplace_back(event.data);
                                   if (event.data == "b") f.client->pause();
                               },
                           .on_retry = [&](error_code why, weir::milliseconds) { told.push_back(why.message()); },
                           .on_close = [&](error_code why) { told.push_back(why.message()); }});
    test::run_until(f.context, [&] { return told.size() == 3; });
    f.context.restart();
    f.context.poll();
    CHECK(told == strings{"open", "a", "b"});
    f.client->resume();
    test::run_until(f.context, [&] { return told.size() == 6; });
    CHECK(told == strings{"open", "a", "b", "c", message(error::peer_closed), message(error::stop_requested)});
}

TEST_CASE("SSE client: a handler may close, replace the handlers, or destroy the client", "[sse_client]") {
    fixture f{{{script::send{head + "data: a\n\ndata: b\n\n"}, script::silence{}}}};
    strings told;
    SECTION("close") {
        f.client->on_event([&](const sse_message& event) {
            told.emplace_back(event.data);
            f.client->close();
        });
    }
    SECTION("destroy") {
        f.client->on_event([&](const sse_message& event) {
            told.emplace_back(event.data);
            f.client.reset();
        });
    }
    SECTION("replace") {
        f.client->on_event([&](const sse_message& event) {
            told.emplace_back(event.data);
            f.client->handle_with({});
        });
    }
    test::run_until(f.context, [&] { return !told.empty(); });
    f.context.restart();
    f.context.poll();
    CHECK(told == strings{"a"});
}

TEST_CASE("SSE client: an exception of a handler's ends it, and goes to whoever runs the context", "[sse_client]") {
    fixture f{{{script::send{head + "data: a\n\ndata: b\n\n"}, script::silence{}}}};
    f.client->on_event([](const sse_message&) { throw std::logic_error("mine"); });
    CHECK_THROWS_AS(test::run_until(f.context, [] { return false; }), std::logic_error);
    CHECK(f.client->is_closed());
    test::run_until(f.context, [&] { return f.server.open() == 0; });
}

TEST_CASE("SSE client: a hook changes each attempt, at once or later", "[sse_client]") {
    int attempts = 0;
    auto options = at_once();
    const auto change = [&](weir::sse_attempt& attempt) {
        attempt.fields.emplace_back("Authorization", "Bearer " + std::to_string(++attempts));
        attempt.last_event_id += "+";
    };
    SECTION("at once") { options.before_attempt = change; }
    SECTION("later") {
        options.before_attempt = [&](weir::sse_attempt& attempt) -> net::awaitable<void> {
            co_await net::post(net::use_awaitable);
            change(attempt);
        };
    }
    fixture f{{{script::send{head + "id: 7\ndata: a\n\n"}},
               {script::send{"HTTP/1.1 307 Elsewhere\r\nLocation: /there\r\nContent-Length: 0\r\n\r\n"}},
               {script::send{stop}}},
              std::move(options)};
    CHECK(f.next().event);
    CHECK_FALSE(f.next().event);
    const auto& seen = f.server.requests();
    REQUIRE(seen.size() == 3);
    CHECK(seen[0].field("Authorization") == "Bearer 1");
    CHECK(seen[0].field("Last-Event-ID") == "+");
    CHECK(seen[1].field("Authorization") == "Bearer 2");
    CHECK(seen[1].field("Last-Event-ID") == "7+");
    CHECK(seen[2].target() == "/there");
    CHECK(seen[2].field("Authorization") == "Bearer 2");  // a redirect is part of the attempt
    CHECK(attempts == 2);
}

TEST_CASE("SSE client: a hook that fails is a failed attempt", "[sse_client]") {
    int attempts = 0;
    auto options = at_once();
    options.before_attempt = [&](weir::sse_attempt&) {
        if (++attempts == 1) throw weir::system_error(error::expired);
        if (attempts == 2) throw std::runtime_error("no token");
    };
    fixture f{{{script::send{stop}}}, std::move(options)};
    std::vector<error_code> reasons;
    f.client->handle_with({.on_retry = [&](error_code why, weir::milliseconds) { reasons.push_back(why); }});
    CHECK_FALSE(f.next().event);
    CHECK(reasons == std::vector{make_error_code(error::expired), make_error_code(error::hook_failed)});
    CHECK(attempts == 3);
    CHECK(f.server.requests().size() == 1);
}

TEST_CASE("SSE client: a hook that waits for ever is ended by close()", "[sse_client]") {
    if (test::left_out_without_cancellation()) return;
    net::io_context context;
    bool asked = false;
    sse_client client{
        context, "http://127.0.0.1:1/", {.before_attempt = [&](weir::sse_attempt&) -> net::awaitable<void> {
            asked = true;
            net::steady_timer never{co_await net::this_coro::executor, std::chrono::steady_clock::time_point::max()};
            co_await never.async_wait(net::use_awaitable);
        }}};
    test::run_until(context, [&] { return asked; });
    client.close();
    context.restart();
    context.run();
    CHECK(client.is_closed());
}

TEST_CASE("SSE client: the network is back: it does not wait any longer", "[sse_client]") {
    auto options = at_once();
    options.reconnect = weir::fixed_delay{1h};
    fixture f{{{script::send{head + "data: a\n\n"}}, {script::send{head + "data: b\n\n"}, script::silence{}}},
              std::move(options)};
    CHECK(f.next().event == "message|a|");
    bool lost = false;
    f.client->handle_with({.on_retry = [&](error_code, weir::milliseconds) { lost = true; }});
    f.client->retry_now();  // nothing to hasten
    f.ask();
    test::run_until(f.context, [&] { return lost; });
    f.client->retry_now();
    test::run_until(f.context, [&] { return f.came.size() == 2; });
    CHECK(f.came.back().event == "message|b|");
}

TEST_CASE("SSE client: moved, it goes on; assigned over or destroyed, it ends", "[sse_client]") {
    fixture f{{{script::send{head + "data: a\n\ndata: b\n\n"}, script::silence{}}, {script::silence{}}}};
    CHECK(f.next().event == "message|a|");
    sse_client moved = std::move(*f.client);
    f.client.emplace(std::move(moved));
    CHECK(f.next().event == "message|b|");
    *f.client = sse_client{f.context, f.server.url("/other"), at_once()};
    test::run_until(f.context, [&] { return f.server.requests().size() == 2; });
    CHECK(f.server.requests()[1].target() == "/other");
    f.client.reset();
    test::run_until(f.context, [&] { return f.server.open() == 0; });
}

TEST_CASE("SSE client: on a strand, with several threads' executor", "[sse_client]") {
    net::io_context context;
    scripted_server server{context, {{script::send{head + "data: a\n\n"}}, {script::send{stop}}}};
    auto strand = net::make_strand(context);
    std::optional<sse_client> client;
    client.emplace(strand, server.url(), at_once());
    strings seen;
    bool closed = false;
    client->handle_with({.on_event =
                             [&](const sse_message& event) {
                                 CHECK(strand.running_in_this_thread());
                                 seen.push_back(text_of(event));
                             },
                         .on_close =
                             [&](error_code) {
                                 CHECK(strand.running_in_this_thread());
                                 closed = true;
                             }});
    test::run_until(context, [&] { return closed; });
    CHECK(seen == strings{"message|a|"});
}

// ---- ended in the middle ----

namespace {

/// A life with everything in it: a hook that waits, a redirect, a stream that breaks, another, and the end.
struct long_life {
    long_life()
        : server(context, {{script::send{"HTTP/1.1 302 Elsewhere\r\nLocation: /there\r\n\r\n"}},
                           {script::send{head + "data: a\n\ndata: b\n\ndata"}, script::reset{}},
                           {script::send{"HTTP/1.1 500 Oh\r\nContent-Length: 9\r\n\r\nsome "}, script::reset{}}}) {
        auto options = at_once();
        options.read_timeout = 1h;
        options.before_attempt = [](weir::sse_attempt&) -> net::awaitable<void> {
            co_await net::post(net::use_awaitable);
        };
        client.emplace(context, server.url(), std::move(options));
        ask();
    }

    void ask() {
        client->async_next([this, alive = alive](error_code ec, std::optional<sse_message> event) {
            if (!event) ended = ec;
            if (event && client) ask();
        });
    }
    /// Runs so many handlers. False: it has ended before.
    bool run(int handlers) {
        for (; handlers != 0 && !ended; --handlers) test::run_one(context);
        return !ended;
    }

    std::shared_ptr<int> alive = std::make_shared<int>();
    std::optional<error_code> ended;
    net::io_context context;
    scripted_server server;
    std::optional<sse_client> client;
};

}  // namespace

TEST_CASE("SSE client: closed at any step, it tells so and leaves nothing behind", "[sse_client]") {
    int step = 0;
    for (bool more = true; more; ++step) {
        long_life life;
        more = life.run(step);
        if (!more) {
            CHECK(life.ended == error::unexpected_status);
            break;
        }
        CAPTURE(step);
        const error_code why = life.client->end_reason();  // may be known already, and not told yet
        life.client->close();
        test::run_until(life.context, [&] { return life.ended.has_value(); });
        REQUIRE(*life.ended == why);
        life.client.reset();
        test::run_until(life.context, [&] { return life.server.open() == 0; });
    }
    CHECK(step > 20);
}

TEST_CASE("SSE client: destroyed with its context at any step, it takes its handlers along", "[sse_client]") {
    int step = 0;
    for (bool more = true; more; ++step) {
        std::weak_ptr<int> handlers;
        {
            long_life life;
            more = life.run(step);
            handlers = life.alive;
            life.alive.reset();
            life.client.reset();
        }
        CAPTURE(step);
        REQUIRE(handlers.expired());
    }
    CHECK(step > 20);
}

// ---- with the other parts ----

TEST_CASE("SSE client: from weir::server by https, and no further than a certificate that is not trusted",
          "[sse_client][tls]") {
    const test::certificate& shown = test::any_certificate();
    test::running_server running;
    running->sse("/numbers", [](weir::sse_session out) -> weir::awaitable<void> {
        const auto first = out.last_event_id().number().value_or(0) + 1;
        for (std::uint64_t n = first; n != first + 3; ++n) {
            co_await out.async_send({.event = "number", .id = weir::event_id(n), .data = "x"});
        }
    });
    const auto port = running->listen(
        {.port = 0, .tls = weir::tls_options{.certificate_chain = shown.text(), .private_key = shown.key()}});
    running.start();
    const std::string url = "https://localhost:" + std::to_string(port) + "/numbers";

    net::io_context context;
    strings seen;
    std::optional<error_code> closed;
    SECTION("trusted") {
        auto options = at_once();
        options.tls = weir::tls_client_options{.ca_text = shown.text()};
        sse_client client{context, url, std::move(options)};
        client.on_event([&](const sse_message& event) { seen.push_back(text_of(event)); });
        test::run_until(context, [&] { return seen.size() >= 7; });  // three streams
        CHECK(seen.at(0) == "number|x|1");
        CHECK(seen.at(6) == "number|x|7");
        CHECK(client.origin() == "https://localhost:" + std::to_string(port));
    }
    SECTION("not trusted") {
        auto options = at_once();
        options.tls = weir::tls_client_options{};
        sse_client client{context, url, std::move(options)};
        client.handle_with({.on_close = [&](error_code why) { closed = why; }});
        test::run_until(context, [&] { return closed.has_value(); });
        CHECK(closed == error::untrusted_server);
    }
}

namespace {

/// One member, with a flush behind each piece, as servers do that compress streams.
std::string gzipped(const strings& pieces) {
    z_stream z{};
    if (deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK) throw std::bad_alloc{};
    std::string out(4096, '\0');
    z.next_out = reinterpret_cast<Bytef*>(out.data());
    z.avail_out = static_cast<uInt>(out.size());
    for (const std::string& piece : pieces) {
        z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(piece.data()));
        z.avail_in = static_cast<uInt>(piece.size());
        deflate(&z, Z_SYNC_FLUSH);
    }
    out.resize(out.size() - z.avail_out);
    deflateEnd(&z);
    return out;
}

const std::string gzip_head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Encoding: gzip\r\n\r\n";

}  // namespace

TEST_CASE("SSE client: a compressed stream", "[sse_client][gzip]") {
    auto options = at_once();
    options.decoding = weir::gzip_content{};
    const std::string stream = gzipped({"id: 1\ndata: a\n\n", "data: b\n\nid: 2\nda", "ta: c\n\n"});
    fixture f{{{script::send{gzip_head + stream, 1}}, {script::send{stop}}}, std::move(options)};
    CHECK(f.next().event == "message|a|1");
    CHECK(f.next().event == "message|b|1");
    CHECK(f.next().event == "message|c|2");
    CHECK_FALSE(f.next().event);
    CHECK(f.server.requests().at(0).field("Accept-Encoding") == "gzip");
    CHECK(f.server.requests().at(1).field("Last-Event-ID") == "2");
}

TEST_CASE("SSE client: a compressed stream that was not asked for ends it", "[sse_client]") {
    fixture f{{{script::send{gzip_head + gzipped({"data: a\n\n"})}}}};
    CHECK(f.next().ec == error::unsupported_coding);
    CHECK(f.server.requests().at(0).field("Accept-Encoding") == std::nullopt);
}

TEST_CASE("SSE client: through a proxy", "[sse_client]") {
    net::io_context context;
    scripted_server proxy{
        context,
        {{script::send{"HTTP/1.1 200 Connected\r\n\r\n"}, script::next_request{}, script::send{head + "data: a\n\n"}},
         {script::send{"HTTP/1.1 403 No\r\n\r\n"}}}};
    auto options = at_once();
    options.proxy = weir::http_proxy{.url = proxy.url(), .fields = {{"Proxy-Authorization", "Basic x"}}};
    options.reconnect = weir::exponential_backoff{.base = 0ms, .cap = 0ms, .max_attempts = 1};
    options.fields = {{"Authorization", "Bearer y"}};
    sse_client client{context, "http://somewhere.invalid/events", std::move(options)};
    strings seen;
    std::optional<error_code> closed;
    client.handle_with({.on_event = [&](const sse_message& event) { seen.push_back(text_of(event)); },
                        .on_close = [&](error_code why) { closed = why; }});
    test::run_until(context, [&] { return closed.has_value(); });
    CHECK(seen == strings{"message|a|"});
    CHECK(closed == error::proxy_refused);
    const auto& requests = proxy.requests();
    REQUIRE(requests.size() == 3);
    CHECK(requests[0].line() == "CONNECT somewhere.invalid:80 HTTP/1.1");
    CHECK(requests[0].field("Proxy-Authorization") == "Basic x");
    CHECK(requests[0].field("Authorization") == std::nullopt);
    CHECK(requests[1].line() == "GET /events HTTP/1.1");
    CHECK(requests[1].field("Authorization") == "Bearer y");
    CHECK(requests[1].field("Proxy-Authorization") == std::nullopt);
}

// ---- what reviewers have broken ----

TEST_CASE("SSE client: cancelled when an event is about to be handed out, it keeps the event", "[sse_client]") {
    fixture f{{{script::send{head + "data: one\n\ndata: two\n\n"}, script::silence{}}}};
    bool opened = false;
    f.client->handle_with({.on_open = [&] { opened = true; }});
    test::run_until(f.context, [&] { return opened; });
    cancellation::cancellation_signal signal;
    std::optional<error_code> cancelled;
    f.client->async_next(cancellation::bind_cancellation_slot(
        signal.slot(), [&](error_code ec, std::optional<sse_message>) { cancelled = ec; }));
    signal.emit(cancellation::cancellation_type::total);  // the coroutine has been woken, and has not run yet
    test::run_until(f.context, [&] { return cancelled.has_value(); });
    CHECK(cancelled == net::error::operation_aborted);
    CHECK(f.next().event == "message|one|");
    CHECK(f.next().event == "message|two|");
}

TEST_CASE("SSE client: paused again before it has gone on, it hands out nothing", "[sse_client]") {
    fixture f{{{script::send{head + "data: a\n\ndata: b\n\n"}, script::silence{}}}};
    strings told;
    f.client->on_event([&](const sse_message& event) {
        told.emplace_back(event.data);
        f.client->pause();
    });
    test::run_until(f.context, [&] { return told.size() == 1; });
    f.client->resume();
    f.client->pause();
    f.context.restart();
    f.context.poll();
    CHECK(told == strings{"a"});
}

TEST_CASE("SSE client: told to hurry from within on_retry, it does what each attempt does", "[sse_client]") {
    int attempts = 0;
    auto options = at_once();
    options.reconnect = weir::fixed_delay{1h};
    options.retry_server_errors = true;
    options.before_attempt = [&](weir::sse_attempt& attempt) {
        if (++attempts == 1) throw weir::system_error(error::untrusted_server);  // of the token's server
        attempt.fields.emplace_back("Authorization", "Bearer " + std::to_string(attempts));
    };
    fixture f{{{script::send{"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"}},
               {script::send{"nonsense\r\n\r\n"}},
               {script::send{head + "data: a\n\n"}, script::silence{}}},
              std::move(options)};
    std::vector<error_code> reasons;
    f.client->handle_with({.on_retry = [&](error_code why, weir::milliseconds) {
        reasons.push_back(why);
        f.client->retry_now();
    }});
    CHECK(f.next().event == "message|a|");
    CHECK(reasons == std::vector{make_error_code(error::untrusted_server), make_error_code(error::unexpected_status),
                                 make_error_code(error::bad_status_line)});
    const auto& seen = f.server.requests();
    REQUIRE(seen.size() == 3);
    CHECK(seen[0].field("Authorization") == "Bearer 2");
    CHECK(seen[2].field("Authorization") == "Bearer 4");
}

TEST_CASE("SSE client: exceptions of any handler's go to whoever runs the context", "[sse_client]") {
    const auto fail = [](auto&&...) { throw std::logic_error("mine"); };
    weir::sse_client_handlers handlers;
    script::connection connection{script::send{stop}};
    SECTION("on_open") { handlers.on_open = fail, connection = {script::send{head}, script::silence{}}; }
    SECTION("on_retry") { handlers.on_retry = fail, connection = {script::send{"nonsense\r\n\r\n"}}; }
    SECTION("on_close") { handlers.on_close = fail; }
    fixture f{{connection}};
    f.client->handle_with(std::move(handlers));
    CHECK_THROWS_AS(test::run_until(f.context, [] { return false; }), std::logic_error);
    CHECK(f.client->is_closed());
}

TEST_CASE("SSE client: handlers that own the client are let go at its end", "[sse_client]") {
    struct owner {
        std::optional<sse_client> client;
    };
    net::io_context context;
    scripted_server server{context, {{script::send{stop}}}};
    auto owned = std::make_shared<owner>();
    const std::weak_ptr<owner> watch = owned;
    bool closed = false;
    auto options = at_once();
    options.before_attempt = [keep = owned](weir::sse_attempt&) {};
    owned->client.emplace(context, server.url(), std::move(options));
    owned->client->handle_with({.on_event = [keep = owned](const sse_message&) {},
                                .on_close = [keep = owned, &closed](error_code) { closed = true; }});
    owned.reset();
    test::run_until(context, [&] { return closed; });
    context.restart();
    context.poll();
    CHECK(watch.expired());
}

TEST_CASE("SSE client: handlers and a hook that own the client go with the context, at any step", "[sse_client]") {
    struct owner {
        std::optional<sse_client> client;
    };
    for (int step = 0; step != 30; ++step) {
        CAPTURE(step);
        std::weak_ptr<owner> watch;
        {
            net::io_context context;
            scripted_server server{context, {{script::send{head + "data: a\n\n"}, script::silence{}}}};
            const auto owned = std::make_shared<owner>();
            watch = owned;
            auto options = at_once();
            options.before_attempt = [keep = owned](weir::sse_attempt&) -> net::awaitable<void> {
                co_await net::post(net::use_awaitable);
            };
            owned->client.emplace(context, server.url(), std::move(options));
            owned->client->on_event([keep = owned](const sse_message&) {});
            for (int i = 0; i != step; ++i) {
                context.restart();
                context.poll_one();
            }
        }
        REQUIRE(watch.expired());
    }
}

TEST_CASE("SSE client: events are asked for, or told, not both", "[sse_client]") {
    fixture f{{{script::send{head + "data: a\n\n"}, script::silence{}}}};
    strings told;
    f.ask();
    f.client->on_event([&](const sse_message& event) { told.emplace_back(event.data); });
    f.ask();
    test::run_until(f.context, [&] { return f.came.size() == 2 && told.size() == 1; });
    CHECK(f.came[0].ec == error::already_receiving);
    CHECK(f.came[1].ec == error::already_receiving);
}

TEST_CASE("SSE client: closed before its end was told, it tells nothing", "[sse_client]") {
    fixture f{{{script::send{stop}}}};
    bool told = false;
    f.client->handle_with({.on_close = [&](error_code) { told = true; }});
    while (!f.client->is_closed()) test::run_one(f.context);
    f.client->close();
    f.context.restart();
    f.context.poll();
    CHECK_FALSE(told);
}

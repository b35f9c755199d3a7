// SPDX-License-Identifier: BSL-1.0

// An sse_client and a server that does everything wrong: what the application has had by then, what the next request
// says, and whether there is one.

#include <weir/sse_client.hpp>

#include WEIR_ASIO(awaitable.hpp)
#include WEIR_ASIO(buffer.hpp)
#include WEIR_ASIO(co_spawn.hpp)
#include WEIR_ASIO(detached.hpp)
#include WEIR_ASIO(error.hpp)
#include WEIR_ASIO(io_context.hpp)
#include WEIR_ASIO(ip/tcp.hpp)
#include WEIR_ASIO(redirect_error.hpp)
#include WEIR_ASIO(this_coro.hpp)
#include WEIR_ASIO(use_awaitable.hpp)
#include WEIR_ASIO(write.hpp)

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "support/scripted_server.hpp"
#include "support/sse_conversation.hpp"
#include "support/virtual_context.hpp"

namespace {

using namespace std::chrono_literals;
namespace net = weir::net;
namespace script = test::script;
using test::begun;
using test::chunked;
using test::closing;
using test::one_event;
using test::scripted_server;
using test::status_line;
using test::stop;
using test::stream_head;
using weir::error;
using weir::error_code;
using weir::milliseconds;
using weir::sse_client;
using weir::sse_client_options;

using conversation = test::sse_conversation;
using strings = std::vector<std::string>;
using optional_string = std::optional<std::string>;

/// A client that sends a text and keeps what comes, until the end.
struct bare_client {
    std::string received{};
    std::optional<error_code> end{};

    net::awaitable<void> run(std::uint16_t port, std::string text) {
        const auto executor = co_await net::this_coro::executor;
        net::ip::tcp::socket socket{executor};
        error_code ec;
        auto token = net::redirect_error(net::use_awaitable, ec);
        const net::ip::tcp::endpoint to{net::ip::address_v4::loopback(), port};
        co_await socket.async_connect(to, token);
        if (!ec) co_await net::async_write(socket, net::buffer(text), token);
        for (std::array<char, 1000> buffer{}; !ec;) {
            const std::size_t n = co_await socket.async_read_some(net::buffer(buffer), token);
            received.append(buffer.data(), n);
        }
        end = ec;
    }
    void start(net::io_context& context, const scripted_server& server, std::string text) {
        net::co_spawn(context, run(server.port(), std::move(text)), net::detached);
    }
};

}  // namespace

TEST_CASE("the server of these tests does what its script says", "[sse_client]") {
    net::io_context context;
    const auto what_it_said = [](const test::seen_request& r) { return r.field("x-y").value_or("-") + r.body; };
    scripted_server server{context,
                           {{script::send{"hello", 2}, script::wait{}, script::send{"!"}, script::close{}},
                            {script::answer{what_it_said}, script::next_request{}, script::answer{what_it_said},
                             script::receive{2}, script::reset{}}}};

    bare_client first;
    first.start(context, server, "GET /a HTTP/1.1\r\nHost: x\r\n\r\n");
    test::run_until(context, [&] { return first.received == "hello" && server.waiting() == 1; });
    CHECK(server.open() == 1);
    server.proceed();
    test::run_until(context, [&] { return first.end && server.open() == 0; });
    CHECK(first.received == "hello!");
    CHECK(first.end == net::error::eof);

    bare_client second;
    second.start(context, server,
                 "POST /a?b HTTP/1.1\r\nHost: x\r\nX-Y:  z\r\ncontent-length: 3\r\n\r\nabcGET / HTTP/1.1\r\n\r\n12");
    test::run_until(context, [&] { return second.end && server.open() == 0; });
    CHECK(second.received == "zabc-");
    CHECK(second.end == net::error::connection_reset);
    CHECK(server.received() == "12");
    REQUIRE(server.requests().size() == 3);
    CHECK(server.requests()[0].line() == "GET /a HTTP/1.1");
    CHECK(server.requests()[1].method() == "POST");
    CHECK(server.requests()[1].target() == "/a?b");
    CHECK_FALSE(server.requests()[1].field("x"));

    bare_client refused;
    refused.start(context, server, "");
    test::run_until(context, [&] { return refused.end.has_value(); });
    CHECK(refused.end == net::error::connection_refused);
    CHECK(server.connections() == 2);
}

namespace {

// ---- an answer cut at every byte ----

/// A part of a stream, and what is so once its last byte is there.
struct part {
    std::string_view text;
    std::optional<std::string_view> data;  ///< of the event that it completes
    std::string_view last_id;
    milliseconds retry;
};
const std::array parts{
    part{": hello\nretry: 20\n", {}, "", 20ms},
    part{"id: 1\ndata: one\n\n", "one", "1", 20ms},
    part{"retry: 30\r", {}, "1", 30ms},
    part{"\nevent: e\r\nid: 2\r\ndata: two\r\ndata: lines\r\n\r", "two\nlines", "2", 30ms},
    part{"\n:\n\ndata: no id of its own\n\n", "no id of its own", "2", 30ms},
    part{"id: 3\n\n", {}, "3", 30ms},
    part{"id\ndata: gr\xc3\xbc\xc3\x9f\n\n", "gr\xc3\xbc\xc3\x9f", "", 30ms},
    part{"id: \xe2\x82\xac\ndata\n\n", "", "\xe2\x82\xac", 30ms},
    part{"id: pending\ndata: never", {}, "\xe2\x82\xac", 30ms},
};

/// The parts as an answer, and how much of it there has to be for each.
struct framed_answer {
    std::string bytes;
    std::size_t head_size = 0;
    std::array<std::size_t, parts.size()> needed{};
};

std::string hexadecimal(std::size_t n) {
    std::array<char, 20> digits{};
    return {digits.data(), static_cast<std::size_t>(std::snprintf(digits.data(), digits.size(), "%zx", n))};
}

std::string all_text() {
    std::string text;
    for (const part& p : parts) text += p.text;
    return text;
}

/// With a Content-Length, or up to the connection's end.
framed_answer plain_answer(bool with_length) {
    const std::string body = all_text();
    framed_answer made;
    made.bytes = stream_head;
    if (with_length) made.bytes += "Content-Length: " + std::to_string(body.size()) + "\r\n";
    made.bytes += "\r\n";
    made.head_size = made.bytes.size();
    made.bytes += body;
    std::size_t size = made.head_size;
    for (std::size_t i = 0; i != parts.size(); ++i) made.needed[i] = size += parts[i].text.size();
    return made;
}

/// In chunks of at most `most` bytes, with an extension and a trailer field.
framed_answer chunked_answer(std::size_t most) {
    framed_answer made;
    made.bytes = stream_head + "Transfer-Encoding: chunked\r\n\r\n";
    made.head_size = made.bytes.size();
    const std::string body = all_text();
    std::size_t next_part = 0, complete_at = parts[0].text.size();
    for (std::size_t at = 0; at < body.size(); at += most) {
        const std::string_view chunk = std::string_view{body}.substr(at, most);
        made.bytes += hexadecimal(chunk.size()) + (at == 0 ? ";note=\"first\"" : "") + "\r\n";
        while (next_part != parts.size() && complete_at <= at + chunk.size()) {
            made.needed[next_part] = made.bytes.size() + (complete_at - at);
            if (++next_part != parts.size()) complete_at += parts[next_part].text.size();
        }
        made.bytes.append(chunk).append("\r\n");
    }
    made.bytes += "0\r\nX-Trailer: yes\r\n\r\n";
    return made;
}

/// What is to come of the first `size` bytes of an answer.
struct expectation {
    std::size_t opened = 0;
    strings data;
    optional_string last_id{};  // of the next request
    milliseconds retry{10};
};
expectation expected_of(const framed_answer& answer, std::size_t size) {
    expectation result;
    result.opened = size >= answer.head_size ? 1 : 0;
    for (std::size_t i = 0; i != parts.size() && answer.needed[i] <= size; ++i) {
        if (parts[i].data) result.data.emplace_back(*parts[i].data);
        result.last_id = parts[i].last_id.empty() ? optional_string{} : optional_string{parts[i].last_id};
        result.retry = parts[i].retry;
    }
    return result;
}

// A reset loses nothing here that has arrived: the kernel hands that out first.
void check_cut(const framed_answer& answer, std::size_t size, bool reset) {
    CAPTURE(size, reset);
    const expectation expected = expected_of(answer, size);
    script::connection first{script::send{answer.bytes.substr(0, size)}, script::wait{}};
    if (reset) first.emplace_back(script::reset{});
    const std::string next = stream_head + "\r\n\xef\xbb\xbf" + "data: after it\n\n";
    conversation c{{first, closing(next), closing(stop)}};
    c.run([&] { return c.opened == expected.opened && c.data.size() == expected.data.size(); });
    strings data = expected.data;
    data.emplace_back("after it");
    REQUIRE(c.opened == expected.opened + 1);
    REQUIRE(c.data == data);
    REQUIRE(c.ids.back() == expected.last_id.value_or(""));
    REQUIRE(c.delays == std::vector{expected.retry, expected.retry});
    REQUIRE(c.closed == error::stop_requested);
    const auto& requests = c.server.requests();
    REQUIRE(requests.size() == 3);
    REQUIRE(requests[0].field("Last-Event-ID") == std::nullopt);
    REQUIRE(requests[1].field("Last-Event-ID") == expected.last_id);
    REQUIRE(requests[2].field("Last-Event-ID") == expected.last_id);
}

}  // namespace

TEST_CASE("SSE client: an answer cut at any byte: what came before stands, and the rest is asked for", "[sse_client]") {
    const bool reset = GENERATE(false, true);
    SECTION("up to the connection's end") {
        const framed_answer answer = plain_answer(false);
        for (std::size_t size = 0; size <= answer.bytes.size(); ++size) check_cut(answer, size, reset);
    }
    SECTION("with a length") {
        const framed_answer answer = plain_answer(true);
        for (std::size_t size = 0; size <= answer.bytes.size(); ++size) check_cut(answer, size, reset);
    }
    SECTION("in chunks") {
        const framed_answer answer = chunked_answer(GENERATE(std::size_t{1}, std::size_t{7}, std::size_t{1000}));
        for (std::size_t size = 0; size <= answer.bytes.size(); ++size) check_cut(answer, size, reset);
    }
}

// ---- one fault, and the end ----

namespace {

/// A connection, and what comes of it.
struct fault {
    const char* what;
    script::connection connection;
    strings data;  ///< of the events; "one" has the id 1
    error reason;  ///< why it has ended; none: whatever the system says
};

script::connection resetting(std::string bytes) {
    return {script::send{std::move(bytes)}, script::wait{}, script::reset{}};
}

const std::vector<fault> passing_faults{
    // No answer, or not all of its head: as if the server had not been reached.
    {"closed without an answer", {}, {}, error::peer_closed},
    {"reset without an answer", {script::reset{}}, {}, error::none},
    {"closed in the status line", closing("HTTP/1.1 20"), {}, error::truncated},
    {"closed in the head", closing(stream_head), {}, error::truncated},
    {"closed after an interim answer", closing("HTTP/1.1 100 Continue\r\n\r\n"), {}, error::truncated},
    {"reset in the head", resetting(stream_head), {}, error::none},
    {"not HTTP", closing("SSH-2.0-server\r\n\r\n"), {}, error::bad_status_line},
    {"a field without a colon", closing(stream_head + "bogus\r\n\r\n"), {}, error::bad_field},
    {"two lengths",
     closing(stream_head + "Content-Length: 3\r\nContent-Length: 4\r\n\r\n:x\n"),
     {},
     error::bad_content_length},
    {"a length and chunks",
     closing(stream_head + "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n"),
     {},
     error::bad_content_length},

    // Whole bodies.
    {"an empty body", closing(stream_head + "Content-Length: 0\r\n\r\n"), {}, error::peer_closed},
    {"no chunks", closing(chunked + "0\r\n\r\n"), {}, error::peer_closed},
    {"nothing up to the end", closing(stream_head + "\r\n"), {}, error::peer_closed},
    {"interim answers first",
     closing("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + one_event),
     {"one"},
     error::peer_closed},
    {"bytes after the body", closing(one_event + one_event), {"one"}, error::peer_closed},
    {"a server that leaves the connection open",
     {script::send{one_event}, script::silence{}},
     {"one"},
     error::peer_closed},

    // Bodies that break off.
    {"no last chunk", closing(begun), {"one"}, error::truncated},
    {"reset between chunks", resetting(begun), {"one"}, error::none},
    {"half a chunk", closing(begun + "20\r\ndata: two\n"), {"one"}, error::truncated},
    {"an event in half a chunk", closing(begun + "20\r\ndata: two\n\n"), {"one", "two"}, error::truncated},
    {"half a last chunk", closing(begun + "0\r\n"), {"one"}, error::truncated},
    {"half a length",
     closing(stream_head + "Content-Length: 99\r\n\r\nid: 1\ndata: one\n\n"),
     {"one"},
     error::truncated},
    {"a chunk's size without end", closing(begun + "1;" + std::string(100'000, 'x')), {"one"}, error::truncated},

    // Chunks that are none.
    {"a chunk's size is no number", closing(begun + "zz\r\n"), {"one"}, error::bad_body},
    {"a chunk's size is negative", closing(begun + "-1\r\n"), {"one"}, error::bad_body},
    {"a chunk's size is out of range", closing(begun + "10000000000000000\r\n"), {"one"}, error::bad_body},
    {"a chunk is longer than its size", closing(begun + "3\r\n:hello\n\r\n0\r\n\r\n"), {"one"}, error::bad_body},
    {"a chunk's size ends with LF", closing(begun + "2\n:\n\r\n0\r\n\r\n"), {"one"}, error::bad_body},
};

const std::string long_text(20'000, 'x');
const std::string many_lines = "data: " + long_text.substr(0, 9'000) + "\ndata: " + long_text.substr(0, 9'000) + "\n";
const std::vector<fault> lasting_faults{
    {"a head that is too large", closing(stream_head + "X-Long: " + long_text + "\r\n\r\n"), {}, error::head_too_large},
    {"a line that is too long", closing(begun + "5000\r\ndata: " + long_text), {"one"}, error::line_too_long},
    {"an event that is too large", closing(begun + "5000\r\n" + many_lines), {"one"}, error::event_too_large},
    {"a transfer coding nobody asked for",
     closing(stream_head + "Transfer-Encoding: gzip, chunked\r\n\r\n"),
     {},
     error::unsupported_coding},
    {"a content coding nobody asked for",
     closing(stream_head + "Content-Encoding: br\r\n\r\ndata: one\n\n"),
     {},
     error::unsupported_coding},
};

}  // namespace

TEST_CASE("SSE client: faults that may pass: it comes back for what is missing", "[sse_client]") {
    for (const fault& f : passing_faults) {
        CAPTURE(f.what);
        conversation c{{f.connection, closing(stop)}};
        c.run([&] { return c.data.size() == f.data.size(); });
        CHECK(c.data == f.data);
        REQUIRE(c.reasons.size() == 1);
        CHECK(c.reasons[0] != error_code{});
        if (f.reason != error::none) CHECK(c.reasons[0] == f.reason);
        REQUIRE(c.server.requests().size() == 2);
        CHECK(c.server.requests()[1].field("Last-Event-ID") == (f.data.empty() ? optional_string{} : "1"));
    }
}

TEST_CASE("SSE client: faults that would be met again end it", "[sse_client]") {
    for (const fault& f : lasting_faults) {
        CAPTURE(f.what);
        conversation c{{f.connection, closing(stop)},
                       {.limits = {.max_line_bytes = 10'000, .max_event_bytes = 12'000}}};
        c.run();
        CHECK(c.data == f.data);
        CHECK(c.closed == f.reason);
        CHECK(c.reasons.empty());
        CHECK(c.server.requests().size() == 1);
    }
}

TEST_CASE("SSE client: an answer byte by byte", "[sse_client]") {
    for (const framed_answer& answer : {plain_answer(false), plain_answer(true), chunked_answer(5)}) {
        conversation c{{{script::send{answer.bytes, 1}}, closing(stop)}};
        c.run();
        CHECK(c.data == expected_of(answer, answer.bytes.size()).data);
        CHECK(c.ids == strings{"1", "2", "2", "", "\xe2\x82\xac"});
    }
}

TEST_CASE("SSE client: events written one by one are told one by one", "[sse_client]") {
    script::connection steps{script::send{chunked}};
    for (int i = 0; i != 5; ++i) {
        steps.emplace_back(script::wait{});
        steps.emplace_back(script::send{"9\r\ndata: " + std::to_string(i) + "\n\n\r\n"});
    }
    conversation c{{steps, closing(stop)}};
    test::run_until(c.context, [&] { return c.opened == 1; });
    for (std::size_t i = 0; i != 5; ++i) {
        CHECK(c.data.size() == i);
        c.server.proceed();
        test::run_until(c.context, [&] { return c.data.size() > i; });
    }
    CHECK(c.data == strings{"0", "1", "2", "3", "4"});
}

// ---- silence, refusal ----

TEST_CASE("SSE client: silence ends a stream if there is a read timeout, and it comes back", "[sse_client]") {
    conversation c{{{script::send{begun}, script::silence{}}, closing(stop)}, {.read_timeout = 5s}};
    test::run_until(c.context, [&] { return c.server.waiting() == 1 && c.data.size() == 1; });
    c.context.pass(4'900ms);
    CHECK(c.reasons.empty());
    c.context.pass(200ms);
    c.run();
    CHECK(c.reasons == std::vector{make_error_code(error::read_timed_out)});
    CHECK(c.closed == error::stop_requested);
    CHECK(c.server.requests().at(1).field("Last-Event-ID") == "1");
}

TEST_CASE("SSE client: without a read timeout it waits for as long as it takes", "[sse_client]") {
    conversation c{{{script::send{begun}, script::wait{}, script::send{"0\r\n\r\n"}}, closing(stop)}};
    test::run_until(c.context, [&] { return c.server.waiting() == 1 && c.data.size() == 1; });
    c.context.pass(1000h);
    CHECK(c.reasons.empty());
    c.run();
    CHECK(c.closed == error::stop_requested);
}

TEST_CASE("SSE client: a head that does not end in time", "[sse_client]") {
    for (const std::string& text :
         {std::string{}, std::string{"HTTP/1.1 200"}, stream_head, std::string{"HTTP/1.1 100 Continue\r\n\r\n"}}) {
        CAPTURE(text);
        conversation c{{{script::send{text}, script::silence{}}, closing(stop)}, {.connect_timeout = 3s}};
        test::run_until(c.context, [&] { return c.server.waiting() == 1; });
        c.context.pass(2'900ms);
        CHECK(c.reasons.empty());
        c.context.pass(200ms);
        c.run();
        CHECK(c.reasons == std::vector{make_error_code(error::connect_timed_out)});
        CHECK(c.opened == 0);
        CHECK(c.server.requests().size() == 2);
    }
}

TEST_CASE("SSE client: nobody listens: it tries for as long as its policy says", "[sse_client]") {
    test::virtual_context context;
    scripted_server server{context, {}};
    unsigned attempts = 0;
    std::optional<error_code> closed;
    sse_client client{context.context(),
                      server.url(),
                      {.reconnect = weir::exponential_backoff{.max_attempts = 4},
                       .before_attempt = [&](weir::sse_attempt&) { ++attempts; }}};
    bool retrying = false;
    client.handle_with({.on_retry = [&](error_code, milliseconds) { retrying = true; },
                        .on_close = [&](error_code why) { closed = why; }});
    while (!closed) {
        if (std::exchange(retrying, false)) {
            context.pass(40s);  // longer than any delay of the policy
        } else {
            test::run_one(context);
        }
    }
    CHECK(closed == net::error::connection_refused);
    CHECK(attempts == 5);
    CHECK(client.is_closed());
}

TEST_CASE("SSE client: close() in the midst of anything ends the connection, and nothing is told any more",
          "[sse_client]") {
    const std::vector<script::connection> connections{
        {script::silence{}},
        {script::send{"HTTP/1.1 2"}, script::silence{}},
        {script::send{chunked}, script::silence{}},
        {script::send{begun + "20\r\ndata: "}, script::silence{}},
        {script::send{status_line(500) + "Content-Length: 100\r\n\r\nwhat"}, script::silence{}},
    };
    for (const script::connection& connection : connections) {
        conversation c{{connection}};
        test::run_until(c.context, [&] { return c.server.waiting() == 1; });
        c.client->close();
        const auto events = c.data.size();
        test::run_until(c.context, [&] { return c.server.open() == 0; });
        c.context.pass(1h);
        CHECK(c.data.size() == events);
        CHECK(c.reasons.empty());
        CHECK_FALSE(c.closed);
        CHECK(c.client->end_reason() == error_code{});
        CHECK(c.server.connections() == 1);
    }
}

// ---- end markers ----

TEST_CASE("SSE client: an end marker ends it in good order; an end without it does not", "[sse_client]") {
    const std::string tokens = stream_head + "\r\ndata: to\n\ndata: be\n\n";
    const sse_client_options options{.body = "question", .end_marker = "[DONE]"};
    conversation whole{{closing(tokens + "data: [DONE]\n\ndata: more\n\n")}, options};
    whole.run();
    CHECK(whole.data == strings{"to", "be"});
    CHECK(whole.closed == error_code{});
    CHECK(whole.reasons.empty());
    conversation cut{{closing(tokens), closing(stream_head + "\r\ndata: [DONE]\n\n")}, options};
    cut.run();
    CHECK(cut.data == strings{"to", "be"});
    CHECK(cut.reasons.size() == 1);
    CHECK(cut.server.requests().at(1).body == "question");
}

TEST_CASE("SSE client: an event that reports an error ends it", "[sse_client]") {
    const std::string text = stream_head + "\r\ndata: to\n\nevent: error\ndata: overloaded\n\ndata: more\n\n";
    conversation reporting{{closing(text)}, {.error_event = "error"}};
    reporting.run();
    CHECK(reporting.data == strings{"to"});
    CHECK(reporting.closed == error::reported_by_server);
    CHECK(reporting.client->failure().text == "overloaded");
    conversation other{{closing(text), closing(stop)}};
    other.run();
    CHECK(other.data == strings{"to", "overloaded", "more"});
}

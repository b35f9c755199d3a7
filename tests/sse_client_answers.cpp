// SPDX-License-Identifier: BSL-1.0

// An sse_client and what a server may answer: statuses, types of content, redirects.

#include <weir/sse_client.hpp>

#include <chrono>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "support/scripted_server.hpp"
#include "support/sse_conversation.hpp"

namespace {

using namespace std::chrono_literals;
namespace script = test::script;
using test::chunked;
using test::closing;
using test::one_event;
using test::plain_text;
using test::scripted_server;
using test::status_line;
using test::stop;
using weir::error;
using weir::milliseconds;
using weir::sse_client;

using conversation = test::sse_conversation;
using strings = std::vector<std::string>;

// ---- statuses ----

bool is_redirect(int status) { return status >= 301 && status <= 308 && (status <= 303 || status >= 307); }

}  // namespace

TEST_CASE("SSE client: any status but 200 ends it, at once and after a reconnect", "[sse_client]") {
    const bool later = GENERATE(false, true);
    for (int status = 201; status != 600; ++status) {
        if (status == 204 || is_redirect(status)) continue;
        CAPTURE(status, later);
        const std::string text = status == 304 ? "" : "data: no event\n\n";  // a 304 has no body
        std::vector<script::connection> connections;
        if (later) connections.push_back(closing(one_event));
        connections.push_back(closing(plain_text(status, "Content-Type: text/event-stream\r\n", text)));
        conversation c{std::move(connections)};
        c.run();
        REQUIRE(c.closed == error::unexpected_status);
        REQUIRE(c.client->failure().status == status);
        REQUIRE(c.client->failure().text == text);
        REQUIRE(c.data == (later ? strings{"one"} : strings{}));
        REQUIRE(c.reasons.size() == (later ? 1 : 0));
    }
}

TEST_CASE("SSE client: 204 is the server's wish that it stay away", "[sse_client]") {
    const std::string with_a_type = "HTTP/1.1 204 Stop\r\nContent-Type: text/event-stream\r\n\r\ndata: x\n\n";
    conversation c{{closing(one_event), closing(with_a_type)}};
    c.run();
    CHECK(c.closed == error::stop_requested);
    CHECK(c.data == strings{"one"});
    CHECK(c.opened == 1);
}

TEST_CASE("SSE client: what an error says is kept, and no more of it than 8 KiB", "[sse_client]") {
    const std::string text(8192, 'x'), head = status_line(503);
    const std::vector<script::connection> answers{
        {script::send{head + "Content-Length: 8192\r\n\r\n" + text}, script::silence{}},
        {script::send{head + "Content-Length: 1000000\r\n\r\n" + text + text}, script::silence{}},
        {script::send{head + "Transfer-Encoding: chunked\r\n\r\n2000\r\n" + text + "\r\n0\r\n\r\n"}, script::silence{}},
        {script::send{head + "\r\n" + text}},
        {script::send{head + "\r\n" + text + text}, script::silence{}},
        {script::send{head + "Content-Length: 1000000\r\n\r\n" + text, 1000}},
    };
    for (const script::connection& answer : answers) {
        conversation c{{answer}};
        c.run();
        CHECK(c.closed == error::unexpected_status);
        CHECK(c.client->failure().status == 503);
        CHECK(c.client->failure().text == text);
    }
}

TEST_CASE("SSE client: what an error says is waited for no longer than for an answer", "[sse_client]") {
    conversation c{{{script::send{status_line(500) + "Content-Length: 100\r\n\r\nbecause"}, script::silence{}}},
                   {.connect_timeout = 3s}};
    test::run_until(c.context, [&] { return c.server.waiting() == 1; });
    c.context.pass(2'900ms);
    CHECK_FALSE(c.closed);
    c.context.pass(200ms);
    c.run();
    CHECK(c.closed == error::unexpected_status);
    CHECK(c.client->failure().text == "because");
}

TEST_CASE("SSE client: busy servers are asked again if that is wanted, when they say", "[sse_client]") {
    for (const int status : {429, 500, 502, 503, 504}) {
        CAPTURE(status);
        conversation c{{closing(plain_text(status, "Retry-After: 7\r\n")), closing(plain_text(status)),
                        closing(one_event), closing(plain_text(404, "Retry-After: 1\r\n"))},
                       {.retry_server_errors = true}};
        c.run();
        CHECK(c.delays == std::vector<milliseconds>{7s, 10ms, 10ms});
        CHECK(c.reasons.at(0) == error::unexpected_status);
        CHECK(c.data == strings{"one"});
        CHECK(c.client->failure().status == 404);
    }
    for (const int status : {400, 401, 403, 404, 408, 410, 501, 505}) {
        CAPTURE(status);
        conversation c{{closing(plain_text(status, "Retry-After: 7\r\n"))}, {.retry_server_errors = true}};
        c.run();
        CHECK(c.closed == error::unexpected_status);
        CHECK(c.reasons.empty());
    }
}

// ---- content types ----

TEST_CASE("SSE client: content types that are an event stream, and others", "[sse_client]") {
    const auto answer = [](std::string_view fields) {
        return closing("HTTP/1.1 200 OK\r\n" + std::string{fields} + "\r\ndata: one\n\n");
    };
    for (const std::string_view type :
         {"text/event-stream", "TEXT/Event-Stream", "text/event-stream;", "text/event-stream; charset=utf-8",
          "text/event-stream;charset=\"UTF-8\"", "text/event-stream ; x=y", "text/event-stream;charset=latin1"}) {
        CAPTURE(type);
        conversation c{{answer("Content-Type: " + std::string{type} + "\r\n"), closing(stop)}};
        c.run();
        CHECK(c.data == strings{"one"});
        CHECK(c.closed == error::stop_requested);
    }
    for (const std::string_view fields :
         {"", "Content-Type: text/plain\r\n", "Content-Type: x bogus\r\n", "Content-Type: text/event-streams\r\n",
          "Content-Type: text/event-stream, text/plain\r\n", "Content-Type: text/plain, text/event-stream\r\n",
          "Content-Type:\r\n", "Content-Type: text/html; text/event-stream\r\n"}) {
        CAPTURE(fields);
        conversation c{{answer(fields)}};
        c.run();
        CHECK(c.closed == error::not_event_stream);
        CHECK(c.data.empty());
        CHECK(c.opened == 0);
    }
}

// ---- redirects ----

namespace {

std::string redirect_to(std::string_view location, int status = 302) {
    return plain_text(status, "Location: " + std::string{location} + "\r\n");
}

}  // namespace

TEST_CASE("SSE client: each redirect with each method", "[sse_client]") {
    struct row {
        std::string_view method, method_after;
        std::vector<int> statuses;
    };
    const std::vector<row> rows{{"GET", "GET", {301, 302, 303, 307, 308}},
                                {"POST", "GET", {301, 302, 303}},
                                {"POST", "POST", {307, 308}},
                                {"PUT", "GET", {303}},
                                {"PUT", "PUT", {301, 302, 307, 308}}};
    for (const auto& [method, method_after, statuses] : rows) {
        for (const int status : statuses) {
            CAPTURE(method, status);
            const std::string body = method == "GET" ? "" : "question";
            conversation c{{closing(redirect_to("/there?a=b", status)), closing(one_event), closing(stop)},
                           {.method = std::string{method},
                            .fields = {{"Authorization", "secret"}},
                            .body = body,
                            .last_event_id = "0"}};
            c.run();
            const auto& requests = c.server.requests();
            REQUIRE(requests.size() == 3);
            CHECK(requests[1].line() == std::string{method_after} + " /there?a=b HTTP/1.1");
            CHECK(requests[1].body == (method_after == "GET" ? "" : body));
            CHECK(requests[1].field("Content-Length").has_value() == (method_after != "GET"));
            CHECK(requests[1].field("Authorization") == "secret");
            CHECK(requests[1].field("Last-Event-ID") == "0");
            // A reconnect begins anew, where the first attempt did.
            CHECK(requests[2].line() == std::string{method} + " /stream HTTP/1.1");
            CHECK(requests[2].body == body);
            CHECK(requests[2].field("Last-Event-ID") == "1");
            CHECK(c.opened == 1);
        }
    }
}

TEST_CASE("SSE client: where a redirect leads", "[sse_client]") {
    struct row {
        std::string_view location, target;
    };
    const std::vector<row> rows{{"there", "/a/there"},        {"./there", "/a/there"}, {"../there#part", "/there"},
                                {"../../../there", "/there"}, {"/x/./y/../z", "/x/z"}, {"?q", "/a/b?q"},
                                {"//HOST/y", "/y"},           {"http://HOST", "/"},    {"HTTP://HOST?q", "/?q"}};
    for (const auto& [location, target] : rows) {
        CAPTURE(location);
        const auto answer = [to = std::string{location}](const test::seen_request& request) mutable {
            if (const auto at = to.find("HOST"); at != std::string::npos) to.replace(at, 4, *request.field("Host"));
            return redirect_to(to);
        };
        conversation c{{{script::answer{answer}}, closing(stop)}, {}, scripted_server::afterwards::refuse, "/a/b?c=d"};
        c.run();
        REQUIRE(c.server.requests().size() == 2);
        CHECK(c.server.requests()[1].target() == target);
        CHECK(c.closed == error::stop_requested);
    }
}

TEST_CASE("SSE client: redirects that lead nowhere end it", "[sse_client]") {
    for (const std::string_view fields :
         {"", "Location:\r\n", "Location: /a\r\nLocation: /b\r\n", "Location: ftp://example.com/\r\n",
          "Location: ws://127.0.0.1/\r\n", "Location: http://\r\n", "Location: http://a b/\r\n",
          "Location: http://127.0.0.1:99999/\r\n"}) {
        CAPTURE(fields);
        conversation c{{closing(plain_text(307, fields))}};
        c.run();
        CHECK(c.closed == error::bad_redirect);
        CHECK(c.server.requests().size() == 1);
        CHECK(c.opened == 0);
    }
}

TEST_CASE("SSE client: a loop of redirects ends after as many as are allowed", "[sse_client]") {
    for (const unsigned most : {0u, 1u, 20u}) {
        for (const std::string_view to : {"/stream", "?", "/elsewhere"}) {
            CAPTURE(most, to);
            conversation c{
                {closing(redirect_to(to))}, {.max_redirects = most}, scripted_server::afterwards::repeat_last};
            c.run();
            CHECK(c.closed == error::too_many_redirects);
            CHECK(c.server.requests().size() == most + 1);
            CHECK(c.reasons.empty());
        }
    }
}

TEST_CASE("SSE client: as many redirects as are allowed are followed, for each attempt", "[sse_client]") {
    const script::connection hop = closing(redirect_to("/next"));
    conversation c{{hop, hop, closing(one_event), hop, hop, closing(stop)}, {.max_redirects = 2}};
    c.run();
    CHECK(c.closed == error::stop_requested);
    CHECK(c.data == strings{"one"});
}

TEST_CASE("SSE client: to another origin goes the last id, and no secret", "[sse_client]") {
    std::string elsewhere;
    const auto away = [&](const test::seen_request&) { return redirect_to(elsewhere, 307); };
    conversation c{{{script::answer{away}}, closing(stop)},
                   {.fields = {{"Authorization", "secret"}, {"Cookie", "a=b"}, {"X-Mine", "1"}, {"User-Agent", "me"}},
                    .last_event_id = "41"}};
    scripted_server other{c.context, {closing(one_event)}};  // another port is another origin
    elsewhere = other.url("/there");
    c.run();
    REQUIRE(other.requests().size() == 1);
    const test::seen_request& request = other.requests()[0];
    CHECK(request.field("Host") == "127.0.0.1:" + std::to_string(other.port()));
    for (const std::string_view secret : {"Authorization", "Cookie", "X-Mine"}) CHECK_FALSE(request.field(secret));
    CHECK(request.field("User-Agent") == "me");
    CHECK(request.field("Last-Event-ID") == "41");
    CHECK(c.data == strings{"one"});
    CHECK(c.client->origin() == other.url(""));
    // Back where it came from they are sent again.
    REQUIRE(c.server.requests().size() == 2);
    CHECK(c.server.requests()[1].field("Authorization") == "secret");
    CHECK(c.server.requests()[1].field("Last-Event-ID") == "1");
}

TEST_CASE("SSE client: it may come back to where a redirect has led", "[sse_client]") {
    conversation c{{closing(redirect_to("/there")), closing(one_event), closing(stop)},
                   {.reconnect_to = weir::sse_reconnect_to::final_url}};
    c.run();
    CHECK(c.server.requests().at(2).target() == "/there");
}

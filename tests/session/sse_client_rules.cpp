// SPDX-License-Identifier: BSL-1.0
#include <weir/session/sse_client_rules.hpp>

#include <weir/session/sse_client_session.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "catch.hpp"
#include "support/errc.hpp"
#include "support/sse_client_fixture.hpp"

// The rules of event streams for a client: WHATWG HTML, its web-platform-tests, and what browsers and npm eventsource
// were seen to do. Rules 21, 34 and 36 are facts about browsers that have nothing to say here.

using namespace std::literals;
using test::any_answer;
using test::chunk;
using test::chunked_sse_answer;
using test::sse_answer;
using weir::error;
using weir::milliseconds;

namespace {

using fixture = test::sse_client_fixture;
using state = fixture::state;
using step = fixture::step;
using reports = std::vector<std::string>;

const std::string end_of_stream = "lost: peer closed the connection, 3000";
const std::string cut_off = "lost: stream ended within a message, 3000";
const std::string bad_status = "closed: answered with another status than 200";
const std::string bad_type = "closed: answer is not text/event-stream";

std::string redirect_to(std::string_view location, std::string_view status = "302") {
    return any_answer(status, "Location: " + std::string{location} + "\r\n");
}

bool has_line(const std::string& request, std::string_view line) {
    return request.find("\r\n" + std::string{line} + "\r\n") != std::string::npos;
}

bool has_field(const std::string& request, std::string_view name) {
    return request.find("\r\n" + std::string{name} + ":") != std::string::npos;
}

std::string request_after(fixture& client, std::string_view stream) {
    client.answer(sse_answer(stream));
    return client.connect();
}

reports answered_once(std::string_view bytes) { return fixture{}.answer(bytes); }

fixture::settings with_token() {
    auto how = fixture::quick();
    how.fields = {{"Authorization", "secret"}, {"Accept-Language", "de"}};
    return how;
}

}  // namespace

TEST_CASE("SSE client rule 1: connecting from the beginning, and an invalid URL is an error at once",
          "[session][sse_client]") {
    fixture good;
    CHECK(good.start_error == error::none);
    CHECK(good.client.current_state() == state::connecting);
    for (const auto url :
         {""sv, "/events"sv, "ws://example.com/"sv, "ftp://example.com"sv, "http://"sv, "http://a b/"sv}) {
        CAPTURE(url);
        fixture bad{fixture::quick(), url};
        CHECK(bad.start_error == error::bad_argument);
        CHECK(bad.client.current_state() == state::closed);
        CHECK(bad.client.end_reason() == error::bad_argument);
    }
}

TEST_CASE("SSE client rule 2: a 200 of the right type opens it, once, before any byte of the body",
          "[session][sse_client]") {
    fixture client;
    client.connect();
    CHECK(client.receive(sse_answer("")) == step::need_more);
    CHECK(client.take_log() == reports{"open"});
    CHECK(client.client.current_state() == state::open);
    client.receive(": nothing\n\ndata: x\n\n");
    CHECK(client.take_log() == reports{"message|x|"});
}

TEST_CASE("SSE client rule 3: a lost connection is told, waited for and asked for again", "[session][sse_client]") {
    fixture client;
    CHECK(client.answer(sse_answer("data: x\n\n")) == reports{"open", "message|x|", end_of_stream});
    CHECK(client.client.current_state() == state::waiting);
    CHECK(client.client.retry_at() == client.now + 3s);
    CHECK(client.client.loss() == error::peer_closed);
    CHECK(client.client.retry_now());
    CHECK(client.client.current_state() == state::connecting);
    CHECK(client.client.retry_at() == weir::never);
}

TEST_CASE("SSE client rule 4: a failure is told once, and nothing comes after it", "[session][sse_client]") {
    fixture client;
    CHECK(client.answer(any_answer("404", "Content-Length: 0\r\n")) == reports{bad_status});
    CHECK(client.client.current_state() == state::closed);
    CHECK_FALSE(client.client.retry_now());
    CHECK(client.client.retry_at() == weir::never);
    CHECK(client.client.end_reason() == error::unexpected_status);
    client.client.close();
    CHECK(client.client.end_reason() == error::unexpected_status);
}

TEST_CASE("SSE client rule 5: close() ends an attempt, a stream, a pause, and what is left of the input",
          "[session][sse_client]") {
    fixture asking;
    asking.connect();
    asking.client.close();
    CHECK(asking.client.current_state() == state::closed);
    CHECK(asking.receive(sse_answer("data: x\n\n")) == step::closed);

    fixture open;
    open.connect();
    const auto answer = sse_answer("data: 1\n\ndata: 2\n\n");
    std::string_view in = answer;
    CHECK(open.client.receive(in, open.now) == step::opened);
    CHECK(open.client.receive(in, open.now) == step::event);
    open.client.close();
    CHECK(open.client.receive(in, open.now) == step::closed);
    CHECK(in.empty());
    CHECK(open.end(error::read_timed_out) == step::closed);
    CHECK_FALSE(open.client.end_reason());

    fixture waiting;
    waiting.answer(sse_answer(""));
    waiting.client.close();
    CHECK(waiting.client.current_state() == state::closed);
    CHECK(waiting.client.retry_at() == weir::never);
    CHECK_FALSE(waiting.client.retry_now());
}

TEST_CASE("SSE client rule 6: any status but 200 is for good", "[session][sse_client]") {
    for (const auto status : {"201", "202", "205", "206", "304", "400", "401", "403", "404", "408", "410",
                              "429", "500", "502", "503", "504", "300", "305", "306", "999", "101"}) {
        CAPTURE(status);
        CHECK(answered_once(any_answer(status, "Content-Type: text/event-stream\r\n", "data: x\n\n")) ==
              reports{bad_status});
    }
}

TEST_CASE("SSE client rule 7: and so it is on a reconnect", "[session][sse_client]") {
    for (const auto status : {"404", "500", "503"}) {
        fixture client;
        client.answer(sse_answer("data: x\n\n"));
        CHECK(client.answer(any_answer(status)) == reports{bad_status});
        CHECK(client.client.current_state() == state::closed);
    }
}

TEST_CASE("SSE client rule 8: 204 is the server's signal to stop, of whatever type", "[session][sse_client]") {
    const reports stopped{"closed: client asked not to reconnect"};
    CHECK(answered_once(any_answer("204")) == stopped);
    CHECK(answered_once(any_answer("204", "Content-Type: text/event-stream\r\n")) == stopped);
    auto how = fixture::quick();
    how.retry_server_errors = true;
    fixture client{how};
    CHECK(client.answer(any_answer("204", "Retry-After: 1\r\n")) == stopped);
    CHECK(client.client.end_reason() == error::stop_requested);
    CHECK(client.client.failure().status == 204);
}

TEST_CASE("SSE client rule 9: errors of the server are tried again only if one wishes, after Retry-After",
          "[session][sse_client]") {
    CHECK(answered_once(any_answer("503", "Retry-After: 1\r\n")) == reports{bad_status});
    auto how = fixture::quick();
    how.retry_server_errors = true;
    const auto lost = [](std::string_view delay) {
        return reports{"lost: answered with another status than 200, " + std::string{delay}};
    };
    for (const auto status : {"429", "500", "502", "503", "504"}) {
        CHECK(fixture{how}.answer(any_answer(status)) == lost("3000"));
        CHECK(fixture{how}.answer(any_answer(status, "Retry-After: 10\r\n")) == lost("10000"));
        CHECK(fixture{how}.answer(any_answer(status, "Retry-After: 1\r\n")) == lost("3000"));
    }
    CHECK(fixture{how}.answer(any_answer("503", "Retry-After: Fri, 01 Jan 2027 00:00:00 GMT\r\n")) == lost("3000"));
    for (const auto status : {"400", "401", "404", "408", "501", "505"}) {
        CHECK(fixture{how}.answer(any_answer(status, "Retry-After: 10\r\n")) == reports{bad_status});
    }
}

TEST_CASE("SSE client rule 10: the type in any case, with any parameters", "[session][sse_client]") {
    for (const auto type :
         {"text/event-stream", "Text/Event-STREAM", "text/event-stream;", "text/event-stream ; charset=utf-8",
          "text/event-stream;x=\"a,b\"", "text/event-stream;bogus"}) {
        CAPTURE(type);
        CHECK(answered_once(any_answer("200", "Content-Type: " + std::string{type} + "\r\n")) ==
              reports{"open", end_of_stream});
    }
}

TEST_CASE("SSE client rule 11: another type, none, or a list is for good", "[session][sse_client]") {
    CHECK(answered_once(any_answer("200")) == reports{bad_type});
    for (const auto type :
         {"", "text/plain", "x bogus", "text/event-stream x", "text/event-streams", "text/event-stream,text/plain",
          "text/event-stream,", "text/event-stream, text/event-stream", "\"text/event-stream\""}) {
        CAPTURE(type);
        CHECK(answered_once(any_answer("200", "Content-Type: " + std::string{type} + "\r\n")) == reports{bad_type});
    }
    CHECK(answered_once(sse_answer("", "Content-Type: text/event-stream\r\n")) == reports{bad_type});
}

TEST_CASE("SSE client rule 12: whatever the charset says, the bytes are UTF-8", "[session][sse_client]") {
    CHECK(answered_once(any_answer("200", "Content-Type: text/event-stream; charset=windows-1252\r\n",
                                   "data: \xc3\xa4\n\n")) == reports{"open", "message|\xc3\xa4|", end_of_stream});
}

TEST_CASE("SSE client rule 13: redirects are followed", "[session][sse_client]") {
    for (const auto status : {"301", "302", "303", "307", "308"}) {
        fixture client;
        CHECK(client.connect().starts_with("GET /events HTTP/1.1\r\nHost: example.com\r\n"));
        CHECK(client.receive(redirect_to("/there?x", status)) == step::redirected);
        CHECK(client.take_log() == reports{"redirected http://example.com/there?x"});
        CHECK(client.client.current_state() == state::connecting);
        CHECK(client.client.request().starts_with("GET /there?x HTTP/1.1\r\nHost: example.com\r\n"));
        client.receive(sse_answer("data: x\n\n"));
        CHECK(client.take_log() == reports{"open", "message|x|"});
    }
    auto how = fixture::quick();
    how.body = "{}";
    how.fields = {{"Content-Type", "application/json"}};
    for (const auto status : {"301", "302", "303", "307", "308"}) {
        fixture client{how};
        client.connect();
        client.receive(redirect_to("/b", status));
        const bool kept = "307"sv == status || "308"sv == status;
        const std::string request{client.client.request()};
        CHECK(request.starts_with(kept ? "POST /b " : "GET /b "));
        CHECK(request.ends_with(kept ? "\r\n\r\n{}" : "\r\n\r\n"));
        CHECK(has_field(request, "Content-Type") == kept);
    }
}

TEST_CASE("SSE client rule 14: no Location fails, and so does a loop, after twenty", "[session][sse_client]") {
    const reports bad{"closed: redirected without a usable Location"};
    CHECK(answered_once(any_answer("302")) == bad);
    CHECK(answered_once(redirect_to("ftp://example.com/")) == bad);
    fixture client;
    client.connect();
    for (int i = 0; i < 20; ++i) REQUIRE(client.receive(redirect_to("/events")) == step::redirected);
    client.take_log();
    CHECK(client.receive(redirect_to("/events")) == step::closed);
    CHECK(client.take_log() == reports{"closed: too many redirects"});

    // The next attempt counts anew.
    auto how = fixture::quick();
    how.max_redirects = 1;
    fixture again{how};
    for (int i = 0; i < 3; ++i) {
        again.connect();
        again.receive(redirect_to("/b"));
        again.receive(sse_answer(""));
        again.end();
        CHECK(again.take_log() == reports{"redirected http://example.com/b", "open", end_of_stream});
    }
}

TEST_CASE("SSE client rule 15: the origin is that of the final URL", "[session][sse_client]") {
    fixture client;
    CHECK(client.client.origin().empty());
    client.connect();
    client.receive(redirect_to("https://Other.example:444/x"));
    client.receive(sse_answer("data: x\n\n"));
    CHECK(client.client.origin() == "https://other.example:444");
    client.end();
    client.connect();
    client.receive(sse_answer("data: x\n\n"));
    CHECK(client.client.origin() == "http://example.com");
}

TEST_CASE("SSE client rule 16: a reconnect goes to the original URL, or to the final one", "[session][sse_client]") {
    for (const auto to : {weir::sse_reconnect_to::original_url, weir::sse_reconnect_to::final_url}) {
        auto how = with_token();
        how.reconnect_to = to;
        how.body = "{}";
        fixture client{how};
        client.connect();
        client.receive(redirect_to("http://other.example/b", "303"));
        client.receive(sse_answer("id: 1\n\n"));
        client.end();
        const auto request = client.connect();
        const bool original = to == weir::sse_reconnect_to::original_url;
        CHECK(request.starts_with(original ? "POST /events HTTP/1.1\r\nHost: example.com\r\n"
                                           : "GET /b HTTP/1.1\r\nHost: other.example\r\n"));
        // What was not to cross the origin on the way does not cross it now.
        CHECK(has_line(request, "Authorization: secret") == original);
        CHECK(has_line(request, "Accept-Language: de"));
        CHECK(has_line(request, "Last-Event-ID: 1"));
    }
}

TEST_CASE("SSE client rule 16: the final URL is that of a stream, not of a failure", "[session][sse_client]") {
    auto how = fixture::quick();
    how.reconnect_to = weir::sse_reconnect_to::final_url;
    fixture client{how};
    client.connect();
    client.receive(redirect_to("/b"));
    client.end(error::connect_timed_out);
    CHECK(client.connect().starts_with("GET /events "));
}

TEST_CASE("SSE client rule 17: what may be a secret never crosses an origin on a redirect", "[session][sse_client]") {
    fixture client{with_token()};
    CHECK(has_line(client.connect(), "Authorization: secret"));
    client.receive(redirect_to("/same"));
    CHECK(has_line(std::string{client.client.request()}, "Authorization: secret"));
    client.receive(redirect_to("http://other.example/"));
    CHECK_FALSE(has_field(std::string{client.client.request()}, "Authorization"));
    CHECK(has_line(std::string{client.client.request()}, "Accept-Language: de"));
    client.receive(redirect_to("http://example.com/events"));
    CHECK_FALSE(has_field(std::string{client.client.request()}, "Authorization"));
}

TEST_CASE("SSE client rule 18: the body's end, of any kind, reestablishes", "[session][sse_client]") {
    const reports seen{"open", "message|x|", end_of_stream};
    CHECK(answered_once(sse_answer("data: x\n\n")) == seen);
    for (const auto& whole : {sse_answer("data: x\n\n", "Content-Length: 9\r\n"),
                              chunked_sse_answer(chunk("data: x\n\n") + "0\r\nTrailer: y\r\n\r\n")}) {
        fixture client;
        client.connect();
        CHECK(client.receive(whole) == step::lost);
        CHECK(client.take_log() == seen);
    }
}

TEST_CASE("SSE client rule 19: what was delivered stands, the partial event is dropped", "[session][sse_client]") {
    const reports seen{"open", "message|x|1", cut_off};
    CHECK(answered_once(chunked_sse_answer(chunk("id: 1\ndata: x\n\ndata: y\n"))) == seen);
    CHECK(answered_once(chunked_sse_answer("20\r\nid: 1\ndata: x\n\ndata: y\n")) == seen);
    CHECK(answered_once(sse_answer("id: 1\ndata: x\n\ndata: y\n", "Content-Length: 99\r\n")) == seen);
    CHECK(answered_once(chunked_sse_answer(chunk("id: 1\ndata: x\n\n") + "zz\r\n")) ==
          reports{"open", "message|x|1", "lost: malformed body framing, 3000"});

    fixture client;
    client.connect();
    client.receive(sse_answer("id: 1\ndata: x\n\nid: 2\ndata: y\n"));
    client.end(test::code_of(std::errc::connection_reset));
    CHECK(client.log.back().starts_with("lost: "));
    CHECK(client.client.loss() == weir::condition::closed);
    CHECK(has_line(client.connect(), "Last-Event-ID: 1"));
    client.take_log();
    client.receive(sse_answer("\ndata: z\n\n"));
    CHECK(client.take_log() == reports{"open", "message|z|1"});
}

TEST_CASE("SSE client rule 20: failures before the answer reestablish", "[session][sse_client]") {
    const auto failures = std::to_array<weir::error_code>({test::code_of(std::errc::connection_refused),
                                                           test::code_of(std::errc::connection_reset),
                                                           test::code_of(std::errc::host_unreachable),
                                                           make_error_code(error::connect_timed_out),
                                                           make_error_code(error::hook_failed),
                                                           make_error_code(error::proxy_refused),
                                                           {}});
    for (const auto& ec : failures) {
        fixture client;
        client.connect();
        CHECK(client.end(ec) == step::lost);
        CHECK(client.client.loss() == (ec ? ec : make_error_code(error::peer_closed)));
        CHECK(client.client.delay() == 3s);
    }
    CHECK(answered_once("HTTP/1.1 200 OK\r\nConte") == reports{cut_off});
    // Unless that is known to be futile.
    for (const auto e : {error::untrusted_server, error::no_tls, error::bad_argument}) {
        fixture client;
        client.connect();
        CHECK(client.end(e) == step::closed);
        CHECK(client.client.end_reason() == e);
    }
}

TEST_CASE("SSE client rule 22: an empty body opens, then reestablishes", "[session][sse_client]") {
    const reports seen{"open", end_of_stream};
    CHECK(answered_once(sse_answer("")) == seen);
    CHECK(answered_once(sse_answer("", "Content-Length: 0\r\n")) == seen);
    CHECK(answered_once(chunked_sse_answer("0\r\n\r\n")) == seen);
}

TEST_CASE("SSE client rule 23: the reconnection time is three seconds at first, or what one wishes",
          "[session][sse_client]") {
    CHECK(fixture::settings{}.retry == 3s);
    auto how = fixture::quick();
    how.retry = 5s;
    fixture client{how};
    client.answer(sse_answer(""));
    CHECK(client.client.delay() == 5s);
}

TEST_CASE("SSE client rule 24: retry counts when its line ends, without a blank line", "[session][sse_client]") {
    const auto delay_after = [](std::string_view stream) {
        fixture client;
        client.answer(sse_answer(stream));
        return client.client.delay();
    };
    CHECK(delay_after("retry: 100\n") == 100ms);
    CHECK(delay_after("retry: 100\r") == 100ms);
    CHECK(delay_after("retry: 100") == 3s);
    CHECK(delay_after("data: x\nretry: 100\ndata") == 100ms);

    fixture reset;
    reset.connect();
    reset.receive(sse_answer("retry: 100\ndata: x"));
    reset.end(test::code_of(std::errc::connection_reset));
    CHECK(reset.client.delay() == 100ms);
}

TEST_CASE("SSE client rule 25: retry takes digits, base ten, and nothing else", "[session][sse_client]") {
    fixture client;
    const auto delay_after = [&](std::string_view value) {
        client.answer(sse_answer("retry: " + std::string{value} + "\n"));
        return client.client.delay();
    };
    CHECK(delay_after("02000") == 2s);
    for (const auto value : {"1000x", "", " 1000", "-1", "+1", "1.5", "0x10", "1e3"}) CHECK(delay_after(value) == 2s);
    CHECK(delay_after("0") == 0s);
}

TEST_CASE("SSE client rule 26: a number beyond all bounds does not wrap to a small one", "[session][sse_client]") {
    for (const auto value :
         {"9223372036854775807", "18446744073709551617", "99999999999999999999999999", "9223372036854775"}) {
        for (const bool backs_off : {false, true}) {
            auto how = fixture::quick();
            if (backs_off) how.reconnect = weir::exponential_backoff{};
            fixture client{how};
            client.answer(sse_answer("retry: " + std::string{value} + "\n"));
            CHECK(client.client.delay() >= std::chrono::hours{24 * 365});
            CHECK(client.client.retry_at() >= client.now + std::chrono::hours{24 * 365});
        }
    }
}

TEST_CASE("SSE client rule 27: retry lasts, backoff adds to it and never subtracts", "[session][sse_client]") {
    fixture client;
    client.answer(sse_answer("retry: 100\n"));
    CHECK(client.answer(sse_answer("")).back() == "lost: peer closed the connection, 100");
    CHECK(client.answer("").back() == "lost: peer closed the connection, 100");

    auto how = fixture::quick();
    how.reconnect = weir::exponential_backoff{.base = 1s, .cap = 60s, .reset_after = 0ms};
    fixture patient{how};
    patient.answer(sse_answer("retry: 500\n"));
    for (int i = 0; i < 20; ++i) {
        patient.answer("");
        CHECK(patient.client.delay() >= 500ms);
    }
    CHECK(patient.client.delay() > 10s);
    // "Backoff resets after a successful open": with reset_after, after one that has lived long enough.
    patient.answer(sse_answer(""));
    CHECK(patient.client.delay() <= 1500ms);
}

TEST_CASE("SSE client rule 28: no Last-Event-ID at first, nor while the id is empty", "[session][sse_client]") {
    fixture client;
    CHECK_FALSE(has_field(client.connect(), "Last-Event-ID"));
    client.receive(sse_answer("data: x\n\n"));
    client.end();
    CHECK_FALSE(has_field(client.connect(), "Last-Event-ID"));
}

TEST_CASE("SSE client rule 29: an id is committed by a blank line alone", "[session][sse_client]") {
    fixture client;
    CHECK(has_line(request_after(client, "id: 1\ndata: x\n\nid: 2\ndata: y\n"), "Last-Event-ID: 1"));
    client.end();
    CHECK(has_line(request_after(client, "id: 3\n"), "Last-Event-ID: 1"));
}

TEST_CASE("SSE client rule 30: it is sent as its bytes, UTF-8", "[session][sse_client]") {
    fixture client;
    CHECK(has_line(request_after(client, "id: \xe2\x80\xa6\xf0\x9f\x8c\x8a\n\n"),
                   "Last-Event-ID: \xe2\x80\xa6\xf0\x9f\x8c\x8a"));
    fixture latin;
    CHECK(has_line(request_after(latin, "id: \xff\n\n"), "Last-Event-ID: \xff"));
}

TEST_CASE("SSE client rule 31: an empty id resets it, so the field disappears", "[session][sse_client]") {
    for (const auto reset : {"id\n\n", "id:\n\n", "id: \n\n"}) {
        fixture client;
        CHECK_FALSE(has_field(request_after(client, "id: 1\ndata: x\n\n" + std::string{reset}), "Last-Event-ID"));
    }
}

TEST_CASE("SSE client rule 32: an id survives failures, reconnects, and events without one", "[session][sse_client]") {
    fixture client;
    CHECK(has_line(request_after(client, "id: 1\ndata: x\n\ndata: y\n\n"), "Last-Event-ID: 1"));
    client.end(error::connect_timed_out);
    client.answer("");
    client.take_log();
    CHECK(has_line(client.connect(), "Last-Event-ID: 1"));
    client.receive(sse_answer("data: z\n\n"));
    CHECK(client.take_log() == reports{"open", "message|z|1"});
    client.end();
    CHECK(has_line(client.connect(), "Last-Event-ID: 1"));
}

TEST_CASE("SSE client rule 33: an id that cannot be sent is left out, and that is said", "[session][sse_client]") {
    for (const auto& id : {std::string(4097, 'x'), "a\x01"s, "a\x7f"s}) {
        fixture client;
        CHECK_FALSE(has_field(request_after(client, "id: " + id + "\n\n"), "Last-Event-ID"));
        CHECK(client.client.last_event_id_left_out());
        CHECK(client.client.last_event_id() == id);
        client.end();
        CHECK(has_line(request_after(client, "id: 2\n\n"), "Last-Event-ID: 2"));
        CHECK_FALSE(client.client.last_event_id_left_out());
    }
    fixture client;
    CHECK(has_field(request_after(client, "id: " + std::string(4096, 'x') + "\n\n"), "Last-Event-ID"));
    CHECK(has_field((client.end(), request_after(client, "id: 1\n\nid: a\0b\n\n"sv)), "Last-Event-ID"));
}

TEST_CASE("SSE client rule 35: the request asks for an event stream, past all caches", "[session][sse_client]") {
    fixture client;
    CHECK(client.connect() ==
          "GET /events HTTP/1.1\r\nHost: example.com\r\nAccept: text/event-stream\r\nCache-Control: no-cache\r\n\r\n");
}

TEST_CASE("SSE client rule 37: fields, a body that is sent again, an initial id, and what a hook changes",
          "[session][sse_client]") {
    auto how = fixture::quick();
    how.fields = {{"X-Key", "k"}, {"Content-Type", "application/json"}};
    how.body = "{\"a\":1}";
    how.last_event_id = "7";
    fixture client{how};
    const auto first = client.connect();
    CHECK(first.starts_with("POST /events HTTP/1.1\r\n"));
    CHECK(has_line(first, "X-Key: k"));
    CHECK(has_line(first, "Content-Length: 7"));
    CHECK(has_line(first, "Last-Event-ID: 7"));
    CHECK(first.ends_with("\r\n\r\n{\"a\":1}"));
    client.receive(sse_answer("data: x\n\n"));
    CHECK(client.take_log() == reports{"open", "message|x|7"});
    // A time limit of the driver's, on which nothing came.
    CHECK(client.end(error::read_timed_out) == step::lost);
    CHECK(client.connect() == first);
    client.end();

    client.client.retry_now();
    auto& attempt = client.client.attempt();
    CHECK(attempt.url == "http://example.com/events");
    CHECK(attempt.failures == 2);
    CHECK(attempt.reason == error::peer_closed);
    attempt.url = "https://example.org/now";
    attempt.method = "GET";
    attempt.body.clear();
    attempt.fields = {{"Authorization", "fresh"}};
    attempt.last_event_id = "8";
    CHECK(client.connect() ==
          "GET /now HTTP/1.1\r\nHost: example.org\r\nAccept: text/event-stream\r\nCache-Control: no-cache\r\n"
          "Last-Event-ID: 8\r\nAuthorization: fresh\r\n\r\n");
    CHECK(client.client.target().secure());
    client.take_log();
    CHECK((client.receive(sse_answer("data: x\n\n")), client.take_log()) == reports{"open", "message|x|8"});
    client.end();
    const auto next = client.connect();
    CHECK(next.starts_with("POST /events HTTP/1.1\r\n"));
    CHECK(has_line(next, "Last-Event-ID: 8"));
    CHECK_FALSE(has_field(next, "Authorization"));
}

TEST_CASE("SSE client rule 38: a marker ends the stream for good, and an error event is an error",
          "[session][sse_client]") {
    auto how = fixture::quick();
    how.body = "{}";
    how.end_marker = "[DONE]";
    how.error_event = "error";
    fixture done{how};
    CHECK(done.answer(sse_answer("data: a\n\ndata: [DONE]\n\ndata: b\n\n")) == reports{"open", "message|a|", "closed"});
    CHECK_FALSE(done.client.end_reason());

    fixture failed{how};
    CHECK(failed.answer(sse_answer("event: error\ndata: {\ndata: }\n\n")) ==
          reports{"open", "closed: server reported an error"});
    CHECK(failed.client.failure().text == "{\n}");
    CHECK(failed.client.failure().status == 200);

    how.reconnect = weir::never_reconnect{};
    fixture cut{how};
    CHECK(cut.answer(sse_answer("data: a\n\n")) ==
          reports{"open", "message|a|", "closed: stream ended within a message"});
    how.end_marker.clear();
    fixture whole{how};
    CHECK(whole.answer(sse_answer("data: [DONE]\n\n")) ==
          reports{"open", "message|[DONE]|", "closed: peer closed the connection"});
}

TEST_CASE("SSE client trap: the id buffer is not emptied by a reconnect, whatever the standard says",
          "[session][sse_client]") {
    fixture client;
    client.answer(sse_answer("id: 1\ndata: x\n\n"));
    // Read literally, the blank line would commit the empty id of the new stream.
    CHECK(client.answer(sse_answer("\ndata: y\n\n")) == reports{"open", "message|y|1", end_of_stream});
}

TEST_CASE("SSE client trap: an id without data is committed by its blank line", "[session][sse_client]") {
    fixture client;
    CHECK(has_line(request_after(client, "id: 1\ndata: x\n\nid: 2\n\n"), "Last-Event-ID: 2"));
}

TEST_CASE("SSE client trap: of byte order marks only the first counts, in each stream", "[session][sse_client]") {
    fixture client;
    for (int i = 0; i < 2; ++i) {
        CHECK(client.answer(sse_answer("\xef\xbb\xbf"
                                       "data: x\n\n")) == reports{"open", "message|x|", end_of_stream});
    }
    CHECK(client.answer(sse_answer("\xef\xbb\xbf\xef\xbb\xbf"
                                   "data: x\n\ndata: y\n\n")) == reports{"open", "message|y|", end_of_stream});
}

TEST_CASE("SSE client trap: a CR at the end of a piece ends its line now", "[session][sse_client]") {
    fixture client;
    client.connect();
    client.receive(chunked_sse_answer(chunk("data: x\r\r")));
    CHECK(client.take_log() == reports{"open", "message|x|"});
    client.receive(chunk("\ndata: y\r\n\r"));
    CHECK(client.take_log() == reports{"message|y|"});
}

TEST_CASE("event stream client: which failures are futile", "[session][sse_client]") {
    using weir::detail::is_futile;
    for (const auto e : {error::bad_redirect, error::too_many_redirects, error::unsupported_coding,
                         error::reported_by_server, error::untrusted_server, error::line_too_long,
                         error::event_too_large, error::head_too_large, error::bad_argument, error::no_tls}) {
        CHECK(is_futile(make_error_code(e)));
    }
    for (const auto e : {error::none, error::peer_closed, error::truncated, error::bad_body, error::bad_status_line,
                         error::bad_deflate, error::hook_failed, error::connect_timed_out, error::read_timed_out,
                         error::proxy_refused}) {
        CHECK_FALSE(is_futile(make_error_code(e)));
    }
    CHECK_FALSE(is_futile(test::code_of(std::errc::connection_refused)));
}

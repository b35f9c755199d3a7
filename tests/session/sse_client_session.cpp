// SPDX-License-Identifier: BSL-1.0
#include <weir/session/sse_client_session.hpp>

#include <algorithm>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "support/errc.hpp"
#include "support/sse_client_fixture.hpp"

// What the numbered rules of sse_client_rules.cpp leave open.

using namespace std::literals;
using test::any_answer;
using test::chunk;
using test::chunked_sse_answer;
using test::sse_answer;
using weir::error;

namespace {

using fixture = test::sse_client_fixture;
using state = fixture::state;
using step = fixture::step;
using reports = std::vector<std::string>;

std::string closed(error why) { return "closed: "s + weir::message(why); }

const std::string bad_status = "closed: answered with another status than 200";

/// Answers one after the other, each on a connection of its own that ends after it. Cut where `next_size` says.
template <class NextSize>
reports play(const std::vector<std::string>& answers, NextSize next_size) {
    auto how = fixture::quick();
    how.retry_server_errors = true;
    fixture client{how};
    for (const auto& answer : answers) {
        client.connect();
        auto taken = step::need_more;
        for (std::string_view rest = answer; !rest.empty() && taken == step::need_more;) {
            const auto size = std::min(rest.size(), next_size());
            taken = client.receive(rest.substr(0, size));
            rest.remove_prefix(size);
            if (taken == step::opened || taken == step::event) taken = step::need_more;
        }
        if (taken == step::need_more) client.end();
        client.log.push_back("id " + std::string{client.client.last_event_id()} + ", said " +
                             client.client.failure().text);
    }
    return client.take_log();
}

const std::vector<std::string>& scripts() {
    static const std::vector<std::string> all{
        sse_answer("\xef\xbb\xbfid: 1\r\ndata: a\r\n\r\n:x\nevent: t\ndata: b\ndata: c\n\nretry: 70\nid: 2\n\ndata: d"),
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" +
            chunked_sse_answer(chunk("data: e\r") + chunk("\n\r") + chunk("\ndata: f\n\nid: 3\n\n") +
                               "0\r\nTrailer: x\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n"),
        sse_answer("data: g\n\ndata: h\n\ndata: i\n\n", "Content-Length: 18\r\n"),
        any_answer("503", "Transfer-Encoding: chunked\r\nRetry-After: 5\r\n",
                   chunk("not ") + chunk("now") + "0\r\n\r\n"),
        chunked_sse_answer(chunk("data: j\n\n") + "5;x=y\r\ndata:\rz"),
        "HTTP/1.1 200 OK\r\nContent Type: x\r\n\r\n",
        any_answer("403", "Content-Length: 5\r\n", "never again"),
    };
    return all;
}

/// Serves the events from 1 to `last` after the id that a request names.
class numbered_events {
public:
    enum class framing { plain, length, chunked };

    numbered_events(int last, framing how) : last_{last}, framing_{how} {}

    std::string answer(const std::string& request) const {
        const auto at = request.find("\r\nLast-Event-ID: ");
        const int after = at == std::string::npos ? 0 : std::stoi(request.substr(at + 17));
        std::string body, chunks;
        for (int i = after + 1; i <= last_; ++i) {
            const auto n = std::to_string(i);
            const auto event = "id: " + n + (i % 2 != 0 ? "\r\n" : "\n") + "data: x\ndata: " + n + "\n\n";
            body += event;
            chunks += chunk(event.substr(0, 5)) + chunk(event.substr(5));
        }
        switch (framing_) {
            case framing::plain: return sse_answer(body);
            case framing::length: return sse_answer(body, "Content-Length: " + std::to_string(body.size()) + "\r\n");
            case framing::chunked: break;
        }
        return chunked_sse_answer(chunks + "0\r\n\r\n");
    }

private:
    int last_;
    framing framing_;
};

/// Each byte stands for itself, three times, in three pieces. '!' is malformed.
class thrice final : public weir::http::content_decoding {
    class decoder final : public weir::http::content_decoder {
        status next(std::string_view& in) override {
            if (left_ == 0) {
                if (in.empty()) return status::need_more;
                byte_ = in.front();
                in.remove_prefix(1);
                left_ = 3;
            }
            if (byte_ == '!') return status::failed;
            --left_;
            return status::data;
        }
        std::string_view data() const noexcept override { return {&byte_, 1}; }
        weir::error error() const noexcept override { return weir::error::bad_deflate; }

        char byte_ = 0;
        int left_ = 0;
    };

    std::string_view coding() const noexcept override { return "thrice"; }
    std::unique_ptr<weir::http::content_decoder> make() const override { return std::make_unique<decoder>(); }
};

}  // namespace

TEST_CASE("sse_client_session: answers give the same however they are cut", "[session][sse_client]") {
    const auto whole = play(scripts(), [] { return std::string::npos; });
    CHECK(whole == reports{"open",
                           "message|a|1",
                           "t|b\nc|1",
                           "lost: peer closed the connection, 70",
                           "id 2, said ",  //
                           "open",
                           "message|e|2",
                           "message|f|2",
                           "lost: peer closed the connection, 70",
                           "id 3, said ",
                           "open",
                           "message|g|3",
                           "message|h|3",
                           "lost: peer closed the connection, 70",
                           "id 3, said ",
                           "lost: answered with another status than 200, 5000",
                           "id 3, said not now",  //
                           "open",
                           "message|j|3",
                           "lost: malformed body framing, 70",
                           "id 3, said ",
                           "lost: malformed header field, 70",
                           "id 3, said ",  //
                           bad_status,
                           "id 3, said never"});
    for (std::size_t size = 1; size < 40; ++size) CHECK(play(scripts(), [&] { return size; }) == whole);
    for (const auto& script : scripts()) {
        const auto expected = play({script}, [] { return std::string::npos; });
        for (std::size_t cut = 1; cut < script.size(); ++cut) {
            std::size_t next = cut;
            REQUIRE(play({script}, [&] { return std::exchange(next, std::string::npos); }) == expected);
        }
    }
}

TEST_CASE("sse_client_session: cut off at any byte, it comes back and misses nothing", "[session][sse_client]") {
    constexpr int last = 4;
    for (const auto framing :
         {numbered_events::framing::plain, numbered_events::framing::length, numbered_events::framing::chunked}) {
        const numbered_events server{last, framing};
        const auto size = server.answer("").size();
        for (std::size_t cut = 0; cut <= size; ++cut) {
            for (const bool reset : {false, true}) {
                fixture client;
                reports events;
                for (int i = 0; i < 3; ++i) {
                    const auto answer = server.answer(client.connect());
                    if (client.receive(answer.substr(0, i < 2 ? cut : size)) == step::need_more) {
                        client.end(reset ? test::code_of(std::errc::connection_reset) : weir::error_code{});
                    }
                    for (const auto& line : client.take_log()) {
                        if (line.starts_with("message")) events.push_back(line);
                    }
                }
                REQUIRE(events == reports{"message|x\n1|1", "message|x\n2|2", "message|x\n3|3", "message|x\n4|4"});
            }
        }
    }
}

TEST_CASE("sse_client_session: an event at a time, and no byte more than it needs", "[session][sse_client]") {
    fixture client;
    client.connect();
    const auto answer = chunked_sse_answer(chunk("data: a\n\ndata: b\n\n") + chunk("data: c\n\n"));
    std::string_view in = answer;
    CHECK(client.client.receive(in, client.now) == step::opened);
    CHECK(in.starts_with("12\r\n"));
    CHECK(client.client.receive(in, client.now) == step::event);
    // Decoded where it lies.
    const auto event = client.client.event();
    CHECK(event.data == "a");
    CHECK((event.data.data() >= answer.data() && event.data.data() < answer.data() + answer.size()));
    CHECK(in.starts_with("\r\n9\r\n"));
    CHECK(client.client.receive(in, client.now) == step::event);
    CHECK(client.client.event().data == "b");
    CHECK(client.client.receive(in, client.now) == step::event);
    CHECK(client.client.event().data == "c");
    CHECK(client.client.receive(in, client.now) == step::need_more);
    CHECK(in.empty());
}

TEST_CASE("sse_client_session: of a refusal the text is kept, up to 8 KiB, and then it is told, once",
          "[session][sse_client]") {
    const std::string text(8 * 1024, 'x');
    fixture whole;
    whole.connect();
    CHECK(whole.receive(any_answer("401", "Content-Length: 5\r\n", "to")) == step::need_more);
    CHECK(whole.client.current_state() == state::connecting);
    CHECK(whole.take_log().empty());
    CHECK(whole.receive("ken") == step::closed);
    CHECK(whole.client.failure().status == 401);
    CHECK(whole.client.failure().text == "token");

    fixture endless;
    endless.connect();
    CHECK(endless.receive(any_answer("500", "", text.substr(1))) == step::need_more);
    CHECK(endless.receive("yz") == step::closed);
    CHECK(endless.client.failure().text == text.substr(1) + "y");

    for (const auto& ec : {weir::error_code{}, make_error_code(error::connect_timed_out)}) {
        fixture cut;
        cut.connect();
        cut.receive(any_answer("200", "Content-Length: 50\r\nContent-Type: text/html\r\n", "<html>"));
        CHECK(cut.end(ec) == step::closed);
        CHECK(cut.take_log() == reports{"closed: answer is not text/event-stream"});
        CHECK(cut.client.failure().text == "<html>");
    }
    fixture coded;
    CHECK(coded.answer(any_answer("500", "Content-Encoding: br\r\n", "???")) == reports{bad_status});
    CHECK(coded.client.failure().text.empty());

    auto how = fixture::quick();
    how.error_event = "error";
    fixture told{how};
    told.answer(sse_answer("event: error\ndata: " + text + "y\n\n"));
    CHECK(told.client.failure().text == text);
}

TEST_CASE("sse_client_session: a failure is forgotten when the next attempt begins", "[session][sse_client]") {
    auto how = fixture::quick();
    how.retry_server_errors = true;
    fixture client{how};
    client.answer(any_answer("503", "", "busy"));
    CHECK(client.client.failure().text == "busy");
    client.connect();
    CHECK(client.client.failure().status == 0);
    CHECK(client.client.failure().text.empty());
}

TEST_CASE("sse_client_session: a coded stream is decoded, if that was offered", "[session][sse_client]") {
    auto how = fixture::quick();
    how.decoding = std::make_shared<thrice>();
    fixture client{how};
    CHECK(client.connect().find("\r\nAccept-Encoding: thrice\r\n") != std::string::npos);
    // "data\n" in threes is no field, and an empty line comes of one LF.
    client.receive(sse_answer("\n:\n", "Content-Encoding: Thrice\r\n"));
    client.receive("\r");
    CHECK(client.take_log() == reports{"open"});
    CHECK(client.receive("!") == step::lost);
    CHECK(client.client.loss() == error::bad_deflate);

    client.take_log();
    CHECK(client.answer(sse_answer("data: plain\n\n")).at(1) == "message|plain|");
    CHECK(client.answer(sse_answer("", "Content-Encoding: br\r\n")) == reports{closed(error::unsupported_coding)});
    fixture not_offered;
    CHECK(not_offered.answer(sse_answer("", "Content-Encoding: thrice\r\n")) ==
          reports{closed(error::unsupported_coding)});
    CHECK(not_offered.client.failure().status == 200);

    fixture refused{how};
    refused.answer(any_answer("500", "Content-Encoding: thrice\r\n", "ab"));
    CHECK(refused.client.failure().text == "aaabbb");
}

TEST_CASE("sse_client_session: limits of heads, lines and events are for good", "[session][sse_client]") {
    auto how = fixture::quick();
    how.head_limits = {.max_head_bytes = 100, .max_fields = 3};
    how.limits = {.max_line_bytes = 10, .max_event_bytes = 12};
    CHECK(fixture{how}.answer(any_answer("200", "X: " + std::string(100, 'x'))) ==
          reports{closed(error::head_too_large)});
    CHECK(fixture{how}.answer(any_answer("200", "A: b\r\nA: b\r\nA: b\r\nA: b\r\n")) ==
          reports{closed(error::too_many_fields)});
    CHECK(fixture{how}.answer(sse_answer("data: 12345")) == reports{"open", closed(error::line_too_long)});
    CHECK(fixture{how}.answer(sse_answer("data: 1234\ndata: 1234\ndata: 1234\n")) ==
          reports{"open", closed(error::event_too_large)});
    std::string interim;
    for (int i = 0; i < 33; ++i) interim += "HTTP/1.1 102 Wait\r\n\r\n";
    CHECK(fixture{}.answer(interim) == reports{closed(error::head_too_large)});
}

TEST_CASE("sse_client_session: settings that cannot be sent end it at once, a hook's only by the policy",
          "[session][sse_client]") {
    for (const auto& field : {std::pair{"Host"s, "x"s}, {"a b", "x"}, {"A", "x\r\nB: c"}, {"Last-Event-ID", "1"}}) {
        auto how = fixture::quick();
        how.fields = {field};
        fixture client{how};
        CHECK(client.start_error == error::bad_argument);
        CHECK(client.client.current_state() == state::closed);
    }
    fixture client;
    client.client.attempt().url = "nowhere";
    CHECK(client.client.prepare(client.now) == step::closed);
    CHECK(client.client.end_reason() == error::bad_argument);

    auto how = fixture::quick();
    struct stubborn {
        weir::reconnect_decision operator()(const weir::reconnect_facts&) const noexcept { return weir::retry_in{1s}; }
    };
    how.reconnect = stubborn{};
    fixture again{how};
    again.client.attempt().method = "G T";
    CHECK(again.client.prepare(again.now) == step::lost);
    CHECK(again.connect().starts_with("GET "));
}

TEST_CASE("sse_client_session: what the reconnect policy is told", "[session][sse_client]") {
    static std::vector<weir::reconnect_facts> told;
    struct listener {
        weir::reconnect_decision operator()(const weir::reconnect_facts& facts) const noexcept {
            told.push_back(facts);
            return weir::retry_in{1500us, facts.lived >= 10s};
        }
    };
    told.clear();
    auto how = fixture::quick();
    how.reconnect = listener{};
    how.seed = 7;
    fixture client{how};
    client.connect();
    client.end(error::connect_timed_out);
    CHECK(client.client.delay() == 2ms);
    CHECK(client.client.retry_at() == client.now + 1500us);
    client.answer(sse_answer("retry: 5\n"));
    client.answer(any_answer("404"));
    client.connect();
    client.receive(sse_answer(""));
    client.now += 10s;
    client.end();
    client.answer("HTTP/1.1 2");

    REQUIRE(told.size() == 5);
    CHECK(told[0].reason == error::connect_timed_out);
    CHECK(told[0].failures == 1);
    CHECK(told[0].trying == 0s);
    CHECK(told[0].lived == 0s);
    CHECK(told[0].status == 0);
    CHECK(told[0].floor == 3s);
    CHECK_FALSE(told[1].reason);
    CHECK(told[1].lived > 0s);
    CHECK(told[1].floor == 5ms);
    CHECK(told[1].failures == 2);
    CHECK(told[1].trying == 1500us);
    CHECK(told[1].status == 200);
    CHECK(told[2].permanent);
    CHECK(told[2].status == 404);
    CHECK(told[2].reason == error::unexpected_status);
    CHECK(told[3].lived == 10s);
    CHECK(told[4].failures == 2);
    CHECK(told[4].reason == error::truncated);
    CHECK(told[0].random != told[1].random);
}

TEST_CASE("sse_client_session: another seed is another delay, the same is the same", "[session][sse_client]") {
    const auto delay_of = [](std::uint64_t seed) {
        fixture::settings how;
        how.seed = seed;
        fixture client{how};
        client.answer("");
        return client.client.retry_at() - client.now;
    };
    CHECK(delay_of(1) == delay_of(1));
    CHECK(delay_of(1) != delay_of(2));
}

TEST_CASE("sse_client_session: what comes too late is passed over", "[session][sse_client]") {
    fixture client;
    client.answer(sse_answer(""));
    const auto due = client.client.retry_at();
    CHECK(client.receive(sse_answer("data: x\n\n")) == step::need_more);
    CHECK(client.end(error::read_timed_out) == step::need_more);
    CHECK(client.client.prepare(client.now) == step::need_more);
    CHECK(client.client.retry_at() == due);
    CHECK(client.client.loss() == error::peer_closed);
    CHECK(client.client.retry_now());
    CHECK_FALSE(client.client.retry_now());
}

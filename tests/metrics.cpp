// SPDX-License-Identifier: BSL-1.0

#include <weir/metrics.hpp>

#include <weir/http/request_parser.hpp>
#include <weir/policy/any_policy.hpp>
#include <weir/sse_stream.hpp>

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <set>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include "catch.hpp"
#include "support/errc.hpp"
#include "support/memory_stream.hpp"
#include "support/stream_fixture.hpp"

using namespace std::literals;
using weir::error;
using weir::metrics;
using weir::metrics_format;

namespace {

/// The value of one sample, as it is written; empty: it is not there.
std::string sample(const std::string& text, std::string_view name_and_labels) {
    const std::string line = "\n" + std::string{name_and_labels} + " ";
    const auto at = text.find(line);
    if (at == std::string::npos) return {};
    const auto value = at + line.size();
    return text.substr(value, text.find('\n', value) - value);
}
std::string sample(const metrics& m, std::string_view name_and_labels) { return sample(m.text(), name_and_labels); }

weir::request request_with(std::string_view fields) {
    weir::http::request_builder builder;
    const std::string head = "GET /metrics HTTP/1.1\r\nHost: a\r\n" + std::string{fields} + "\r\n";
    REQUIRE(builder.parser().parse(head) == weir::http::request_parser::status::complete);
    REQUIRE(builder.set_head(head, {}) == error::none);
    return builder.get();
}

/// What the specification forbids of a whole text, beyond what a test of a line sees.
void check_well_formed(const std::string& text) {
    REQUIRE(text.ends_with("# EOF\n"));
    std::istringstream lines{text};
    std::set<std::string> families, samples;
    std::string family;
    for (std::string line; std::getline(lines, line);) {
        CAPTURE(line);
        REQUIRE_FALSE(line.empty());
        if (line == "# EOF") break;
        if (line.starts_with("# TYPE ")) {
            family = line.substr(7, line.find(' ', 7) - 7);
            CHECK(families.insert(family).second);
        } else if (line.starts_with('#')) {
            const bool unit = line.starts_with("# UNIT ");
            CHECK((unit || line.starts_with("# HELP ")));
            CHECK(line.substr(7, family.size() + 1) == family + ' ');
            if (unit) CHECK(family.ends_with('_' + line.substr(7 + family.size() + 1)));
        } else {
            CHECK(line.starts_with(family));
            CHECK(samples.insert(line.substr(0, line.rfind(' '))).second);
        }
    }
}

}  // namespace

TEST_CASE("metrics: each route and protocol has numbers of its own", "[metrics]") {
    metrics m;
    const auto first = m.ws_observer("/a"), second = m.ws_observer("/b"), third = m.sse_observer("/a");
    first(weir::session_opened{});
    first(weir::session_opened{});
    second(weir::session_opened{});
    m.ws_observer("/a")(weir::session_opened{});
    CHECK(sample(m, R"(weir_sessions{route="/a",protocol="ws"})") == "3");
    CHECK(sample(m, R"(weir_sessions{route="/b",protocol="ws"})") == "1");
    CHECK(sample(m, R"(weir_sessions{route="/a",protocol="sse"})") == "0");
    CHECK(sample(m, R"(weir_sessions{route="/b",protocol="sse"})").empty());
}

TEST_CASE("metrics: every observation is in the text", "[metrics]") {
    metrics m;
    const auto seen = m.ws_observer("/x");
    for (int i = 0; i != 5; ++i) seen(weir::session_opened{});
    seen(weir::messages_received{2, 140});
    seen(weir::messages_written{3, 210});
    seen(weir::session_blocked{20, 5'000});
    seen(weir::subscriber_lagged{2, 500, 250ms});
    seen(weir::messages_dropped{weir::drop_reason::lagging, 6});
    seen(weir::message_refused{});
    seen(weir::heartbeat_sent{});
    seen(weir::session_closed{make_error_code(error::unresponsive)});
    seen(weir::session_closed{test::code_of(std::errc::connection_reset)});
    const std::string text = m.text();
    const auto is = [&](std::string_view name, std::string_view more, std::string_view value) {
        const std::string of = std::string{name} + R"({route="/x",protocol="ws")" + std::string{more} + "}";
        CAPTURE(of, text);
        CHECK(sample(text, of) == value);
    };
    is("weir_sessions", "", "3");
    is("weir_sessions_opened_total", "", "5");
    is("weir_sessions_closed_total", R"(,reason="unresponsive")", "1");
    is("weir_sessions_closed_total", R"(,reason="transport")", "1");
    is("weir_sessions_closed_total", R"(,reason="none")", "0");
    is("weir_sent_messages_total", "", "3");
    is("weir_sent_bytes_total", "", "210");
    is("weir_received_messages_total", "", "2");
    is("weir_received_bytes_total", "", "140");
    is("weir_dropped_messages_total", R"(,reason="lagging")", "6");
    is("weir_dropped_messages_total", R"(,reason="oldest")", "0");
    is("weir_refused_messages_total", "", "1");
    is("weir_heartbeats_total", "", "1");
    is("weir_heartbeats_missed_total", "", "1");
    is("weir_blocked_queue_messages_bucket", R"(,le="10.0")", "0");
    is("weir_blocked_queue_messages_bucket", R"(,le="100.0")", "1");
    is("weir_blocked_queue_messages_bucket", R"(,le="+Inf")", "1");
    is("weir_blocked_queue_messages_sum", "", "20");
    is("weir_blocked_queue_bytes_bucket", R"(,le="10000.0")", "1");
    is("weir_blocked_queue_bytes_count", "", "1");
    is("weir_blocked_queue_bytes_sum", "", "5000");
    is("weir_subscriber_lag_messages_sum", "", "2");
    is("weir_subscriber_lag_bytes_bucket", R"(,le="1000.0")", "1");
    is("weir_subscriber_lag_seconds_bucket", R"(,le="0.1")", "0");
    is("weir_subscriber_lag_seconds_bucket", R"(,le="1.0")", "1");
    is("weir_subscriber_lag_seconds_sum", "", "0.25");
}

TEST_CASE("metrics: the text keeps to the specification, whatever the routes are called", "[metrics]") {
    metrics m;
    check_well_formed(m.text());
    m.ws_observer("/rooms/{room}")(weir::session_opened{});
    m.sse_observer("/a \"quoted\\name\n");
    m.sse_observer("");
    const auto more = m.add([](weir::metrics_writer& w) { w.gauge("weir_hub_topics", "Topics.", 2); });
    check_well_formed(m.text());
    CHECK(m.text(metrics_format::prometheus).find("# EOF") == std::string::npos);
}

TEST_CASE("metrics: a route answers in the format that the client prefers", "[metrics]") {
    metrics m;
    m.ws_observer("/x")(weir::messages_written{1, 2});
    const weir::response open = m.answer(request_with("Accept: application/openmetrics-text\r\n"));
    CHECK(open.status == 200);
    CHECK(open.content_type == "application/openmetrics-text; version=1.0.0; charset=utf-8");
    CHECK(open.body == m.text());
    const weir::response older = m.answer(request_with(""));
    CHECK(older.content_type == "text/plain; version=0.0.4; charset=utf-8");
    CHECK(older.body == m.text(metrics_format::prometheus));
    CHECK(older.body.find("# TYPE weir_sent_bytes_total counter\n") != std::string::npos);
    CHECK(sample(older.body, R"(weir_sent_bytes_total{route="/x",protocol="ws"})") == "2");
    const weir::http::response_options close{.keep_alive = false};
    CHECK(serialize(older, close).find("\r\nCache-Control: no-store\r\n") != std::string::npos);
}

TEST_CASE("metrics: a program's own are written as long as they are wanted", "[metrics]") {
    std::optional<metrics> m{std::in_place};
    int topics = 2;
    auto first = m->add([&](weir::metrics_writer& w) { w.gauge("topics", "Topics.", topics); });
    auto second = m->add([&](weir::metrics_writer& w) { w.counter("published", "Published.", 9); });
    CHECK(sample(*m, "topics") == "2");
    topics = 3;
    CHECK(sample(*m, "topics") == "3");
    CHECK(sample(*m, "published_total") == "9");
    first.reset();
    CHECK(sample(*m, "topics").empty());
    CHECK(sample(*m, "published_total") == "9");
    m.reset();
    second.reset();  // has nothing left to do
}

TEST_CASE("metrics: a source that throws spoils its text alone", "[metrics]") {
    metrics m;
    auto bad = m.add([](weir::metrics_writer&) { throw std::runtime_error{"no"}; });
    CHECK_THROWS_AS(m.text(), std::runtime_error);
    bad.reset();
    CHECK(m.text().ends_with("# EOF\n"));
}

TEST_CASE("metrics: an observer may outlive them", "[metrics]") {
    std::optional<metrics> m{std::in_place};
    const auto seen = m->sse_observer("/x");
    const weir::any_observer any = seen;
    m.reset();
    seen(weir::session_opened{});
    any(weir::session_closed{});
}

TEST_CASE_METHOD(test::stream_fixture, "metrics: a stream's policy like any other", "[metrics]") {
    metrics m;
    {
        weir::sse_stream out{test::direct_memory_stream<>{context.context(), wire}, m.sse_observer("/events"),
                             weir::no_heartbeat{}};
        REQUIRE(out.accept({.method = "GET", .target = "/"}) == error::none);
        REQUIRE(out.send({.data = "one"}) == error::none);
        context.settle();
        CHECK(sample(m, R"(weir_sessions{route="/events",protocol="sse"})") == "1");
        CHECK(sample(m, R"(weir_sent_messages_total{route="/events",protocol="sse"})") == "1");
        CHECK(sample(m, R"(weir_sent_bytes_total{route="/events",protocol="sse"})") ==
              std::to_string(wire->written.size()));
    }
    context.pass(1min);
    CHECK(sample(m, R"(weir_sessions{route="/events",protocol="sse"})") == "0");
    CHECK(sample(m, R"(weir_sessions_opened_total{route="/events",protocol="sse"})") == "1");
}

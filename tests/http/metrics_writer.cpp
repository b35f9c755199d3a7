// SPDX-License-Identifier: BSL-1.0
#include <weir/http/metrics_writer.hpp>

#include "catch.hpp"

#include <array>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace http = weir::http;
using http::metric_bucket;
using http::metric_type;
using http::metrics_format;
using http::metrics_writer;

namespace {

metrics_format asked_for(std::vector<std::string_view> accept) {
    std::vector<http::field_view> fields;
    for (const auto line : accept) fields.push_back({"Accept", line});
    return http::accepted_metrics_format(fields);
}

/// What a monitoring system finds in both formats.
void write_some(metrics_writer& w) {
    w.family({metric_type::counter, "weir_sent_bytes", "Bytes sent.", "bytes"});
    w.value({{"route", "/a"}, {"protocol", "ws"}}, 7u);
    w.value({{"route", "/b"}, {"protocol", "sse"}}, 0u);
    w.gauge("weir_open", "Open.", 3);
    w.family({metric_type::histogram, "weir_lag_seconds", "Lag.", "seconds"});
    const std::array buckets{metric_bucket{"0.5", 2}, metric_bucket{"1.0", 0}, metric_bucket{"+Inf", 1}};
    w.histogram({{"route", "/a"}}, buckets, 4.25);
    w.histogram({}, buckets, 4u);
}

std::string value_line(auto number) {
    metrics_writer w{metrics_format::prometheus};
    w.gauge("x", "X.", number);
    const std::string text = std::move(w).finish();
    return text.substr(text.find("\nx ") + 3);
}

}  // namespace

TEST_CASE("OpenMetrics: families with their samples, and the end", "[http][metrics]") {
    metrics_writer w;
    write_some(w);
    CHECK(std::move(w).finish() ==
          "# TYPE weir_sent_bytes counter\n"
          "# UNIT weir_sent_bytes bytes\n"
          "# HELP weir_sent_bytes Bytes sent.\n"
          "weir_sent_bytes_total{route=\"/a\",protocol=\"ws\"} 7\n"
          "weir_sent_bytes_total{route=\"/b\",protocol=\"sse\"} 0\n"
          "# TYPE weir_open gauge\n"
          "# HELP weir_open Open.\n"
          "weir_open 3\n"
          "# TYPE weir_lag_seconds histogram\n"
          "# UNIT weir_lag_seconds seconds\n"
          "# HELP weir_lag_seconds Lag.\n"
          "weir_lag_seconds_bucket{route=\"/a\",le=\"0.5\"} 2\n"
          "weir_lag_seconds_bucket{route=\"/a\",le=\"1.0\"} 2\n"
          "weir_lag_seconds_bucket{route=\"/a\",le=\"+Inf\"} 3\n"
          "weir_lag_seconds_count{route=\"/a\"} 3\n"
          "weir_lag_seconds_sum{route=\"/a\"} 4.25\n"
          "weir_lag_seconds_bucket{le=\"0.5\"} 2\n"
          "weir_lag_seconds_bucket{le=\"1.0\"} 2\n"
          "weir_lag_seconds_bucket{le=\"+Inf\"} 3\n"
          "weir_lag_seconds_count 3\n"
          "weir_lag_seconds_sum 4\n"
          "# EOF\n");
}

TEST_CASE("Prometheus 0.0.4: counters are described by their samples' name, and there is neither unit nor end",
          "[http][metrics]") {
    metrics_writer w{metrics_format::prometheus};
    w.family({metric_type::counter, "weir_sent_bytes", "Bytes sent.", "bytes"});
    w.value({{"route", "/a"}}, 7u);
    w.counter("weir_other", "Other.", 1);
    w.gauge("weir_open", "Open.", 3);
    CHECK(std::move(w).finish() ==
          "# TYPE weir_sent_bytes_total counter\n"
          "# HELP weir_sent_bytes_total Bytes sent.\n"
          "weir_sent_bytes_total{route=\"/a\"} 7\n"
          "# TYPE weir_other_total counter\n"
          "# HELP weir_other_total Other.\n"
          "weir_other_total 1\n"
          "# TYPE weir_open gauge\n"
          "# HELP weir_open Open.\n"
          "weir_open 3\n");
}

TEST_CASE("OpenMetrics: no metrics are a text, too", "[http][metrics]") {
    CHECK(metrics_writer{}.finish() == "# EOF\n");
    CHECK(metrics_writer{metrics_format::prometheus}.finish().empty());
}

TEST_CASE("OpenMetrics, Escaping: line feeds, quotes and backslashes", "[http][metrics]") {
    const std::string_view odd = "a\"b\\c\nd";
    metrics_writer open, older{metrics_format::prometheus};
    for (metrics_writer* w : {&open, &older}) {
        w->family({metric_type::gauge, "x", odd});
        w->value({{"route", odd}}, 1);
    }
    CHECK(std::move(open).finish() ==
          "# TYPE x gauge\n# HELP x a\\\"b\\\\c\\nd\nx{route=\"a\\\"b\\\\c\\nd\"} 1\n# EOF\n");
    // There, a help text has two special characters.
    CHECK(std::move(older).finish() == "# TYPE x gauge\n# HELP x a\"b\\\\c\\nd\nx{route=\"a\\\"b\\\\c\\nd\"} 1\n");
}

TEST_CASE("OpenMetrics: what is not UTF-8 does not spoil the whole text", "[http][metrics]") {
    metrics_writer w{metrics_format::prometheus};
    w.family({metric_type::gauge, "x", "X."});
    w.value({{"route", "gr\u00fcn\xff"}}, 1);
    CHECK(std::move(w).finish().find("x{route=\"gr\u00fcn\ufffd\"} 1\n") != std::string::npos);
}

TEST_CASE("OpenMetrics, Numbers: integers as they are, others so that nothing is lost", "[http][metrics]") {
    CHECK(value_line(std::numeric_limits<std::uint64_t>::max()) == "18446744073709551615\n");
    CHECK(value_line(std::numeric_limits<std::int64_t>::min()) == "-9223372036854775808\n");
    CHECK(value_line(0.1) == "0.1\n");
    CHECK(value_line(1e-7) == "1e-07\n");
    CHECK(value_line(std::numeric_limits<double>::denorm_min()).size() <= 32);
    CHECK(value_line(-std::numeric_limits<double>::max()) == "-1.7976931348623157e+308\n");
    CHECK(value_line(std::numeric_limits<double>::quiet_NaN()) == "NaN\n");
    CHECK(value_line(std::numeric_limits<double>::infinity()) == "+Inf\n");
    CHECK(value_line(-std::numeric_limits<double>::infinity()) == "-Inf\n");
}

TEST_CASE("OpenMetrics, Protocol Negotiation: who prefers it gets it", "[http][metrics]") {
    const auto open = metrics_format::openmetrics, older = metrics_format::prometheus;
    CHECK(asked_for({"application/openmetrics-text; version=1.0.0; charset=utf-8"}) == open);
    // Prometheus 2 and 3.
    CHECK(asked_for({"application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
                     "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"}) == open);
    CHECK(asked_for({"application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,"
                     "application/openmetrics-text;version=0.0.1;q=0.4,"
                     "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1"}) ==
          open);
    CHECK(asked_for({}) == older);
    CHECK(asked_for({"*/*"}) == older);
    CHECK(asked_for({"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}) == older);
    CHECK(asked_for({"text/plain", "application/openmetrics-text;q=0.5"}) == older);
    CHECK(asked_for({"application/openmetrics-text;q=0, */*"}) == older);
    CHECK(asked_for({"application/json"}) == older);
    CHECK(http::content_type(open) == "application/openmetrics-text; version=1.0.0; charset=utf-8");
    CHECK(http::content_type(older) == "text/plain; version=0.0.4; charset=utf-8");
}

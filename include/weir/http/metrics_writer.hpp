// SPDX-License-Identifier: BSL-1.0
#pragma once

// Writes metrics as text, for a monitoring system to fetch. Layer: protocol.
// OpenMetrics 1.0, "Text format"; Prometheus, "Exposition formats", text format 0.0.4

#include <weir/http/accept.hpp>
#include <weir/http/fields.hpp>
#include <weir/utf8.hpp>

#include <array>
#include <charconv>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace weir::http {

/// The two formats that are asked for; they differ in a few letters.
enum class metrics_format : std::uint8_t {
    openmetrics,  ///< OpenMetrics 1.0
    prometheus,   ///< Prometheus' own, 0.0.4
};

/// The Content-Type of such a text.
constexpr std::string_view content_type(metrics_format format) noexcept {
    return format == metrics_format::openmetrics ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
                                                 : "text/plain; version=0.0.4; charset=utf-8";
}

/// OpenMetrics for clients that prefer it, as monitoring systems do; else the older format, which browsers show.
constexpr metrics_format accepted_metrics_format(const fields_view& fields) {
    const bool preferred =
        accepted_weight(fields, "application", "openmetrics-text") > accepted_weight(fields, "text", "plain");
    return preferred ? metrics_format::openmetrics : metrics_format::prometheus;
}

/// What samples are.
enum class metric_type : std::uint8_t {
    counter,    ///< what only grows
    gauge,      ///< what goes up and down
    histogram,  ///< how values are spread
};

/// What the samples of one name have in common. Names match [a-zA-Z_:][a-zA-Z0-9_:]*; each is written once.
struct metric_family {
    metric_type type;         ///< what its samples are
    std::string_view name;    ///< a counter's without the `_total` that its samples get
    std::string_view help;    ///< for humans; one line
    std::string_view unit{};  ///< "bytes", "seconds"; the name's last word then
};

/// A name matches [a-zA-Z_][a-zA-Z0-9_]*; a value is any text.
struct metric_label {
    std::string_view name, value;  ///< see above
};
/// A sample's labels, in the order in which they are written.
using metric_labels = std::initializer_list<metric_label>;

/// Values up to `le`, and above the bucket's before.
struct metric_bucket {
    std::string_view le;  ///< a number as Prometheus writes it, "0.5" or "1e+06"; of the last one "+Inf"
    std::uint64_t count;  ///< values in this bucket and in those before it
};

/// Writes family by family: first what it is, then its samples. Throws std::bad_alloc.
class metrics_writer {
public:
    /// Begins a text of that format.
    explicit metrics_writer(metrics_format format = metrics_format::openmetrics) noexcept : format_(format) {}

    /// What is written until the next one belongs to this family.
    void family(const metric_family& f);
    /// A counter's or a gauge's sample. No two of a family have the same labels.
    template <class Number>
        requires std::is_arithmetic_v<Number>
    void value(metric_labels labels, Number number);
    /// A histogram's. `sum`: of all values.
    template <class Number>
        requires std::is_arithmetic_v<Number>
    void histogram(metric_labels labels, std::span<const metric_bucket> buckets, Number sum);

    /// A family of one sample without labels.
    template <class Number>
    void gauge(std::string_view name, std::string_view help, Number number) {
        family({metric_type::gauge, name, help});
        value({}, number);
    }
    /// As gauge(), of what only grows.
    template <class Number>
    void counter(std::string_view name, std::string_view help, Number number) {
        family({metric_type::counter, name, help});
        value({}, number);
    }

    /// The whole text. Nothing is written afterwards.
    std::string finish() &&;

private:
    void describe(std::string_view what, std::string_view text);
    void sample(std::string_view suffix, metric_labels labels, std::string_view le = {});
    template <class Number>
    void end_with(Number number);
    void append_escaped(std::string_view text, bool quotes);
    void append_label(std::string_view name, std::string_view value, char before);

    std::string text_;
    std::string name_;
    metric_type type_ = metric_type::gauge;
    metrics_format format_;
};

inline void metrics_writer::family(const metric_family& f) {
    const bool open = format_ == metrics_format::openmetrics;
    static constexpr std::array<std::string_view, 3> types{"counter", "gauge", "histogram"};
    name_ = f.name;
    type_ = f.type;
    // "The ordering SHOULD be TYPE, UNIT, HELP." The older format has no UNIT, and describes the samples' name.
    describe("TYPE", types[static_cast<std::size_t>(f.type)]);
    if (open && !f.unit.empty()) describe("UNIT", f.unit);
    describe("HELP", f.help);
}

inline void metrics_writer::describe(std::string_view what, std::string_view text) {
    const bool open = format_ == metrics_format::openmetrics;
    text_.append("# ").append(what).append(" ").append(name_);
    if (!open && type_ == metric_type::counter) text_ += "_total";
    text_ += ' ';
    append_escaped(text, open);
    text_ += '\n';
}

template <class Number>
    requires std::is_arithmetic_v<Number>
void metrics_writer::value(metric_labels labels, Number number) {
    sample(type_ == metric_type::counter ? "_total" : "", labels);
    end_with(number);
}

template <class Number>
    requires std::is_arithmetic_v<Number>
void metrics_writer::histogram(metric_labels labels, std::span<const metric_bucket> buckets, Number sum) {
    std::uint64_t count = 0;
    for (const metric_bucket& b : buckets) {
        count += b.count;  // "Buckets MUST be cumulative."
        sample("_bucket", labels, b.le);
        end_with(count);
    }
    sample("_count", labels);
    end_with(count);
    sample("_sum", labels);
    end_with(sum);
}

inline void metrics_writer::sample(std::string_view suffix, metric_labels labels, std::string_view le) {
    text_.append(name_).append(suffix);
    char before = '{';
    for (const auto& [name, value] : labels) append_label(name, value, std::exchange(before, ','));
    if (!le.empty()) append_label("le", le, std::exchange(before, ','));
    text_ += before == '{' ? " " : "} ";
}

inline void metrics_writer::append_label(std::string_view name, std::string_view value, char before) {
    text_ += before;
    text_.append(name).append("=\"");
    append_escaped(value, true);
    text_ += '"';
}

template <class Number>
void metrics_writer::end_with(Number number) {
    std::array<char, 32> digits;
    if constexpr (std::floating_point<Number>) {
        if (!std::isfinite(number)) {
            text_ += std::isnan(number) ? "NaN\n" : number > 0 ? "+Inf\n" : "-Inf\n";
            return;
        }
    }
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number).ptr;
    text_.append(digits.data(), end).append("\n");
}

// "UTF-8 MUST be used", and a text with one fault is wrong as a whole. In the older format, quotes in a help text are
// no special characters.
inline void metrics_writer::append_escaped(std::string_view text, bool quotes) {
    for (const char c : replace_malformed(text)) {
        if (c == '\n') {
            text_ += "\\n";
            continue;
        }
        if (c == '\\' || (c == '"' && quotes)) text_ += '\\';
        text_ += c;
    }
}

inline std::string metrics_writer::finish() && {
    if (format_ == metrics_format::openmetrics) text_ += "# EOF\n";
    return std::move(text_);
}

}  // namespace weir::http

namespace weir {
using http::metrics_format;
using http::metrics_writer;
}  // namespace weir

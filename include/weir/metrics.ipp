// SPDX-License-Identifier: BSL-1.0
#pragma once

// The bodies of metrics.hpp.

#include <weir/metrics.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

namespace weir {
namespace detail {

/// The families of the table above, each with a sample for every route.
template <class Routes>
class metrics_table {
public:
    metrics_table(const Routes& routes, metrics_writer& to) noexcept : routes_(routes), to_(to) {}

    void write() {
        write_sessions();
        write_messages();
        write_heartbeats();
        write_queues();
        write_lag();
    }

private:
    using type = http::metric_type;

    void write_sessions() {
        values({type::gauge, "weir_sessions", "Open sessions."}, &session_counts::open);
        counts({type::counter, "weir_sessions_opened", "Sessions opened."}, &session_counts::opened);
        counts({type::counter, "weir_sessions_closed", "Sessions that have ended, by the reason of the end."},
               &session_counts::closed, ending_names);
    }

    void write_messages() {
        using traffic = session_counts::traffic;
        totals({type::counter, "weir_sent_messages", "Messages wholly accepted by the transport."},
               &traffic::messages_sent);
        totals({type::counter, "weir_sent_bytes", "Bytes accepted by the transport.", "bytes"}, &traffic::bytes_sent);
        totals({type::counter, "weir_received_messages", "Messages received."}, &traffic::messages_received);
        totals({type::counter, "weir_received_bytes", "Bytes received.", "bytes"}, &traffic::bytes_received);
        counts({type::counter, "weir_dropped_messages", "Messages not sent, by the reason why."},
               &session_counts::dropped, drop_names);
        counts({type::counter, "weir_refused_messages", "Messages turned down by the backpressure policy."},
               &session_counts::refused);
    }

    void write_heartbeats() {
        counts({type::counter, "weir_heartbeats", "Heartbeats sent."}, &session_counts::heartbeats);
        values({type::counter, "weir_heartbeats_missed", "Sessions ended because a heartbeat was not answered."},
               [](const session_counts& of) {
                   return of.closed[static_cast<std::size_t>(ending_kind::unresponsive)].value();
               });
    }

    void write_queues() {
        distribution({type::histogram, "weir_blocked_queue_messages", "Messages that wait when the transport blocks."},
                     &session_counts::queued_messages, messages);
        distribution(
            {type::histogram, "weir_blocked_queue_bytes", "Bytes that wait when the transport blocks.", "bytes"},
            &session_counts::queued_bytes, bytes);
    }

    void write_lag() {
        distribution({type::histogram, "weir_subscriber_lag_messages", "Messages that a subscriber was behind."},
                     &session_counts::lag_messages, messages);
        distribution({type::histogram, "weir_subscriber_lag_bytes", "Bytes that a subscriber was behind.", "bytes"},
                     &session_counts::lag_bytes, bytes);
        distribution({type::histogram, "weir_subscriber_lag_seconds", "Time that a subscriber was behind.", "seconds"},
                     &session_counts::lag_microseconds, seconds, 1e-6);
    }

    // The bounds of session_counts' decades. "Exposers SHOULD produce output ... in line with": 1.0, 100000.0, 1e+06.
    using bounds = std::array<std::string_view, 6>;
    static constexpr bounds messages{"1.0", "10.0", "100.0", "1000.0", "10000.0", "+Inf"};
    static constexpr bounds bytes{"1000.0", "10000.0", "100000.0", "1e+06", "1e+07", "+Inf"};
    static constexpr bounds seconds{"0.01", "0.1", "1.0", "10.0", "100.0", "+Inf"};

    template <class Value>
    void values(const http::metric_family& f, Value value_of) {
        to_.family(f);
        for (const auto& [name, of] : routes_) {
            to_.value({{"route", name.route}, {"protocol", name.protocol}}, std::invoke(value_of, *of));
        }
    }
    void counts(const http::metric_family& f, event_count session_counts::* which) {
        values(f, [&](const session_counts& of) { return (of.*which).value(); });
    }
    void totals(const http::metric_family& f, std::uint64_t session_counts::traffic::* which) {
        values(f, [&](const session_counts& of) { return of.total().*which; });
    }
    template <std::size_t Size>
    void counts(const http::metric_family& f, std::array<event_count, Size> session_counts::* which,
                const std::array<std::string_view, Size>& reasons) {
        to_.family(f);
        for (const auto& [name, of] : routes_) {
            for (std::size_t i = 0; i != Size; ++i) {
                to_.value({{"route", name.route}, {"protocol", name.protocol}, {"reason", reasons[i]}},
                          ((*of).*which)[i].value());
            }
        }
    }
    // `unit`: of the sum; 0: as it is.
    template <class Decades>
    void distribution(const http::metric_family& f, Decades session_counts::* which, const bounds& le,
                      double unit = 0) {
        to_.family(f);
        for (const auto& [name, of] : routes_) {
            const Decades& values = (*of).*which;
            std::array<http::metric_bucket, Decades::size> buckets;
            for (std::size_t i = 0; i != buckets.size(); ++i) buckets[i] = {le[i], values.count(i)};
            const http::metric_label route{"route", name.route}, protocol{"protocol", name.protocol};
            if (unit == 0) {
                to_.histogram({route, protocol}, buckets, values.sum());
            } else {
                to_.histogram({route, protocol}, buckets, static_cast<double>(values.sum()) * unit);
            }
        }
    }

    const Routes& routes_;
    metrics_writer& to_;
};

}  // namespace detail

struct metrics::route_name {
    std::string_view protocol;
    std::string route;
    auto operator<=>(const route_name&) const = default;
};

struct metrics::shared {
    std::mutex mutex;
    std::map<route_name, std::shared_ptr<detail::session_counts>> counted;
    std::list<source> sources;
};

WEIR_INLINE metrics::metrics() : state_(std::make_shared<shared>()) {}

WEIR_INLINE metrics::observer metrics::observer_of(std::string_view protocol, std::string_view route) {
    const std::lock_guard lock{state_->mutex};
    auto& counts = state_->counted[{protocol, std::string{route}}];
    if (!counts) counts = std::make_shared<detail::session_counts>();
    return observer{counts};
}

WEIR_INLINE std::shared_ptr<void> metrics::add(source more) {
    const std::lock_guard lock{state_->mutex};
    const auto place = state_->sources.insert(state_->sources.end(), std::move(more));
    return {&*place, [state = state_, place](void*) {
                const std::lock_guard last_call{state->mutex};
                state->sources.erase(place);
            }};
}

WEIR_INLINE std::string metrics::text(metrics_format format) const {
    metrics_writer writer{format};
    const std::lock_guard lock{state_->mutex};
    detail::metrics_table{state_->counted, writer}.write();
    for (const source& more : state_->sources) more(writer);
    return std::move(writer).finish();
}

WEIR_INLINE response metrics::answer(const request& r) const {
    const metrics_format format = http::accepted_metrics_format(r.view().fields);
    return {.body = text(format),
            .content_type = std::string{http::content_type(format)},
            .fields = {{"Cache-Control", "no-store"}}};
}

}  // namespace weir

// SPDX-License-Identifier: BSL-1.0
#pragma once

// Counts what sessions do, and writes it for Prometheus and whatever else reads OpenMetrics. Layer: public.

#include <weir/http/message.hpp>
#include <weir/http/metrics_writer.hpp>
#include <weir/policy/observer.hpp>
#include <weir/policy/session_counts.hpp>

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

/// A stock observer for any number of sessions on any threads, and its text.
///
///     weir::metrics m;
///     weir::server app{{.metrics = &m}};                    // every route of the server's, by its pattern
///     app.get("/metrics", [&](const weir::request& r) { return m.answer(r); });
///     weir::ws_stream out{std::move(socket), m.ws_observer("/chat")};  // or one by one, in a server of your own
///
/// Every metric has the labels `route` and `protocol` (sse or ws). Bytes are those of the wire: framing, response heads
/// and heartbeats included, TLS not.
///
///     weir_sessions                  gauge      open at the moment
///     weir_sessions_opened_total     counter
///     weir_sessions_closed_total     counter    by `reason`, see below
///     weir_sent_messages_total       counter    wholly accepted by the transport
///     weir_sent_bytes_total          counter
///     weir_received_messages_total   counter
///     weir_received_bytes_total      counter
///     weir_dropped_messages_total    counter    by `reason`: the names of drop_reason
///     weir_refused_messages_total    counter    turned down by the policy, and the sender told so
///     weir_heartbeats_total          counter    sent
///     weir_heartbeats_missed_total   counter    sessions that ended because one was not answered
///     weir_blocked_queue_messages    histogram  what waits whenever the transport takes no more
///     weir_blocked_queue_bytes       histogram
///     weir_subscriber_lag_messages   histogram  how far a hub's subscriber was behind
///     weir_subscriber_lag_bytes      histogram
///     weir_subscriber_lag_seconds    histogram
///
/// The reasons of an end: none (in good order), closed (cut by this side), peer_closed, draining, slow_reader,
/// message_too_large, stalled, unresponsive, close_timed_out, expired, transport (what the system says: a reset, say),
/// or the condition of any other error.
///
/// Thread-safe. Observers may outlive it.
class metrics {
public:
    /// Counts into one route's numbers: an observer policy for sse_stream, ws_stream and any_observer. Copies count
    /// into the same.
    class observer {
    public:
        /// Counts what was observed.
        template <observation Observation>
        void operator()(const Observation& what) const noexcept {
            counts_->count(what);
        }

    private:
        friend class metrics;
        explicit observer(std::shared_ptr<detail::session_counts> counts) noexcept : counts_(std::move(counts)) {}

        std::shared_ptr<detail::session_counts> counts_;
    };

    /// Writes metrics of the program's own: families that are not in the table above.
    using source = std::function<void(metrics_writer&)>;

    metrics() = default;
    metrics(const metrics&) = delete;
    metrics& operator=(const metrics&) = delete;

    /// For sessions of one kind, all of which are counted under that name. The numbers of a name are kept for good: it
    /// is never one that a client chooses.
    observer sse_observer(std::string_view route) { return observer_of("sse", route); }
    /// As sse_observer(), for WebSockets.
    observer ws_observer(std::string_view route) { return observer_of("ws", route); }

    /// Has `more` called at the end of each text(), as long as what this returns lives. It is not called once that is
    /// gone, and must not call this object.
    [[nodiscard]] std::shared_ptr<void> add(source more);

    /// All metrics as they are. Throws what a source throws.
    std::string text(metrics_format format = metrics_format::openmetrics) const;
    /// The text in the format that the client prefers.
    response answer(const request& r) const;

private:
    struct route_name {
        std::string_view protocol;
        std::string route;
        auto operator<=>(const route_name&) const = default;
    };
    using routes = std::map<route_name, std::shared_ptr<detail::session_counts>>;
    struct shared {
        std::mutex mutex;
        routes counted;
        std::list<source> sources;
    };

    observer observer_of(std::string_view protocol, std::string_view route);

    std::shared_ptr<shared> state_ = std::make_shared<shared>();
};

static_assert(observer_policy<metrics::observer>);

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

inline metrics::observer metrics::observer_of(std::string_view protocol, std::string_view route) {
    const std::lock_guard lock{state_->mutex};
    auto& counts = state_->counted[{protocol, std::string{route}}];
    if (!counts) counts = std::make_shared<detail::session_counts>();
    return observer{counts};
}

inline std::shared_ptr<void> metrics::add(source more) {
    const std::lock_guard lock{state_->mutex};
    const auto place = state_->sources.insert(state_->sources.end(), std::move(more));
    return {&*place, [state = state_, place](void*) {
                const std::lock_guard last_call{state->mutex};
                state->sources.erase(place);
            }};
}

inline std::string metrics::text(metrics_format format) const {
    metrics_writer writer{format};
    const std::lock_guard lock{state_->mutex};
    detail::metrics_table{state_->counted, writer}.write();
    for (const source& more : state_->sources) more(writer);
    return std::move(writer).finish();
}

inline response metrics::answer(const request& r) const {
    const metrics_format format = http::accepted_metrics_format(r.view().fields);
    return {.body = text(format),
            .content_type = std::string{http::content_type(format)},
            .fields = {{"Cache-Control", "no-store"}}};
}

}  // namespace weir

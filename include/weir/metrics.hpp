// SPDX-License-Identifier: BSL-1.0
#pragma once

// Counts what sessions do, and writes it for Prometheus and whatever else reads OpenMetrics. Layer: public.

#include <weir/config.hpp>
#include <weir/http/message.hpp>
#include <weir/http/metrics_writer.hpp>
#include <weir/policy/observer.hpp>
#include <weir/policy/session_counts.hpp>

#include <functional>
#include <memory>
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

    metrics();
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
    struct route_name;
    struct shared;

    observer observer_of(std::string_view protocol, std::string_view route);

    std::shared_ptr<shared> state_;
};

static_assert(observer_policy<metrics::observer>);

}  // namespace weir

#include WEIR_BODIES(weir/metrics.ipp)

// SPDX-License-Identifier: BSL-1.0
#pragma once

// cpp-httplib as a host of event streams, each on a thread of its pool. Without Asio. Layer: adapt.

#include <weir/adapt/host_request.hpp>
#include <weir/adapt/host_response.hpp>
#include <weir/bytes.hpp>
#include <weir/error.hpp>
#include <weir/exceptions.hpp>
#include <weir/http/request_view.hpp>
#include <weir/sans_io.hpp>
#include <weir/sse/encoder.hpp>
#include <weir/sse/handshake.hpp>
#include <weir/time.hpp>

#include <httplib.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

namespace weir::adapt {

/// The request as weir reads it. Valid as long as `req`.
inline host_request request(const httplib::Request& req) {
    const auto version = req.version == "HTTP/1.0" ? http::version::http_1_0 : http::version::http_1_1;
    host_request out{req.method, req.target, version};
    for (const auto& [name, value] : req.headers) out.add(name, value);
    return out;
}

namespace detail {

/// Calls of a content provider: each does what is due and writes what there is, then waits for a moment.
template <class Machine>
class httplib_provider {
public:
    httplib_provider(std::shared_ptr<Machine> session, std::string first_block, bool chunked)
        : session_(std::move(session)), first_(std::move(first_block)), chunked_(chunked) {}

    // httplib lets no exception out of here alive.
    bool operator()(std::size_t, httplib::DataSink& sink) {
        bool goes_on = false;
        if (weir::detail::caught([&] { goes_on = provide(sink); })) session_->abort(clock::now());
        return goes_on;
    }

private:
    bool provide(httplib::DataSink& sink) {
        time_point now = clock::now();
        if (!write(std::exchange(first_, {}), sink) || !sink.is_writable()) session_->peer_closed(now);
        session_->on_deadline(now);
        for (auto out = session_->output(now); !out.empty(); out = session_->output(now)) {
            if (!write(as_text(out), sink)) session_->peer_closed(now = clock::now());
            session_->written(out.size(), now = clock::now());
        }
        if (session_->closed()) return false;
        if (session_->wants_shutdown()) {
            if (!chunked_) return false;  // only the connection's end tells the client, whatever it asked to be kept
            sink.done();
            return true;
        }
        std::this_thread::sleep_until(std::min(session_->deadline(), now + look_again));
        return true;
    }

    // How soon a server that is told to stop, or a client that has gone, is noticed.
    static constexpr milliseconds look_again{100};

    static bool write(std::string_view bytes, httplib::DataSink& sink) {
        return bytes.empty() || sink.write(bytes.data(), bytes.size());
    }

    std::shared_ptr<Machine> session_;
    std::string first_;
    bool chunked_;
};

}  // namespace detail

/// Makes an event stream of a response, in a handler: what is sent on the machine goes out once the handler has
/// returned. Null: the request was refused, and the response says so.
///
///     const auto out = weir::adapt::event_stream(request, response, {}, weir::comment_every{15s});
///     if (out) out->ask([out = out.get()](weir::time_point now) { ...; return now + 1s; });
///
/// httplib frames the stream and writes it, on a thread of its pool which the stream occupies: give the server as many
/// as it may have streams. A write blocks until the client takes it, for httplib's write timeout (5 s) at most; then
/// the stream ends. So a stall policy never has anything to decide, and a backpressure policy only where more is sent
/// at once than fits. A client that goes is noticed within a tenth of a second. Only the source that the machine asks
/// may use it.
template <class... Policies>
std::shared_ptr<sse_machine<Policies...>> event_stream(const httplib::Request& req, httplib::Response& response,
                                                       sse::accept_options options = {}, Policies... policies) {
    using machine_type = sse_machine<Policies...>;
    const host_request view = request(req);
    options.close_delimited = true;  // httplib adds the chunks
    const sse::handshake_result answer = sse::handshake(view, options);
    const host_response head{answer.response};
    response.status = head.status();
    head.for_each_field([&](std::string_view name, std::string_view value) {
        response.set_header(std::string{name}, std::string{value});
    });
    if (answer.refusal != error::none) {
        if (!head.body().empty()) response.set_content(std::string{head.body()}, "text/plain");
        return nullptr;
    }
    auto session = std::make_shared<machine_type>(std::move(policies)...);
    session->begin(answer.body_framing, clock::now(), answer.last_event_id);
    const bool chunked = view.version != http::version::http_1_0;
    const detail::httplib_provider<machine_type> provider{session, std::string{head.body()}, chunked};
    if (chunked) {
        response.set_chunked_content_provider("text/event-stream", provider);
    } else {
        response.set_content_provider("text/event-stream", provider);
    }
    return session;
}

}  // namespace weir::adapt

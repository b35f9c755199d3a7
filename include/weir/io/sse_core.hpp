// SPDX-License-Identifier: BSL-1.0
#pragma once

// An event stream on an Asio stream: the handshake, and the client's last id. Layer: io.

#include <weir/config.hpp>
#include <weir/error.hpp>
#include <weir/http/request_view.hpp>
#include <weir/io/stream_session.hpp>
#include <weir/policy/policy_set.hpp>
#include <weir/session/sse_session.hpp>
#include <weir/sse/encoder.hpp>
#include <weir/sse/handshake.hpp>

#include WEIR_ASIO(ip/tcp.hpp)

#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace weir::detail {

/// What an sse_stream is a handle of.
template <class Stream, class... Policies>
class sse_core : public stream_session<sse_session, Stream, Policies...> {
public:
    sse_core(Stream&& stream, policy_set<Policies...> policies)
        : stream_session<sse_session, Stream, Policies...>(std::move(stream), std::move(policies)) {}

    error accept(const http::request_view& request, sse::accept_options options) {
        if (this->state() != phase::fresh) return error::closed;
        if (this->policies().framing()(request) == sse::framing::plain) options.close_delimited = true;
        options.keep_alive = false;  // the connection ends with the stream, or with the refusal
        const sse::handshake_result result = sse::handshake(request, options);
        if (result.refusal == error::none) return accept(result);
        this->start_reading();
        this->refuse(result.response, result.refusal);
        return result.refusal;
    }

    /// Starts the stream that the handshake has promised.
    error accept(const sse::handshake_result& promised) {
        last_event_id_refused_ = promised.last_event_id_refused;
        return begin(promised.body_framing, promised.last_event_id, promised.response);
    }

    error begin(sse::framing framing, std::string_view last_event_id, std::string_view head = {}) {
        if (this->state() != phase::fresh) return error::closed;
        this->framing_ = framing;
        if (!last_event_id.empty()) last_event_id_ = std::make_unique<const std::string>(last_event_id);
        this->start_reading();
        this->open(head);
        return error::none;
    }

    bool last_event_id_refused() const noexcept { return last_event_id_refused_; }
    std::string_view last_event_id() const noexcept { return last_event_id_ ? *last_event_id_ : std::string_view{}; }

protected:
    ~sse_core() override = default;

private:
    std::unique_ptr<const std::string> last_event_id_;
    bool last_event_id_refused_ = false;
};

WEIR_COMPILED_ONCE(class stream_io<sse_session, net::ip::tcp::socket>);

}  // namespace weir::detail

#include WEIR_BODIES(weir/io/sse_core.ipp)

// SPDX-License-Identifier: BSL-1.0
#pragma once

// How an event stream begins: the handshake, and the client's last id. Layer: session.

#include <weir/error.hpp>
#include <weir/http/request_view.hpp>
#include <weir/session/session_writer.hpp>
#include <weir/sse/encoder.hpp>
#include <weir/sse/handshake.hpp>

#include <memory>
#include <string>
#include <string_view>

namespace weir::detail {

/// `Host` is an sse_session with policies, which start_reading() wakes.
template <class Host>
class sse_beginning : public Host {
public:
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
    using Host::Host;
    ~sse_beginning() = default;

private:
    std::unique_ptr<const std::string> last_event_id_;
    bool last_event_id_refused_ = false;
};

}  // namespace weir::detail

// SPDX-License-Identifier: BSL-1.0
#pragma once

// How a WebSocket begins, on either side: what is agreed on, and what bounds it. Layer: session. RFC 6455 §4

#include <weir/error.hpp>
#include <weir/http/request_view.hpp>
#include <weir/session/session_writer.hpp>
#include <weir/session/ws_session.hpp>
#include <weir/ws/connection.hpp>
#include <weir/ws/deflate_agreement.hpp>
#include <weir/ws/deflate_offer.hpp>
#include <weir/ws/handshake.hpp>

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace weir {

/// What a WebSocket session bounds.
struct ws_limits {
    /// Of a message that is not read in pieces, after inflation; beyond it the connection fails with 1009; 0: no limit.
    std::size_t max_message_bytes = 1024 * 1024;
    /// Pings answered one by one; of those beyond, only the newest is, when the second is over; 0: no limit.
    unsigned max_pongs_per_second = 100;
};

namespace detail {

/// `Host` is a ws_session with policies, which start_reading() wakes.
template <class Host>
class ws_beginning : public Host {
public:
    static ws::connection_options options_for(const ws_limits& limits) noexcept {
        ws::connection_options options = ws_session::default_options();
        options.max_message_bytes = limits.max_message_bytes;
        options.max_pongs_per_second = limits.max_pongs_per_second;
        return options;
    }

    /// Before the session begins.
    void limits(const ws_limits& limits) { rare().options = options_for(limits); }

    /// Answers the request. `received`: what came behind its head.
    error accept(const http::request_view& request, ws::accept_options options, std::string_view received) {
        if (this->state() != phase::fresh) return error::closed;
        options.deflate = deflate_options();
        options.keep_alive = false;
        const ws::handshake_result result = ws::handshake(request, options);
        if (result.refusal == error::none) return accept(result, received, options_in_use());
        turn_down(result.response, result.refusal);
        return result.refusal;
    }

    /// Begins what the handshake has promised. `options` must outlive the session.
    error accept(const ws::handshake_result& promised, std::string_view received,
                 const ws::connection_options& options) {
        return begin(ws::role::server, promised.deflate, promised.subprotocol, promised.response, received, options);
    }

    /// Begins without a handshake of its own, with the limits set.
    error begin(ws::role self, const std::optional<ws::deflate_agreement>& agreed, std::string_view subprotocol,
                std::string_view received) {
        return begin(self, agreed, subprotocol, {}, received, options_in_use());
    }

    /// Answers with a complete response, and ends the connection.
    void turn_down(std::string_view response, error reason) {
        if (this->state() != phase::fresh) return;
        this->start_reading();
        this->refuse(response, reason);
    }

    const ws::deflate_options* deflate_options() noexcept { return this->policies().message_framing().deflate(); }
    std::string_view subprotocol() const noexcept { return rare_ ? rare_->subprotocol : std::string_view{}; }

protected:
    using Host::Host;
    ~ws_beginning() = default;

private:
    error begin(ws::role self, const std::optional<ws::deflate_agreement>& agreed, std::string_view subprotocol,
                std::string_view head, std::string_view received, const ws::connection_options& options) {
        if (this->state() != phase::fresh) return error::closed;
        if (!subprotocol.empty()) rare().subprotocol = subprotocol;
        auto codec = agreed ? this->policies().message_framing().make_codec(self, *agreed) : nullptr;
        this->start_reading();
        ws_session::begin(ws::connection{self, options, this->now(), std::move(codec)}, head, received);
        return error::none;
    }

    const ws::connection_options& options_in_use() const noexcept {
        return rare_ && rare_->options ? *rare_->options : this->default_options();
    }

    struct rarely_there {
        std::optional<ws::connection_options> options;
        std::string subprotocol;
    };

    rarely_there& rare() {
        if (!rare_) rare_ = std::make_unique<rarely_there>();
        return *rare_;
    }

    std::unique_ptr<rarely_there> rare_;
};

}  // namespace detail
}  // namespace weir

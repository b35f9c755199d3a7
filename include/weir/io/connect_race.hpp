// SPDX-License-Identifier: BSL-1.0
#pragma once

// Connects to whichever of several addresses answers, without waiting long for one that does not. Layer: io.
// RFC 8305 §4, §5

#include <weir/config.hpp>
#include <weir/io/completion.hpp>
#include <weir/io/counted_ptr.hpp>
#include <weir/io/loop.hpp>
#include <weir/io/resolve.hpp>
#include <weir/time.hpp>

#include WEIR_ASIO(any_io_executor.hpp)
#include WEIR_ASIO(async_result.hpp)
#include WEIR_ASIO(dispatch.hpp)
#include WEIR_ASIO(error.hpp)
#include WEIR_ASIO(ip/tcp.hpp)

#include <cstddef>
#include <utility>
#include <vector>

namespace weir::detail {

/// The order to try them in. "Whichever address family is first in the list should be followed by an address of the
/// other address family". RFC 8305 §4. The system puts the family first with which it gets anywhere. RFC 6724 §6
inline endpoint_list interleave(const endpoint_list& found) {
    endpoint_list first, second, mixed;
    for (const auto& one : found) (one.protocol() == found.front().protocol() ? first : second).push_back(one);
    for (std::size_t i = 0; i < first.size() || i < second.size(); ++i) {
        if (i < first.size()) mixed.push_back(first[i]);
        if (i < second.size()) mixed.push_back(second[i]);
    }
    return mixed;
}

/// Of the reasons why addresses could not be reached, that the server said no tells more than that no packet got away.
inline bool tells_little(const error_code& ec) noexcept {
    return ec == net::error::network_unreachable || ec == net::error::host_unreachable ||
           ec == net::error::address_family_not_supported;
}

/// One race. The attempts that are under way own it.
class connect_race final : public timed {
public:
    using socket = net::ip::tcp::socket;

    template <class Handler>
    static void start(Handler handler, const net::any_io_executor& executor, const endpoint_list& endpoints,
                      milliseconds delay) {
        const counted_ptr<connect_race> self{new connect_race{executor, endpoints, delay}};
        self->waiting_ =
            keep_handler<error_code, socket>(std::move(handler), executor, [race = self.get()] { race->cancel(); });
        if (endpoints.empty()) return self->finish(net::error::host_not_found, socket{executor});
        self->try_next();
    }

    void add_reference() noexcept { references_.add(); }
    void drop_reference() noexcept {
        if (references_.drop()) delete this;
    }

private:
    using self_ptr = counted_ptr<connect_race>;

    connect_race(const net::any_io_executor& executor, const endpoint_list& endpoints, milliseconds delay)
        : executor_(executor), loop_(loop::of(executor)), endpoints_(interleave(endpoints)), delay_(delay) {
        sockets_.reserve(endpoints_.size());
    }
    ~connect_race() override { loop_.cancel(*this); }

    bool retain() noexcept override { return references_.add_if_any(); }
    void expire() noexcept override {
        net::dispatch(executor_, [self = self_ptr::adopt(this)] { self->on_time(); });
    }

    bool any_left() const noexcept { return sockets_.size() != endpoints_.size(); }

    void try_next() {
        const std::size_t number = sockets_.size();
        sockets_.emplace_back(executor_);
        ++under_way_;
        sockets_[number].async_connect(
            endpoints_[number], [self = self_ptr{this}, number](error_code ec) { self->on_connected(number, ec); });
        next_at_ = any_left() && delay_ != delay_.zero() ? later(loop_.now(), delay_) : never;
        loop_.schedule(*this, next_at_, executor_);
    }

    // What has failed is not waited for. RFC 8305 §5 wants 10 ms between two attempts even then, for the sake of hosts
    // with many addresses; who resolves to addresses that refuse is asked once for each, and no more.
    void on_connected(std::size_t number, error_code ec) {
        --under_way_;
        if (!waiting_) return;
        if (!ec) return finish({}, std::move(sockets_[number]));
        if (!failure_ || !tells_little(ec)) failure_ = ec;
        error_code ignored;
        static_cast<void>(sockets_[number].close(ignored));
        if (any_left()) return try_next();
        if (under_way_ == 0) finish(failure_, socket{executor_});
    }

    void on_time() {
        if (waiting_ && any_left() && loop_.now() >= next_at_) try_next();
    }

    void cancel() {
        const self_ptr self{this};
        finish(net::error::operation_aborted, socket{executor_});
    }

    void finish(error_code ec, socket winner) {
        loop_.cancel(*this);
        error_code ignored;
        for (socket& loser : sockets_) static_cast<void>(loser.close(ignored));
        complete(waiting_, ec, std::move(winner));
    }

    net::any_io_executor executor_;
    loop& loop_;
    const endpoint_list endpoints_;
    const milliseconds delay_;
    reference_count references_;
    std::vector<socket> sockets_;  // of the endpoints tried so far; there is room for all, so that none moves
    std::size_t under_way_ = 0;
    time_point next_at_ = never;
    error_code failure_;
    completion_ptr<error_code, socket> waiting_;
};

/// Connects to the first of `endpoints` that accepts. One is tried after the other, `delay` after the one before or as
/// soon as one has failed; delay zero: only then.
/// Signature     void(error_code, net::ip::tcp::socket), the latter connected if there is no error
/// Completes     when one connection stands, or none can; the other attempts are given up
/// Errors        of connecting, from the last address that said anything; net::error::host_not_found if there are none;
///               net::error::operation_aborted
/// Cancellation  total, and at once, on the executor, which may be a strand
template <class Token>
auto async_connect_race(const net::any_io_executor& executor, const endpoint_list& endpoints, milliseconds delay,
                        Token&& token) {
    return net::async_initiate<Token, void(error_code, net::ip::tcp::socket)>(
        [](auto handler, const net::any_io_executor& on, const endpoint_list& to, milliseconds apart) {
            connect_race::start(std::move(handler), on, to, apart);
        },
        token, executor, endpoints, delay);
}

}  // namespace weir::detail

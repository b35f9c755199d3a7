// SPDX-License-Identifier: BSL-1.0
#pragma once

// From a host's name to its addresses. Layer: io.

#include <weir/config.hpp>
#include <weir/exceptions.hpp>
#include <weir/io/cancellable_run.hpp>
#include <weir/io/completion.hpp>
#include <weir/io/waiter_op.hpp>

#include WEIR_ASIO(any_io_executor.hpp)
#include WEIR_ASIO(async_result.hpp)
#include WEIR_ASIO(error.hpp)
#include WEIR_ASIO(ip/address.hpp)
#include WEIR_ASIO(ip/tcp.hpp)

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace weir::detail {

using endpoint_list = std::vector<net::ip::tcp::endpoint>;

/// One question to the system. It may be cancelled before the system has answered: the answer is dropped then.
class resolution {
public:
    template <class Handler>
    static void start(Handler handler, const net::any_io_executor& executor, const std::string& host,
                      std::uint16_t port) {
        const auto self = std::make_shared<resolution>(executor);
        self->waiting_ = keep_handler<error_code, endpoint_list>(std::move(handler), executor,
                                                                 [asked = self.get()] { asked->cancel(); });
        // Asio makes a thread for the first question of a context, which the system may refuse. A coroutine that waits
        // could not be told by an exception.
        const auto failure = caught([&] {
            self->resolver_.async_resolve(host, std::to_string(port), net::ip::resolver_base::numeric_service,
                                          [self](error_code ec, const results& found) { self->finish(ec, found); });
        });
        if (failure) self->finish(code_of(failure), {});
    }

    explicit resolution(const net::any_io_executor& executor) : resolver_(executor) {}

private:
    using results = net::ip::tcp::resolver::results_type;

    // Nothing can interrupt the system once it has begun to look.
    void cancel() {
        resolver_.cancel();
        complete(waiting_, error_code{net::error::operation_aborted}, endpoint_list{});
    }

    void finish(error_code ec, const results& found) {
        endpoint_list endpoints;
        for (const auto& entry : found) endpoints.push_back(entry.endpoint());
        if (!ec && endpoints.empty()) ec = net::error::host_not_found;
        complete(waiting_, ec, std::move(endpoints));
    }

    net::ip::tcp::resolver resolver_;
    completion_ptr<error_code, endpoint_list> waiting_;
};

/// The addresses of `host`, a name or an address without brackets, in the order in which the system would try them.
/// Signature     void(error_code, endpoint_list)
/// Completes     when the system has answered; at once for an address, of which it is not asked
/// Errors        those of Asio's resolver; net::error::operation_aborted
/// Cancellation  total, and at once, on the executor. The system goes on looking, on a thread of Asio's: until it has
///               an answer, the context does not run out of work, and its destructor waits
template <class Token>
auto async_resolve(const net::any_io_executor& executor, const std::string& host, std::uint16_t port, Token&& token) {
    return net::async_initiate<Token, void(error_code, endpoint_list)>(
        [](auto handler, const net::any_io_executor& on, const std::string& name, std::uint16_t number) {
            error_code ec;
            const auto address = net::ip::make_address(name, ec);
            if (ec) return resolution::start(std::move(handler), on, name, number);
            post_completion(std::move(handler), on, error_code{}, endpoint_list{{address, number}});
        },
        token, executor, host, port);
}

}  // namespace weir::detail

// SPDX-License-Identifier: BSL-1.0
#pragma once

// A wire in virtual time, and what came of the last operation on the session there.

#include <weir/config.hpp>

#include WEIR_ASIO(awaitable.hpp)
#include WEIR_ASIO(co_spawn.hpp)

#include <exception>
#include <memory>
#include <optional>
#include <utility>

#include "support/memory_stream.hpp"
#include "support/virtual_context.hpp"

namespace test {

struct session_fixture {
    virtual_context context;
    std::shared_ptr<test::wire> wire = std::make_shared<test::wire>();
    std::optional<weir::error_code> outcome, reason;
    std::exception_ptr failure;  ///< what left the last coroutine

    /// A handler for any operation that completes with error codes alone.
    auto remember() {
        outcome.reset();
        reason.reset();
        return [this](weir::error_code ec, weir::error_code why = {}) {
            outcome = ec;
            reason = why;
        };
    }
    void run(weir::net::awaitable<void> what) {
        weir::net::co_spawn(context.context(), std::move(what), [this](std::exception_ptr e) { failure = e; });
        context.settle();
    }
    weir::error_code failure_code() const {
        try {
            if (failure) std::rethrow_exception(failure);
        } catch (const weir::system_error& e) {
            return e.code();
        }
        return {};
    }
};

}  // namespace test

// SPDX-License-Identifier: BSL-1.0
#pragma once

// What a client's application has called before each attempt to connect. Layer: io.

#include <weir/config.hpp>
#include <weir/error.hpp>
#include <weir/exceptions.hpp>

#include WEIR_ASIO(awaitable.hpp)

#include <concepts>
#include <exception>
#include <functional>
#include <type_traits>
#include <utility>

namespace weir {

/// A function of `Attempt&` that returns nothing, or a net::awaitable<void>, for which the attempt waits: the place for
/// a fresh token. It may change what it is given, and may close the client. A system_error that it throws is why this
/// attempt has failed, and so is error::hook_failed for any other exception; the client tries again as if the server
/// had not been reached.
///
/// A coroutine that still waits when the client is closed, or its handle destroyed, is resumed to learn that: what it
/// waits for is cancelled, and fails with operation_aborted. If it goes on nevertheless, it does so behind the end of
/// the handle: what it uses must live until it returns. Without has_cancellation it is not interrupted, and the client
/// ends when it returns.
template <class Attempt>
class attempt_hook {
public:
    attempt_hook() = default;  ///< nothing is called

    /// Of anything that can be called with the attempt: a function, or a coroutine.
    template <std::invocable<Attempt&> Function>
        requires(!std::same_as<std::remove_cvref_t<Function>, attempt_hook>)
    attempt_hook(Function function) {
        using result = std::invoke_result_t<Function&, Attempt&>;
        static_assert(!std::invocable<Function&, Attempt&&>, "a hook takes the attempt by reference, to change it");
        static_assert(std::is_void_v<result> || std::same_as<result, net::awaitable<void>>,
                      "a hook returns nothing, or a net::awaitable<void>");
        if constexpr (std::is_void_v<result>) {
            at_once_ = std::move(function);
        } else {
            awaited_ = std::move(function);
        }
    }

    /// Whether there is something to call.
    explicit operator bool() const noexcept { return at_once_ || awaited_; }

    /// Calls it, and waits for it. The result: none, or why the attempt has failed. `attempt` is needed until the end.
    net::awaitable<error_code> run(Attempt& attempt) const {
        std::exception_ptr failure;
        WEIR_TRY {
            if (at_once_) at_once_(attempt);
            if (awaited_) co_await awaited_(attempt);
        }
        WEIR_CATCH_ALL { failure = std::current_exception(); }
        co_return failure ? reason_of(failure) : error_code{};
    }

private:
    static error_code reason_of(const std::exception_ptr& failure) {
        error_code ec;
        detail::look_at<system_error>(failure, [&](const system_error& thrown) { ec = thrown.code(); });
        return ec ? ec : make_error_code(error::hook_failed);
    }

    std::function<void(Attempt&)> at_once_;
    std::function<net::awaitable<void>(Attempt&)> awaited_;
};

}  // namespace weir

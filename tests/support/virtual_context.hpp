// SPDX-License-Identifier: BSL-1.0
#pragma once

// An io_context whose time passes when the test says so.

#include <weir/io/loop.hpp>
#include <weir/time.hpp>

#include WEIR_ASIO(io_context.hpp)

#include <algorithm>
#include <cstddef>

namespace test {

class virtual_context {
public:
    virtual_context() { loop().stop_clock(start_); }

    weir::net::io_context& context() noexcept { return context_; }
    operator weir::net::io_context&() noexcept { return context_; }
    weir::detail::loop& loop() { return weir::detail::loop::of(context_.get_executor()); }
    /// How much time has passed.
    weir::duration now() { return loop().now() - start_; }

    /// Runs what is ready, and what that makes ready; returns the number of handlers.
    std::size_t settle() {
        context_.restart();
        return context_.poll();
    }
    /// Runs one handler.
    std::size_t step() {
        context_.restart();
        return context_.poll_one();
    }

    /// Lets time pass, deadline by deadline, with what each of them makes ready.
    void pass(weir::duration time) {
        const weir::time_point until = loop().now() + time;
        settle();
        for (weir::time_point next = loop().next_due(); next <= until; next = loop().next_due()) {
            loop().advance_to(std::max(next, loop().now()));
            settle();
        }
        loop().advance_to(until);
        settle();
    }

    /// Whether anything is left that the context would wait for.
    bool idle() {
        settle();
        return context_.stopped();
    }

private:
    weir::net::io_context context_;
    weir::time_point start_ = (static_cast<void>(loop()), weir::clock::now());
};

}  // namespace test

// SPDX-License-Identifier: BSL-1.0
#pragma once

// Where exceptions go that leave a handler. Layer: server.

#include <weir/config.hpp>
#include <weir/error.hpp>
#include <weir/exceptions.hpp>

#include <cstdio>
#include <exception>
#include <functional>
#include <string_view>
#include <utility>

namespace weir::detail {

/// Tells the application of its exceptions. Thread-safe, if the application's function is.
class reporter {
public:
    using function = std::function<void(std::string_view route, std::exception_ptr failure)>;

    explicit reporter(function tell) : tell_(std::move(tell)) {}

    void operator()(std::string_view route, std::exception_ptr failure) const noexcept {
        if (tell_) return tell_(route, failure);
        const auto print = [&](const char* what) {
            std::fprintf(stderr, "weir: handler of %.*s: %s\n", static_cast<int>(route.size()), route.data(), what);
        };
        if (look_at<std::exception>(failure, [&](const std::exception& e) { print(e.what()); })) return;
        print("unknown exception");
    }

    /// Unless the exception only says that the handler's session has ended, for this reason.
    void unless_ended(std::string_view route, std::exception_ptr failure, error_code end_reason) const noexcept {
        if (!failure) return;
        bool ended = false;
        look_at<system_error>(failure, [&](const system_error& e) {
            ended = e.code() == condition::closed || (end_reason && e.code() == end_reason);
        });
        if (!ended) (*this)(route, failure);
    }

private:
    function tell_;
};

}  // namespace weir::detail

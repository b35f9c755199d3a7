// SPDX-License-Identifier: BSL-1.0
#pragma once

// What one subscriber has said about its messages, and what it has still to be told. Layer: session.

#include <weir/policy/any_policy.hpp>
#include <weir/session/published_message.hpp>
#include <weir/session/subscribe_options.hpp>

#include <functional>
#include <optional>
#include <utility>

namespace weir::detail {

/// Of subscribers that have said nothing there is none.
struct subscriber_rules {
    std::function<bool(const published_message&)> filter;
    std::optional<any_lag> lag;
    std::function<std::optional<skip_notice>(const skipped&)> on_skip;
    skipped unsaid;  ///< what the client has not been told of

    static bool are_in(const subscribe_options& options) noexcept {
        return options.filter || options.lag || options.on_skip;
    }
    /// What is given replaces what was there.
    void add(const subscribe_options& options) {
        if (options.filter) filter = options.filter;
        if (options.lag) lag = options.lag;
        if (options.on_skip) on_skip = options.on_skip;
    }

    bool has_notice() const noexcept { return on_skip && (unsaid.messages != 0 || unsaid.lost); }
    /// What the client is told now, if anything.
    std::optional<skip_notice> notice() {
        std::optional<skip_notice> said = has_notice() ? on_skip(unsaid) : std::nullopt;
        if (!said) unsaid = {};
        return said;
    }
};

}  // namespace weir::detail

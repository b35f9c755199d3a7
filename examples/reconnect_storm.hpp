// SPDX-License-Identifier: BSL-1.0
#pragma once

// A server restarts, and all of its clients lose their connections at one moment. When does each of them reach it
// again? In virtual time: attempts take no time, and those before the server is back are refused at once.

#include <weir/policy/reconnect.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <random>
#include <variant>
#include <vector>

namespace reconnect_storm {

struct restart {
    std::size_t clients = 50'000;
    weir::duration away{};       ///< how long the server cannot be reached
    weir::milliseconds floor{};  ///< what it asked its clients to wait
    std::uint64_t seed = 1;
};

/// Draws from `random` until the client is back. Returns when that is, counted from the loss of its connection; never
/// if the policy gives up.
template <weir::reconnect_policy Policy>
weir::duration time_of_return(const Policy& policy, const restart& r, std::mt19937_64& random) {
    weir::reconnect_facts facts{.lived = std::chrono::hours{1}, .floor = r.floor};
    for (;; facts.lived = {}, ++facts.failures) {
        facts.random = random();
        const weir::reconnect_decision decision = policy(facts);
        const auto* retry = std::get_if<weir::retry_in>(&decision);
        if (!retry) return weir::duration::max();
        facts.trying += retry->delay;
        if (facts.trying >= r.away) return facts.trying;
    }
}

/// When each client reaches the server, in order.
template <weir::reconnect_policy Policy>
std::vector<weir::duration> arrivals(const Policy& policy, const restart& r) {
    std::mt19937_64 random{r.seed};
    std::vector<weir::duration> moments(r.clients);
    for (weir::duration& moment : moments) moment = time_of_return(policy, r, random);
    std::sort(moments.begin(), moments.end());
    return moments;
}

/// Arrivals counted in bins of equal width over the spread window, the time from the first to the last of them. Of
/// 50,000 evenly spread clients a bin gets 1,250, give or take 35 by chance: the fullest has about 1.07 times the mean,
/// and what is above that is the policy's doing.
struct histogram {
    static constexpr std::size_t bins = 40;

    weir::duration from{}, to{};
    std::vector<std::size_t> counts = std::vector<std::size_t>(bins);

    /// The window is that of `moments`, which are in order and not none.
    explicit histogram(const std::vector<weir::duration>& moments) : histogram(moments, moments) {}
    /// The window is that of others. What is outside counts as at its ends.
    histogram(const std::vector<weir::duration>& moments, const std::vector<weir::duration>& others)
        : from(others.front()), to(others.back()) {
        for (const weir::duration moment : moments) ++counts[bin_of(moment)];
    }

    std::size_t bin_of(weir::duration moment) const {
        const double wide = std::max(seconds(to - from), 1e-9);
        const double place = std::clamp(seconds(moment - from) / wide, 0.0, 1.0);
        return std::min(static_cast<std::size_t>(place * bins), bins - 1);
    }
    /// Where a bin begins, in seconds since the connections were lost.
    double start_of(std::size_t bin) const {
        return seconds(from) + seconds(to - from) * static_cast<double>(bin) / bins;
    }
    std::size_t peak() const { return *std::max_element(counts.begin(), counts.end()); }
    double mean() const {
        std::size_t sum = 0;
        for (const std::size_t count : counts) sum += count;
        return static_cast<double>(sum) / bins;
    }
    /// 1: as even as can be; as many as there are bins: all at once.
    double peak_to_mean() const { return static_cast<double>(peak()) / mean(); }

private:
    static double seconds(weir::duration d) { return std::chrono::duration<double>(d).count(); }
};

}  // namespace reconnect_storm

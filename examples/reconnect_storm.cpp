// SPDX-License-Identifier: BSL-1.0

// A server restarts and its 50,000 clients come back: all at once, if each waits for the same time, or evenly spread.
//
//     reconnect_storm --away 10
//
// Exit status 0: the fullest of 40 bins has at most 1.5 times the mean, with the policy that clients have by default.

#include <weir/policy/reconnect.hpp>

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "reconnect_storm.hpp"

namespace {

using reconnect_storm::histogram;
using reconnect_storm::restart;

constexpr std::string_view usage =
    "usage: reconnect_storm [--clients N] [--away SECONDS] [--floor SECONDS] [--seed N]\n"
    "Prints when the clients of a server that restarted reach it again, by policy.\n"
    "  --clients N      how many (50000); of a few hundred, chance alone makes a crowd\n"
    "  --away SECONDS   how long the server cannot be reached (0)\n"
    "  --floor SECONDS  what it asked its clients to wait (3, as event streams do by default)\n"
    "  --seed N         of the random numbers (1)\n";

std::optional<unsigned> parse_count(std::string_view text) {
    constexpr unsigned most = 10'000'000;  // clients, or seconds: a third of a year
    unsigned count = 0;
    const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), count);
    if (ec != std::errc{} || end != text.data() + text.size() || count > most) return std::nullopt;
    return count;
}

/// Empty result: the command line is not understood.
std::optional<restart> parse_options(int argc, char** argv) {
    restart chosen{.floor = std::chrono::seconds{3}};
    for (int i = 1; i < argc; i += 2) {
        const std::string_view name = argv[i];
        const auto count = i + 1 < argc ? parse_count(argv[i + 1]) : std::nullopt;
        if (!count) return std::nullopt;
        if (name == "--clients" && *count != 0) {
            chosen.clients = *count;
        } else if (name == "--away") {
            chosen.away = std::chrono::seconds{*count};
        } else if (name == "--floor") {
            chosen.floor = std::chrono::seconds{*count};
        } else if (name == "--seed") {
            chosen.seed = *count;
        } else {
            return std::nullopt;
        }
    }
    return chosen;
}

constexpr int widest_bar = 36;

/// The fullest bin's bar is as wide as any.
std::string bar(const histogram& h, std::size_t bin) {
    const std::size_t width = (h.counts[bin] * widest_bar + h.peak() - 1) / h.peak();
    return std::string(width, '#');
}

void print(const histogram& naive, const histogram& spread) {
    std::printf("%9s   %-*s   %s\n", "", widest_bar + 7, "fixed_delay{3 s}", "exponential_backoff{}");
    for (std::size_t bin = 0; bin != histogram::bins; ++bin) {
        std::printf("%7.2f s   %6zu %-*s   %6zu %s\n", naive.start_of(bin), naive.counts[bin], widest_bar,
                    bar(naive, bin).c_str(), spread.counts[bin], bar(spread, bin).c_str());
    }
}

void print_summary(const char* name, const histogram& h) {
    std::printf("%-20s peak %6zu, mean %8.1f, ratio %5.2f\n", name, h.peak(), h.mean(), h.peak_to_mean());
}

}  // namespace

int main(int argc, char** argv) {
    const auto chosen = parse_options(argc, argv);
    if (!chosen) {
        std::fputs(usage.data(), stderr);
        return 2;
    }
    const std::vector<weir::duration> together = arrivals(weir::fixed_delay{}, *chosen);
    const std::vector<weir::duration> apart = arrivals(weir::exponential_backoff{}, *chosen);
    // Those who come at one moment have no window of their own, and are given that of the others.
    const histogram naive{together, apart}, spread{apart};
    print(naive, spread);
    std::printf("\nclients in each of %zu bins, from the first of the spread ones to the last\n", histogram::bins);
    print_summary("fixed_delay", naive);
    print_summary("exponential_backoff", spread);
    return spread.peak_to_mean() <= 1.5 ? 0 : 1;
}

// SPDX-License-Identifier: BSL-1.0
#pragma once

// What pushload measures: durations, and what a process uses. Linux.

#include <sys/types.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <limits>
#include <string>
#include <string_view>

namespace bench {

/// Counts of durations in nanoseconds, in buckets that are at most 1.6 % wide.
class histogram {
public:
    void add(std::uint64_t value) {
        ++counts_[index_of(value)];
        ++total_;
    }
    /// In microseconds.
    double percentile(double percent) const {
        auto left = static_cast<std::uint64_t>(percent / 100 * static_cast<double>(total_));
        for (std::size_t i = 0; i != counts_.size(); ++i) {
            if (counts_[i] > left) return static_cast<double>(value_at(i)) / 1e3;
            left -= counts_[i];
        }
        return 0;
    }

private:
    // Below 64 each value is a bucket of its own; each power of two above has 64 of them.
    static std::size_t index_of(std::uint64_t value) {
        const int shift = std::max(0, static_cast<int>(std::bit_width(value)) - 7);
        return static_cast<std::size_t>(shift) * 64 + static_cast<std::size_t>(value >> shift);
    }
    static std::uint64_t value_at(std::size_t index) {
        const std::size_t shift = index < 128 ? 0 : index / 64 - 1;
        return static_cast<std::uint64_t>(index - shift * 64) << shift;
    }

    std::array<std::uint64_t, 60 * 64> counts_{};
    std::uint64_t total_ = 0;
};

/// The CPU time of a process, in microseconds.
struct cpu_time {
    double all = 0, user = 0;

    static cpu_time of(pid_t process) {
        cpu_time used;
        clockid_t clock;
        timespec all{};
        if (process == 0 || clock_getcpuclockid(process, &clock) != 0 || clock_gettime(clock, &all) != 0) return used;
        used.all = static_cast<double>(all.tv_sec) * 1e6 + static_cast<double>(all.tv_nsec) / 1e3;
        std::ifstream in{"/proc/" + std::to_string(process) + "/stat"};
        in.ignore(std::numeric_limits<std::streamsize>::max(), ')');
        std::string field;
        for (int number = 3; number <= 14; ++number) in >> field;  // proc(5): (14) utime, in ticks
        used.user = std::strtod(field.c_str(), nullptr) * 1e6 / static_cast<double>(sysconf(_SC_CLK_TCK));
        return used;
    }
};

/// Memory that a process has written to, in bytes: without its program, which is read in as it is used.
inline double memory_of(pid_t process) {
    static constexpr std::string_view name = "Anonymous:";
    std::ifstream in{"/proc/" + std::to_string(process) + "/smaps_rollup"};
    for (std::string line; std::getline(in, line);) {
        if (line.starts_with(name)) return 1024 * std::strtod(line.c_str() + name.size(), nullptr);
    }
    return 0;
}

}  // namespace bench

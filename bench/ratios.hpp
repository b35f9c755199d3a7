// SPDX-License-Identifier: BSL-1.0
#pragma once

// What the codecs' benchmarks share: a memcpy to compare with, and the report that does.

#include <benchmark/benchmark.h>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <map>
#include <string>
#include <vector>

namespace bench {

inline void count_bytes(benchmark::State& state, std::size_t bytes) {
    state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(bytes));
}

/// Prints as the console does, and at the end each benchmark's speed divided by that of its memcpy: of "unmask/1 KiB in
/// pieces" by that of "memcpy/1 KiB".
class ratio_reporter : public benchmark::ConsoleReporter {
public:
    void ReportRuns(const std::vector<Run>& runs) override {
        ConsoleReporter::ReportRuns(runs);
        for (const Run& run : runs) {
            const auto speed = run.counters.find("bytes_per_second");
            if (speed != run.counters.end()) speeds_[run.benchmark_name()] = speed->second;
        }
    }

    void Finalize() override {
        ConsoleReporter::Finalize();
        std::printf("\n%-40s %12s %10s\n", "", "GB/s", "x memcpy");
        for (const auto& [name, speed] : speeds_) print(name, speed);
    }

private:
    void print(const std::string& name, double speed) const {
        const std::size_t slash = name.find('/');
        const auto memcpy_speed = speeds_.find("memcpy/" + name.substr(slash + 1, name.find(" in ") - slash - 1));
        if (memcpy_speed == speeds_.end() || memcpy_speed->first == name) return;
        std::printf("%-40s %12.2f %10.2f\n", name.c_str(), speed / 1e9, speed / memcpy_speed->second);
    }

    std::map<std::string, double> speeds_;
};

}  // namespace bench

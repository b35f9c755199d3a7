// SPDX-License-Identifier: BSL-1.0
#pragma once

// This machine's figures from /proc. Where there is no /proc a figure is absent, never invented.

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <fstream>
#include <optional>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../json.hpp"

namespace demo {

struct memory_figures {
    double total = 0, used = 0;  ///< bytes
};
struct network_figures {
    double in = 0, out = 0;  ///< bytes per second over all interfaces but the loopback
    double loopback = 0;     ///< bytes per second
};
struct machine_figures {
    std::vector<double> cpu;  ///< busy share of each core since the last reading, 0..1; empty: unknown
    std::optional<memory_figures> memory;
    std::optional<network_figures> network;
    std::optional<std::array<double, 3>> load;  ///< over 1, 5 and 15 minutes
};

/// Reads the figures; shares and rates are over the time since its own previous reading, so that every reader of it
/// has one of its own.
class system_source {
public:
    system_source() { read(); }

    machine_figures read() {
        const auto now = std::chrono::steady_clock::now();
        const double seconds = std::chrono::duration<double>(now - last_).count();
        last_ = now;
        return {.cpu = cpu(), .memory = memory(), .network = network(seconds), .load = load()};
    }

private:
    struct core_time {
        double busy = 0, total = 0;
    };
    struct interface_bytes {
        double in = 0, out = 0, loopback = 0;
    };

    /// /proc/stat: "cpu0 user nice system idle iowait irq softirq steal …" in ticks.
    std::vector<double> cpu() {
        std::ifstream file("/proc/stat");
        std::vector<core_time> now;
        for (std::string line; std::getline(file, line);) {
            if (!line.starts_with("cpu") || line.starts_with("cpu ")) continue;
            std::istringstream fields(line);
            std::string name;
            fields >> name;
            core_time core;
            double ticks = 0;
            for (int i = 0; i < 8 && fields >> ticks; ++i) {
                core.total += ticks;
                if (i != 3 && i != 4) core.busy += ticks;  // not idle, not waiting for a disk
            }
            now.push_back(core);
        }
        std::vector<double> shares;
        for (std::size_t i = 0; i < now.size(); ++i) {
            const core_time before = i < cores_.size() ? cores_[i] : core_time{};
            const double ticks = now[i].total - before.total;
            shares.push_back(ticks > 0 ? std::clamp((now[i].busy - before.busy) / ticks, 0.0, 1.0) : 0.0);
        }
        cores_ = std::move(now);
        return shares;
    }

    /// /proc/meminfo: "MemTotal:  123 kB".
    static std::optional<memory_figures> memory() {
        std::ifstream file("/proc/meminfo");
        double total = 0, available = 0, kilobytes = 0;
        for (std::string name, unit; file >> name >> kilobytes; std::getline(file, unit)) {
            if (name == "MemTotal:") total = kilobytes * 1024;
            if (name == "MemAvailable:") available = kilobytes * 1024;
        }
        if (total == 0) return std::nullopt;
        return memory_figures{.total = total, .used = total - available};
    }

    /// /proc/net/dev: two lines of heading, then "eth0: bytes packets … (8 fields) bytes packets …".
    std::optional<network_figures> network(double seconds) {
        std::ifstream file("/proc/net/dev");
        interface_bytes now;
        std::string line;
        for (int number = 0; std::getline(file, line); ++number) {
            const std::size_t colon = line.find(':');
            if (number < 2 || colon == std::string::npos) continue;
            add_interface(std::string_view{line}.substr(0, colon), line.substr(colon + 1), now);
        }
        if (line.empty() && now.in == 0 && now.loopback == 0) return std::nullopt;
        const interface_bytes before = std::exchange(bytes_, now);
        if (seconds <= 0) return std::nullopt;
        const auto rate = [seconds](double later, double earlier) { return std::max(0.0, later - earlier) / seconds; };
        return network_figures{.in = rate(now.in, before.in),
                               .out = rate(now.out, before.out),
                               .loopback = rate(now.loopback, before.loopback)};
    }

    static void add_interface(std::string_view name, const std::string& counters, interface_bytes& sum) {
        std::istringstream fields(counters);
        std::array<double, 9> value{};
        for (double& v : value) fields >> v;
        if (name.substr(name.find_first_not_of(' ')) == "lo") {
            sum.loopback += value[0];
            return;
        }
        sum.in += value[0];
        sum.out += value[8];
    }

    static std::optional<std::array<double, 3>> load() {
        std::ifstream file("/proc/loadavg");
        std::array<double, 3> averages{};
        if (file >> averages[0] >> averages[1] >> averages[2]) return averages;
        return std::nullopt;
    }

    std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
    std::vector<core_time> cores_;
    interface_bytes bytes_;
};

/// An absent figure is an absent member.
inline std::string to_json(const machine_figures& m) {
    std::string out = "{";
    const auto member = [&out](std::string_view name) {
        (out += out.size() > 1 ? "," : "") += json::quoted(name) + ":";
    };
    const auto list = [&out](const auto& values) {
        out += '[';
        for (std::size_t i = 0; i < values.size(); ++i) (out += i ? "," : "") += json::number(values[i]);
        out += ']';
    };
    if (!m.cpu.empty()) member("cpu"), list(m.cpu);
    if (m.load) member("load"), list(*m.load);
    if (m.memory) {
        member("memory");
        out += "{\"total\":" + json::number(m.memory->total) + ",\"used\":" + json::number(m.memory->used) + '}';
    }
    if (m.network) {
        member("network");
        out += "{\"in\":" + json::number(m.network->in) + ",\"out\":" + json::number(m.network->out) +
               ",\"loopback\":" + json::number(m.network->loopback) + '}';
    }
    return out + '}';
}

}  // namespace demo

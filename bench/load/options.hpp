// SPDX-License-Identifier: BSL-1.0
#pragma once

// The command line of pushload.

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>

namespace bench {

struct load_options {
    std::string_view mode;
    std::uint16_t port = 0;
    std::size_t connections = 1, size = 64, pipeline = 1;
    double warmup = 0.5, seconds = 2;
    pid_t process = 0;
    bool sleep = false;

    bool is_echo() const { return mode == "ws-echo"; }
    bool is_idle() const { return mode.ends_with("-idle"); }
    bool is_websocket() const { return mode.starts_with("ws"); }
};

[[noreturn]] inline void load_usage() {
    std::fputs(
        "usage: pushload ws-echo|ws-sub|sse-sub|ws-idle|sse-idle --port P [options]\n"
        "  --connections N  (1)\n"
        "  --size B         bytes of a message to be echoed (64)\n"
        "  --pipeline K     messages on their way on each connection (1)\n"
        "  --warmup S       seconds of load before the measured window (0.5)\n"
        "  --seconds S      the measured window (2)\n"
        "  --pid P          the server's process: its CPU time, its memory\n"
        "  --sleep          wait for events instead of polling: for several clients on one CPU\n",
        stderr);
    std::exit(2);
}

inline load_options parse_load_options(int count, char** values) {
    if (count < 2) load_usage();
    load_options given{.mode = values[1]};
    for (int i = 2; i < count; ++i) {
        const std::string_view name = values[i];
        const auto number = [&] { return ++i < count ? std::strtod(values[i], nullptr) : (load_usage(), 0); };
        if (name == "--port")
            given.port = static_cast<std::uint16_t>(number());
        else if (name == "--connections")
            given.connections = static_cast<std::size_t>(number());
        else if (name == "--size")
            given.size = static_cast<std::size_t>(number());
        else if (name == "--pipeline")
            given.pipeline = static_cast<std::size_t>(number());
        else if (name == "--warmup")
            given.warmup = number();
        else if (name == "--seconds")
            given.seconds = number();
        else if (name == "--pid")
            given.process = static_cast<pid_t>(number());
        else if (name == "--sleep")
            given.sleep = true;
        else
            load_usage();
    }
    for (const std::string_view mode : {"ws-echo", "ws-sub", "sse-sub", "ws-idle", "sse-idle"}) {
        if (given.mode == mode && given.port != 0 && given.connections != 0 && given.pipeline != 0) return given;
    }
    load_usage();
}

// ---- the client ----

}  // namespace bench

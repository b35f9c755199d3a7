// SPDX-License-Identifier: BSL-1.0
#pragma once

// What push_server and raw_server have in common, so that they are asked for the same work: their options, and what
// they publish.

#include <time.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

namespace bench {

struct push_options {
    std::uint16_t port = 0;  ///< 0: the system chooses
    double rate = 0;         ///< times a second; 0: as fast as every subscriber takes it
    std::size_t size = 128;  ///< of a payload, in bytes; at least stamp_size
    std::size_t wait = 1;    ///< subscribers that are there when publishing begins
    std::size_t burst = 1;   ///< messages at a time
    unsigned threads = 1;    ///< event loops
    bool publish = true;
    bool deflate = false;  ///< agree to compression
    bool uring = false;    ///< writes as io_uring batches
};

/// What begins each payload: "t=", CLOCK_MONOTONIC in nanoseconds with zeros in front, and a space.
inline constexpr std::size_t stamp_size = 21;

inline std::uint64_t monotonic_ns() {
    timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(now.tv_nsec);
}

/// Writes the stamp of this moment over the first stamp_size bytes.
inline void write_stamp(char* to) {
    std::uint64_t now = monotonic_ns();
    to[0] = 't';
    to[1] = '=';
    for (std::size_t i = stamp_size - 2; i >= 2; --i, now /= 10) to[i] = static_cast<char>('0' + now % 10);
    to[stamp_size - 1] = ' ';
}

/// A payload of `size` bytes, to be stamped.
inline std::string make_payload(std::size_t size) {
    static constexpr std::string_view filler = "the quick brown fox jumps over the lazy dog ";
    std::string payload(stamp_size, '0');
    while (payload.size() < size) payload += filler.substr(0, size - payload.size());
    write_stamp(payload.data());
    return payload;
}

[[noreturn]] inline void usage(const char* program) {
    std::fprintf(stderr,
                 "usage: %s --port P [options]\n"
                 "  --rate R     publish R times a second; 0: as fast as every subscriber takes it (0)\n"
                 "  --size B     bytes of a payload (128)\n"
                 "  --wait N     begin when N subscribers are there (1)\n"
                 "  --burst K    messages at a time (1)\n"
                 "  --threads T  event loops (1)\n"
                 "  --nopub      publish nothing\n"
                 "  --deflate    agree to compression; not every server can\n"
                 "  --uring      write by io_uring; not every server can\n",
                 program);
    std::exit(2);
}

/// Exits where an option is not known, so that no figure means something else than its command line says.
inline push_options parse_push_options(int count, char** values) {
    push_options given;
    for (int i = 1; i < count; ++i) {
        const std::string_view name = values[i];
        const auto number = [&] { return ++i < count ? std::strtod(values[i], nullptr) : (usage(values[0]), 0); };
        if (name == "--port")
            given.port = static_cast<std::uint16_t>(number());
        else if (name == "--rate")
            given.rate = number();
        else if (name == "--size")
            given.size = std::max(stamp_size, static_cast<std::size_t>(number()));
        else if (name == "--wait")
            given.wait = static_cast<std::size_t>(number());
        else if (name == "--burst")
            given.burst = static_cast<std::size_t>(number());
        else if (name == "--threads")
            given.threads = static_cast<unsigned>(number());
        else if (name == "--nopub")
            given.publish = false;
        else if (name == "--deflate")
            given.deflate = true;
        else if (name == "--uring")
            given.uring = true;
        else
            usage(values[0]);
    }
    return given;
}

}  // namespace bench

// SPDX-License-Identifier: BSL-1.0
#pragma once

// What raw_server publishes, to whom, and from when on.

#include <atomic>
#include <cstddef>
#include <cstring>
#include <string>
#include <vector>

#include "../push_options.hpp"

namespace bench {

/// Whether to publish: from the moment enough subscribers are there until the last one has gone. All threads' together.
class start_signal {
public:
    explicit start_signal(std::size_t wanted) : wanted_{wanted} {}

    void joined() {
        if (++present_ >= wanted_) given_ = true;
    }
    void left() {
        if (--present_ == 0) given_ = false;
    }
    bool given() const { return given_.load(std::memory_order_relaxed); }

private:
    std::size_t wanted_;
    std::atomic<std::size_t> present_ = 0;
    std::atomic<bool> given_ = false;
};

/// The subscribers of one kind, and what each of them is sent.
struct audience {
    std::vector<int> sockets;
    std::string bytes;                ///< of one publication: `burst` messages
    std::vector<std::size_t> stamps;  ///< where in those

    /// `message`: one, encoded, with this payload in it.
    void prepare(const std::string& message, const std::string& payload, std::size_t burst) {
        for (std::size_t i = 0; i != burst; ++i) {
            stamps.push_back(bytes.size() + message.find(payload));
            bytes += message;
        }
    }
    void stamp(const char* text) {
        for (const std::size_t at : stamps) std::memcpy(bytes.data() + at, text, bench::stamp_size);
    }
};

}  // namespace bench

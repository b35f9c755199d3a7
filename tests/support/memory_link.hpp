// SPDX-License-Identifier: BSL-1.0
#pragma once

// Two wires as the ends of one connection: what is written to one is delivered to the other when the test says so.

#include <algorithm>
#include <cstddef>
#include <memory>
#include <string>

#include "support/memory_stream.hpp"
#include "support/virtual_context.hpp"

namespace test {

class memory_link {
public:
    std::shared_ptr<wire> left = std::make_shared<wire>(), right = std::make_shared<wire>();

    /// Delivers what is there, at most `piece` bytes at once, and ends what has ended. False: there was nothing.
    bool pump(std::size_t piece = wire::unlimited) {
        const bool there = pump(*left, *right, to_right_, piece);
        const bool back = pump(*right, *left, to_left_, piece);
        return there || back;
    }
    /// Until nothing happens any more.
    void run(virtual_context& context, std::size_t piece = wire::unlimited) {
        do {
            context.settle();
        } while (pump(piece));
    }

private:
    struct direction {
        std::size_t delivered = 0;
        bool ended = false;
    };

    static bool pump(wire& from, wire& to, direction& d, std::size_t piece) {
        const std::string fresh = from.written.substr(d.delivered, piece);
        if (!fresh.empty()) {
            d.delivered += fresh.size();
            to.deliver(fresh);
            return true;
        }
        if (d.ended || !(from.said_goodbye || from.closed)) return false;
        d.ended = true;
        to.end();
        return true;
    }

    direction to_right_, to_left_;
};

}  // namespace test

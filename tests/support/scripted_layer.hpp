// SPDX-License-Identifier: BSL-1.0
#pragma once

// A layer that does what the test says, and leaves the socket alone.

#include <weir/io/stream_layer.hpp>

#include WEIR_ASIO(socket_base.hpp)

#include <algorithm>
#include <cstddef>
#include <deque>
#include <limits>
#include <string>

namespace test {

template <class Socket>
class scripted_layer final : public weir::detail::basic_stream_layer<Socket> {
    using attempt = weir::detail::attempt;
    using wait_type = attempt::wait_type;
    using socket_base = weir::net::socket_base;

public:
    // ---- the script ----
    std::deque<std::string> incoming;                            ///< what reads return, one by one
    weir::error_code failure;                                    ///< what reads report after that, and writes at once
    bool blocked = false;                                        ///< writes would block
    std::size_t room = std::numeric_limits<std::size_t>::max();  ///< what is written before writes block
    weir::error_code failure_behind_room;                        ///< writes report that then, instead of blocking
    wait_type until = socket_base::wait_write;                   ///< what they say to wait for
    wait_type reads_until = socket_base::wait_read;              ///< what reads say to wait for when nothing is left

    // ---- what happened ----
    std::string written;
    bool opened = false, finished = false;

private:
    attempt open(Socket&) noexcept override {
        if (failure) return {0, failure};
        if (blocked) return attempt::blocked(until);
        opened = true;
        return {};
    }
    attempt read(Socket&, weir::mutable_bytes_view into) noexcept override {
        if (incoming.empty()) return failure ? attempt{0, failure} : attempt::blocked(reads_until);
        const std::size_t n = incoming.front().copy(reinterpret_cast<char*>(into.data()), into.size());
        incoming.front().erase(0, n);
        if (incoming.front().empty()) incoming.pop_front();
        return {n};
    }
    attempt write(Socket&, weir::bytes_view from) noexcept override {
        if (failure) return {0, failure};
        if (room == 0 && failure_behind_room) return {0, failure_behind_room};
        if (blocked || room == 0) return attempt::blocked(until);
        const std::size_t n = std::min(from.size(), room);
        written += weir::as_text(from.first(n));
        room -= n;
        return {n};
    }
    attempt finish(Socket&) noexcept override {
        if (blocked) return attempt::blocked(until);
        finished = true;
        return {};
    }
};

}  // namespace test

// SPDX-License-Identifier: BSL-1.0
#pragma once

// A machine in virtual time on a scripted transport, driven as its documentation says.

#include <weir/bytes.hpp>
#include <weir/config.hpp>
#include <weir/http/request_view.hpp>
#include <weir/sans_io.hpp>
#include <weir/time.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "catch.hpp"
#include "support/fake_host.hpp"

namespace test {

/// The loop around one machine.
class driven_machine {
public:
    static constexpr std::size_t unlimited = std::numeric_limits<std::size_t>::max();

    explicit driven_machine(weir::machine& driven) : machine_(driven) {}

    /// Lets the application speak, and does what the machine wishes.
    void settle() {
        if (serve) serve();
        for (auto out = machine_.output(now); !out.empty(); out = machine_.output(now)) {
            const std::size_t taken = std::min({room, out.size(), max_write});
            if (taken == 0) break;
            if (room != unlimited) room -= taken;
            sent.append(weir::as_text(out.first(taken)));
            ++writes;
            machine_.written(taken, now);
        }
        if (machine_.wants_shutdown()) {
            CHECK_FALSE(shut);
            shut = true;
            machine_.shut_down();
        }
        if (machine_.closed()) {
            CHECK_FALSE(machine_.wants_read());
            CHECK_FALSE(machine_.wants_write());
            CHECK_FALSE(machine_.wants_shutdown());
            CHECK(machine_.deadline() == weir::never);
        }
    }
    /// Bytes come, in memory that is gone afterwards.
    void get(std::string_view bytes) {
        const auto copy = std::make_unique<std::byte[]>(bytes.size());
        std::ranges::copy(weir::as_bytes(bytes), copy.get());
        machine_.received({copy.get(), bytes.size()}, now);
        settle();
    }
    void hang_up() {
        machine_.peer_closed(now);
        settle();
    }
    /// Moves the clock on, from deadline to deadline.
    void advance(weir::duration time) {
        const weir::time_point until = now + time;
        for (int rings = 0; machine_.deadline() <= until; ++rings) {
            REQUIRE(rings < 100'000);
            now = std::max(now, machine_.deadline());
            machine_.on_deadline(now);
            settle();
        }
        now = until;
    }
    /// What was sent since this was called last.
    std::string take() { return std::exchange(sent, {}); }

    weir::time_point now = t0;
    std::size_t room = unlimited;       ///< bytes the transport takes before it would block
    std::size_t max_write = unlimited;  ///< of them in one write
    std::string sent;                   ///< what it has taken
    int writes = 0;
    bool shut = false;
    std::function<void()> serve;

private:
    weir::machine& machine_;
};

// ---- requests ----

inline constexpr std::array event_fields{weir::http::field_view{"Host", "test"},
                                         weir::http::field_view{"Accept", "text/event-stream"}};
inline const weir::request_view event_request{.method = "GET", .target = "/events", .fields = event_fields};

inline constexpr std::array socket_fields{
    weir::http::field_view{"Host", "test"}, weir::http::field_view{"Upgrade", "websocket"},
    weir::http::field_view{"Connection", "Upgrade"},
    weir::http::field_view{"Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="},  // RFC 6455 §1.3
    weir::http::field_view{"Sec-WebSocket-Version", "13"}};
inline const weir::request_view socket_request{.method = "GET", .target = "/echo", .fields = socket_fields};

}  // namespace test

// SPDX-License-Identifier: BSL-1.0
#pragma once

// How the ends of many sessions are spread over a time. Layer: server.

#include <weir/server/linked_list.hpp>
#include <weir/time.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace weir::detail {

/// How many sessions are to have ended by when. They go in batches of about the same size, the first at once and one
/// more each interval: as many batches as intervals begin within `over`, but no more than there are sessions. So the
/// last session goes before `over` has passed, however many there are, and a few go one by one and soon: a single one
/// at once, a dozen in little more than a second.
struct drain_plan {
    static constexpr milliseconds interval{100};

    std::size_t sessions = 0;
    milliseconds over{};  ///< 0: all at once

    constexpr std::size_t batches() const noexcept {
        const auto begun = over <= interval ? 1 : (over - milliseconds{1}) / interval + 1;
        return at_most(begun, std::max<std::size_t>(1, sessions));
    }
    /// How many are to have ended so long after the begin.
    constexpr std::size_t ended_at(duration elapsed) const noexcept {
        return at_most(elapsed / interval + 1, batches()) * sessions / batches();
    }
    /// When to look again, from the begin on.
    static constexpr milliseconds next_after(duration elapsed) noexcept { return (elapsed / interval + 1) * interval; }

private:
    static constexpr std::size_t at_most(std::intmax_t intervals, std::size_t most) noexcept {
        return static_cast<std::size_t>(std::min(static_cast<std::uintmax_t>(intervals), std::uintmax_t{most}));
    }
};

/// Ends the sessions that are on a list now, the oldest first. Those that come later are not its concern, nor are those
/// that end by themselves: the others go when they would have gone, or earlier.
template <class Session>
class list_drain {
public:
    list_drain(linked_list<Session>& of, milliseconds over) : of_(of), plan_{0, over} {
        of.for_each([this](Session&) { ++plan_.sessions; });
    }

    /// Calls `end` for each session that is due so long after the begin; it may remove any from the list.
    template <class End>
    void end_due(duration elapsed, End&& end) {
        for (const std::size_t due = plan_.ended_at(elapsed); ended_ < due; ++ended_) {
            if (Session* const session = of_.rotate()) end(*session);
        }
    }
    bool done() const noexcept { return ended_ == plan_.sessions; }

private:
    linked_list<Session>& of_;
    drain_plan plan_;
    std::size_t ended_ = 0;
};

}  // namespace weir::detail

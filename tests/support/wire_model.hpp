// SPDX-License-Identifier: BSL-1.0
#pragma once

// What a session's wire must be, worked out from what the session reports: every byte taken is compared with the front
// of a list of whole messages, from which nothing is removed but what was reported as dropped.

#include <weir/policy/observer.hpp>
#include <weir/session/session_host.hpp>
#include <weir/time.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>

#include "catch.hpp"

namespace test {

class wire_model {
public:
    /// The session has accepted a message, or queued a control piece of its own.
    void accept(std::string_view text, std::string_view key) {
        ++accepted_;
        queue_.push_back({std::string{text}, std::string{key}, false});
    }
    void control(std::string_view text) {
        if (!text.empty()) queue_.push_back({std::string{text}, {}, true});
    }
    /// Whose key a report of `replaced` is about.
    void offering(std::string_view key) { offered_key_ = key; }

    /// The transport has taken these bytes.
    void take(std::string_view bytes) {
        while (!bytes.empty()) {
            if (queue_.empty()) return fail("bytes that nobody sent");
            piece& front = queue_.front();
            const std::string_view taken = bytes.substr(0, front.rest.size());
            if (!front.rest.starts_with(taken)) return fail("a message was changed, torn or overtaken");
            front.rest.erase(0, taken.size());
            front.begun = true;
            bytes.remove_prefix(taken.size());
            if (!front.rest.empty()) continue;
            sent_ += front.control ? 0 : 1;
            queue_.pop_front();
        }
    }

    /// The session says that it has dropped messages.
    void drop(const weir::messages_dropped& what) {
        switch (what.reason) {
            case weir::drop_reason::newest: return;  // never accepted
            case weir::drop_reason::replaced: {
                const auto gone =
                    std::erase_if(queue_, [&](const piece& p) { return p.droppable() && p.key == offered_key_; });
                if (gone != what.messages || offered_key_.empty()) fail("not the messages with the key");
                break;
            }
            case weir::drop_reason::oldest:
            case weir::drop_reason::outdated: drop_oldest(what.messages); break;
            case weir::drop_reason::unsent: drop_rest(what.messages); break;
            case weir::drop_reason::lagging:
            case weir::drop_reason::expired: return fail("there is no hub here");
        }
        dropped_ += what.messages;
    }

    /// The session's own account is the same.
    void check(const weir::session_stats& stats, std::size_t in_flight) const {
        REQUIRE(failure_ == "");
        std::size_t bytes = 0;
        for (const piece& p : queue_) bytes += p.rest.size();
        REQUIRE(stats.queued_messages == messages());
        REQUIRE(stats.queued_bytes == bytes + in_flight);
        REQUIRE(stats.messages_sent == sent_);
        REQUIRE(stats.dropped.total() - stats.dropped.newest == dropped_);
        REQUIRE(sent_ + dropped_ + messages() == accepted_);
    }

    std::uint64_t sent() const noexcept { return sent_; }
    std::uint64_t dropped() const noexcept { return dropped_; }

private:
    struct piece {
        std::string rest, key;
        bool control, begun = false;

        bool droppable() const noexcept { return !control && !begun; }
    };

    std::size_t messages() const {
        return static_cast<std::size_t>(std::ranges::count_if(queue_, [](const piece& p) { return !p.control; }));
    }
    void drop_oldest(std::size_t count) {
        for (; count != 0; --count) {
            const auto oldest = std::ranges::find_if(queue_, &piece::droppable);
            if (oldest == queue_.end()) return fail("a drop of what was not there");
            queue_.erase(oldest);
        }
    }
    void drop_rest(std::size_t count) {
        if (count != messages()) fail("not all that waited");
        queue_.clear();
    }
    void fail(const char* why) {
        if (failure_.empty()) failure_ = why;
    }

    std::deque<piece> queue_;
    std::string offered_key_, failure_;
    std::uint64_t accepted_ = 0, sent_ = 0, dropped_ = 0;
};

}  // namespace test

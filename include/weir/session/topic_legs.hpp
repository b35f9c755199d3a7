// SPDX-License-Identifier: BSL-1.0
#pragma once

// The topics that one subscriber wants, and where the turns of its event loop find it. Layer: session.

#include <weir/config.hpp>
#include <weir/session/hub_core.hpp>
#include <weir/session/hub_shard.hpp>
#include <weir/session/published_message.hpp>
#include <weir/session/topic.hpp>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace weir::detail {

/// The base of a subscriber: one leg in a channel for each name or pattern.
class topic_legs {
public:
    topic_legs(const topic_legs&) = delete;
    topic_legs& operator=(const topic_legs&) = delete;

protected:
    explicit topic_legs(std::shared_ptr<hub_shard> on) noexcept : shard_(std::move(on)) {}
    ~topic_legs() { leave_all(); }

    hub_shard& shard() const noexcept { return *shard_; }
    bool empty() const noexcept { return legs().empty(); }
    bool single() const noexcept { return legs().size() == 1; }
    /// Those of `topics` that have no leg yet.
    topic_set new_of(const topic_set& topics) const;
    /// All of them together. Not of none.
    const topic_set& wanted() const noexcept { return several_ ? several_->all : only_.at->wanted; }
    /// Whether one of the message's legs had begun by then, and none has sent it. Of the messages that wanted() has.
    bool is_due(const published_message& m) const noexcept;
    /// Whether something newer is not kept any more that was still to be sent.
    bool has_lost(std::uint64_t after) const;
    /// Where a single leg goes on.
    std::uint64_t begin() const noexcept { return legs().front().through(); }

    /// New legs, for what is newer than `after`. `member`: who joins the topics given by name; empty: nobody.
    void enter(const topic_set& fresh, std::uint64_t after, std::string_view member);
    /// False: there is no such leg.
    bool leave(std::string_view topic) noexcept;
    void leave_all() noexcept;
    /// What is not newer has been sent.
    void go_on_after(std::uint64_t sequence) noexcept {
        for (leg& l : legs()) l.sent = std::max(l.sent, sequence);
    }

    /// From now on the turn finds all legs, in their channels' lists of the selective or of the live ones. The legs
    /// that are on such a list are on the same kind.
    void list(bool selective);
    void unlist() noexcept;
    bool is_listed_as(bool selective) const noexcept {
        return listed_as_selective_ == selective && !empty() && legs().front().index != not_listed;
    }

private:
    static constexpr std::uint32_t not_listed = std::numeric_limits<std::uint32_t>::max();

    struct leg {
        channel* at = nullptr;
        std::uint64_t after = 0;           // what is not newer was not wanted
        std::uint32_t index = not_listed;  // in the channel's list
        bool joined = false;               // as the member
        std::uint64_t sent = 0;            // what is newer than `after`, but not than this, has been sent

        std::uint64_t through() const noexcept { return std::max(after, sent); }
    };
    struct rarely_there {
        std::vector<leg> legs;
        topic_set all;
        std::string member;
    };

    auto& list_in(channel& c) const noexcept { return listed_as_selective_ ? c.selective : c.live; }
    void unlist(leg& l) noexcept;
    void drop(leg& l) noexcept;
    void add(const std::string& topic, std::uint64_t after, bool join);

    // Most subscribers want one thing, and are nobody: theirs is without a vector.
    std::span<leg> legs() noexcept { return several_ ? std::span{several_->legs} : only(); }
    std::span<const leg> legs() const noexcept { return const_cast<topic_legs*>(this)->legs(); }
    std::span<leg> only() noexcept { return {&only_, only_.at == nullptr ? 0u : 1u}; }
    rarely_there& several();

    const std::shared_ptr<hub_shard> shard_;
    leg only_;
    std::unique_ptr<rarely_there> several_;
    bool listed_as_selective_ = false;
};

}  // namespace weir::detail

#include WEIR_BODIES(weir/session/topic_legs.ipp)

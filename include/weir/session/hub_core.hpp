// SPDX-License-Identifier: BSL-1.0
#pragma once

// What a hub's event loops share: the log, who wants which topics, and who is there. Layer: session.

#include <weir/config.hpp>
#include <weir/exceptions.hpp>
#include <weir/policy/any_policy.hpp>
#include <weir/policy/lag.hpp>
#include <weir/session/message_store.hpp>
#include <weir/session/published_message.hpp>
#include <weir/session/topic.hpp>
#include <weir/sse/event.hpp>
#include <weir/time.hpp>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace weir {

/// How a subscription begins.
enum class subscribed : std::uint8_t {
    live,       ///< with what is published from now on
    recovered,  ///< with everything after the id given: nothing is missing
    gap,        ///< with what is kept: some of what came after the id is not, or the id is of another epoch
    refused,    ///< not at all: the session is not open, or a topic is neither a name nor a pattern
};

/// Somebody has come to a topic, or has left it.
struct presence_change {
    std::string topic;   ///< its name
    std::string member;  ///< as subscribe_options::member named it
    bool joined;         ///< true: came; false: left
};

/// What a hub has to do.
struct hub_stats {
    std::uint64_t published = 0;  ///< messages, since it began
    std::size_t subscribers = 0;  ///< sessions
    std::size_t behind = 0;       ///< subscribers that have not been sent everything published for them
};

namespace detail {

/// An event loop with subscribers, as whoever publishes sees it. Thread-safe.
class message_sink {
public:
    virtual void put(message_ptr message) = 0;
    virtual void put(presence_change change) = 0;
    /// All its sessions are to end, and to come back after that time.
    virtual void put_close(milliseconds retry) = 0;

protected:
    virtual ~message_sink() = default;

private:
    friend class hub_core;

    std::uint64_t last_put_ = 0;  // sequence; guarded by the core's mutex
};

/// What a hub decides by that is not its messages' form.
struct hub_settings {
    any_lag lag = skip_oldest{};
    bool say_where = false;
    std::function<void(const presence_change&)> on_presence{};
};

/// Thread-safe. Lives as long as the hub, and as long as a session subscribes.
class hub_core {
public:
    hub_core(any_store store, message_format format, hub_settings settings)
        : store_(std::move(store)), settings_(std::move(settings)) {
        format.epoch = store_.epoch();
        if (format.epoch.empty() || !fits_one_line(format.epoch)) {
            raise(std::invalid_argument("weir: a store's epoch must be one line of text"));
        }
        format_ = std::make_shared<const message_format>(std::move(format));
    }
    hub_core(const hub_core&) = delete;
    hub_core& operator=(const hub_core&) = delete;
    virtual ~hub_core() = default;

    /// The hub is gone: nobody is told of members any more.
    void close() noexcept { open_.store(false, std::memory_order_relaxed); }
    bool is_open() const noexcept { return open_.load(std::memory_order_relaxed); }

    /// The message's sequence number; 0: `topic` is no name.
    std::uint64_t publish(std::string_view topic, const hub_event& event, time_point now);
    std::string id_of(std::uint64_t sequence) const { return format_->epoch + '-' + std::to_string(sequence); }
    std::string last_id() const {
        const std::lock_guard lock{mutex_};
        return id_of(store_.last());
    }

    // ---- for subscribers ----

    struct place {
        subscribed how;
        std::uint64_t after;   ///< the cursor: what is newer is still to be sent
        std::uint64_t newest;  ///< there are none newer yet
    };

    /// From now on `by` is put every message that `wanted` contains. Those topics are left one by one.
    place enter(const topic_set& wanted, std::string_view after, bool from_oldest, message_sink& by, time_point now);
    void leave(const std::string& topic, message_sink& by) noexcept;

    struct reading {
        std::size_t count;      ///< messages read
        std::uint64_t through;  ///< as far as this it has been looked
        bool at_end;            ///< which is as far as there is something to look at
        bool lost;              ///< some would have been there that are not kept
    };

    /// Messages after a sequence number, and up to another.
    reading read(const topic_set& wanted, std::uint64_t after, std::uint64_t until, std::span<message_ptr> out) const;
    weir::backlog backlog(const topic_set& wanted, std::uint64_t after) const {
        const std::lock_guard lock{mutex_};
        return store_.backlog(wanted, after);
    }
    std::uint64_t last() const {
        const std::lock_guard lock{mutex_};
        return store_.last();
    }

    const hub_settings& settings() const noexcept { return settings_; }
    const std::shared_ptr<const message_format>& format() const noexcept { return format_; }

    // ---- presence ----

    void join(const std::string& topic, const std::string& member, message_sink& by);
    void part(const std::string& topic, const std::string& member, message_sink& by);
    std::vector<std::string> members(std::string_view topic) const;

    hub_stats stats() const;
    void count_subscriber(bool more) noexcept { count(subscribers_, more); }
    void count_behind(bool more) noexcept { count(behind_, more); }

    /// `by` has no subscribers any more.
    virtual void on_unused(message_sink& by) noexcept = 0;

private:
    struct interest {
        message_sink* sink;
        std::size_t subscriptions;
    };
    using interests = std::map<std::string, std::vector<interest>, std::less<>>;

    static void count(std::atomic<std::size_t>& counter, bool more) noexcept {
        more ? counter.fetch_add(1, std::memory_order_relaxed) : counter.fetch_sub(1, std::memory_order_relaxed);
    }
    interests& interests_in(std::string_view topic) noexcept { return has_wildcard(topic) ? patterns_ : names_; }
    std::optional<std::uint64_t> sequence_of(std::string_view id) const noexcept;
    std::uint64_t before_oldest(const topic_set& wanted) const;
    place find_place(const topic_set& wanted, std::string_view after, bool from_oldest) const;
    static void put(const std::vector<interest>& to, const message_ptr& message);

    mutable std::mutex mutex_;  // of everything below; a sink's own is taken within
    any_store store_;
    interests names_, patterns_;
    std::map<std::string, std::map<std::string, std::size_t, std::less<>>, std::less<>> present_;
    std::uint64_t published_ = 0;

    const hub_settings settings_;
    std::shared_ptr<const message_format> format_;
    std::atomic<std::size_t> subscribers_{0}, behind_{0};
    std::atomic<bool> open_{true};
};

}  // namespace detail
}  // namespace weir

#include WEIR_BODIES(weir/session/hub_core.ipp)

// SPDX-License-Identifier: BSL-1.0
#pragma once

// One event loop's subscribers, and the turn in which they get what was published. Layer: session.

#include <weir/bytes.hpp>
#include <weir/config.hpp>
#include <weir/error.hpp>
#include <weir/exceptions.hpp>
#include <weir/session/hub_core.hpp>
#include <weir/session/published_message.hpp>
#include <weir/session/topic.hpp>
#include <weir/session/write_batch.hpp>
#include <weir/time.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace weir::detail {

class subscriber;
class topic_legs;

/// Subscribers of one loop that want one name or one pattern.
struct channel {
    std::string topic;
    topic_set wanted;                    // just that
    std::vector<topic_legs*> live;       // get the turn's messages, all of them, from here alone
    std::vector<topic_legs*> selective;  // want more than this channel has, or not all of it
    std::size_t subscriptions = 0;       // those included that are behind
    channel* next_unused = nullptr;      // while a turn is under way
    bool is_unused = false;              // and it is on that list
    std::vector<message_ptr> fresh;      // the turn's
};

/// Messages of one turn in one form, as one piece to write.
class turn_frames {
public:
    bool empty() const noexcept { return ends_.empty(); }
    void clear() noexcept { ends_.clear(); }
    /// What was needed for a large turn is not kept for small ones.
    void give_back() noexcept {
        clear();
        if (joined_.capacity() > max_spare_bytes) joined_ = {};
    }
    /// `codec`: see published_message::encoded().
    void make(std::span<const message_ptr> messages, wire_form form, ws::message_codec* codec) {
        joined_.clear();
        for (const message_ptr& m : messages) {
            const std::string_view frame = m->encoded(form, codec);
            if (messages.size() == 1) all_ = as_bytes(frame);
            if (messages.size() != 1) joined_ += frame;
            ends_.push_back((ends_.empty() ? 0 : ends_.back()) + frame.size());
        }
        if (messages.size() != 1) all_ = as_bytes(joined_);
    }

    std::span<const bytes_view> pieces() const noexcept { return {&all_, 1}; }
    std::size_t size() const noexcept { return all_.size(); }
    /// How many messages are within the first `bytes`.
    std::size_t messages_in(std::size_t bytes) const noexcept {
        if (bytes == size()) return ends_.size();
        return static_cast<std::size_t>(std::ranges::upper_bound(ends_, bytes) - ends_.begin());
    }
    std::size_t begin_of(std::size_t message) const noexcept { return message == 0 ? 0 : ends_[message - 1]; }

private:
    static constexpr std::size_t max_spare_bytes = 16 * 1024;

    bytes_view all_{};
    std::string joined_;
    std::vector<std::size_t> ends_;
};

/// Of a message that a socket has taken in part.
struct rest_of_message {
    message_ptr message;
    std::size_t taken;

    bytes_view bytes(wire_form form) const { return as_bytes(message->encoded(form)).subspan(taken); }
};

/// What a subscriber has read of the log and not yet written. One for a loop: a subscriber reads and writes in one go.
struct log_window {
    static constexpr std::size_t max_messages = 16;

    std::array<message_ptr, max_messages> messages;
    std::array<std::size_t, max_messages> sizes;  // what was offered of each
    std::size_t count = 0;
    std::uint64_t through = 0;  // where the cursor is when all of this is written
    bool at_end = false;
    std::optional<backlog> lag;  // what the log has from the message on that is judged next; absent: nobody asked

    void clear() noexcept {
        while (count != 0) messages[--count].reset();
        at_end = false;
        lag.reset();
    }
    void judged(const published_message& m) noexcept {
        if (!lag || lag->messages == 0) return;
        --lag->messages;
        lag->bytes -= std::min(lag->bytes, m.size());
    }
    void push(message_ptr message, std::size_t size) noexcept {
        sizes[count] = size;
        messages[count++] = std::move(message);
    }
};

/// Everything but put() is called on the loop's thread. Kept by its subscribers, and by turns that are to come.
class hub_shard : public message_sink, public std::enable_shared_from_this<hub_shard> {
public:
    hub_shard(std::shared_ptr<hub_core> core, std::unique_ptr<write_batch> batch)
        : core_(std::move(core)), batch_(std::move(batch)) {}
    hub_shard(const hub_shard&) = delete;
    hub_shard& operator=(const hub_shard&) = delete;
    ~hub_shard() override = default;

    void put(message_ptr message) final {
        take_in([&](arrivals& in) {
            // Of a loop that is not served the log keeps what there is to keep.
            if (in.messages.size() == max_arrivals) {
                in.messages.clear();
                in.some_missed = true;
            }
            in.messages.push_back(std::move(message));
        });
    }
    void put(presence_change change) final {
        take_in([&](arrivals& in) { in.changes.push_back(std::move(change)); });
    }
    void put_close(milliseconds retry) final {
        take_in([&](arrivals& in) { in.close = retry; });
    }

    /// What wake() has asked for: writes to every subscriber what it has not been sent yet.
    void turn();

    // ---- for its subscribers ----

    hub_core& core() noexcept { return *core_; }
    log_window& window() noexcept { return window_; }
    /// Whoever was live when this turn began has been sent everything up to here.
    std::uint64_t settled() const noexcept { return settled_; }
    /// All subscribers of the loop, in no order: `index` is kept for each.
    void add(subscriber& one);
    void remove(subscriber& one) noexcept;
    virtual time_point now() const noexcept = 0;

    /// The channel of a name or pattern, for one more subscription.
    channel& enter(const std::string& topic);
    /// The channel goes with its last subscription, and the shard with its last channel.
    void leave(channel& of) noexcept;

protected:
    /// Asks for one turn(), soon. Called on any thread, at most once until that turn has begun.
    virtual void wake() = 0;
    /// What the system's error number means.
    virtual error_code system_error(int number) const noexcept = 0;

private:
    // More than these are not joined into one write: the copy would no longer be small beside it.
    static constexpr std::size_t max_joined_bytes = 256 * 1024, max_joined_messages = 1024;
    // More messages than these do not wait for a turn.
    static constexpr std::size_t max_arrivals = 16 * 1024;

    struct arrivals {
        std::vector<message_ptr> messages;
        std::vector<presence_change> changes;
        std::optional<milliseconds> close;  // all sessions, with this time to come back
        bool some_missed = false;           // there were others, which are in the log
    };

    // One form's frames, for all who take it.
    class frames_by_form {
    public:
        const turn_frames& of(wire_form form, ws::message_codec* codec, std::span<const message_ptr> messages) {
            turn_frames& frames = frames_[static_cast<std::size_t>(form)];
            if (frames.empty()) frames.make(messages, form, codec);
            return frames;
        }
        void clear() noexcept {
            for (turn_frames& frames : frames_) frames.clear();
        }
        void give_back() noexcept {
            for (turn_frames& frames : frames_) frames.give_back();
        }

    private:
        std::array<turn_frames, wire_form_count> frames_;
    };

    // What a turn leaves behind, whatever leaves it. After an exception some have not been written to, and nobody
    // knows who.
    struct turn_end {
        hub_shard& of;
        const int exceptions = std::uncaught_exceptions();
        ~turn_end() {
            of.tidy();
            if (std::uncaught_exceptions() != exceptions) of.note_missed();
        }
    };

    template <class Add>
    void take_in(Add add) {
        const std::lock_guard lock{mutex_};
        add(incoming_);
        if (woken_) return;
        wake();
        woken_ = true;
    }
    void note_missed() noexcept {
        const auto note = [](arrivals& in) { in.some_missed = true; };
        if (!caught([&] { take_in(note); })) return;
        const std::lock_guard lock{mutex_};  // out of memory: the next message wakes the loop
        note(incoming_);
    }
    arrivals take_arrivals() {
        const std::lock_guard lock{mutex_};
        woken_ = false;
        return std::exchange(incoming_, {});
    }
    void sort_into_channels(const message_ptr& message);
    void serve(const arrivals& in);
    void close_all(milliseconds retry);
    static void fetch_ahead(const std::vector<topic_legs*>& list, std::size_t from) noexcept;
    void deliver(channel& to, time_point at);
    void deliver(channel& to, std::span<const message_ptr> messages, time_point at);
    static bool is_ready(subscriber& to, std::span<const message_ptr> messages, time_point at);
    void write_one(subscriber& to, std::span<const message_ptr> messages, time_point at);
    void deliver_batched(channel& to, std::span<const message_ptr> messages, time_point at);
    void tidy() noexcept;
    void forget(channel& unused) noexcept;

    const std::shared_ptr<hub_core> core_;
    std::map<std::string, std::unique_ptr<channel>, std::less<>> channels_;
    std::vector<channel*> patterns_, touched_;
    std::unique_ptr<write_batch> batch_;
    frames_by_form frames_;
    log_window window_;
    std::vector<subscriber*> subscribers_;
    channel* unused_ = nullptr;
    std::uint64_t settled_ = 0;
    bool in_turn_ = false;

    std::mutex mutex_;
    arrivals incoming_;
    bool woken_ = false;
};

}  // namespace weir::detail

#include WEIR_BODIES(weir/session/hub_shard.ipp)

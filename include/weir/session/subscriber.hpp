// SPDX-License-Identifier: BSL-1.0
#pragma once

// A cursor in a hub's log: what one session has been sent of it, and how it gets the rest. Layer: session.

#include <weir/bytes.hpp>
#include <weir/config.hpp>
#include <weir/policy/any_policy.hpp>
#include <weir/policy/lag.hpp>
#include <weir/policy/observer.hpp>
#include <weir/session/feed.hpp>
#include <weir/session/hub_core.hpp>
#include <weir/session/hub_shard.hpp>
#include <weir/session/published_message.hpp>
#include <weir/session/session.hpp>
#include <weir/session/subscribe_options.hpp>
#include <weir/session/subscriber_rules.hpp>
#include <weir/session/topic.hpp>
#include <weir/session/topic_legs.hpp>
#include <weir/time.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace weir::detail {

/// Belongs to its session, which pulls from it whenever the socket takes more than it has been given in turns. The
/// cursor only ever moves back for a topic that comes with an id of its own. Never calls the application, but for its
/// filter, its lag policy and on_skip.
class subscriber final : public feed, public topic_legs {
public:
    subscriber(detail::session& of, std::shared_ptr<hub_shard> on)
        : topic_legs(std::move(on)), session_(of), form_(of.feed_form()) {
        shard().add(*this);
        core().count_subscriber(true);
    }
    ~subscriber() override {
        leave();
        shard().remove(*this);
        core().count_subscriber(false);
        if (kept_) session_.drop_owner();
    }
    static subscriber& of(topic_legs& legs) noexcept { return static_cast<subscriber&>(legs); }

    subscribed subscribe(const topic_set& topics, const subscribe_options& options, time_point now);
    /// False: it was not subscribed to.
    bool unsubscribe(std::string_view topic) noexcept;
    /// Wants nothing any more. A message partly on its way is completed.
    void leave() noexcept;
    /// Takes a handle's reference over: the session lives until it ends.
    void keep() noexcept { kept_ = true; }
    /// Ends the session as a drain does; an event stream's client is asked to come back after `retry`.
    void close(milliseconds retry);

    // ---- as a feed ----

    std::size_t waiting() const noexcept override { return rest().size() + (state_ == state::behind ? 1 : 0); }
    bool is_partial() const noexcept override { return rest_ != nullptr; }
    std::size_t gather(std::span<bytes_view> out, time_point now) override;
    std::size_t consume(std::size_t size, bool blocked) override;
    bool review(time_point now) override;
    void finish(bool at_once) override;
    void on_ended() noexcept override {
        leave();
        rest_.reset();
    }
    const void* owner() const noexcept override { return &core(); }

    // ---- in the shard's turn ----

    detail::session& session() const noexcept { return session_; }
    wire_form form() const noexcept { return form_; }
    std::uint64_t position() const noexcept { return position_; }
    /// Whether exactly these are what it has to be sent, and its socket may take them now.
    bool takes(std::span<const message_ptr> messages) const noexcept {
        return position_ < messages.front()->sequence() && session_.takes_at_once();
    }
    /// They were written as far as `taken`.
    void on_turn_written(std::span<const message_ptr> messages, const turn_frames& frames, std::size_t taken,
                         error_code ec, time_point at);
    /// There is something for it that it has to look for itself.
    void look(time_point at);
    std::size_t index = 0;  ///< the shard's, among all its subscribers

private:
    enum class state : std::uint8_t {
        live,    // has been sent everything up to the cursor, and is told of what is new
        behind,  // reads the log from its cursor
        gone,    // wants nothing
    };

    // Of the log at once, where a filter wants little of it: then others get their turn.
    static constexpr int max_reads = 64;

    hub_core& core() const noexcept { return shard().core(); }
    log_window& window() const noexcept { return shard().window(); }
    bool selective() const noexcept { return !single() || (rules_ && rules_->filter); }
    bytes_view rest() const noexcept { return rest_ ? rest_->bytes(form_) : bytes_view{}; }
    std::uint64_t end() const noexcept { return ending_ ? free_through_ : std::numeric_limits<std::uint64_t>::max(); }
    bool has_notice() const noexcept { return rules_ && rules_->has_notice(); }
    void say_where(std::uint64_t after);
    void be_found();
    void fall_behind();
    void catch_up();
    void change(state to) noexcept;

    enum class verdict : std::uint8_t { send, pass, skip };
    bool fill(std::span<bytes_view> out, time_point now);
    bool fill_from(std::span<message_ptr> read, std::span<bytes_view> out, time_point now);
    verdict judge(const published_message& m, time_point now);
    // The log is asked for all topics together.
    bool wants(const published_message& m) const {
        return is_due(m) && (!rules_ || !rules_->filter || rules_->filter(m));
    }
    bool lags_out(const published_message& m, time_point now);
    void skip(bool expired);
    bool offer_notice(std::span<bytes_view> out, time_point now);
    void offer(message_ptr message, std::span<bytes_view> out);
    void note_lost(std::uint64_t up_to);
    lag_decision decide(const published_message& m, const backlog& waiting, time_point now) const noexcept;

    detail::session& session_;
    std::uint64_t position_ = 0;      // everything up to here that is wanted has been sent, or left out
    std::uint64_t free_through_ = 0;  // up to here a reader may be slow: a replay, or the rest before the end
    std::unique_ptr<rest_of_message> rest_;
    std::unique_ptr<subscriber_rules> rules_;
    state state_ = state::live;
    wire_form form_;
    bool slow_ = false;         // the socket has not taken all since it was live
    bool newest_only_ = false;  // so the lag policy has decided
    bool ending_ = false;       // nothing is wanted behind what is there
    bool kept_ = false;
};

}  // namespace weir::detail

#include WEIR_BODIES(weir/session/subscriber.ipp)

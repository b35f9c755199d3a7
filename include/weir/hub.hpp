// SPDX-License-Identifier: BSL-1.0
#pragma once

// Publish once, to any number of sessions of any kind. Layer: public.

#include <weir/config.hpp>
#include <weir/http/metrics_writer.hpp>
#include <weir/io/hub_loops.hpp>
#include <weir/io/session_handle.hpp>
#include <weir/policy/any_policy.hpp>
#include <weir/policy/lag.hpp>
#include <weir/session/hub_core.hpp>
#include <weir/session/memory_store.hpp>
#include <weir/session/message_store.hpp>
#include <weir/session/published_message.hpp>
#include <weir/session/subscriber.hpp>
#include <weir/session/topic.hpp>
#include <weir/session/write_batch.hpp>
#include <weir/time.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace weir {

/// What a hub decides by. Its functions are called as long as a session subscribes: what they refer to outlives those.
struct hub_options {
    history_limits history{};  ///< of the store that a hub makes itself
    /// Event streams carry the ids of messages, so that browsers come back with the last one they saw.
    bool resumable = true;
    /// Event streams are told, before anything else, the id they begin after: a client that is cut off before its first
    /// message has something to come back with, too. An `id:` on its own, of which no event comes. If `resumable`.
    bool say_where = true;
    any_lag lag = skip_oldest{};  ///< what happens to readers that are slow
    /// What WebSocket clients are sent for a message, made once for all of them and perhaps once more for those that
    /// compress, on any of the event loops; absent: its data. To let clients resume, put id() into it. If it throws,
    /// the sessions end that would have got it.
    std::function<std::string(const published_message&)> websocket_payload{};
    /// Told of members that come and go, in the next turn of the event loop where it happened, while the hub lives;
    /// whoever comes is told of itself. Of changes on different loops the later one may be told first. May call
    /// anything.
    std::function<void(const presence_change&)> on_presence{};
    /// How the writes of one turn go to the kernel: uring_writes() of weir/uring.hpp. Absent: one by one.
    batch_factory writes{};
};

namespace detail {
void text_is_neither_name_nor_pattern();  // never defined: its name is the compiler's message for a bad literal
}

/// What is subscribed to: a view; the text must outlive the call. A literal in the program is a name or a pattern. Text
/// of any other origin is a name, since whoever chose it might else choose "#"; pattern() says that it may be one.
class topic {
public:
    /// From a literal. One that is neither a name nor a pattern does not compile.
    template <std::size_t N>
    consteval topic(const char (&literal)[N]) : text_{literal, N - 1} {
        if (!is_topic_pattern(text_)) detail::text_is_neither_name_nor_pattern();
    }
    /// Text of any other origin is a name; is_valid() says whether it can be one.
    template <class Text>
        requires(std::is_convertible_v<const Text&, std::string_view> && !std::is_array_v<Text>)
    constexpr topic(const Text& name) noexcept : text_{name}, valid_{is_topic_name(text_)} {}

    /// A name or a pattern, for those who may have whatever it matches.
    static constexpr topic pattern(std::string_view text) noexcept {
        topic t{text};
        t.valid_ = is_topic_pattern(text);
        return t;
    }

    /// As it was given.
    constexpr std::string_view text() const noexcept { return text_; }
    /// Whether it is a name, or a pattern where one is allowed.
    constexpr bool is_valid() const noexcept { return valid_; }

private:
    std::string_view text_;
    bool valid_ = true;
};

/// Anything with topics in it, or with texts, which are names then.
template <class Range>
concept topic_range = !std::is_convertible_v<const Range&, topic> && requires(const Range& range) {
    topic{*std::begin(range)};
    std::end(range);
};

/// A log of messages, each of one topic, and sessions that are sent those they want.
///
///     weir::hub hub;
///     app.sse("/prices", [&](weir::sse_session out) {
///         const auto id = out.last_event_id();                         // of a browser that comes back
///         hub.subscribe(std::move(out), "prices/#", {.after = id});    // the hub keeps the session from here on
///     });
///     hub.publish("prices/EURUSD", {.event = "price", .data = json});    // from any thread
///
/// A topic is a name whose levels are split by '/': see is_topic_name(). A pattern stands for many: '+' for one whole
/// level, '#' for all that follow (MQTT 5 §4.7). Pass what a client has chosen as text, which is a name then, or refuse
/// it in the route's `intercept`: an event stream that is subscribed to nothing ends at once, and browsers come back.
///
/// A message is encoded once for each form in which it is sent, and compressed once for all that agreed to compression.
/// Subscribers get it in the turn of their event loop after the publish, in one write for each of them whatever was
/// published meanwhile, and in the order in which it was published. One whose socket takes no more is passed over until
/// it does, and then reads on in the log from where it was; what happens when it falls too far behind is the lag
/// policy's decision. What it has not been sent costs nothing but its place in the log.
///
/// Ids are "<epoch>-<sequence>", and count the messages of all topics together: a client that comes back with the last
/// one it saw gets all that came after it, of whatever topics it subscribes to now. A hub that begins anew has another
/// epoch, so that its clients learn of the gap; they are sent what is kept.
///
/// Thread-safe: publish(), last_id(), id_of(), members() and stats(). The functions that take a session are called on
/// the session's executor, as everything on a session is. A hub may be destroyed before its subscribers, which stay
/// open and get nothing more; it may outlive their event loops.
class hub {
public:
    /// With a memory_store, bounded by `options.history`.
    explicit hub(hub_options options = {}) : hub(std::move(options), nullptr) {}
    /// With a store of your own; see message_store. `options.history` is not looked at.
    template <message_store Store>
    hub(hub_options options, Store store)
        : hub(std::move(options), std::make_unique<detail::any_store>(std::move(store))) {}

    hub(const hub&) = delete;
    hub& operator=(const hub&) = delete;
    /// Subscribers stay open, and get nothing more.
    ~hub() { core_->close(); }

    /// Publishes one message. Returns its sequence number; 0 if `topic` is no name.
    /// Lifetime  the texts are copied before this returns
    /// Throws    std::bad_alloc, and what the store throws
    std::uint64_t publish(std::string_view topic, const hub_event& event) {
        return core_->publish(topic, event, clock::now());
    }

    /// Sends a session what is published to a topic, from now on or from where its client was. A session that is given
    /// away, `std::move(out)`, is kept until it ends. Topics that it subscribes to already stay as they are; filter,
    /// lag and on_skip hold for all of its topics, and what is given later replaces what was given before. What is sent
    /// to the session directly takes its turn among what is published.
    ///
    /// Errors    subscribed::refused, and the session is not kept: it is not open, is a WebSocket client, or subscribes
    ///           to another hub; or text is no name
    /// Lifetime  topics and options are copied before this returns
    template <class Session>
    subscribed subscribe(Session&& out, topic one, const subscribe_options& options = {}) {
        return subscribe_all(std::forward<Session>(out), std::span{&one, 1}, options);
    }
    /// As above, for several topics at once: `{"prices/#", "news"}`.
    template <class Session>
    subscribed subscribe(Session&& out, std::initializer_list<topic> several, const subscribe_options& options = {}) {
        return subscribe_all(std::forward<Session>(out), several, options);
    }
    /// As above, for any range of topics.
    template <class Session, topic_range Range>
    subscribed subscribe(Session&& out, const Range& several, const subscribe_options& options = {}) {
        return subscribe_all(std::forward<Session>(out), several, options);
    }

    /// Ends a subscription, by the name or pattern it was made with. False: there is none.
    template <class Session>
    bool unsubscribe(Session& out, std::string_view topic) {
        detail::subscriber* const who = existing(out);
        if (who == nullptr || !who->unsubscribe(topic)) return false;
        detail::core_of(out)->request_feeding();  // whoever waits until all is sent may have nothing to wait for
        return true;
    }
    /// Ends all subscriptions of the session.
    template <class Session>
    void unsubscribe(Session& out) {
        detail::subscriber* const who = existing(out);
        if (who == nullptr) return;
        who->leave();
        detail::core_of(out)->request_feeding();
    }

    /// Ends all sessions that subscribe, as the drain of a server does: what was published before is sent first,
    /// clients of event streams are asked to come back after `retry`, WebSockets are closed with 1001. For whoever has
    /// let the hub keep them, and has no weir::server. Each event loop does so in its next turn.
    void close_sessions(milliseconds retry = milliseconds{2'000}) { core_->close_sessions(retry); }

    /// The newest message's id; of a hub where nothing was published, one that stands for "everything to come". A page
    /// that shows the state of things as of now, and this id, misses nothing if its client subscribes after it.
    std::string last_id() const { return core_->last_id(); }
    /// The id of the message with that sequence number.
    std::string id_of(std::uint64_t sequence) const { return core_->id_of(sequence); }

    /// Who is there: the members that subscribe to this topic by its name, each once.
    std::vector<std::string> members(std::string_view topic) const { return core_->members(topic); }
    /// What it has done and who is behind, at this moment, over all event loops.
    hub_stats stats() const { return core_->stats(); }
    /// For a page of metrics, of one hub: `const auto added = metrics.add([&](auto& to) { hub.write_metrics(to); });`
    void write_metrics(metrics_writer& to) const {
        const hub_stats now = stats();
        to.counter("weir_hub_published_messages", "Messages published.", now.published);
        to.gauge("weir_hub_subscribers", "Sessions that subscribe.", now.subscribers);
        to.gauge("weir_hub_subscribers_behind", "Of those, the ones that have not been sent all there is.", now.behind);
    }

private:
    hub(hub_options options, std::unique_ptr<detail::any_store> store) {
        if (!store) store = std::make_unique<detail::any_store>(memory_store{options.history});
        core_ = std::make_shared<detail::hub_loops>(
            std::move(*store),
            message_format{.with_ids = options.resumable, .websocket_payload = std::move(options.websocket_payload)},
            detail::hub_settings{std::move(options.lag), options.say_where, std::move(options.on_presence)},
            std::move(options.writes));
    }

    static std::optional<topic_set> parse(const auto& topics) {
        std::vector<std::string_view> texts;
        for (const auto& t : topics) {
            const topic wanted{t};
            if (!wanted.is_valid()) return std::nullopt;
            texts.push_back(wanted.text());
        }
        return topic_set::parse(texts);
    }

    template <class Session, class Range>
    subscribed subscribe_all(Session&& out, const Range& topics, const subscribe_options& options) {
        const std::optional<topic_set> wanted = parse(topics);
        detail::subscriber* const who = wanted ? subscriber_of(out) : nullptr;
        if (who == nullptr) return subscribed::refused;
        const auto core = detail::core_of(out);
        const subscribed how = who->subscribe(*wanted, options, core->now());
        core->request_feeding();
        if constexpr (!std::is_lvalue_reference_v<Session>) {
            who->keep();
            detail::release(out);
        }
        return how;
    }

    template <class Session>
    detail::subscriber* existing(Session& out) const noexcept {
        const auto core = detail::core_of(out);
        detail::feed* const fed = core != nullptr ? core->fed() : nullptr;
        const auto* const mine = static_cast<const detail::hub_core*>(core_.get());
        return fed != nullptr && fed->owner() == mine ? static_cast<detail::subscriber*>(fed) : nullptr;
    }

    template <class Session>
    detail::subscriber* subscriber_of(Session& out) {
        const auto core = detail::core_of(out);
        if (core == nullptr || !core->takes_feeds()) return nullptr;
        if (core->fed() != nullptr) return existing(out);
        const auto shard = detail::hub_loops::shard_of(core_, net::any_io_executor{core->get_executor()});
        core->attach(std::make_unique<detail::subscriber>(*core, shard));
        return existing(out);
    }

    std::shared_ptr<detail::hub_loops> core_;
};

}  // namespace weir

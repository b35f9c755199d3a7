// SPDX-License-Identifier: BSL-1.0
#pragma once

// Where a hub keeps what was published: the concept, and any store by value. Layer: session.

#include <weir/session/published_message.hpp>
#include <weir/session/topic.hpp>
#include <weir/time.hpp>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <utility>

namespace weir {

/// What a store has for somebody who has seen everything up to a certain message.
struct backlog {
    std::size_t messages = 0;   ///< kept, and newer
    std::size_t bytes = 0;      ///< of those; see published_message::size()
    time_point oldest = never;  ///< when the oldest of those was published
    bool lost = false;          ///< there were others, which are not kept any more
};

/// A log of messages in the order of their sequence numbers, which count from 1 for all topics together. It may forget:
/// the oldest first, within each topic. Its laws, for any set of topics T and any sequence number n <= last():
///
/// 1. append(m) is given m.sequence() == last() + 1, and last() is that number afterwards. Nothing else changes last().
/// 2. read(T, n, out) yields messages with a topic in T and a sequence > n, each once, in ascending order, the first
///    ones that are kept. Fewer than out.size(): there are no more.
/// 3. backlog(T, n).messages and .bytes are those of all that read() would yield; .oldest is the first one's time.
/// 4. backlog(T, n).lost if, and as far as the store knows only if, a message with a topic in T and a sequence > n was
///    appended and is not kept. It may say so wrongly about topics of which, at some time since n, it
///    has kept nothing; never the other way.
/// 5. What is kept and what is lost changes in append() and trim() only.
/// 6. A message with a key supersedes the message before it with that topic and that key, while that is kept.
/// 7. Every message with a sequence > complete_after() is kept. That number never becomes smaller.
/// 8. epoch() never changes. A store that begins anew, or is not certain that it has all it ever had, has a new one.
///
/// tests/support/store_laws.hpp checks them for any store. Called by one thread at a time, and never from within.
template <class Store>
concept message_store = std::move_constructible<Store> &&
                        requires(Store& store, const Store& asked, message_ptr message, const topic_set& topics,
                                 std::uint64_t sequence, std::span<message_ptr> out, time_point now) {
                            { asked.epoch() } -> std::convertible_to<std::string_view>;
                            { asked.last() } -> std::same_as<std::uint64_t>;
                            store.append(std::move(message));
                            { asked.read(topics, sequence, out) } -> std::same_as<std::size_t>;
                            { asked.backlog(topics, sequence) } -> std::same_as<backlog>;
                            { asked.complete_after() } -> std::same_as<std::uint64_t>;
                            store.trim(now);
                        };

namespace detail {

/// Any store, by value.
class any_store {
public:
    template <class Store>
        requires(!std::same_as<Store, any_store> && message_store<Store>)
    explicit any_store(Store store) : store_(std::make_unique<holder<Store>>(std::move(store))) {}

    std::string_view epoch() const { return store_->epoch(); }
    std::uint64_t last() const { return store_->last(); }
    void append(message_ptr message) { store_->append(std::move(message)); }
    std::size_t read(const topic_set& topics, std::uint64_t after, std::span<message_ptr> out) const {
        return store_->read(topics, after, out);
    }
    weir::backlog backlog(const topic_set& topics, std::uint64_t after) const { return store_->backlog(topics, after); }
    std::uint64_t complete_after() const { return store_->complete_after(); }
    void trim(time_point now) { store_->trim(now); }

private:
    struct erased {
        virtual ~erased() = default;
        virtual std::string_view epoch() const = 0;
        virtual std::uint64_t last() const = 0;
        virtual void append(message_ptr message) = 0;
        virtual std::size_t read(const topic_set& topics, std::uint64_t after, std::span<message_ptr> out) const = 0;
        virtual weir::backlog backlog(const topic_set& topics, std::uint64_t after) const = 0;
        virtual std::uint64_t complete_after() const = 0;
        virtual void trim(time_point now) = 0;
    };
    template <class Store>
    struct holder final : erased {
        explicit holder(Store s) : store(std::move(s)) {}
        std::string_view epoch() const override { return store.epoch(); }
        std::uint64_t last() const override { return store.last(); }
        void append(message_ptr message) override { store.append(std::move(message)); }
        std::size_t read(const topic_set& topics, std::uint64_t after, std::span<message_ptr> out) const override {
            return store.read(topics, after, out);
        }
        weir::backlog backlog(const topic_set& topics, std::uint64_t after) const override {
            return store.backlog(topics, after);
        }
        std::uint64_t complete_after() const override { return store.complete_after(); }
        void trim(time_point now) override { store.trim(now); }
        Store store;
    };

    std::unique_ptr<erased> store_;
};

}  // namespace detail
}  // namespace weir

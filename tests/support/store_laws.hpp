// SPDX-License-Identifier: BSL-1.0
#pragma once

// The laws of weir/session/message_store.hpp, checked for any store: short schedules in which everything is asked after
// every step, and long random ones, against a plain list of all that was ever appended.

#include <weir/session/message_store.hpp>
#include <weir/session/published_message.hpp>
#include <weir/session/topic.hpp>
#include <weir/time.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <span>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "catch.hpp"

namespace test {

inline weir::topic_set topics(const std::vector<std::string_view>& names) {
    return weir::topic_set::parse(names).value_or(weir::topic_set{});
}

inline std::string name_of(const weir::topic_set& set) {
    std::string words = "{";
    for (const auto& list : {set.names(), set.patterns()})
        for (const std::string& name : list) words.append(words.size() == 1 ? "" : " ").append(name);
    return words + "}";
}

/// A message as a hub makes them.
inline weir::message_ptr message(std::uint64_t sequence, std::string_view topic, std::string_view data = {},
                                 std::string_view key = {}, weir::time_point at = {}) {
    static const auto format = std::make_shared<const weir::message_format>();
    return std::make_shared<weir::published_message>(format, topic, weir::hub_event{.data = data, .key = key}, sequence,
                                                     at);
}

struct broken_law : std::runtime_error {
    using std::runtime_error::runtime_error;
};

/// One store, a weir::message_store, and all that it has been given. Throws broken_law as soon as the store breaks one.
template <class Store>
class lawful_store {
public:
    explicit lawful_store(Store store)
        : store_(std::make_unique<Store>(std::move(store))), epoch_(std::as_const(*store_).epoch()) {
        require(asked().last() == 0, 1, [] { return "last() of a new store is not 0"; });
        const bool fits_an_id = !epoch_.empty() && epoch_.find_first_of(std::string_view{"-\r\n\0", 4}) == epoch_.npos;
        require(fits_an_id, 8, [] { return "epoch() is not fit for an id"; });
    }

    const std::string& epoch() const { return epoch_; }
    std::uint64_t last() const { return all_.size(); }

    /// Steps in words: "a" and "a:key" append a message to the topic a; "+5" lets five seconds pass, and trims; "move"
    /// moves the store.
    void perform(std::string_view step) {
        history_.append(" ").append(step);
        const auto colon = step.find(':');
        if (step == "move") {
            store_ = std::make_unique<Store>(std::move(*store_));
        } else if (step.starts_with('+')) {
            now_ += std::chrono::seconds{std::stoi(std::string{step.substr(1)})};
            store_->trim(now_);
        } else {
            append(step.substr(0, colon), colon == step.npos ? "" : step.substr(colon + 1));
        }
        see_what_is_kept(step.starts_with('+') || step == "move");
        for (const auto& [topic, kept] : kept_)
            if (kept.empty()) blank_through_[topic] = last();
    }

    /// Laws 2, 3 and 4 for one question.
    void ask(const weir::topic_set& set, std::uint64_t after, std::size_t room) const {
        std::vector<weir::message_ptr> wanted;
        bool lost = false;
        for (const auto& m : all_) {
            if (m->sequence() <= after || !set.contains(m->topic())) continue;
            if (is_kept(*m)) wanted.push_back(m);
            lost = lost || !is_kept(*m);
        }
        const auto question = [&] { return "(" + name_of(set) + ", " + std::to_string(after) + ")"; };
        check_backlog(asked().backlog(set, after), wanted, question);
        const bool says = asked().backlog(set, after).lost;
        require(says || !lost, 4, [&] { return "backlog" + question() + " has lost a message and does not say so"; });
        require(!says || lost || may_err(set, after), 4,
                [&] { return "backlog" + question() + " says that one is lost, and none is"; });
        if (wanted.size() > room) wanted.resize(room);
        const auto got = read(set, after, room);
        require(numbers(got) == numbers(wanted), 2, [&] {
            return "read" + question() + " yields" + in_words(numbers(got)) + ", not" + in_words(numbers(wanted));
        });
    }

    /// Laws 1, 5, 7 and 8: asking has changed nothing.
    void check_unchanged() {
        const auto before = kept_;
        see_what_is_kept(true);
        require(kept_ == before, 5, [] { return "asking changes what is kept"; });
    }

private:
    const Store& asked() const { return *store_; }

    // `otherwise()` says what is wrong.
    template <class Otherwise>
    void require(bool holds, int law, const Otherwise& otherwise) const {
        if (!holds) throw broken_law{"law " + std::to_string(law) + ": " + otherwise() + "; after:" + history_};
    }

    void append(std::string_view topic, std::string_view key) {
        now_ += std::chrono::seconds{1};
        const std::string data(all_.size() * 5 % 11, 'x');
        const std::uint64_t sequence = last() + 1;
        all_.push_back(message(sequence, topic, data, key, now_));
        kept_[std::string{topic}];
        if (!key.empty()) supersede(topic, key);
        store_->append(message(sequence, topic, data, key, now_));  // one of its own: nobody else keeps it alive
        newest_by_key_[{std::string{topic}, std::string{key}}] = last();
    }
    // The one before it is to be superseded if it is kept; whether one is that isn't kept is nobody's business.
    void supersede(std::string_view topic, std::string_view key) {
        const auto found = newest_by_key_.find({std::string{topic}, std::string{key}});
        if (found != newest_by_key_.end()) superseded_.push_back(found->second);
    }

    // By asking for each topic as a whole. What is kept of a topic are its newest messages.
    void see_what_is_kept(bool same_last) {
        require(asked().last() == last(), 1,
                [&] { return same_last ? "last() has changed without append()" : "last() is not the newest's"; });
        require(asked().epoch() == epoch_, 8, [] { return "epoch() has changed"; });
        is_kept_.assign(last(), false);
        for (auto& [topic, kept] : kept_) {
            const auto found = read(topics({topic}), 0, last() + 1);
            auto now = numbers(found);
            check_newest(topic, now);
            const bool back = !now.empty() && now.front() < oldest_possible_[topic];
            require(!back, 5, [&] { return "a message of " + topic + " is back"; });
            oldest_possible_[topic] = now.empty() ? last() + 1 : now.front();
            for (const auto& m : found) {
                check_message(*m);
                is_kept_[m->sequence() - 1] = true;
            }
            kept = std::move(now);
        }
        check_complete_after();
    }
    void check_complete_after() {
        const std::uint64_t told = asked().complete_after();
        require(told >= complete_after_, 7, [] { return "complete_after() has become smaller"; });
        complete_after_ = told;
        for (std::uint64_t n = told + 1; n <= last() && n != 0; ++n)
            require(is_kept_[n - 1], 7, [&] {
                return "complete_after() is " + std::to_string(told) + ", and " + std::to_string(n) + " is lost";
            });
    }
    void check_newest(const std::string& topic, const std::vector<std::uint64_t>& found) const {
        std::vector<std::uint64_t> newest;
        for (const auto& m : all_)
            if (m->topic() == topic) newest.push_back(m->sequence());
        const std::size_t forgotten = newest.size() - std::min(newest.size(), found.size());
        newest.erase(newest.begin(), newest.begin() + static_cast<std::ptrdiff_t>(forgotten));
        require(found == newest, 2, [&] {
            return "read({" + topic + "}, 0) yields" + in_words(found) + ", which are not its newest in order";
        });
    }
    void check_message(const weir::published_message& m) const {
        const auto& original = *all_[m.sequence() - 1];
        const bool same = m.topic() == original.topic() && m.data() == original.data() && m.key() == original.key() &&
                          m.event() == original.event() && m.published_at() == original.published_at();
        require(same, 2, [&] { return std::to_string(m.sequence()) + " is not as it was appended"; });
        const bool newer = std::ranges::find(superseded_, m.sequence()) != superseded_.end();
        require(m.superseded() == newer, 6,
                [&] { return std::to_string(m.sequence()) + (newer ? " is not superseded" : " is superseded"); });
    }

    void check_backlog(const weir::backlog& told, const std::vector<weir::message_ptr>& wanted,
                       const auto& question) const {
        weir::backlog is{.messages = wanted.size(),
                         .oldest = wanted.empty() ? weir::never : wanted.front()->published_at()};
        for (const auto& m : wanted) is.bytes += m->size();
        const auto differ = [&](const char* what, std::size_t got, std::size_t right) {
            require(got == right, 3, [&] {
                return "backlog" + question() + what + std::to_string(got) + ", not " + std::to_string(right);
            });
        };
        differ(".messages is ", told.messages, is.messages);
        differ(".bytes is ", told.bytes, is.bytes);
        require(told.oldest == is.oldest, 3, [&] { return "backlog" + question() + ".oldest is not the oldest's"; });
    }

    // "It may say so wrongly about topics of which it keeps nothing": or kept nothing at a time after that message,
    // since it need not remember. Of a pattern there are always such topics. Not if it has lost nothing since then at
    // all.
    bool may_err(const weir::topic_set& set, std::uint64_t after) const {
        const auto newer_and_lost = [&](const auto& m) { return m->sequence() > after && !is_kept(*m); };
        if (std::ranges::none_of(all_, newer_and_lost)) return false;
        const auto was_blank = [&](const std::string& name) {
            const auto found = blank_through_.find(name);
            return after < (found != blank_through_.end() ? found->second : first_of(name) - 1);
        };
        return !set.patterns().empty() || std::ranges::any_of(set.names(), was_blank);
    }
    std::uint64_t first_of(std::string_view name) const {
        const auto found = std::ranges::find(all_, name, [](const auto& m) { return m->topic(); });
        return static_cast<std::uint64_t>(found - all_.begin()) + 1;
    }

    bool is_kept(const weir::published_message& m) const { return is_kept_[m.sequence() - 1]; }

    // Into the front of something larger, the rest of which must stay as it is.
    std::vector<weir::message_ptr> read(const weir::topic_set& set, std::uint64_t after, std::size_t room) const {
        std::vector<weir::message_ptr> out(room + 1);
        const std::size_t count = asked().read(set, after, std::span{out}.first(room));
        require(count <= room, 2, [] { return "read() yields more than there is room for"; });
        require(out.back() == nullptr, 2, [] { return "read() writes beyond the room it has"; });
        out.resize(count);
        require(std::ranges::find(out, nullptr) == out.end(), 2, [] { return "read() yields null"; });
        for (const auto& m : out)
            require(m->sequence() - 1 < last(), 2, [] { return "read() yields what nobody appended"; });
        return out;
    }

    static std::vector<std::uint64_t> numbers(const std::vector<weir::message_ptr>& messages) {
        std::vector<std::uint64_t> sequences;
        for (const auto& m : messages) sequences.push_back(m->sequence());
        return sequences;
    }
    static std::string in_words(const std::vector<std::uint64_t>& sequences) {
        std::string words;
        for (const std::uint64_t n : sequences) words.append(" ").append(std::to_string(n));
        return words.empty() ? " nothing" : words;
    }

    std::unique_ptr<Store> store_;
    std::string epoch_;
    std::uint64_t complete_after_ = 0;
    std::string history_;  // the steps so far
    weir::time_point now_ = weir::time_point{} + std::chrono::hours{1};
    std::vector<weir::message_ptr> all_;                      // the sequence n at n - 1
    std::vector<bool> is_kept_;                               // likewise
    std::map<std::string, std::vector<std::uint64_t>> kept_;  // by topic
    std::map<std::string, std::uint64_t> oldest_possible_;    // by topic: what was before is gone
    std::map<std::string, std::uint64_t> blank_through_;      // by topic: last() when nothing of it was kept, lately
    std::map<std::pair<std::string, std::string>, std::uint64_t> newest_by_key_;
    std::vector<std::uint64_t> superseded_;
};

/// What can be asked for: one name, several, patterns, both, none; topics with and without messages.
inline std::vector<weir::topic_set> sets_to_ask() {
    return {topics({}),          topics({"a"}),
            topics({"b"}),       topics({"a/x"}),
            topics({"b/x"}),     topics({"never"}),
            topics({"a", "b"}),  topics({"a", "never"}),
            topics({"a/+"}),     topics({"a/#"}),
            topics({"#"}),       topics({"b", "a/+"}),
            topics({"never/#"}), topics({"a/x", "b/x", "c"})};
}

/// Everything is asked after every step.
template <class MakeStore>
void check_schedule(MakeStore& make_store, const std::string& schedule) {
    lawful_store store{make_store()};
    std::istringstream steps{schedule};
    for (std::string step; steps >> step;) {
        store.perform(step);
        for (const auto& set : sets_to_ask())
            for (std::uint64_t after = 0; after <= store.last(); ++after)
                for (const std::uint64_t room : {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{2}, store.last()})
                    store.ask(set, after, room);
        store.check_unchanged();
    }
}

template <class MakeStore>
void check_random_schedule(MakeStore& make_store, unsigned seed) {
    static constexpr std::array steps{"a",   "a:k", "a:l", "b",  "b:k", "a/x", "a/x:k",
                                      "a/y", "b/x", "c",   "+0", "+3",  "move"};
    // Busy topics and quiet ones; and sometimes a long time passes.
    std::mt19937 random{seed};
    const auto up_to = [&](std::uint64_t n) { return random() % (n + 1); };
    lawful_store store{make_store()};
    const auto sets = sets_to_ask();
    for (int i = 0; i != 250; ++i) {
        const std::size_t busy = i / 50 % 2 == 0 ? steps.size() - 1 : 3;
        store.perform(up_to(60) == 0 ? "+60" : steps[up_to(busy)]);
        for (int questions = 0; questions != 10; ++questions)
            store.ask(sets[up_to(sets.size() - 1)], up_to(store.last()), up_to(up_to(store.last())));
        store.check_unchanged();
    }
}

/// The first law that a store breaks, as "law 3: how; after: the steps that led there". None: it breaks none of them.
/// `make_store()` makes a new and empty one.
template <class MakeStore>
std::optional<std::string> first_broken_law(MakeStore make_store) {
    try {
        if (lawful_store{make_store()}.epoch() == lawful_store{make_store()}.epoch())
            return "law 8: two stores have the same epoch";
        check_schedule(make_store, "a b a a/x c a b/x a/y b a a a a +1 a");
        check_schedule(make_store, "b a a a a a a a a a b a a a a/x a a a a b");  // one that holds others up
        check_schedule(make_store, "a:k a:l b:k a:k a a:k a/x:k a:l a:k b:k b:l a:kk");
        check_schedule(make_store, "+0 a b +60 +60 b:k +30 a:k b:k +40 a:k +3600 c a:k +3600");
        check_schedule(make_store, "move a b:k move a/x b:k a a a move +60 a b:k move b move");
        for (unsigned seed = 1; seed <= 6; ++seed) check_random_schedule(make_store, seed);
    } catch (const broken_law& broken) {
        return broken.what();
    }
    return std::nullopt;
}

template <class MakeStore>
void check_store_laws(MakeStore make_store) {
    CHECK(first_broken_law(make_store).value_or("") == "");
}

}  // namespace test

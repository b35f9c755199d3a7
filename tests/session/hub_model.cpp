// SPDX-License-Identifier: BSL-1.0

// A hub against the plainest model of one: a list of all messages there ever were, and for each client what it is owed.
// Random schedules over virtual time; every byte on every wire must be what the model says it may be.

#include <weir/error.hpp>
#include <weir/policy/any_policy.hpp>
#include <weir/policy/lag.hpp>
#include <weir/session/hub_core.hpp>
#include <weir/session/published_message.hpp>
#include <weir/session/subscriber.hpp>
#include <weir/session/topic.hpp>
#include <weir/time.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "support/errc.hpp"
#include "support/fake_hub.hpp"

using namespace std::literals;
using test::arrival;
using test::client;
using test::fake_hub;
using test::kind;
using test::phase;
using weir::error;
using weir::milliseconds;
using weir::priority;
using weir::subscribed;

namespace {

using sequence = std::uint64_t;

struct violation : std::runtime_error {
    using std::runtime_error::runtime_error;
};

void demand(bool holds, const std::string& what) {
    if (!holds) throw violation{what};
}

constexpr std::array<std::string_view, 6> names{"a", "a/b", "a/c", "b", "c/d/e", "$x"};
constexpr std::array<std::string_view, 11> topics_and_patterns{"a",   "a/b", "a/c", "b", "c/d/e", "$x",
                                                               "a/#", "a/+", "#",   "+", "c/+/e"};

// ---- the model ----

struct record {
    std::string topic, key;
    std::size_t size;
    weir::time_point at, expires;
    weir::priority rank;
    bool kept = true;
};

/// All messages there ever were; the first one has the sequence 1.
class chronicle {
public:
    explicit chronicle(weir::history_limits limits) : limits_(limits) {}

    sequence last() const noexcept { return all_.size(); }
    const record& at(sequence s) const { return all_.at(s - 1); }
    bool kept(sequence s) const { return at(s).kept; }

    void trim(weir::time_point now) {
        if (limits_.age <= limits_.age.zero()) return;
        for (record& r : all_) {
            if (r.at + limits_.age <= now) r.kept = false;
        }
    }
    void add(record r, weir::time_point now) {
        trim(now);
        all_.push_back(std::move(r));
        const auto forget_beyond = [&](std::size_t limit, auto belongs) {
            std::size_t count = 0;
            for (std::size_t i = all_.size(); limit != 0 && i-- != 0;) {
                if (all_[i].kept && belongs(all_[i]) && ++count > limit) all_[i].kept = false;
            }
        };
        forget_beyond(limits_.messages_per_topic, [&](const record& x) { return x.topic == all_.back().topic; });
        forget_beyond(limits_.messages, [](const record&) { return true; });
    }
    bool superseded(sequence s) const {
        if (at(s).key.empty()) return false;
        for (sequence later = s + 1; later <= last(); ++later) {
            if (at(later).key == at(s).key && at(later).topic == at(s).topic) return true;
        }
        return false;
    }

private:
    weir::history_limits limits_;
    std::vector<record> all_;
};

/// What has happened in all schedules, so that one sees that it has.
struct totals {
    std::uint64_t messages = 0, notices = 0, told_lost = 0, lagging = 0, expired = 0, untold = 0;
    std::uint64_t live = 0, recovered = 0, gap = 0, closed = 0, too_slow = 0;
};

/// What a client asked for, and where it began.
struct wish {
    std::string topic;
    sequence after;
};

bool is_for(const std::vector<wish>& wishes, const record& r) {
    return std::ranges::any_of(wishes, [&](const wish& w) { return weir::topic_matches(w.topic, r.topic); });
}

/// One connection: what it is owed, and whether what comes is that.
class reader {
public:
    reader(client& c, const chronicle& log, weir::any_lag lag, totals& all, bool filters, bool told)
        : client_(c), log_(log), lag_(std::move(lag)), all_(all), filters_(filters), told_(told), wire_(c.what()) {
        c.on_taken([this](std::string_view bytes) { take(bytes); });
        c.on_dropped([this](const weir::messages_dropped& what) { drop(what); });
    }
    reader(const reader&) = delete;
    reader& operator=(const reader&) = delete;

    client& who() noexcept { return client_; }
    bool filters() const noexcept { return filters_; }
    bool told() const noexcept { return told_; }
    const std::vector<wish>& wishes() const noexcept { return wishes_; }
    sequence last_seen() const noexcept { return last_seen_; }
    bool closing() const noexcept { return closing_; }
    /// A topic that came later may still be replayed, without what others have sent. If those go, that is forgotten.
    bool goes_back() const noexcept { return goes_back_; }

    bool passes(sequence s) const noexcept { return !filters_ || s % 3 != 0; }
    /// Subscribed; returns how that must have begun.
    subscribed want(std::vector<std::string_view> topics, std::optional<sequence> after, bool garbage, bool oldest) {
        std::vector<wish> fresh;
        for (const std::string_view t : topics) {
            const auto is_it = [&](const wish& w) { return w.topic == t; };
            if (std::ranges::any_of(wishes_, is_it) || std::ranges::any_of(fresh, is_it)) continue;
            fresh.push_back({std::string{t}, 0});
        }
        if (fresh.empty()) return subscribed::live;
        subscribed how = subscribed::live;
        sequence begin = log_.last();
        if (garbage) {
            how = subscribed::gap;
            begin = 0;
        } else if (after) {
            begin = *after;
            how = subscribed::recovered;
            for (sequence s = begin + 1; s <= log_.last(); ++s) {
                if (!log_.kept(s) && is_for(fresh, log_.at(s))) how = subscribed::gap;
            }
        } else if (oldest) {
            for (sequence s = log_.last(); s != 0; --s) {
                if (log_.kept(s) && is_for(fresh, log_.at(s))) begin = s - 1;
            }
        }
        ++(how == subscribed::gap ? all_.gap : how == subscribed::live ? all_.live : all_.recovered);
        if (how == subscribed::gap) lost_ = lost_since_begin_ = true;
        if (!slow_ && (begin < log_.last() || how == subscribed::gap)) free_through_ = log_.last();
        goes_back_ = goes_back_ || (!wishes_.empty() && begin < log_.last());
        for (wish& w : fresh) w.after = begin;
        for (sequence s = begin + 1; s <= log_.last(); ++s) {
            if (is_for(fresh, log_.at(s)) && !is_wanted(s)) owe(s);
        }
        wishes_.insert(wishes_.end(), fresh.begin(), fresh.end());
        return how;
    }
    void no_longer(std::string_view topic) {
        std::erase_if(wishes_, [&](const wish& w) { return w.topic == topic; });
        for (const sequence s : owed_) {  // that it is lost may have been noticed by then
            if (!log_.kept(s)) told_of_.insert(s);
        }
        std::erase_if(owed_, [&](sequence s) { return !is_wanted(s); });
        if (!wishes_.empty()) return;
        newest_only_ = slow_ = lost_ = lost_since_begin_ = false;
        skipped_ = 0;
        left_since_begin_ = true;
    }
    void published(sequence s) {
        if (!closing_ && is_wanted(s)) owe(s);
    }
    void sent(std::string text) { direct_.push_back(std::move(text)); }
    void close() {
        closing_ = true;
        free_through_ = log_.last();
    }
    void expect_failure() { may_fail_ = true; }

    /// After everything that happens. False: the session has ended, and may have.
    bool look() {
        demand(fault_.empty(), fault_);
        const auto state = client_.session().state();
        if (state == phase::closed) {
            if (may_fail_ || closing_) return false;
            demand(client_.session().end_reason() == error::slow_reader, "an end for no reason");
            demand(may_be_closed(), "an end that the lag policy did not ask for");
            ++all_.too_slow;
            return false;
        }
        const auto stats = client_.stats();
        demand(stats.dropped.lagging == lagging_ && stats.dropped.expired == expired_, "drops that were not observed");
        slow_ = slow_ || stats.blocked;
        if (slow_) note_decision();
        return true;
    }
    /// After all turns: a client whose transport takes all has got all.
    void look_when_settled() {
        if (client_.stats().blocked) return;
        if (!told_ || closing_) std::erase_if(owed_, [&](sequence s) { return !log_.kept(s); });
        std::set<sequence> due = owed_;  // what nobody wants any more is passed with what comes next
        std::erase_if(due, [&](sequence s) { return expired(s); });
        demand(due.empty(), "not sent: " + list(due));
        demand(buffer_.empty(), "half a message");
        demand(direct_.empty(), "what was sent directly is not there");
        if (told_ && !closing_ && !wishes_.empty()) demand(skipped_ == 0 && !lost_, "not told what was left out");
        slow_ = newest_only_ = goes_back_ = false;
        if (closing_ && client_.what() != kind::sse_plain) demand(ended_, "no farewell");
    }

private:
    // What was so when the first byte of the frame was written that is coming now.
    struct beginning {
        std::set<sequence> owed, unkept, expired;
        std::uint64_t skipped;
        bool lost;
    };

    bool is_wanted(sequence s) const {
        const auto wants = [&](const wish& w) { return s > w.after && weir::topic_matches(w.topic, log_.at(s).topic); };
        return passes(s) && std::ranges::any_of(wishes_, wants);
    }
    bool expired(sequence s) const { return log_.at(s).expires <= client_.now(); }
    void owe(sequence s) {
        if (!passes(s)) return;
        owed_.insert(s);
        owed_since_begin_.insert(s);
    }
    void settle(sequence s) {
        if (!owed_since_begin_.contains(s)) owed_.erase(s);
    }
    static std::string list(const std::set<sequence>& all) {
        std::string text;
        for (const sequence s : all) text += std::to_string(s) + ' ';
        return text;
    }

    // ---- what is written ----

    // Called in the middle of a write, from where nothing may be thrown.
    void take(std::string_view bytes) {
        try {
            while (!bytes.empty() && fault_.empty()) {
                if (buffer_.empty()) begin();
                buffer_ += bytes;
                std::string_view rest = buffer_;
                const auto next = wire_.next(rest);
                if (!next) return;
                bytes = bytes.substr(bytes.size() - rest.size());
                buffer_.clear();
                check(*next);
            }
        } catch (const violation& v) {
            fault_ = v.what();
        }
    }
    void begin() {
        owed_since_begin_.clear();
        lost_since_begin_ = left_since_begin_ = false;
        begun_ = {owed_, {}, {}, skipped_, lost_};
        for (const sequence s : owed_) {
            if (!log_.kept(s)) begun_.unkept.insert(s);
            if (expired(s)) begun_.expired.insert(s);
        }
    }
    void check(const arrival& a) {
        demand(!ended_, "something behind the farewell: " + a.text);
        if (a.text == "(beat)" || a.text == "(ping)") return;
        if (a.text == "(end)" || a.text == "(close 1000)") return check_farewell();
        demand(a.is_message() && !a.text.empty(), "what is this: " + a.text);
        if (a.text[0] == 'D') return check_direct(a);
        if (a.text[0] == 'N') return check_notice(a);
        check_message(a);
    }
    void check_farewell() {
        demand(closing_, "a farewell that nobody asked for");
        for (const sequence s : begun_.owed)
            demand(begun_.unkept.contains(s) || begun_.expired.contains(s), "the end before " + std::to_string(s));
        owed_.clear();
        ended_ = true;
        ++all_.closed;
    }
    void check_direct(const arrival& a) {
        demand(!direct_.empty() && direct_.front() == a.text, "sent directly, but not this: " + a.text);
        direct_.pop_front();
    }
    void check_notice(const arrival& a) {
        demand(told_, "a notice that nobody asked for");
        demand(a.id.empty() || a.id == "epoch-" + std::to_string(last_seen_), "a notice with an id");
        const auto comma = a.text.find(',');
        const std::uint64_t messages = number(std::string_view{a.text}.substr(1, comma - 1));
        const bool lost = a.text.substr(comma + 1) == "1";
        demand(messages == begun_.skipped, "told of " + a.text + ", which should be " + std::to_string(begun_.skipped));
        demand(messages != 0 || lost, "a notice of nothing");
        if (!left_since_begin_) skipped_ -= messages;
        demand(lost || !begun_.lost, "not told of the gap");
        // What was forgotten among what comes next may have been told of before; may not have been let through; or, of
        // a topic that came later, may have been sent for another one. One that closes may be told of what comes after.
        const bool known = begun_.lost || !begun_.unkept.empty() || filters_ || goes_back_ || closing_ ||
                           (!told_of_.empty() && *told_of_.rbegin() > last_seen_);
        demand(!lost || known, "told of a gap that is none");
        ++all_.notices;
        if (!lost) return;
        ++all_.told_lost;
        lost_ = lost_since_begin_;
        for (const sequence s : begun_.unkept) {
            told_of_.insert(s);
            settle(s);
        }
    }
    void check_message(const arrival& a) {
        demand(a.text[0] == '#', "not a message: " + a.text);
        const auto s = number(std::string_view{a.text}.substr(1, a.text.find(' ') - 1));
        const std::string name = std::to_string(s);
        if (is_sse(client_.what())) demand(a.id == "epoch-" + name, "another id than " + name + ": " + a.id);
        demand(begun_.owed.contains(s), name + " was not owed, or not any more");
        demand(!begun_.expired.contains(s), name + " had outlived its time");
        if (told_) demand(begun_.skipped == 0 && !begun_.lost, "not told before " + name + " what was left out");
        for (const sequence before : begun_.owed) {
            if (before >= s) break;
            const std::string what = std::to_string(before) + " is missing before " + name;
            const bool in_turn = begun_.expired.contains(before);  // when the turn came, and passed over
            demand(in_turn || begun_.unkept.contains(before), what);
            demand(in_turn || !told_, what + ", and nobody said so");
            ++all_.untold;
            settle(before);
        }
        settle(s);
        ++all_.messages;
        last_seen_ = s;
    }
    static std::uint64_t number(std::string_view digits) {
        std::uint64_t n = 0;
        const auto [end, ec] = std::from_chars(digits.data(), digits.data() + digits.size(), n);
        demand(ec == std::errc{} && end == digits.data() + digits.size(), "no number: " + std::string{digits});
        return n;
    }

    // ---- what is left out ----

    std::optional<sequence> first_behind() const {
        for (const sequence s : owed_) {
            if (log_.kept(s)) return s;
        }
        return {};
    }
    weir::lag_facts facts(sequence s) const {
        const record& r = log_.at(s);
        weir::lag_facts f{0, 0, client_.now() - r.at, log_.superseded(s), r.rank};
        for (sequence i = s; i <= log_.last(); ++i) {
            if (!log_.kept(i) || !is_for(wishes_, log_.at(i))) continue;
            ++f.messages;
            f.bytes += log_.at(i).size;
        }
        return f;
    }
    weir::lag_decision decide(sequence s) const { return lag_(facts(s)); }
    // Which holds until the client has caught up, even if less waits by then because it is not kept.
    void note_decision() {
        for (const sequence s : owed_) {
            if (!log_.kept(s) || s <= free_through_ || log_.at(s).rank == priority::high) continue;
            newest_only_ = newest_only_ || decide(s) == weir::lag_decision::skip_to_newest;
            return;
        }
    }

    // The policy is asked about the message at the cursor, be it one that is not let through.
    bool may_be_closed() const {
        for (sequence s = goes_back_ ? 1 : last_seen_ + 1; s <= log_.last(); ++s) {
            if (!log_.kept(s) || !is_for(wishes_, log_.at(s)) || s <= free_through_) continue;
            if (decide(s) == weir::lag_decision::close) return true;
        }
        return false;
    }

    void drop(const weir::messages_dropped& what) {
        if (what.reason == weir::drop_reason::unsent) return;
        try {
            demand(what.messages == 1, "several at once");
            const auto first = first_behind();
            demand(first.has_value(), "left out what nobody wants");
            const std::string name = std::to_string(*first);
            if (what.reason == weir::drop_reason::expired) {
                demand(expired(*first), name + " is left out although its time was not over");
                ++expired_, ++all_.expired;
            } else {
                demand(what.reason == weir::drop_reason::lagging, "left out for what reason?");
                demand(!expired(*first), name + " is not late, its time is over");
                demand(slow_, name + " is left out although the reader was not slow");
                demand(*first > free_through_, name + " is left out of a replay");
                demand(may_lag_out(*first), name + " is left out, which the policy does not allow");
                ++lagging_, ++all_.lagging;
            }
            owed_.erase(*first);
            if (told_) ++skipped_;
        } catch (const violation& v) {
            if (fault_.empty()) fault_ = v.what();
        }
    }
    bool may_lag_out(sequence s) {
        const auto f = facts(s);
        if (!newest_only_) {
            const auto decision = lag_(f);
            if (decision == weir::lag_decision::skip) return true;
            newest_only_ = decision == weir::lag_decision::skip_to_newest;
        }
        return newest_only_ && f.messages > 1 && log_.at(s).rank != priority::high;
    }

    client& client_;
    const chronicle& log_;
    const weir::any_lag lag_;
    totals& all_;
    const bool filters_, told_;
    test::wire_reader wire_;

    std::vector<wish> wishes_;
    std::set<sequence> owed_, owed_since_begin_, told_of_;
    std::deque<std::string> direct_;
    std::uint64_t skipped_ = 0, lagging_ = 0, expired_ = 0;
    bool lost_ = false, lost_since_begin_ = false, left_since_begin_ = false;
    sequence last_seen_ = 0, free_through_ = 0;
    bool slow_ = false, newest_only_ = false, closing_ = false, ended_ = false, may_fail_ = false, goes_back_ = false;
    std::string buffer_, fault_;
    beginning begun_{};
};

// ---- the schedule ----

/// A client that has gone, and may come back.
struct departed {
    std::vector<std::string> topics;
    sequence seen;
    bool filters, told;
};

class schedule {
public:
    schedule(unsigned seed, totals& all)
        : random_(seed), all_(all), limits_(pick_limits()), log_(limits_), lag_(pick_lag()) {
        test::hub_setup setup;
        setup.history = limits_;
        setup.lag = lag_;
        setup.shards = one_of(3) + 1;
        setup.batched = one_of(2) == 0;
        hub_.emplace(std::move(setup));
    }

    void run(std::size_t steps) {
        for (std::size_t i = 0; i != steps; ++i) step();
        for (const auto& r : readers_) r->who().take(test::fake_transport::unlimited);
        settle();
    }

    std::string story;  ///< what has happened, in words

private:
    std::size_t one_of(std::size_t n) { return std::uniform_int_distribution<std::size_t>{0, n - 1}(random_); }
    bool chance(std::size_t percent) { return one_of(100) < percent; }
    weir::history_limits pick_limits() {
        weir::history_limits l{.messages = one_of(3) == 0 ? 0 : one_of(30) + 1, .bytes = 0};
        if (one_of(3) == 0) l.messages_per_topic = one_of(6) + 1;
        if (one_of(3) == 0) l.age = milliseconds{static_cast<int>(one_of(1000) + 1)};
        return l;
    }
    weir::any_lag pick_lag() {
        switch (one_of(7)) {
            case 0: return weir::skip_oldest{.max_messages = 0, .max_bytes = 0};
            case 1: return weir::skip_oldest{.max_messages = one_of(8) + 1};
            case 2: return weir::skip_oldest{.max_messages = 0, .max_bytes = one_of(300) + 1};
            case 3: return weir::skip_oldest{.max_messages = 0, .max_bytes = 0, .max_age = milliseconds{200}};
            case 4: return weir::skip_to_newest{.max_messages = one_of(8) + 1};
            case 5: return weir::skip_to_latest{.max_messages = one_of(4) + 1};
            default: return weir::close_lagging{.max_messages = one_of(20) + 1};
        }
    }

    void say(const std::string& what) { story += what + '\n'; }
    std::string who(const reader& r) const {
        const auto found = std::ranges::find_if(readers_, [&](const auto& x) { return x.get() == &r; });
        return "client " + std::to_string(numbers_[static_cast<std::size_t>(found - readers_.begin())]);
    }
    reader* any() { return readers_.empty() ? nullptr : readers_[one_of(readers_.size())].get(); }

    void step() {
        const std::size_t dice = one_of(100);
        if (dice < 34)
            publish();
        else if (dice < 40)
            arrive();
        else if (dice < 43)
            come_back();
        else if (dice < 46)
            want_more();
        else if (dice < 48)
            want_less();
        else if (dice < 55)
            stall();
        else if (dice < 66)
            take_some();
        else if (dice < 68)
            vanish();
        else if (dice < 69)
            close();
        else if (dice < 74)
            send_directly();
        else if (dice < 77)
            pass_time();
        else if (dice < 88)
            turn_shard();
        else if (dice < 95)
            turn_session();
        else
            settle();
        look();
    }

    void publish() {
        const sequence s = log_.last() + 1;
        const auto topic = names[one_of(names.size())];
        static constexpr std::array<std::string_view, 3> keys{"", "k", "l"};
        weir::hub_event e{.key = keys[one_of(3)]};
        if (chance(20)) e.time_to_live = milliseconds{static_cast<int>(one_of(200) + 1)};
        if (chance(20)) e.priority = chance(50) ? priority::high : priority::low;
        std::string data = "#" + std::to_string(s) + ' ' + std::string(chance(5) ? 3000 : one_of(40), 'x');
        const auto expires = e.time_to_live > e.time_to_live.zero() ? hub_->now() + e.time_to_live : weir::never;
        log_.add({std::string{topic}, std::string{e.key}, topic.size() + e.key.size() + data.size(), hub_->now(),
                  expires, e.priority},
                 hub_->now());
        for (const auto& r : readers_) r->published(s);
        say("publish " + std::to_string(s) + " to " + std::string{topic});
        demand(hub_->publish(topic, data, e) == s, "another sequence than " + std::to_string(s));
    }

    std::vector<std::string_view> pick_topics() {
        std::vector<std::string_view> topics{topics_and_patterns[one_of(topics_and_patterns.size())]};
        while (chance(35)) topics.push_back(topics_and_patterns[one_of(topics_and_patterns.size())]);
        return topics;
    }
    reader& add(bool filters, bool told) {
        client& c = hub_->add(test::all_kinds[one_of(test::all_kinds.size())], {}, one_of(hub_->shards()));
        readers_.push_back(std::make_unique<reader>(c, log_, lag_, all_, filters, told));
        numbers_.push_back(++arrived_);
        return *readers_.back();
    }
    void arrive() {
        if (readers_.size() > 10) return;
        reader& r = add(chance(25), chance(60));
        say(who(r) + " arrives");
        if (chance(15)) r.who().limit(one_of(100));
        subscribe(r, pick_topics(), pick_after());
    }
    void come_back() {
        if (departed_.empty()) return;
        const std::size_t i = one_of(departed_.size());
        const departed d = departed_[i];
        departed_.erase(departed_.begin() + static_cast<std::ptrdiff_t>(i));
        reader& r = add(d.filters, d.told);
        say(who(r) + " comes back");
        subscribe(r, {d.topics.begin(), d.topics.end()}, d.seen);
    }
    void want_more() {
        if (reader* r = any(); r != nullptr && !r->closing()) subscribe(*r, pick_topics(), pick_after());
    }
    // An id, or none.
    std::optional<sequence> pick_after() {
        if (log_.last() == 0 || chance(50)) return {};
        return log_.last() - std::min<sequence>(log_.last(), one_of(25));
    }
    void subscribe(reader& r, const std::vector<std::string_view>& topics, std::optional<sequence> after) {
        const bool garbage = !after && chance(10), oldest = !after && !garbage && chance(20);
        weir::subscribe_options o{.from_oldest = oldest};
        const std::string id = after ? hub_->id(*after) : garbage ? "epoch-99999999" : "";
        o.after = id;
        if (r.filters()) o.filter = [](const weir::published_message& m) { return m.sequence() % 3 != 0; };
        if (r.told()) {
            o.on_skip = [](const weir::skipped& what) {
                return weir::skip_notice{{}, "N" + std::to_string(what.messages) + (what.lost ? ",1" : ",0")};
            };
        }
        std::string text = who(r) + " subscribes to";
        for (const auto t : topics) text.append(" ").append(t);
        say(text + (id.empty() ? "" : " after " + id) + (oldest ? " from the oldest" : ""));
        log_.trim(hub_->now());
        const subscribed expected = r.want(topics, after, garbage, oldest);
        demand(hub_->subscribe(r.who(), topics, o) == expected, "begins otherwise");
    }
    void want_less() {
        reader* const r = any();
        if (r == nullptr || r->wishes().empty()) return;
        if (chance(30)) {
            say(who(*r) + " wants nothing more");
            hub_->of(r->who()).leave();
            const auto all = r->wishes();
            for (const wish& w : all) r->no_longer(w.topic);
            return;
        }
        if (r->goes_back()) return;
        const std::string topic = r->wishes()[one_of(r->wishes().size())].topic;
        say(who(*r) + " unsubscribes from " + topic);
        const bool was_there = hub_->of(r->who()).unsubscribe(topic);
        demand(was_there || r->closing(), "was not subscribed");  // what closes leaves all that it has been sent
        r->no_longer(topic);
    }

    void stall() {
        reader* const r = any();
        if (r == nullptr || r->who().stats().blocked) return;
        say(who(*r) + " stalls");
        r->who().limit(chance(40) ? 0 : one_of(150));
    }
    void take_some() {
        reader* const r = any();
        if (r == nullptr) return;
        say(who(*r) + " takes more");
        if (chance(10)) return r->who().wake_in_vain();
        r->who().take(chance(30) ? test::fake_transport::unlimited : one_of(200) + 1);
    }
    void vanish() {
        reader* const r = any();
        if (r == nullptr) return;
        departed d{{}, r->last_seen(), r->filters(), r->told()};
        for (const wish& w : r->wishes()) d.topics.push_back(w.topic);
        if (!d.topics.empty() && d.seen != 0) departed_.push_back(d);
        r->expect_failure();
        say(who(*r) + " vanishes");
        if (chance(50)) {
            r->who().line().failure = test::code_of(std::errc::connection_reset);
        } else {
            r->who().vanish();
        }
    }
    void close() {
        reader* const r = any();
        if (r == nullptr || r->closing()) return;
        say(who(*r) + " is closed");
        r->close();
        r->who().close();
    }
    void send_directly() {
        reader* const r = any();
        if (r == nullptr || r->closing()) return;
        say(who(*r) + " is sent something");
        if (chance(40)) return r->who().beat();
        std::string text = "D" + std::to_string(++sent_) + std::string(one_of(20), 'd');
        if (r->who().send(text) == error::none) r->sent(std::move(text));
    }
    void pass_time() {
        const milliseconds time{static_cast<int>(one_of(120))};
        say("time passes");
        hub_->advance(time);
    }
    void turn_shard() {
        const std::size_t i = one_of(hub_->shards());
        say("loop " + std::to_string(i) + " turns");
        hub_->shard(i).run();
    }
    void turn_session() {
        if (reader* const r = any()) {
            say(who(*r) + " has its turn");
            r->who().end_turn();
        }
    }
    void settle() {
        say("all turns");
        hub_->run();
        look();
        for (const auto& r : readers_) {
            try {
                r->look_when_settled();
            } catch (const violation& v) {
                throw violation{who(*r) + ": " + v.what()};
            }
        }
    }
    void look() {
        for (std::size_t i = 0; i != readers_.size();) {
            reader& r = *readers_[i];
            bool lives = false;
            try {
                lives = r.look();
            } catch (const violation& v) {
                throw violation{who(r) + ": " + v.what()};
            }
            if (lives) {
                ++i;
                continue;
            }
            hub_->remove(r.who());
            numbers_.erase(numbers_.begin() + static_cast<std::ptrdiff_t>(i));
            readers_.erase(readers_.begin() + static_cast<std::ptrdiff_t>(i));
        }
    }

    std::mt19937 random_;
    totals& all_;
    weir::history_limits limits_;
    chronicle log_;
    weir::any_lag lag_;
    std::vector<std::unique_ptr<reader>> readers_;
    std::vector<std::size_t> numbers_;
    std::optional<fake_hub> hub_;  // goes first, with its sessions
    std::vector<departed> departed_;
    std::size_t arrived_ = 0, sent_ = 0;
};

/// What was wrong, and how it came to that; nothing: all was well.
std::string faults_of(unsigned seed, std::size_t steps, totals& all) {
    schedule s{seed, all};
    try {
        s.run(steps);
        return {};
    } catch (const violation& v) {
        return "seed " + std::to_string(seed) + ": " + v.what() + "\n" + s.story;
    }
}

}  // namespace

TEST_CASE("hub model: every client gets what it is owed, in order, once, and is told what it does not get",
          "[session][hub][model]") {
    totals all;
    for (unsigned seed = 1; seed <= 400; ++seed) REQUIRE(faults_of(seed, 300, all) == "");
    // That all of it has happened, and often.
    CHECK(all.messages > 50'000);
    for (const auto count : {all.notices, all.told_lost, all.lagging, all.expired, all.untold, all.live, all.recovered,
                             all.gap, all.closed}) {
        CHECK(count > 400);
    }
    CHECK(all.too_slow > 20);
}

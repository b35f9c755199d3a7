// SPDX-License-Identifier: BSL-1.0

#include <weir/session/message_store.hpp>

#include <weir/session/published_message.hpp>
#include <weir/session/topic.hpp>
#include <weir/time.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "support/store_laws.hpp"

using namespace std::chrono_literals;
using test::message;
using test::topics;
using weir::message_ptr;
using weir::time_point;
using weir::topic_set;

namespace {

/// The plainest store: a list of everything, of which the first ones are not there any more. Remembers all that it
/// lost.
class plain_store {
public:
    explicit plain_store(std::size_t keep) : keep_(keep) {}

    const std::string& epoch() const { return epoch_; }
    std::uint64_t last() const { return all_.size(); }

    void append(message_ptr m) {
        for (std::size_t i = gone_; i != all_.size(); ++i)
            if (!m->key().empty() && all_[i]->topic() == m->topic() && all_[i]->key() == m->key()) all_[i]->supersede();
        all_.push_back(std::move(m));
        if (all_.size() - gone_ > keep_) ++gone_;
    }
    std::size_t read(const topic_set& set, std::uint64_t after, std::span<message_ptr> out) const {
        std::size_t count = 0;
        for (const message_ptr& m : newer(set, after))
            if (count != out.size()) out[count++] = m;
        return count;
    }
    weir::backlog backlog(const topic_set& set, std::uint64_t after) const {
        weir::backlog found;
        for (const message_ptr& m : newer(set, after)) {
            ++found.messages;
            found.bytes += m->size();
            found.oldest = std::min(found.oldest, m->published_at());
        }
        for (std::size_t i = after; i < gone_; ++i) found.lost = found.lost || set.contains(all_[i]->topic());
        return found;
    }
    std::uint64_t complete_after() const { return gone_; }
    void trim(time_point now) {
        while (gone_ != all_.size() && all_[gone_]->published_at() + 1min <= now) ++gone_;
    }

protected:
    std::vector<message_ptr> newer(const topic_set& set, std::uint64_t after) const {
        std::vector<message_ptr> found;
        for (std::size_t i = std::max<std::size_t>(gone_, after); i < all_.size(); ++i)
            if (set.contains(all_[i]->topic())) found.push_back(all_[i]);
        return found;
    }

    static inline int made = 0;

    std::size_t keep_;
    std::string epoch_ = "store" + std::to_string(++made);
    std::vector<message_ptr> all_;
    std::size_t gone_ = 0;
};
static_assert(weir::message_store<plain_store>);

/// The law that such a store breaks: "law 2", or nothing.
template <class Store>
std::string law_broken_by(std::size_t keep = 5) {
    const auto broken = test::first_broken_law([&] { return Store{keep}; });
    UNSCOPED_INFO(broken.value_or("none is broken"));
    return broken.value_or("").substr(0, 5);
}

}  // namespace

TEST_CASE("message_store: a store that forgets nothing, and ones that keep few, obey the laws",
          "[session][message_store]") {
    test::check_store_laws([] { return plain_store{1'000'000}; });
    test::check_store_laws([] { return plain_store{5}; });
    test::check_store_laws([] { return plain_store{1}; });
    test::check_store_laws([] { return plain_store{0}; });
}

TEST_CASE("message_store: a store that breaks law 1 is caught", "[session][message_store]") {
    struct counts_from_zero : plain_store {
        using plain_store::plain_store;
        std::uint64_t last() const { return plain_store::last() - 1; }
    };
    struct lags : plain_store {
        using plain_store::plain_store;
        std::uint64_t last() const { return std::max<std::uint64_t>(plain_store::last(), 1) - 1; }
    };
    struct says_what_is_left : plain_store {
        using plain_store::plain_store;
        std::uint64_t last() const { return gone_ == all_.size() ? 0 : plain_store::last(); }
    };
    CHECK(law_broken_by<counts_from_zero>() == "law 1");
    CHECK(law_broken_by<lags>() == "law 1");
    CHECK(law_broken_by<says_what_is_left>() == "law 1");
}

TEST_CASE("message_store: a store that breaks law 2 is caught", "[session][message_store]") {
    struct reads_from : plain_store {  // not from behind it
        using plain_store::plain_store;
        std::size_t read(const topic_set& set, std::uint64_t after, std::span<message_ptr> out) const {
            return plain_store::read(set, after == 0 ? 0 : after - 1, out);
        }
    };
    struct reads_newest_first : plain_store {
        using plain_store::plain_store;
        std::size_t read(const topic_set& set, std::uint64_t after, std::span<message_ptr> out) const {
            const std::size_t count = plain_store::read(set, after, out);
            std::ranges::reverse(out.first(count));
            return count;
        }
    };
    struct reads_the_last_that_fit : plain_store {
        using plain_store::plain_store;
        std::size_t read(const topic_set& set, std::uint64_t after, std::span<message_ptr> out) const {
            const auto found = newer(set, after);
            const std::size_t count = std::min(out.size(), found.size());
            std::ranges::copy(std::span{found}.last(count), out.begin());
            return count;
        }
    };
    struct reads_patterns_twice : plain_store {
        using plain_store::plain_store;
        std::size_t read(const topic_set& set, std::uint64_t after, std::span<message_ptr> out) const {
            const std::size_t count = plain_store::read(set, after, out);
            if (set.patterns().empty() || count == 0 || count == out.size()) return count;
            out[count] = out[count - 1];
            return count + 1;
        }
    };
    struct reads_three_at_most : plain_store {
        using plain_store::plain_store;
        std::size_t read(const topic_set& set, std::uint64_t after, std::span<message_ptr> out) const {
            return plain_store::read(set, after, out.first(std::min<std::size_t>(out.size(), 3)));
        }
    };
    struct reads_any_topic : plain_store {
        using plain_store::plain_store;
        std::size_t read(const topic_set& set, std::uint64_t after, std::span<message_ptr> out) const {
            return plain_store::read(set.names().size() > 1 ? topics({"#"}) : set, after, out);
        }
    };
    struct skips_the_newest : plain_store {
        using plain_store::plain_store;
        std::size_t read(const topic_set& set, std::uint64_t after, std::span<message_ptr> out) const {
            const auto found = newer(set, after);
            const std::size_t count = std::min(out.size(), found.size() - (found.size() > 1 ? 1 : 0));
            std::ranges::copy(std::span{found}.first(count), out.begin());
            return count;
        }
    };
    struct alters : plain_store {
        using plain_store::plain_store;
        void append(message_ptr m) {
            plain_store::append(message(m->sequence(), m->topic(), "altered", m->key(), m->published_at()));
        }
    };
    CHECK(law_broken_by<reads_from>() == "law 2");
    CHECK(law_broken_by<reads_newest_first>() == "law 2");
    CHECK(law_broken_by<reads_the_last_that_fit>() == "law 2");
    CHECK(law_broken_by<reads_patterns_twice>() == "law 2");
    CHECK(law_broken_by<reads_three_at_most>() == "law 2");
    CHECK(law_broken_by<reads_any_topic>() == "law 2");
    CHECK(law_broken_by<skips_the_newest>() == "law 2");
    CHECK(law_broken_by<alters>() == "law 2");
}

TEST_CASE("message_store: a store that breaks law 3 is caught", "[session][message_store]") {
    struct counts_all : plain_store {
        using plain_store::plain_store;
        weir::backlog backlog(const topic_set& set, std::uint64_t after) const {
            auto found = plain_store::backlog(set, after);
            found.messages = plain_store::backlog(set, 0).messages;
            return found;
        }
    };
    struct counts_data : plain_store {
        using plain_store::plain_store;
        weir::backlog backlog(const topic_set& set, std::uint64_t after) const {
            auto found = plain_store::backlog(set, after);
            found.bytes = 0;
            for (const message_ptr& m : newer(set, after)) found.bytes += m->data().size();
            return found;
        }
    };
    struct knows_the_newest : plain_store {
        using plain_store::plain_store;
        weir::backlog backlog(const topic_set& set, std::uint64_t after) const {
            auto found = plain_store::backlog(set, after);
            if (found.messages != 0) found.oldest = newer(set, after).back()->published_at();
            return found;
        }
    };
    CHECK(law_broken_by<counts_all>() == "law 3");
    CHECK(law_broken_by<counts_data>() == "law 3");
    CHECK(law_broken_by<knows_the_newest>() == "law 3");
}

TEST_CASE("message_store: a store that breaks law 4 is caught", "[session][message_store]") {
    struct conceals : plain_store {
        using plain_store::plain_store;
        weir::backlog backlog(const topic_set& set, std::uint64_t after) const {
            auto found = plain_store::backlog(set, after);
            found.lost = false;
            return found;
        }
    };
    struct conceals_topics_that_are_gone : plain_store {
        using plain_store::plain_store;
        weir::backlog backlog(const topic_set& set, std::uint64_t after) const {
            auto found = plain_store::backlog(set, after);
            found.lost = found.lost && !newer(set, 0).empty();
            return found;
        }
    };
    struct knows_nothing_of_topics : plain_store {
        using plain_store::plain_store;
        weir::backlog backlog(const topic_set& set, std::uint64_t after) const {
            auto found = plain_store::backlog(set, after);
            found.lost = after < gone_;
            return found;
        }
    };
    struct laments : plain_store {
        using plain_store::plain_store;
        weir::backlog backlog(const topic_set& set, std::uint64_t after) const {
            auto found = plain_store::backlog(set, after);
            found.lost = true;
            return found;
        }
    };
    CHECK(law_broken_by<conceals>() == "law 4");
    CHECK(law_broken_by<conceals_topics_that_are_gone>() == "law 4");
    CHECK(law_broken_by<knows_nothing_of_topics>() == "law 4");
    CHECK(law_broken_by<laments>(1'000'000) == "law 4");
}

TEST_CASE("message_store: a store may not know what was lost of topics of which it keeps nothing",
          "[session][message_store]") {
    struct keeps_no_names : plain_store {
        using plain_store::plain_store;
        weir::backlog backlog(const topic_set& set, std::uint64_t after) const {
            auto found = plain_store::backlog(set, after);
            found.lost = found.lost || (after < gone_ && newer(set, 0).empty() && !set.empty());
            return found;
        }
    };
    CHECK(law_broken_by<keeps_no_names>() == "");
}

TEST_CASE("message_store: a store that breaks law 5 is caught", "[session][message_store]") {
    struct forgets_what_is_asked_for : plain_store {
        using plain_store::plain_store;
        weir::backlog backlog(const topic_set& set, std::uint64_t after) const {
            if (gone_ < after) const_cast<forgets_what_is_asked_for*>(this)->gone_ = after;
            return plain_store::backlog(set, after);
        }
    };
    struct remembers : plain_store {
        using plain_store::plain_store;
        void trim(time_point) { gone_ = gone_ < 3 ? gone_ : gone_ - 3; }
    };
    const std::string broken = law_broken_by<forgets_what_is_asked_for>();
    CHECK(broken != "");  // as something is missing by then, or as less is there than before
    CHECK(law_broken_by<remembers>() == "law 5");
}

TEST_CASE("message_store: a store that breaks law 6 is caught", "[session][message_store]") {
    struct supersedes_nothing : plain_store {
        using plain_store::plain_store;
        void append(message_ptr m) {
            all_.push_back(std::move(m));
            if (all_.size() - gone_ > keep_) ++gone_;
        }
    };
    struct supersedes_other_topics : plain_store {
        using plain_store::plain_store;
        void append(message_ptr m) {
            for (const message_ptr& other : newer(topics({"#"}), 0))
                if (!m->key().empty() && other->key() == m->key()) other->supersede();
            plain_store::append(std::move(m));
        }
    };
    struct supersedes_what_has_no_key : plain_store {
        using plain_store::plain_store;
        void append(message_ptr m) {
            for (const message_ptr& other : newer(topics({m->topic()}), 0))
                if (other->key() == m->key()) other->supersede();
            plain_store::append(std::move(m));
        }
    };
    CHECK(law_broken_by<supersedes_nothing>() == "law 6");
    CHECK(law_broken_by<supersedes_other_topics>() == "law 6");
    CHECK(law_broken_by<supersedes_what_has_no_key>() == "law 6");
}

TEST_CASE("message_store: a store that breaks law 7 is caught", "[session][message_store]") {
    struct always_complete : plain_store {
        using plain_store::plain_store;
        std::uint64_t complete_after() const { return 0; }
    };
    struct complete_from_the_oldest : plain_store {  // not from behind it
        using plain_store::plain_store;
        std::uint64_t complete_after() const { return gone_ == 0 ? 0 : gone_ - 1; }
    };
    struct complete_again : plain_store {
        using plain_store::plain_store;
        std::uint64_t complete_after() const { return gone_ + 7 - std::min<std::size_t>(gone_, 3) * 2; }
    };
    CHECK(law_broken_by<always_complete>() == "law 7");
    CHECK(law_broken_by<complete_from_the_oldest>() == "law 7");
    CHECK(law_broken_by<complete_again>() == "law 7");
}

TEST_CASE("message_store: a store may be complete for longer than it knows", "[session][message_store]") {
    struct unsure : plain_store {
        using plain_store::plain_store;
        std::uint64_t complete_after() const { return last(); }
    };
    CHECK(law_broken_by<unsure>() == "");
}

TEST_CASE("message_store: a store that breaks law 8 is caught", "[session][message_store]") {
    struct always_the_same : plain_store {
        using plain_store::plain_store;
        std::string_view epoch() const { return "same"; }
    };
    struct renamed_when_it_forgets : plain_store {
        using plain_store::plain_store;
        void append(message_ptr m) {
            const std::size_t before = gone_;
            plain_store::append(std::move(m));
            if (gone_ != before) epoch_ += '+';
        }
    };
    struct no_part_of_an_id : plain_store {
        explicit no_part_of_an_id(std::size_t keep) : plain_store(keep) { epoch_ += "-1"; }
    };
    CHECK(law_broken_by<always_the_same>() == "law 8");
    CHECK(law_broken_by<renamed_when_it_forgets>() == "law 8");
    CHECK(law_broken_by<no_part_of_an_id>() == "law 8");
}

TEST_CASE("message_store: what a broken law is told with leads to it", "[session][message_store]") {
    struct counts_one_more : plain_store {
        using plain_store::plain_store;
        weir::backlog backlog(const topic_set& set, std::uint64_t after) const {
            auto found = plain_store::backlog(set, after);
            if (found.messages == 3 && set.single_name() != nullptr) ++found.messages;
            return found;
        }
    };
    CHECK(test::first_broken_law([] { return counts_one_more{1'000}; }) ==
          "law 3: backlog({a}, 0).messages is 4, not 3; after: a b a a/x c a");
}

TEST_CASE("any_store: is the store that it was made of", "[session][message_store]") {
    using weir::detail::any_store;
    test::check_store_laws([] { return any_store{plain_store{5}}; });

    plain_store plain{2};
    const std::string epoch = plain.epoch();
    any_store any{std::move(plain)};
    CHECK(any.epoch() == epoch);
    for (std::uint64_t n = 1; n <= 3; ++n) any.append(message(n, "a", "data"));
    CHECK(any.last() == 3);
    any_store moved{std::move(any)};
    CHECK(moved.last() == 3);
    const auto backlog = moved.backlog(topics({"a"}), 0);
    CHECK(backlog.messages == 2);
    CHECK(backlog.bytes == 10);
    CHECK(backlog.lost);
    std::vector<message_ptr> out(3);
    CHECK(moved.read(topics({"a"}), 2, out) == 1);
    CHECK(out[0]->sequence() == 3);
    CHECK(moved.complete_after() == 1);
    moved.trim(time_point{} + 1h);
    CHECK(moved.backlog(topics({"a"}), 0).messages == 0);
}

TEST_CASE("any_store: takes what cannot be copied, and ends its life", "[session][message_store]") {
    struct owner : plain_store {
        explicit owner(std::shared_ptr<int> witness)
            : plain_store(1), owned(std::make_unique<std::shared_ptr<int>>(witness)) {}
        std::unique_ptr<std::shared_ptr<int>> owned;
    };
    const auto witness = std::make_shared<int>();
    {
        const weir::detail::any_store any{owner{witness}};
        CHECK(witness.use_count() == 2);
    }
    CHECK(witness.use_count() == 1);
}

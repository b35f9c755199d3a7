// SPDX-License-Identifier: BSL-1.0

#include <weir/session/topic_legs.hpp>

#include <weir/session/hub_core.hpp>
#include <weir/session/published_message.hpp>
#include <weir/session/topic.hpp>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "catch.hpp"
#include "support/fake_hub.hpp"

using namespace std::literals;
using test::fake_hub;
using weir::topic_set;

namespace {

topic_set set(std::vector<std::string_view> topics) { return topic_set::parse(topics).value_or(topic_set{}); }

std::shared_ptr<weir::detail::hub_shard> shard_of(fake_hub& hub) { return hub.shard().shared_from_this(); }

class legs final : public weir::detail::topic_legs {
public:
    explicit legs(fake_hub& hub) : topic_legs(shard_of(hub)) {}

    using topic_legs::begin;
    using topic_legs::empty;
    using topic_legs::go_on_after;
    using topic_legs::has_lost;
    using topic_legs::is_due;
    using topic_legs::is_listed_as;
    using topic_legs::leave;
    using topic_legs::leave_all;
    using topic_legs::list;
    using topic_legs::new_of;
    using topic_legs::single;
    using topic_legs::wanted;

    void unlist_all() { unlist(); }
    void want(std::vector<std::string_view> topics, std::uint64_t after = 0, std::string_view member = {}) {
        const topic_set fresh = new_of(set(topics));
        shard().core().enter(fresh, {}, false, shard(), test::t0);
        enter(fresh, after, member);
    }
    bool is_due_of(std::string_view topic, std::uint64_t sequence) const {
        static const auto format = std::make_shared<const weir::message_format>();
        return is_due(weir::published_message{format, topic, {}, sequence, test::t0});
    }
};

}  // namespace

TEST_CASE("topic legs: what is wanted together", "[session][topic_legs]") {
    fake_hub hub;
    legs l{hub};
    CHECK(l.empty());
    l.want({"a"});
    CHECK(l.single());
    CHECK(l.wanted().contains("a"));
    CHECK_FALSE(l.wanted().contains("b"));
    l.want({"a", "b/#"});
    CHECK_FALSE(l.single());
    CHECK(l.wanted().contains("b/c"));
    CHECK(l.new_of(set({"a", "b", "b/#"})).size() == 1);
    CHECK(l.leave("a"));
    CHECK_FALSE(l.leave("a"));
    CHECK(l.single());
    CHECK_FALSE(l.wanted().contains("a"));
    CHECK(hub.core().unused.empty());
    l.leave_all();
    CHECK(l.empty());
    CHECK(hub.core().unused.size() == 1);
}

TEST_CASE("topic legs: each has begun at another message, and has sent up to another", "[session][topic_legs]") {
    fake_hub hub;
    legs l{hub};
    l.want({"a"}, 5);
    CHECK(l.begin() == 5);
    l.go_on_after(10);
    CHECK(l.begin() == 10);
    l.want({"b"}, 2);
    l.want({"#"}, 3);
    CHECK_FALSE(l.is_due_of("b", 2));
    CHECK(l.is_due_of("b", 3));
    CHECK_FALSE(l.is_due_of("a", 3));
    CHECK(l.is_due_of("a", 4));  // before a's own time, but of '#'
    CHECK(l.is_due_of("a", 5));
    CHECK_FALSE(l.is_due_of("a", 6));  // a has sent it
    CHECK_FALSE(l.is_due_of("a", 10));
    CHECK(l.is_due_of("c", 6));
    for (const auto topic : {"a", "b", "c"}) CHECK(l.is_due_of(topic, 11));
}

TEST_CASE("topic legs: what is lost is lost to those that had begun", "[session][topic_legs]") {
    fake_hub hub{{.history = {.messages_per_topic = 1}}};
    legs l{hub};
    l.want({"a"}, 2);
    l.want({"b"}, 0);
    hub.publish_all("a", {"1", "2", "3"});  // of which the first two are lost
    hub.publish("b", "4");
    CHECK_FALSE(l.has_lost(0));
    hub.publish("b", "5");
    CHECK(l.has_lost(0));
    CHECK(l.has_lost(3));
    CHECK_FALSE(l.has_lost(4));
    l.go_on_after(4);
    CHECK_FALSE(l.has_lost(0));
}

TEST_CASE("topic legs: are found in the lists of their channels, whoever leaves these", "[session][topic_legs]") {
    fake_hub hub;
    const bool selective = GENERATE(false, true);
    const std::size_t gone = GENERATE(std::size_t{0}, std::size_t{1}, std::size_t{2});
    legs one{hub}, two{hub}, three{hub};
    const std::vector<legs*> all{&one, &two, &three};
    for (legs* l : all) {
        l->want({"a", "b"});
        CHECK_FALSE(l->is_listed_as(selective));
        l->list(selective);
        CHECK(l->is_listed_as(selective));
        CHECK_FALSE(l->is_listed_as(!selective));
    }
    all[gone]->unlist_all();
    CHECK_FALSE(all[gone]->is_listed_as(selective));
    auto& a = hub.shard().enter("a");
    const auto& listed = selective ? a.selective : a.live;
    CHECK((selective ? a.live : a.selective).empty());
    CHECK(listed.size() == 2);
    CHECK(std::ranges::count(listed, static_cast<weir::detail::topic_legs*>(all[gone])) == 0);
    for (legs* l : all) l->unlist_all();  // which need not be listed
    CHECK(listed.empty());
    hub.core().enter(set({"a"}), {}, false, hub.shard(), test::t0);
    hub.shard().leave(a);
}

TEST_CASE("topic legs: a member joins what it wants by name", "[session][topic_legs][presence]") {
    fake_hub hub;
    {
        legs l{hub};
        l.want({"a", "#"}, 0, "ann");
        l.want({"b"});
        CHECK(hub.core().members("a") == std::vector{"ann"s});
        CHECK(hub.core().members("b").empty());
        CHECK(hub.core().members("#").empty());
        l.leave("b");
        CHECK(hub.core().members("a") == std::vector{"ann"s});
    }
    CHECK(hub.core().members("a").empty());
    CHECK(hub.core().unused.size() == 1);
}

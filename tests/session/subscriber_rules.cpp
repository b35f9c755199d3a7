// SPDX-License-Identifier: BSL-1.0

#include <weir/session/subscriber_rules.hpp>

#include "catch.hpp"

using weir::detail::subscriber_rules;

namespace {

std::optional<weir::skip_notice> tell(const weir::skipped& s) {
    if (s.messages == 1) return std::nullopt;
    return weir::skip_notice{.event = "skipped", .data = std::to_string(s.messages)};
}

}  // namespace

TEST_CASE("subscriber rules: what is given replaces what was there, and nothing else", "[session][subscriber_rules]") {
    CHECK_FALSE(subscriber_rules::are_in({.after = "a-1", .from_oldest = true, .member = "ada"}));
    CHECK(subscriber_rules::are_in({.lag = weir::close_lagging{}}));

    subscriber_rules rules;
    rules.add({.lag = weir::close_lagging{.max_messages = 1}});
    rules.add({.on_skip = tell});
    CHECK_FALSE(rules.filter);
    REQUIRE(rules.lag);
    CHECK((*rules.lag)({.messages = 2}) == weir::lag_decision::close);
    rules.add({.lag = weir::skip_oldest{.max_messages = 1}});
    CHECK((*rules.lag)({.messages = 2}) == weir::lag_decision::skip);
}

TEST_CASE("subscriber rules: a client is told once, or it was decided that it is not", "[session][subscriber_rules]") {
    subscriber_rules rules;
    rules.unsaid.lost = true;
    CHECK_FALSE(rules.has_notice());  // nobody tells
    rules.add({.on_skip = tell});
    CHECK(rules.has_notice());

    rules.unsaid = {.messages = 2, .lost = false};
    CHECK(rules.notice()->data == "2");
    CHECK(rules.has_notice());  // until it is on its way

    rules.unsaid = {.messages = 1, .lost = false};
    CHECK_FALSE(rules.notice());
    CHECK_FALSE(rules.has_notice());
}

// SPDX-License-Identifier: BSL-1.0

#include <weir/session/subscribe_options.hpp>

#include "catch.hpp"

TEST_CASE("subscribe_options: by default whatever comes from now on, for nobody in particular",
          "[session][subscribe_options]") {
    const weir::subscribe_options options;
    CHECK(options.after.empty());
    CHECK_FALSE(options.from_oldest);
    CHECK_FALSE(options.filter);
    CHECK_FALSE(options.lag);
    CHECK_FALSE(options.on_skip);
    CHECK(options.member.empty());
}

TEST_CASE("subscribe_options: a notice may say how much is missing", "[session][subscribe_options]") {
    const weir::subscribe_options options{.on_skip = [](const weir::skipped& s) -> std::optional<weir::skip_notice> {
        if (s.lost) return weir::skip_notice{.event = "reload", .data = {}};
        if (s.messages < 3) return std::nullopt;
        return weir::skip_notice{.event = "skipped", .data = std::to_string(s.messages)};
    }};
    CHECK_FALSE(options.on_skip({.messages = 2, .lost = false}));
    CHECK(options.on_skip({.messages = 3, .lost = false})->data == "3");
    CHECK(options.on_skip({.messages = 0, .lost = true})->event.text() == "reload");
}

TEST_CASE("resume_token: any text, or the id that a client's request had", "[session][subscribe_options]") {
    CHECK(weir::resume_token{}.empty());
    CHECK(weir::resume_token{"a-1"}.text() == "a-1");
    CHECK(weir::resume_token{std::string{"a-2"}}.text().size() == 3);
    CHECK(weir::resume_token{weir::event_id::parse("a-3").value()}.text() == "a-3");
    CHECK(weir::resume_token{weir::event_id{}}.empty());
    CHECK(weir::resume_token{weir::event_id{7}}.empty());  // a hub's ids are texts
}

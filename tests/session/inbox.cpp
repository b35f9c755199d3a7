// SPDX-License-Identifier: BSL-1.0

#include <weir/session/inbox.hpp>

#include <cstddef>
#include <string>

#include "catch.hpp"

using weir::detail::inbox;

namespace {

void put(inbox& box, const std::string& text) { box.push({text, false, true, false}); }

}  // namespace

TEST_CASE("inbox: first in, first out", "[session][inbox]") {
    inbox box;
    CHECK(box.empty());
    put(box, "one");
    put(box, "two");
    box.push({"three", true, false, true});
    CHECK(box.waiting() == 3);
    CHECK(box.front().payload == "one");
    CHECK(box.take().payload == "one");
    CHECK(box.take().view() == weir::ws::message_view{"two"});
    const inbox::item last = box.take();
    CHECK(last.view() == weir::ws::message_view{"three", true, false});
    CHECK(last.piece);
    CHECK(box.empty());
}

TEST_CASE("inbox: what is looked at stays where it is", "[session][inbox]") {
    inbox box;
    put(box, "short");  // within the string itself
    const weir::ws::message_view shown = box.show();
    CHECK(box.waiting() == 0);
    CHECK_FALSE(box.empty());
    for (int i = 0; i != 100; ++i) put(box, std::to_string(i));
    for (int i = 0; i != 100; ++i) CHECK(box.take().payload == std::to_string(i));
    CHECK(shown.text() == "short");
    CHECK_FALSE(box.empty());
    box.release();
    box.release();
    CHECK(box.empty());
}

TEST_CASE("inbox: full at 64 KiB or 256 messages, without the one that is looked at", "[session][inbox]") {
    inbox box;
    SECTION("bytes") {
        put(box, std::string(64 * 1024 - 1, 'x'));
        CHECK_FALSE(box.full());
        put(box, "x");
        CHECK(box.full());
        box.show();
        CHECK_FALSE(box.full());
        put(box, std::string(1'000'000, 'x'));
        CHECK(box.full());
        box.take();
        box.take();
    }
    SECTION("messages") {
        for (int i = 0; i != 255; ++i) put(box, "");
        CHECK_FALSE(box.full());
        put(box, "");
        CHECK(box.full());
        box.show();
    }
    CHECK_FALSE(box.full());
}

TEST_CASE("inbox: forgets what was taken, although something always waits", "[session][inbox]") {
    // Work or memory that grew with what was taken before would make this test take minutes.
    inbox box;
    put(box, "0");
    for (int i = 1; i != 3'000'000; ++i) {
        put(box, i % 2 == 0 ? "even" : "odd");
        if (i % 200 < 100) box.take();
        if (i % 200 >= 100 && box.waiting() > 2) box.take(), box.take();
        if (box.waiting() == 0) put(box, "0");
    }
    CHECK(box.waiting() < 256);
}

TEST_CASE("inbox: is being emptied as long as messages are taken and none comes", "[session][inbox]") {
    inbox box;
    CHECK_FALSE(box.is_being_emptied());
    for (int i = 0; i != 10; ++i) put(box, "");
    CHECK(box.is_being_emptied());
    for (int i = 0; i != 9; ++i) {
        box.take();
        CHECK(box.is_being_emptied());
        CHECK(box.is_being_emptied());  // a coroutine needs some turns for each
    }
    SECTION("until none is left") {
        box.take();
        CHECK_FALSE(box.is_being_emptied());
        put(box, "");
        CHECK(box.is_being_emptied());
    }
    SECTION("until nobody takes any more") {
        int turns = 0;
        while (box.is_being_emptied()) REQUIRE(++turns < 10);
        CHECK_FALSE(box.is_being_emptied());
    }
    SECTION("until more come") {
        put(box, "");
        CHECK_FALSE(box.is_being_emptied());
        box.take();
        CHECK(box.is_being_emptied());
    }
}

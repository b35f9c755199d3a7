// SPDX-License-Identifier: BSL-1.0

#include <weir/session/outbox.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <deque>
#include <random>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "catch.hpp"
#include "support/allocations.hpp"

using namespace std::literals;
using weir::outbox;
using weir::time_point;

namespace {

constexpr time_point t0{1000h};

void put(outbox& box, std::string_view text, std::string_view key = {}, time_point at = t0) {
    text.copy(box.prepare(text.size()), text.size());
    box.commit(text.size(), at, key);
}
void put_control(outbox& box, std::string_view text, time_point at = t0) {
    text.copy(box.prepare(text.size()), text.size());
    box.commit_control(text.size(), at);
}
void put_part(outbox& box, std::string_view text) {
    text.copy(box.prepare(text.size()), text.size());
    box.commit_part(text.size(), t0);
}
void put_pinned(outbox& box, std::string_view text) {
    text.copy(box.prepare(text.size()), text.size());
    box.commit_pinned(text.size(), t0);
}
void put_rest(outbox& box, std::string_view text, time_point at = t0) {
    text.copy(box.prepare(text.size()), text.size());
    box.commit_rest(text.size(), at);
}

template <std::size_t Pieces = 64>
std::string waiting(const outbox& box) {
    std::array<weir::bytes_view, Pieces> views;
    const std::size_t count = box.gather(views);
    std::string all;
    for (std::size_t i = 0; i != count; ++i) all += weir::as_text(views[i]);
    return all;
}

}  // namespace

TEST_CASE("outbox: what is committed comes out in order", "[session][outbox]") {
    outbox box;
    put(box, "one");
    put_control(box, "(head)");
    put(box, "two");
    CHECK(box.bytes() == 12);
    CHECK(box.messages() == 2);
    CHECK(waiting(box) == "one(head)two");
}

TEST_CASE("outbox: neighbours are one piece, dropped messages split them", "[session][outbox]") {
    outbox box;
    for (const auto text : {"aa", "bb", "cc", "dd", "ee"}) put(box, text, text);
    std::array<weir::bytes_view, 8> pieces;
    CHECK(box.gather(pieces) == 1);
    CHECK(box.drop_key("bb") == 1);
    CHECK(box.drop_key("dd") == 1);
    REQUIRE(box.gather(pieces) == 3);
    CHECK(weir::as_text(pieces[0]) == "aa");
    CHECK(weir::as_text(pieces[1]) == "cc");
    CHECK(weir::as_text(pieces[2]) == "ee");
}

TEST_CASE("outbox: more pieces than asked for are left for the next time", "[session][outbox]") {
    outbox box;
    for (const auto text : {"aa", "bb", "cc", "dd", "ee"}) put(box, text, text);
    box.drop_key("bb");
    box.drop_key("dd");
    CHECK(waiting<2>(box) == "aacc");
    CHECK(waiting<1>(box) == "aa");
    CHECK(box.gather({}) == 0);
    CHECK(box.consume(4) == 2);
    CHECK(waiting<2>(box) == "ee");
}

TEST_CASE("outbox: consuming counts the messages it completes, control pieces not", "[session][outbox]") {
    outbox box;
    put_control(box, "(head)");
    put(box, "one");
    put(box, "two");
    CHECK(box.consume(0) == 0);
    CHECK(box.consume(6) == 0);
    CHECK(box.messages() == 2);
    CHECK(box.consume(2) == 0);
    CHECK(box.messages() == 2);
    CHECK(box.consume(1) == 1);
    CHECK(box.messages() == 1);
    CHECK(box.consume(3) == 1);
    CHECK(box.empty());
}

TEST_CASE("outbox: a message partly consumed is never dropped", "[session][outbox]") {
    outbox box;
    put(box, "first", "k");
    CHECK(box.consume(1) == 0);
    CHECK_FALSE(box.has_key("k"));
    CHECK(box.drop_key("k") == 0);
    CHECK_FALSE(box.drop_oldest());
    CHECK(box.oldest() == weir::never);
    put(box, "second", "k", t0 + 1s);
    CHECK(box.oldest() == t0 + 1s);
    CHECK(box.drop_oldest());
    CHECK(waiting(box) == "irst");
    CHECK(box.messages() == 1);
    CHECK(box.consume(4) == 1);
}

TEST_CASE("outbox: control pieces are never dropped", "[session][outbox]") {
    outbox box;
    put_control(box, "(head)");
    CHECK_FALSE(box.drop_oldest());
    CHECK(box.oldest() == weir::never);
    put(box, "one", "", t0 + 1s);
    put_control(box, "(beat)");
    put(box, "two", "", t0 + 2s);
    CHECK(box.oldest() == t0 + 1s);
    CHECK(box.drop_oldest());
    CHECK(box.oldest() == t0 + 2s);
    CHECK(box.drop_oldest());
    CHECK_FALSE(box.drop_oldest());
    CHECK(box.messages() == 0);
    CHECK(box.bytes() == 12);
    CHECK(waiting(box) == "(head)(beat)");
    CHECK(box.consume(12) == 0);
}

TEST_CASE("outbox: a key drops every unsent message that has it, and no other", "[session][outbox]") {
    outbox box;
    put(box, "a1", "a");
    put(box, "b1", "b");
    put(box, "n1");
    put(box, "a2", "a");
    CHECK(box.has_key("a"));
    CHECK_FALSE(box.has_key("c"));
    CHECK_FALSE(box.has_key(""));
    CHECK(box.drop_key("") == 0);
    CHECK(box.drop_key("c") == 0);
    CHECK(box.drop_key("a") == 2);
    CHECK_FALSE(box.has_key("a"));
    CHECK(box.drop_key("a") == 0);
    CHECK(waiting(box) == "b1n1");
}

TEST_CASE("outbox: keys longer than a small string are compared whole", "[session][outbox]") {
    outbox box;
    const std::string key(100, 'k');
    put(box, "x", key);
    CHECK(box.has_key(key));
    CHECK_FALSE(box.has_key(key.substr(1)));
    CHECK_FALSE(box.has_key(key + "k"));
}

TEST_CASE("outbox: urgent pieces overtake what nothing has been consumed of", "[session][outbox]") {
    outbox box;
    put_control(box, "(head)");
    put(box, "one");
    box.push_urgent("!a");
    box.push_urgent("!b");
    CHECK(waiting(box) == "!a!b(head)one");
    CHECK(box.bytes() == 13);
    CHECK(box.urgent_bytes() == 4);
    CHECK(box.messages() == 1);
    CHECK(box.consume(3) == 0);
    box.push_urgent("!c");  // pieces of their kind are not overtaken
    CHECK(waiting(box) == "b!c(head)one");
    CHECK(box.consume(3) == 0);
    CHECK(box.urgent_bytes() == 0);
    CHECK(waiting(box) == "(head)one");
    CHECK(box.consume(9) == 1);
    CHECK(box.empty());
}

TEST_CASE("outbox: urgent pieces wait for the end of what is consumed in part", "[session][outbox]") {
    outbox box;
    put(box, "first");
    put(box, "second");
    CHECK(box.consume(2) == 0);
    box.push_urgent("!a");
    CHECK(waiting(box) == "rst!asecond");
    std::array<weir::bytes_view, 8> pieces;
    CHECK(box.gather(pieces) == 3);
    CHECK(waiting<1>(box) == "rst");
    CHECK(waiting<2>(box) == "rst!a");
    CHECK(box.gather({}) == 0);
    CHECK(box.consume(4) == 1);
    CHECK(waiting(box) == "asecond");
    CHECK(box.consume(7) == 1);
}

TEST_CASE("outbox: urgent pieces alone", "[session][outbox]") {
    outbox box;
    box.push_urgent("!a");
    CHECK_FALSE(box.empty());
    CHECK(box.messages() == 0);
    CHECK(box.oldest() == weir::never);
    CHECK_FALSE(box.drop_oldest());
    CHECK(box.drop_key("k") == 0);
    put(box, "one", "k");
    CHECK(box.drop_key("k") == 1);
    CHECK(waiting(box) == "!a");
    box.consume(1);
    put(box, "two");
    CHECK(waiting(box) == "atwo");
    box.consume(4);
    CHECK(box.empty());
}

TEST_CASE("outbox: urgent pieces at every byte", "[session][outbox]") {
    for (std::size_t before = 0; before <= 9; ++before) {
        for (std::size_t step = 1; step <= 11; ++step) {
            CAPTURE(before, step);
            outbox box;
            for (const auto text : {"aaa", "bbb", "ccc"}) put(box, text);
            box.consume(before);
            box.push_urgent("!!");
            std::string out;
            std::size_t completed = before / 3;
            while (!box.empty()) {
                const std::string rest = waiting(box).substr(0, step);
                out += rest;
                completed += box.consume(rest.size());
            }
            const std::size_t boundary = (before + 2) / 3 * 3;
            CHECK(out == std::string{"aaabbbccc"}.insert(boundary, "!!").substr(before));
            CHECK(completed == 3);
        }
    }
}

TEST_CASE("outbox: messages are dropped behind urgent pieces", "[session][outbox]") {
    outbox box;
    put(box, "one", "k");
    put(box, "two", "l");
    box.push_urgent("!a");
    SECTION("nothing consumed") {
        CHECK(box.drop_key("k") == 1);
        CHECK(waiting(box) == "!atwo");
        CHECK(box.drop_oldest());
        CHECK(waiting(box) == "!a");
    }
    SECTION("an urgent piece consumed in part") {
        CHECK(box.consume(1) == 0);
        CHECK(box.drop_oldest());
        CHECK(box.drop_oldest());
        CHECK_FALSE(box.drop_oldest());
        CHECK(waiting(box) == "a");
    }
    CHECK(box.messages() == 0);
    box.consume(box.bytes());
    CHECK(box.empty());
}

TEST_CASE("outbox: pinned messages and parts are never dropped, and counted", "[session][outbox]") {
    outbox box;
    put_part(box, "a1");
    put_part(box, "a2");
    CHECK(box.messages() == 0);
    CHECK(box.parts() == 2);
    put_pinned(box, "a3");
    put(box, "b", "k", t0 + 1s);
    CHECK(box.messages() == 2);
    CHECK(box.oldest() == t0 + 1s);
    CHECK(box.drop_oldest());
    CHECK_FALSE(box.drop_oldest());
    CHECK(box.oldest() == weir::never);
    CHECK(waiting(box) == "a1a2a3");
    CHECK(box.consume(3) == 0);
    CHECK(box.parts() == 1);
    CHECK(box.consume(1) == 0);
    CHECK(box.parts() == 0);
    CHECK(box.messages() == 1);
    CHECK(box.consume(2) == 1);
    CHECK(box.empty());
}

TEST_CASE("outbox: urgent pieces go between the parts of a message", "[session][outbox]") {
    outbox box;
    put_part(box, "a1");
    put_pinned(box, "a2");
    box.consume(1);
    box.push_urgent("!");
    CHECK(waiting(box) == "1!a2");
}

TEST_CASE("outbox: the rest of a message stays in front", "[session][outbox]") {
    outbox box;
    put_rest(box, "rest");
    put(box, "next", "k", t0 + 1s);
    box.push_urgent("!");
    CHECK(box.messages() == 2);
    CHECK(box.oldest() == t0 + 1s);
    CHECK(waiting(box) == "rest!next");
    CHECK(box.drop_oldest());
    CHECK_FALSE(box.drop_oldest());
    CHECK(waiting(box) == "rest!");
    CHECK(box.consume(4) == 1);
    CHECK(box.consume(1) == 0);
    CHECK(box.empty());
    // And it stays there when the buffer grows behind it.
    put_rest(box, "rest");
    put(box, std::string(10'000, 'x'));
    box.push_urgent("!");
    CHECK(waiting(box).starts_with("rest!x"));
}

namespace {

/// Allocations of an outbox's first message.
std::size_t cost_of_first_use(outbox& box) {
    const std::size_t before = test::allocations;
    put(box, "text");
    return test::allocations - before;
}

}  // namespace

TEST_CASE("outbox: empty holds no memory: the next one on this thread has it", "[session][outbox]") {
    STATIC_REQUIRE(sizeof(outbox) == sizeof(void*));
    outbox before;  // has what other tests have left
    put(before, "text");
    outbox box, next, last;
    CHECK(cost_of_first_use(box) != 0);
    CHECK(cost_of_first_use(box) == 0);
    SECTION("consumed") { box.consume(8); }
    SECTION("dropped") {
        CHECK(box.drop_oldest());
        CHECK(box.drop_oldest());
    }
    SECTION("cleared") { box.clear(); }
    SECTION("consumed, urgent pieces last") {
        box.consume(1);
        box.push_urgent("!");
        box.consume(8);
    }
    SECTION("grown, then consumed") {
        put(box, std::string(10'000, 'x'));
        box.consume(10'008);
    }
    CHECK(box.empty());
    CHECK(box.messages() == 0);
    CHECK(box.oldest() == weir::never);
    CHECK(cost_of_first_use(next) == 0);
    CHECK(waiting(next) == "text");
    CHECK(cost_of_first_use(last) != 0);  // one is kept, no more
}

TEST_CASE("outbox: what is large is not kept for the next one", "[session][outbox]") {
    outbox before;
    put(before, "text");
    outbox box, next;
    SECTION("in bytes") { put(box, std::string(100'000, 'x')); }
    SECTION("in messages") {
        for (int i = 0; i != 3000; ++i) put(box, "x");
    }
    box.consume(box.bytes());
    CHECK(cost_of_first_use(next) != 0);
}

TEST_CASE("outbox: a first message is one buffer", "[session][outbox]") {
    outbox before, box;
    put(before, "text");
    CHECK(cost_of_first_use(box) <= 3);  // the state, the bytes, the entry
}

TEST_CASE("outbox: moving takes everything along", "[session][outbox]") {
    STATIC_REQUIRE_FALSE(std::is_copy_constructible_v<outbox>);
    outbox one;
    put(one, "text");
    const outbox two = std::move(one);
    CHECK(waiting(two) == "text");
}

TEST_CASE("outbox: a front that does not move is not followed by a trail of dropped messages", "[session][outbox]") {
    // Work that grew with what was dropped before would make this test take minutes.
    outbox box;
    put(box, std::string(4'000'000, 'x'));
    box.consume(1);
    for (int i = 0; i != 300'000; ++i) {
        put(box, "0123456789", i % 2 == 0 ? "even" : "odd");
        if (box.messages() > 20) REQUIRE(box.drop_oldest());
        if (i % 1000 == 999) REQUIRE(box.drop_key("odd") != 0);
        REQUIRE(box.oldest() != weir::never);
        REQUIRE(box.has_key("even"));
    }
    CHECK(box.messages() <= 21);
}

// ---- against a model ----

namespace {

struct model_message {
    std::string rest, key;
    time_point at;
    enum class kind { message, pinned, part, control } what;
    bool partial = false;

    bool is_message() const { return what == kind::message || what == kind::pinned; }
    bool droppable() const { return what == kind::message && !partial; }
};
using kind = model_message::kind;

struct model {
    std::deque<model_message> queue{};
    std::string urgent{};

    bool front_is_partial() const { return !queue.empty() && queue.front().partial; }
    std::string bytes() const {
        std::string all = front_is_partial() ? queue.front().rest + urgent : urgent;
        for (const auto& m : queue) all += m.partial ? "" : m.rest;
        return all;
    }
    std::size_t count(bool (*wanted)(const model_message&)) const {
        return static_cast<std::size_t>(std::count_if(queue.begin(), queue.end(), wanted));
    }
    std::size_t messages() const {
        return count([](const model_message& m) { return m.is_message(); });
    }
    std::size_t parts() const {
        return count([](const model_message& m) { return m.what == kind::part; });
    }
    time_point oldest() const {
        for (const auto& m : queue) {
            if (m.droppable()) return m.at;
        }
        return weir::never;
    }
    bool drop_oldest() {
        for (auto at = queue.begin(); at != queue.end(); ++at) {
            if (at->droppable()) return queue.erase(at), true;
        }
        return false;
    }
    bool has_key(std::string_view key) const {
        for (const auto& m : queue) {
            if (!key.empty() && m.droppable() && m.key == key) return true;
        }
        return false;
    }
    std::size_t drop_key(std::string_view key) {
        return std::erase_if(queue, [&](const auto& m) { return !key.empty() && m.droppable() && m.key == key; });
    }
    std::size_t consume(std::size_t size) {
        std::size_t completed = 0;
        for (; size != 0; --size) {
            if (!urgent.empty() && !front_is_partial()) {
                urgent.erase(0, 1);
                continue;
            }
            auto& front = queue.front();
            front.rest.erase(0, 1);
            front.partial = true;
            if (!front.rest.empty()) continue;
            completed += front.is_message() ? 1 : 0;
            queue.pop_front();
        }
        return completed;
    }
};

struct random_outbox {
    std::mt19937 random;
    std::size_t max_size;
    unsigned consume_weight;
    outbox box{};
    model expected{};
    time_point now = t0;
    unsigned char next_byte = 0;

    std::size_t below(std::size_t n) { return std::uniform_int_distribution<std::size_t>{0, n - 1}(random); }
    std::string key() {
        constexpr std::array keys{"", "a", "b", "a key too long for the small string", "d"};
        return keys[below(keys.size())];
    }
    std::string text() {
        std::string bytes(1 + below(below(20) == 0 ? max_size * 20 : max_size), '\0');
        for (char& c : bytes) c = static_cast<char>(next_byte++);
        return bytes;
    }

    void step() {
        now += std::chrono::microseconds{below(1000)};
        switch (below(11 + consume_weight)) {
            case 0:
            case 1:
            case 2: put_something(kind::message); break;
            case 3: put_something(kind::control); break;
            case 8: put_something(kind::pinned); break;
            case 9: put_something(kind::part); break;
            case 10: put_urgent(); break;
            case 4: REQUIRE(box.drop_oldest() == expected.drop_oldest()); break;
            case 5: drop_by_key(); break;
            case 6:
                for (std::size_t n = below(8); n != 0; --n) put_something(kind::message);
                break;
            case 7:
                if (below(50) == 0) clear();
                break;
            default: consume(); break;
        }
    }
    void put_something(kind what) {
        const std::string bytes = text();
        const std::string k = what == kind::message ? key() : "";
        bool partial = false;
        switch (what) {
            case kind::control: put_control(box, bytes, now); break;
            case kind::pinned: put_pinned(box, bytes); break;
            case kind::part: put_part(box, bytes); break;
            case kind::message:
                partial = box.empty() && below(2) == 0;
                if (partial) {
                    put_rest(box, bytes, now);
                } else {
                    put(box, bytes, k, now);
                }
                break;
        }
        expected.queue.push_back({bytes, k, now, what, partial});
    }
    void put_urgent() {
        const std::string bytes = text();
        box.push_urgent(bytes);
        expected.urgent += bytes;
    }
    void drop_by_key() {
        const std::string k = key();
        REQUIRE(box.has_key(k) == expected.has_key(k));
        REQUIRE(box.drop_key(k) == expected.drop_key(k));
    }
    void consume() {
        const std::size_t all = box.bytes();
        const std::size_t size = below(4) == 0 ? all : below(all + 1);
        REQUIRE(box.consume(size) == expected.consume(size));
    }
    void clear() {
        box.clear();
        expected = {};
    }
    void compare() {
        const std::string bytes = expected.bytes();
        REQUIRE(box.bytes() == bytes.size());
        REQUIRE(box.empty() == bytes.empty());
        REQUIRE(box.messages() == expected.messages());
        REQUIRE(box.parts() == expected.parts());
        REQUIRE(box.urgent_bytes() == expected.urgent.size());
        REQUIRE(box.oldest() == expected.oldest());
        REQUIRE(waiting<2000>(box) == bytes);
        const std::string few = waiting<2>(box);
        REQUIRE(bytes.starts_with(few));
    }
};

}  // namespace

TEST_CASE("outbox: behaves as a deque of strings does", "[session][outbox]") {
    const auto seed = GENERATE(range(1u, 9u));
    const auto consume_weight = GENERATE(1u, 3u, 9u);
    CAPTURE(seed, consume_weight);
    random_outbox run{
        .random = std::mt19937{seed}, .max_size = seed % 2 == 0 ? 8u : 60u, .consume_weight = consume_weight};
    for (int i = 0; i != 2500; ++i) {
        run.step();
        run.compare();
    }
}

TEST_CASE("outbox: a message that has been consumed in part has begun", "[session][outbox]") {
    outbox box;
    CHECK_FALSE(box.begun());
    put(box, "one");
    put_control(box, "ping");
    put_part(box, "two");
    CHECK_FALSE(box.begun());
    box.consume(1);
    CHECK(box.begun());
    box.push_urgent("!");
    box.consume(1);
    CHECK(box.begun());
    box.consume(2);  // and what was urgent
    CHECK_FALSE(box.begun());
    box.consume(1);  // of what is no message
    CHECK_FALSE(box.begun());
    box.consume(4);
    CHECK(box.begun());
    box.consume(2);
    CHECK_FALSE(box.begun());
}

// SPDX-License-Identifier: BSL-1.0

#include <weir/session/outbox.hpp>

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

TEST_CASE("outbox: empty holds no memory", "[session][outbox]") {
    STATIC_REQUIRE(sizeof(outbox) == sizeof(void*));
    outbox box;
    const auto first_use = [&] {
        const std::size_t before = test::allocations;
        put(box, "text");
        return test::allocations - before;
    };
    const std::size_t whole = first_use();
    CHECK(whole != 0);
    // Whatever empties it, the next message finds nothing to reuse.
    SECTION("consumed") { box.consume(4); }
    SECTION("dropped") { CHECK(box.drop_oldest()); }
    SECTION("cleared") { box.clear(); }
    SECTION("grown, then consumed") {
        put(box, std::string(10'000, 'x'));
        box.consume(10'004);
    }
    CHECK(box.empty());
    CHECK(box.messages() == 0);
    CHECK(box.oldest() == weir::never);
    CHECK(first_use() == whole);
}

TEST_CASE("outbox: a first message is one buffer of its size", "[session][outbox]") {
    outbox box;
    const std::size_t before = test::allocations;
    put(box, "text");
    CHECK(test::allocations - before <= 3);  // the state, the bytes, the entry
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
    bool control, partial = false;

    bool droppable() const { return !control && !partial; }
};

struct model {
    std::deque<model_message> queue;

    std::string bytes() const {
        std::string all;
        for (const auto& m : queue) all += m.rest;
        return all;
    }
    std::size_t messages() const {
        std::size_t n = 0;
        for (const auto& m : queue) n += m.control ? 0 : 1;
        return n;
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
        while (size != 0) {
            auto& front = queue.front();
            const std::size_t taken = std::min(size, front.rest.size());
            front.rest.erase(0, taken);
            front.partial = true;
            size -= taken;
            if (!front.rest.empty()) break;
            completed += front.control ? 0 : 1;
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
        switch (below(8 + consume_weight)) {
            case 0:
            case 1:
            case 2: put_something(false); break;
            case 3: put_something(true); break;
            case 4: REQUIRE(box.drop_oldest() == expected.drop_oldest()); break;
            case 5: drop_by_key(); break;
            case 6:
                for (std::size_t n = below(8); n != 0; --n) put_something(false);
                break;
            case 7:
                if (below(50) == 0) clear();
                break;
            default: consume(); break;
        }
    }
    void put_something(bool control) {
        const std::string bytes = text();
        if (control) {
            put_control(box, bytes, now);
            expected.queue.push_back({bytes, {}, now, true});
        } else {
            const std::string k = key();
            put(box, bytes, k, now);
            expected.queue.push_back({bytes, k, now, false});
        }
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
        expected.queue.clear();
    }
    void compare() {
        const std::string bytes = expected.bytes();
        REQUIRE(box.bytes() == bytes.size());
        REQUIRE(box.empty() == bytes.empty());
        REQUIRE(box.messages() == expected.messages());
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

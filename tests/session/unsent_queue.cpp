// SPDX-License-Identifier: BSL-1.0

#include <weir/session/unsent_queue.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "catch.hpp"

using weir::unsent;
using weir::detail::unsent_queue;
using weir::ws::message_view;

namespace {

/// Hands over all that the queue gives, and returns it as text.
std::string hand_over(unsent_queue& queue) {
    std::string all;
    while (const auto* const next = queue.next()) {
        all += next->payload;
        queue.hand_over();
    }
    return all;
}

unsent_queue queue_of(unsent rule, std::string_view letters) {
    unsent_queue queue{rule, 0, 0};
    for (const char& c : letters) queue.push(std::string_view{&c, 1});
    return queue;
}

}  // namespace

TEST_CASE("unsent queue: messages leave in order, and go when they are written", "[session][unsent_queue]") {
    unsent_queue queue{unsent::keep_unbegun, 0, 0};
    queue.push("a");
    queue.push(message_view::binary("bc"));
    CHECK(queue.messages() == 2);
    CHECK(queue.bytes() == 3);
    REQUIRE(queue.next() != nullptr);
    CHECK(queue.next()->view() == message_view{"a"});
    queue.hand_over();
    CHECK(queue.next()->view() == message_view::binary("bc"));
    queue.hand_over();
    CHECK(queue.next() == nullptr);
    CHECK(queue.messages() == 2);
    queue.written(1, true);
    CHECK(queue.messages() == 1);
    CHECK(queue.bytes() == 2);
    queue.written(1, false);
    CHECK(queue.messages() == 0);
    CHECK(queue.bytes() == 0);
    CHECK(queue.lost() == 0);
}

TEST_CASE("unsent queue: it is bounded, and empty it takes one message of any size", "[session][unsent_queue]") {
    unsent_queue queue{unsent::keep, 10, 3};
    CHECK(queue.fits(1000));
    queue.push("12345");
    CHECK(queue.fits(5));
    CHECK_FALSE(queue.fits(6));
    queue.push("1");
    queue.push("1");
    CHECK_FALSE(queue.fits(0));
    hand_over(queue);
    CHECK_FALSE(queue.fits(0));
    queue.written(1, false);
    CHECK(queue.fits(8));
    CHECK_FALSE(queue.fits(9));
    unsent_queue unbounded{unsent::keep, 0, 0};
    for (int i = 0; i != 2000; ++i) unbounded.push(std::string(1000, 'x'));
    CHECK(unbounded.fits(1'000'000'000));
}

TEST_CASE("unsent queue: a connection is handed no more than it can soon write", "[session][unsent_queue]") {
    unsent_queue queue{unsent::keep, 0, 0};
    SECTION("64 messages") {
        for (int i = 0; i != 100; ++i) queue.push("x");
        CHECK(hand_over(queue).size() == 64);
        queue.written(10, false);
        CHECK(hand_over(queue).size() == 10);
    }
    SECTION("64 KiB, and the message with which they are full") {
        for (int i = 0; i != 5; ++i) queue.push(std::string(40'000, 'x'));
        CHECK(hand_over(queue).size() == 80'000);
        queue.written(1, true);
        CHECK(hand_over(queue).size() == 40'000);
    }
    SECTION("everything, when it is closed") {
        for (int i = 0; i != 100; ++i) queue.push("x");
        hand_over(queue);
        int more = 0;
        for (; queue.next_of_all() != nullptr; ++more) queue.hand_over();
        CHECK(more == 36);
    }
}

TEST_CASE("unsent queue: drop keeps nothing for another connection", "[session][unsent_queue]") {
    unsent_queue queue = queue_of(unsent::drop, "abc");
    hand_over(queue);
    queue.written(1, false);
    queue.push("d");
    queue.disconnected();
    CHECK(queue.messages() == 0);
    CHECK(queue.bytes() == 0);
    CHECK(queue.lost() == 3);
}

TEST_CASE("unsent queue: keep sends everything again that was not wholly written", "[session][unsent_queue]") {
    unsent_queue queue = queue_of(unsent::keep, "abcd");
    hand_over(queue);
    queue.written(1, true);
    queue.disconnected();
    CHECK(hand_over(queue) == "bcd");
    queue.disconnected();
    CHECK(hand_over(queue) == "bcd");
    CHECK(queue.bytes() == 3);
    CHECK(queue.lost() == 0);
}

TEST_CASE("unsent queue: keep_unbegun sends nothing again of which a byte was written", "[session][unsent_queue]") {
    unsent_queue queue = queue_of(unsent::keep_unbegun, "abcd");
    hand_over(queue);
    queue.written(1, true);
    queue.disconnected();
    CHECK(hand_over(queue) == "cd");
    CHECK(queue.lost() == 1);
    queue.disconnected();
    CHECK(hand_over(queue) == "cd");
    CHECK(queue.lost() == 1);
}

TEST_CASE("unsent queue: what is written behind the peer's close frame may be in vain", "[session][unsent_queue]") {
    const unsent rule = GENERATE(unsent::keep, unsent::keep_unbegun);
    unsent_queue queue = queue_of(rule, "abcd");
    hand_over(queue);
    queue.written(1, false);
    queue.doubt();
    queue.written(1, true);
    CHECK(queue.messages() == 3);
    queue.push("e");
    CHECK(queue.next() == nullptr);
    queue.disconnected();
    CHECK(hand_over(queue) == (rule == unsent::keep ? "bcde" : "de"));
    CHECK(queue.lost() == (rule == unsent::keep ? 0 : 1));  // c, and nobody knows about b
}

TEST_CASE("unsent queue: what is for one connection comes first, and goes with it", "[session][unsent_queue]") {
    const unsent rule = GENERATE(unsent::keep, unsent::keep_unbegun);
    unsent_queue queue = queue_of(rule, "ab");
    queue.push_first("1");
    queue.push_first("2");
    CHECK(hand_over(queue) == "12ab");
    queue.push("c");
    queue.push_first("3");
    CHECK(hand_over(queue) == "3c");
    queue.written(1, false);
    queue.disconnected();
    CHECK(queue.messages() == 3);
    queue.push_first("4");
    CHECK(hand_over(queue) == "4abc");
    CHECK(queue.lost() == 0);
}

TEST_CASE("unsent queue: cleared, it has lost what it had", "[session][unsent_queue]") {
    unsent_queue queue = queue_of(unsent::keep, "abc");
    queue.push_first("1");
    hand_over(queue);
    queue.clear();
    CHECK(queue.messages() == 0);
    CHECK(queue.bytes() == 0);
    CHECK(queue.next() == nullptr);
    CHECK(queue.lost() == 3);
}

namespace {

/// What the rules say, message by message.
struct model {
    struct message {
        std::string text;
        bool of_connection = false;
        int handed_to = 0;  // the number of the connection
        bool written = false, begun = false, doubtful = false;
    };

    unsent rule;
    std::vector<message> queue{};
    int connection = 1;
    bool doubtful = false;
    std::map<std::string, int> wholly_written{};
    std::set<std::string> begun_ever{}, lost{};

    std::string to_hand_over() {
        std::string all;
        if (doubtful) return all;
        std::size_t messages = 0, bytes = 0;
        for (const message& m : queue) messages += m.handed_to != 0, bytes += m.handed_to != 0 ? m.text.size() : 0;
        for (message& m : queue) {
            if (m.handed_to != 0) continue;
            if (messages >= 64 || bytes >= 64 * 1024) break;
            m.handed_to = connection;
            ++messages, bytes += m.text.size();
            REQUIRE_FALSE((rule != unsent::keep && begun_ever.contains(m.text)));
            REQUIRE_FALSE(wholly_written.contains(m.text));
            all += m.text + ' ';
        }
        return all;
    }
    void written(std::size_t count, bool part) {
        for (message& m : queue) {
            if (m.written || m.handed_to == 0) continue;
            m.begun = m.begun || count != 0 || part;
            if (m.begun) begun_ever.insert(m.text);
            if (count == 0) break;
            --count;
            m.written = true;
            m.doubtful = doubtful;
            if (!doubtful) ++wholly_written[m.text];
        }
        std::erase_if(queue, [](const message& m) { return m.written && !m.doubtful; });
    }
    void disconnected() {
        std::erase_if(queue, [&](const message& m) {
            const bool goes = m.of_connection || rule == unsent::drop || (rule == unsent::keep_unbegun && m.begun);
            if (goes && !m.of_connection && !m.written) lost.insert(m.text);
            return goes;
        });
        for (message& m : queue) m.handed_to = 0, m.begun = m.written = m.doubtful = false;
        doubtful = false;
        ++connection;
    }
};

}  // namespace

TEST_CASE("unsent queue: what was wholly written is not lost", "[session][unsent_queue]") {
    unsent_queue queue{unsent::keep, 0, 0};
    queue.push("written, perhaps in vain");
    queue.push("not written");
    while (queue.next() != nullptr) queue.hand_over();
    queue.doubt();
    queue.written(1, false);
    SECTION("on this connection") {}
    SECTION("on the one before") {
        queue.disconnected();
        CHECK(queue.messages() == 2);
    }
    SECTION("on an earlier one") {
        queue.disconnected();
        while (queue.next() != nullptr) queue.hand_over();
        queue.disconnected();
    }
    queue.clear();
    CHECK(queue.lost() == 1);
}

TEST_CASE("unsent queue: whatever happens, no message is lost or sent twice against the rule",
          "[session][unsent_queue][property]") {
    const unsent rule = GENERATE(unsent::drop, unsent::keep, unsent::keep_unbegun);
    for (std::uint32_t seed = 0; seed != 300; ++seed) {
        std::mt19937 random{seed};
        const auto below = [&](std::size_t n) { return static_cast<std::size_t>(random()) % n; };
        unsent_queue queue{rule, 0, 0};
        model expected{rule};
        std::size_t number = 0;
        for (int step = 0; step != 200; ++step) {
            switch (below(6)) {
                case 0:
                case 1: {
                    const bool first = below(8) == 0;
                    const std::string text = std::to_string(++number) + std::string(below(5) == 0 ? 20'000 : 0, '.');
                    auto& list = expected.queue;
                    const auto taken = [&](const auto& m) { return m.handed_to == 0 && !(first && m.of_connection); };
                    const auto at = first ? std::ranges::find_if(list, taken) : list.end();
                    list.insert(at, {.text = text, .of_connection = first});
                    first ? queue.push_first(text) : queue.push(text);
                    break;
                }
                case 2: {
                    std::string handed;
                    while (const auto* const next = queue.next()) {
                        handed += next->payload + ' ';
                        queue.hand_over();
                    }
                    REQUIRE(handed == expected.to_hand_over());
                    break;
                }
                case 3:
                case 4: {
                    const auto pending = [](const auto& m) { return m.handed_to != 0 && !m.written; };
                    const auto most = static_cast<std::size_t>(std::ranges::count_if(expected.queue, pending));
                    const std::size_t count = below(most + 1);
                    const auto begun = [](const auto& m) { return m.begun && !m.written; };
                    const bool still = count == 0 && std::ranges::any_of(expected.queue, begun);
                    const bool part = still || (count != most && below(2) == 0);
                    queue.written(count, part);
                    expected.written(count, part);
                    break;
                }
                default:
                    if (below(4) == 0) {
                        queue.doubt();
                        expected.doubtful = true;
                    } else if (below(3) == 0) {
                        queue.disconnected();
                        expected.disconnected();
                    }
            }
            std::size_t bytes = 0;
            for (const auto& m : expected.queue) bytes += m.text.size();
            REQUIRE(queue.messages() == expected.queue.size());
            REQUIRE(queue.bytes() == bytes);
            REQUIRE(queue.lost() == expected.lost.size());
        }
        if (rule == unsent::keep) REQUIRE(queue.lost() == 0);
        for (const auto& [text, times] : expected.wholly_written) REQUIRE(times == 1);
    }
}

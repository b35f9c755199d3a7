// SPDX-License-Identifier: BSL-1.0

// Two WebSocket sessions, client and server, on a pipe that takes and delivers at random, with applications that do
// anything at random.

#include <weir/session/ws_session.hpp>

#include <weir/error.hpp>
#include <weir/policy/any_policy.hpp>
#include <weir/policy/heartbeat.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "support/fake_websocket.hpp"

using namespace std::literals;
using test::fake_websocket;
using test::phase;
using test::role;
using weir::error;
using weir::ws::message_view;

namespace {

using session = fake_websocket<weir::any_backpressure, weir::ping_every>;

class randomness {
public:
    explicit randomness(unsigned seed) : engine_(seed) {}
    std::size_t below(std::size_t n) { return engine_() % n; }
    bool one_in(std::size_t n) { return below(n) == 0; }

private:
    std::mt19937 engine_;
};

weir::any_backpressure some_policy(randomness& random) {
    const std::size_t bytes = 100 + random.below(3000), messages = 1 + random.below(12);
    switch (random.below(6)) {
        case 0: return weir::refuse{bytes, messages};
        case 1: return weir::drop_oldest{bytes, messages};
        case 2: return weir::drop_newest{bytes, messages};
        case 3: return weir::keep_latest{bytes, messages};
        default: return weir::wait{bytes, messages};
    }
}

/// One side: the session, and an application that notes what was accepted and what it was given.
struct side {
    enum class taking { nothing, messages, pieces, calls };

    randomness& random;
    session s;
    std::vector<std::string> accepted{}, given{};
    std::deque<std::function<void()>> posted{};
    std::vector<test::operation> operations{};
    std::size_t transmitted = 0;  // of line.output
    std::size_t pings = 0, pongs = 0;
    bool peer_knows_the_end = false, closed_itself = false, heard_the_end = false;

    side(randomness& r, role self, bool compressed)
        : random(r),
          s(test::salt{static_cast<std::uint8_t>(r.below(256))}, some_policy(r), weir::ping_every{100ms, 1h}) {
        s.on_schedule = [this] { posted.emplace_back([this] { s.end_turn(); }); };
        if (random.one_in(3)) s.line.buffered = 1 + random.below(5000);
        s.begin({self, s.options, s.at, compressed ? std::make_unique<test::chaining_codec>() : nullptr}, {}, {});
        listen();
    }

    void run_one() {
        if (posted.empty()) return;
        const auto next = std::move(posted.front());
        posted.pop_front();
        next();
    }

    // ---- sending ----

    // No two messages are alike.
    std::string text(std::size_t size) { return "#" + std::to_string(++serial_) + std::string(size, '.'); }
    std::size_t some_size() { return random.one_in(30) ? 16'000 + random.below(30'000) : random.below(40); }

    void send() {
        const std::string t = text(some_size()), key = random.one_in(2) ? "a" : "";
        if (s.send(t, key) == error::none) accepted.push_back(t);
    }
    void async_send() {
        const std::string t = text(some_size());
        operations.push_back(s.async_send(t, {}, [this, t](const test::completion& c) {
            if (!c.ec) accepted.push_back(t);
        }));
    }
    // A message in pieces, one at a time.
    void send_piece() {
        if (piece_pending_) return;
        piece_pending_ = true;
        const std::string piece = (part_.empty() ? text(0) : ""s) + std::string(random.below(50), '-');
        const bool last = random.one_in(3);
        operations.push_back(s.async_send_some(piece, last, [this, piece, last](const test::completion& c) {
            piece_pending_ = false;
            if (c.ec) return;
            part_ += piece;
            if (last) accepted.push_back(std::exchange(part_, {}));
        }));
    }
    void finish_piece() {
        if (part_.empty() || piece_pending_) return;
        piece_pending_ = true;
        operations.push_back(s.async_send_some("!", true, [this](const test::completion& c) {
            piece_pending_ = false;
            if (!c.ec) accepted.push_back(std::exchange(part_, {}) + "!");
        }));
    }

    // ---- receiving ----

    void listen() {
        s.handle_with({.on_message = {}, .on_pong = [this](std::string_view) { ++pongs; }});
    }
    /// Goes on in another way, where a message ends.
    void change() {
        if (busy_ || !piece_.empty() || heard_the_end) return;
        taking_ = static_cast<taking>(random.below(4));
        if (taking_ == taking::calls) {
            s.handle_with(
                {.on_message = [this](message_view m) { take(m); }, .on_pong = [this](std::string_view) { ++pongs; }});
        } else {
            listen();
        }
        receive();
    }
    void receive() {
        if (busy_ || heard_the_end || taking_ == taking::calls || taking_ == taking::nothing) return;
        busy_ = true;
        const bool pieces = taking_ == taking::pieces;
        const auto done = [this](const test::completion& c) {
            if (c.ec || !c.received) {
                heard_the_end = true;
                busy_ = false;
                return;
            }
            // Looks at it after a while.
            later(random.below(4), [this, m = *c.received] {
                take(m);
                busy_ = false;
                if (random.one_in(10) && piece_.empty() && !hurried_) taking_ = static_cast<taking>(random.below(3));
                receive();
            });
        };
        operations.push_back(pieces ? s.receive_some(done) : s.receive(done));
    }
    void take(message_view m) {
        piece_ += m.text();
        if (m.last()) given.push_back(std::exchange(piece_, {}));
    }
    /// The application wants everything from now on.
    void hurry() {
        s.pause(false);
        hurried_ = true;
        if (taking_ == taking::nothing) taking_ = taking::messages;
        receive();
    }

    bool receives() const { return taking_ != taking::calls; }

    void close() {
        if (s.state() == phase::open && s.peer_reason().code == weir::ws::close_code::abnormal) closed_itself = true;
        if (random.one_in(2)) {
            s.start_close(weir::ws::close_code{4000}, "enough");
        } else {
            s.close(error::none);
        }
        operations.push_back(s.closing());
    }

    void step() {
        switch (random.below(12)) {
            case 0:
            case 1: return send();
            case 2: return async_send();
            case 3: return send_piece();
            case 4: pings += s.ping("p") == error::none ? 1 : 0; return;
            case 5: return s.pause(random.one_in(2));
            case 6: return change();
            case 7: return receive();
            default: return run_one();
        }
    }

private:
    void later(std::size_t turns, std::function<void()> what) {
        posted.emplace_back([this, turns, what = std::move(what)] {
            if (turns == 0) return what();
            later(turns - 1, what);
        });
    }

    int serial_ = 0;
    std::string part_, piece_;
    taking taking_ = taking::messages;
    bool busy_ = false, piece_pending_ = false, hurried_ = false;
};

/// From the one's transport to the other, as much as the one likes to write and the other to read.
void transmit(side& from, side& to, std::size_t room, std::size_t chunk) {
    if (from.s.line.buffered != 0) {
        from.s.deliver(room);
    } else {
        from.s.take(room);
    }
    if (!to.s.reading || to.s.state() == phase::closed) return;
    const std::string_view there = std::string_view{from.s.line.output}.substr(from.transmitted);
    const std::string bytes{there.substr(0, chunk)};
    from.transmitted += bytes.size();
    if (!bytes.empty()) return to.s.get(bytes);
    const bool over = from.s.line.send_shut || from.s.line.closed != 0;
    if (over && !std::exchange(from.peer_knows_the_end, true)) to.s.on_peer_closed();
}

bool is_subsequence(const std::vector<std::string>& part, const std::vector<std::string>& whole) {
    auto at = whole.begin();
    for (const auto& text : part) {
        at = std::find(at, whole.end(), text);
        if (at == whole.end()) return false;
        ++at;
    }
    return true;
}

class conversation {
public:
    explicit conversation(unsigned seed)
        : random_(seed), server_(random_, role::server, seed % 2 == 0), client_(random_, role::client, seed % 2 == 0) {}

    void talk(int steps) {
        for (int i = 0; i != steps; ++i) {
            someone().step();
            if (random_.one_in(2)) transmit_something();
            if (random_.one_in(10)) pass(weir::milliseconds{random_.below(40)});
        }
    }

    /// One side or both close, at any moment; then both want to get it over with.
    void end() {
        if (random_.one_in(2)) server_.finish_piece(), client_.finish_piece();
        const std::size_t who = random_.below(3);
        if (who != 0) server_.close();
        for (std::size_t n = random_.below(30); n != 0; --n) someone().step(), transmit_something();
        if (who != 1) client_.close();
        for (int i = 0; i != 20'000 && !over(); ++i) {
            server_.hurry(), client_.hurry();
            transmit_something();
            for (std::size_t n = random_.below(8); n != 0; --n) someone().run_one();
            if (random_.one_in(20)) pass(1ms);
        }
        REQUIRE(over());
        for (side* s : {&server_, &client_}) {
            s->hurry();  // what came before the end can still be had
            while (!s->posted.empty()) s->run_one();
        }
    }

    void check() const {
        check(server_, client_);
        check(client_, server_);
    }
    std::size_t given() const { return server_.given.size() + client_.given.size(); }
    std::size_t dropped() const {
        return static_cast<std::size_t>(server_.s.stats().dropped.total() + client_.s.stats().dropped.total());
    }

private:
    side& someone() { return random_.one_in(2) ? server_ : client_; }
    bool over() const { return server_.s.state() == phase::closed && client_.s.state() == phase::closed; }
    void transmit_something() {
        const std::size_t most = random_.one_in(3) ? 20'000 : 50;
        if (random_.one_in(2)) {
            transmit(server_, client_, random_.below(most), 1 + random_.below(most));
        } else {
            transmit(client_, server_, random_.below(most), 1 + random_.below(most));
        }
    }
    void pass(weir::milliseconds time) {
        server_.s.advance(time);
        client_.s.advance(time);
    }

    static void check(const side& from, const side& to) {
        REQUIRE_FALSE(from.s.end_reason());
        REQUIRE(from.heard_the_end == from.receives());
        REQUIRE(std::ranges::all_of(from.operations, [](const test::operation& op) { return op->done; }));
        REQUIRE(from.s.outbox().empty());
        REQUIRE(from.pongs <= from.pings + static_cast<std::size_t>(from.s.seen.heartbeats));
        // Whoever closes may miss what is still on its way; nobody else misses anything, and nobody gets it twice.
        REQUIRE(is_subsequence(to.given, from.accepted));
        const weir::drop_counts dropped = from.s.stats().dropped;
        const std::size_t lost = dropped.oldest + dropped.replaced + dropped.outdated;
        REQUIRE(to.given.size() + lost <= from.accepted.size());
        if (!to.closed_itself) REQUIRE(to.given.size() + lost == from.accepted.size());
        REQUIRE(dropped.unsent == 0);
    }

    randomness random_;
    side server_, client_;
};

}  // namespace

TEST_CASE("ws session: whatever two sides do, what was accepted arrives, and the end does", "[session][ws]") {
    std::size_t given = 0, dropped = 0;
    for (unsigned seed = 1; seed != 1001; ++seed) {
        CAPTURE(seed);
        conversation run{seed};
        run.talk(300);
        run.end();
        run.check();
        given += run.given();
        dropped += run.dropped();
    }
    CHECK(given > 10'000);
    CHECK(dropped > 1'000);
}

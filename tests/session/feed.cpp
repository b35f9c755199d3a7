// SPDX-License-Identifier: BSL-1.0

#include <weir/session/feed.hpp>

#include <weir/bytes.hpp>
#include <weir/error.hpp>
#include <weir/policy/heartbeat.hpp>
#include <weir/policy/stall.hpp>
#include <weir/time.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <deque>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "support/errc.hpp"
#include "support/fake_session.hpp"

using namespace std::literals;
using test::fake_session;
using test::phase;
using weir::bytes_view;
using weir::error;

namespace {

constexpr weir::no_heartbeat silence;

/// Messages that the test puts there.
class fake_feed final : public weir::detail::feed {
public:
    std::size_t waiting() const noexcept override {
        std::size_t bytes = 0;
        for (const std::string& m : messages) bytes += m.size();
        return bytes - begun + (promises ? 1 : 0);
    }
    bool is_partial() const noexcept override { return begun != 0; }
    std::size_t gather(std::span<bytes_view> out, weir::time_point) override {
        ++gathered;
        promises = false;
        const std::size_t count = std::min(messages.size(), out.size());
        for (std::size_t i = 0; i != count; ++i) out[i] = weir::as_bytes(messages[i]).subspan(i == 0 ? begun : 0);
        return count;
    }
    std::size_t consume(std::size_t size, bool blocked) override {
        blocks += blocked ? 1 : 0;
        std::size_t completed = 0;
        while (size != 0) {
            const std::size_t taken = std::min(size, messages.front().size() - begun);
            size -= taken;
            begun += taken;
            if (begun != messages.front().size()) break;
            messages.pop_front();
            begun = 0;
            ++completed;
        }
        return completed;
    }
    bool review(weir::time_point) override { return ++reviews, keeps_up; }
    void finish(bool at_once) override {
        finished = at_once ? "at once" : "in order";
        if (!at_once) return;
        messages.resize(begun != 0 ? 1 : 0);
    }
    void on_ended() noexcept override {}
    const void* owner() const noexcept override { return this; }

    std::deque<std::string> messages;
    std::size_t begun = 0;  // bytes of the first one
    bool promises = false, keeps_up = true;
    int gathered = 0, blocks = 0, reviews = 0;
    std::string finished;
};

/// A session with a feed; the feed is gone when the session's last turn is over.
template <class... Policies>
struct fed_session {
    explicit fed_session(Policies... policies) : session(policies...) {
        session.opened();
        auto made = std::make_unique<fake_feed>();
        feed = made.get();
        session.attach(std::move(made));
        session.end_turn();
    }
    /// As a hub does.
    void fill(std::initializer_list<std::string_view> messages) {
        session.on_filling(session.at);
        feed->messages.insert(feed->messages.end(), messages.begin(), messages.end());
    }
    void flush(std::initializer_list<std::string_view> messages) {
        fill(messages);
        session.flush_fed();
    }
    std::string& output() { return session.line.output; }

    fake_session<Policies...> session;
    fake_feed* feed;
};

}  // namespace

TEST_CASE("feed: an interface to derive from", "[session][feed]") {
    STATIC_REQUIRE(std::is_abstract_v<weir::detail::feed>);
    STATIC_REQUIRE(std::has_virtual_destructor_v<weir::detail::feed>);
    STATIC_REQUIRE_FALSE(std::is_copy_constructible_v<weir::detail::feed>);
}

TEST_CASE("feed: its messages are written behind what was sent, in one write", "[session][feed]") {
    fed_session s{silence};
    CHECK(s.session.fed() == s.feed);
    s.session.send("(own)");
    s.flush({"one", "two"});
    CHECK(s.output() == "(own)onetwo");
    CHECK(s.session.line.writes.size() == 1);
    CHECK(s.session.stats().messages_sent == 3);
    CHECK(s.session.stats().bytes_sent == s.output().size());
    s.session.end_turn();
    CHECK(s.session.line.writes.size() == 1);
}

TEST_CASE("feed: what it only promises is no write", "[session][feed]") {
    fed_session s{silence};
    s.feed->promises = true;
    s.session.flush_fed();
    CHECK(s.feed->gathered == 1);
    CHECK(s.session.line.writes.empty());
    s.session.flush_fed();
    CHECK(s.feed->gathered == 1);  // it does not even promise
}

TEST_CASE("feed: more than one write's pieces are written all the same", "[session][feed]") {
    fed_session s{silence};
    s.session.on_filling(s.session.at);
    std::string all;
    for (int i = 0; i != 100; ++i) all += s.feed->messages.emplace_back(std::to_string(i));
    s.session.flush_fed();
    CHECK(s.output() == all);
    CHECK(s.session.stats().messages_sent == 100);
}

TEST_CASE("feed: nothing gets into a message partly taken, wherever it was cut", "[session][feed]") {
    const auto urgent = GENERATE(false, true);
    for (std::size_t room = 0; room <= 12; ++room) {
        CAPTURE(room, urgent);
        fed_session s{silence};
        s.session.line.room = room;
        s.flush({"[first]", "[next]"});
        s.session.send("(own)");
        if (urgent) s.session.queue_urgent("(ping)");
        s.session.end_turn();
        CHECK(s.output() == "[first][next]"sv.substr(0, room));
        const std::string own = urgent ? "(ping)(own)" : "(own)";
        s.session.unblock();
        s.session.end_turn();
        const std::size_t cut = room == 0 ? 0 : room <= 7 ? 7 : 13;
        const std::string messages = "[first][next]";
        CHECK(s.output() == messages.substr(0, cut) + own + messages.substr(cut));
        CHECK(s.session.stats().messages_sent == 3);
    }
}

TEST_CASE("feed: a transport that takes one byte at a time", "[session][feed]") {
    fed_session s{silence};
    s.session.line.room = 1;
    s.flush({"[first]", "[next]"});
    s.session.queue_urgent("(ping)");
    for (int i = 0; i != 100 && s.session.line.wants_writable; ++i) {
        s.session.take(1);
        s.session.wake_in_vain();
        s.session.end_turn();
    }
    CHECK(s.output() == "[first](ping)[next]");
    CHECK(s.session.stats().messages_sent == 2);
    CHECK(s.feed->blocks != 0);
}

TEST_CASE("feed: a blocked session does not ask it", "[session][feed]") {
    fed_session s{silence};
    s.session.line.room = 0;
    s.flush({"one"});
    const int gathered = s.feed->gathered;
    CHECK_FALSE(s.session.takes_at_once());
    s.flush({"two"});
    s.session.send("(own)");
    s.session.end_turn();
    CHECK(s.feed->gathered == gathered);
    CHECK(s.session.line.writes.size() == 1);
    s.session.unblock();
    CHECK(s.output() == "(own)onetwo");
}

TEST_CASE("feed: what waits in it is unsent", "[session][feed]") {
    fed_session s{silence};
    s.session.line.room = 3;
    s.flush({"12345"});
    CHECK(s.session.stats().queued_bytes == 2);
    CHECK(s.session.stats().blocked);
    const auto all = s.session.drained();
    CHECK_FALSE(all->done);
    s.session.unblock();
    CHECK(all->succeeded());
    CHECK(s.session.stats().queued_bytes == 0);
}

TEST_CASE("feed: it is looked through while it waits, and may end the session", "[session][feed]") {
    fed_session s{silence, weir::stall_after{0ms}};
    s.session.line.room = 0;
    s.flush({"one"});
    s.session.advance(2s);
    CHECK(s.feed->reviews >= 4);
    CHECK(s.session.state() == phase::open);
    s.feed->keeps_up = false;
    s.session.advance(2s);
    CHECK(s.session.end_reason() == error::slow_reader);
}

TEST_CASE("feed: one that was empty for an hour is given the full patience", "[session][feed]") {
    fed_session s{silence, weir::stall_after{10s}};
    s.session.advance(1h);
    s.session.line.room = 0;
    s.flush({"one"});
    s.session.advance(10s - 1ms);
    CHECK(s.session.state() == phase::open);
    s.session.advance(1ms);
    CHECK(s.session.end_reason() == error::stalled);
}

TEST_CASE("feed: what is written past it", "[session][feed]") {
    fed_session s{silence};
    REQUIRE(s.session.takes_at_once());
    const std::string text = "onetwo";
    const bytes_view piece = weir::as_bytes(text);
    weir::error_code ec;
    SECTION("is counted and observed") {
        CHECK(s.session.write_at_once({&piece, 1}, ec) == 6);
        CHECK(s.session.on_written(6, 6, 2, ec, s.session.at));
        CHECK(s.session.stats().messages_sent == 2);
        CHECK(s.session.seen.messages == 2);
        CHECK(s.session.seen.bytes == 6);
        CHECK(s.session.takes_at_once());
    }
    SECTION("blocks the session when it is not all taken") {
        s.session.line.room = 4;
        CHECK(s.session.write_at_once({&piece, 1}, ec) == 4);
        s.feed->messages = {"two"};
        s.feed->begun = 1;
        CHECK(s.session.on_written(4, 6, 1, ec, s.session.at));
        CHECK_FALSE(s.session.takes_at_once());
        CHECK(s.session.line.wants_writable);
        s.session.unblock();
        CHECK(s.output() == "onetwo");
        CHECK(s.session.stats().messages_sent == 2);
    }
    SECTION("ends the session when it fails") {
        ec = test::code_of(std::errc::connection_reset);
        CHECK_FALSE(s.session.on_written(0, 6, 0, ec, s.session.at));
        CHECK(s.session.end_reason() == ec);
    }
    SECTION("not while something of the session's own waits") {
        s.session.send("own");
        CHECK_FALSE(s.session.takes_at_once());
        s.session.end_turn();
        CHECK(s.session.takes_at_once());
    }
    SECTION("not behind the end") {
        s.session.close(error::none);
        CHECK_FALSE(s.session.takes_at_once());
    }
}

TEST_CASE("feed: a transport with a buffer takes nothing past what is in it", "[session][feed]") {
    fed_session s{silence};
    s.session.line.buffered = 100;
    const std::string text = "one";
    const bytes_view piece = weir::as_bytes(text);
    weir::error_code ec;
    CHECK(s.session.write_at_once({&piece, 1}, ec) == 3);
    CHECK(s.session.on_written(3, 3, 1, ec, s.session.at));
    CHECK_FALSE(s.session.takes_at_once());
    s.session.deliver();
    CHECK(s.session.takes_at_once());
    CHECK(s.output() == "one");
}

// ---- the end ----

TEST_CASE("feed: the farewell comes behind what it has", "[session][feed]") {
    fed_session s{silence};
    s.session.last_chunk = "(end)";
    s.session.line.room = GENERATE(std::size_t{0}, std::size_t{2}, test::fake_transport::unlimited);
    s.flush({"[one]", "[two]"});
    s.session.close(error::none);
    s.session.end_turn();
    s.session.unblock();
    s.session.end_turn();
    CHECK(s.feed->finished == "in order");
    CHECK(s.output() == "[one][two](end)");
    CHECK(s.session.line.send_shut);
}

TEST_CASE("feed: a session that ends for a fault writes no more than is begun", "[session][feed]") {
    fed_session s{silence};
    s.session.last_chunk = "(end)";
    s.session.line.room = GENERATE(std::size_t{0}, std::size_t{2});
    const std::string begun = s.session.line.room == 0 ? "" : "[one]";
    s.flush({"[one]", "[two]"});
    s.session.close(error::bad_utf8);
    s.session.end_turn();
    s.session.unblock();
    s.session.end_turn();
    CHECK(s.feed->finished == "at once");
    CHECK(s.output() == begun + "(end)");
}

TEST_CASE("feed: it is told of the end at once, and goes in the turn after", "[session][feed]") {
    struct counted final : weir::detail::feed {
        explicit counted(std::string& l) : log(l) {}
        ~counted() override { log += "destroyed "; }
        std::size_t waiting() const noexcept override { return 0; }
        bool is_partial() const noexcept override { return false; }
        std::size_t gather(std::span<bytes_view>, weir::time_point) override { return 0; }
        std::size_t consume(std::size_t, bool) override { return 0; }
        bool review(weir::time_point) override { return true; }
        void finish(bool) override {}
        void on_ended() noexcept override { log += "ended "; }
        const void* owner() const noexcept override { return nullptr; }
        std::string& log;
    };
    std::string log;
    fake_session session{silence};
    session.opened();
    session.attach(std::make_unique<counted>(log));
    session.end_turn();
    session.terminate(error::peer_closed);
    CHECK(log == "ended ");
    CHECK(session.fed() != nullptr);
    session.end_turn();
    CHECK(log == "ended destroyed ");
    CHECK(session.fed() == nullptr);
}

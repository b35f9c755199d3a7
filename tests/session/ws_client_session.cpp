// SPDX-License-Identifier: BSL-1.0

#include <weir/session/ws_client_session.hpp>

#include <weir/error.hpp>
#include <weir/policy/reconnect.hpp>
#include <weir/time.hpp>

#include <chrono>
#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "support/errc.hpp"

using namespace std::literals;
using weir::error;
using weir::error_code;
using weir::unsent;
using weir::detail::ws_client_session;
using weir::detail::ws_client_settings;
using weir::ws::close_code;
using state = weir::detail::ws_client_session::state;

namespace {

const auto refused = test::code_of(std::errc::connection_refused);
const auto reset = test::code_of(std::errc::connection_reset);

/// Writes down what it is asked, and says what it was told to.
struct scripted {
    struct log {
        std::vector<weir::reconnect_facts> asked;
        weir::reconnect_decision answer = weir::retry_in{1s};
    };
    std::shared_ptr<log> to = std::make_shared<log>();

    weir::reconnect_decision operator()(const weir::reconnect_facts& f) const noexcept {
        to->asked.push_back(f);
        return to->answer;
    }
};

struct client {
    explicit client(ws_client_settings settings = {}, scripted by = {})
        : policy(by), session([&] {
              settings.reconnect = by;
              return settings;
          }()) {}

    client& opened() {
        session.opened(now);
        REQUIRE(session.current_state() == state::open);
        return *this;
    }
    client& failed(error_code why, int status = 0) {
        session.failed(why, status, 0ms, now);
        return *this;
    }
    client& lost(error_code why = reset) {
        session.ended(why, {close_code::abnormal, {}}, now);
        return *this;
    }
    client& told(int code, std::string_view text = {}) {
        session.ended({}, {static_cast<close_code>(code), text}, now);
        return *this;
    }
    client& again() {
        now = session.retry_at();
        REQUIRE(session.start_if_due(now));
        return *this;
    }
    const weir::reconnect_facts& facts() const { return policy.to->asked.back(); }

    scripted policy;
    weir::time_point now{1h};
    ws_client_session session;
};

}  // namespace

TEST_CASE("ws client session: it connects, is open, waits, and connects again", "[session][ws_client]") {
    client c;
    CHECK(c.session.current_state() == state::connecting);
    CHECK(c.session.retry_at() == weir::never);
    c.failed(refused);
    CHECK(c.session.current_state() == state::waiting);
    CHECK(c.session.retry_at() == c.now + 1s);
    CHECK(c.session.delay() == 1s);
    CHECK(c.session.reason() == refused);
    CHECK_FALSE(c.session.start_if_due(c.now + 999ms));
    CHECK(c.session.current_state() == state::waiting);
    CHECK(c.session.start_if_due(c.now + 1s));
    CHECK(c.session.current_state() == state::connecting);
    CHECK(c.session.retry_at() == weir::never);
    c.opened();
    CHECK_FALSE(c.session.reason());
    CHECK(c.session.connections() == 1);
    c.lost();
    CHECK(c.session.current_state() == state::waiting);
    CHECK(c.session.reason() == reset);
    CHECK(c.session.close_reason().code == close_code::abnormal);
}

TEST_CASE("ws client session: the policy is told what happened", "[session][ws_client]") {
    client c;
    c.now += 5s;
    c.failed(error::handshake_rejected, 503);
    CHECK(c.facts().reason == error::handshake_rejected);
    CHECK(c.facts().status == 503);
    CHECK_FALSE(c.facts().permanent);
    CHECK(c.facts().failures == 1);
    CHECK(c.facts().lived == 0s);
    CHECK(c.facts().trying == 0s);
    CHECK(c.session.status() == 503);
    c.again().failed(refused);
    CHECK(c.facts().failures == 2);
    CHECK(c.facts().trying == 1s);
    CHECK(c.facts().status == 0);
    c.again().opened();
    c.now += 7s;
    c.lost();
    CHECK(c.facts().failures == 3);
    CHECK(c.facts().lived == 7s);
    CHECK(c.facts().trying == 9s);
    std::set<std::uint64_t> random;
    for (const auto& f : c.policy.to->asked) random.insert(f.random);
    CHECK(random.size() == 3);
}

TEST_CASE("ws client session: a connection that ends at once has been open all the same", "[session][ws_client]") {
    client c;
    c.opened().lost();
    CHECK(c.facts().lived > 0s);
    CHECK(c.facts().lived < 1ms);
}

TEST_CASE("ws client session: what starts over is the first failure again", "[session][ws_client]") {
    client c;
    c.failed(refused).again().failed(refused);
    CHECK(c.session.failures() == 2);
    c.policy.to->answer = weir::retry_in{1s, true};
    c.again().opened().lost();
    CHECK(c.facts().failures == 3);
    CHECK(c.session.failures() == 1);
    c.policy.to->answer = weir::retry_in{1s};
    c.again().failed(refused);
    CHECK(c.facts().failures == 2);
    CHECK(c.facts().trying == 1s);
}

TEST_CASE("ws client session: equal seeds decide equally, others do not", "[session][ws_client]") {
    const auto first = [](std::uint64_t seed) {
        client c{{.seed = seed}};
        return c.failed(refused).facts().random;
    };
    CHECK(first(1) == first(1));
    CHECK(first(1) != first(2));
}

TEST_CASE("ws client session: a policy that gives up ends it with the reason there was", "[session][ws_client]") {
    client c;
    c.policy.to->answer = weir::give_up{};
    REQUIRE(c.session.send("x") == error::none);
    SECTION("of an attempt") {
        c.failed(refused);
        CHECK(c.session.reason() == refused);
    }
    SECTION("of a connection") {
        c.opened().lost();
        CHECK(c.session.reason() == reset);
    }
    SECTION("after a close frame, whose code is there") {
        c.opened().told(1008, "no");
        CHECK(c.facts().permanent);
        CHECK(c.session.reason() == error::peer_closed);
        CHECK(c.session.close_reason().code == close_code::policy_violation);
        CHECK(c.session.close_reason().text == "no");
    }
    CHECK(c.session.is_closed());
    CHECK(c.session.retry_at() == weir::never);
    CHECK(c.session.send("x") == error::closed);
    CHECK(c.session.queue().lost() == 1);
}

TEST_CASE("ws client session: after the peer's 1000 it is over, in good order", "[session][ws_client]") {
    client c;
    c.opened().told(1000, "bye");
    CHECK(c.session.is_closed());
    CHECK_FALSE(c.session.reason());
    CHECK(c.session.close_reason().text == "bye");
    CHECK(c.policy.to->asked.empty());
}

TEST_CASE("ws client session: codes that leave room for another try are no permanent failures",
          "[session][ws_client]") {
    for (const int code : {1001, 1005, 1011, 1012, 1013, 1014, 3000, 4000}) {
        client c;
        c.opened().told(code);
        CHECK_FALSE(c.facts().permanent);
        CHECK(c.facts().reason == error::peer_closed);
        CHECK(c.session.current_state() == state::waiting);
    }
}

TEST_CASE("ws client session: a fault that was found here is permanent, a lost connection is not",
          "[session][ws_client]") {
    client c;
    c.opened().lost(error::bad_utf8);
    CHECK(c.facts().permanent);
    CHECK(c.session.reason() == error::bad_utf8);
    client d;
    d.opened().lost(error::unresponsive);
    CHECK_FALSE(d.facts().permanent);
}

TEST_CASE("ws client session: what the server's close frame said stands when the transport breaks behind it",
          "[session][ws_client]") {
    client c;
    c.opened();
    SECTION("the end in good order") {
        c.session.ended(reset, {close_code::normal, {}}, c.now);
        CHECK(c.session.is_closed());
        CHECK_FALSE(c.session.reason());
    }
    SECTION("the client is to blame") {
        c.session.ended(reset, {close_code::policy_violation, {}}, c.now);
        CHECK(c.facts().permanent);
        CHECK(c.session.reason() == error::peer_closed);
    }
    SECTION("it may come back") {
        c.session.ended(reset, {close_code::going_away, {}}, c.now);
        CHECK_FALSE(c.facts().permanent);
        CHECK(c.session.reason() == reset);
        CHECK(c.session.close_reason().code == close_code::going_away);
    }
    SECTION("unless this side has found a fault") {
        const auto fault = GENERATE(error::bad_utf8, error::closed);
        c.session.ended(fault, {close_code::normal, {}}, c.now);
        CHECK(c.facts().permanent);
        CHECK(c.session.reason() == fault);
    }
}

TEST_CASE("ws client session: what the hook throws is never for good, and a status is that of a refusal",
          "[session][ws_client]") {
    client c;
    c.failed(error::handshake_rejected, 503);
    CHECK(c.session.status() == 503);
    c.again();
    c.session.hook_failed(error::bad_argument, c.now);
    CHECK_FALSE(c.facts().permanent);
    CHECK(c.facts().failures == 2);
    CHECK(c.session.reason() == error::bad_argument);
    CHECK(c.session.status() == 0);
    CHECK(c.session.current_state() == state::waiting);
    c.session.hook_failed(error::bad_argument, c.now);  // nothing is being tried
    CHECK(c.facts().failures == 2);
    c.again().failed(error::bad_upgrade_response, 101);
    CHECK(c.session.status() == 0);
}

TEST_CASE("ws client session: who is asked whether to come back may close it, or throw", "[session][ws_client]") {
    ws_client_session* session = nullptr;
    const bool throws = GENERATE(true, false);
    client c{{.comes_back = [&](close_code, std::string_view) {
        if (throws) throw 1;
        session->close();
        return true;
    }}};
    session = &c.session;
    c.opened();
    if (throws) {
        CHECK_THROWS_AS(c.told(4000), int);
        CHECK(c.session.reason() == error::closed);
    } else {
        c.told(4000);
        CHECK_FALSE(c.session.reason());
    }
    CHECK(c.session.is_closed());
    CHECK(c.policy.to->asked.empty());
    CHECK(c.session.drop_rule());
    CHECK_FALSE(c.session.drop_rule());
}

TEST_CASE("ws client session: the application may decide about close codes itself", "[session][ws_client]") {
    std::string seen;
    client c{{.comes_back = [&](close_code code, std::string_view text) {
        seen = std::to_string(static_cast<int>(code)).append(text);
        return code == close_code{4001} || code == close_code::normal || code == close_code::policy_violation;
    }}};
    c.opened();
    SECTION("it comes back") {
        const int code = GENERATE(1000, 1008, 4001);
        c.told(code, "x");
        CHECK(seen == std::to_string(code) + "x");
        CHECK_FALSE(c.facts().permanent);
        CHECK(c.session.current_state() == state::waiting);
    }
    SECTION("it does not") {
        c.told(GENERATE(1001, 4002));
        CHECK(c.facts().permanent);
    }
    SECTION("it is not asked about what is no close frame") {
        c.lost();
        CHECK(seen.empty());
    }
}

TEST_CASE("ws client session: it may be told to try now", "[session][ws_client]") {
    client c;
    CHECK_FALSE(c.session.retry_now(c.now));
    c.failed(refused);
    CHECK(c.session.retry_now(c.now));
    CHECK(c.session.retry_at() == c.now);
    c.again().opened();
    CHECK_FALSE(c.session.retry_now(c.now));
}

TEST_CASE("ws client session: closed while there is no connection, it is over", "[session][ws_client]") {
    client c;
    SECTION("connecting") {}
    SECTION("waiting") { c.failed(refused); }
    c.session.close();
    CHECK(c.session.is_closed());
    CHECK_FALSE(c.session.reason());
    c.session.opened(c.now);
    c.failed(refused);
    CHECK(c.session.is_closed());
    CHECK_FALSE(c.session.start_if_due(weir::never));
}

TEST_CASE("ws client session: closed while open, it is over with its connection", "[session][ws_client]") {
    client c;
    c.opened();
    c.session.close();
    CHECK(c.session.current_state() == state::closing);
    CHECK(c.session.send("x") == error::closed);
    CHECK(c.session.send_first("x") == error::closed);
    SECTION("in good order") {
        c.told(1000);
        CHECK_FALSE(c.session.reason());
    }
    SECTION("and not") {
        c.lost();
        CHECK(c.session.reason() == reset);
    }
    CHECK(c.session.is_closed());
    CHECK(c.policy.to->asked.empty());
}

TEST_CASE("ws client session: what may be sent depends on the rule and the state", "[session][ws_client]") {
    client kept;
    CHECK(kept.session.send("x") == error::none);
    CHECK(kept.session.send_first("x") == error::not_connected);
    kept.opened();
    CHECK(kept.session.send_first("x") == error::none);
    client dropped{{.unsent = unsent::drop}};
    CHECK(dropped.session.send("x") == error::not_connected);
    dropped.opened();
    CHECK(dropped.session.send("x") == error::none);
    dropped.lost();
    CHECK(dropped.session.send("x") == error::not_connected);
    CHECK(dropped.session.queue().lost() == 1);
    client bounded{{.max_queued_messages = 1}};
    CHECK(bounded.session.send("x") == error::none);
    CHECK(bounded.session.send("x") == error::refused);
    CHECK_FALSE(bounded.session.fits(0));
}

TEST_CASE("ws_client_session: closed without a connection, it says so if something is lost", "[session][ws_client]") {
    const auto now = weir::time_point{} + std::chrono::hours{1};
    weir::detail::ws_client_session idle{{}};
    idle.close();
    CHECK(idle.reason() == weir::error_code{});
    weir::detail::ws_client_session busy{{}};
    CHECK(busy.send(weir::ws::message_view{"precious"}) == weir::error::none);
    busy.close();
    CHECK(busy.is_closed());
    CHECK(busy.reason() == weir::error::not_connected);
    weir::detail::ws_client_session open{{}};
    open.opened(now);
    CHECK(open.send(weir::ws::message_view{"precious"}) == weir::error::none);
    open.close();
    CHECK_FALSE(open.is_closed());
}

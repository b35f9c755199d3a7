// SPDX-License-Identifier: BSL-1.0

#include <weir/session/passive_session.hpp>

#include <weir/policy/backpressure.hpp>
#include <weir/policy/heartbeat.hpp>
#include <weir/session/sse_session.hpp>

#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

#include "catch.hpp"
#include "support/fake_session.hpp"

using namespace std::literals;
using test::phase;
using test::t0;
using test::text_message;
using weir::error;

namespace {

/// Open, without a head.
template <class... Policies>
class passive final : public weir::detail::passive_session<weir::detail::sse_session, Policies...> {
    using base = weir::detail::passive_session<weir::detail::sse_session, Policies...>;

public:
    explicit passive(Policies... policies) : base(weir::policy_set<Policies...>{std::move(policies)...}) {
        this->set_time(t0);
        this->start_reading();
        this->open({});
    }
    error put(std::string_view text, std::string_view key = {}) { return base::send(text_message{text}, key); }
    std::string offered() { return std::string{weir::as_text(this->output())}; }
    const weir::outbox& outbox() const noexcept { return this->outbox_; }
};

}  // namespace

TEST_CASE("passive session: nothing is taken out of the outbox before it is asked for", "[session][passive_session]") {
    passive s{weir::no_heartbeat{}, weir::wait{.max_messages = 3}};
    for (const auto text : {"a", "b", "c"}) CHECK(s.put(text) == error::none);
    CHECK(s.put("d") == error::refused);  // which offers what is there to the transport, where there is one
    CHECK(s.outbox().messages() == 3);
    CHECK_FALSE(s.stats().blocked);
    CHECK(s.wants_write());
    CHECK(s.offered() == "abc");
    CHECK(s.stats().blocked);
    CHECK(s.stats().queued_bytes == 3);
    s.written(3);
    CHECK_FALSE(s.stats().blocked);
    CHECK(s.offered().empty());
    CHECK_FALSE(s.wants_write());
}

TEST_CASE("passive session: a part that is written is progress, and the rest is offered again",
          "[session][passive_session]") {
    passive s{weir::no_heartbeat{}, weir::stall_after{10s}};
    s.put("abcdef");
    CHECK(s.offered() == "abcdef");
    s.set_time(t0 + 9s);
    s.written(2);
    CHECK(s.offered() == "cdef");
    s.set_time(t0 + 11s);
    s.on_deadline();
    CHECK(s.state() == phase::open);
    s.set_time(t0 + 19s);
    s.on_deadline();
    CHECK(s.state() == phase::closed);
    CHECK(s.end_reason() == error::stalled);
    CHECK(s.offered().empty());
}

TEST_CASE("passive session: more than was offered cannot be written", "[session][passive_session]") {
    passive s{weir::no_heartbeat{}};
    s.put("abc");
    CHECK(s.offered() == "abc");
    s.written(100);
    CHECK(s.stats().queued_bytes == 0);
    s.put("d");
    s.written(1);  // nothing was offered since
    CHECK(s.offered() == "d");
}

TEST_CASE("passive session: what is in output cannot be dropped, what is behind it can", "[session][passive_session]") {
    passive s{weir::no_heartbeat{}, weir::keep_latest{}};
    s.put("1", "key");
    CHECK(s.offered() == "1");
    s.put("2", "key");
    s.put("3", "key");
    CHECK(s.offered() == "1");
    s.written(1);
    CHECK(s.offered() == "3");
}

TEST_CASE("passive session: neighbours do not beat in step", "[session][passive_session]") {
    passive one{weir::comment_every{10s}};
    passive other{weir::comment_every{10s}};
    CHECK(one.deadline() != other.deadline());
}

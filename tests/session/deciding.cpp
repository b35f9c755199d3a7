// SPDX-License-Identifier: BSL-1.0

#include <weir/session/deciding.hpp>

#include <weir/policy/backpressure.hpp>
#include <weir/policy/heartbeat.hpp>
#include <weir/policy/policy_set.hpp>
#include <weir/session/passive_session.hpp>
#include <weir/session/sse_session.hpp>

#include <set>
#include <string_view>
#include <utility>

#include "catch.hpp"
#include "support/fake_session.hpp"

using test::t0;
using test::text_message;
using weir::error;

namespace {

/// Counts what it is asked and told.
struct counting {
    int* asked;
    int* told;

    weir::admission operator()(const weir::outbox_facts&) const noexcept {
        ++*asked;
        return weir::admission::refuse;
    }
    void operator()(const weir::message_refused&) const noexcept { ++*told; }
    void operator()(const auto&) const noexcept {}
};

template <class... Policies>
class deciding final : public weir::detail::passive_session<weir::detail::sse_session, Policies...> {
    using base = weir::detail::passive_session<weir::detail::sse_session, Policies...>;

public:
    explicit deciding(Policies... policies) : base(weir::policy_set<Policies...>{std::move(policies)...}) {
        this->set_time(t0);
        this->start_reading();
        this->open({});
    }
    error put(std::string_view text) { return base::send(text_message{text}, {}); }
};

}  // namespace

TEST_CASE("deciding: the policies are asked, and the observer is told", "[session][deciding]") {
    int asked = 0, told = 0;
    deciding session{counting{&asked, &told}, weir::no_heartbeat{}};
    CHECK(session.put("x") == error::refused);
    CHECK(asked == 1);
    CHECK(told == 1);
}

TEST_CASE("deciding: what is not given is the default", "[session][deciding]") {
    deciding session;
    CHECK(session.put("x") == error::none);
    CHECK(session.deadline() < weir::never);  // the comment against silence
}

TEST_CASE("deciding: neighbours jitter differently", "[session][deciding]") {
    std::set<int> salts;
    for (int i = 0; i != 64; ++i) salts.insert(weir::detail::next_salt());
    CHECK(salts.size() == 64);
}

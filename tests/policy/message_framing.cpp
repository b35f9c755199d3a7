// SPDX-License-Identifier: BSL-1.0

#include <weir/policy/message_framing.hpp>

#include <weir/policy/any_policy.hpp>
#include <weir/policy/policy_set.hpp>

#include <memory>

#include "catch.hpp"
#include "support/fake_websocket.hpp"

using weir::any_message_framing;
using weir::plain_frames;
using weir::ws::role;

namespace {

constexpr weir::ws::deflate_agreement agreed{.server_no_context_takeover = true};

/// Negotiates, and makes codecs that remember what they were made for.
struct chained_frames {
    weir::ws::deflate_options options{.client_no_context_takeover = true};

    const weir::ws::deflate_options* deflate() const noexcept { return &options; }
    std::unique_ptr<weir::ws::message_codec> make_codec(role self, const weir::ws::deflate_agreement& a) const {
        return std::make_unique<test::chaining_codec>(self == role::server ? !a.server_no_context_takeover : true);
    }
};

struct without_codec {
    const weir::ws::deflate_options* deflate() const noexcept { return nullptr; }
};
struct may_throw : chained_frames {
    const weir::ws::deflate_options* deflate() const { return nullptr; }
};

}  // namespace

TEST_CASE("message framing: plain frames negotiate nothing", "[policy][message_framing]") {
    CHECK(plain_frames{}.deflate() == nullptr);
    CHECK(plain_frames{}.make_codec(role::server, agreed) == nullptr);
}

TEST_CASE("message framing: what is a policy", "[policy][message_framing]") {
    STATIC_REQUIRE(weir::message_framing_policy<plain_frames>);
    STATIC_REQUIRE(weir::message_framing_policy<chained_frames>);
    STATIC_REQUIRE(weir::message_framing_policy<any_message_framing>);
    STATIC_REQUIRE_FALSE(weir::message_framing_policy<without_codec>);
    STATIC_REQUIRE_FALSE(weir::message_framing_policy<may_throw>);
    STATIC_REQUIRE_FALSE(weir::message_framing_policy<int>);
    STATIC_REQUIRE_FALSE(weir::framing_policy<plain_frames>);
}

TEST_CASE("message framing: a policy of one's own is found in a set", "[policy][message_framing]") {
    const weir::policy_set set{weir::no_heartbeat{}, chained_frames{}};
    REQUIRE(set.message_framing().deflate() == &set.message_framing().options);
    CHECK_FALSE(set.message_framing().make_codec(role::server, agreed)->has_history());
    CHECK(set.message_framing().make_codec(role::client, agreed)->has_history());
}

TEST_CASE("message framing: chosen at run time", "[policy][message_framing]") {
    const any_message_framing plain{plain_frames{}}, chained{chained_frames{}};
    CHECK(plain.deflate() == nullptr);
    CHECK(plain.make_codec(role::server, agreed) == nullptr);
    const any_message_framing copy = chained;
    REQUIRE(copy.deflate() != nullptr);
    CHECK(copy.deflate() == chained.deflate());  // what a session refers to stays where it is
    CHECK(copy.deflate()->client_no_context_takeover);
    CHECK(copy.make_codec(role::client, agreed)->has_history());
    CHECK_FALSE(copy.make_codec(role::server, agreed)->has_history());
}

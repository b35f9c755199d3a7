// SPDX-License-Identifier: BSL-1.0

#include <weir/io/session_handle.hpp>

#include <weir/io/sse_core.hpp>

#include <chrono>
#include <optional>
#include <utility>

#include "catch.hpp"
#include "support/memory_stream.hpp"
#include "support/session_fixture.hpp"

namespace {

using namespace std::chrono_literals;
using weir::error;
using wire_stream = test::direct_memory_stream<>;

struct core final : weir::detail::sse_core<wire_stream, weir::no_heartbeat> {
    using weir::detail::sse_core<wire_stream, weir::no_heartbeat>::sse_core;
};

// As sse_stream and ws_stream make themselves one.
class handle : public weir::detail::session_handle<core> {
public:
    explicit handle(test::session_fixture& f)
        : session_handle(core_ptr{new core{wire_stream{f.context.context(), f.wire},
                                           weir::policy_set<weir::no_heartbeat>{weir::no_heartbeat{}}}}) {}
    using session_handle::async_answered;

    core& session() const { return *core_; }
    void begin() const { session().begin(weir::sse::framing::plain, {}); }
};

}  // namespace

TEST_CASE_METHOD(test::session_fixture, "session_handle: waits for what is written, for a while, and for the end",
                 "[io][session_handle]") {
    handle h{*this};
    h.begin();
    CHECK(h.is_open());
    h.async_drained(remember());
    CHECK_FALSE(outcome);  // never from within
    context.settle();
    CHECK(outcome == weir::error_code{});

    h.async_sleep(1s, remember());
    context.pass(999ms);
    CHECK_FALSE(outcome);
    context.pass(2ms);  // the wheel's resolution is a millisecond
    CHECK(outcome == weir::error_code{});

    h.async_closed(remember());
    h.abort();
    context.settle();
    CHECK(outcome == weir::error_code{});
    CHECK(reason == error::closed);
    CHECK_FALSE(h.is_open());
    CHECK(wire->closed);
}

TEST_CASE_METHOD(test::session_fixture, "session_handle: expires, and one that was moved from is not open",
                 "[io][session_handle]") {
    handle first{*this};
    first.begin();
    first.expires_after(1s);
    handle h{std::move(first)};
    CHECK_FALSE(first.is_open());
    h.async_closed(remember());
    context.pass(1s + 1ms);
    CHECK_FALSE(h.is_open());
    wire->end();
    context.settle();
    CHECK(reason == error::expired);
    CHECK(h.stats().queued_messages == 0);
    CHECK(&h.stream() == &h.session().stream());
}

TEST_CASE_METHOD(test::session_fixture, "session_handle: the answer to a handshake is written, or it was a refusal",
                 "[io][session_handle]") {
    handle h{*this};
    h.begin();
    auto refused = remember();
    h.async_answered<decltype(refused)>(error::not_found, refused);
    CHECK_FALSE(outcome);
    context.settle();
    CHECK(outcome == error::not_found);
    auto written = remember();
    h.async_answered<decltype(written)>(error::none, written);
    context.settle();
    CHECK(outcome == weir::error_code{});
    h.abort();
}

// SPDX-License-Identifier: BSL-1.0

#include <weir/session/machine_core.hpp>

#include <weir/sans_io.hpp>

#include <chrono>
#include <memory>

#include "catch.hpp"
#include "support/fake_host.hpp"

using test::t0;
using weir::error;
using waiter = weir::detail::waiter;

TEST_CASE("machine core: an operation that nobody waits for tells how it ended", "[session][machine_core]") {
    weir::detail::immediate<waiter> w{waiter::kind::send};
    CHECK_FALSE(w.ended);
    w.complete(error::slow_reader, {});
    CHECK(w.ended);
    CHECK(w.result == error::slow_reader);
}

TEST_CASE("machine core: a loop drives whichever machine it has", "[session][machine_core]") {
    auto out = std::make_unique<weir::sse_machine<>>();
    CHECK(out->begin(weir::sse::framing::plain, t0) == error::none);
    CHECK(out->comment("hello", t0) == error::none);
    const std::unique_ptr<weir::machine> any = std::move(out);
    CHECK(any->is_open());
    CHECK_FALSE(any->drained());
    CHECK(weir::as_text(any->output(t0)) == ": hello\n\n");
    any->written(9, t0);
    CHECK(any->drained());
    CHECK(any->output(t0).empty());
}

TEST_CASE("machine core: a machine that never began can be closed", "[session][machine_core]") {
    weir::sse_machine<> out;
    CHECK_FALSE(out.wants_read());
    CHECK_FALSE(out.wants_write());
    CHECK_FALSE(out.closed());
    CHECK(out.deadline() == weir::never);
    out.close(t0);
    CHECK(out.closed());
}

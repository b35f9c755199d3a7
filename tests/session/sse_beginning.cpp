// SPDX-License-Identifier: BSL-1.0

#include <weir/session/sse_beginning.hpp>

#include <weir/policy/framing.hpp>
#include <weir/sans_io.hpp>

#include <string>
#include <vector>

#include "catch.hpp"
#include "support/driven_machine.hpp"

using test::event_request;
using test::t0;
using weir::error;

namespace {

template <class Machine>
std::string answer(Machine& out, const weir::request_view& request, const weir::sse::accept_options& options = {}) {
    static_cast<void>(out.accept(request, t0, options));
    return std::string{weir::as_text(out.output(t0))};
}

}  // namespace

TEST_CASE("sse beginning: the framing is the policy's choice", "[session][sse_beginning]") {
    weir::sse_machine chunked, plain{weir::close_delimited{}};
    CHECK(answer(chunked, event_request).find("Transfer-Encoding: chunked\r\n") != std::string::npos);
    CHECK(answer(plain, event_request).find("Transfer-Encoding") == std::string::npos);
}

TEST_CASE("sse beginning: the connection is announced to end with the stream, and with a refusal",
          "[session][sse_beginning]") {
    weir::sse_machine stream, stopped;
    CHECK(answer(stream, event_request).find("Connection: close\r\n") != std::string::npos);
    const std::string refusal = answer(stopped, event_request, {.stop = true});
    CHECK(refusal.starts_with("HTTP/1.1 204 "));
    CHECK(refusal.find("Connection: close\r\n") != std::string::npos);
}

TEST_CASE("sse beginning: an id that cannot be trusted is refused, the stream is not", "[session][sse_beginning]") {
    auto fields = std::vector(test::event_fields.begin(), test::event_fields.end());
    fields.push_back({"Last-Event-ID", "\xff"});
    auto request = event_request;
    request.fields = fields;
    weir::sse_machine out;
    CHECK(out.accept(request, t0) == error::none);
    CHECK(out.last_event_id_refused());
    CHECK_FALSE(out.last_event_id().number());
}

TEST_CASE("sse beginning: it happens once", "[session][sse_beginning]") {
    weir::sse_machine out;
    CHECK(out.begin(weir::sse::framing::plain, t0, "7") == error::none);
    CHECK(out.last_event_id().number() == 7u);
    CHECK(out.begin(weir::sse::framing::plain, t0) == error::closed);
    CHECK(out.accept(event_request, t0) == error::closed);
}

// SPDX-License-Identifier: BSL-1.0

#include <weir/io/sse_core.hpp>

#include <array>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "catch.hpp"
#include "support/memory_stream.hpp"
#include "support/virtual_context.hpp"

namespace {

using namespace std::chrono_literals;
using namespace std::string_view_literals;
namespace http = weir::http;
namespace sse = weir::sse;
namespace detail = weir::detail;
using stream = test::direct_memory_stream<>;
using weir::error;

template <class... Policies>
struct core final : detail::sse_core<stream, Policies...> {
    using detail::sse_core<stream, Policies...>::sse_core;
};

struct fixture {
    test::virtual_context context;
    std::shared_ptr<test::wire> wire = std::make_shared<test::wire>();

    template <class... Policies>
    auto make(Policies... policies) {
        using type = core<Policies...>;
        return detail::counted_ptr<type>{
            new type{stream{context.context(), wire}, weir::policy_set<Policies...>{policies...}}};
    }
    std::string_view body() const {
        const std::string_view all = wire->written;
        return all.substr(all.find("\r\n\r\n") + 4);
    }
    bool head_has(std::string_view text) const {
        return wire->written.substr(0, wire->written.find("\r\n\r\n")).find(text) != std::string::npos;
    }
};

template <class Core>
error send(Core& c, const weir::sse_event& event) {
    return c.send(sse::encoder{event, c.framing()}, {});
}

const weir::request_view get{.method = "GET", .target = "/events"};

}  // namespace

TEST_CASE_METHOD(fixture, "sse_core: a request is answered by a head and a comment, then events", "[io][sse]") {
    const auto session = make();
    CHECK(send(*session, {.data = "early"}) == error::not_accepted);
    CHECK(session->accept(get, {}) == error::none);
    CHECK(send(*session, {.data = "x"}) == error::none);
    CHECK(wire->written.empty());
    context.settle();
    CHECK(wire->writes == 1);
    CHECK(head_has("200 OK"));
    CHECK(head_has("Content-Type: text/event-stream"));
    CHECK(head_has("Transfer-Encoding: chunked"));
    CHECK(session->framing() == sse::framing::chunked);
    CHECK(body() == "3\r\n:\n\n\r\n9\r\ndata: x\n\n\r\n");
    session->close(error::none);
    context.settle();
    CHECK(wire->written.ends_with("\r\n0\r\n\r\n"));
    wire->end();
    context.settle();
}

TEST_CASE_METHOD(fixture, "sse_core: the framing policy, and HTTP/1.0, have a stream end with its connection",
                 "[io][sse]") {
    const auto check = [&](auto session, const weir::request_view& request) {
        CHECK(session->accept(request, {}) == error::none);
        CHECK(session->framing() == sse::framing::plain);
        send(*session, {.data = "x"});
        session->close(error::none);
        context.settle();
        CHECK_FALSE(head_has("Transfer-Encoding"));
        CHECK(body() == ":\n\ndata: x\n\n");
        CHECK(wire->said_goodbye);
        wire->end();
        context.settle();
    };
    SECTION("asked for") { check(make(weir::close_delimited{}), get); }
    SECTION("HTTP/1.0") { check(make(), {.method = "GET", .target = "/events", .version = http::version::http_1_0}); }
    SECTION("chunks asked for, of HTTP/1.0") {
        check(make(weir::chunk_framing{}), {.method = "GET", .target = "/", .version = http::version::http_1_0});
    }
}

TEST_CASE_METHOD(fixture, "sse_core: a request that is refused is answered, and its connection ended", "[io][sse]") {
    const auto session = make();
    CHECK(session->accept({.method = "PUT", .target = "/events"}, {}) == error::method_not_allowed);
    CHECK(session->state() == detail::phase::closing);
    CHECK(send(*session, {.data = "x"}) == error::closed);
    std::optional<weir::error_code> why;
    session->start_closed(session->make_waiter<detail::waiter::kind::closed>(
        [&](weir::error_code, weir::error_code reason) { why = reason; }));
    context.settle();
    CHECK(head_has("405"));
    CHECK(wire->said_goodbye);
    CHECK_FALSE(wire->closed);
    SECTION("by the peer") { wire->end(); }
    SECTION("by this side") { context.pass(6s); }
    context.settle();
    CHECK(wire->closed);
    REQUIRE(why);
    CHECK(*why == error::method_not_allowed);
}

TEST_CASE_METHOD(fixture, "sse_core: a refusal that nobody reads does not wait for ever", "[io][sse]") {
    wire->room = 10;
    const auto session = make(weir::stall_after{0ms});
    CHECK(session->accept(get, {.stop = true}) == error::stop_requested);
    context.pass(29s);
    CHECK_FALSE(wire->closed);
    context.pass(2s);
    CHECK(wire->closed);
}

TEST_CASE_METHOD(fixture, "sse_core: a session is begun once", "[io][sse]") {
    const auto session = make();
    SECTION("accepted") { CHECK(session->accept(get, {}) == error::none); }
    SECTION("begun") { CHECK(session->begin(sse::framing::plain, {}) == error::none); }
    SECTION("refused") { CHECK(session->accept({.method = "PUT", .target = "/"}, {}) == error::method_not_allowed); }
    SECTION("ended") { session->close(error::none); }
    CHECK(session->accept(get, {}) == error::closed);
    CHECK(session->begin(sse::framing::plain, {}) == error::closed);
    CHECK(session->accept({.method = "PUT", .target = "/"}, {}) == error::closed);
    session->terminate(error::closed);
    context.settle();
}

TEST_CASE_METHOD(fixture, "sse_core: begun without a head, what is written is events alone", "[io][sse]") {
    const auto session = make();
    SECTION("plain") {
        CHECK(session->begin(sse::framing::plain, "41") == error::none);
        send(*session, {.data = "x"});
        context.settle();
        CHECK(wire->written == "data: x\n\n");
    }
    SECTION("chunked") {
        CHECK(session->begin(sse::framing::chunked, "41") == error::none);
        send(*session, {.data = "x"});
        context.settle();
        CHECK(wire->written == "9\r\ndata: x\n\n\r\n");
    }
    CHECK(session->last_event_id() == "41");
    session->terminate(error::closed);
}

TEST_CASE_METHOD(fixture, "sse_core: the client's last id is kept, as it was when it was read", "[io][sse]") {
    const auto session = make();
    CHECK(session->last_event_id().empty());
    {
        std::string id = "epoch-17";
        const std::array fields{http::field_view{"Last-Event-ID", id}};
        CHECK(session->accept({.method = "GET", .target = "/", .fields = fields}, {}) == error::none);
        id.assign(8, '?');
    }
    CHECK(session->last_event_id() == "epoch-17");
    session->terminate(error::closed);
    CHECK(session->last_event_id() == "epoch-17");
}

TEST_CASE_METHOD(fixture, "sse_core: heartbeats are comments, in the stream's framing", "[io][sse]") {
    const auto session = make(weir::comment_every{10s});
    const bool chunked = GENERATE(false, true);
    session->begin(chunked ? sse::framing::chunked : sse::framing::plain, {});
    context.pass(11s);
    CHECK(wire->written == (chunked ? "3\r\n:\n\n\r\n"sv : ":\n\n"sv));
    session->terminate(error::closed);
}

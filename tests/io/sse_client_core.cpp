// SPDX-License-Identifier: BSL-1.0

#include <weir/io/sse_client_core.hpp>

#include <weir/error.hpp>
#include <weir/policy/reconnect.hpp>

#include <chrono>
#include <optional>
#include <string>
#include <utility>

#include "catch.hpp"
#include "support/scripted_server.hpp"
#include "support/virtual_context.hpp"

namespace {

using namespace std::chrono_literals;
namespace script = test::script;
using weir::error;
using weir::error_code;
using weir::detail::counted_ptr;
using weir::detail::sse_client_core;
using received = sse_client_core::received_event;

const std::string head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n";
const std::string stop = "HTTP/1.1 204 No Content\r\n\r\n";

struct fixture {
    fixture(std::vector<script::connection> connections, weir::detail::sse_client_plan plan)
        : server(context, std::move(connections)),
          core(new sse_client_core(context.context().get_executor(), {.reconnect = weir::fixed_delay{1s}, .retry = 0ms},
                                   std::move(plan))) {
        core->handle_with(
            {.on_open = [this] { ++opened; }, .on_retry = [this](error_code why, weir::milliseconds) { lost = why; }});
        core->start(server.url());
    }

    void ask() {
        core->next(weir::detail::keep_handler<error_code, received>(
            [this](error_code ec, received event) {
                if (event) data = event->data;
                if (!event) ended = ec;
            },
            core->get_executor(), [] {}));
    }

    test::virtual_context context;
    test::scripted_server server;
    counted_ptr<sse_client_core> core;
    int opened = 0;
    std::optional<std::string> data;
    std::optional<error_code> lost, ended;
};

}  // namespace

TEST_CASE("sse_client_core: the time of a read counts while an event is asked for", "[io][sse_client]") {
    fixture f{{{script::send{head + "data: a\n\n"}, script::silence{}}, {script::send{stop}}}, {.read_timeout = 5s}};
    f.ask();
    test::run_until(f.context, [&] { return f.data == "a"; });
    f.context.pass(1h);
    CHECK_FALSE(f.lost);
    f.ask();
    f.context.pass(4'900ms);
    CHECK_FALSE(f.lost);
    f.context.pass(200ms);
    test::run_until(f.context, [&] { return f.lost.has_value(); });
    CHECK(f.lost == error::read_timed_out);
}

TEST_CASE("sse_client_core: it waits for the next attempt as long as it has to, and not when told to hurry",
          "[io][sse_client]") {
    fixture f{{{script::send{head}}, {script::send{head}}, {script::send{stop}}}, {}};
    f.ask();
    test::run_until(f.context, [&] { return f.lost.has_value(); });
    CHECK(f.opened == 1);
    f.context.pass(900ms);
    CHECK(f.server.connections() == 1);
    f.lost.reset();
    f.context.pass(200ms);
    test::run_until(f.context, [&] { return f.lost.has_value(); });
    CHECK(f.server.connections() == 2);
    f.core->retry_now();
    test::run_until(f.context, [&] { return f.ended.has_value(); });
    CHECK_FALSE(*f.ended);
    CHECK(f.core->session().end_reason() == error::stop_requested);
}

TEST_CASE("sse_client_core: an attempt has its time, its redirects included", "[io][sse_client]") {
    const std::string redirect = "HTTP/1.1 302 Elsewhere\r\nLocation: /there\r\n\r\n";
    fixture f{{{script::wait{}, script::send{redirect}}, {script::silence{}}, {script::send{stop}}},
              {.connect_timeout = 3s}};
    test::run_until(f.context, [&] { return f.server.waiting() == 1; });
    f.context.pass(2'000ms);
    f.server.proceed();
    test::run_until(f.context, [&] { return f.server.connections() == 2 && f.server.waiting() == 1; });
    f.context.pass(900ms);
    CHECK_FALSE(f.lost);
    f.context.pass(200ms);
    test::run_until(f.context, [&] { return f.lost.has_value(); });
    CHECK(f.lost == error::connect_timed_out);
}

// SPDX-License-Identifier: BSL-1.0
#include <weir/io/hub_loops.hpp>

#include <weir/hub.hpp>
#include <weir/sse_stream.hpp>
#include <weir/ws_stream.hpp>

#include WEIR_ASIO(any_io_executor.hpp)
#include WEIR_ASIO(awaitable.hpp)
#include WEIR_ASIO(co_spawn.hpp)
#include WEIR_ASIO(detached.hpp)
#include WEIR_ASIO(io_context.hpp)
#include WEIR_ASIO(strand.hpp)

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "support/memory_stream.hpp"
#include "support/virtual_context.hpp"

namespace {

namespace net = weir::net;
using weir::subscribed;
using strand = net::strand<net::io_context::executor_type>;
template <class Executor>
using memory_stream = test::direct_memory_stream<Executor>;
template <class Executor>
using event_stream = weir::sse_stream<memory_stream<Executor>, weir::no_heartbeat>;

template <class Executor>
event_stream<Executor> open(const Executor& executor, const std::shared_ptr<test::wire>& wire) {
    event_stream<Executor> out{memory_stream<Executor>{executor, wire}, weir::no_heartbeat{}};
    out.begin(weir::sse::framing::plain);
    return out;
}

std::shared_ptr<test::wire> make_wire() { return std::make_shared<test::wire>(); }

const weir::hub_options without_ids{.resumable = false};

/// Counts those that are made and those that are there.
struct counted_batch final : weir::write_batch {
    counted_batch(std::size_t& made, std::size_t& alive) : there(alive) { ++made, ++there; }
    ~counted_batch() override { --there; }
    void perform(std::span<weir::batched_write>) noexcept override {}

    std::size_t& there;
};

}  // namespace

TEST_CASE("hub_loops: a loop is known for as long as somebody subscribes on it", "[io][hub_loops]") {
    test::virtual_context context;
    std::size_t made = 0, alive = 0;
    weir::hub hub{{.writes = [&] { return std::make_unique<counted_batch>(made, alive); }}};
    const auto executor = context.context().get_executor();
    std::optional first{open(executor, make_wire())}, second{open(executor, make_wire())};
    hub.subscribe(*first, "x");
    hub.subscribe(*second, "y");
    CHECK(made == 1);
    auto apart = open(net::make_strand(context.context()), make_wire());
    hub.subscribe(apart, "x");
    CHECK(made == 2);
    CHECK(alive == 2);
    apart.abort();
    context.settle();
    CHECK(alive == 1);
    first->abort();
    second->abort();
    context.settle();
    CHECK(alive == 0);
    first.emplace(open(executor, make_wire()));
    hub.subscribe(*first, "x");
    CHECK(made == 3);
    first->abort();
    context.settle();
    CHECK(alive == 0);
}

TEST_CASE("hub_loops: a factory that has nothing is as good as none", "[io][hub_loops]") {
    test::virtual_context context;
    weir::hub hub{{.resumable = false, .writes = [] { return std::unique_ptr<weir::write_batch>{}; }}};
    const auto wire = make_wire();
    auto out = open(context.context().get_executor(), wire);
    hub.subscribe(out, "x");
    hub.publish("x", {.data = "1"});
    context.settle();
    CHECK(wire->written == "data: 1\n\n");
    out.abort();
}

TEST_CASE("hub_loops: strands, executors of any type, and several contexts", "[io][hub_loops]") {
    test::virtual_context here, there;
    weir::hub hub{without_ids};
    const auto a = make_wire(), b = make_wire(), c = make_wire(), d = make_wire();
    auto on_strand = open(net::make_strand(here.context()), a);
    auto on_any = open(net::any_io_executor{here.context().get_executor()}, b);
    auto on_context = open(here.context().get_executor(), c);
    auto elsewhere = open(there.context().get_executor(), d);
    for (int i = 0; i != 2; ++i) {
        CHECK(hub.subscribe(on_strand, "x") == subscribed::live);
        CHECK(hub.subscribe(on_any, "x") == subscribed::live);
        CHECK(hub.subscribe(on_context, "x") == subscribed::live);
        CHECK(hub.subscribe(elsewhere, "x") == subscribed::live);
    }
    hub.publish("x", {.data = "1"});
    here.settle();
    for (const auto& wire : {a, b, c}) CHECK(wire->written == "data: 1\n\n");
    CHECK(d->written.empty());
    there.settle();
    CHECK(d->written == "data: 1\n\n");
    on_strand.abort();
    on_any.abort();
    on_context.abort();
    elsewhere.abort();
}

TEST_CASE("hub_loops: more strands than are searched", "[io][hub_loops]") {
    test::virtual_context context;
    weir::hub hub{without_ids};
    std::vector<std::shared_ptr<test::wire>> wires;
    std::vector<event_stream<strand>> sessions;
    for (int i = 0; i != 200; ++i) {
        sessions.push_back(open(net::make_strand(context.context()), wires.emplace_back(make_wire())));
        CHECK(hub.subscribe(sessions.back(), "x") == subscribed::live);
    }
    for (auto& out : sessions) CHECK(hub.subscribe(out, "y") == subscribed::live);
    hub.publish("x", {.data = "1"});
    hub.publish("y", {.data = "2"});
    context.settle();
    for (const auto& wire : wires) CHECK(wire->written == "data: 1\n\ndata: 2\n\n");
    for (auto& out : sessions) out.abort();
    context.settle();
    CHECK(hub.stats().subscribers == 0);
}

TEST_CASE("hub_loops: publishing wakes a loop once, until it has had its turn", "[io][hub_loops]") {
    test::virtual_context context;
    weir::hub hub;
    auto out = open(context.context().get_executor(), make_wire());
    hub.subscribe(out, "x");
    context.settle();
    for (int i = 0; i != 100; ++i) hub.publish("x", {.data = "1"});
    CHECK(context.settle() == 1);
    hub.publish("other", {.data = "1"});
    CHECK(context.settle() == 0);
    out.abort();
}

// ---- who goes first ----

TEST_CASE("hub_loops: a hub that is gone leaves its subscribers open", "[io][hub_loops]") {
    test::virtual_context context;
    const auto wire = make_wire(), kept = make_wire();
    auto out = open(context.context().get_executor(), wire);
    {
        weir::hub hub{without_ids};
        hub.subscribe(out, "x");
        hub.subscribe(open(context.context().get_executor(), kept), "x", {.member = "kept"});
        wire->room = 4;
        kept->room = 4;
        hub.publish("x", {.data = "1"});
        context.settle();
        hub.publish("x", {.data = "2"});
    }
    wire->make_room(test::wire::unlimited);
    kept->make_room(test::wire::unlimited);
    context.settle();
    CHECK(wire->written == "data: 1\n\ndata: 2\n\n");
    CHECK(kept->written == wire->written);
    CHECK(out.is_open());
    out.send({.data = "direct"});
    context.settle();
    CHECK(wire->written.ends_with("data: direct\n\n"));
    CHECK(weir::hub{}.subscribe(out, "x") == subscribed::refused);
    out.abort();
    kept->reset();
    context.settle();
    CHECK(kept->closed);
    CHECK(context.idle());
}

TEST_CASE("hub_loops: sessions that are gone leave nothing behind", "[io][hub_loops]") {
    test::virtual_context context;
    std::size_t made = 0, alive = 0;
    weir::hub hub{{.writes = [&] { return std::make_unique<counted_batch>(made, alive); }}};
    const bool in_pending_turn = GENERATE(false, true);
    {
        auto out = open(context.context().get_executor(), make_wire());
        hub.subscribe(out, "x", {.member = "a"});
        if (in_pending_turn) hub.publish("x", {.data = "1"});
        out.abort();
    }
    hub.publish("x", {.data = "2"});
    context.settle();
    CHECK(hub.stats().subscribers == 0);
    CHECK(hub.members("x").empty());
    CHECK(alive == 0);
    CHECK(context.idle());
}

TEST_CASE("hub_loops: a context that is destroyed takes along sessions, turns, and what they keep", "[io][hub_loops]") {
    const bool hub_first = GENERATE(false, true);
    std::optional<weir::hub> hub{std::in_place, weir::hub_options{.on_presence = [](const weir::presence_change&) {}}};
    std::size_t made = 0, alive = 0;
    std::vector<std::shared_ptr<test::wire>> wires;
    {
        test::virtual_context context;
        const auto executor = context.context().get_executor();
        const auto give_away = [&](std::string_view member) {
            return hub->subscribe(open(executor, wires.emplace_back(make_wire())), "x", {.member = member});
        };
        CHECK(give_away("live") == subscribed::live);
        CHECK(give_away("blocked") == subscribed::live);
        wires.back()->room = 1;
        hub->publish("x", {.data = "1"});
        context.settle();
        CHECK(hub->stats().behind == 1);
        // A coroutine that holds its session, and waits for it.
        net::co_spawn(
            executor,
            [&]() -> net::awaitable<void> {
                auto out = open(executor, wires.emplace_back(make_wire()));
                const std::shared_ptr<counted_batch> held = std::make_shared<counted_batch>(made, alive);
                hub->subscribe(out, {"x", "+"}, {.filter = [held](const auto&) { return true; }});
                co_await out.async_closed(net::use_awaitable);
            },
            net::detached);
        context.settle();
        CHECK(give_away("late") == subscribed::live);  // its turn is still to come, and so is that of its coming
        hub->publish("x", {.data = "2"});
        CHECK(hub->stats().subscribers == 4);
        if (hub_first) hub.reset();
        CHECK(alive == 1);
    }
    CHECK(alive == 0);
    for (const auto& wire : wires) CHECK(wire->closed);
    if (hub_first) return;
    CHECK(hub->stats().subscribers == 0);
    CHECK(hub->stats().behind == 0);
    CHECK(hub->members("x").empty());
    CHECK(hub->publish("x", {.data = "3"}) == 3);

    // Another context, maybe where the first one was.
    test::virtual_context context;
    const auto wire = make_wire();
    auto out = open(context.context().get_executor(), wire);
    CHECK(hub->subscribe(out, "x", {.after = hub->id_of(1)}) == subscribed::recovered);
    context.settle();
    CHECK(wire->written.ends_with("data: 3\n\n"));
    out.abort();
}

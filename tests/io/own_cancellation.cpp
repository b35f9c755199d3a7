// SPDX-License-Identifier: BSL-1.0
#include <weir/io/own_cancellation.hpp>

#include "catch.hpp"

#include WEIR_ASIO(bind_executor.hpp)
#include WEIR_ASIO(io_context.hpp)

#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "support/counting_allocator.hpp"

namespace {

namespace net = weir::net;
namespace own = weir::detail::own_cancellation;
using own::cancellation_type;

}  // namespace

TEST_CASE("own cancellation: what is in the slot is called, until it is cleared", "[io][own_cancellation]") {
    own::cancellation_signal signal;
    signal.emit(cancellation_type::all);  // to nobody
    auto slot = signal.slot();
    CHECK(slot.is_connected());
    CHECK_FALSE(slot.has_handler());
    std::vector<cancellation_type> seen;
    slot.assign([&](cancellation_type type) { seen.push_back(type); });
    CHECK(signal.slot().has_handler());
    signal.emit(cancellation_type::partial);
    signal.emit(cancellation_type::terminal);
    CHECK(seen == std::vector<cancellation_type>{cancellation_type::partial, cancellation_type::terminal});
    slot.clear();
    signal.emit(cancellation_type::all);
    CHECK(seen.size() == 2);
}

TEST_CASE("own cancellation: what is called may clear the slot, and fill it again", "[io][own_cancellation]") {
    own::cancellation_signal signal;
    auto slot = signal.slot();
    std::string log;
    slot.assign([&log, slot, life = std::make_shared<std::string>("first ")](cancellation_type) mutable {
        slot.assign([&log](cancellation_type) { log += "second"; });
        log += *life;
    });
    signal.emit(cancellation_type::all);
    signal.emit(cancellation_type::all);
    CHECK(log == "first second");
}

TEST_CASE("own cancellation: a slot of nobody's is not connected", "[io][own_cancellation]") {
    own::cancellation_slot none;
    CHECK_FALSE(none.is_connected());
    CHECK_FALSE(none.has_handler());
    none.clear();
    const auto handler = [] {};
    CHECK_FALSE(own::get_associated_cancellation_slot(handler).is_connected());
}

TEST_CASE("own cancellation: types are sets", "[io][own_cancellation]") {
    CHECK((cancellation_type::all & cancellation_type::partial) == cancellation_type::partial);
    CHECK((cancellation_type::terminal & cancellation_type::total) == cancellation_type::none);
}

TEST_CASE("own cancellation: a handler with a slot keeps its executor and its allocator", "[io][own_cancellation]") {
    own::cancellation_signal signal;
    net::io_context mine, otherwise;
    test::allocation_count count;
    int called_with = 0;
    const auto plain = own::bind_cancellation_slot(signal.slot(), [] {});
    CHECK(net::get_associated_executor(plain, otherwise.get_executor()) == otherwise.get_executor());

    auto bound = own::bind_cancellation_slot(signal.slot(),
                                             net::bind_executor(mine.get_executor(), [&](int n) { called_with = n; }));
    CHECK(net::get_associated_executor(bound, otherwise.get_executor()) == mine.get_executor());
    CHECK(own::get_associated_cancellation_slot(bound).is_connected());
    std::move(bound)(7);
    CHECK(called_with == 7);

    const auto counted = own::bind_cancellation_slot(signal.slot(), test::with_allocator(count, [] {}));
    CHECK(net::get_associated_allocator(counted) == test::counting_allocator<char>{count});
}

TEST_CASE("own cancellation: a token with a slot gives it to its handler", "[io][own_cancellation]") {
    own::cancellation_signal signal;
    bool connected = false;
    int result = 0;
    const auto operation = [&](auto&& token) {
        using token_type = std::remove_cvref_t<decltype(token)>;
        return net::async_initiate<token_type, void(int)>(
            [&connected](auto handler, int n) {
                connected = own::get_associated_cancellation_slot(handler).is_connected();
                std::move(handler)(n);
            },
            token, 7);
    };
    operation([&](int n) { result = n; });
    CHECK(std::exchange(result, 0) == 7);
    CHECK_FALSE(connected);
    operation(own::bind_cancellation_slot(signal.slot(), [&](int n) { result = n; }));
    CHECK(result == 7);
    CHECK(connected);
}

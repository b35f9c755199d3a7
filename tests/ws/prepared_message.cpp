// SPDX-License-Identifier: BSL-1.0

#include <weir/ws/prepared_message.hpp>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "catch.hpp"
#include "support/ws_frames.hpp"

using test::frame;
using weir::ws::message_view;
using weir::ws::prepared_message;

TEST_CASE("RFC 6455 5.2: a prepared message is one unmasked frame", "[ws][prepared_message][rfc6455-5.2]") {
    for (const std::size_t size : {0U, 1U, 125U, 126U, 65535U, 65536U}) {
        const std::string payload(size, 'x');
        CAPTURE(size);
        const prepared_message text{payload}, binary{message_view::binary(payload)};
        CHECK(text.wire() == frame{.code = 1, .payload = payload}.from_server());
        CHECK(binary.wire() == frame{.code = 2, .payload = payload}.from_server());
        CHECK(text.message() == message_view{payload});
        CHECK(binary.message() == message_view::binary(payload));
    }
}

TEST_CASE("prepared_message: writes as an encoder does", "[ws][prepared_message]") {
    const prepared_message prepared{"hello"};
    std::vector<char> memory(prepared.size());
    CHECK(prepared.write(memory.data()) == memory.data() + memory.size());
    CHECK(std::string_view{memory.data(), memory.size()} == prepared.wire());
}

TEST_CASE("prepared_message: copies share the bytes, and keep them", "[ws][prepared_message]") {
    std::optional<prepared_message> original{std::string(1000, 'x')};
    const prepared_message copy = *original;
    CHECK(copy.wire().data() == original->wire().data());
    original.reset();
    CHECK(copy.message() == message_view{std::string(1000, 'x')});
}

// SPDX-License-Identifier: BSL-1.0

#include <weir/session/published_message.hpp>

#include <weir/bytes.hpp>
#include <weir/error.hpp>
#include <weir/policy/lag.hpp>
#include <weir/sse/event.hpp>
#include <weir/time.hpp>
#include <weir/ws/message_codec.hpp>

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <type_traits>
#include <utility>

#include "catch.hpp"
#include "support/ws_frames.hpp"

using namespace std::chrono_literals;
using test::operator""_hex;
using weir::hub_event;
using weir::message_format;
using weir::published_message;
using weir::time_point;
using weir::wire_form;
using weir::detail::deflated_for;

namespace {

constexpr time_point t0 = time_point{} + 1h;

std::shared_ptr<const message_format> format(message_format f) {
    return std::make_shared<const message_format>(std::move(f));
}
const auto plain = format({.epoch = "e"});
const auto with_ids = format({.epoch = "4f1c", .with_ids = true});

/// Compresses into `<bits:message>`, messages of four bytes and more, and nothing else.
struct bracket_codec final : weir::ws::message_codec {
    explicit bracket_codec(std::uint8_t window) : bits(window) {}

    void compress(weir::bytes_view, bool, std::string&) override { FAIL("compresses with a history"); }
    weir::error inflate(weir::bytes_view, bool, std::string&, std::size_t) override { return weir::error::bad_deflate; }
    bool has_history() const noexcept override { return true; }
    void forget_history() noexcept override {}
    void compress_alone(weir::bytes_view message, std::string& out) override {
        ++compressed;
        out.append("<").append(std::to_string(bits)).append(":").append(weir::as_text(message)).append(">");
    }
    std::uint8_t window_bits() const noexcept override { return bits; }
    std::size_t threshold() const noexcept override { return 4; }

    std::uint8_t bits;
    int compressed = 0;
};

}  // namespace

static_assert(!std::is_copy_constructible_v<published_message>);

TEST_CASE("published_message: owns its texts", "[session][published_message]") {
    std::string topic = "prices/EURUSD", name = "price", data{"1.0842\n\0", 8}, key = "last";
    const published_message message{plain,
                                    topic,
                                    {.event = *weir::event_name::parse(name),
                                     .data = data,
                                     .key = key,
                                     .priority = weir::priority::high,
                                     .binary = true},
                                    7,
                                    t0};
    for (std::string* const text : {&topic, &name, &data, &key}) text->assign(text->size(), '?');
    CHECK(message.topic() == "prices/EURUSD");
    CHECK(message.event() == "price");
    CHECK(message.key() == "last");
    CHECK(message.data() == std::string_view{"1.0842\n\0", 8});
    CHECK(message.size() == 13 + 5 + 4 + 8);
    CHECK(message.sequence() == 7);
    CHECK(message.id() == "e-7");
    CHECK(message.binary());
    CHECK(message.priority() == weir::priority::high);
    CHECK(message.published_at() == t0);
}

TEST_CASE("published_message: nothing but a topic is needed", "[session][published_message]") {
    const published_message message{plain, "a", {}, 1, t0};
    CHECK(message.event() == "");
    CHECK(message.key() == "");
    CHECK(message.data() == "");
    CHECK(message.size() == 1);
    CHECK_FALSE(message.binary());
    CHECK(message.priority() == weir::priority::normal);
    CHECK(message.encoded(wire_form::sse_plain) == "data:\n\n");
    CHECK(message.encoded(wire_form::websocket) == "81 00"_hex);
}

TEST_CASE("published_message: as an event, with its id or without", "[session][published_message]") {
    const hub_event event{.event = "tick", .data = "one\ntwo", .key = "never on a wire"};
    const published_message without{plain, "a", event, 12, t0};
    CHECK(without.encoded(wire_form::sse_plain) == "event: tick\ndata: one\ndata: two\n\n");
    CHECK(without.encoded(wire_form::sse_chunked) == "21\r\nevent: tick\ndata: one\ndata: two\n\n\r\n");
    const published_message with{with_ids, "a", event, 12, t0};
    CHECK(with.encoded(wire_form::sse_plain) == "event: tick\nid: 4f1c-12\ndata: one\ndata: two\n\n");
    CHECK(with.encoded(wire_form::sse_chunked) == "2d\r\nevent: tick\nid: 4f1c-12\ndata: one\ndata: two\n\n\r\n");
}

TEST_CASE("published_message: what is in no log has no id for clients to come back with",
          "[session][published_message]") {
    const published_message message{with_ids, "a", {.data = "hello"}, 0, t0};
    CHECK(message.encoded(wire_form::sse_plain) == "data: hello\n\n");
    CHECK(message.encoded(wire_form::sse_chunked) == "d\r\ndata: hello\n\n\r\n");
}

TEST_CASE("published_message: the largest sequence has an id", "[session][published_message]") {
    const published_message message{with_ids, "a", {}, 18'446'744'073'709'551'615U, t0};
    CHECK(message.encoded(wire_form::sse_plain) == "id: 4f1c-18446744073709551615\ndata:\n\n");
}

TEST_CASE("published_message: as a WebSocket message, unmasked, text or binary", "[session][published_message]") {
    const published_message text{with_ids, "a", {.event = "tick", .data = "hi"}, 1, t0};
    CHECK(text.encoded(wire_form::websocket) == "81 02 6869"_hex);
    const published_message binary{with_ids, "a", {.data = "hi", .binary = true}, 1, t0};
    CHECK(binary.encoded(wire_form::websocket) == "82 02 6869"_hex);
    const std::string long_data(126, 'x');
    const published_message longer{with_ids, "a", {.data = long_data}, 1, t0};
    CHECK(longer.encoded(wire_form::websocket) == "81 7e 007e"_hex + long_data);
}

TEST_CASE("published_message: the application says what WebSocket clients get", "[session][published_message]") {
    int asked = 0;
    const auto enveloped = format({.epoch = "e", .websocket_payload = [&](const published_message& m) {
                                       ++asked;
                                       return m.id() + " " + std::string{m.event()} + " " + std::string{m.data()};
                                   }});
    const published_message message{enveloped, "a", {.event = "tick", .data = "hi", .binary = true}, 3, t0};
    CHECK(message.encoded(wire_form::websocket) == "82 0b"_hex + "e-3 tick hi");
    CHECK(message.encoded(wire_form::sse_plain) == "event: tick\ndata: hi\n\n");
    CHECK(asked == 1);
    bracket_codec codec{15};
    CHECK(message.encoded(deflated_for(15), &codec) == "c2 10"_hex + "<15:e-3 tick hi>");
    CHECK(message.data() == "hi");
}

TEST_CASE("published_message: compressed for one size of window and all connections that have it",
          "[session][published_message][rfc7692]") {
    const published_message message{with_ids, "a", {.data = "hello"}, 1, t0};
    bracket_codec codec{9}, same{9}, large{15};
    const std::string_view made = message.encoded(deflated_for(9), &codec);
    CHECK(made == "c1 09"_hex + "<9:hello>");
    CHECK(message.encoded(deflated_for(9), &same).data() == made.data());
    CHECK(message.encoded(deflated_for(15), &large) == "c1 0a"_hex + "<15:hello>");
    CHECK(message.encoded(wire_form::websocket) == "81 05"_hex + "hello");
    CHECK(codec.compressed == 1);
    CHECK(same.compressed == 0);
    CHECK(large.compressed == 1);

    CHECK(deflated_for(9) == wire_form::deflated);
    CHECK(deflated_for(8) == wire_form::deflated);
    CHECK(static_cast<std::size_t>(deflated_for(15)) + 1 == weir::detail::wire_form_count);
}

TEST_CASE("published_message: what is too short for compressing is sent as it is", "[session][published_message]") {
    bracket_codec codec{12};
    const published_message three{with_ids, "a", {.data = "abc"}, 1, t0};
    CHECK(three.encoded(deflated_for(12), &codec) == "81 03 616263"_hex);
    CHECK(codec.compressed == 0);
    const published_message four{with_ids, "a", {.data = "abcd", .binary = true}, 1, t0};
    CHECK(four.encoded(deflated_for(12), &codec) == "c2 09"_hex + "<12:abcd>");
}

TEST_CASE("published_message: each form is encoded once", "[session][published_message]") {
    const published_message message{with_ids, "a", {.data = "hello"}, 1, t0};
    constexpr std::array forms{wire_form::sse_plain, wire_form::sse_chunked, wire_form::websocket};
    std::array<const char*, forms.size()> first{};
    for (std::size_t i = 0; i != forms.size(); ++i) first[i] = message.encoded(forms[i]).data();
    for (std::size_t i = 0; i != forms.size(); ++i) CHECK(message.encoded(forms[i]).data() == first[i]);
    CHECK(first[0] != first[1]);
}

TEST_CASE("published_message: threads that ask at the same time get the same bytes", "[session][published_message]") {
    for (int round = 0; round != 200; ++round) {
        const published_message message{with_ids, "a", {.data = "hello"}, 1, t0};
        std::atomic<int> ready{0};
        std::array<std::string_view, 2> made;
        const auto ask = [&](std::size_t i) {
            ++ready;
            while (ready != 2) std::this_thread::yield();
            made[i] = message.encoded(wire_form::sse_chunked);
        };
        std::thread other{ask, 1};
        ask(0);
        other.join();
        REQUIRE(made[0] == "18\r\nid: 4f1c-1\ndata: hello\n\n\r\n");
        REQUIRE(made[0].data() == made[1].data());
    }
}

TEST_CASE("published_message: expires when its time to live is over", "[session][published_message]") {
    const published_message message{plain, "a", {.time_to_live = 5ms}, 1, t0};
    CHECK_FALSE(message.expired(t0));
    CHECK_FALSE(message.expired(t0 + 5ms - 1ns));
    CHECK(message.expired(t0 + 5ms));
    const published_message lasting{plain, "a", {}, 1, t0};
    CHECK_FALSE(lasting.expired(t0 + 24h * 365));
    const published_message forever{plain, "a", {.time_to_live = weir::milliseconds::max()}, 1, t0};
    CHECK_FALSE(forever.expired(t0 + 24h * 365));
}

TEST_CASE("published_message: is superseded once it has been", "[session][published_message]") {
    const published_message message{plain, "a", {.key = "k"}, 1, t0};
    CHECK_FALSE(message.superseded());
    message.supersede();
    CHECK(message.superseded());
    message.supersede();
    CHECK(message.superseded());
}

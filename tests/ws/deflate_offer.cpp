// SPDX-License-Identifier: BSL-1.0
#include <weir/ws/deflate_offer.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "support/vectors.hpp"

namespace http = weir::http;
namespace ws = weir::ws;
using weir::error;
using ws::deflate_agreement;
using ws::deflate_options;
using namespace std::literals;

namespace {

std::vector<http::field_view> extensions(const std::vector<std::string_view>& lines) {
    std::vector<http::field_view> fields;
    for (const auto& line : lines) fields.push_back({"Sec-WebSocket-Extensions", line});
    return fields;
}

// The server's answer to an offer; "none", or "error".
std::string answer(const std::vector<std::string_view>& offers, const deflate_options& options = {}) {
    const auto result = ws::answer_deflate_offers(extensions(offers), &options);
    if (result.error != error::none) return "error";
    CHECK(result.agreement.has_value() != result.answer.empty());
    return result.agreement ? result.answer : "none";
}

std::string answer(std::string_view offer, const deflate_options& options = {}) {
    return answer(std::vector{offer}, options);
}

std::optional<deflate_agreement> agreed(std::string_view offer, const deflate_options& options = {}) {
    return ws::answer_deflate_offers(extensions({offer}), &options).agreement;
}

// What a client that offered by those options makes of an answer; nothing: it fails.
std::optional<deflate_agreement> checked(std::string_view text, const deflate_options& options = {}) {
    const auto result = ws::check_deflate_answer(extensions({text}), &options);
    CHECK(result.answer.empty());
    CHECK((result.error == error::none) == result.agreement.has_value());
    return result.agreement;
}

bool mentions(std::string_view text, std::string_view word) { return text.find(word) != std::string_view::npos; }

// The options by which a client makes the offer of a vector.
deflate_options options_of(std::string_view offer) {
    const auto element = ws::extension_view::parse(offer);
    const auto parameters = ws::detail::parse_deflate(*element, ws::role::client);
    return {parameters->server_no_context_takeover, parameters->client_no_context_takeover,
            parameters->server_max_window_bits.value_or(15), parameters->client_max_window_bits.value_or(15)};
}

}  // namespace

TEST_CASE("permessage-deflate vectors: what a server is offered", "[ws][deflate][vectors]") {
    std::size_t seen = 0;
    const auto document = test::read_vectors("permessage_deflate.json");
    for (const auto& vector : document.items()) {
        if (vector["side"].text() != "server") continue;
        ++seen;
        CAPTURE(vector["name"].text());
        std::vector<std::string_view> lines;
        if (vector["offer"].is_text()) {
            lines.push_back(vector["offer"].text());
        } else {
            for (const auto& line : vector["offer"].items()) lines.push_back(line.text());
        }
        const auto text = answer(lines);
        REQUIRE(text != "error");
        REQUIRE((text != "none") == vector["accept"].boolean());
        if (text == "none") continue;
        CHECK_FALSE(mentions(text, ","));
        for (const auto parameter : {"server_no_context_takeover"sv, "server_max_window_bits"sv}) {
            CHECK(mentions(text, parameter) == mentions(lines.front(), parameter));
        }
        if (!mentions(lines.front(), "client_max_window_bits")) CHECK_FALSE(mentions(text, "client_max_window_bits"));
    }
    CHECK(seen == 19);
}

TEST_CASE("permessage-deflate vectors: what a client is answered", "[ws][deflate][vectors]") {
    std::size_t seen = 0;
    const auto document = test::read_vectors("permessage_deflate.json");
    for (const auto& vector : document.items()) {
        if (vector["side"].text() != "client") continue;
        ++seen;
        CAPTURE(vector["name"].text());
        const bool offers = vector["offer"].is_text();
        const auto options = offers ? options_of(vector["offer"].text()) : deflate_options{};
        const auto fields = extensions({vector["response"].text()});
        const auto result = ws::check_deflate_answer(fields, offers ? &options : nullptr);
        CHECK((result.error == error::none) == vector["accept"].boolean());
        CHECK(result.agreement.has_value() == vector["accept"].boolean());
    }
    CHECK(seen == 12);
}

TEST_CASE("RFC 7692 7.1: with the defaults a server takes any parameters", "[ws][deflate][rfc7692-7.1]") {
    const auto name = "permessage-deflate"s;
    CHECK(answer(name) == name);
    for (const auto flags : {""sv, "; server_no_context_takeover"sv, "; client_no_context_takeover"sv,
                             "; server_no_context_takeover; client_no_context_takeover"sv}) {
        for (unsigned server = 7; server <= 15; ++server) {
            for (unsigned client = 6; client <= 15; ++client) {
                auto offer = name + std::string{flags};
                auto expected = offer;
                if (server >= 8) offer += "; server_max_window_bits=" + std::to_string(server);
                if (server >= 8) expected += "; server_max_window_bits=" + std::to_string(server);
                if (client == 7) offer += "; client_max_window_bits";
                if (client >= 8) offer += "; client_max_window_bits=" + std::to_string(client);
                if (client >= 8 && client < 15) expected += "; client_max_window_bits=" + std::to_string(client);
                CAPTURE(offer);
                CHECK(answer(offer) == expected);
                const deflate_agreement agreement{mentions(flags, "server"), mentions(flags, "client"),
                                                  static_cast<std::uint8_t>(server >= 8 ? server : 15),
                                                  static_cast<std::uint8_t>(client >= 8 ? client : 15)};
                CHECK(agreed(offer) == agreement);
            }
        }
    }
}

TEST_CASE("RFC 7692 7.1.1.1: the server may compress by itself unasked", "[ws][deflate][rfc7692-7.1.1.1]") {
    CHECK(answer("permessage-deflate", {.server_no_context_takeover = true}) ==
          "permessage-deflate; server_no_context_takeover");
    CHECK(agreed("permessage-deflate", {.server_no_context_takeover = true}) == deflate_agreement{true, false, 15, 15});
}

TEST_CASE("RFC 7692 7.1.1.2: the server may have the client compress by itself", "[ws][deflate][rfc7692-7.1.1.2]") {
    CHECK(answer("permessage-deflate", {.client_no_context_takeover = true}) ==
          "permessage-deflate; client_no_context_takeover");
    CHECK(agreed("permessage-deflate; client_no_context_takeover") == deflate_agreement{false, true, 15, 15});
}

TEST_CASE("RFC 7692 7.1.2.1: the server's window is the smaller of both wishes", "[ws][deflate][rfc7692-7.1.2.1]") {
    const deflate_options ten{.server_max_window_bits = 10};
    CHECK(answer("permessage-deflate", ten) == "permessage-deflate; server_max_window_bits=10");
    CHECK(answer("permessage-deflate; server_max_window_bits=9", ten) ==
          "permessage-deflate; server_max_window_bits=9");
    CHECK(answer("permessage-deflate; server_max_window_bits=12", ten) ==
          "permessage-deflate; server_max_window_bits=10");
}

TEST_CASE("RFC 7692 7.1.2.2: the client's window is limited only if it offers that", "[ws][deflate][rfc7692-7.1.2.2]") {
    const deflate_options ten{.client_max_window_bits = 10};
    CHECK(answer("permessage-deflate", ten) == "permessage-deflate");
    CHECK(agreed("permessage-deflate", ten)->client_max_window_bits == 15);
    CHECK(answer("permessage-deflate; client_max_window_bits", ten) == "permessage-deflate; client_max_window_bits=10");
    CHECK(agreed("permessage-deflate; client_max_window_bits", ten)->client_max_window_bits == 10);
    CHECK(answer("permessage-deflate; client_max_window_bits=9", ten) ==
          "permessage-deflate; client_max_window_bits=9");
    CHECK(answer("permessage-deflate; client_max_window_bits=12", ten) ==
          "permessage-deflate; client_max_window_bits=10");
}

TEST_CASE("deflate options: bits out of range are the nearest, and 0 is no limit", "[ws][deflate]") {
    for (const auto& [wanted, taken] : {std::pair{0, 15}, {1, 8}, {7, 8}, {8, 8}, {15, 15}, {16, 15}, {255, 15}}) {
        const auto bits = static_cast<std::uint8_t>(wanted);
        const deflate_options options{.server_max_window_bits = bits, .client_max_window_bits = bits};
        const auto agreement = agreed("permessage-deflate; client_max_window_bits", options);
        CAPTURE(wanted);
        CHECK(agreement->server_max_window_bits == taken);
        CHECK(agreement->client_max_window_bits == taken);
    }
}

TEST_CASE("RFC 7692 7.1: an offer that cannot be taken is passed over, not refused", "[ws][deflate][rfc7692-7.1]") {
    for (const auto parameters : {"foo"sv,
                                  "server_max_window_bits"sv,
                                  "server_max_window_bits=7"sv,
                                  "server_max_window_bits=16"sv,
                                  "server_max_window_bits=0"sv,
                                  "server_max_window_bits=08"sv,
                                  "server_max_window_bits=010"sv,
                                  "server_max_window_bits=+10"sv,
                                  "server_max_window_bits=10.0"sv,
                                  "server_max_window_bits=0xa"sv,
                                  "server_max_window_bits=1e1"sv,
                                  "server_max_window_bits=100"sv,
                                  "server_max_window_bits=4294967306"sv,
                                  "server_max_window_bits=\"07\""sv,
                                  "client_max_window_bits=7"sv,
                                  "client_max_window_bits=16"sv,
                                  "client_max_window_bits=09"sv,
                                  "client_max_window_bits=true"sv,
                                  "server_no_context_takeover=1"sv,
                                  "server_no_context_takeover=true"sv,
                                  "client_no_context_takeover=0"sv,
                                  "Server_No_Context_Takeover"sv,
                                  "server_no_context_takeover; server_no_context_takeover"sv,
                                  "client_no_context_takeover; client_no_context_takeover"sv,
                                  "server_max_window_bits=10; server_max_window_bits=10"sv,
                                  "client_max_window_bits; client_max_window_bits"sv,
                                  "client_max_window_bits=8; client_max_window_bits"sv,
                                  "server_no_context_takeover; foo"sv}) {
        CAPTURE(parameters);
        const auto bad = "permessage-deflate; " + std::string{parameters};
        CHECK(answer(bad) == "none");
        CHECK(answer(bad + ", permessage-deflate; server_max_window_bits=9") ==
              "permessage-deflate; server_max_window_bits=9");
        CHECK_FALSE(checked(bad));
    }
}

TEST_CASE("RFC 7692 5.1: the first acceptable offer is taken, and only one", "[ws][deflate][rfc7692-5.1]") {
    CHECK(answer("permessage-deflate; server_max_window_bits=10, permessage-deflate") ==
          "permessage-deflate; server_max_window_bits=10");
    CHECK(answer({"x-other"sv, "permessage-deflate; foo"sv, "permessage-deflate; client_max_window_bits=9"sv}) ==
          "permessage-deflate; client_max_window_bits=9");
    CHECK(answer("x-webkit-deflate-frame") == "none");
    CHECK(answer(std::vector<std::string_view>{}) == "none");
}

TEST_CASE("RFC 6455 9.1: quotes and escapes around a number are not part of it", "[ws][deflate][rfc6455-9.1]") {
    CHECK(answer(R"(permessage-deflate; server_max_window_bits="10")") ==
          "permessage-deflate; server_max_window_bits=10");
    CHECK(answer(R"(permessage-deflate; server_max_window_bits="1\0")") ==
          "permessage-deflate; server_max_window_bits=10");
    CHECK(answer(R"(permessage-deflate; server_max_window_bits="\08")") == "none");
    CHECK(checked(R"(permessage-deflate; server_max_window_bits="9")") == deflate_agreement{false, false, 9, 15});
}

TEST_CASE("RFC 6455 9.1: a grammar error anywhere undoes it all", "[ws][deflate][rfc6455-9.1]") {
    for (const auto offer : {"permessage-deflate, x;"sv, "permessage-deflate; server_max_window_bits="sv, ""sv}) {
        CAPTURE(offer);
        CHECK(answer(offer) == "error");
        const auto result = ws::answer_deflate_offers(extensions({offer}), nullptr);
        CHECK(result.error == error::bad_extension);
        CHECK_FALSE(result.agreement);
        CHECK(ws::check_deflate_answer(extensions({offer}), nullptr).error == error::bad_extension);
    }
}

TEST_CASE("RFC 6455 9.1: compression that is not spoken is not answered", "[ws][deflate][rfc6455-9.1]") {
    const auto result = ws::answer_deflate_offers(extensions({"permessage-deflate"}), nullptr);
    CHECK(result.error == error::none);
    CHECK_FALSE(result.agreement);
    CHECK(result.answer.empty());
}

TEST_CASE("RFC 7692 7.1: the offer says what the client wants", "[ws][deflate][rfc7692-7.1]") {
    CHECK(ws::deflate_offer({}) == "permessage-deflate; client_max_window_bits");
    CHECK(ws::deflate_offer({.server_max_window_bits = 0, .client_max_window_bits = 0}) == ws::deflate_offer({}));
    CHECK(ws::deflate_offer({true, true, 10, 3}) ==
          "permessage-deflate; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=10; "
          "client_max_window_bits=8");
}

TEST_CASE("RFC 7692 7.1: what the answer says holds", "[ws][deflate][rfc7692-7.1]") {
    CHECK(checked("permessage-deflate") == deflate_agreement{});
    CHECK(checked("permessage-deflate; server_no_context_takeover") == deflate_agreement{true, false, 15, 15});
    CHECK(checked("permessage-deflate; client_no_context_takeover") == deflate_agreement{false, true, 15, 15});
    CHECK(checked("permessage-deflate; server_max_window_bits=8; client_max_window_bits=9") ==
          deflate_agreement{false, false, 8, 9});
    CHECK(checked("permessage-deflate; client_max_window_bits=15") == deflate_agreement{});
}

TEST_CASE("RFC 7692 7.1.1.2, 7.1.2.2: what the client declared holds without an answer", "[ws][deflate][rfc7692-7.1]") {
    const deflate_options options{.client_no_context_takeover = true, .client_max_window_bits = 11};
    CHECK(checked("permessage-deflate", options) == deflate_agreement{false, true, 15, 11});
    CHECK(checked("permessage-deflate; client_max_window_bits=9", options) == deflate_agreement{false, true, 15, 9});
    CHECK_FALSE(checked("permessage-deflate; client_max_window_bits=12", options));
}

TEST_CASE("RFC 7692 7.1.1.1, 7.1.2.1: what the client asked for must be granted", "[ws][deflate][rfc7692-7.1]") {
    CHECK_FALSE(checked("permessage-deflate", {.server_no_context_takeover = true}));
    CHECK_FALSE(checked("permessage-deflate", {.server_max_window_bits = 10}));
    CHECK_FALSE(checked("permessage-deflate; server_max_window_bits=11", {.server_max_window_bits = 10}));
    CHECK(checked("permessage-deflate; server_max_window_bits=10", {.server_max_window_bits = 10}));
}

TEST_CASE("RFC 6455 4.1: an extension that was not offered fails the connection", "[ws][deflate][rfc6455-4.1]") {
    CHECK_FALSE(checked("x-foo"));
    CHECK_FALSE(checked("x-foo, permessage-deflate"));
    CHECK_FALSE(checked("permessage-deflate, permessage-deflate; foo"));
    CHECK(ws::check_deflate_answer(extensions({"permessage-deflate"}), nullptr).error == error::bad_extension);
    const deflate_options options;
    const auto twice = extensions({"permessage-deflate", "permessage-deflate"});
    CHECK(ws::check_deflate_answer(twice, &options).error == error::bad_extension);
    for (const auto* offered : {&options, static_cast<const deflate_options*>(nullptr)}) {
        const auto none = ws::check_deflate_answer({}, offered);
        CHECK(none.error == error::none);
        CHECK_FALSE(none.agreement);
    }
}

TEST_CASE("RFC 7692 7.1: our server and our client agree, whatever both want", "[ws][deflate][rfc7692-7.1]") {
    const auto options = [](unsigned n) {
        const auto bits = [](unsigned i) { return static_cast<std::uint8_t>(i == 0 ? 15 : i * 4); };
        return deflate_options{(n & 1) != 0, (n & 2) != 0, bits(n / 4 % 4), bits(n / 16)};
    };
    for (unsigned server = 0; server < 64; ++server) {
        for (unsigned client = 0; client < 64; ++client) {
            const auto theirs = options(client);
            const auto ours = options(server);
            const auto offer = ws::deflate_offer(theirs);
            const auto answered = ws::answer_deflate_offers(extensions({offer}), &ours);
            CAPTURE(offer, answered.answer);
            REQUIRE(answered.agreement);
            CHECK(checked(answered.answer, theirs) == answered.agreement);
        }
    }
}

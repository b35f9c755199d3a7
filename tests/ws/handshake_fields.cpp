// SPDX-License-Identifier: BSL-1.0
#include <weir/ws/handshake_fields.hpp>

#include <array>
#include <cstddef>
#include <string>
#include <string_view>

#include "catch.hpp"

namespace ws = weir::ws;
using namespace std::literals;

TEST_CASE("RFC 6455 1.3: the key of the example is answered as there", "[ws][handshake][rfc6455-1.3]") {
    std::array<std::byte, 16> random{};
    const auto text = "the sample nonce"sv;
    for (std::size_t i = 0; i < random.size(); ++i) random[i] = static_cast<std::byte>(text[i]);
    CHECK(ws::make_key(random) == "dGhlIHNhbXBsZSBub25jZQ==");
    CHECK(ws::accept_value("dGhlIHNhbXBsZSBub25jZQ==") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

TEST_CASE("RFC 6455 4.2.1: a key is 16 bytes in base64", "[ws][handshake][rfc6455-4.2.1]") {
    static_assert(ws::is_key("dGhlIHNhbXBsZSBub25jZQ=="));
    CHECK(ws::is_key("++++++++++++++++++++++=="));
    CHECK(ws::is_key("//////////////////////=="));
    for (const auto key : {""sv, "=="sv, "dGhlIHNhbXBsZSBub25jZQ"sv, "dGhlIHNhbXBsZSBub25jZQ="sv,
                           "dGhlIHNhbXBsZSBub25jZQ==="sv, "dGhlIHNhbXBsZSBub25jZQ= "sv, "dGhlIHNhbXBsZSBub25jZQQ="sv,
                           "dGhlIHNhbXBsZSBub25jZQQQ"sv, "dGhlIHNhbXBsZSBub25jZ==="sv, "-_hlIHNhbXBsZSBub25jZQ=="sv,
                           "dGhlIHNh\0XBsZSBub25jZQ=="sv, "dGhlIHNh bXBsZSBub25jZQ=="sv, "dGhlIHNh bXBsZSBub25jZ=="sv,
                           "dGhl=HNhbXBsZSBub25jZQ=="sv, "\xff\xffhlIHNhbXBsZSBub25jZQ=="sv, "eHh4eHh4eHh4eHh4eHh4"sv,
                           "eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHg="sv}) {
        CAPTURE(key);
        CHECK_FALSE(ws::is_key(key));
    }
}

TEST_CASE("RFC 4648 3.5: bits left over in a key's last digit do not matter", "[ws][handshake][rfc6455-4.2.1]") {
    CHECK(ws::is_key("dGhlIHNhbXBsZSBub25jZR=="));
    CHECK(ws::accept_value("dGhlIHNhbXBsZSBub25jZR==") != ws::accept_value("dGhlIHNhbXBsZSBub25jZQ=="));
}

TEST_CASE("RFC 6455 11.3: the handshake's own fields, in any case", "[ws][handshake][rfc6455-11.3]") {
    for (const auto name : {"Upgrade"sv, "connection"sv, "CONTENT-LENGTH"sv, "Transfer-encoding"sv,
                            "Sec-WebSocket-Key"sv, "sec-websocket-accept"sv, "Sec-WebSocket-"sv}) {
        CAPTURE(name);
        CHECK(ws::is_handshake_field(name));
    }
    for (const auto name : {""sv, "Set-Cookie"sv, "Sec-WebSocket"sv, "Sec-Fetch-Mode"sv, "Upgrade-Insecure-Requests"sv,
                            "Content-Type"sv, "X-Sec-WebSocket-Key"sv}) {
        CAPTURE(name);
        CHECK_FALSE(ws::is_handshake_field(name));
    }
}

// SPDX-License-Identifier: BSL-1.0
#include <weir/ws/client_handshake.hpp>

#include <weir/http/request_parser.hpp>
#include <weir/http/url.hpp>
#include <weir/ws/handshake.hpp>

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "catch.hpp"

namespace http = weir::http;
namespace ws = weir::ws;
using weir::error;
using ws::connect_options;
using namespace std::literals;

namespace {

using fields = std::vector<http::field_view>;

constexpr std::string_view key = "dGhlIHNhbXBsZSBub25jZQ==";
constexpr std::string_view plain_request =
    "GET /chat HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n";

ws::upgrade_request_result request(const connect_options& options = {}) {
    return ws::upgrade_request("example.com", "/chat", key, options);
}

// A 101 that is accepted, with the fields of the same names replaced by `changes`; a value of "-" takes a field away.
ws::connect_result check(const fields& changes = {}, const connect_options& options = {}) {
    fields all{
        {"Upgrade", "websocket"}, {"Connection", "Upgrade"}, {"Sec-WebSocket-Accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="}};
    for (const auto& change : changes) std::erase_if(all, [&](const auto& field) { return field.name == change.name; });
    for (const auto& change : changes) {
        if (change.value != "-") all.push_back(change);
    }
    const auto result = ws::check_response({.status = 101, .fields = all}, key, options);
    CHECK(result.status == 101);
    if (result.error != error::none) CHECK((result.subprotocol.empty() && !result.deflate));
    return result;
}

}  // namespace

TEST_CASE("RFC 6455 4.1: the request", "[ws][client_handshake][rfc6455-4.1]") {
    const auto plain = request();
    CHECK(plain.error == error::none);
    CHECK(plain.text == std::string{plain_request} + "\r\n");

    const std::array protocols{"v2.chat"sv, "v1.chat"sv};
    const std::array<http::field_view, 2> extra{{{"Origin", "https://example.com"}, {"Authorization", "Bearer x"}}};
    const ws::deflate_options deflate{.client_max_window_bits = 9};
    const auto full = request({.subprotocols = protocols, .extra_fields = extra, .deflate = &deflate});
    CHECK(full.text == std::string{plain_request} +
                           "Sec-WebSocket-Protocol: v2.chat, v1.chat\r\n"
                           "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits=9\r\n"
                           "Origin: https://example.com\r\nAuthorization: Bearer x\r\n\r\n");
}

TEST_CASE("RFC 9112 11.1: an authority, target or key that cannot be sent", "[ws][client_handshake][rfc9112-11.1]") {
    const auto refused = [](const ws::upgrade_request_result& result) {
        return result.error == error::bad_argument && result.text.empty();
    };
    for (const auto authority : {""sv, "a b"sv, "a\r\nX: y"sv, "user@a"sv, "a/b"sv, "::1"sv, "a\0"sv}) {
        CAPTURE(authority);
        CHECK(refused(ws::upgrade_request(authority, "/", key)));
    }
    for (const auto target : {""sv, "chat"sv, "*"sv, "http://a/"sv, "/a b"sv, "/a\r\nX: y"sv, "/a\n"sv, "/a#b"sv,
                              "/\xc3\xbc"sv, "/\0"sv, " /"sv}) {
        CAPTURE(target);
        CHECK(refused(ws::upgrade_request("a", target, key)));
    }
    for (const auto bad : {""sv, "x"sv, "dGhlIHNhbXBsZSBub25jZQ==\r\nX: y"sv}) {
        CHECK(refused(ws::upgrade_request("a", "/", bad)));
    }
    CHECK(ws::upgrade_request("[::1]:8080", "/?a=b", key).error == error::none);
}

TEST_CASE("RFC 6455 4.1: subprotocols are tokens, each once", "[ws][client_handshake][rfc6455-4.1]") {
    for (const auto& list : {std::vector{""sv}, std::vector{"a b"sv}, std::vector{"a,b"sv},
                             std::vector{"a"sv, "\r\n"sv}, std::vector{"a"sv, "b"sv, "a"sv}}) {
        CHECK(request({.subprotocols = list}).error == error::bad_argument);
    }
    const std::array differing{"a"sv, "A"sv};
    CHECK(request({.subprotocols = differing}).error == error::none);
}

TEST_CASE("RFC 6455 4.1: fields that would break the handshake are refused", "[ws][client_handshake][rfc6455-4.1]") {
    for (const auto& field : {http::field_view{"host", "b"},
                              {"Upgrade", "h2c"},
                              {"connection", "close"},
                              {"Sec-WebSocket-Key", key},
                              {"Sec-WebSocket-Extensions", "x"},
                              {"Content-Length", "1"},
                              {"transfer-encoding", "chunked"},
                              {"X", "a\r\nY: b"},
                              {"X Y", "a"},
                              {"", "a"},
                              {"X", "a\0"sv}}) {
        CAPTURE(field.name, field.value);
        const std::array extra{field};
        CHECK(request({.extra_fields = extra}).error == error::bad_argument);
    }
}

TEST_CASE("RFC 6455 4.1: a 101 that is right", "[ws][client_handshake][rfc6455-4.1]") {
    const auto result = check();
    CHECK(result.error == error::none);
    CHECK(result.subprotocol.empty());
    CHECK_FALSE(result.deflate);
    CHECK(check({{"Upgrade", "WebSocket"}, {"Connection", "keep-alive, UPGRADE"}, {"X", "y"}}).error == error::none);
    CHECK(check({{"Content-Length", "5"}}).error == error::none);  // a 101 has no body, whatever it says. RFC 9112 6.3
}

TEST_CASE("RFC 6455 4.1: another status is HTTP's", "[ws][client_handshake][rfc6455-4.1]") {
    for (const int status : {100, 103, 200, 204, 301, 400, 401, 403, 426, 503, 999}) {
        const auto result = ws::check_response({.status = status}, key);
        CHECK(result.error == error::handshake_rejected);
        CHECK(result.status == status);
    }
}

TEST_CASE("RFC 6455 4.1: a 101 that is not this handshake's", "[ws][client_handshake][rfc6455-4.1]") {
    for (const auto& changes :
         {fields{{"Upgrade", "-"}}, fields{{"Upgrade", ""}}, fields{{"Upgrade", "h2c"}},
          fields{{"Upgrade", "websocket, h2c"}}, fields{{"Upgrade", "websocket"}, {"Upgrade", "websocket"}},
          fields{{"Connection", "-"}}, fields{{"Connection", ""}}, fields{{"Connection", "close"}},
          fields{{"Connection", "upgrades"}}, fields{{"Sec-WebSocket-Accept", "-"}},
          fields{{"Sec-WebSocket-Accept", ""}}, fields{{"Sec-WebSocket-Accept", key}},
          fields{{"Sec-WebSocket-Accept", "S3pPLMBiTxaQ9kYGzzhZRbK+xOo="}},
          fields{{"Sec-WebSocket-Accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=="}},
          fields{{"Sec-WebSocket-Accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="},
                 {"Sec-WebSocket-Accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="}}}) {
        CAPTURE(changes.front().name, changes.front().value);
        CHECK(check(changes).error == error::bad_upgrade_response);
    }
    const fields right{
        {"Upgrade", "websocket"}, {"Connection", "Upgrade"}, {"Sec-WebSocket-Accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="}};
    CHECK(ws::check_response({.status = 101, .version = http::version::http_1_0, .fields = right}, key).error ==
          error::bad_upgrade_response);
    CHECK(ws::check_response({.status = 101, .fields = right}, "AAAAAAAAAAAAAAAAAAAAAA==").error ==
          error::bad_upgrade_response);
}

TEST_CASE("RFC 6455 4.1: a subprotocol that was offered, once, or none", "[ws][client_handshake][rfc6455-4.1]") {
    const std::array protocols{"v2.chat"sv, "v1.chat"sv};
    const connect_options options{.subprotocols = protocols};
    CHECK(check({{"Sec-WebSocket-Protocol", "v1.chat"}}, options).subprotocol == "v1.chat");
    CHECK(check({}, options).error == error::none);
    for (const auto& changes :
         {fields{{"Sec-WebSocket-Protocol", ""}}, fields{{"Sec-WebSocket-Protocol", "v3.chat"}},
          fields{{"Sec-WebSocket-Protocol", "V1.chat"}}, fields{{"Sec-WebSocket-Protocol", "v1.chat, v2.chat"}},
          fields{{"Sec-WebSocket-Protocol", "v1.chat"}, {"Sec-WebSocket-Protocol", "v1.chat"}}}) {
        CHECK(check(changes, options).error == error::bad_subprotocol);
        CHECK(check(changes).error == error::bad_subprotocol);
    }
}

TEST_CASE("RFC 7692 7.1: compression as the answer has it", "[ws][client_handshake][rfc7692-7.1]") {
    const ws::deflate_options deflate;
    const connect_options options{.deflate = &deflate};
    const fields answer{{"Sec-WebSocket-Extensions", "permessage-deflate; server_max_window_bits=10"}};
    CHECK(check(answer, options).deflate == ws::deflate_agreement{false, false, 10, 15});
    CHECK(check({}, options).error == error::none);
    CHECK_FALSE(check({}, options).deflate);
    CHECK(check(answer).error == error::bad_extension);
    CHECK(check({{"Sec-WebSocket-Extensions", "x-foo"}}, options).error == error::bad_extension);
    CHECK(check({{"Sec-WebSocket-Extensions", ""}}, options).error == error::bad_extension);
}

TEST_CASE("handshake: our client and our server, through both parsers", "[ws][client_handshake]") {
    const auto url = http::parse_url("wss://[::1]:8443?room=1");
    const std::array offered{"b"sv, "a"sv}, spoken{"a"sv, "b"sv};
    const ws::deflate_options small{.client_max_window_bits = 9}, any;
    const connect_options options{.subprotocols = offered, .deflate = &small};
    const auto asked = ws::upgrade_request(url->authority, url->target, key, options);

    http::request_parser requests;
    REQUIRE(requests.parse(asked.text) == http::request_parser::status::complete);
    CHECK(requests.request().authority() == "[::1]:8443");
    CHECK(requests.request().target == "/?room=1");
    const auto accepted = ws::handshake(requests.request(), {.subprotocols = spoken, .deflate = &any});
    REQUIRE(accepted.refusal == error::none);

    http::response_parser responses;
    const auto received = accepted.response + "\x81\x02hi";
    REQUIRE(responses.parse(received) == http::response_parser::status::complete);
    CHECK(received.substr(responses.head_size()) == "\x81\x02hi");
    const auto result = ws::check_response(responses.response(), key, options);
    CHECK(result.error == error::none);
    CHECK(result.subprotocol == "a");
    CHECK(result.subprotocol == accepted.subprotocol);
    CHECK(result.deflate == accepted.deflate);
    CHECK(result.deflate == ws::deflate_agreement{false, false, 15, 9});
}

// SPDX-License-Identifier: BSL-1.0
#include <weir/ws/handshake.hpp>

#include <weir/http/request_parser.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "support/vectors.hpp"

namespace http = weir::http;
namespace ws = weir::ws;
using weir::error;
using ws::accept_options;
using namespace std::literals;

namespace {

using fields = std::vector<http::field_view>;

constexpr std::string_view key = "dGhlIHNhbXBsZSBub25jZQ==";
constexpr std::string_view accepted_head =
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n";

// The fields of a request that is accepted, with those of the same names replaced by `changes`; a value of "-" takes a
// field away.
fields request_fields(const fields& changes = {}) {
    fields all{{"Host", "example.com"},
               {"Upgrade", "websocket"},
               {"Connection", "Upgrade"},
               {"Sec-WebSocket-Key", key},
               {"Sec-WebSocket-Version", "13"}};
    for (const auto& change : changes) std::erase_if(all, [&](const auto& field) { return field.name == change.name; });
    for (const auto& change : changes) {
        if (change.value != "-") all.push_back(change);
    }
    return all;
}

ws::handshake_result ask(const fields& changes = {}, const accept_options& options = {},
                         std::string_view method = "GET", http::version version = http::version::http_1_1,
                         std::string_view target = "/chat") {
    const auto all = request_fields(changes);
    return ws::handshake({.method = method, .target = target, .version = version, .fields = all}, options);
}

bool has_line(const ws::handshake_result& result, std::string_view line) {
    const auto head = result.response.substr(0, result.response.find("\r\n\r\n") + 2);
    return head.find("\r\n" + std::string{line} + "\r\n") != std::string::npos;
}

bool mentions(const ws::handshake_result& result, std::string_view text) {
    return result.response.find(text) != std::string::npos;
}

int status_of(const ws::handshake_result& result) { return std::stoi(result.response.substr(9, 3)); }

void check_refused(const ws::handshake_result& result, error why, int status) {
    CHECK(result.refusal == why);
    CHECK(status_of(result) == status);
    CHECK(result.subprotocol.empty());
    CHECK_FALSE(result.deflate);
    CHECK(has_line(result, "Connection: close") != result.keep_alive);
    CHECK_FALSE(mentions(result, "Sec-WebSocket-Accept"));
}

// What the parser and the handshake make of a whole request.
ws::handshake_result answer(std::string_view request, const accept_options& options, bool bytewise) {
    http::request_parser parser;
    auto status = http::request_parser::status::need_more;
    for (std::size_t size = bytewise ? 1 : request.size(); size <= request.size(); ++size) {
        status = parser.parse(request.substr(0, size));
        if (status != http::request_parser::status::need_more) break;
    }
    REQUIRE(status != http::request_parser::status::need_more);
    if (status == http::request_parser::status::complete) return ws::handshake(parser.request(), options);
    return {.refusal = parser.error(),
            .response = http::error_response(parser.error()),
            .subprotocol = {},
            .deflate = {},
            .keep_alive = false};
}

std::vector<std::string_view> texts(const test::json::value& list) {
    std::vector<std::string_view> out;
    for (const auto& item : list.items()) out.push_back(item.text());
    return out;
}

void check_vector(const test::json::value& vector, const ws::handshake_result& result) {
    const auto& statuses = vector["status"].items();
    const auto is_answer = [&](const auto& status) { return status.integer() == status_of(result); };
    CHECK(std::any_of(statuses.begin(), statuses.end(), is_answer));
    if (vector["expect"].text() != "either") CHECK((result.refusal == error::none) == (status_of(result) == 101));
    if (vector["expect"].text() == "upgrade") CHECK(result.refusal == error::none);
    if (vector["expect"].text() == "reject") CHECK(result.refusal != error::none);
    if (vector["accept"].is_text()) CHECK(has_line(result, "Sec-WebSocket-Accept: " + vector["accept"].text()));
    if (vector["absent"].is_array()) {
        for (const auto name : texts(vector["absent"])) CHECK_FALSE(mentions(result, name));
    }
    if (vector["must_headers"].is_array()) {
        for (const auto line : texts(vector["must_headers"])) CHECK(has_line(result, line));
    }
}

const std::array app_origin{"https://app.example"sv};

}  // namespace

TEST_CASE("handshake vectors: whole, and byte by byte", "[ws][handshake][vectors]") {
    std::size_t routed = 0;
    const auto document = test::read_vectors("ws_handshake.json");
    for (const auto& vector : document.items()) {
        CAPTURE(vector["name"].text());
        if (vector["name"].text() == "unknown-resource") continue;  // the router's
        ++routed;
        std::vector<std::string_view> origins;
        if (!vector["config"].is_null()) origins = texts(vector["config"]["allowed_origins"]);
        const auto& request = vector["request"].text();
        const auto whole = answer(request, {.allowed_origins = origins}, false);
        check_vector(vector, whole);
        CHECK(answer(request, {.allowed_origins = origins}, true).response == whole.response);
    }
    CHECK(routed == document.items().size() - 1);
    CHECK(routed > 60);
}

TEST_CASE("RFC 6455 4.2.2: the head of the 101, and nothing after it", "[ws][handshake][rfc6455-4.2.2]") {
    const auto result = ask();
    CHECK(result.refusal == error::none);
    CHECK(result.response == std::string{accepted_head} + "\r\n");
    CHECK(result.subprotocol.empty());
    CHECK_FALSE(result.deflate);
}

TEST_CASE("RFC 9110 7.8: who waits for a 100 gets it before the 101", "[ws][handshake][rfc9110-7.8]") {
    CHECK(ask({{"Expect", "100-continue"}}).response ==
          "HTTP/1.1 100 Continue\r\n\r\n" + std::string{accepted_head} + "\r\n");
    CHECK(status_of(ask({{"Expect", "100-continue"}, {"Upgrade", "h2c"}})) == 426);
}

TEST_CASE("RFC 6455 4.2.1: Upgrade and Connection are lists, in any case", "[ws][handshake][rfc6455-4.2.1]") {
    CHECK(ask({{"Upgrade", "WEBSOCKET"}, {"Connection", "keep-alive, UPGRADE"}}).refusal == error::none);
    CHECK(ask({{"Connection", "keep-alive"}, {"Connection", ",upgrade ,"}}).refusal == error::none);
    CHECK(ask({{"Upgrade", "h2c, websocket"}}).refusal == error::none);
    for (const auto& change : {http::field_view{"Upgrade", "-"},
                               {"Upgrade", ""},
                               {"Upgrade", "websocket/13"},
                               {"Upgrade", "websockets"},
                               {"Upgrade", "\"websocket\""},
                               {"Upgrade", "web socket"},
                               {"Connection", "-"},
                               {"Connection", ""},
                               {"Connection", "close"},
                               {"Connection", "upgraded"}}) {
        CAPTURE(change.name, change.value);
        check_refused(ask({change}), error::bad_upgrade, 426);
    }
}

TEST_CASE("RFC 9110 15.5.22: 426 says what to upgrade to", "[ws][handshake][rfc9110-15.5.22]") {
    for (const auto& result : {ask({{"Upgrade", "-"}}), ask({{"Sec-WebSocket-Version", "8"}})}) {
        CHECK(status_of(result) == 426);
        CHECK(has_line(result, "Upgrade: websocket"));
        CHECK(has_line(result, "Connection: Upgrade"));
        CHECK(has_line(result, "Sec-WebSocket-Version: 13"));
        CHECK(result.keep_alive);
    }
}

TEST_CASE("RFC 6455 4.2.1: only GET, with its case", "[ws][handshake][rfc6455-4.2.1]") {
    for (const auto method : {"POST"sv, "PUT"sv, "OPTIONS"sv, "get"sv, "CONNECT"sv, "PRI"sv, ""sv}) {
        CAPTURE(method);
        const auto result = ask({}, {}, method);
        check_refused(result, error::method_not_allowed, 405);
        CHECK(has_line(result, "Allow: GET"));
    }
    const auto head = ask({}, {}, "HEAD");
    check_refused(head, error::method_not_allowed, 405);
    CHECK(head.response.ends_with("\r\n\r\n"));
}

TEST_CASE("RFC 9110 7.8: an HTTP/1.0 request upgrades nothing", "[ws][handshake][rfc9110-7.8]") {
    const auto result = ask({{"Connection", "keep-alive, Upgrade"}}, {}, "GET", http::version::http_1_0);
    check_refused(result, error::bad_upgrade, 426);
    CHECK_FALSE(result.keep_alive);
}

TEST_CASE("RFC 9113 8.6: HTTP/2 has no 101", "[ws][handshake][rfc9113-8.6]") {
    for (const auto method : {"GET"sv, "CONNECT"sv}) {
        const auto result = ask({}, {}, method, http::version::http_2);
        CHECK(result.refusal == error::unsupported_version);
        CHECK(status_of(result) == 505);
        CHECK_FALSE(mentions(result, "Connection:"));
        CHECK_FALSE(mentions(result, "Upgrade:"));
    }
}

TEST_CASE("RFC 9112 3.2: one Host, and a valid one, whoever has parsed the request", "[ws][handshake][rfc9112-3.2]") {
    for (const auto& changes :
         {fields{{"Host", "-"}}, fields{{"Host", "a"}, {"Host", "a"}}, fields{{"Host", ""}}, fields{{"Host", "a b"}},
          fields{{"Host", "user@a"}}, fields{{"Host", "a,b"}}, fields{{"Host", "a:99999"}}}) {
        check_refused(ask(changes), error::bad_host, 400);
    }
    CHECK(ask({{"Host", "[::1]:8080"}}).refusal == error::none);
    CHECK(ask({}, {}, "GET", http::version::http_1_1, "http://other.example/chat").refusal == error::none);
}

TEST_CASE("handshake: a request with a body is refused, and ends the connection", "[ws][handshake]") {
    CHECK(ask({{"Content-Length", "0"}}).refusal == error::none);
    check_refused(ask({{"Content-Length", "5"}}), error::bad_body, 400);
    check_refused(ask({{"Transfer-Encoding", "chunked"}}), error::bad_body, 400);
    check_refused(ask({{"Content-Length", "5"}, {"Content-Length", "5"}}), error::bad_content_length, 400);
    check_refused(ask({{"Content-Length", "+5"}}), error::bad_content_length, 400);
    check_refused(ask({{"Content-Length", "0"}, {"Transfer-Encoding", "chunked"}}), error::bad_content_length, 400);
    check_refused(ask({{"Transfer-Encoding", "gzip"}}), error::unsupported_coding, 501);
    for (const auto& body :
         {fields{{"Content-Length", "5"}}, fields{{"Transfer-Encoding", "chunked"}}, fields{{"Content-Length", "x"}}}) {
        CHECK_FALSE(ask(body).keep_alive);
        const auto post = ask(body, {}, "POST");
        check_refused(post, error::method_not_allowed, 405);
        CHECK_FALSE(post.keep_alive);
    }
}

TEST_CASE("RFC 6455 4.4: another version is told which one there is", "[ws][handshake][rfc6455-4.4]") {
    for (const auto version : {"0"sv, "7"sv, "8"sv, "12"sv, "14"sv, "99"sv, "100"sv, "255"sv}) {
        CAPTURE(version);
        const auto result = ask({{"Sec-WebSocket-Version", version}});
        check_refused(result, error::unsupported_websocket_version, 426);
        CHECK(has_line(result, "Sec-WebSocket-Version: 13"));
    }
}

TEST_CASE("RFC 6455 4.3, 11.3.5: what is no version, or not one", "[ws][handshake][rfc6455-11.3.5]") {
    for (const auto version : {"-"sv, ""sv, "013"sv, "00"sv, "+13"sv, "-13"sv, "13.0"sv, "0xd"sv, "13, 8"sv, "13,13"sv,
                               "256"sv, "300"sv, "1000"sv, "4294967309"sv, "13 "sv, "\"13\""sv, "a"sv, "13\0"sv}) {
        CAPTURE(version);
        const auto result = ask({{"Sec-WebSocket-Version", version}});
        check_refused(result, error::bad_websocket_version, 400);
        CHECK(has_line(result, "Sec-WebSocket-Version: 13"));
    }
    check_refused(ask({{"Sec-WebSocket-Version", "13"}, {"sec-websocket-version", "13"}}), error::bad_websocket_version,
                  400);
}

TEST_CASE("RFC 6455 4.2.1, 11.3.1: one key, of 16 bytes", "[ws][handshake][rfc6455-11.3.1]") {
    CHECK(ask({{"Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZR=="}}).refusal == error::none);
    for (const auto bad :
         {"-"sv, ""sv, "dGhlIHNhbXBsZSBub25jZQ"sv, "eHh4eHh4eHh4eHh4eHh4"sv, "-_hlIHNhbXBsZSBub25jZQ=="sv,
          "dGhlIHNhbXBsZSBub25jZQ==, dGhlIHNhbXBsZSBub25jZQ=="sv, "dGhlIHNhbXBsZSBub25jZQ==\r\nX: y"sv}) {
        CAPTURE(bad);
        check_refused(ask({{"Sec-WebSocket-Key", bad}}), error::bad_websocket_key, 400);
    }
    check_refused(ask({{"Sec-WebSocket-Key", key}, {"Sec-WebSocket-KEY", key}}), error::bad_websocket_key, 400);
}

TEST_CASE("RFC 6455 4.2.2: the first of our subprotocols that is offered", "[ws][handshake][rfc6455-4.2.2]") {
    const std::array ours{"v2.chat"sv, "v1.chat"sv};
    const auto choose = [&](const fields& offers) { return ask(offers, {.subprotocols = ours}); };
    const auto both = choose({{"Sec-WebSocket-Protocol", "v1.chat, other, v2.chat"}});
    CHECK(both.subprotocol == "v2.chat");
    CHECK(has_line(both, "Sec-WebSocket-Protocol: v2.chat"));
    CHECK(choose({{"Sec-WebSocket-Protocol", "other"}, {"Sec-WebSocket-Protocol", "v1.chat"}}).subprotocol ==
          "v1.chat");
    for (const auto& offers : {fields{}, fields{{"Sec-WebSocket-Protocol", "other"}},
                               fields{{"Sec-WebSocket-Protocol", "V2.CHAT, v2.cha, v2.chatt"}}}) {
        const auto none = choose(offers);
        CHECK(none.refusal == error::none);
        CHECK(none.subprotocol.empty());
        CHECK_FALSE(mentions(none, "Sec-WebSocket-Protocol"));
    }
}

TEST_CASE("RFC 6455 11.3.4: an offer is a list of tokens", "[ws][handshake][rfc6455-11.3.4]") {
    for (const auto offer : {""sv, ","sv, "a b"sv, "a, b/c"sv, "\"a\""sv, "a;q=1"sv, "a, \xc3\xbc"sv, "a\0"sv}) {
        CAPTURE(offer);
        const std::array ours{"a"sv};
        check_refused(ask({{"Sec-WebSocket-Protocol", offer}}, {.subprotocols = ours}), error::bad_subprotocol, 400);
        check_refused(ask({{"Sec-WebSocket-Protocol", offer}}), error::bad_subprotocol, 400);
    }
}

TEST_CASE("RFC 7692 5.1: compression is answered where it is spoken", "[ws][handshake][rfc7692-5.1]") {
    const ws::deflate_options deflate{.server_max_window_bits = 12};
    const fields offer{{"Sec-WebSocket-Extensions", "x-foo, permessage-deflate; client_max_window_bits"}};
    const auto spoken = ask(offer, {.deflate = &deflate});
    CHECK(has_line(spoken, "Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=12"));
    CHECK(spoken.deflate == ws::deflate_agreement{false, false, 12, 15});

    const auto not_spoken = ask(offer);
    CHECK(not_spoken.refusal == error::none);
    CHECK_FALSE(mentions(not_spoken, "Sec-WebSocket-Extensions"));
    CHECK_FALSE(not_spoken.deflate);
    const auto not_offered = ask({}, {.deflate = &deflate});
    CHECK(not_offered.response == std::string{accepted_head} + "\r\n");
}

TEST_CASE("RFC 6455 9.1: extensions with a grammar error are refused, spoken or not", "[ws][handshake][rfc6455-9.1]") {
    const ws::deflate_options deflate;
    for (const auto* options : {&deflate, static_cast<const ws::deflate_options*>(nullptr)}) {
        for (const auto offer : {""sv, "permessage-deflate;"sv, "permessage-deflate, a; =1"sv, "a; b=\"c d\""sv}) {
            check_refused(ask({{"Sec-WebSocket-Extensions", offer}}, {.deflate = options}), error::bad_extension, 400);
        }
    }
}

TEST_CASE("RFC 6455 10.2: the request's own host is always allowed", "[ws][handshake][origin][rfc6455-10.2]") {
    for (const auto origin : {"https://example.com"sv, "http://example.com"sv, "https://EXAMPLE.com:443"sv}) {
        CAPTURE(origin);
        CHECK(ask({{"Origin", origin}}).refusal == error::none);
        CHECK(ask({{"Origin", origin}}, {.allowed_origins = app_origin}).refusal == error::none);
    }
    CHECK(ask({}, {.allowed_origins = app_origin}).refusal == error::none);
    check_refused(ask({{"Origin", "https://other.example"}}), error::origin_refused, 403);
}

TEST_CASE("RFC 6455 10.2: a listed origin is allowed, and nothing like it", "[ws][handshake][origin][rfc6455-10.2]") {
    CHECK(ask({{"Origin", "https://app.example"}}, {.allowed_origins = app_origin}).refusal == error::none);
    for (const auto origin : {""sv, "null"sv, "*"sv, "http://app.example"sv, "https://app.example:8443"sv,
                              "https://app.example/"sv, "https://xapp.example"sv, "https://sub.app.example"sv,
                              "https://app.example.evil.net"sv, "https://app.example@evil.net"sv,
                              "https://evil.net#https://app.example"sv, "https://app.example, https://app.example"sv,
                              "https://App.example"sv, "https://app.example\0"sv, "app.example"sv}) {
        CAPTURE(origin);
        check_refused(ask({{"Origin", origin}}, {.allowed_origins = app_origin}), error::origin_refused, 403);
    }
    const fields twice{{"Origin", "https://app.example"}, {"Origin", "https://app.example"}};
    check_refused(ask(twice, {.allowed_origins = app_origin}), error::origin_refused, 403);
}

TEST_CASE("RFC 6455 10.2: null and every page, only if listed", "[ws][handshake][origin][rfc6455-10.2]") {
    const std::array null{"null"sv};
    CHECK(ask({{"Origin", "null"}}, {.allowed_origins = null}).refusal == error::none);
    CHECK(ask({{"Origin", "https://evil.net"}}, {.allowed_origins = null}).refusal == error::origin_refused);
    const std::array any{"https://app.example"sv, "*"sv};
    for (const auto origin : {"null"sv, "https://evil.net"sv, ""sv}) {
        CHECK(ask({{"Origin", origin}}, {.allowed_origins = any}).refusal == error::none);
    }
}

TEST_CASE("RFC 6455 4.2.2: fields of the application's own go along", "[ws][handshake][rfc6455-4.2.2]") {
    const std::array<http::field_view, 2> extra{{{"Set-Cookie", "a=b"}, {"Server", ""}}};
    const auto result = ask({}, {.extra_fields = extra});
    CHECK(result.response == std::string{accepted_head} + "Set-Cookie: a=b\r\nServer: \r\n\r\n");
    CHECK_FALSE(mentions(ask({{"Upgrade", "-"}}, {.extra_fields = extra}), "Set-Cookie"));
}

TEST_CASE("RFC 9112 11.1: what would be another response is a server error", "[ws][handshake][rfc9112-11.1]") {
    for (const auto& field : {http::field_view{"X", "a\r\nY: b"},
                              {"X\r\nY", "b"},
                              {"", "b"},
                              {"X", "a\0"sv},
                              {"upgrade", "h2c"},
                              {"Connection", "close"},
                              {"Sec-WebSocket-Accept", "x"},
                              {"sec-websocket-anything", "x"},
                              {"Content-Length", "0"},
                              {"Transfer-Encoding", "chunked"}}) {
        const std::array extra{field};
        const auto result = ask({}, {.extra_fields = extra});
        check_refused(result, error::bad_argument, 500);
        CHECK_FALSE(mentions(result, "X"));
    }
}

TEST_CASE("RFC 9112 9.3: a refusal keeps the connection, unless one side wants to end it", "[ws][handshake]") {
    CHECK(ask({{"Sec-WebSocket-Key", "-"}}).keep_alive);
    CHECK_FALSE(ask({{"Sec-WebSocket-Key", "-"}}, {.keep_alive = false}).keep_alive);
    CHECK_FALSE(ask({{"Sec-WebSocket-Key", "-"}, {"Connection", "close, upgrade"}}).keep_alive);
    CHECK(ask({}, {.keep_alive = false}).response == std::string{accepted_head} + "\r\n");
}

TEST_CASE("handshake: long lists are read once", "[ws][handshake]") {
    std::string protocols, extensions, connection;
    for (int i = 0; i < 100'000; ++i) {
        protocols += "p" + std::to_string(i) + ",";
        extensions += "permessage-deflate; server_max_window_bits=16,";
        connection += "x,";
    }
    const ws::deflate_options deflate;
    const std::array ours{"p99999"sv};
    const auto result = ask({{"Sec-WebSocket-Protocol", protocols},
                             {"Sec-WebSocket-Extensions", extensions},
                             {"Connection", connection},
                             {"Connection", "upgrade"}},
                            {.subprotocols = ours, .deflate = &deflate});
    CHECK(result.subprotocol == "p99999");
    CHECK_FALSE(result.deflate);
}

// SPDX-License-Identifier: BSL-1.0

// Whatever a client sends, the answer is one well-formed head; a 101 is one that our own client takes. Whatever a
// server sends is read alike in any pieces, and taken only with the right fields.

#include <weir/http/request_parser.hpp>
#include <weir/http/response_parser.hpp>
#include <weir/http/url.hpp>
#include <weir/ws/client_handshake.hpp>
#include <weir/ws/handshake.hpp>
#include <weir/ws/handshake_fields.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

namespace {

using namespace weir;
using parse_status = http::response_parser::status;

constexpr std::string_view key = "dGhlIHNhbXBsZSBub25jZQ==";

void require(bool condition) {
    if (!condition) std::abort();
}

// A client that speaks the same takes the 101, and draws the same from it.
void check_accepted(const http::request_view& request, const ws::handshake_result& result,
                    const http::response_view& response) {
    const auto asked = *request.fields.find("Sec-WebSocket-Key");
    require(request.method == "GET" && ws::is_key(asked));
    require(response.status == 101);
    require(response.fields.find("Sec-WebSocket-Accept") == ws::accept_value(asked));
    require(!response.fields.contains("Content-Length") && !response.fields.contains("Transfer-Encoding"));
    require(response.fields.find("Sec-WebSocket-Protocol").value_or("") == result.subprotocol);

    const ws::deflate_options any;
    const std::array protocols{std::string_view{result.subprotocol}};
    const auto taken = ws::check_response(
        response, asked,
        {.subprotocols = std::span{protocols}.first(result.subprotocol.empty() ? 0 : 1), .deflate = &any});
    require(taken.error == error::none);
    require(taken.deflate == result.deflate);
}

void check(const http::request_view& request, const ws::accept_options& options) {
    const auto result = ws::handshake(request, options);
    require(result.refusal != error::bad_argument);
    std::string_view text = result.response;
    http::response_parser parser;
    require(parser.parse(text) == parse_status::complete);
    if (parser.response().status == 100) {
        require(result.refusal == error::none && request.expects_continue());
        text.remove_prefix(parser.head_size());
        parser.reset();
        require(parser.parse(text) == parse_status::complete);
    }
    const auto& response = parser.response();
    if (result.refusal == error::none) {
        require(parser.head_size() == text.size());
        return check_accepted(request, result, response);
    }
    require(response.status == http_status_for(result.refusal) && response.status >= 400);
    require(result.subprotocol.empty() && !result.deflate);
    require(response.fields.contains("Upgrade") == (response.status == 426));
    if (request.version != http::version::http_2) {
        require(result.keep_alive != response.fields.has_token("Connection", "close"));
    }
    const auto length = http::parse_content_length(*response.fields.find("Content-Length"));
    require(text.size() == parser.head_size() + (request.method == "HEAD" ? 0 : *length));
}

void check_response(std::string_view text) {
    http::response_parser whole, bytewise;
    const auto result = whole.parse(text);
    auto pieces = parse_status::need_more;
    for (std::size_t size = 0; size <= text.size() && pieces == parse_status::need_more; ++size) {
        pieces = bytewise.parse(text.substr(0, size));
    }
    require(pieces == result && bytewise.error() == whole.error());
    if (result != parse_status::complete) return;

    const auto& response = whole.response();
    require(bytewise.head_size() == whole.head_size() && response.reason == bytewise.response().reason);
    require(response.status >= 100 && response.status <= 999 && http::is_field_value(response.reason));
    require(std::ranges::equal(response.fields, bytewise.response().fields));
    for (const auto& field : response.fields) require(http::is_sendable(field));

    const ws::deflate_options small{.client_max_window_bits = 10};
    const std::array<std::string_view, 2> protocols{"chat", "superchat"};
    const auto taken = ws::check_response(response, key, {.subprotocols = protocols, .deflate = &small});
    require(taken.status == response.status);
    if (taken.error != error::none) return require(taken.subprotocol.empty() && !taken.deflate);
    require(response.status == 101 && response.fields.has_token("Connection", "upgrade"));
    require(response.fields.contains("Sec-WebSocket-Extensions") == taken.deflate.has_value());
    require(!taken.deflate || taken.deflate->client_max_window_bits <= 10);
}

// What parse_url() takes apart, a request can be made of, and our own server reads the same in it.
void check_url(std::string_view text) {
    const auto url = http::parse_url(text);
    if (!url) return;
    const auto request = ws::upgrade_request(url->authority, url->target, key);
    require(request.error == error::none && url->port != 0);
    http::request_parser parser{{.max_head_bytes = 0, .max_target_bytes = 0}};
    require(parser.parse(request.text) == http::request_parser::status::complete);
    require(parser.request().target == url->target && parser.request().authority() == url->authority);
    require(ws::handshake(parser.request()).refusal == error::none);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    // The first byte is the options, the rest a request, a response and a URL.
    const std::array<std::string_view, 2> origins{"https://app.example", (data[0] & 1) != 0 ? "*" : "null"};
    const std::array<std::string_view, 2> protocols{"superchat", "chat"};
    const ws::deflate_options deflate{.server_no_context_takeover = (data[0] & 2) != 0,
                                      .client_no_context_takeover = (data[0] & 4) != 0,
                                      .server_max_window_bits = static_cast<std::uint8_t>(data[0] >> 4),
                                      .client_max_window_bits = static_cast<std::uint8_t>(data[0] >> 3)};
    const ws::accept_options options{.allowed_origins = origins,
                                     .subprotocols = protocols,
                                     .deflate = (data[0] & 8) != 0 ? &deflate : nullptr,
                                     .keep_alive = (data[0] & 128) == 0};
    http::request_parser parser;
    const std::string_view text{reinterpret_cast<const char*>(data) + 1, size - 1};
    if (parser.parse(text) == http::request_parser::status::complete) check(parser.request(), options);
    check_response(text.substr(0, 2048));
    check_url(text);

    // A head that this library's parser would have refused, as somebody else's might hand it over.
    const auto half = text.substr(text.size() / 2);
    const std::array lines{http::field_view{"Host", "a"},
                           http::field_view{"Upgrade", "websocket"},
                           http::field_view{"Connection", "upgrade"},
                           http::field_view{"Sec-WebSocket-Version", "13"},
                           http::field_view{"Sec-WebSocket-Key", (size & 1) != 0 ? key : half},
                           http::field_view{"Sec-WebSocket-Protocol", half},
                           http::field_view{"Sec-WebSocket-Extensions", half},
                           http::field_view{"Origin", half},
                           http::field_view{"Content-Length", half},
                           http::field_view{"Expect", half}};
    check({.method = "GET", .target = text, .fields = std::span{lines}.first(size % (lines.size() + 1))}, options);
    check({.method = "GET", .target = text, .fields = std::span{lines}.subspan(1)}, options);
    return 0;
}

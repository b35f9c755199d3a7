// SPDX-License-Identifier: BSL-1.0

// Whatever a client sends, the answer is one well-formed head, and a last event id is short plain text.

#include <weir/http/request_parser.hpp>
#include <weir/sse/handshake.hpp>
#include <weir/utf8.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

namespace {

using namespace weir;

void require(bool condition) {
    if (!condition) std::abort();
}

// The first line of the head is its status line, every other a field that could be sent; returns the fields.
std::vector<http::field_view> require_head(std::string_view head) {
    require(head.starts_with("HTTP/1.1 "));
    std::vector<http::field_view> fields;
    head.remove_prefix(head.find("\r\n") + 2);
    while (!head.starts_with("\r\n")) {
        const auto line = head.substr(0, head.find("\r\n"));
        const auto colon = line.find(": ");
        require(colon != std::string_view::npos);
        fields.push_back({line.substr(0, colon), line.substr(colon + 2)});
        require(http::is_sendable(fields.back()));
        head.remove_prefix(line.size() + 2);
    }
    return fields;
}

void check(const http::request_view& request, const sse::accept_options& options) {
    const auto result = sse::handshake(request, options);
    const auto end = result.response.find("\r\n\r\n");
    require(end != std::string::npos);
    const auto lines = require_head(std::string_view{result.response}.substr(0, end + 4));
    const http::fields_view fields{lines};
    const auto body = std::string_view{result.response}.substr(end + 4);

    require(result.refusal != error::bad_argument);
    require(fields.count("Access-Control-Allow-Origin") <= 1 && fields.count("Content-Type") <= 1);
    require(!fields.contains("Access-Control-Allow-Credentials") ||
            fields.find("Access-Control-Allow-Origin") == "https://app.example");
    require(fields.contains("Transfer-Encoding") <= (request.version == http::version::http_1_1));
    require(result.keep_alive != fields.has_token("Connection", "close"));
    if (request.method == "HEAD") require(body.empty());
    if (result.refusal == error::none) require(body.find(":\n\n") != std::string_view::npos);

    require(result.last_event_id.size() <= options.max_last_event_id_bytes);
    require(is_plain_utf8(result.last_event_id));
    require(!(result.last_event_id_refused && !result.last_event_id.empty()));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    // The first byte is the options, the rest a request head.
    const std::array<std::string_view, 2> origins{"https://app.example", (data[0] & 4) != 0 ? "*" : "null"};
    const sse::accept_options options{.get = (data[0] & 1) == 0,
                                      .post = (data[0] & 2) != 0,
                                      .allowed_origins = std::span{origins}.first((data[0] & 8) != 0 ? 2 : 0),
                                      .allow_credentials = (data[0] & 16) != 0,
                                      .close_delimited = (data[0] & 32) != 0,
                                      .stop = (data[0] & 64) != 0};
    http::request_parser parser;
    const std::string_view text{reinterpret_cast<const char*>(data) + 1, size - 1};
    if (parser.parse(text) == http::request_parser::status::complete) check(parser.request(), options);

    // A head that this library's parser would have refused, as somebody else's might hand it over.
    const auto half = text.substr(text.size() / 2);
    const std::array lines{http::field_view{"Host", "a"}, http::field_view{"Last-Event-ID", half},
                           http::field_view{"Origin", half}, http::field_view{"Accept", half}};
    check({.method = "GET", .target = text, .fields = std::span{lines}.first(size % 5)}, options);
    return 0;
}

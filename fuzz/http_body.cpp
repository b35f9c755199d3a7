// SPDX-License-Identifier: BSL-1.0

// A body gives the same result however it is cut; and what is accepted as chunked, llhttp decodes to the same bytes.

#include <weir/http/body_decoder.hpp>

#include <llhttp.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

namespace {

using namespace weir;
using status = http::body_decoder::status;

void require(bool condition) {
    if (!condition) std::abort();
}

struct outcome {
    status result = status::need_more;
    error why = error::none;
    std::string body;
    std::size_t rest = 0;
};

outcome decode(http::body_framing framing, std::string_view text, std::size_t step) {
    const http::chunk_limits chunks{.max_extension_bytes = 64, .max_trailer_bytes = 128, .max_trailer_fields = 4};
    http::body_decoder decoder{framing, {.max_body_bytes = 4096, .chunks = chunks}};
    outcome out;
    do {
        auto in = text.substr(0, step);
        const auto offered = in.size();
        out.result = decoder.feed(in, [&](std::string_view piece) { out.body += piece; });
        text.remove_prefix(offered - in.size());
    } while (out.result == status::need_more && !text.empty());
    require(decoder.received() == out.body.size() || out.result == status::failed);
    out.why = decoder.error();
    out.rest = text.size();
    return out;
}

void require_same(const outcome& a, const outcome& b) {
    require(a.result == b.result && a.why == b.why);
    if (a.result != status::failed) require(a.body == b.body && a.rest == b.rest);
}

// llhttp with the same bytes behind a head of its own.
outcome decode_with_llhttp(std::string_view text) {
    outcome out;
    llhttp_settings_t settings;
    llhttp_settings_init(&settings);
    settings.on_body = [](llhttp_t* parser, const char* at, std::size_t size) {
        static_cast<outcome*>(parser->data)->body.append(at, size);
        return 0;
    };
    settings.on_message_complete = [](llhttp_t* parser) {
        static_cast<outcome*>(parser->data)->result = status::complete;
        return static_cast<int>(HPE_PAUSED);
    };
    llhttp_t parser;
    llhttp_init(&parser, HTTP_REQUEST, &settings);
    parser.data = &out;
    const std::string_view head = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    require(llhttp_execute(&parser, head.data(), head.size()) == HPE_OK);
    const auto code = llhttp_execute(&parser, text.data(), text.size());
    if (code != HPE_OK && code != HPE_PAUSED) out.result = status::failed;
    return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    // The first byte is the framing: 0 is chunked, anything else a length.
    const auto framing = data[0] == 0 ? http::body_framing{http::body_kind::chunked, 0}
                                      : http::body_framing{http::body_kind::length, data[0]};
    const std::string_view text{reinterpret_cast<const char*>(data) + 1, size - 1};
    const auto whole = decode(framing, text, size);
    for (const std::size_t step : {1U, 2U, 5U}) require_same(whole, decode(framing, text, step));

    if (framing.kind != http::body_kind::chunked || whole.result == status::failed) return 0;
    const auto consumed = text.substr(0, text.size() - whole.rest);
    const auto theirs = decode_with_llhttp(consumed);
    // llhttp 8.1 refuses some extensions that the grammar has, and acts on a Content-Length among the trailers.
    const bool plain = consumed.find_first_of(";:") == std::string_view::npos;
    if (theirs.result == status::failed)
        require(!plain);
    else
        require(theirs.body == whole.body && theirs.result == whole.result);
    return 0;
}

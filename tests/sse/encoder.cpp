// SPDX-License-Identifier: BSL-1.0

#include <weir/sse/encoder.hpp>

#include <chrono>
#include <string>
#include <string_view>

#include "catch.hpp"

using namespace std::literals;
using weir::event_id;
using weir::milliseconds;
using weir::sse::framing;

namespace {

template <class Encoder>
std::string written(const Encoder& encoder) {
    std::string out;
    weir::sse::append(encoder, out);
    return out;
}

/// Writes between two guards, so that a byte too many or too few is seen.
template <class Encoder>
bool writes_exactly_its_size(const Encoder& encoder) {
    std::string out(encoder.size() + 2, '#');
    const char* const end = encoder.write(out.data() + 1);
    return end == out.data() + 1 + encoder.size() && out.front() == '#' && out.back() == '#';
}

std::string comment(std::string_view text, framing frame = framing::plain) {
    return written(weir::sse::comment_encoder{text, frame});
}

}  // namespace

TEST_CASE("event stream, fields: name, id, retry, data, blank line", "[sse][encoder]") {
    CHECK(weir::sse::encode({.event = "x", .id = "y", .data = "line", .retry = 5ms}) ==
          "event: x\nid: y\nretry: 5\ndata: line\n\n");
    CHECK(weir::sse::encode({.event = "tick", .id = event_id(42), .data = "one"}) ==
          "event: tick\nid: 42\ndata: one\n\n");
    CHECK(weir::sse::encode({.data = "x"}) == "data: x\n\n");
}

TEST_CASE("event stream, data field: split at CR, LF and CRLF", "[sse][encoder]") {
    CHECK(weir::sse::encode({.data = "a\nb\rc\r\nd"}) == "data: a\ndata: b\ndata: c\ndata: d\n\n");
    CHECK(weir::sse::encode({.data = "a\n"}) == "data: a\ndata:\n\n");
    CHECK(weir::sse::encode({.data = "\n"}) == "data:\ndata:\n\n");
    CHECK(weir::sse::encode({.data = "\r\r\n"}) == "data:\ndata:\ndata:\n\n");
    CHECK(weir::sse::encode({.data = "x\n\nevent: forged\ndata: y"}) ==
          "data: x\ndata:\ndata: event: forged\ndata: data: y\n\n");
}

TEST_CASE("event stream, data field: always there, since clients drop a block without it", "[sse][encoder]") {
    CHECK(weir::sse::encode({}) == "data:\n\n");
    CHECK(weir::sse::encode({.event = "ping"}) == "event: ping\ndata:\n\n");
    CHECK(weir::sse::encode({.data = std::string_view{}}) == "data:\n\n");
}

TEST_CASE("event stream, data field: a leading space survives, other bytes are left alone", "[sse][encoder]") {
    CHECK(weir::sse::encode({.data = " x"}) == "data:  x\n\n");
    CHECK(weir::sse::encode({.data = "\0\xff\t\xef\xbb\xbf"sv}) == "data: \0\xff\t\xef\xbb\xbf\n\n"sv);
}

TEST_CASE("event stream, id field: an empty id is written, an absent one is not", "[sse][encoder]") {
    CHECK(weir::sse::encode({.id = "", .data = "x"}) == "id:\ndata: x\n\n");
    CHECK(weir::sse::encode({.id = event_id{}, .data = "x"}) == "data: x\n\n");
}

TEST_CASE("event stream, retry field: digits only", "[sse][encoder]") {
    CHECK(weir::sse::encode({.data = "x", .retry = 0ms}) == "retry: 0\ndata: x\n\n");
    CHECK(weir::sse::encode({.data = "x", .retry = -3s}) == "retry: 0\ndata: x\n\n");
    CHECK(weir::sse::encode({.data = "x", .retry = milliseconds::max()}) == "retry: 9223372036854775807\ndata: x\n\n");
    CHECK(written(weir::sse::retry_encoder{2500ms, framing::plain}) == "retry: 2500\n\n");
    CHECK(written(weir::sse::retry_encoder{-1ms, framing::plain}) == "retry: 0\n\n");
    CHECK(written(weir::sse::id_encoder{"a-7", framing::plain}) == "id: a-7\n\n");
    CHECK(written(weir::sse::id_encoder{weir::event_id{7}, framing::chunked}) == "7\r\nid: 7\n\n\r\n");
    CHECK(written(weir::sse::id_encoder{"", framing::plain}) == "id:\n\n");
    CHECK(written(weir::sse::retry_encoder{2500ms, framing::chunked}) == "d\r\nretry: 2500\n\n\r\n");
}

TEST_CASE("event stream, comments: every line is behind a colon", "[sse][encoder]") {
    CHECK(comment("hello") == ": hello\n\n");
    CHECK(comment("a\r\nb\rdata: forged\n") == ": a\n: b\n: data: forged\n:\n\n");
    CHECK(comment("") == weir::sse::heartbeat(framing::plain));
    CHECK(comment("", framing::chunked) == weir::sse::heartbeat(framing::chunked));
    CHECK(comment("hi", framing::chunked) == "6\r\n: hi\n\n\r\n");
}

TEST_CASE("RFC 9112 7.1: one chunk per block, and the last one", "[sse][encoder][rfc9112-7.1]") {
    CHECK(weir::sse::encode({.data = "x"}, framing::chunked) == "9\r\ndata: x\n\n\r\n");
    CHECK(weir::sse::encode({.data = "12345678"}, framing::chunked) == "10\r\ndata: 12345678\n\n\r\n");
    CHECK(weir::sse::last_chunk(framing::chunked) == "0\r\n\r\n");
    CHECK(weir::sse::last_chunk(framing::plain).empty());
}

TEST_CASE("wire size: 8 bytes over a one-line payload, 14 in chunks; a heartbeat is 3 or 8", "[sse][encoder]") {
    const std::string data(128, 'x');
    CHECK(weir::sse::encoder{{.data = data}, framing::plain}.size() == 136);
    CHECK(weir::sse::encoder{{.data = data}, framing::chunked}.size() == 142);
    CHECK(weir::sse::heartbeat(framing::plain).size() == 3);
    CHECK(weir::sse::heartbeat(framing::chunked).size() == 8);
}

TEST_CASE("encoder: the size is exact for every length and number of lines", "[sse][encoder]") {
    const auto frame = GENERATE(framing::plain, framing::chunked);
    const std::string_view line_end = GENERATE("\n"sv, "\r"sv, "\r\n"sv);
    for (std::size_t size = 0; size < 600; ++size) {
        std::string text(size, 'x');
        CHECK(writes_exactly_its_size(weir::sse::encoder{{.data = text}, frame}));
        CHECK(writes_exactly_its_size(weir::sse::comment_encoder{text, frame}));
        text.insert(size / 2, line_end);
        text.insert(size / 3, line_end);
        CHECK(writes_exactly_its_size(weir::sse::encoder{{.event = "e", .id = event_id(size), .data = text}, frame}));
        CHECK(writes_exactly_its_size(weir::sse::comment_encoder{text, frame}));
        CHECK(writes_exactly_its_size(weir::sse::retry_encoder{milliseconds{size * size}, frame}));
    }
}

TEST_CASE("append: adds to what is there", "[sse][encoder]") {
    std::string out = "before|";
    weir::sse::append(weir::sse::encoder{{.data = "x"}, framing::plain}, out);
    CHECK(out == "before|data: x\n\n");
}

// SPDX-License-Identifier: BSL-1.0

#include <weir/sse/decoder.hpp>

#include <weir/base64.hpp>
#include <weir/sse/encoder.hpp>
#include <weir/utf8.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <ostream>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "../support/allocations.hpp"
#include "../support/vectors.hpp"
#include "catch.hpp"

using namespace std::literals;
using weir::milliseconds;
using weir::sse::decoder;
using weir::sse::decoder_limits;
using weir::sse::framing;
using status = decoder::status;

namespace {

struct event_copy {
    std::string event, data, id;
    bool operator==(const event_copy&) const = default;
};

std::ostream& operator<<(std::ostream& out, const event_copy& e) {
    return out << "{event: " << e.event << ", data: " << e.data << ", id: " << e.id << '}';
}

/// What comes of a stream.
struct result {
    std::vector<event_copy> events;
    std::optional<milliseconds> retry;
    std::string last_event_id;
    weir::error error = weir::error::none;
    bool operator==(const result&) const = default;
};

std::ostream& operator<<(std::ostream& out, const result& r) {
    for (const auto& event : r.events) out << event << ' ';
    return out << "retry: " << (r.retry ? r.retry->count() : -1) << ", last_event_id: " << r.last_event_id
               << ", error: " << message(r.error);
}

using pieces = std::vector<std::string_view>;

pieces bytewise(std::string_view text) {
    pieces cut;
    for (std::size_t i = 0; i < text.size(); ++i) cut.push_back(text.substr(i, 1));
    return cut;
}

pieces split_at(std::string_view text, const std::vector<std::size_t>& offsets) {
    pieces cut;
    std::size_t from = 0;
    for (const std::size_t to : offsets) {
        cut.push_back(text.substr(from, to - from));
        from = to;
    }
    cut.push_back(text.substr(from));
    return cut;
}

/// Each piece is decoded from memory of its own that is gone afterwards, so that a view kept too long is seen.
result decode_with(decoder& decoder, const pieces& cut) {
    result seen;
    for (const std::string_view piece : cut) {
        const std::vector<char> memory(piece.begin(), piece.end());
        seen.error = decoder.feed({memory.data(), memory.size()}, [&](const weir::sse::decoded_event& event) {
            seen.events.push_back({std::string{event.event}, std::string{event.data}, std::string{event.id}});
        });
        if (seen.error != weir::error::none) break;
    }
    seen.retry = decoder.retry();
    seen.last_event_id = decoder.last_event_id();
    return seen;
}

result decode(const pieces& cut, decoder_limits limits = {}, std::string_view id = {}) {
    decoder decoder{limits, id};
    return decode_with(decoder, cut);
}

result decode(std::string_view text, decoder_limits limits = {}) { return decode(pieces{text}, limits); }

std::vector<std::string> data_of(const result& seen) {
    std::vector<std::string> data;
    for (const auto& event : seen.events) data.push_back(event.data);
    return data;
}

struct stream_vector {
    std::string name, input, initial_id;
    pieces given;
    result expected;
};

std::string input_of(const test::json::value& vector) {
    if (vector["input"].is_text()) return vector["input"].text();
    const auto bytes = weir::from_base64(vector["input_b64"].text());
    return std::string{weir::as_text(bytes.value())};
}

pieces chunking_of(const test::json::value& vector, std::string_view input) {
    if (vector["chunking"].is_text()) return vector["chunking"].text() == "bytewise" ? bytewise(input) : pieces{input};
    std::vector<std::size_t> offsets;
    for (const auto& offset : vector["chunking"].items()) offsets.push_back(static_cast<std::size_t>(offset.integer()));
    return split_at(input, offsets);
}

result expected_of(const test::json::value& vector) {
    result expected;
    for (const auto& event : vector["expected"].items()) {
        expected.events.push_back({event["event"].text(), event["data"].text(), event["id"].text()});
    }
    if (!vector["retry"].is_null()) expected.retry = milliseconds{vector["retry"].integer()};
    expected.last_event_id = vector["last_event_id"].text();
    return expected;
}

/// The vectors expect text as browsers show it, the decoder leaves the bytes.
result as_shown(result seen) {
    using weir::replace_malformed;
    for (auto& [event, data, id] : seen.events) {
        event = replace_malformed(event);
        data = replace_malformed(data);
        id = replace_malformed(id);
    }
    seen.last_event_id = replace_malformed(seen.last_event_id);
    return seen;
}

template <class Check>
void for_each_vector(Check check) {
    const auto vectors = test::read_vectors("sse_stream.json");
    REQUIRE(vectors.items().size() > 100);
    for (const auto& vector : vectors.items()) {
        const std::string name = vector["name"].text(), input = input_of(vector);
        const auto& id = vector["initial_last_event_id"];
        INFO(name);
        check(vector, input, id.is_text() ? id.text() : "", expected_of(vector));
    }
}

}  // namespace

TEST_CASE("event stream, vectors: cut as given, whole, and byte by byte", "[sse][decoder][vectors]") {
    for_each_vector([](const auto& vector, const std::string& input, const std::string& id, const result& expected) {
        CHECK(as_shown(decode(chunking_of(vector, input), {}, id)) == expected);
        CHECK(as_shown(decode(pieces{input}, {}, id)) == expected);
        CHECK(as_shown(decode(bytewise(input), {}, id)) == expected);
    });
}

TEST_CASE("event stream, vectors: cut in two at every place", "[sse][decoder][vectors]") {
    for_each_vector([](const auto&, const std::string& input, const std::string& id, const result& expected) {
        if (input.size() > 320) return;
        for (std::size_t at = 0; at <= input.size(); ++at) {
            CAPTURE(at);
            CHECK(as_shown(decode(split_at(input, {at}), {}, id)) == expected);
        }
    });
}

TEST_CASE("event stream, vectors: what follows is seen as well", "[sse][decoder][vectors]") {
    for_each_vector([](const auto&, const std::string& input, const std::string& id, const result& expected) {
        // Ends whatever line and block the vector leaves open, which may bring one event more, and then says goodbye.
        const std::string longer = input + "\n\ndata: trailing\n\n";
        const result seen = as_shown(decode(pieces{longer}, {}, id));
        REQUIRE(seen.events.size() > expected.events.size());
        CHECK(seen.events.back().data == "trailing");
        CHECK(std::equal(expected.events.begin(), expected.events.end(), seen.events.begin()));
        CHECK(as_shown(decode(bytewise(longer), {}, id)) == seen);
    });
}

TEST_CASE("event stream, next: stops right after each event, and leaves the rest", "[sse][decoder]") {
    decoder decoder;
    std::string_view in = "data: 1\n\ndata: 2\r\n\r\n: rest";
    CHECK(decoder.next(in) == status::event);
    CHECK(decoder.event().data == "1");
    CHECK(in == "data: 2\r\n\r\n: rest");
    CHECK(decoder.next(in) == status::event);
    CHECK(decoder.event().data == "2");
    CHECK(in == ": rest");
    CHECK(decoder.next(in) == status::need_more);
    CHECK(in.empty());
    CHECK(decoder.next(in) == status::need_more);
}

TEST_CASE("decoder: an event that lies in one piece is not copied", "[sse][decoder]") {
    const std::string stream = "event: price\ndata: 1.25\n\n";
    decoder decoder;
    std::string_view in = stream;
    REQUIRE(decoder.next(in) == status::event);
    CHECK(decoder.event().data.data() == stream.data() + stream.find("1.25"));
    CHECK(decoder.event().event.data() == stream.data() + stream.find("price"));
}

TEST_CASE("decoder: a copy stands on its own", "[sse][decoder]") {
    decoder first;
    REQUIRE(first.feed("id: 7\ndata: a\nevent: x\nda", [](const auto&) {}) == weir::error::none);
    decoder second = first;
    first.restart();
    std::string_view in = "ta: b\n\n";
    REQUIRE(second.next(in) == status::event);
    CHECK(second.event().data == "a\nb");
    CHECK(second.event().event == "x");
    CHECK(second.event().id == "7");
}

TEST_CASE("event stream, end-of-line: a lone CR at the end of a piece ends the line now", "[sse][decoder]") {
    decoder decoder;
    std::string_view in = "data: a\r\r";
    CHECK(decoder.next(in) == status::event);
    in = "\ndata: b\r";  // the LF belongs to the CR before
    CHECK(decoder.next(in) == status::need_more);
    in = "\n\r\n";
    CHECK(decoder.next(in) == status::event);
    CHECK(decoder.event().data == "b");
}

TEST_CASE("event stream, BOM: the first one only is stripped, on each connection", "[sse][decoder]") {
    const std::string bom = "\xef\xbb\xbf";
    CHECK(data_of(decode(bom + "data: x\n\n")) == std::vector{"x"s});
    CHECK(data_of(decode(bytewise(bom + "data: x\n\n"))) == std::vector{"x"s});
    CHECK(data_of(decode(bom + bom + "data: x\n\n")).empty());
    CHECK(data_of(decode("data: a\n" + bom + "data: b\n\n")) == std::vector{"a"s});
    CHECK(data_of(decode(bom + "\ndata: a\n\n")) == std::vector{"a"s});

    decoder decoder;
    const std::string stream = bom + "data: x\n\n";
    CHECK(data_of(decode_with(decoder, {stream})).size() == 1);
    decoder.restart();
    CHECK(data_of(decode_with(decoder, {stream})).size() == 1);
    CHECK(data_of(decode_with(decoder, {stream})).empty());
}

TEST_CASE("event stream, id field: committed at a blank line only", "[sse][decoder]") {
    decoder decoder;
    decode_with(decoder, {"id: 1\n"});
    CHECK(decoder.last_event_id().empty());
    CHECK(decode_with(decoder, {"\n"}).events.empty());
    CHECK(decoder.last_event_id() == "1");
    decode_with(decoder, {"id: 2\ndata: lost"});
    decoder.restart();
    CHECK(decoder.last_event_id() == "1");
    const auto seen = decode_with(decoder, {"data: next\n\n"});
    CHECK(seen.events == std::vector{event_copy{"message", "next", "1"}});
}

TEST_CASE("event stream, id field: one with NUL is ignored", "[sse][decoder]") {
    const auto seen = decode("id: 1\nid: 2\0x\ndata: a\n\n"sv);
    CHECK(seen.events == std::vector{event_copy{"message", "a", "1"}});
}

TEST_CASE("event stream, retry field: counts when its line ends", "[sse][decoder]") {
    CHECK(decode("retry: 10").retry == std::nullopt);
    CHECK(decode("retry: 10\n").retry == milliseconds{10});
    CHECK(decode("retry: 10\r").retry == milliseconds{10});
    decoder decoder;
    decode_with(decoder, {"retry: 10\n"});
    decoder.restart();
    CHECK(decoder.retry() == milliseconds{10});
}

TEST_CASE("event stream, retry field: digits only, and too many do not wrap", "[sse][decoder]") {
    CHECK(decode("retry: 02000\n").retry == milliseconds{2000});
    CHECK(decode("retry: 7\nretry: 1000x\n").retry == milliseconds{7});
    CHECK(decode("retry: -1\nretry: +1\nretry: 1.5\nretry:\nretry\n").retry == std::nullopt);
    CHECK(decode("retry: 9223372036854775807\n").retry == milliseconds::max());
    CHECK(decode("retry: 9223372036854775808\n").retry == milliseconds::max());
    CHECK(decode("retry: 18446744073709551617\n").retry == milliseconds::max());
    CHECK(decode("retry: " + std::string(500, '9') + "\n").retry == milliseconds::max());
}

TEST_CASE("event stream, end: an event without its blank line is dropped", "[sse][decoder]") {
    decoder decoder;
    CHECK(decode_with(decoder, {"event: e\ndata: lost\nid: 3\ndata: also"}).events.empty());
    decoder.restart();
    CHECK(decode_with(decoder, {"\n\ndata: x\n\n"}).events == std::vector{event_copy{"message", "x", ""}});
}

TEST_CASE("decoder limits: a line may have max_line_bytes, and not one more", "[sse][decoder][limits]") {
    const decoder_limits limits{.max_line_bytes = 10};
    const std::string fits = "data: 1234\n\n", too_long = "data: 0\n\ndata: 12345\n\n";
    for (const auto& cut : {pieces{fits}, bytewise(fits)}) CHECK(decode(cut, limits).error == weir::error::none);
    for (std::size_t at = 0; at <= too_long.size(); ++at) {
        CAPTURE(at);
        const auto seen = decode(split_at(too_long, {at}), limits);
        CHECK(seen.error == weir::error::line_too_long);
        CHECK(data_of(seen) == std::vector{"0"s});
    }
    CHECK(decode(bytewise(too_long), limits) == decode(too_long, limits));
    CHECK(decode("data: 12345", limits).error == weir::error::line_too_long);  // known before the line ends
    CHECK(decode(": 123456789\n", limits).error == weir::error::line_too_long);
}

TEST_CASE("decoder limits: an event may have max_event_bytes, and not one more", "[sse][decoder][limits]") {
    const decoder_limits limits{.max_event_bytes = 5};
    CHECK(data_of(decode("data: 12345\n\ndata: 12\ndata: 45\n\n", limits)) == std::vector{"12345"s, "12\n45"s});
    CHECK(data_of(decode("event: e\nid: i\ndata: abc\n\n", limits)) == std::vector{"abc"s});
    const std::string too_large =
        GENERATE("data: 123456\n\n"s, "data: 12\ndata: 456\n\n"s, "event: e\nid: i\ndata: abcd\n\n"s,
                 "data: abc\nid: ij\nevent: e\n\n"s, "data: 12345\ndata\n\n"s);
    for (std::size_t at = 0; at <= too_large.size(); ++at) {
        CAPTURE(at);
        CHECK(decode(split_at(too_large, {at}), limits).error == weir::error::event_too_large);
    }
}

TEST_CASE("decoder limits: 0 is none", "[sse][decoder][limits]") {
    const std::string line(3 << 20, 'x');
    std::string stream = "data: " + line + "\ndata: " + line + "\n\n";
    CHECK(decode(stream).error == weir::error::line_too_long);
    CHECK(decode(stream, {.max_line_bytes = 0}).error == weir::error::event_too_large);
    CHECK(data_of(decode(stream, {.max_line_bytes = 0, .max_event_bytes = 0})) == std::vector{line + "\n" + line});
}

TEST_CASE("decoder limits: a failure lasts until restart", "[sse][decoder][limits]") {
    decoder decoder{{.max_line_bytes = 10}};
    CHECK(decode_with(decoder, {"id: 1\n\ndata: too long\n\n"}).error == weir::error::line_too_long);
    CHECK(decode_with(decoder, {"data: x\n\n"}).events.empty());
    CHECK(decoder.error() == weir::error::line_too_long);
    decoder.restart();
    CHECK(decoder.error() == weir::error::none);
    CHECK(decode_with(decoder, {"data: x\n\n"}).events == std::vector{event_copy{"message", "x", "1"}});
}

TEST_CASE("decoder: 10 MiB in one line, byte by byte", "[sse][decoder]") {
    const std::string line(10 << 20, 'x');
    const std::string stream = "data: " + line + "\n\n";
    decoder decoder{{.max_line_bytes = 0, .max_event_bytes = 0}};
    const std::size_t before = test::allocations;
    std::size_t events = 0;
    for (const char& byte : stream) {
        decoder.feed({&byte, 1}, [&](const auto& event) { events += event.data == line; });
    }
    CHECK(events == 1);
    CHECK(test::allocations - before < 100);  // buffers grow by a factor: linear in all
}

TEST_CASE("decoder: nothing is allocated per event once the buffers have their size", "[sse][decoder]") {
    const std::string data(200, 'x');
    std::string stream;
    for (std::uint64_t i = 0; i < 100; ++i) {
        weir::sse::append(
            weir::sse::encoder{{.event = "an event name of some length", .id = weir::event_id(i), .data = data},
                               framing::plain},
            stream);
        weir::sse::append(
            weir::sse::encoder{{.id = "an id of more than sixteen bytes", .data = "two\nlines"}, framing::plain},
            stream);
    }
    const std::size_t piece = GENERATE(1U, 7U, 100U, 4096U, 1U << 20);
    decoder decoder;
    std::size_t events = 0;
    const auto run = [&] {
        for (std::string_view rest = stream; !rest.empty(); rest.remove_prefix(std::min(piece, rest.size()))) {
            decoder.feed(rest.substr(0, piece), [&](const auto&) { ++events; });
        }
    };
    run();
    const std::size_t before = test::allocations;
    run();
    const std::size_t after = test::allocations;
    CHECK(after == before);
    CHECK(events == 400);
}

namespace {

std::string random_text(std::mt19937& random, std::string_view alphabet, std::size_t longest) {
    std::string text(random() % (longest + 1), '\0');
    for (char& c : text) c = alphabet[random() % alphabet.size()];
    return text;
}

/// What a client makes of data: the lines, joined with LF.
std::string normalised(std::string_view data) {
    std::string joined;
    weir::sse::for_each_line(data, [&](std::string_view line) { joined.append(line).append("\n"); });
    joined.pop_back();
    return joined;
}

/// The bytes in the chunks of a chunked body, which must be well-formed. RFC 9112 §7.1
std::string without_chunks(std::string_view body) {
    std::string bytes;
    for (std::size_t size = 1; size != 0;) {
        const std::size_t line = body.find("\r\n");
        REQUIRE(line != std::string_view::npos);
        size = std::stoul(std::string{body.substr(0, line)}, nullptr, 16);
        REQUIRE(body.size() >= line + 2 + size + 2);
        bytes += body.substr(line + 2, size);
        REQUIRE(body.substr(line + 2 + size, 2) == "\r\n");
        body.remove_prefix(line + 2 + size + 2);
    }
    CHECK(body.empty());
    return bytes;
}

}  // namespace

TEST_CASE("round trip: random events come back as they were sent, in both framings", "[sse][decoder][encoder]") {
    const auto frame = GENERATE(framing::plain, framing::chunked);
    constexpr auto one_line =
                       "ab :\t\xef\xbb\xbf\xff"
                       "0"sv,
                   any = "ab: \r\n\r\n\0\xef\xbb\xbf"sv;
    std::mt19937 random{2026};
    std::string stream, id;
    result expected;
    for (std::size_t i = 0; i < 2000; ++i) {
        const std::string name = random_text(random, one_line, 12), data = random_text(random, any, 1 + i % 300);
        weir::sse_event event{.event = *weir::event_name::parse(name), .data = data};
        const std::string new_id = random() % 2 == 0 ? std::to_string(random()) : random_text(random, one_line, 6);
        if (random() % 3 == 0) {
            event.id = *weir::event_id::parse(new_id);
            id = new_id;
        }
        if (random() % 5 == 0) event.retry = expected.retry = milliseconds{random()};
        weir::sse::append(weir::sse::encoder{event, frame}, stream);
        weir::sse::append(weir::sse::comment_encoder{data, frame}, stream);
        stream += weir::sse::heartbeat(frame);
        expected.events.push_back({name.empty() ? "message" : name, normalised(data), id});
    }
    expected.last_event_id = id;
    stream += weir::sse::last_chunk(frame);
    if (frame == framing::chunked) stream = without_chunks(stream);
    CHECK(decode(stream) == expected);
    CHECK(decode(bytewise(stream)) == expected);
}

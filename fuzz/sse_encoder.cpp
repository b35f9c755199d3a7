// SPDX-License-Identifier: BSL-1.0

// Whatever is sent, the encoder writes exactly what it measured, and a client sees one event with that content and
// nothing else. The input is cut at its first two NUL bytes into name, id and data; its first byte chooses the rest.

#include <weir/sse/decoder.hpp>
#include <weir/sse/encoder.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace {

using weir::sse::framing;

void require(bool holds) {
    if (!holds) std::abort();
}

std::string_view take_part(std::string_view& rest) {
    const std::string_view part = rest.substr(0, rest.find('\0'));
    rest.remove_prefix(std::min(part.size() + 1, rest.size()));
    return part;
}

/// The block's lines, checked to be exactly as large as announced, in memory without a byte to spare.
template <class Encoder>
std::string block_of(const Encoder& encoder, framing frame) {
    std::vector<char> memory(encoder.size());
    require(encoder.write(memory.data()) == memory.data() + memory.size());
    std::string_view bytes{memory.data(), memory.size()};
    if (frame == framing::plain) return std::string{bytes};
    const std::size_t line = bytes.find("\r\n");
    const std::size_t size = std::stoul(std::string{bytes.substr(0, line)}, nullptr, 16);
    bytes.remove_prefix(line + 2);
    require(bytes.size() == size + 2 && bytes.ends_with("\r\n"));
    return std::string{bytes.substr(0, size)};
}

/// What a client makes of data: the lines, joined with LF.
std::string normalised(std::string_view data) {
    std::string joined;
    for (std::size_t i = 0; i < data.size(); ++i) {
        const bool crlf = data[i] == '\r' && i + 1 < data.size() && data[i + 1] == '\n';
        if (!crlf) joined += data[i] == '\r' ? '\n' : data[i];
    }
    return joined;
}

void check_event(const weir::sse_event& event, framing frame) {
    const std::string block = block_of(weir::sse::encoder{event, frame}, frame);
    weir::sse::decoder decoder{{0, 0}, "before"};
    std::string_view rest = block;
    require(decoder.next(rest) == weir::sse::decoder::status::event && rest.empty());
    const auto seen = decoder.event();
    require(seen.event == (event.event.empty() ? "message" : event.event.text()));
    require(seen.data == normalised(event.data));
    require(seen.id == (event.id.has_value() ? event.id.str() : "before"));
    require(decoder.retry() == event.retry);
}

void check_comment(std::string_view text, framing frame) {
    const std::string block = block_of(weir::sse::comment_encoder{text, frame}, frame);
    weir::sse::decoder decoder{{0, 0}, "before"};
    std::string_view rest = block;
    require(decoder.next(rest) == weir::sse::decoder::status::need_more);
    require(decoder.last_event_id() == "before" && !decoder.retry());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
    if (size == 0) return 0;
    const std::uint8_t choice = bytes[0];
    std::string_view rest{reinterpret_cast<const char*>(bytes) + 1, size - 1};
    const std::string_view name_text = take_part(rest), id_text = take_part(rest);
    const auto name = weir::event_name::parse(name_text);
    const auto id = weir::event_id::parse(id_text);
    require(name.has_value() == (name_text.find_first_of("\r\n") == std::string_view::npos));
    require(id.has_value() == (id_text.find_first_of("\r\n") == std::string_view::npos));

    const auto retry = choice & 4 ? std::optional{weir::milliseconds{size}} : std::nullopt;
    weir::sse_event event{.event = name.value_or(weir::event_name{}), .data = rest, .retry = retry};
    if (choice & 1) event.id = choice & 2 ? weir::event_id(size * choice) : id.value_or(weir::event_id{});
    for (const framing frame : {framing::plain, framing::chunked}) {
        check_event(event, frame);
        check_comment(rest, frame);
    }
    return 0;
}

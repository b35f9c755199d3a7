// SPDX-License-Identifier: BSL-1.0

// Any bytes, cut in any way, decode to the same events within the limits; and what was decoded survives being encoded
// and decoded again. The first two bytes choose the cuts and the limits, the rest is the stream.

#include <weir/sse/decoder.hpp>
#include <weir/sse/encoder.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace {

struct event_copy {
    std::string event, data, id;
    bool operator==(const event_copy&) const = default;
};

struct result {
    std::vector<event_copy> events;
    std::optional<weir::milliseconds> retry;
    std::string last_event_id;
    weir::error error = weir::error::none;
    bool operator==(const result&) const = default;
};

void require(bool holds) {
    if (!holds) std::abort();
}

/// `next_size` says how large the next piece is. Each piece is in memory of its own that is gone afterwards.
template <class NextSize>
result decode(std::string_view stream, weir::sse::decoder_limits limits, NextSize next_size) {
    weir::sse::decoder decoder{limits};
    result seen;
    while (!stream.empty() && seen.error == weir::error::none) {
        const std::string_view piece = stream.substr(0, next_size());
        const std::vector<char> memory(piece.begin(), piece.end());
        seen.error = decoder.feed({memory.data(), memory.size()}, [&](const weir::sse::decoded_event& event) {
            seen.events.push_back({std::string{event.event}, std::string{event.data}, std::string{event.id}});
        });
        stream.remove_prefix(piece.size());
    }
    require(seen.error == decoder.error());
    seen.retry = decoder.retry();
    seen.last_event_id = decoder.last_event_id();
    return seen;
}

result decode_whole(std::string_view stream, weir::sse::decoder_limits limits) {
    return decode(stream, limits, [&] { return stream.size(); });
}

void check_limits(const result& seen, weir::sse::decoder_limits limits) {
    if (limits.max_event_bytes == 0) return;
    for (const auto& event : seen.events) require(event.data.size() <= limits.max_event_bytes);
}

void check_round_trip(const result& seen, weir::sse::framing frame) {
    std::string stream;
    std::vector<event_copy> expected;
    for (const auto& [event, data, id] : seen.events) {
        const auto name = weir::event_name::parse(event);
        const auto event_id = weir::event_id::parse(id);
        require(event_id.has_value());
        require(name.has_value() == (event.find('\0') == std::string::npos));  // a type may come with NUL, an id not
        if (!name) continue;
        expected.push_back({event, data, id});
        const weir::sse_event again{.event = *name, .id = *event_id, .data = data};
        const weir::sse::encoder encoder{again, frame};
        const std::size_t before = stream.size();
        weir::sse::append(encoder, stream);
        require(stream.size() - before == encoder.size());
    }
    if (frame == weir::sse::framing::plain) require(decode_whole(stream, {0, 0}).events == expected);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
    if (size < 2) return 0;
    const std::string_view stream{reinterpret_cast<const char*>(bytes) + 2, size - 2};
    const weir::sse::decoder_limits limits{.max_line_bytes = std::size_t{bytes[1]} & 15,
                                           .max_event_bytes = std::size_t{bytes[1]} >> 4};
    std::minstd_rand random{bytes[0]};
    for (const auto& used : {limits, weir::sse::decoder_limits{0, 0}}) {
        const result whole = decode_whole(stream, used);
        require(decode(stream, used, [] { return std::size_t{1}; }) == whole);
        require(decode(stream, used, [&] { return std::size_t{random() % 40}; }) == whole);
        check_limits(whole, used);
        check_round_trip(whole, weir::sse::framing::plain);
        check_round_trip(whole, weir::sse::framing::chunked);
    }
    return 0;
}

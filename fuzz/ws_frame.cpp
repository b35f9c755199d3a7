// SPDX-License-Identifier: BSL-1.0

// Any bytes as a stream of frames: a header is judged at the same byte however it is cut, and is written again as it
// came; payloads are unmasked, checked as text and read as the reason of a close the same way in any pieces as by the
// plainest code. The first byte chooses the rules, the second one the cuts, the rest is the stream.

#include <weir/utf8_validator.hpp>
#include <weir/ws/close_code.hpp>
#include <weir/ws/frame.hpp>
#include <weir/ws/mask.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace {

namespace ws = weir::ws;

void require(bool holds) {
    if (!holds) std::abort();
}

/// Memory of its own without a byte to spare, so that a sanitizer sees a look beyond it.
std::vector<char> own(std::string_view bytes) { return {bytes.begin(), bytes.end()}; }

ws::header_result decode(std::string_view bytes, ws::frame_rules rules) {
    const std::vector<char> memory = own(bytes);
    return ws::decode_header(weir::as_bytes({memory.data(), memory.size()}), rules);
}

/// A longer input changes nothing once the header is whole or wrong.
void check_cuts(std::string_view stream, ws::frame_rules rules) {
    ws::header_result before;
    for (std::size_t size = 0; size <= std::min(stream.size(), ws::max_header_size + 1); ++size) {
        const ws::header_result now = decode(stream.substr(0, size), rules);
        require(now.consumed == 0 || now.error == weir::error::none);
        require(now.consumed <= size);
        if (before.error != weir::error::none) require(now.error == before.error);
        if (before.consumed != 0) require(now.consumed == before.consumed);
        if (before.consumed == 0 && now.consumed != 0) require(now.consumed == size);
        before = now;
    }
}

void check_written_again(std::string_view header_bytes, const ws::frame_header& header) {
    std::vector<char> memory(ws::encoded_header_size(header.payload_size, header.masked));
    require(ws::write_header(memory.data(), header) == memory.data() + memory.size());
    require(std::string_view{memory.data(), memory.size()} == header_bytes);
}

std::string unmask_plainly(std::string_view payload, const ws::masking_key& key) {
    std::string out{payload};
    for (std::size_t i = 0; i < out.size(); ++i) {
        out[i] = static_cast<char>(static_cast<unsigned char>(out[i]) ^ static_cast<unsigned char>(key[i % 4]));
    }
    return out;
}

std::string check_unmask(std::string_view payload, const ws::masking_key& key, std::minstd_rand& random) {
    const std::string expected = unmask_plainly(payload, key);
    std::vector<char> whole = own(payload), copy(payload.size()), pieces = own(payload);
    ws::apply_mask(std::as_writable_bytes(std::span{whole}), key);
    ws::copy_masked(weir::as_bytes(payload), copy.data(), key);
    ws::masking_key next = key;
    for (std::span<char> rest{pieces}; !rest.empty();) {
        const std::size_t size = std::min<std::size_t>(random() % 200, rest.size());
        next = ws::apply_mask(std::as_writable_bytes(rest.first(size)), next);
        rest = rest.subspan(size);
    }
    require(whole == own(expected) && copy == whole && pieces == whole);
    return expected;
}

bool is_utf8_plainly(std::string_view text) {
    while (!text.empty()) {
        const auto front = weir::detail::front_of(text);
        if (!front.well_formed) return false;
        text.remove_prefix(front.size);
    }
    return true;
}

void check_text(std::string_view text, std::minstd_rand& random) {
    const bool expected = is_utf8_plainly(text);
    require(weir::is_utf8(text) == expected);
    weir::utf8_validator pieces, bytes;
    bool possible_in_pieces = true, possible_bytewise = true;
    for (std::string_view rest = text; !rest.empty();) {
        const std::vector<char> piece = own(rest.substr(0, random() % 80));
        possible_in_pieces = pieces.feed({piece.data(), piece.size()});
        for (const char& c : piece) possible_bytewise = bytes.feed({&c, 1});
        require(possible_in_pieces == possible_bytewise && pieces.complete() == bytes.complete());
        rest.remove_prefix(piece.size());
    }
    require(pieces.complete() == expected);
    require(possible_in_pieces || !expected);
}

void check_close(std::string_view payload) {
    const ws::close_result result = ws::decode_close(weir::as_bytes(payload));
    std::array<std::byte, ws::max_close_size> memory;
    const std::string_view written = weir::as_text(ws::encode_close(result.reason, memory));
    if (result.error != weir::error::none) return require(written.empty());
    require(payload.size() > memory.size() ? payload.starts_with(written) : payload == written);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
    if (size < 2) return 0;
    const ws::frame_rules rules{.masked = (bytes[0] & 1) != 0,
                                .allowed_reserved = static_cast<std::uint8_t>(bytes[0] >> 1 & 7)};
    std::minstd_rand random{bytes[1]};
    std::string_view stream{reinterpret_cast<const char*>(bytes) + 2, size - 2};
    while (!stream.empty()) {
        check_cuts(stream, rules);
        const ws::header_result result = decode(stream, rules);
        if (result.consumed == 0) break;
        check_written_again(stream.substr(0, result.consumed), result.header);
        stream.remove_prefix(result.consumed);
        const std::string_view payload = stream.substr(
            0, static_cast<std::size_t>(std::min<std::uint64_t>(result.header.payload_size, stream.size())));
        const std::string unmasked = check_unmask(payload, result.header.key, random);
        check_text(unmasked, random);
        check_close(unmasked);
        stream.remove_prefix(payload.size());
    }
    return 0;
}

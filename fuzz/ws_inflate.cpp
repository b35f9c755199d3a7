// SPDX-License-Identifier: BSL-1.0

// Any bytes, cut in any way, inflate to the same message or the same error, within the limit; and any bytes survive
// being compressed and inflated again. The first byte chooses the cuts, the second the limit, the third the parameters,
// the rest is the payload.

#include <weir/deflate.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace {

namespace ws = weir::ws;

void require(bool holds) {
    if (!holds) std::abort();
}

struct parameters {
    bool takeover;
    std::uint8_t window_bits;
    int level;

    std::unique_ptr<ws::message_codec> make(ws::role self) const {
        const weir::deflate_frames policy{.level = level, .memory_level = 1};
        return policy.make_codec(self, {!takeover, !takeover, window_bits, window_bits});
    }
};

struct result {
    std::string text;
    weir::error error = weir::error::none;
    bool operator==(const result&) const = default;
};

/// `next_size` says how large the next piece is. Each piece is in memory of its own that is gone afterwards.
template <class NextSize>
result inflate(ws::message_codec& codec, std::string_view payload, std::size_t max_size, NextSize next_size) {
    result seen;
    do {
        const std::string_view piece = payload.substr(0, next_size());
        const std::vector<char> memory(piece.begin(), piece.end());
        payload.remove_prefix(piece.size());
        seen.error =
            codec.inflate(weir::as_bytes({memory.data(), memory.size()}), payload.empty(), seen.text, max_size);
        require(seen.text.size() <= max_size);
        require(seen.text.capacity() <= std::max<std::size_t>(max_size, 64));
    } while (!payload.empty() && seen.error == weir::error::none);
    return seen;
}

/// How much is there at the moment of an error depends on the cuts. So does, with a window smaller than zlib's output,
/// whether zlib notices that a match reaches back too far.
void check_alike(const result& one, const result& other, const parameters& used) {
    const bool strict = used.window_bits == 15;
    if (one.error == weir::error::none && other.error == weir::error::none) require(one.text == other.text);
    if (strict) require(one.error == other.error);
    require(std::string_view{one.text}.starts_with(other.text) || std::string_view{other.text}.starts_with(one.text));
}

void check_inflate(std::string_view payload, std::size_t max_size, const parameters& used, std::minstd_rand& random) {
    const auto whole = used.make(ws::role::server), bytewise = used.make(ws::role::server),
               pieces = used.make(ws::role::server);
    for (int message = 0; message < 2; ++message) {  // the second one may refer to the first one
        const result seen = inflate(*whole, payload, max_size, [&] { return payload.size(); });
        check_alike(seen, inflate(*bytewise, payload, max_size, [] { return std::size_t{1}; }), used);
        check_alike(seen, inflate(*pieces, payload, max_size, [&] { return std::size_t{random() % 40}; }), used);
        if (seen.error != weir::error::none) return;
    }
}

void check_round_trip(std::string_view text, const parameters& used, std::minstd_rand& random) {
    constexpr std::size_t no_limit = std::numeric_limits<std::size_t>::max();
    const auto sender = used.make(ws::role::client), receiver = used.make(ws::role::server);
    for (int message = 0; message < 2; ++message) {
        std::string payload;
        std::string_view rest = text;
        while (random() % 4 != 0) {
            const std::string_view piece = rest.substr(0, random() % 100);
            rest.remove_prefix(piece.size());
            sender->compress(weir::as_bytes(piece), false, payload);
        }
        sender->compress(weir::as_bytes(rest), true, payload);
        require(!payload.empty() && payload.size() < text.size() + text.size() / 8 + 1000);
        const result seen = inflate(*receiver, payload, no_limit, [&] { return std::size_t{random() % 400}; });
        require(seen == result{std::string{text}});
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
    if (size < 3) return 0;
    constexpr std::array<std::size_t, 6> limits{1 << 18, 70'000, 16'384, 100, 1, 0};
    const std::string_view payload{reinterpret_cast<const char*>(bytes) + 3, size - 3};
    const std::size_t max_size = limits[bytes[1] % limits.size()];
    const bool small_window = (bytes[2] & 1) != 0;
    const parameters used{.takeover = (bytes[2] & 2) != 0,
                          .window_bits = static_cast<std::uint8_t>(small_window ? 8 + bytes[2] / 32 : 15),
                          .level = 1 + bytes[2] % 9};
    std::minstd_rand random{bytes[0]};
    check_inflate(payload, max_size, used, random);
    check_round_trip(payload, used, random);
    return 0;
}

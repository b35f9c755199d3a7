// SPDX-License-Identifier: BSL-1.0

// Any bytes as what a peer sends: a connection sees the same in them however they are cut, answers with frames that its
// own kind of peer accepts, closes once, and says nothing afterwards. The first byte chooses the role and the options,
// the second one the cuts, the rest is the stream.

#include <weir/deflate.hpp>
#include <weir/ws/connection.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <memory>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace {

namespace ws = weir::ws;
using weir::error;
using weir::time_point;
using weir::ws::event_kind;

constexpr time_point start{std::chrono::hours{1}};
constexpr std::size_t largest_piece = 600 * 1024;  // of compressed data, as it is inflated in steps

void require(bool holds) {
    if (!holds) std::abort();
}

ws::masking_key plain_key() { return {std::byte{1}, std::byte{2}, std::byte{3}, std::byte{4}}; }

struct settings {
    explicit settings(std::uint8_t bits)
        : self(bits & 1 ? ws::role::client : ws::role::server),
          compressed((bits & 2) != 0),
          pieces((bits & 4) != 0),
          takeover((bits & 8) != 0),
          closing((bits & 16) != 0) {
        options.max_message_bytes = bits & 32 ? 100 : 0;
        options.max_pongs_per_second = bits & 64 ? 2 : 0;
        options.ping_interval = weir::milliseconds{bits & 128 ? 700 : 0};
        options.masking_keys = plain_key;
    }

    ws::role peer() const { return self == ws::role::server ? ws::role::client : ws::role::server; }
    std::unique_ptr<ws::message_codec> codec(ws::role of) const {
        if (!compressed) return nullptr;
        return weir::deflate_frames{}.make_codec(
            of, {.server_no_context_takeover = !takeover, .client_no_context_takeover = !takeover});
    }

    ws::role self;
    bool compressed, pieces, takeover;
    bool closing;  // this side has sent its close frame before anything comes
    ws::connection_options options;
};

struct seen {
    event_kind what;
    std::string payload;
    bool binary, last;
    ws::close_code code;

    bool operator==(const seen&) const = default;
};

struct outcome {
    std::vector<seen> events;  // pieces joined; an unfinished message left out
    error failure = error::none;
    std::string output;
    std::string open;  // a message in pieces that has not ended

    /// A stream that is faulty in two ways may be judged by either of them: it depends on how much is inflated at once.
    bool same_as(const outcome& other, bool compressed) const {
        const bool same_fault =
            compressed ? (failure == error::none) == (other.failure == error::none) : failure == other.failure;
        if (events != other.events || !same_fault) return false;
        return output == other.output || (compressed && failure != error::none);
    }
};

void take(outcome& result, const ws::event& e, const settings& used) {
    require(e.what == event_kind::failed ? e.error != error::none : e.error == error::none);
    if (e.what == event_kind::failed) return;
    seen s{e.what, std::string{e.payload.text()}, e.payload.is_binary(), e.payload.last(), e.code};
    require(s.last || s.what == event_kind::piece);
    require(used.pieces ? s.what != event_kind::message : s.what != event_kind::piece);
    if (s.what == event_kind::message) {
        require(used.options.max_message_bytes == 0 || s.payload.size() <= used.options.max_message_bytes);
        require(s.binary || weir::is_utf8(s.payload));
    }
    if (s.what == event_kind::piece) {
        if (used.compressed) require(s.payload.size() <= largest_piece);
        s.payload.insert(0, std::exchange(result.open, {}));
        if (!s.last) return void(result.open = std::move(s.payload));
        require(s.binary || weir::is_utf8(s.payload));
    }
    result.events.push_back(std::move(s));
}

/// After the end nothing comes, nothing goes, and nothing is due.
void check_silence(ws::connection& c, std::string_view bytes) {
    std::vector<char> memory(bytes.begin(), bytes.end());
    auto in = std::as_writable_bytes(std::span{memory});
    require(!c.receive(in, start) && in.empty());
    require(!c.send("x") && !c.send_piece("x") && !c.ping("x", start));
    require(!c.close(ws::close_code::normal, {}, start));
    c.end(start);
    require(!c.on_time(start + std::chrono::hours{1}));
    require(c.finished() && !c.has_output() && c.deadline() == weir::never);
}

/// Each piece in memory of its own without a byte to spare, so that a sanitizer sees a look beyond it.
template <class NextSize>
outcome listen(std::string_view stream, const settings& used, NextSize&& next_size) {
    outcome result;
    ws::connection c{used.self, used.options, start, used.codec(used.self)};
    c.incoming().read_in_pieces(used.pieces);
    if (used.closing) c.close(ws::close_code::going_away, "bye", start);
    for (std::string_view rest = stream; !rest.empty();) {
        const std::string_view front = rest.substr(0, next_size());
        rest.remove_prefix(front.size());
        std::vector<char> memory(front.begin(), front.end());
        auto in = std::as_writable_bytes(std::span{memory});
        while (const ws::event e = c.receive(in, start)) take(result, e, used);
        require(in.empty());
        result.output += c.take_output();
    }
    // Everything that becomes due, until nothing does.
    result.failure = c.failure();
    for (time_point due = c.deadline(); due != weir::never; due = c.deadline()) {
        const ws::event e = c.on_time(due);
        require(c.deadline() > due);
        require(!e || e.error == error::unresponsive || e.error == error::close_timed_out);
    }
    const bool over = c.close_received() || c.failure() != error::none;
    c.end(start);
    result.output += c.take_output();
    require(over == c.finished());
    if (over) check_silence(c, stream);
    return result;
}

/// What the connection has sent, as its peer reads it: well-formed, at most one close frame, and that the last.
void check_output(const outcome& result, const settings& used) {
    std::string bytes = result.output;
    ws::reader peer{used.peer()};
    auto in = std::as_writable_bytes(std::span{bytes});
    std::size_t pongs = 0;
    while (const ws::event e = peer.next(in, 0, nullptr)) {
        require(e.what == event_kind::pong || e.what == event_kind::ping || e.what == event_kind::close);
        if (e.what == event_kind::pong) ++pongs;
        if (e.what != event_kind::close) continue;
        const bool answers_fault = !used.closing && result.failure != error::none;
        require(!answers_fault || e.code == weir::close_code_for(result.failure));
        require(in.empty());
    }
    const auto pings = static_cast<std::size_t>(std::ranges::count(result.events, event_kind::ping, &seen::what));
    require(pongs <= pings);
    if (used.options.max_pongs_per_second == 0 && !used.closing) require(pongs == pings);
    if (used.closing) require(pongs == 0);
}

/// What it has received, sent back by a connection of the peer's kind and heard once more.
void check_echo(const outcome& result, const settings& used) {
    ws::connection peer{used.peer(), used.options, start, used.codec(used.peer())};
    outcome expected;
    for (const seen& s : result.events) {
        if (s.what != event_kind::message && s.what != event_kind::piece) continue;
        require(peer.send({s.payload, s.binary}));
        expected.events.push_back(s);
    }
    const std::string stream = peer.take_output();
    const outcome again = listen(stream, used, [] { return std::numeric_limits<std::size_t>::max(); });
    require(again.events == expected.events);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
    if (size < 2) return 0;
    const settings used{bytes[0]};
    const std::string_view stream{reinterpret_cast<const char*>(bytes) + 2, size - 2};
    std::minstd_rand random{bytes[1]};

    const outcome whole = listen(stream, used, [] { return std::numeric_limits<std::size_t>::max(); });
    require(listen(stream, used, [] { return std::size_t{1}; }).same_as(whole, used.compressed));
    require(listen(stream, used, [&] { return std::size_t{random() % 40}; }).same_as(whole, used.compressed));
    check_output(whole, used);
    check_echo(whole, used);
    return 0;
}

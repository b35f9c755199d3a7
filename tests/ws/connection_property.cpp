// SPDX-License-Identifier: BSL-1.0

// Two connections back to back, on random paths: everything that one side has sent, messages and control frames, comes
// out at the other side, once and in order, until both have closed.

#include <weir/ws/connection.hpp>

#include <weir/deflate.hpp>
#include <weir/ws/prepared_message.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "support/ws_frames.hpp"

using namespace std::literals;
using namespace test;
using weir::time_point;
using weir::ws::close_code;
using weir::ws::connection;
using weir::ws::connection_options;
using weir::ws::event;
using weir::ws::event_kind;
using weir::ws::message_view;
using weir::ws::role;

namespace {

class dice {
public:
    explicit dice(unsigned seed) : random_(seed) {}
    std::size_t below(std::size_t bound) { return random_() % bound; }
    bool one_in(std::size_t n) { return below(n) == 0; }

    /// Mostly short, now and then beyond 64 KiB, often at an edge.
    std::size_t size() {
        constexpr std::array<std::size_t, 8> edges{0, 1, 125, 126, 127, 65'535, 65'536, 65'537};
        if (one_in(6)) return edges[below(edges.size())];
        return one_in(8) ? below(70'000) : below(300);
    }
    /// What compresses a little.
    std::string bytes(std::size_t size) {
        std::string out;
        while (out.size() < size) out.append(1 + below(20), static_cast<char>(random_()));
        out.resize(size);
        return out;
    }
    std::string text(std::size_t size) {
        constexpr std::array characters{"a"sv, "Z"sv, " "sv, "\xc3\xa4"sv, "\xe2\x82\xac"sv, "\xf0\x9f\x98\x80"sv};
        std::string out;
        while (out.size() < size) {
            const std::string_view character = characters[below(characters.size())];
            for (std::size_t times = 1 + below(20); times > 0; --times) out += character;
        }
        return out;
    }

private:
    std::mt19937 random_;
};

/// One side: what it sends, in the order of the wire, and what it has received.
class side {
public:
    side(role self, const connection_options& options, std::unique_ptr<weir::ws::message_codec> codec, dice& random)
        : c(self, options, time_point{1h}, std::move(codec)), random_(random) {}

    void act(time_point now) {
        switch (random_.below(8)) {
            case 0:
            case 1:
            case 2: send_something(); break;
            case 3:
            case 4: continue_piece(); break;
            case 5: ping(now); break;
            case 6: c.incoming().read_in_pieces(random_.one_in(2)); break;
            case 7: forget(); break;
        }
        collect();
    }

    void ping(time_point now) {
        const std::string payload = random_.bytes(random_.below(126));
        if (c.ping(payload, now)) sent.push_back(test::ping(payload));
    }

    void close(time_point now) {
        const bool bare = random_.one_in(4);
        const close_code code = bare ? close_code::no_status : close_code{4242};
        const std::string reason = bare ? "" : random_.text(random_.below(120));
        const std::string cut{weir::ws::detail::cut_utf8(reason, 123)};
        if (c.close(code, reason, now)) sent.push_back(closed(code, cut));
        collect();
    }

    /// Answers the peer's close frame, when everything it wants to say before is said.
    void end(time_point now) {
        const bool answers = c.close_received() && !c.close_sent();
        c.end(now);
        if (answers) sent.push_back(closed(heard.back().code));
        collect();
    }

    void look_at_the_time(time_point now) {
        const time_point before = c.last_ping();
        CHECK_FALSE(c.on_time(now));
        if (c.last_ping() != before) sent.push_back(test::ping());
        REQUIRE(c.deadline() > now);
        collect();
    }

    /// The front of what the other side has sent, in memory of its own.
    void hear(std::string_view bytes, time_point now) {
        std::vector<char> memory(bytes.begin(), bytes.end());
        auto in = std::as_writable_bytes(std::span{memory});
        while (const event e = c.receive(in, now)) {
            heard.push_back(copy_of(e));
            if (e.what == event_kind::ping && !c.close_sent()) sent.push_back(pong(std::string{e.payload.text()}));
            if (e.what == event_kind::message || e.what == event_kind::piece) {
                REQUIRE(c.incoming().take_payload(e) == heard.back().payload);
            }
            if (random_.one_in(3)) collect();
        }
        REQUIRE(in.empty());
        collect();
    }

    std::string wire;  // on its way
    events sent, heard;

    connection c;

private:
    void collect() { wire += c.take_output(); }

    void send_something() {
        if (open_ || c.close_sent()) {
            CHECK_FALSE(c.send("refused"));
            return;
        }
        const bool is_binary = random_.one_in(2);
        const std::string payload = is_binary ? random_.bytes(random_.size()) : random_.text(random_.size());
        const message_view message{payload, is_binary};
        sent.push_back({event_kind::message, payload, is_binary});
        if (random_.one_in(3)) {
            std::string scratch;
            collect();
            write(c.encode(message, scratch));
        } else if (!c.is_client() && random_.one_in(2)) {
            collect();
            wire += weir::ws::prepared_message{message}.wire();
        } else {
            REQUIRE(c.send(message));
        }
    }

    void continue_piece() {
        if (c.close_sent()) {
            CHECK_FALSE(c.send_piece({"refused", false, true}));
            return;
        }
        if (!open_) {
            open_ = true;
            binary_ = random_.one_in(2);
            rest_ = binary_ ? random_.bytes(random_.size()) : random_.text(random_.size());
            whole_ = rest_;
        }
        const bool last = random_.one_in(4);
        const std::string piece = last ? rest_ : rest_.substr(0, random_.one_in(5) ? 0 : random_.below(20'000));
        rest_.erase(0, piece.size());
        const message_view view{piece, binary_, last};
        if (random_.one_in(2)) {
            REQUIRE(c.send_piece(view));
        } else {
            std::string scratch;
            collect();
            write(c.encode_piece(view, scratch));
        }
        open_ = !last;
        if (last) sent.push_back({event_kind::message, whole_, binary_});
    }

    void write(const weir::ws::frame_encoder& frame) {
        const std::size_t before = wire.size();
        wire.resize(before + frame.size());
        REQUIRE(frame.write(wire.data() + before) == wire.data() + wire.size());
    }

    void forget() {
        if (c.compresses()) c.forget_history();
    }

    dice& random_;
    bool open_ = false, binary_ = false;
    std::string rest_, whole_;
};

/// What was heard as it was sent: pieces are joined, and what its sender never finished is left out.
events as_sent(const events& heard) {
    events all = joined(heard);
    for (received& r : all) {
        if (r.what == event_kind::piece && r.last) r.what = event_kind::message;
    }
    std::erase_if(all, [](const received& r) { return r.what == event_kind::piece; });
    return all;
}

void deliver(side& from, side& to, dice& random, time_point now) {
    const std::size_t most = random.one_in(3) ? 10 : random.one_in(3) ? 200'000 : 2000;
    const std::string bytes = from.wire.substr(0, random.below(most) + 1);
    from.wire.erase(0, bytes.size());
    to.hear(bytes, now);
}

struct terms {
    bool compressed;
    weir::ws::deflate_agreement agreed;
    weir::deflate_frames policy;
};

terms draw_terms(dice& random) {
    const auto bits = [&] { return static_cast<std::uint8_t>(8 + random.below(8)); };
    const bool compressed = random.one_in(2), server_alone = random.one_in(2), client_alone = random.one_in(2);
    return {compressed,
            {.server_no_context_takeover = server_alone,
             .client_no_context_takeover = client_alone,
             .server_max_window_bits = bits(),
             .client_max_window_bits = bits()},
            {.level = static_cast<int>(random.below(4)),
             .memory_level = static_cast<int>(1 + random.below(9)),
             .threshold = random.one_in(2) ? 0U : 200U}};
}

void converse(unsigned seed) {
    dice random{seed};
    const terms agreed = draw_terms(random);
    const connection_options options{.max_message_bytes = 100'000,
                                     .max_pongs_per_second = 0,
                                     .ping_interval = weir::milliseconds{random.one_in(2) ? 0 : 50},
                                     .pong_timeout = weir::milliseconds{0},
                                     .close_timeout = weir::milliseconds{0}};
    const auto codec = [&](role self) {
        return agreed.compressed ? agreed.policy.make_codec(self, agreed.agreed) : nullptr;
    };
    side server{role::server, options, codec(role::server), random};
    side client{role::client, options, codec(role::client), random};
    std::array<std::pair<side*, side*>, 2> ways{{{&server, &client}, {&client, &server}}};

    time_point now{1h};
    const std::size_t busy = 20 + random.below(150);
    for (std::size_t step = 0; !server.c.finished() || !client.c.finished(); ++step) {
        REQUIRE(step < 1'000'000);
        const auto [self, other] = ways[random.below(2)];
        now += weir::milliseconds{random.below(5)};
        const bool leaving = step > busy;
        if (random.one_in(2)) deliver(*other, *self, random, now);
        if (!leaving || (random.one_in(20) && !self->c.close_received())) self->act(now);
        if (random.one_in(10)) self->look_at_the_time(now);
        if (leaving && random.one_in(10)) self->close(now);
        if (self->c.close_received() && random.one_in(5)) self->end(now);
    }
    // What is left behind the close frames is nothing.
    for (const auto& [from, to] : ways) {
        to->hear(std::exchange(from->wire, {}), now);
        CHECK(from->c.failure() == weir::error::none);
        CHECK(from->c.deadline() == weir::never);
        CHECK_FALSE(from->c.has_output());
        // Compared one by one: as a whole they are too long to read.
        const events heard = as_sent(to->heard);
        REQUIRE(heard.size() == from->sent.size());
        for (std::size_t i = 0; i < heard.size(); ++i) {
            CAPTURE(i);
            REQUIRE(heard[i] == from->sent[i]);
        }
    }
}

}  // namespace

TEST_CASE("RFC 6455 5.4, 7: two connections back to back, nothing lost and the order kept", "[ws][connection]") {
    for (unsigned seed = 0; seed < 400; ++seed) {
        CAPTURE(seed);
        converse(seed);
    }
}

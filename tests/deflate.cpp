// SPDX-License-Identifier: BSL-1.0

#include <weir/deflate.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "catch.hpp"

namespace ws = weir::ws;
using weir::error;

namespace {

constexpr std::size_t no_limit = std::numeric_limits<std::size_t>::max();
using codec_ptr = std::unique_ptr<ws::message_codec>;

constexpr ws::deflate_agreement takeover{};
constexpr ws::deflate_agreement no_takeover{.server_no_context_takeover = true, .client_no_context_takeover = true};

codec_ptr make_codec(const ws::deflate_agreement& agreed = takeover, ws::role self = ws::role::server,
                     const weir::deflate_frames& policy = {}) {
    return policy.make_codec(self, agreed);
}

/// "f2 48" as two bytes.
std::string from_hex(std::string_view text) {
    std::string bytes;
    std::erase_if(bytes = text, [](char c) { return c == ' '; });
    const auto digit = [](char c) { return c <= '9' ? c - '0' : c - 'a' + 10; };
    for (std::size_t i = 0; i + 1 < bytes.size(); i += 2) {
        bytes[i / 2] = static_cast<char>(digit(bytes[i]) * 16 + digit(bytes[i + 1]));
    }
    bytes.resize(bytes.size() / 2);
    return bytes;
}

std::string to_hex(std::string_view bytes) {
    std::string text;
    for (const char c : bytes) {
        constexpr std::string_view digits = "0123456789abcdef";
        const auto byte = static_cast<unsigned char>(c);
        if (!text.empty()) text += ' ';
        text += {digits[byte >> 4], digits[byte & 15]};
    }
    return text;
}

std::string compress(ws::message_codec& codec, std::string_view message) {
    std::string out;
    codec.compress(weir::as_bytes(message), true, out);
    return out;
}

struct inflated {
    std::string text;
    weir::error error = weir::error::none;
    bool operator==(const inflated&) const = default;
};

/// The payload in pieces of `step` bytes, each in memory of its own.
inflated inflate(ws::message_codec& codec, std::string_view payload, std::size_t step = no_limit,
                 std::size_t max_size = no_limit) {
    inflated result;
    do {
        const std::vector<char> piece(payload.begin(),
                                      payload.begin() + static_cast<std::ptrdiff_t>(std::min(step, payload.size())));
        payload.remove_prefix(piece.size());
        result.error =
            codec.inflate(weir::as_bytes({piece.data(), piece.size()}), payload.empty(), result.text, max_size);
    } while (!payload.empty() && result.error == error::none);
    return result;
}

inflated inflate_hex(ws::message_codec& codec, std::string_view payload) { return inflate(codec, from_hex(payload)); }

/// Somewhat like text: words, repeated near and far.
std::string random_text(std::mt19937& random, std::size_t size) {
    std::string text;
    while (text.size() < size) {
        if (random() % 4 == 0) {
            text += static_cast<char>(random());
            continue;
        }
        const std::size_t from = text.empty() ? 0 : random() % text.size();
        text += text.empty() ? "start" : text.substr(from, 3 + random() % 300);
    }
    text.resize(size);
    return text;
}

std::string random_bytes(std::mt19937& random, std::size_t size) {
    std::string bytes(size, '\0');
    for (char& c : bytes) c = static_cast<char>(random());
    return bytes;
}

/// zlib and nothing else: what the other side might be.
class plain_zlib {
public:
    explicit plain_zlib(int deflate_bits, int inflate_bits = 15) {
        REQUIRE(deflateInit2(&out_, 6, Z_DEFLATED, -deflate_bits, 8, Z_DEFAULT_STRATEGY) == Z_OK);
        REQUIRE(inflateInit2(&in_, -inflate_bits) == Z_OK);
    }
    plain_zlib(const plain_zlib&) = delete;
    plain_zlib& operator=(const plain_zlib&) = delete;
    ~plain_zlib() {
        deflateEnd(&out_);
        inflateEnd(&in_);
    }

    void forget() {
        deflateReset(&out_);
        inflateReset(&in_);
    }

    std::string compress(std::string_view message, int flush = Z_SYNC_FLUSH) {
        std::string out(message.size() + message.size() / 8 + 64, '\0');
        set_input(out_, message);
        out_.next_out = reinterpret_cast<Bytef*>(out.data());
        out_.avail_out = static_cast<uInt>(out.size());
        deflate(&out_, flush);
        REQUIRE(out_.avail_in == 0);
        out.erase(out.size() - out_.avail_out);
        if (flush != Z_SYNC_FLUSH) return out;
        REQUIRE(out.ends_with(std::string_view{"\0\0\xff\xff", 4}));
        out.erase(out.size() - 4);
        return out;
    }

    /// Byte by byte, so that whatever is referred to is looked up in the window and nowhere else.
    std::string inflate(std::string_view payload) {
        std::string whole{payload}, out;
        whole.append("\0\0\xff\xff", 4);
        set_input(in_, whole);
        for (char byte = 0;; out += byte) {
            in_.next_out = reinterpret_cast<Bytef*>(&byte);
            in_.avail_out = 1;
            const int result = ::inflate(&in_, Z_SYNC_FLUSH);
            if (result != Z_OK && result != Z_BUF_ERROR) return "not to be inflated: " + std::string{in_.msg};
            if (in_.avail_out == 1) return out;
        }
    }

private:
    static void set_input(z_stream& stream, std::string_view bytes) {
        stream.next_in = const_cast<Bytef*>(reinterpret_cast<const Bytef*>(bytes.data()));
        stream.avail_in = static_cast<uInt>(bytes.size());
    }

    z_stream out_{}, in_{};
};

// "Hello" as the RFC shows it.
constexpr std::string_view hello = "f2 48 cd c9 c9 07 00";

/// On a thread of its own, where nothing lies in the pool.
template <class Body>
void on_new_thread(Body body) {
    std::thread{body}.join();
}

using pool = weir::detail::zlib_pool;

}  // namespace

// ---- RFC 7692 §7.2.3: the examples ----

TEST_CASE("RFC 7692 7.2.3.1: a message as one compressed block", "[ws][deflate][rfc7692-7.2.3.1]") {
    CHECK(to_hex(compress(*make_codec(), "Hello")) == hello);
    CHECK(inflate_hex(*make_codec(), hello) == inflated{"Hello"});
}

TEST_CASE("RFC 7692 7.2.3.1: the block cut into two frames", "[ws][deflate][rfc7692-7.2.3.1]") {
    const auto codec = make_codec();
    std::string out;
    CHECK(codec->inflate(weir::as_bytes(from_hex("f2 48 cd")), false, out, no_limit) == error::none);
    CHECK(out == "He");  // as much as the first frame yields
    CHECK(codec->inflate(weir::as_bytes(from_hex("c9 c9 07 00")), true, out, no_limit) == error::none);
    CHECK(out == "Hello");
}

TEST_CASE("RFC 7692 7.2.3.2: with context takeover the second message refers to the first",
          "[ws][deflate][rfc7692-7.2.3.2]") {
    const auto codec = make_codec(takeover, ws::role::server, {.level = 6});
    CHECK(to_hex(compress(*codec, "Hello")) == hello);
    CHECK(to_hex(compress(*codec, "Hello")) == "f2 00 11 00 00");
    CHECK(inflate_hex(*codec, hello) == inflated{"Hello"});
    CHECK(inflate_hex(*codec, "f2 00 11 00 00") == inflated{"Hello"});
}

TEST_CASE("RFC 7692 7.2.3.2: without context takeover it does not, and may not", "[ws][deflate][rfc7692-7.2.3.2]") {
    const auto codec = make_codec(no_takeover);
    for (int i = 0; i < 3; ++i) {
        CHECK(to_hex(compress(*codec, "Hello")) == hello);
        CHECK(inflate_hex(*codec, hello) == inflated{"Hello"});
    }
    CHECK(inflate_hex(*codec, "f2 00 11 00 00").error == error::bad_deflate);
}

TEST_CASE("RFC 7692 7.2.3.3: a block without compression", "[ws][deflate][rfc7692-7.2.3.3]") {
    CHECK(inflate_hex(*make_codec(), "00 05 00 fa ff 48 65 6c 6c 6f 00") == inflated{"Hello"});
    CHECK(to_hex(compress(*make_codec(takeover, ws::role::server, {.level = 0}), "Hello")) ==
          "00 05 00 fa ff 48 65 6c 6c 6f 00");
}

TEST_CASE("RFC 7692 7.2.3.4: a block with BFINAL set", "[ws][deflate][rfc7692-7.2.3.4]") {
    const auto codec = make_codec();
    CHECK(inflate_hex(*codec, "f3 48 cd c9 c9 07 00 00") == inflated{"Hello"});
    CHECK(inflate_hex(*codec, hello) == inflated{"Hello"});  // and the connection goes on
}

TEST_CASE("RFC 7692 7.2.3.4: blocks follow one with BFINAL set, in the same message and with the same window",
          "[ws][deflate][rfc7692-7.2.3.4]") {
    const auto codec = make_codec();
    CHECK(inflate_hex(*codec, "f3 48 cd c9 c9 07 00 f3 48 cd c9 c9 07 00 00") == inflated{"HelloHello"});
    CHECK(inflate_hex(*codec, "f2 00 11 00 00") == inflated{"Hello"});
    CHECK(inflate_hex(*codec, "f3 48 cd c9 c9 07 00 f2 00 11 00 00") == inflated{"HelloHello"});
}

TEST_CASE("RFC 7692 7.2.3.4: a message may end with a block with BFINAL set and nothing behind it",
          "[ws][deflate][rfc7692-7.2.3.4]") {
    const auto codec = make_codec(GENERATE(takeover, no_takeover));
    CHECK(inflate_hex(*codec, "f3 48 cd c9 c9 07 00") == inflated{"Hello"});
    CHECK(inflate_hex(*codec, "f3 48 cd c9 c9 07 00") == inflated{"Hello"});
    CHECK(inflate_hex(*codec, hello) == inflated{"Hello"});
    // What follows in the same message is a block, or the data is corrupt.
    CHECK(inflate_hex(*codec, "f3 48 cd c9 c9 07 00 ff ff").error == error::bad_deflate);
}

TEST_CASE("RFC 7692 7.2.3.4: a message that is one block with BFINAL set, of any size",
          "[ws][deflate][rfc7692-7.2.3.4]") {
    for (const std::size_t size : {0UL, 1UL, 16'383UL, 16'384UL, 16'385UL, 50'000UL}) {
        const std::string message(size, 'x');
        const std::string payload = plain_zlib{15}.compress(message, Z_FINISH);
        CHECK(inflate(*make_codec(), payload) == inflated{message});
        CHECK(inflate(*make_codec(), payload, 1) == inflated{message});
    }
}

TEST_CASE("RFC 7692 7.2.3.5: two blocks", "[ws][deflate][rfc7692-7.2.3.5]") {
    const std::string payload = from_hex("f2 48 05 00 00 00 ff ff ca c9 c9 07 00");
    CHECK(inflate(*make_codec(), payload) == inflated{"Hello"});

    const auto codec = make_codec();  // of two frames
    std::string out;
    CHECK(codec->inflate(weir::as_bytes(payload).first(8), false, out, no_limit) == error::none);
    CHECK(out == "He");
    CHECK(codec->inflate(weir::as_bytes(payload).subspan(8), true, out, no_limit) == error::none);
    CHECK(out == "Hello");
}

TEST_CASE("RFC 7692 7.2.3.6: an empty message is one octet", "[ws][deflate][rfc7692-7.2.3.6]") {
    const auto codec = make_codec(GENERATE(takeover, no_takeover));
    for (int i = 0; i < 2; ++i) {
        CHECK(to_hex(compress(*codec, "")) == "00");
        CHECK(inflate_hex(*codec, "00") == inflated{});
        CHECK_FALSE(compress(*codec, "Hello").empty());
        CHECK(inflate_hex(*codec, hello) == inflated{"Hello"});
    }
}

TEST_CASE("RFC 7692 7.2.3.6: an empty last piece ends a message", "[ws][deflate][rfc7692-7.2.3.6]") {
    const auto codec = make_codec(GENERATE(takeover, no_takeover));
    std::string payload;
    codec->compress(weir::as_bytes("Hello"), false, payload);
    CHECK(to_hex(payload) == "f2 48 cd c9 c9 07 00 00 00 ff ff");
    codec->compress({}, false, payload);
    CHECK(payload.size() == 11);
    codec->compress({}, true, payload);
    CHECK(to_hex(payload) == "f2 48 cd c9 c9 07 00 00 00 ff ff 00");
    CHECK(inflate(*codec, payload) == inflated{"Hello"});
}

// ---- RFC 7692 §7.2.1: compressing ----

TEST_CASE("RFC 7692 7.2.1: the final 00 00 FF FF is left out, whatever the size", "[ws][deflate][rfc7692-7.2.1]") {
    std::mt19937 random{7692};
    const auto codec = make_codec();
    plain_zlib peer{15};
    for (const std::size_t size : {1UL, 2UL, 100UL, 16'383UL, 16'384UL, 16'385UL, 70'000UL, 1'000'000UL}) {
        for (const std::string& message : {random_text(random, size), random_bytes(random, size)}) {
            const std::string payload = compress(*codec, message);
            CHECK(payload.size() < size + size / 100 + 64);
            CHECK_FALSE(payload.ends_with(std::string_view{"\0\0\xff\xff", 4}));
            CHECK(peer.inflate(payload) == message);
        }
    }
}

TEST_CASE("RFC 7692 6.1: each piece of a message can be inflated at once", "[ws][deflate][rfc7692-6.1]") {
    std::mt19937 random{61};
    const auto agreed = GENERATE(takeover, no_takeover);
    const auto sender = make_codec(agreed), receiver = make_codec(agreed, ws::role::client);
    for (int i = 0; i < 20; ++i) {
        std::string received, sent;
        const std::size_t pieces = 1 + random() % 5;
        for (std::size_t n = 1; n <= pieces; ++n) {
            const std::string piece = random_text(random, random() % 40'000);
            sent += piece;
            std::string payload;
            sender->compress(weir::as_bytes(piece), n == pieces, payload);
            REQUIRE(receiver->inflate(weir::as_bytes(payload), n == pieces, received, no_limit) == error::none);
            REQUIRE(received == sent);
        }
    }
}

TEST_CASE("RFC 7692 7.2.1: what is compressed is appended", "[ws][deflate][rfc7692-7.2.1]") {
    std::string out = "before ";
    make_codec()->compress(weir::as_bytes("Hello"), true, out);
    CHECK(out == "before " + from_hex(hello));
}

// ---- RFC 7692 §7.1: the parameters ----

TEST_CASE("RFC 7692 7.1: every combination of the parameters, in both roles, against zlib",
          "[ws][deflate][rfc7692-7.1]") {
    std::mt19937 random{71};
    for (const bool keeps : {true, false}) {
        for (std::uint8_t bits = 8; bits <= 15; ++bits) {
            for (const ws::role self : {ws::role::server, ws::role::client}) {
                const auto other_bits = static_cast<std::uint8_t>(23 - bits);
                const bool server = self == ws::role::server;
                // The peer's direction is told apart from the own one by its window and its takeover.
                const ws::deflate_agreement agreed{.server_no_context_takeover = keeps != server,
                                                   .client_no_context_takeover = keeps == server,
                                                   .server_max_window_bits = server ? bits : other_bits,
                                                   .client_max_window_bits = server ? other_bits : bits};
                const weir::deflate_frames policy{.level = 1 + static_cast<int>(random() % 9),
                                                  .memory_level = 1 + static_cast<int>(random() % 9)};
                const auto codec = make_codec(agreed, self, policy);
                plain_zlib own{9, bits}, peer{std::max<int>(9, other_bits)};
                CAPTURE(keeps, int{bits}, server, policy.level, policy.memory_level);
                for (int i = 0; i < 4; ++i) {
                    const std::string message = random_text(random, random() % 5000);
                    if (!keeps) own.forget();
                    CHECK(own.inflate(compress(*codec, message)) == message);
                    if (keeps) peer.forget();
                    CHECK(inflate(*codec, peer.compress(message + '.'), 1 + random() % 3000).text == message + '.');
                }
            }
        }
    }
}

TEST_CASE("RFC 7692 7.1.2: no match reaches back further than the agreed window", "[ws][deflate][rfc7692-7.1.2]") {
    std::mt19937 random{712};
    for (std::uint8_t bits = 8; bits <= 15; ++bits) {
        const std::size_t window = std::size_t{1} << bits;
        const auto codec = make_codec({.server_max_window_bits = bits}, ws::role::server, {.level = 9});
        plain_zlib strict{15, bits};
        CAPTURE(int{bits});
        for (int i = 0; i < 12; ++i) {
            // Two halves alike, as far apart as the window, and a little nearer and further.
            const std::string half = random_bytes(random, window + random() % 64 - 32);
            CHECK(strict.inflate(compress(*codec, half + half)) == half + half);
            CHECK(strict.inflate(compress(*codec, half)) == half);
        }
    }
}

TEST_CASE("RFC 7692 7.1.2: a window of 256 bytes is used, not merely kept to", "[ws][deflate][rfc7692-7.1.2]") {
    std::mt19937 random{8};
    const std::string part = random_bytes(random, 200);
    CHECK(compress(*make_codec({.server_max_window_bits = 8}), part + part).size() < 300);
}

TEST_CASE("RFC 7692 7.1.2: a message that refers to what the window no longer holds is refused",
          "[ws][deflate][rfc7692-7.1.2]") {
    std::mt19937 random{7122};
    const std::string message = random_bytes(random, 600);
    plain_zlib peer{15};
    const std::string first = peer.compress(message), second = peer.compress(message);

    const auto large = make_codec({.client_max_window_bits = 10});
    CHECK(inflate(*large, first) == inflated{message});
    CHECK(inflate(*large, second) == inflated{message});
    const auto small = make_codec({.client_max_window_bits = 8});
    CHECK(inflate(*small, first) == inflated{message});
    CHECK(inflate(*small, second).error == error::bad_deflate);
}

TEST_CASE("deflate: options beyond zlib's are taken for the nearest", "[ws][deflate]") {
    const auto [level, memory_level] = GENERATE(table<int, int>({{-5, -5}, {100, 100}, {0, 0}}));
    const auto codec = make_codec({.server_max_window_bits = 0, .client_max_window_bits = 255}, ws::role::server,
                                  {.level = level, .memory_level = memory_level});
    CHECK(inflate(*make_codec(takeover, ws::role::client), compress(*codec, "Hello")) == inflated{"Hello"});
}

TEST_CASE("deflate: a codec knows its policy's threshold, and a policy what it negotiates", "[ws][deflate]") {
    const weir::deflate_frames policy{.threshold = 77};
    CHECK(policy.make_codec(ws::role::client, takeover)->threshold() == 77);
    CHECK(policy.deflate() == &policy.negotiation);
    CHECK(policy.deflate()->server_no_context_takeover);
    CHECK(policy.deflate()->client_no_context_takeover);
}

// ---- RFC 7692 §7.2.2: inflating ----

TEST_CASE("RFC 7692 7.2.2: a payload cut at any byte inflates to the same", "[ws][deflate][rfc7692-7.2.2]") {
    std::mt19937 random{722};
    const std::string text = random_text(random, 400);
    const std::vector<std::string> payloads{from_hex(hello),
                                            from_hex("00 05 00 fa ff 48 65 6c 6c 6f 00"),
                                            from_hex("f3 48 cd c9 c9 07 00 00"),
                                            from_hex("f3 48 cd c9 c9 07 00"),
                                            from_hex("f2 48 05 00 00 00 ff ff ca c9 c9 07 00"),
                                            from_hex("00"),
                                            plain_zlib{15}.compress(text),
                                            plain_zlib{15}.compress(text, Z_FINISH)};
    for (const std::string& payload : payloads) {
        const inflated whole = inflate(*make_codec(), payload);
        CHECK(whole.error == error::none);
        CHECK(inflate(*make_codec(), payload, 1) == whole);
        for (std::size_t cut = 0; cut <= payload.size(); ++cut) {
            CAPTURE(to_hex(payload), cut);
            const auto codec = make_codec();
            const auto bytes = weir::as_bytes(payload);
            std::string out;
            REQUIRE(codec->inflate(bytes.first(cut), false, out, no_limit) == error::none);
            REQUIRE(whole.text.starts_with(out));
            REQUIRE(codec->inflate(bytes.subspan(cut), true, out, no_limit) == error::none);
            REQUIRE(out == whole.text);
        }
    }
}

TEST_CASE("RFC 7692 7.2.2: a piece yields all that is in it, however much that is", "[ws][deflate][rfc7692-7.2.2]") {
    const std::string payload = plain_zlib{15}.compress(std::string(200'000, 'x'));
    const auto bytewise = make_codec();
    std::string expected;
    for (std::size_t cut = 1; cut < payload.size(); ++cut) {
        const auto bytes = weir::as_bytes(payload);
        REQUIRE(bytewise->inflate(bytes.subspan(cut - 1, 1), false, expected, no_limit) == error::none);
        std::string out;
        REQUIRE(make_codec()->inflate(bytes.first(cut), false, out, no_limit) == error::none);
        REQUIRE(out.size() == expected.size());
    }
}

TEST_CASE("RFC 7692 7.2.2: a message that ends between two blocks is complete", "[ws][deflate][rfc7692-7.2.2]") {
    const auto codec = make_codec(GENERATE(takeover, no_takeover));
    for (int i = 0; i < 2; ++i) {
        CHECK(inflate(*codec, "") == inflated{});  // where an empty message makes the sender's zlib write nothing
        CHECK(inflate_hex(*codec, "f2 48 cd c9 c9 07 00 00 00 ff ff") == inflated{"Hello"});  // likewise a last piece
        CHECK(inflate_hex(*codec, hello) == inflated{"Hello"});
    }
}

TEST_CASE("RFC 7692 7.2.2: a message cut off within a block is refused, and what it yielded is a beginning",
          "[ws][deflate][rfc7692-7.2.2]") {
    std::mt19937 random{7220};
    for (const std::size_t size : {5UL, 300UL, 3000UL}) {
        const std::string message = random_text(random, size);
        const std::string payload = plain_zlib{15}.compress(message);
        for (std::size_t end = 1; end < payload.size(); ++end) {
            const auto codec = make_codec(no_takeover);
            CAPTURE(size, end);
            std::string out;
            REQUIRE(codec->inflate(weir::as_bytes(payload).first(end), false, out, no_limit) == error::none);
            REQUIRE(message.starts_with(out));
            REQUIRE(codec->inflate({}, true, out, no_limit) == error::bad_deflate);
        }
    }
}

TEST_CASE("RFC 7692 7.2.2: a block without compression, cut off", "[ws][deflate][rfc7692-7.2.2]") {
    const std::string payload = from_hex("00 05 00 fa ff 48 65 6c 6c 6f 00");
    CHECK(inflate(*make_codec(), payload.substr(0, 1)) == inflated{});  // this is the empty message
    for (std::size_t end = 2; end < 10; ++end) {
        CAPTURE(end);
        CHECK(inflate(*make_codec(), payload.substr(0, end)).error == error::bad_deflate);
    }
    CHECK(inflate(*make_codec(), payload.substr(0, 10)) == inflated{"Hello"});  // between two blocks
}

TEST_CASE("RFC 7692 7.2.2: a message cut off behind a block that ends within a byte", "[ws][deflate][rfc7692-7.2.2]") {
    const std::string payload = from_hex("9a 30 6b e9 66 00 00");  // four literals of nine bits; two bits are left
    CHECK(inflate(*make_codec(), payload) == inflated{"\x90\x9a\xa5\xb3"});
    CHECK(inflate(*make_codec(), payload.substr(0, 6)).error == error::bad_deflate);
}

TEST_CASE("RFC 7692 7.2.2: the four octets do not pass for data", "[ws][deflate][rfc7692-7.2.2]") {
    // A block of nine bytes of which five are there; zlib would complete it with 00 00 FF FF.
    const inflated result = inflate_hex(*make_codec(), "00 09 00 f6 ff 48 65 6c 6c 6f");
    CHECK(result.error == error::bad_deflate);
}

TEST_CASE("RFC 7692 7.2.2: corrupt data is refused", "[ws][deflate][rfc7692-7.2.2]") {
    const auto* const payload = GENERATE("06",                       // block type 11
                                         "ff",                       // likewise, final
                                         "00 05 00 fa fe 48",        // a length and its complement that differ
                                         "02 02",                    // fixed codes: a distance before the beginning
                                         "4b 04 fe 00",              // a distance code that does not exist
                                         "fc ff ff ff ff ff ff ff",  // too many codes
                                         "04 00 00 00 00 00 00 00 00 00 00 00 00 00",  // no codes at all
                                         "f2 48 cd c9 c9 07 00 00",                    // two beginnings of a block
                                         "f2 48 cd c9 c9 07");                         // the block has no end
    CAPTURE(payload);
    for (const auto& agreed : {takeover, no_takeover}) {
        const std::string bytes = from_hex(payload);
        CHECK(inflate(*make_codec(agreed), bytes).error == error::bad_deflate);
        CHECK(inflate(*make_codec(agreed), bytes, 1).error == error::bad_deflate);
    }
}

TEST_CASE("RFC 7692 7.2.2: any change of any byte yields an error or a message, split or whole",
          "[ws][deflate][rfc7692-7.2.2]") {
    std::mt19937 random{77};
    const std::string payload = plain_zlib{15}.compress(random_text(random, 500));
    for (std::size_t i = 0; i < payload.size(); ++i) {
        for (int bit = 0; bit < 8; ++bit) {
            std::string changed = payload;
            changed[i] = static_cast<char>(changed[i] ^ (1 << bit));
            const inflated whole = inflate(*make_codec(), changed, no_limit, 100'000);
            const inflated split = inflate(*make_codec(), changed, 7, 100'000);
            REQUIRE(whole.error == split.error);
            REQUIRE(whole.text == split.text);
        }
    }
}

// ---- limits ----

namespace {

/// `count` times 16 MiB of zeros, about 16 KiB each: blocks that refer to nothing before them.
std::string zeros(std::size_t count) {
    const std::string part = plain_zlib{15}.compress(std::string(16 << 20, '\0'), Z_FULL_FLUSH);
    std::string payload;
    for (std::size_t i = 0; i < count; ++i) payload += part;
    return payload;
}

}  // namespace

TEST_CASE("deflate: a gigabyte that comes as a megabyte is refused at the limit", "[ws][deflate][limits]") {
    const std::string bomb = zeros(64);
    CHECK(bomb.size() < (2 << 20));
    for (const std::size_t limit : {0UL, 1UL, 1000UL, 16'384UL, 100'000UL, 1'048'576UL, 1'500'000UL}) {
        CAPTURE(limit);
        for (const std::size_t step : {no_limit, std::size_t{100}}) {
            const inflated result = inflate(*make_codec(no_takeover), bomb, step, limit);
            CHECK(result.error == error::message_too_large);
            CHECK(result.text.size() <= limit);
            CHECK(result.text.capacity() <= std::max<std::size_t>(limit, 64));
        }
    }
}

TEST_CASE("deflate: the limit is exact", "[ws][deflate][limits]") {
    for (const std::size_t size : {1UL, 2UL, 5UL, 16'383UL, 16'384UL, 16'385UL, 32'768UL, 100'000UL}) {
        const std::string message(size, 'x');
        const std::string payload = plain_zlib{15}.compress(message);
        CAPTURE(size);
        for (const std::size_t step : {no_limit, std::size_t{1}}) {
            CHECK(inflate(*make_codec(), payload, step, size) == inflated{message});
            CHECK(inflate(*make_codec(), payload, step, size - 1).error == error::message_too_large);
        }
    }
}

TEST_CASE("deflate: an empty message fits any limit", "[ws][deflate][limits]") {
    CHECK(inflate(*make_codec(), "", no_limit, 0) == inflated{});
    CHECK(inflate_hex(*make_codec(), "00") == inflated{});
    CHECK(inflate(*make_codec(), from_hex("00"), no_limit, 0) == inflated{});
}

TEST_CASE("deflate: what is in the string already counts", "[ws][deflate][limits]") {
    std::string out = "12345";
    CHECK(make_codec()->inflate(weir::as_bytes(from_hex(hello)), true, out, 10) == error::none);
    CHECK(out == "12345Hello");
    CHECK(make_codec()->inflate(weir::as_bytes(from_hex(hello)), true, out, 10) == error::message_too_large);
    CHECK(make_codec()->inflate(weir::as_bytes(from_hex(hello)), true, out, 5) == error::message_too_large);
}

// ---- contexts ----

TEST_CASE("deflate: connections without context takeover share one context per direction", "[ws][deflate][memory]") {
    on_new_thread([] {
        std::vector<codec_ptr> codecs;
        for (int i = 0; i < 50; ++i) codecs.push_back(make_codec(no_takeover));
        CHECK(pool::idle() == 0);
        for (int round = 0; round < 2; ++round) {
            for (const auto& codec : codecs) {
                CHECK(inflate(*codec, compress(*codec, "Hello")) == inflated{"Hello"});
                CHECK(pool::idle() == 2);
            }
        }
    });
}

TEST_CASE("deflate: a context is borrowed for as long as the message lasts", "[ws][deflate][memory]") {
    on_new_thread([] {
        const auto codec = make_codec(no_takeover);
        std::string payload, out;
        codec->compress(weir::as_bytes("Hel"), false, payload);
        CHECK(pool::idle() == 0);
        codec->compress(weir::as_bytes("lo"), true, payload);
        CHECK(pool::idle() == 1);
        CHECK(codec->inflate(weir::as_bytes(payload).first(3), false, out, no_limit) == error::none);
        CHECK(pool::idle() == 1);
        CHECK(codec->inflate(weir::as_bytes(payload).subspan(3), true, out, no_limit) == error::none);
        CHECK(pool::idle() == 2);
        CHECK(out == "Hello");
    });
}

TEST_CASE("deflate: with context takeover the context stays until the connection ends", "[ws][deflate][memory]") {
    on_new_thread([] {
        auto codec = make_codec(takeover);
        CHECK(inflate(*codec, compress(*codec, "Hello")) == inflated{"Hello"});
        CHECK(pool::idle() == 0);
        codec.reset();
        CHECK(pool::idle() == 2);
        codec = make_codec(takeover);
        CHECK(inflate_hex(*codec, "f2 00 11 00 00").error == error::bad_deflate);  // nothing of it is left
        CHECK(to_hex(compress(*codec, "Hello")) == hello);
    });
}

TEST_CASE("deflate: an empty message needs no context", "[ws][deflate][memory]") {
    on_new_thread([] {
        const auto codec = make_codec(no_takeover);
        CHECK(to_hex(compress(*codec, "")) == "00");
        CHECK(inflate(*codec, "") == inflated{});
        CHECK(pool::idle() == 0);
    });
}

TEST_CASE("deflate: an error gives the context back, and leaves nothing in it", "[ws][deflate][memory]") {
    const auto agreed = GENERATE(takeover, no_takeover);
    on_new_thread([&] {
        const auto codec = make_codec(agreed);
        CHECK(inflate_hex(*codec, "f2 48 ff ff ff ff").error == error::bad_deflate);
        CHECK(pool::idle() == 1);
        CHECK(inflate(*make_codec(agreed), from_hex(hello), no_limit, 4).error == error::message_too_large);
        CHECK(pool::idle() == 1);
        CHECK(inflate_hex(*make_codec(no_takeover), hello) == inflated{"Hello"});
        CHECK(pool::idle() == 1);
    });
}

TEST_CASE("deflate: a connection that ends within a message gives its contexts back", "[ws][deflate][memory]") {
    on_new_thread([] {
        auto codec = make_codec(no_takeover);
        std::string out;
        codec->compress(weir::as_bytes("secret"), false, out);
        CHECK(codec->inflate(weir::as_bytes(from_hex("f2 48")), false, out, no_limit) == error::none);
        codec.reset();
        CHECK(pool::idle() == 2);
        codec = make_codec(no_takeover);
        CHECK(to_hex(compress(*codec, "Hello")) == hello);
        CHECK(inflate_hex(*codec, hello) == inflated{"Hello"});
    });
}

TEST_CASE("deflate: a context may be given back on another thread", "[ws][deflate][memory]") {
    on_new_thread([] {
        const auto codec = make_codec(no_takeover);
        std::string payload;
        codec->compress(weir::as_bytes("Hel"), false, payload);
        on_new_thread([&] {
            codec->compress(weir::as_bytes("lo"), true, payload);
            CHECK(pool::idle() == 1);
        });
        CHECK(pool::idle() == 0);
        CHECK(inflate(*codec, payload) == inflated{"Hello"});
    });
}

TEST_CASE("deflate: a context is lent to those with the same settings only", "[ws][deflate][memory]") {
    on_new_thread([] {
        for (std::uint8_t bits = 9; bits <= 15; ++bits) {
            ws::deflate_agreement agreed = no_takeover;
            agreed.server_max_window_bits = bits;
            CHECK_FALSE(compress(*make_codec(agreed), "Hello").empty());
            CHECK_FALSE(compress(*make_codec(agreed), "Hello").empty());
            CHECK(pool::idle() == bits - 8U);
        }
    });
}

TEST_CASE("deflate: a thread keeps a few contexts, those used last", "[ws][deflate][memory]") {
    on_new_thread([] {
        const auto use = [](int level, int memory_level) {
            CHECK_FALSE(
                compress(*make_codec(no_takeover, ws::role::server, {.level = level, .memory_level = memory_level}),
                         "Hello")
                    .empty());
        };
        for (int level = 1; level <= 9; ++level) {
            for (int memory_level = 1; memory_level <= 2; ++memory_level) use(level, memory_level);
        }
        CHECK(pool::idle() == pool::max_idle);
        const auto in_use = [](int level, int memory_level) {
            const auto codec =
                make_codec(no_takeover, ws::role::server, {.level = level, .memory_level = memory_level});
            std::string out;
            codec->compress(weir::as_bytes("Hel"), false, out);
            return pool::max_idle - pool::idle();
        };
        CHECK(in_use(1, 1) == 0);  // a new one
        CHECK(in_use(9, 2) == 1);
        CHECK(in_use(2, 2) == 1);
    });
}

TEST_CASE("deflate: a connection may outlive the contexts of its thread", "[ws][deflate][memory]") {
    on_new_thread([] {
        static thread_local codec_ptr last;  // made before the pool, so it goes after it
        last = make_codec(takeover);
        CHECK(inflate(*last, compress(*last, "Hello")) == inflated{"Hello"});
        CHECK(inflate_hex(*make_codec(no_takeover), hello) == inflated{"Hello"});
    });
}

TEST_CASE("deflate: a codec that holds no context is small", "[ws][deflate][memory]") {
    CHECK(sizeof(weir::detail::deflate_codec) <= 64);
}

// ---- history ----

TEST_CASE("deflate: a history is what context takeover is", "[ws][deflate]") {
    const ws::deflate_agreement server_only{.server_no_context_takeover = true};
    CHECK(make_codec(takeover)->has_history());
    CHECK_FALSE(make_codec(no_takeover)->has_history());
    CHECK_FALSE(make_codec(server_only, ws::role::server)->has_history());
    CHECK(make_codec(server_only, ws::role::client)->has_history());
}

TEST_CASE("deflate: after the history is forgotten, nothing refers to it", "[ws][deflate]") {
    const auto codec = make_codec(takeover);
    codec->forget_history();
    CHECK(to_hex(compress(*codec, "Hello")) == hello);
    CHECK(to_hex(compress(*codec, "Hello")) != hello);
    codec->forget_history();
    CHECK(to_hex(compress(*codec, "Hello")) == hello);

    const auto receiver = make_codec(takeover, ws::role::client);
    std::string payload, out;
    codec->compress(weir::as_bytes("first, "), false, payload);
    codec->forget_history();  // within a message, too
    codec->compress(weir::as_bytes("first again"), true, payload);
    CHECK(receiver->inflate(weir::as_bytes(payload), true, out, no_limit) == error::none);
    CHECK(out == "first, first again");
}

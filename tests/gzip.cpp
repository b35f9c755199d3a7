// SPDX-License-Identifier: BSL-1.0
#include <weir/gzip.hpp>

#include <weir/http/fields.hpp>

#include <zlib.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "catch.hpp"

namespace http = weir::http;
using weir::error;
using status = http::content_decoder::status;
using namespace std::literals;

namespace {

constexpr int gzip_bits = 15 + 16, zlib_bits = 15, raw_bits = -15;

// Compresses as a server does that flushes after each piece; the last one ends the stream.
class compressor {
public:
    explicit compressor(int window_bits = gzip_bits, int level = 6) {
        REQUIRE(deflateInit2(&stream_, level, Z_DEFLATED, window_bits, 8, Z_DEFAULT_STRATEGY) == Z_OK);
    }
    compressor(const compressor&) = delete;
    compressor& operator=(const compressor&) = delete;
    ~compressor() { deflateEnd(&stream_); }

    z_stream& stream() { return stream_; }
    std::string flush(std::string_view piece) { return run(piece, Z_SYNC_FLUSH); }
    std::string finish(std::string_view piece) { return run(piece, Z_FINISH); }

private:
    std::string run(std::string_view piece, int flush) {
        std::string out;
        std::array<char, 4096> buffer{};
        stream_.next_in = const_cast<Bytef*>(reinterpret_cast<const Bytef*>(piece.data()));
        stream_.avail_in = static_cast<uInt>(piece.size());
        do {
            stream_.next_out = reinterpret_cast<Bytef*>(buffer.data());
            stream_.avail_out = static_cast<uInt>(buffer.size());
            ::deflate(&stream_, flush);
            out.append(buffer.data(), buffer.size() - stream_.avail_out);
        } while (stream_.avail_out == 0);
        return out;
    }

    z_stream stream_{};
};

std::string gzip(std::string_view text, int level = 6) { return compressor{gzip_bits, level}.finish(text); }

std::unique_ptr<http::content_decoder> make_decoder() {
    const std::shared_ptr<const http::content_decoding> decoding = weir::gzip_content{};
    return decoding->make();
}

// Feeds all of `in`; what came out, with "|" and the error behind it after a failure.
std::string feed(http::content_decoder& decoder, std::string_view in) {
    std::string out;
    for (;;) {
        const auto result = decoder.next(in);
        if (result == status::need_more) {
            CHECK(in.empty());
            return out;
        }
        if (result == status::failed) return out + '|' + weir::message(decoder.error());
        CHECK(!decoder.data().empty());
        CHECK(decoder.data().size() <= http::content_decoder::max_piece_bytes);
        out += decoder.data();
    }
}

std::string inflate_in_steps(std::string_view text, std::size_t step) {
    const auto decoder = make_decoder();
    std::string out;
    for (; !text.empty(); text.remove_prefix(std::min(step, text.size()))) {
        out += feed(*decoder, text.substr(0, step));
        if (decoder->error() != error::none) break;
    }
    return out;
}

// Whole, byte by byte and in odd steps: all must agree.
std::string inflate(std::string_view text) {
    const auto whole = inflate_in_steps(text, text.size() + 1);
    for (const std::size_t step : {1U, 2U, 7U, 100U}) CHECK(inflate_in_steps(text, step) == whole);
    return whole;
}

std::string noise(std::size_t size) {
    std::mt19937 random{7};
    std::string text(size, '\0');
    for (char& c : text) c = static_cast<char>(random() & 0xff);
    return text;
}

const auto bad_deflate = '|' + std::string{weir::message(error::bad_deflate)};

}  // namespace

TEST_CASE("RFC 1952: literal bytes", "[gzip][rfc1952]") {
    const auto bytes =
        "\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\x4b\x49\x2c\x49\xb4\x52\xc8\x48\xcd\xc9\xc9\xe7\xe2\x02\x00"
        "\x1d\x73\x9d\xd4\x0d\x00\x00\x00"sv;
    CHECK(inflate(bytes) == "data: hello\n\n");
}

TEST_CASE("RFC 1952: an answer inflates to what it was, however it arrives", "[gzip][rfc1952]") {
    for (const auto& text : {""s, "a"s, "data: hello\n\n"s, std::string(100'000, 'x'), noise(50'000)}) {
        for (const int level : {0, 1, 9}) CHECK(inflate(gzip(text, level)) == text);
    }
}

TEST_CASE("RFC 1952 2.3: a header with a name, a comment, extra bytes and a checksum", "[gzip][rfc1952-2.3]") {
    std::array<Bytef, 5> extra{1, 2, 3, 4, 5}, name{'a', '.', 't', 'x', 0}, comment{'n', 'o', 't', 'e', 0};
    gz_header header{};
    header.extra = extra.data();
    header.extra_len = static_cast<uInt>(extra.size());
    header.name = name.data();
    header.comment = comment.data();
    header.hcrc = 1;
    compressor with_header;
    REQUIRE(deflateSetHeader(&with_header.stream(), &header) == Z_OK);
    CHECK(inflate(with_header.finish("hello")) == "hello");
}

TEST_CASE("what a server flushes is there at once", "[gzip]") {
    compressor server;
    const auto decoder = make_decoder();
    for (int i = 0; i < 100; ++i) {
        const auto event = "data: " + std::to_string(i) + "\n\n";
        CHECK(feed(*decoder, server.flush(event)) == event);
    }
    CHECK(feed(*decoder, server.flush("")) == "");
    CHECK(feed(*decoder, server.finish("data: last\n\n")) == "data: last\n\n");
}

TEST_CASE("RFC 1952 2.2: members follow one another", "[gzip][rfc1952-2.2]") {
    CHECK(inflate(gzip("hello ") + gzip("") + gzip("world")) == "hello world");
    const auto decoder = make_decoder();
    for (const auto piece : {"a"sv, ""sv, "b"sv}) CHECK(feed(*decoder, gzip(piece)) == piece);
}

TEST_CASE("an answer may end anywhere: what came of it stands", "[gzip]") {
    for (const auto& text : {"data: hello\n\n"s + noise(100), std::string(40'000, 'x')}) {
        const auto compressed = gzip(text);
        for (std::size_t size = 0; size < compressed.size(); ++size) {
            const auto beginning = std::string_view{compressed}.substr(0, size);
            const auto got = inflate_in_steps(beginning, size + 1);
            if (!text.starts_with(got)) CHECK(got == text);
            CHECK(inflate_in_steps(beginning, 1) == got);
        }
        CHECK(inflate(std::string_view{compressed}.substr(0, compressed.size() - 8)) == text);
    }
}

TEST_CASE("RFC 1952 2.3: what is no gzip is refused", "[gzip][rfc1952-2.3]") {
    CHECK(inflate("data: hello\n\n") == bad_deflate);
    CHECK(inflate(compressor{zlib_bits}.finish("hello")) == bad_deflate);
    CHECK(inflate(compressor{raw_bits}.finish("hello")) == bad_deflate);
    CHECK(inflate("\x1f\x8b\x07\x00\x00\x00\x00\x00\x00\x03"sv) == bad_deflate);  // CM is not 8
    CHECK(inflate("\x1f\x8b\x08\x20\x00\x00\x00\x00\x00\x03"sv) == bad_deflate);  // "Reserved FLG bits must be zero."
    CHECK(inflate("\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\x07"sv) == bad_deflate);  // a block of no type
}

TEST_CASE("RFC 1952 2.3.1: a wrong checksum or size is noticed after the content", "[gzip][rfc1952-2.3.1]") {
    const auto good = gzip("hello");
    for (const std::size_t from_end : {1U, 4U, 5U, 8U}) {
        auto bad = good;
        bad[bad.size() - from_end] = static_cast<char>(bad[bad.size() - from_end] ^ 1);
        CHECK(inflate(bad) == "hello" + bad_deflate);
    }
}

TEST_CASE("RFC 1952 2.2: what follows a member must be a member", "[gzip][rfc1952-2.2]") {
    CHECK(inflate(gzip("hello") + "garbage") == "hello" + bad_deflate);
    CHECK(inflate(gzip("hello") + "\0\0"s) == "hello" + bad_deflate);
}

TEST_CASE("a failure stays", "[gzip]") {
    const auto decoder = make_decoder();
    CHECK(feed(*decoder, "garbage") == bad_deflate);
    CHECK(feed(*decoder, gzip("hello")) == bad_deflate);
    CHECK(feed(*decoder, "") == bad_deflate);
}

TEST_CASE("a fault at any byte fails or goes unnoticed, but does no more", "[gzip]") {
    const auto good = gzip("data: hello\n\ndata: hello again\n\n" + noise(20));
    for (std::size_t at = 0; at < good.size(); ++at) {
        for (const int bit : {1, 2, 128}) {
            auto bad = good;
            bad[at] = static_cast<char>(bad[at] ^ bit);
            const auto whole = inflate_in_steps(bad, bad.size());
            if (inflate_in_steps(bad, 1) != whole) CHECK(inflate_in_steps(bad, 1) == whole);
        }
    }
}

TEST_CASE("a bomb comes in pieces", "[gzip]") {
    constexpr std::size_t size = std::size_t{16} << 20;
    const auto bomb = gzip(std::string(size, '\0'), 9);
    CHECK(bomb.size() < 20'000);
    const auto decoder = make_decoder();
    std::string_view in{bomb};
    std::size_t total = 0, largest = 0;
    while (decoder->next(in) == status::data) {
        total += decoder->data().size();
        largest = std::max(largest, decoder->data().size());
    }
    CHECK(total == size);
    CHECK(largest == http::content_decoder::max_piece_bytes);
}

TEST_CASE("RFC 9110 8.4.1.3: gzip is chosen by its name and by its older one", "[gzip][rfc9110-8.4.1.3]") {
    const std::shared_ptr<const http::content_decoding> decoding = weir::gzip_content{};
    CHECK(decoding->coding() == "gzip");
    for (const auto name : {"gzip"sv, "GZip"sv, "x-gzip"sv, "X-GZIP"sv}) {
        const std::vector<http::field_view> fields{{"Content-Encoding", name}};
        const auto chosen = http::choose_content_decoder(fields, decoding.get());
        REQUIRE(chosen.decoder != nullptr);
        CHECK(feed(*chosen.decoder, gzip("hello")) == "hello");
    }
    for (const auto name : {"deflate"sv, "br"sv, "zstd"sv, "xgzip"sv}) CHECK_FALSE(decoding->decodes(name));
}

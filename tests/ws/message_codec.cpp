// SPDX-License-Identifier: BSL-1.0

#include <weir/ws/message_codec.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>

#include "catch.hpp"

using namespace std::literals;
using weir::error;
using weir::ws::message_codec;

namespace {

/// Runs of the same byte, each as the byte and a digit: enough to keep the interface's promises.
class run_length_codec final : public message_codec {
public:
    explicit run_length_codec(bool& destroyed) : destroyed_{destroyed} {}
    ~run_length_codec() override { destroyed_ = true; }

    void compress(weir::bytes_view piece, bool last, std::string& out) override {
        for (const char c : weir::as_text(piece)) {
            if (count_ != 0 && (c != run_ || count_ == 9)) flush(out);
            run_ = c;
            ++count_;
        }
        if (last && count_ != 0) flush(out);
    }

    error inflate(weir::bytes_view piece, bool last, std::string& out, std::size_t max_size) override {
        for (const char c : weir::as_text(piece)) {
            has_byte_ = !has_byte_;
            if (has_byte_) {
                byte_ = c;
                continue;
            }
            if (c < '1' || c > '9') return error::bad_deflate;
            const auto count = static_cast<std::size_t>(c - '0');
            if (out.size() + count > max_size) return error::message_too_large;
            out.append(count, byte_);
        }
        return last && has_byte_ ? error::bad_deflate : error::none;
    }

    bool has_history() const noexcept override { return count_ != 0; }
    void forget_history() noexcept override { count_ = 0; }

    void compress_alone(weir::bytes_view message, std::string& out) override {
        bool ignored = false;
        run_length_codec{ignored}.compress(message, true, out);
    }
    std::uint8_t window_bits() const noexcept override { return 15; }

    std::size_t threshold() const noexcept override { return 16; }

private:
    void flush(std::string& out) {
        out += {run_, static_cast<char>('0' + count_)};
        count_ = 0;
    }

    bool& destroyed_;
    char run_ = 0, byte_ = 0;
    int count_ = 0;
    bool has_byte_ = false;
};

struct fixture {
    bool destroyed = false;
    std::unique_ptr<message_codec> codec = std::make_unique<run_length_codec>(destroyed);
};

}  // namespace

TEST_CASE("message_codec: a message in pieces, appended to what is there", "[ws][message_codec]") {
    fixture f;
    std::string compressed = "before ";
    f.codec->compress(weir::as_bytes("aaab"sv), false, compressed);
    f.codec->compress(weir::as_bytes("bbc"sv), true, compressed);
    CHECK(compressed == "before a3b3c1");

    std::string inflated = "before ";
    CHECK(f.codec->inflate(weir::as_bytes("a3b"sv), false, inflated, 100) == error::none);
    CHECK(f.codec->inflate(weir::as_bytes("3c1"sv), true, inflated, 100) == error::none);
    CHECK(inflated == "before aaabbbc");
}

TEST_CASE("RFC 7692 7.2.2: what cannot be inflated is told apart from what is too large", "[ws][message_codec]") {
    fixture f;
    std::string out;
    CHECK(f.codec->inflate(weir::as_bytes("a9a9"sv), true, out, 17) == error::message_too_large);
    CHECK(out.size() <= 17);
    fixture g;
    CHECK(g.codec->inflate(weir::as_bytes("a?"sv), true, out, 100) == error::bad_deflate);
    fixture h;
    CHECK(h.codec->inflate(weir::as_bytes("a"sv), true, out, 100) == error::bad_deflate);
}

TEST_CASE("message_codec: after its history is forgotten it begins anew", "[ws][message_codec]") {
    fixture f;
    std::string compressed;
    f.codec->compress(weir::as_bytes("aa"sv), false, compressed);
    CHECK(f.codec->has_history());
    f.codec->forget_history();
    CHECK_FALSE(f.codec->has_history());
    f.codec->compress(weir::as_bytes("a"sv), true, compressed);
    CHECK(compressed == "a1");
}

TEST_CASE("message_codec: owned through the interface, never copied", "[ws][message_codec]") {
    fixture f;
    CHECK(f.codec->threshold() == 16);
    CHECK_FALSE(f.destroyed);
    f.codec.reset();
    CHECK(f.destroyed);
    STATIC_REQUIRE_FALSE(std::is_copy_constructible_v<run_length_codec>);
    STATIC_REQUIRE_FALSE(std::is_move_constructible_v<run_length_codec>);
}

// SPDX-License-Identifier: BSL-1.0
#include <weir/http/content_decoder.hpp>

#include <memory>
#include <string_view>
#include <vector>

#include "catch.hpp"

namespace http = weir::http;
using weir::error;
using namespace std::literals;

namespace {

// Takes one byte at a time, as it stands: the least that a decoder can be.
class plain_decoder final : public http::content_decoder {
public:
    status next(std::string_view& in) override {
        if (in.empty()) return status::need_more;
        piece_ = in.substr(0, 1);
        in.remove_prefix(1);
        return status::data;
    }
    std::string_view data() const noexcept override { return piece_; }
    weir::error error() const noexcept override { return error::none; }

private:
    std::string_view piece_;
};

class plain_decoding final : public http::content_decoding {
public:
    std::string_view coding() const noexcept override { return "plain"; }
    std::unique_ptr<http::content_decoder> make() const override { return std::make_unique<plain_decoder>(); }
};

const plain_decoding ours;

// "ours", "none", or the error.
std::string_view choice(const std::vector<http::field_view>& fields, const http::content_decoding* known = &ours) {
    const auto result = http::choose_content_decoder(fields, known);
    if (result.error == error::none) return result.decoder ? "ours" : "none";
    CHECK(result.decoder == nullptr);
    return weir::message(result.error);
}

const std::string_view unsupported = weir::message(error::unsupported_coding);

}  // namespace

TEST_CASE("RFC 9110 8.4: the coding that is known gets its decoder", "[http][content_decoder][rfc9110-8.4]") {
    CHECK(choice({{"Content-Encoding", "plain"}}) == "ours");
    CHECK(choice({{"content-encoding", " , PLAIN,"}}) == "ours");
    CHECK(choice({{"Content-Encoding", "identity"}, {"Content-Encoding", "plain"}}) == "ours");
}

TEST_CASE("RFC 9110 8.4: without a coding there is nothing to decode", "[http][content_decoder][rfc9110-8.4]") {
    CHECK(choice({}) == "none");
    CHECK(choice({{"Transfer-Encoding", "plain"}}) == "none");
    CHECK(choice({{"Content-Encoding", ""}}) == "none");
    CHECK(choice({{"Content-Encoding", "Identity"}}, nullptr) == "none");
}

TEST_CASE("RFC 9110 8.4: any other coding is not supported, nor are several", "[http][content_decoder]") {
    CHECK(choice({{"Content-Encoding", "plain"}}, nullptr) == unsupported);
    for (const auto value : {"br"sv, "plain, plain"sv, "plain, br"sv, "br, plain"sv, "plain;q=1"sv, "xplain"sv}) {
        CAPTURE(value);
        CHECK(choice({{"Content-Encoding", value}}) == unsupported);
    }
    CHECK(choice({{"Content-Encoding", "plain"}, {"Content-Encoding", "plain"}}) == unsupported);
}

TEST_CASE("a decoder hands out the content piece by piece", "[http][content_decoder]") {
    const auto decoder =
        http::choose_content_decoder(std::vector<http::field_view>{{"Content-Encoding", "plain"}}, &ours);
    auto in = "ab"sv;
    CHECK(decoder.decoder->next(in) == http::content_decoder::status::data);
    CHECK(decoder.decoder->data() == "a");
    CHECK(decoder.decoder->next(in) == http::content_decoder::status::data);
    CHECK(decoder.decoder->data() == "b");
    CHECK(decoder.decoder->next(in) == http::content_decoder::status::need_more);
}

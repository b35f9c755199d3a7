// SPDX-License-Identifier: BSL-1.0

// Content in gzip inflates to the same however it is cut, in pieces of bounded size; what one call to zlib takes for
// whole members is not refused.

#include <weir/gzip.hpp>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>

namespace {

using namespace weir;
using status = http::content_decoder::status;

void require(bool condition) {
    if (!condition) std::abort();
}

constexpr std::size_t enough = 4 << 20;

std::string inflate(std::string_view text, std::size_t step) {
    const std::shared_ptr<const http::content_decoding> decoding = gzip_content{};
    const auto decoder = decoding->make();
    std::string out;
    auto result = status::need_more;
    while (!text.empty() && result != status::failed) {
        auto in = text.substr(0, step);
        text.remove_prefix(in.size());
        while ((result = decoder->next(in)) == status::data) {
            require(!decoder->data().empty() && decoder->data().size() <= http::content_decoder::max_piece_bytes);
            if (out.size() < enough) out += decoder->data();
        }
        require(result == status::failed || in.empty());
    }
    if (out.size() >= enough) return "much";
    require((result == status::failed) == (decoder->error() != error::none));
    return out + (result == status::failed ? "|failed" : "|");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text{reinterpret_cast<const char*>(data), size};
    const auto whole = inflate(text, size + 1);
    for (const std::size_t step : {1U, 3U, 50U}) require(inflate(text, step) == whole);
    return 0;
}

// SPDX-License-Identifier: BSL-1.0

// Uses an optional part: zlib comes with its target, and no Asio is needed.

#include <weir/deflate.hpp>

#include <string>

int main() {
    const auto codec = weir::deflate_frames{}.make_codec(weir::ws::role::server, {});
    std::string compressed, message;
    codec->compress(weir::as_bytes("Hello"), true, compressed);
    const auto error = codec->inflate(weir::as_bytes(compressed), true, message, 5);
    return error == weir::error::none && message == "Hello" ? 0 : 1;
}

// SPDX-License-Identifier: BSL-1.0

// Messages of any size, in pieces: nothing is kept of them. Run it, then:
//
//     weir_ws_cat ws://127.0.0.1:8080/digest < some.log
//     weir_ws_cat ws://127.0.0.1:8080/count/100000

#include <weir/server.hpp>

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

// FNV-1a, for want of something better in the standard library.
struct digest {
    std::uint64_t value = 0xcbf29ce484222325;
    std::size_t size = 0;

    void add(std::string_view text) noexcept {
        for (const char c : text) value = (value ^ static_cast<unsigned char>(c)) * 0x100000001b3;
        size += text.size();
    }
};

weir::awaitable<void> tell_digests(weir::ws_session ws) {
    digest sum;
    while (auto piece = co_await ws.async_receive_some()) {
        sum.add(piece->text());
        if (!piece->last()) continue;
        char text[64];
        std::snprintf(text, sizeof text, "%016jx %zu", std::uintmax_t{sum.value}, sum.size);
        co_await ws.async_send(text);
        sum = {};
    }
}

weir::awaitable<void> count(weir::ws_session ws, weir::request request) {
    const std::string_view wanted = request.param("end");
    unsigned end = 0;
    std::from_chars(wanted.data(), wanted.data() + wanted.size(), end);
    for (unsigned n = 1; n <= end; ++n) {
        const std::string number = std::to_string(n) + ' ';
        co_await ws.async_send_some({number, false, n == end});  // waits while the client takes no more
    }
}

// ws_pieces [port]; 0: the system chooses.
int main(int argc, char** argv) {
    const auto wanted = static_cast<std::uint16_t>(argc > 1 ? std::atoi(argv[1]) : 8080);

    weir::server app;
    app.ws("/digest", tell_digests);
    app.ws("/count/{end}", count);
    const std::uint16_t port = app.listen({.port = wanted});
    std::printf("ws://127.0.0.1:%u\n", unsigned{port});
    std::fflush(stdout);
    app.run();
}

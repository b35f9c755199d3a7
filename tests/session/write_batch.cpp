// SPDX-License-Identifier: BSL-1.0
#include <weir/session/write_batch.hpp>

#include "catch.hpp"

#include <cerrno>
#include <cstddef>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>

using namespace weir;

namespace {

// A socket is a text that has room for so many bytes; one that is not in the map is closed.
struct fake_socket {
    std::size_t room = 0;
    std::string received{};
};
using fake_sockets = std::map<int, fake_socket>;

class fake_batch final : public write_batch {
public:
    explicit fake_batch(fake_sockets& sockets) noexcept : sockets_(sockets) {}

    void perform(std::span<batched_write> writes) noexcept override {
        for (batched_write& write : writes) perform(write);
    }

private:
    void perform(batched_write& write) {
        const auto found = sockets_.find(write.descriptor);
        write.taken = 0;
        write.error = found == sockets_.end() ? EPIPE : 0;
        if (write.error != 0) return;

        fake_socket& socket = found->second;
        for (const bytes_view piece : write.pieces) {
            const std::string_view text = as_text(piece).substr(0, socket.room);
            socket.received += text;
            socket.room -= text.size();
            write.taken += text.size();
        }
    }

    fake_sockets& sockets_;
};

}  // namespace

TEST_CASE("a batch says of each write what was taken, or why the socket failed", "[session][write_batch]") {
    fake_sockets sockets{{3, {100}}, {4, {7}}, {5, {0}}};
    const batch_factory factory = [&] { return std::make_unique<fake_batch>(sockets); };
    const std::unique_ptr<write_batch> batch = factory();
    REQUIRE(batch != nullptr);

    const bytes_view event[] = {as_bytes("hello, "), as_bytes("world")};
    batched_write writes[] = {{3, event}, {4, event}, {5, event}, {6, event}};
    batch->perform(writes);

    CHECK(writes[0].taken == 12);
    CHECK(writes[0].error == 0);
    CHECK(sockets[3].received == "hello, world");
    CHECK(writes[1].taken == 7);
    CHECK(writes[1].error == 0);
    CHECK(writes[2].taken == 0);
    CHECK(writes[2].error == 0);
    CHECK(writes[3].taken == 0);
    CHECK(writes[3].error == EPIPE);
}

TEST_CASE("a write that nobody has performed has taken nothing", "[session][write_batch]") {
    const batched_write write;
    CHECK(write.descriptor < 0);
    CHECK(write.pieces.empty());
    CHECK(write.taken == 0);
    CHECK(write.error == 0);
}

TEST_CASE("a factory may have nothing to offer", "[session][write_batch]") {
    CHECK(!batch_factory{});
    const batch_factory factory = [] { return nullptr; };
    CHECK(factory() == nullptr);
}

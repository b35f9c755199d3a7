// SPDX-License-Identifier: BSL-1.0

#include <weir/io/read_buffer.hpp>

#include <cstddef>
#include <cstring>
#include <future>
#include <optional>

#include "catch.hpp"

namespace {

using weir::detail::read_buffer;

constexpr std::size_t kib = 1024;

// In a thread of its own: what the thread keeps begins with nothing.
template <class Work>
void in_new_thread(Work work) {
    std::async(std::launch::async, work).get();
}

}  // namespace

TEST_CASE("read buffer: the next borrower gets the same memory", "[io][read_buffer]") {
    in_new_thread([] {
        std::byte* first = nullptr;
        {
            const read_buffer buffer;
            CHECK(buffer.view().size() == 16 * kib);
            first = buffer.view().data();
            std::memset(first, 1, buffer.view().size());
        }
        const read_buffer again;
        CHECK(again.view().data() == first);
    });
}

TEST_CASE("read buffer: it grows when asked to, up to a limit, and stays that way", "[io][read_buffer]") {
    in_new_thread([] {
        {
            read_buffer buffer;
            for (const std::size_t size : {64 * kib, 256 * kib, 256 * kib}) {
                buffer.grow();
                CHECK(buffer.view().size() == size);
                std::memset(buffer.view().data(), 1, size);
            }
        }
        CHECK(read_buffer{}.view().size() == 256 * kib);
    });
}

TEST_CASE("read buffer: who borrows while it is lent gets another", "[io][read_buffer]") {
    in_new_thread([] {
        std::optional<read_buffer> outer{std::in_place};
        outer->grow();
        {
            const read_buffer inner;
            CHECK(inner.view().data() != outer->view().data());
            CHECK(inner.view().size() == 16 * kib);
            outer.reset();
            std::memset(inner.view().data(), 1, inner.view().size());
        }
        CHECK(read_buffer{}.view().size() == 64 * kib);
    });
}

TEST_CASE("read buffer: each thread has its own", "[io][read_buffer]") {
    const read_buffer mine;
    in_new_thread([&] {
        const read_buffer theirs;
        CHECK(theirs.view().data() != mine.view().data());
    });
}

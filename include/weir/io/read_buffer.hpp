// SPDX-License-Identifier: BSL-1.0
#pragma once

// The buffer that all sessions of a thread read into, one after the other. Layer: io.

#include <weir/bytes.hpp>
#include <weir/session/spare.hpp>

#include <cstddef>
#include <memory>
#include <utility>

namespace weir::detail {

/// Borrows the thread's buffer for as long as it lives; a second borrower meanwhile gets one of its own. The buffer
/// grows with what comes in at once, so that a large message is read whole.
class read_buffer {
public:
    read_buffer() : mine_(spare<memory>::take()) {
        if (!mine_) allocate(min_size);
    }
    read_buffer(const read_buffer&) = delete;
    read_buffer& operator=(const read_buffer&) = delete;
    ~read_buffer() { spare<memory>::put(std::move(mine_)); }

    mutable_bytes_view view() const noexcept { return {mine_->bytes.get(), mine_->size}; }

    /// To be called when a read has filled it, and nobody looks at the contents any more.
    void grow() {
        if (mine_->size < max_size) allocate(mine_->size * 4);
    }

private:
    static constexpr std::size_t min_size = 16 * 1024, max_size = 256 * 1024;

    struct memory {
        std::unique_ptr<std::byte[]> bytes;
        std::size_t size = 0;
    };

    void allocate(std::size_t size) {
        mine_ = std::make_unique<memory>(memory{std::make_unique_for_overwrite<std::byte[]>(size), size});
    }

    std::unique_ptr<memory> mine_;
};

}  // namespace weir::detail

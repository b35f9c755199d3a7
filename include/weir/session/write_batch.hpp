// SPDX-License-Identifier: BSL-1.0
#pragma once

// Many sockets' writes, tried together: what a hub asks of the system in one turn. Layer: session; weir/uring.hpp has
// one.

#include <weir/bytes.hpp>

#include <cstddef>
#include <functional>
#include <memory>
#include <span>

namespace weir {

/// One non-blocking write of a batch. The bytes, and the list of them, need only live until perform() returns.
struct batched_write {
    int descriptor = -1;                   ///< a socket's
    std::span<const bytes_view> pieces{};  ///< of which 1,024 are tried: Linux's IOV_MAX

    // What perform() says.
    std::size_t taken = 0;  ///< bytes, from the front; fewer than all: the socket is full
    int error = 0;          ///< errno of a socket that failed; a full one has not
};

/// Tries many writes at once. Used by one thread: the first that calls perform().
class write_batch {
public:
    virtual ~write_batch() = default;

    /// Tries every write, and sets its `taken` and `error`. Does not wait for room, raises no signal, and keeps
    /// nothing. No order is promised: a socket is named once in a batch.
    virtual void perform(std::span<batched_write> writes) noexcept = 0;
};

/// Makes a batch for one thread. A null result: not available here, and writes are tried one by one.
using batch_factory = std::function<std::unique_ptr<write_batch>()>;

}  // namespace weir

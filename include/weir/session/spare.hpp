// SPDX-License-Identifier: BSL-1.0
#pragma once

// What one session has done with, for the next one on the same thread. Layer: session.

#include <memory>
#include <utility>

namespace weir::detail {

/// At most one unused object for each thread: memory that many need for a moment is not allocated each time.
template <class T>
class spare {
public:
    /// Null: there is none.
    static std::unique_ptr<T> take() noexcept { return over() ? nullptr : std::move(mine().kept); }

    /// Keeps the object, or destroys it if there is one already or the thread is about to end.
    static void put(std::unique_ptr<T> object) noexcept {
        if (!over() && !mine().kept) mine().kept = std::move(object);
    }

private:
    struct slot {
        std::unique_ptr<T> kept;
        ~slot() { over() = true; }
    };

    // Needs no destruction, so that it can be asked when the slot is gone.
    static bool& over() noexcept {
        thread_local constinit bool instance = false;
        return instance;
    }
    static slot& mine() noexcept {
        thread_local slot instance;
        return instance;
    }
};

}  // namespace weir::detail

// SPDX-License-Identifier: BSL-1.0
#pragma once

// The writes of one turn in one system call, with Linux's io_uring. Layer: public; an optional part. io_uring(7)
//
// The one header that needs liburing: CMake's weir::uring instead of weir::weir.

#include <weir/bytes.hpp>
#include <weir/session/write_batch.hpp>

#include <liburing.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <utility>
#include <vector>

namespace weir {

/// Batches that hand all writes to the kernel at once, `entries` per system call (1 to 32,768).
///
///     weir::hub hub{{.writes = weir::uring_writes()}};
///
/// Makes a null batch where there is no io_uring: before Linux 5.6, and where the administrator or the container
/// forbids it. A batch whose io_uring stops working goes on with a system call for each write.
inline batch_factory uring_writes(unsigned entries = 128);

namespace detail {

// A send that may not wait has been done when the kernel has taken it: so rings with deferred task work, a single
// issuer or a registered descriptor would gain nothing, and any thread may use a batch, one at a time.
class uring_batch final : public write_batch {
public:
    explicit uring_batch(unsigned entries)
        : messages_(std::clamp(entries, 1u, 32'768u)),
          vectors_(max_pieces),
          open_(io_uring_queue_init(static_cast<unsigned>(messages_.size()), &ring_, 0) == 0) {}
    uring_batch(const uring_batch&) = delete;
    uring_batch& operator=(const uring_batch&) = delete;
    ~uring_batch() override { close(); }

    /// There is an io_uring, and it knows how to send.
    bool works() noexcept;

    void perform(std::span<batched_write> writes) noexcept override {
        while (open_ && !writes.empty()) {
            const std::size_t count = queue(writes);
            submit(writes.first(count));
            writes = writes.subspan(count);
        }
        for (batched_write& write : writes) write_alone(write);
    }

private:
    static constexpr std::size_t max_pieces = 1024;  // IOV_MAX of Linux
    static constexpr int flags = MSG_DONTWAIT | MSG_NOSIGNAL;
    static constexpr int unanswered = -1;  // batched_write::error until the kernel has said

    void close() noexcept;
    std::size_t queue(std::span<batched_write> writes) noexcept;
    void submit(std::span<batched_write> queued) noexcept;
    std::size_t take_answers(std::span<batched_write> queued) noexcept;
    void give_up(std::span<batched_write> queued) noexcept;

    static void write_alone(batched_write& write) noexcept;
    static msghdr message_of(const batched_write& write, std::span<iovec> room) noexcept;
    static void answer(batched_write& write, std::ptrdiff_t result) noexcept;

    io_uring ring_{};
    std::vector<msghdr> messages_;  // one for each entry of the ring
    std::vector<iovec> vectors_;    // what they point to
    bool open_;
};

inline bool uring_batch::works() noexcept {
    if (!open_) return false;
    using probe_ptr = std::unique_ptr<io_uring_probe, decltype(&io_uring_free_probe)>;
    const probe_ptr probe{io_uring_get_probe_ring(&ring_), &io_uring_free_probe};
    return probe && io_uring_opcode_supported(probe.get(), IORING_OP_SEND) != 0 &&
           io_uring_opcode_supported(probe.get(), IORING_OP_SENDMSG) != 0;
}

inline void uring_batch::close() noexcept {
    if (std::exchange(open_, false)) io_uring_queue_exit(&ring_);
}

// As many as there is room for; how many.
inline std::size_t uring_batch::queue(std::span<batched_write> writes) noexcept {
    std::span<iovec> room{vectors_};
    std::size_t count = 0;
    for (const std::size_t most = std::min(writes.size(), messages_.size()); count != most; ++count) {
        batched_write& write = writes[count];
        if (std::min(write.pieces.size(), max_pieces) > room.size()) break;
        io_uring_sqe* const entry = io_uring_get_sqe(&ring_);
        if (write.pieces.size() == 1 && write.pieces[0].size() <= INT_MAX) {  // 32 bits are its size
            io_uring_prep_send(entry, write.descriptor, write.pieces[0].data(), write.pieces[0].size(), flags);
        } else {
            messages_[count] = message_of(write, room);
            room = room.subspan(messages_[count].msg_iovlen);
            io_uring_prep_sendmsg(entry, write.descriptor, &messages_[count], flags);
        }
        entry->user_data = count;
        write.error = unanswered;
    }
    return count;
}

// In one system call, except where the kernel stops at a write that it finds to be malformed, and is to go on after it.
inline void uring_batch::submit(std::span<batched_write> queued) noexcept {
    std::size_t left = queued.size();
    while (left != 0) {
        const int result = io_uring_submit_and_wait(&ring_, static_cast<unsigned>(left));
        left -= take_answers(queued);
        if (result < 0 && result != -EINTR) return give_up(queued);
    }
}

// How many came.
inline std::size_t uring_batch::take_answers(std::span<batched_write> queued) noexcept {
    unsigned head = 0, count = 0;
    const io_uring_cqe* completion = nullptr;
    io_uring_for_each_cqe(&ring_, head, completion) {
        ++count;
        batched_write& write = queued[completion->user_data];
        // Nothing has been written, and not for a reason of the socket's.
        if (completion->res == -EINTR || completion->res == -ENOMEM) {
            write_alone(write);
        } else {
            answer(write, completion->res);
        }
    }
    io_uring_cq_advance(&ring_, count);
    return count;
}

// The kernel takes writes in the order in which they are queued. Those that it has not taken are done without it. If it
// still had one (it does not keep what may not wait) nobody could know what became of it: that socket has failed.
inline void uring_batch::give_up(std::span<batched_write> queued) noexcept {
    const std::size_t taken = queued.size() - io_uring_sq_ready(&ring_);
    close();
    for (std::size_t i = 0; i != queued.size(); ++i) {
        if (queued[i].error != unanswered) continue;
        if (i < taken) {
            answer(queued[i], -ECANCELED);
        } else {
            write_alone(queued[i]);
        }
    }
}

inline void uring_batch::write_alone(batched_write& write) noexcept {
    std::array<iovec, max_pieces> room;
    const msghdr message = message_of(write, room);
    ssize_t taken = 0;
    do {
        taken = ::sendmsg(write.descriptor, &message, flags);
    } while (taken < 0 && errno == EINTR);
    answer(write, taken < 0 ? -errno : taken);
}

inline msghdr uring_batch::message_of(const batched_write& write, std::span<iovec> room) noexcept {
    msghdr message{};
    message.msg_iov = room.data();
    for (const bytes_view piece : write.pieces.first(std::min(write.pieces.size(), max_pieces))) {
        room[message.msg_iovlen++] = {const_cast<std::byte*>(piece.data()), piece.size()};
    }
    return message;
}

// A number of bytes, or a negative errno.
inline void uring_batch::answer(batched_write& write, std::ptrdiff_t result) noexcept {
    const bool full = result == -EAGAIN || result == -EWOULDBLOCK;
    write.taken = result > 0 ? static_cast<std::size_t>(result) : 0;
    write.error = result < 0 && !full ? static_cast<int>(-result) : 0;
}

}  // namespace detail

inline batch_factory uring_writes(unsigned entries) {
    return [entries]() -> std::unique_ptr<write_batch> {
        auto batch = std::make_unique<detail::uring_batch>(entries);
        if (!batch->works()) return nullptr;
        return batch;
    };
}

}  // namespace weir

// SPDX-License-Identifier: BSL-1.0
#pragma once

// What may lie between a socket and those who use it: TLS, without saying so. Layer: io.

#include <weir/bytes.hpp>
#include <weir/config.hpp>
#include <weir/io/transport.hpp>

#include WEIR_ASIO(error.hpp)
#include WEIR_ASIO(socket_base.hpp)

#include <algorithm>
#include <array>
#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <utility>

namespace weir::detail {

/// What became of something that was tried.
struct attempt {
    using wait_type = net::socket_base::wait_type;

    std::size_t bytes = 0;
    error_code ec{};
    wait_type until = net::socket_base::wait_read;  ///< if it would block: what the socket is to be waited for

    static attempt blocked(wait_type until) noexcept { return {0, net::error::would_block, until}; }
    bool is_blocked() const noexcept { return would_block(ec); }
};

/// A protocol on a non-blocking socket that carries bytes both ways. It never waits: it says for what to wait, and the
/// socket is waited on. The socket may be another one each time, since streams are moved; it is always the same
/// connection's.
template <class Socket>
class basic_stream_layer {
public:
    using wait_type = attempt::wait_type;

    basic_stream_layer() = default;
    basic_stream_layer(const basic_stream_layer&) = delete;
    basic_stream_layer& operator=(const basic_stream_layer&) = delete;
    virtual ~basic_stream_layer() = default;

    // ---- one step ----

    /// net::error::eof: the peer has said that no more comes.
    attempt try_read(Socket& socket, mutable_bytes_view into) noexcept {
        if (into.empty()) return {};
        const attempt done = read(socket, into);
        read_dry_ = done.is_blocked();
        if (read_dry_) read_until_ = done.until;
        if (done.ec == net::error::eof) peer_finished_ = true;
        return done;
    }
    /// After one that would block, the same bytes have to be offered again, or more that begin with them.
    attempt try_write(Socket& socket, bytes_view from) noexcept {
        return from.empty() ? attempt{} : write(socket, from);
    }
    /// Does what comes before the first byte, which else reading and writing do: so that its errors are told apart.
    attempt try_open(Socket& socket) noexcept { return open(socket); }
    /// Tells the peer that no more comes.
    attempt try_finish(Socket& socket) noexcept { return finish(socket); }

    // ---- as a transport reads and writes ----

    /// Reads what is there, several pieces if need be. Empty without an error: nothing yet.
    mutable_bytes_view read_now(Socket& socket, mutable_bytes_view buffer, error_code& ec) noexcept;

    /// Whether waiting for the socket means anything: what has been read from it may not have been asked for yet.
    bool read_dry() const noexcept { return read_dry_; }
    wait_type read_until() const noexcept { return read_until_; }

    /// The peer has said that no more comes.
    bool peer_finished() const noexcept { return peer_finished_; }

    /// Writes what the socket takes at once, and keeps the piece that it does not take whole.
    std::size_t write_now(Socket& socket, std::span<const bytes_view> pieces, error_code& ec);
    /// Bytes kept, until write_kept() has written them; before that write_now() takes nothing.
    std::size_t kept() const noexcept { return kept_.size(); }
    void write_kept(Socket& socket, error_code& ec) noexcept;
    wait_type write_until() const noexcept { return write_until_; }

private:
    // What fits into one record of TLS. RFC 8446 §5.1
    static constexpr std::size_t max_piece = 16 * 1024;

    virtual attempt open(Socket&) noexcept { return {}; }
    virtual attempt read(Socket& socket, mutable_bytes_view into) noexcept = 0;
    virtual attempt write(Socket& socket, bytes_view from) noexcept = 0;
    virtual attempt finish(Socket& socket) noexcept = 0;

    std::string kept_;
    wait_type read_until_ = net::socket_base::wait_read, write_until_ = net::socket_base::wait_write;
    bool read_dry_ = false, peer_finished_ = false;
};

/// Takes pieces together, into one buffer where they are small.
class piece_gatherer {
public:
    explicit piece_gatherer(std::span<const bytes_view> pieces) noexcept : pieces_(pieces) {}

    /// The first bytes that are left, not more than fit into `buffer`; empty: none are.
    bytes_view front(mutable_bytes_view buffer) const noexcept {
        if (pieces_.empty()) return {};
        const bytes_view first = pieces_.front().subspan(done_);
        if (first.size() >= buffer.size()) return first.first(buffer.size());
        std::size_t filled = 0;
        for (std::size_t i = 0; i != pieces_.size() && filled != buffer.size(); ++i) {
            const bytes_view piece = i == 0 ? first : pieces_[i];
            const std::size_t n = std::min(piece.size(), buffer.size() - filled);
            std::copy_n(piece.begin(), n, buffer.begin() + static_cast<std::ptrdiff_t>(filled));
            filled += n;
        }
        return buffer.first(filled);
    }
    void advance(std::size_t n) noexcept {
        done_ += n;
        while (!pieces_.empty() && done_ >= pieces_.front().size()) {
            done_ -= pieces_.front().size();
            pieces_ = pieces_.subspan(1);
        }
    }

private:
    std::span<const bytes_view> pieces_;
    std::size_t done_ = 0;  // of the first
};

template <class Socket>
mutable_bytes_view basic_stream_layer<Socket>::read_now(Socket& socket, mutable_bytes_view buffer,
                                                        error_code& ec) noexcept {
    std::size_t filled = 0;
    while (filled != buffer.size()) {
        const attempt done = try_read(socket, buffer.subspan(filled));
        filled += done.bytes;
        if (!done.ec) continue;
        // An end behind bytes is met again by whoever reads on.
        if (!done.is_blocked() && filled == 0) ec = done.ec;
        break;
    }
    return buffer.first(filled);
}

// What is offered next time may be something else, as messages that have not begun may be dropped: what the layer has
// begun to write is taken.
template <class Socket>
std::size_t basic_stream_layer<Socket>::write_now(Socket& socket, std::span<const bytes_view> pieces, error_code& ec) {
    if (!kept_.empty()) return 0;
    std::array<std::byte, max_piece> buffer;
    piece_gatherer left{pieces};
    std::size_t taken = 0;
    for (bytes_view next = left.front(buffer); !next.empty(); next = left.front(buffer)) {
        const attempt done = try_write(socket, next);
        if (done.is_blocked()) {
            kept_ = as_text(next);
            write_until_ = done.until;
            return taken + next.size();
        }
        // What went before has been written, and is told; whoever writes on meets the error again.
        if (done.ec && taken == 0) ec = done.ec;
        if (done.ec) break;
        left.advance(done.bytes);
        taken += done.bytes;
    }
    return taken;
}

template <class Socket>
void basic_stream_layer<Socket>::write_kept(Socket& socket, error_code& ec) noexcept {
    const attempt done = try_write(socket, as_bytes(kept_));
    write_until_ = done.is_blocked() ? done.until : net::socket_base::wait_write;
    if (done.is_blocked()) return;
    ec = done.ec;
    kept_.erase(0, done.bytes);
    if (ec || kept_.empty()) kept_ = {};
}

}  // namespace weir::detail

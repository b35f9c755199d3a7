// SPDX-License-Identifier: BSL-1.0
#pragma once

// How messages are compressed, without naming what compresses them. Layer: protocol. RFC 7692
//
// weir/deflate.hpp implements this with zlib; a connection that was not given one compresses nothing.

#include <weir/bytes.hpp>
#include <weir/error.hpp>

#include <cstddef>
#include <cstdint>
#include <string>

namespace weir::ws {

/// Compresses and inflates the messages of one connection. What it does to one direction does not touch the other.
/// Not thread-safe.
class message_codec {
public:
    message_codec(const message_codec&) = delete;
    message_codec& operator=(const message_codec&) = delete;
    virtual ~message_codec() = default;

    /// Appends the compressed form of the next piece of a message to `out`, ready to be the payload of a frame. `last`:
    /// the message ends here; the final four bytes 00 00 FF FF are left out then. RFC 7692 §7.2.1
    /// Errors: none that a peer can cause; throws std::bad_alloc.
    virtual void compress(bytes_view piece, bool last, std::string& out) = 0;

    /// Appends the inflated form of the next piece of a compressed message to `out`, as much as the piece yields.
    /// `last`: the message ends here. Errors: bad_deflate; message_too_large as soon as `out` would become longer than
    /// `max_size`, whatever the piece still holds. After an error the connection is over. RFC 7692 §7.2.2
    virtual error inflate(bytes_view piece, bool last, std::string& out, std::size_t max_size) = 0;

    /// Whether what is compressed may refer to messages compressed before, so that none of them may get lost.
    virtual bool has_history() const noexcept = 0;
    /// What is compressed next refers to nothing before it.
    virtual void forget_history() noexcept = 0;

    /// As compress() of a whole message for a window of 2^window_bits() bytes, but for any connection that agreed to one
    /// of that size: refers to nothing before it. The peer's history has it afterwards and this codec's has not, so
    /// whoever sends it calls forget_history().
    virtual void compress_alone(bytes_view message, std::string& out) = 0;
    /// Of the window for compressing, from 9 to 15.
    virtual std::uint8_t window_bits() const noexcept = 0;

    /// Messages shorter than this are sent as they are.
    virtual std::size_t threshold() const noexcept = 0;

protected:
    message_codec() = default;
};

}  // namespace weir::ws

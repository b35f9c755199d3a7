// SPDX-License-Identifier: BSL-1.0
#pragma once

// permessage-deflate with zlib: the framing policy of WebSocket sessions that compress. Layer: public. RFC 7692 §7
//
// Includes zlib, as gzip.hpp does and no other header: link weir::deflate.

#include <weir/bytes.hpp>
#include <weir/error.hpp>
#include <weir/exceptions.hpp>
#include <weir/ws/deflate_agreement.hpp>
#include <weir/ws/deflate_offer.hpp>
#include <weir/ws/message_codec.hpp>

#include <zlib.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <new>
#include <string>
#include <utility>

namespace weir {

/// Compresses the messages of a WebSocket session, where the peer agrees to it.
///
/// Memory. A side that may look back at earlier messages ("context takeover") holds its context as long as the
/// connection, from its first compressed message on; one that may not borrows it from its thread for each message, and
/// an idle connection holds nothing. That is the default. A context takes, for a window of 2^bits,
///
///   compressing   2^(bits + 2) + 2^(memory_level + 9) bytes + 6 KiB    150 KiB: 15 bits, memory level 5
///   inflating     2^bits bytes + 7 KiB                                  39 KiB: 15 bits
///
/// Time and size, of 1 KiB of JSON, each message different. Both vary with the data: see bench/ws_deflate.cpp.
///
///                                compressing   inflating   of its size   with context takeover
///   level 1, memory level 5            12 us        3 us           36 %                    27 %
///   level 1, memory level 1            23 us        5 us           38 %                    31 %
///   level 3, memory level 5            12 us        3 us           35 %                    25 %
///   level 6, memory level 5            15 us        3 us           34 %                    22 %
///
/// A compressed message that holds both a secret and what an attacker chose tells of the secret by its length.
struct deflate_frames {
    /// What is asked for, and what is agreed to. Without context takeover by default: memory before size.
    ws::deflate_options negotiation{.server_no_context_takeover = true, .client_no_context_takeover = true};
    /// zlib's, 1 (fast) to 9 (small); 0 compresses nothing. What lies outside is taken for the nearest.
    int level = 1;
    /// zlib's, 1 to 9, for compressing. What lies outside is taken for the nearest.
    int memory_level = 5;
    /// Shorter messages are sent as they are. 128 bytes of JSON lose an eighth to a quarter, 64 next to nothing.
    std::size_t threshold = 128;

    /// What is to be negotiated.
    const ws::deflate_options* deflate() const noexcept { return &negotiation; }

    /// The codec of one connection. Holds nothing of this object. Throws std::bad_alloc.
    std::unique_ptr<ws::message_codec> make_codec(ws::role self, const ws::deflate_agreement& agreed) const;
};

namespace detail {

/// What a zlib context was made for; one is as good as another that was made for the same.
struct zlib_settings {
    bool compresses;
    std::uint8_t window_bits;
    std::uint8_t memory_level = 0;  // of those that compress, as is the level
    std::uint8_t level = 0;

    friend bool operator==(const zlib_settings&, const zlib_settings&) = default;
};

/// A z_stream, which must stay where it is.
class zlib_context {
public:
    explicit zlib_context(const zlib_settings& settings);
    zlib_context(const zlib_context&) = delete;
    zlib_context& operator=(const zlib_context&) = delete;
    ~zlib_context() { settings_.compresses ? deflateEnd(&stream) : inflateEnd(&stream); }

    /// As if it were new.
    void reset() noexcept { settings_.compresses ? deflateReset(&stream) : inflateReset(&stream); }
    const zlib_settings& settings() const noexcept { return settings_; }

    z_stream stream{};

private:
    zlib_settings settings_;
};

/// The contexts that nobody uses at the moment, of one thread; the longest unused one gives way when there are many. A
/// context may be borrowed on one thread and given back on another.
class zlib_pool {
public:
    static constexpr std::size_t max_idle = 16;  // one policy has 15 kinds: 8 windows to inflate, 7 to compress

    zlib_pool() = default;
    zlib_pool(const zlib_pool&) = delete;
    zlib_pool& operator=(const zlib_pool&) = delete;
    ~zlib_pool() { is_over() = true; }

    /// A context as if it were new. Throws std::bad_alloc.
    static std::unique_ptr<zlib_context> borrow(const zlib_settings& settings);
    static void give_back(std::unique_ptr<zlib_context> context) noexcept;
    static std::size_t idle() noexcept { return is_over() ? 0 : of_this_thread().size_; }

private:
    static zlib_pool& of_this_thread() noexcept {
        static thread_local zlib_pool pool;
        return pool;
    }
    // What outlives the thread's pool, such as a connection in a global variable, must not find it. Has no destructor,
    // and so is there to the end.
    static bool& is_over() noexcept {
        static thread_local bool over = false;
        return over;
    }
    std::unique_ptr<zlib_context> take(std::size_t index) noexcept;

    std::array<std::unique_ptr<zlib_context>, max_idle> idle_;  // the longest unused one first
    std::size_t size_ = 0;
};

/// One direction's context: made or borrowed at the first message that needs one, and given back at the end of the
/// message, or with takeover of the connection.
class zlib_direction {
public:
    zlib_direction(const zlib_settings& settings, bool takeover) noexcept : settings_{settings}, takeover_{takeover} {}
    zlib_direction(const zlib_direction&) = delete;
    zlib_direction& operator=(const zlib_direction&) = delete;
    ~zlib_direction() { release(); }

    bool keeps_context() const noexcept { return takeover_; }
    const zlib_settings& settings() const noexcept { return settings_; }
    z_stream& open() {
        if (!context_) context_ = zlib_pool::borrow(settings_);
        return context_->stream;
    }
    void end_message() noexcept {
        if (!takeover_) release();
    }
    void release() noexcept {
        if (context_) zlib_pool::give_back(std::move(context_));
    }

private:
    std::unique_ptr<zlib_context> context_;
    zlib_settings settings_;
    bool takeover_;
};

class deflate_codec final : public ws::message_codec {
public:
    deflate_codec(const zlib_settings& compressing, bool compressing_takeover, const zlib_settings& inflating,
                  bool inflating_takeover, std::size_t threshold) noexcept
        : outgoing_{compressing, compressing_takeover},
          incoming_{inflating, inflating_takeover},
          threshold_{threshold} {}

    void compress(bytes_view piece, bool last, std::string& out) override { compress(outgoing_, piece, last, out); }
    void compress_alone(bytes_view message, std::string& out) override {
        zlib_direction apart{outgoing_.settings(), false};
        compress(apart, message, true, out);
    }
    std::uint8_t window_bits() const noexcept override { return outgoing_.settings().window_bits; }
    error inflate(bytes_view piece, bool last, std::string& out, std::size_t max_size) override;
    bool has_history() const noexcept override { return outgoing_.keeps_context(); }
    void forget_history() noexcept override { outgoing_.release(); }
    std::size_t threshold() const noexcept override { return threshold_; }

private:
    // Where the compressed data stands.
    enum class place : std::uint8_t {
        between_blocks,  // and between two bytes
        after_final_block,
        in_block,
    };

    static void compress(zlib_direction& into, bytes_view piece, bool last, std::string& out);
    error inflate_piece(bytes_view piece, std::string& out, std::size_t max_size);
    error end_inflating(std::string& out, std::size_t max_size);
    error take_step(z_stream& stream, std::string& out, std::size_t max_size);

    zlib_direction outgoing_, incoming_;
    std::size_t threshold_;
    place place_ = place::between_blocks;
};

// zlib writes here, and from here it goes on to the end of a string, which cannot grow without being filled first.
// Never initialised: a short message touches little of it.
using zlib_output = std::array<char, std::size_t{16} * 1024>;

/// The front of `in`, as much as zlib takes at once, as its next input. It does not write there.
inline void set_input(z_stream& stream, bytes_view& in) noexcept {
    const std::size_t size = std::min<std::size_t>(in.size(), std::numeric_limits<uInt>::max());
    stream.next_in = const_cast<Bytef*>(reinterpret_cast<const Bytef*>(in.data()));
    stream.avail_in = static_cast<uInt>(size);
    in = in.subspan(size);
}

inline void set_output(z_stream& stream, zlib_output& output, std::size_t size) noexcept {
    stream.next_out = reinterpret_cast<Bytef*>(output.data());
    stream.avail_out = static_cast<uInt>(size);
}

/// Appends as std::string does, but its memory never grows beyond `max_size`, which the result must not exceed.
inline void append_within(std::string& out, const char* data, std::size_t size, std::size_t max_size) {
    const bool grows = size > out.capacity() - out.size();
    if (grows && out.capacity() > max_size / 2) {
        std::string all;  // one that is new takes what it is told to, an old one doubles
        all.reserve(max_size);
        all.append(out);
        out.swap(all);
    }
    out.append(data, size);
}

}  // namespace detail

// ---- the policy ----

inline std::unique_ptr<ws::message_codec> deflate_frames::make_codec(ws::role self,
                                                                     const ws::deflate_agreement& agreed) const {
    const bool server = self == ws::role::server;
    const auto own_bits = server ? agreed.server_max_window_bits : agreed.client_max_window_bits;
    const auto peer_bits = server ? agreed.client_max_window_bits : agreed.server_max_window_bits;
    const bool own_takeover = !(server ? agreed.server_no_context_takeover : agreed.client_no_context_takeover);
    const bool peer_takeover = !(server ? agreed.client_no_context_takeover : agreed.server_no_context_takeover);

    const auto within = [](int value, int low, int high) {
        return static_cast<std::uint8_t>(std::clamp(value, low, high));
    };
    // zlib does not compress with a window of 256 bytes, but within one: it reaches back at most as far as its window
    // less 262 bytes (one longest match, and what it has to see beyond), which of 512 bytes are 250.
    const detail::zlib_settings compressing{true, within(own_bits, 9, 15), within(memory_level, 1, 9),
                                            within(level, 0, 9)};
    const detail::zlib_settings inflating{false, within(peer_bits, 8, 15)};
    return std::make_unique<detail::deflate_codec>(compressing, own_takeover, inflating, peer_takeover, threshold);
}

namespace detail {

// ---- contexts ----

inline zlib_context::zlib_context(const zlib_settings& settings) : settings_{settings} {
    const int raw = -int{settings.window_bits};  // without a header and a checksum
    const int result = settings.compresses ? deflateInit2(&stream, settings.level, Z_DEFLATED, raw,
                                                          settings.memory_level, Z_DEFAULT_STRATEGY)
                                           : inflateInit2(&stream, raw);
    if (result != Z_OK) raise(std::bad_alloc{});  // the settings are within zlib's bounds: it is the memory
}

inline std::unique_ptr<zlib_context> zlib_pool::take(std::size_t index) noexcept {
    auto taken = std::move(idle_[index]);
    std::move(idle_.begin() + static_cast<std::ptrdiff_t>(index) + 1, idle_.end(),
              idle_.begin() + static_cast<std::ptrdiff_t>(index));
    --size_;
    return taken;
}

inline std::unique_ptr<zlib_context> zlib_pool::borrow(const zlib_settings& settings) {
    if (is_over()) return std::make_unique<zlib_context>(settings);
    zlib_pool& pool = of_this_thread();
    for (std::size_t i = pool.size_; i-- > 0;) {
        if (pool.idle_[i]->settings() != settings) continue;
        auto context = pool.take(i);
        context->reset();
        return context;
    }
    return std::make_unique<zlib_context>(settings);
}

inline void zlib_pool::give_back(std::unique_ptr<zlib_context> context) noexcept {
    if (is_over()) return;
    zlib_pool& pool = of_this_thread();
    if (pool.size_ == max_idle) pool.take(0);
    pool.idle_[pool.size_++] = std::move(context);
}

// ---- compressing ----

// Each piece is flushed, so that the peer can inflate it as soon as it has it, and so that the data always ends between
// two bytes, with the empty block 00 00 FF FF.
inline void deflate_codec::compress(zlib_direction& into, bytes_view piece, bool last, std::string& out) {
    constexpr std::size_t tail_size = 4;
    zlib_output output;
    bytes_view rest = piece;
    while (!rest.empty()) {
        z_stream& stream = into.open();
        set_input(stream, rest);
        do {
            set_output(stream, output, output.size());
            ::deflate(&stream, Z_SYNC_FLUSH);
            out.append(output.data(), output.size() - stream.avail_out);
        } while (stream.avail_out == 0);
    }
    if (!last) return;
    // "Remove 4 octets (that are 0x00 0x00 0xff 0xff) from the tail end." RFC 7692 §7.2.1 With nothing to compress zlib
    // makes no block, and "an empty uncompressed DEFLATE block can be built and used for this purpose". §7.2.3.6
    if (piece.empty()) {
        out.push_back('\0');
    } else {
        out.resize(out.size() - tail_size);
    }
    into.end_message();
}

// ---- inflating ----

inline error deflate_codec::inflate(bytes_view piece, bool last, std::string& out, std::size_t max_size) {
    error e = inflate_piece(piece, out, max_size);
    if (e == error::none && last) e = end_inflating(out, max_size);
    if (e != error::none) return incoming_.release(), e;
    if (last) incoming_.end_message();
    return error::none;
}

inline error deflate_codec::inflate_piece(bytes_view piece, std::string& out, std::size_t max_size) {
    while (!piece.empty()) {
        z_stream& stream = incoming_.open();
        set_input(stream, piece);
        do {
            if (const error e = take_step(stream, out, max_size); e != error::none) return e;
        } while (stream.avail_in != 0 || stream.avail_out == 0);
    }
    return error::none;
}

inline error deflate_codec::take_step(z_stream& stream, std::string& out, std::size_t max_size) {
    if (out.size() > max_size) return error::message_too_large;
    // Blocks may follow a final one, RFC 7692 §7.2.3.4, and they may go on with its window, which inflateReset() drops.
    if (place_ == place::after_final_block && stream.avail_in != 0) inflateResetKeep(&stream);

    zlib_output output;
    const std::size_t room = max_size - out.size();
    const std::size_t step = room < output.size() ? room + 1 : output.size();  // one more tells that there is more
    set_output(stream, output, step);
    const int result = ::inflate(&stream, Z_SYNC_FLUSH);
    const std::size_t size = step - stream.avail_out;
    if (size > room) return error::message_too_large;
    append_within(out, output.data(), size, max_size);

    if (result == Z_MEM_ERROR) raise(std::bad_alloc{});
    const bool nothing_to_do = result == Z_BUF_ERROR;
    if (result != Z_OK && result != Z_STREAM_END && !nothing_to_do) return error::bad_deflate;

    // "plus 128 if inflate() returned immediately after decoding an end-of-block code", over the number of bits that
    // were read of the next block (zlib.h, inflate)
    constexpr int block_ended = 128, bits_left = 63;
    const bool between = (stream.data_type & block_ended) != 0 && (stream.data_type & bits_left) == 0;
    place_ = result == Z_STREAM_END ? place::after_final_block : between ? place::between_blocks : place::in_block;
    return error::none;
}

// "Append 4 octets of 0x00 0x00 0xff 0xff to the tail end of the payload of the message. Decompress the resulting data
// using DEFLATE." RFC 7692 §7.2.2
//
// They belong to an empty block that the message has begun. Senders are known that end without one, after a piece that
// they flushed, or with no data at all where nothing was to be compressed: no block is open then, and nothing is
// missing. Anywhere else the four octets would pass for data: the message was cut off.
inline error deflate_codec::end_inflating(std::string& out, std::size_t max_size) {
    static constexpr std::array<std::byte, 4> tail{std::byte{0}, std::byte{0}, std::byte{0xff}, std::byte{0xff}};
    if (place_ != place::in_block) return error::none;
    const std::size_t before = out.size();
    const error e = inflate_piece(tail, out, max_size);
    if (e != error::none) return e;
    return place_ == place::between_blocks && out.size() == before ? error::none : error::bad_deflate;
}

}  // namespace detail

}  // namespace weir

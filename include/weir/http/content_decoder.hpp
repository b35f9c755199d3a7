// SPDX-License-Identifier: BSL-1.0
#pragma once

// What undoes the content coding of a response; an interface, since the codings need libraries. Layer: protocol.
// RFC 9110 §8.4

#include <weir/error.hpp>
#include <weir/http/fields.hpp>
#include <weir/http/grammar.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

namespace weir::http {

/// Decodes one body, in whatever pieces it comes. Not thread-safe.
///
/// The body's end is not told, and so a coding's own end is not waited for: a stream of events has none.
class content_decoder {
public:
    /// No piece of decoded data is larger, so that a few bytes that stand for gigabytes cost no memory.
    static constexpr std::size_t max_piece_bytes = std::size_t{16} * 1024;

    /// What next() returns.
    enum class status : std::uint8_t {
        need_more,  ///< the input is used up
        data,       ///< data() is the next piece
        failed,     ///< see error()
    };

    content_decoder() = default;
    content_decoder(const content_decoder&) = delete;
    content_decoder& operator=(const content_decoder&) = delete;
    virtual ~content_decoder() = default;

    /// Consumes from the front of `in`. `data`: data() is a piece of the content, call again, with an empty `in` too,
    /// since there may be more of what was consumed; `need_more`: `in` is empty, and everything that it stands for has
    /// been handed out; `failed`: see error(), and so it stays. Throws std::bad_alloc.
    virtual status next(std::string_view& in) = 0;
    /// A piece of the content; valid until the next call.
    virtual std::string_view data() const noexcept = 0;
    /// Why it failed: bad_deflate. The connection cannot be used any further.
    virtual weir::error error() const noexcept = 0;
};

/// A content coding that a client understands; makes a decoder for each answer that has it. Immutable: may be shared by
/// clients of several threads.
class content_decoding {
public:
    content_decoding() = default;
    content_decoding(const content_decoding&) = delete;
    content_decoding& operator=(const content_decoding&) = delete;
    virtual ~content_decoding() = default;

    /// The coding's name, for Accept-Encoding: "gzip".
    virtual std::string_view coding() const noexcept = 0;
    /// Whether a Content-Encoding, in any case, is this one, by this or by an older name.
    virtual bool decodes(std::string_view coding_of_answer) const noexcept {
        return equal_ignoring_case(coding_of_answer, coding());
    }
    /// The decoder of one body. Holds nothing of this object. Throws std::bad_alloc.
    virtual std::unique_ptr<content_decoder> make() const = 0;
};

/// What an answer's content has to go through.
struct content_decoder_result {
    /// unsupported_coding: another coding than ours, or several.
    weir::error error = weir::error::none;
    std::unique_ptr<content_decoder> decoder = {};  ///< null: the content is as it stands
};

/// Chooses by the answer's Content-Encoding. `known` may be null: then any coding but "identity", which is none, is
/// unsupported. Throws std::bad_alloc.
inline content_decoder_result choose_content_decoder(const fields_view& answer, const content_decoding* known) {
    std::size_t codings = 0;
    bool ours = true;
    answer.for_each_element("Content-Encoding", [&](std::string_view coding) {
        // "the coding named "identity" is reserved for its special role in Accept-Encoding and thus SHOULD NOT be
        // included": some do, and it changes nothing. RFC 9110 §8.4
        if (equal_ignoring_case(coding, "identity")) return;
        ++codings;
        ours = ours && known != nullptr && known->decodes(coding);
    });
    if (codings == 0) return {};
    if (codings > 1 || !ours) return {.error = error::unsupported_coding};
    return {error::none, known->make()};
}

}  // namespace weir::http

// SPDX-License-Identifier: BSL-1.0
#pragma once

// Views of bytes and of text, and the way between them. Layer: ground.

#include <cstddef>
#include <span>
#include <string_view>

namespace weir {

/// Bytes to read: a view.
using bytes_view = std::span<const std::byte>;
/// Bytes to read and to change: a view.
using mutable_bytes_view = std::span<std::byte>;

/// The same bytes, seen as bytes. The view lives as long as the text.
inline bytes_view as_bytes(std::string_view text) noexcept {
    return std::as_bytes(std::span{text.data(), text.size()});
}

/// The same bytes, seen as text. The view lives as long as the bytes.
inline std::string_view as_text(bytes_view bytes) noexcept {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace weir

// SPDX-License-Identifier: BSL-1.0
#pragma once

// The media type that a file's extension stands for. Layer: protocol. RFC 9110 §8.3

#include <weir/http/grammar.hpp>

#include <array>
#include <string_view>
#include <utility>

namespace weir::http {

/// What an extension unknown here yields: browsers offer to save it, and run nothing.
inline constexpr std::string_view unknown_media_type = "application/octet-stream";

/// The Content-Type for a file of that name or path, by its extension in any case; text is taken to be UTF-8.
constexpr std::string_view media_type_of(std::string_view path) noexcept {
    using entry = std::pair<std::string_view, std::string_view>;
    constexpr auto table = std::to_array<entry>({
        {"html", "text/html; charset=utf-8"},
        {"htm", "text/html; charset=utf-8"},
        {"css", "text/css; charset=utf-8"},
        {"js", "text/javascript; charset=utf-8"},
        {"mjs", "text/javascript; charset=utf-8"},
        {"json", "application/json"},
        {"map", "application/json"},
        {"webmanifest", "application/manifest+json"},
        {"wasm", "application/wasm"},
        {"txt", "text/plain; charset=utf-8"},
        {"md", "text/markdown; charset=utf-8"},
        {"csv", "text/csv; charset=utf-8"},
        {"xml", "application/xml"},
        {"svg", "image/svg+xml"},
        {"png", "image/png"},
        {"jpg", "image/jpeg"},
        {"jpeg", "image/jpeg"},
        {"gif", "image/gif"},
        {"webp", "image/webp"},
        {"avif", "image/avif"},
        {"ico", "image/x-icon"},
        {"woff", "font/woff"},
        {"woff2", "font/woff2"},
        {"ttf", "font/ttf"},
        {"mp3", "audio/mpeg"},
        {"mp4", "video/mp4"},
        {"webm", "video/webm"},
        {"pdf", "application/pdf"},
        {"zip", "application/zip"},
        {"gz", "application/gzip"},
    });
    const auto name = path.substr(path.find_last_of('/') + 1);
    const auto dot = name.find_last_of('.');
    if (dot == std::string_view::npos || dot == 0) return unknown_media_type;  // ".profile" has no extension
    const auto extension = name.substr(dot + 1);
    for (const auto& [known, type] : table) {
        if (equal_ignoring_case(known, extension)) return type;
    }
    return unknown_media_type;
}

}  // namespace weir::http
